#pragma once

#include <cstddef>

#include "lazygumbel/attention/exact/detail/softmax_kernels.hpp"
#include "lazygumbel/attention/exact/detail/storage_kernels.hpp"
#include "lazygumbel/core/simd.hpp"

/// \file
/// The two loops that attention over blocks of keys is made of: products of small matrices whose
/// columns are packed in panels, and the running softmax between them.

namespace lazygumbel::detail {

/// C (m x n) = A B, or C += A B where `add`. Entry (i, l) of A (m x k) is at a[i a_row + l a_col].
/// B and C have n columns, a multiple of the lanes' width. B lies in panels of `panel` columns (2
/// widths), one `b_panel` floats after the other, rows of a panel `b_row` apart: for a row-major
/// matrix, b_row is its stride and b_panel = panel.
struct Product {
  std::size_t m, n, k;
  const float* a;
  std::ptrdiff_t a_row, a_col;
  const float* b;
  std::ptrdiff_t b_row, b_panel;
  float* c;
  std::ptrdiff_t c_row;
  bool add;
  /// With `add`: what rounding lost of each entry of C so far, rows `c_row` apart, taken into
  /// account (Kahan), so that errors do not grow with the number of products; nullptr: it is not.
  float* lost = nullptr;
};

/// What blocks of keys go through.
struct ProductKernels {
  Simd simd;
  std::size_t width;  ///< lanes: columns of products come in multiples of it
  std::size_t panel() const noexcept { return 2 * width; }
  std::size_t pad(std::size_t n) const noexcept { return (n + width - 1) / width * width; }
  void (*multiply)(const Product&);
  void (*softmax)(const SoftmaxRows&);

  /// StorageKernels.
  template <class T>
  void pack(const T* rows, std::ptrdiff_t stride, std::size_t count, std::size_t d,
            float* panels) const {
    select<StorageKernels<T>>(simd).pack(rows, stride, count, d, panels);
  }
  template <class T>
  void widen(const T* rows, std::ptrdiff_t stride, std::size_t count, std::size_t d, float* out,
             std::size_t padded) const {
    select<StorageKernels<T>>(simd).widen(rows, stride, count, d, out, padded);
  }

  template <class Set>
  static constexpr ProductKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const ProductKernels& select<ProductKernels>(Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/attention/exact/detail/product_kernels_impl.hpp"
#endif
