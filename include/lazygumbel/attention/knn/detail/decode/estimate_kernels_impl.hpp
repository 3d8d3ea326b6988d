#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"
#include "lazygumbel/attention/knn/detail/decode/estimate_kernels.hpp"
#include "lazygumbel/index/quantized/detail/code_kernels_impl.hpp"

namespace lazygumbel::detail {

template <class Set>
LAZYGUMBEL_INLINE float scan_estimates(const RowCodes& codes, std::size_t first, std::size_t last,
                                       const CodedQuery& query, float cap, float* estimates,
                                       float* largest, float* sums) {
  constexpr std::size_t W = Set::width, parts = tile_rows / W;
  using Floats = typename Lanes<W>::Floats;
  const auto run = dots_of<Set, 1>(codes);
  const std::int32_t* const words = query.words.data();
  const float inverse = cap > 0.0F ? 1.0F / cap : 0.0F;
  alignas(64) std::int32_t dots[1][tile_rows];
  float error = 0.0F;
  for (std::size_t t = first; t < last; ++t) {
    run(codes.tile(t), codes.groups(), &words, dots);
    const float slack = slack_of(codes, t, query);
    Floats rows[parts], high;
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < parts; ++i) {
      rows[i] = RowEstimates<W>(dots[0], codes, t, W * i, query, slack).estimate;
      if (cap > 0.0F) lanes_cap<W>(rows[i], cap, inverse);
      std::memcpy(estimates + t * tile_rows + W * i, &rows[i], sizeof rows[i]);
      if (i == 0)
        high = rows[i];
      else
        take_larger(high, rows[i]);
    }
    largest[t] = largest_lane(high);
    Floats sum = {};
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < parts; ++i) {
      rows[i] -= largest[t];
      fast_exp<W>(rows[i]);
      sum += rows[i];
    }
    sums[t] = lane_sum(sum);
    const float here = codes.residual(t) * query.c + slack;
    error = here > error ? here : error;
  }
  return error;
}

template <class Set>
LAZYGUMBEL_INLINE void weigh_estimates(const float* estimates, float* weights, float* largest,
                                       float* sum) {
  constexpr std::size_t W = Set::width;
  using Floats = typename Lanes<W>::Floats;
  Floats high;
  load(high, estimates);
  for (std::size_t i = W; i < tile_rows; i += W) {
    Floats x;
    load(x, estimates + i);
    take_larger(high, x);
  }
  *largest = largest_lane(high);
  Floats all = {};
  if (*largest == -std::numeric_limits<float>::infinity())
    std::memset(weights, 0, sizeof(float) * tile_rows);
  else
    for (std::size_t i = 0; i < tile_rows; i += W) {
      Floats x;
      load(x, estimates + i);
      x -= *largest;
      lanes_exp<W>(x);
      all += x;
      std::memcpy(weights + i, &x, sizeof x);
    }
  *sum = lane_sum(all);
}

template <class Set>
LAZYGUMBEL_INLINE void weigh_tiles(const float* largest, const float* sums, std::size_t count,
                                   float unit, float* masses) {
  constexpr std::size_t W = Set::width;
  using Floats = typename Lanes<W>::Floats;
  for (std::size_t t = 0; t < count; t += W) {
    Floats x, sum;
    load(x, largest + t);
    load(sum, sums + t);
    x -= unit;
    lanes_exp<W>(x);
    x *= sum;
    std::memcpy(masses + t, &x, sizeof x);
  }
}

template <class Set>
constexpr EstimateKernels EstimateKernels::of() noexcept {
  return {Set::template run<scan_estimates<Set>>, Set::template run<weigh_estimates<Set>>,
          Set::template run<weigh_tiles<Set>>};
}

}  // namespace lazygumbel::detail
