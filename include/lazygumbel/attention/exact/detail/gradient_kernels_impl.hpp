#pragma once

#include <cstddef>
#include <cstring>
#include <limits>

#include "lazygumbel/attention/exact/detail/gradient_kernels.hpp"
#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"

namespace lazygumbel::detail {

template <class Set, bool Capped>
LAZYGUMBEL_INLINE void gradient_lanes(float* scores, float* products, float cap, float inverse,
                                      float shift, float factor, float delta,
                                      typename Set::Floats& sum) {
  using Floats = typename Set::Floats;
  constexpr std::size_t W = Set::width;
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

template <class Set, bool Capped>
LAZYGUMBEL_INLINE void capped_gradient_rows(const GradientRows& block) {
  using Floats = typename Set::Floats;
  constexpr std::size_t W = Set::width;
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
      gradient_lanes<Set, Capped>(scores + j, products + j, cap, inverse, shift, factor, delta,
                                  sum);
    if (j < limit) {  // lanes behind the limit weigh nothing
      alignas(64) float s[W], y[W] = {};
      for (float& score : s) score = -std::numeric_limits<float>::infinity();
      std::memcpy(s, scores + j, sizeof(float) * (limit - j));
      std::memcpy(y, products + j, sizeof(float) * (limit - j));
      gradient_lanes<Set, Capped>(s, y, cap, inverse, shift, factor, delta, sum);
      std::memcpy(scores + j, s, sizeof s);
      std::memcpy(products + j, y, sizeof y);
      j += W;
    }
    for (; j < padded; ++j) scores[j] = products[j] = 0.0F;
    block.masses[r] += static_cast<double>(lane_sum(sum));
  }
}

template <class Set>
LAZYGUMBEL_INLINE void gradient_rows(const GradientRows& block) {
  block.softcap > 0.0F ? capped_gradient_rows<Set, true>(block)
                       : capped_gradient_rows<Set, false>(block);
}

template <class Set>
constexpr GradientKernels GradientKernels::of() noexcept {
  return {Set::template run<gradient_rows<Set>>};
}

}  // namespace lazygumbel::detail
