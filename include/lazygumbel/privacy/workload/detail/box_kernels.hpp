#pragma once

#include <cstddef>
#include <cstdint>

#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/core/types.hpp"

/// \file
/// The inner loops of BoxWorkload: sums of some rows of a matrix of doubles. A set of n values is
/// (n + 7) / 8 bytes, value v the bit v % 8 of byte v / 8, the other bits 0.

namespace lazygumbel::detail {

constexpr std::size_t set_bytes(std::size_t values) noexcept { return (values + 7) / 8; }

/// Boxes over a matrix: for each, a set of rows, right behind it a set of columns, and its number.
struct MatrixBoxes {
  const std::uint8_t* sets;
  const item_id* ids;
  std::size_t count, row_bytes, column_bytes;
};

/// The loops of one instruction set. Lengths are multiples of 8, matrices aligned to 64 bytes,
/// except in sum_box.
struct BoxKernels {
  /// out = rows[0] + .. + rows[count - 1], each of `length` numbers.
  void (*sum_rows)(const double* const* rows, std::size_t count, std::size_t length, double* out);

  /// The sums of all subsets of rows 4c .. 4c + 3 of a `rows` x `length` matrix, c = 0 .. 2 b - 1,
  /// b bytes the set of rows: table row 16 c + s is the sum of rows 4c + i, i in the bits of s.
  void (*build_tables)(const double* matrix, std::size_t rows, std::size_t length, double* tables);

  /// out[id] = the sum over the box, from the tables of a matrix of 8 * column_bytes columns.
  void (*sum_boxes)(const double* tables, const MatrixBoxes& boxes, double* out);

  /// The sum over one box of a matrix with any distance between rows. Only numbers inside the box
  /// are read (or, where they are, masked).
  double (*sum_box)(const double* matrix, std::size_t stride, const std::uint8_t* row_set,
                    std::size_t row_bytes, const std::uint8_t* column_set,
                    std::size_t column_bytes);

  template <class Set>
  static constexpr BoxKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const BoxKernels& select<BoxKernels>(Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/privacy/workload/detail/box_kernels_impl.hpp"
#endif
