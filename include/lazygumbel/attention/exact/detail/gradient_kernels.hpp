#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"

/// \file
/// The loop between the products of attention's gradients, once for each instruction set.

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

template <class Isa, bool Capped>
LAZYGUMBEL_INLINE void gradient_lanes(float* scores, float* products, float cap, float inverse,
                                      float shift, float factor, float delta,
                                      typename Isa::Floats& sum) {
  using Floats = typename Isa::Floats;
  constexpr std::size_t W = Isa::width;
  Floats x, y;
  std::memcpy(&x, scores, sizeof x);
  std::memcpy(&y, products, sizeof y);
  Floats slope;
  if constexpr (Capped) {
    const Floats uncapped = x, lowest = Floats{} - (std::numeric_limits<float>::max)();
    lanes_cap<W>(x, cap, inverse);
    const Floats tanh = x * inverse;
    slope = 1.0F - tanh * tanh;
    x = uncapped < lowest ? uncapped : x;
  }
  x -= shift;
  const Floats most = Floats{} + 88.0F;  // more only where the shift is another attention's
  take_smaller(x, most);
  lanes_exp<W>(x);
  x *= factor;
  sum += x;
  y = x * (y - delta);
  if constexpr (Capped) y *= slope;
  std::memcpy(scores, &x, sizeof x);
  std::memcpy(products, &y, sizeof y);
}

template <class Isa, bool Capped>
LAZYGUMBEL_INLINE void gradient_rows(const GradientRows& block) {
  using Floats = typename Isa::Floats;
  constexpr std::size_t W = Isa::width;
  const std::size_t padded = (block.keys + W - 1) / W * W;
  const float cap = block.softcap, inverse = Capped ? 1.0F / cap : 0.0F;
  for (std::size_t r = 0; r < block.rows; ++r) {
    float* const scores = block.scores + static_cast<std::ptrdiff_t>(r) * block.row;
    float* const products = block.products + static_cast<std::ptrdiff_t>(r) * block.row;
    std::size_t limit = block.keys;
    if (block.limits != nullptr && block.limits[r] < limit) limit = block.limits[r];
    const float shift = block.shifts[r], factor = block.factors[r], delta = block.deltas[r];
    Floats sum = {};
    std::size_t j = 0;
    for (; j + W <= limit; j += W)
      gradient_lanes<Isa, Capped>(scores + j, products + j, cap, inverse, shift, factor, delta,
                                  sum);
    if (j < limit) {  // lanes behind the limit weigh nothing
      alignas(64) float s[W], y[W] = {};
      for (float& score : s) score = -std::numeric_limits<float>::infinity();
      std::memcpy(s, scores + j, sizeof(float) * (limit - j));
      std::memcpy(y, products + j, sizeof(float) * (limit - j));
      gradient_lanes<Isa, Capped>(s, y, cap, inverse, shift, factor, delta, sum);
      std::memcpy(scores + j, s, sizeof s);
      std::memcpy(products + j, y, sizeof y);
      j += W;
    }
    for (; j < padded; ++j) scores[j] = products[j] = 0.0F;
    block.masses[r] += static_cast<double>(lane_sum(sum));
  }
}

using GradientKernel = void (*)(const GradientRows&);

// The functions that carry an instruction set, once for each. Nothing but calls, which are inlined.
#define LAZYGUMBEL_GRADIENT_KERNELS(Name, Isa, attributes)  \
  struct Name {                                             \
    attributes static void run(const GradientRows& block) { \
      if (block.softcap > 0.0F)                             \
        gradient_rows<Isa, true>(block);                    \
      else                                                  \
        gradient_rows<Isa, false>(block);                   \
    }                                                       \
  }

LAZYGUMBEL_GRADIENT_KERNELS(PortableGradients, PortableLanes, );
#ifdef LAZYGUMBEL_X86_KERNELS
LAZYGUMBEL_GRADIENT_KERNELS(Avx2Gradients, Avx2Lanes, LAZYGUMBEL_AVX2);
LAZYGUMBEL_GRADIENT_KERNELS(Avx512Gradients, Avx512Lanes, LAZYGUMBEL_AVX512);
#endif
#undef LAZYGUMBEL_GRADIENT_KERNELS

/// The kernel of `simd`, which must be supported.
inline GradientKernel gradient_kernel(Simd simd) noexcept {
#ifdef LAZYGUMBEL_X86_KERNELS
  if (simd == Simd::avx512_vnni) return Avx512Gradients::run;
  if (simd == Simd::avx2) return Avx2Gradients::run;
#endif
  static_cast<void>(simd);
  return PortableGradients::run;
}

}  // namespace lazygumbel::detail
