#pragma once

#include <cstddef>
#include <cstdint>

#include "lazygumbel/core/simd.hpp"

namespace lazygumbel::detail {

/// Rows of one block of scores s and, beside them, of products of output gradients and values
/// g.v. Turns the scores into weights p = factor e^(cap(s) - shift) and the products into the
/// scores' gradients p (g.v - delta) cap'(s); both are 0 behind a row's limit and where the score
/// is -inf.
struct GradientRows {
  std::size_t rows, keys;  ///< keys: a multiple of the lanes' width fits in a row
  float *scores, *products;
  std::ptrdiff_t row;                      ///< floats from row to row, of both
  const std::uint32_t* limits;             ///< keys that each row sees; nullptr: all
  float softcap;                           ///< 0: none
  const float *shifts, *factors, *deltas;  ///< one a row
  double* masses;                          ///< one a row: the sum of its weights is added
};

/// The loop between the products of attention's gradients.
struct GradientKernels {
  void (*rows)(const GradientRows&);

  template <class Set>
  static constexpr GradientKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const GradientKernels& select<GradientKernels>(Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/attention/exact/detail/gradient_kernels_impl.hpp"
#endif
