#pragma once

#include <cstddef>
#include <cstring>
#include <limits>

#include "lazygumbel/attention/exact/detail/softmax_kernels.hpp"
#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"

namespace lazygumbel::detail {

template <class Set>
LAZYGUMBEL_INLINE void scale_row(float* row, std::size_t dimension,
                                 const typename Set::Floats& scale) {
  for (std::size_t c = 0; c < dimension; c += Set::width) {
    typename Set::Floats x;
    std::memcpy(&x, row + c, sizeof x);
    x *= scale;
    std::memcpy(row + c, &x, sizeof x);
  }
}

template <class Set>
LAZYGUMBEL_INLINE void softmax_rows(const SoftmaxRows& block) {
  using Floats = typename Set::Floats;
  constexpr std::size_t W = Set::width;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const std::size_t padded = (block.keys + W - 1) / W * W;
  const float inverse = block.softcap > 0.0F ? 1.0F / block.softcap : 0.0F;
  for (std::size_t r = 0; r < block.rows; ++r) {
    float* const scores = block.scores + static_cast<std::ptrdiff_t>(r) * block.score_row;
    std::size_t limit = block.keys;
    if (block.limits != nullptr && block.limits[r] < limit) limit = block.limits[r];
    const std::size_t seen = (limit + W - 1) / W * W;
    for (std::size_t j = limit; j < seen; ++j) scores[j] = 0.0F;
    for (std::size_t j = seen; j < padded; ++j) scores[j] = -infinity;
    Floats high = Floats{} - infinity, check = {};
    for (std::size_t j = 0; j < limit; j += W) {
      Floats x;
      std::memcpy(&x, scores + j, sizeof x);
      check += x;
      if (block.softcap > 0.0F) {  // what was left out stays at -inf
        Floats capped = x;
        lanes_cap<W>(capped, block.softcap, inverse);
        x = x > -infinity ? capped : x;
      }
      x += block.bias;
      std::memcpy(scores + j, &x, sizeof x);
      if (j + W > limit) {
        for (std::size_t l = limit - j; l < W; ++l) scores[j + l] = -infinity;
        std::memcpy(&x, scores + j, sizeof x);
      }
      take_larger(high, x);
    }
    if (block.checks != nullptr) block.checks[r] += lane_sum(check);
    const float before = block.largest[r], found = largest_lane(high);
    const float largest = found > before ? found : before;
    if (!(largest > -infinity)) {  // nothing that counts so far
      for (std::size_t j = 0; j < padded; ++j) scores[j] = 0.0F;
      continue;
    }
    if (found > before) {
      block.largest[r] = found;
      Floats scale = Floats{} + (before - found);
      lanes_exp<W>(scale);
      block.sums[r] *= static_cast<double>(scale[0]);
      const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(r) * block.out_row;
      scale_row<Set>(block.out + at, block.dimension, scale);
      if (block.lost != nullptr) scale_row<Set>(block.lost + at, block.dimension, scale);
    }
    Floats sum = {};
    for (std::size_t j = 0; j < padded; j += W) {
      Floats x;
      std::memcpy(&x, scores + j, sizeof x);
      x -= largest;
      lanes_exp<W>(x);
      sum += x;
      std::memcpy(scores + j, &x, sizeof x);
    }
    block.sums[r] += static_cast<double>(lane_sum(sum));
  }
}

template <class Set>
constexpr SoftmaxKernels SoftmaxKernels::of() noexcept {
  return {Set::width, Set::template run<softmax_rows<Set>>};
}

}  // namespace lazygumbel::detail
