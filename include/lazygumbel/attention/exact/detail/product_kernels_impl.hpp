#pragma once

#include <cstddef>
#include <cstring>

#include "lazygumbel/attention/exact/detail/product_kernels.hpp"
#include "lazygumbel/attention/exact/detail/softmax_kernels_impl.hpp"
#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"

namespace lazygumbel::detail {

/// Rows of a tile of products: with two registers each, all that fit.
template <class Set>
inline constexpr int product_rows = Set::width == 16  ? 12
                                    : Set::width == 8 ? 6
                                                      : 4;

template <class Set, int Rows, int Vectors>
LAZYGUMBEL_INLINE void product_tile(const Product& p, const float* a, const float* b, float* c) {
  using Floats = typename Set::Floats;
  constexpr std::size_t W = Set::width;
  Floats sums[static_cast<std::size_t>(Rows * Vectors)];
  LAZYGUMBEL_UNROLL
  for (int i = 0; i < Rows * Vectors; ++i) {
    sums[i] = Floats{};
    if (p.add && p.lost == nullptr)
      std::memcpy(&sums[i],
                  c + (i / Vectors) * p.c_row + static_cast<std::ptrdiff_t>(W) * (i % Vectors),
                  sizeof(Floats));
  }
  for (std::size_t l = 0; l < p.k; ++l, a += p.a_col, b += p.b_row) {
    Floats columns[static_cast<std::size_t>(Vectors)];
    LAZYGUMBEL_UNROLL
    for (int v = 0; v < Vectors; ++v)
      std::memcpy(&columns[v], b + static_cast<std::ptrdiff_t>(W) * v, sizeof(Floats));
    LAZYGUMBEL_UNROLL
    for (int i = 0; i < Rows; ++i) {
      const float factor = a[i * p.a_row];
      LAZYGUMBEL_UNROLL
      for (int v = 0; v < Vectors; ++v) sums[i * Vectors + v] += factor * columns[v];
    }
  }
  LAZYGUMBEL_UNROLL
  for (int i = 0; i < Rows; ++i) {
    LAZYGUMBEL_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      float* const to = c + i * p.c_row + static_cast<std::ptrdiff_t>(W) * v;
      if (p.lost == nullptr)
        std::memcpy(to, &sums[i * Vectors + v], sizeof(Floats));
      else
        add_compensated(sums[i * Vectors + v], to, p.lost + (to - p.c));
    }
  }
}

/// All rows of one panel, `Rows` at a time and what is left in smaller tiles.
template <class Set, int Rows, int Vectors>
LAZYGUMBEL_INLINE void product_panel(const Product& p, std::size_t row, const float* b, float* c) {
  for (; row + Rows <= p.m; row += Rows) {
    const auto at = static_cast<std::ptrdiff_t>(row);
    product_tile<Set, Rows, Vectors>(p, p.a + at * p.a_row, b, c + at * p.c_row);
  }
  if constexpr (Rows > 1) product_panel<Set, Rows / 2, Vectors>(p, row, b, c);
}

template <class Set>
LAZYGUMBEL_INLINE void product(const Product& p) {
  constexpr std::size_t W = Set::width;
  std::size_t column = 0;
  const float* b = p.b;
  for (; column + 2 * W <= p.n; column += 2 * W, b += p.b_panel)
    product_panel<Set, product_rows<Set>, 2>(p, 0, b, p.c + column);
  if (column < p.n) product_panel<Set, product_rows<Set>, 1>(p, 0, b, p.c + column);
}

template <class Set>
constexpr ProductKernels ProductKernels::of() noexcept {
  return {Set::simd, Set::width, Set::template run<product<Set>>,
          table_of<SoftmaxKernels, Set>.rows};
}

}  // namespace lazygumbel::detail
