#pragma once

#include <cstddef>
#include <cstdint>

#include "lazygumbel/core/simd.hpp"

/// \file
/// The inner loops of BitWorkload: sums of the weights where a row's bits are 1.
///
/// A row is chunks of 128 cells, cell x the bit x % 64 of its word x / 64. Rows lie in tiles of 64,
/// a tile is four groups of 16 rows, a group four streams: stream r holds the rows 4 l + r of its
/// group, l = 0 .. 3, chunk by chunk, of each chunk two words a row. So a row is spread over 64
/// bytes a chunk only, and 16 rows are a few shuffles away from lying across a register.
///
/// With 32-bit weights a row's sum is looked up, four cells at a time: the 16 sums of the subsets
/// of four weights are one register of 512 bits, which a permutation reads for 16 rows at once.
/// That is three instructions for 64 products.

namespace lazygumbel::detail {

inline constexpr std::size_t bit_tile = 64;                     // rows
inline constexpr std::size_t chunk_bits = 128;                  // of a row
inline constexpr std::size_t line_words = 8;                    // of a chunk, in a stream
inline constexpr std::size_t chunk_sums = chunk_bits / 4 * 16;  // 32-bit numbers of its tables

/// Where a row starts, in words; its chunk c has the words 8 c and 8 c + 1 from there.
constexpr std::size_t row_start(std::size_t row, std::size_t chunks) noexcept {
  return (row / 16 * 4 + row % 4) * chunks * line_words + row % 16 / 4 * 2;
}
/// Where word w of a row lies, counted from its start.
constexpr std::size_t word_offset(std::size_t w) noexcept { return w / 2 * line_words + w % 2; }

/// The loops of one instruction set.
struct BitKernels {
  /// sums[i] for the bit_tile rows of a tile: in `tables`, the sum of the subset s of the weights
  /// of cells 4c .. 4c + 3 is number 16 c + s.
  void (*tile_sums)(const std::uint64_t* tile, std::size_t chunks, const std::int32_t* tables,
                    std::int32_t* sums);

  /// The sum of `weights`, `cells` of them, over the row that starts here.
  double (*row_sum)(const std::uint64_t* row, const double* weights, std::size_t cells);

  template <class Set>
  static constexpr BitKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const BitKernels& select<BitKernels>(Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/privacy/workload/detail/bit_kernels_impl.hpp"
#endif
