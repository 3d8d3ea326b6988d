#pragma once

#include <cstddef>
#include <cstring>
#include <limits>

#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"
#include "lazygumbel/attention/exact/detail/stream_kernels_impl.hpp"
#include "lazygumbel/attention/subgen/detail/sketch_kernels.hpp"

namespace lazygumbel::detail {

/// Differences are taken before they are squared: rows may be far from 0 and close to each other.
template <class Set>
LAZYGUMBEL_INLINE void nearest_row(const float* rows, std::size_t count, std::size_t width,
                                   const float* key, NearestRow& nearest) {
  using Floats = typename Set::Floats;
  constexpr std::size_t W = Set::width;
  nearest = {0, (std::numeric_limits<float>::infinity)()};
  for (std::size_t i = 0; i < count; ++i, rows += width) {
    Floats sums[2] = {Floats{}, Floats{}};
    std::size_t j = 0;
    for (; j + 2 * W <= width; j += 2 * W) {
      LAZYGUMBEL_UNROLL
      for (std::size_t c = 0; c < 2; ++c) {
        Floats x, k;
        std::memcpy(&x, rows + j + c * W, sizeof x);
        std::memcpy(&k, key + j + c * W, sizeof k);
        x -= k;
        sums[c] += x * x;
      }
    }
    for (; j < width; j += W) {
      Floats x, k;
      std::memcpy(&x, rows + j, sizeof x);
      std::memcpy(&k, key + j, sizeof k);
      x -= k;
      sums[0] += x * x;
    }
    sums[0] += sums[1];
    const float square = lane_sum(sums[0]);
    if (square < nearest.square) nearest = {i, square};
  }
}

template <class Set, class T>
LAZYGUMBEL_INLINE void kept_scores(const KeptRows<T>& keys, const float* query, float cap,
                                   float* scores) {
  for (std::size_t j = 0; j < keys.count; ++j)
    scores[j] = stream_score<Set>(keys.rows + j * keys.d, keys.d, query);
  cap_scores<Set>(scores, keys.count, cap);
}

template <class Set, class T>
LAZYGUMBEL_INLINE void sum_rows(const KeptRows<T>& values, const float* weights, float* out) {
  add_values<Set>(values.rows, static_cast<std::ptrdiff_t>(values.d), values.count, values.d,
                  weights, out);
}

template <class Set, class T>
LAZYGUMBEL_INLINE void deal_rows(const KeptRows<T>& values, const DealtRows& to) {
  using Floats = typename Set::Floats;
  constexpr std::size_t W = Set::width;
  for (std::size_t j = 0; j < values.count; ++j) {
    const float weight = to.weights[j];
    if (weight == 0.0F) continue;
    const T* const row = values.rows + j * values.d;
    float* const sums = to.sums + to.batch[j] * to.room;
    std::size_t c = 0;
    for (; c + W <= values.d; c += W) {
      Floats x, sum;
      load_stored<Set>(x, row + c);
      std::memcpy(&sum, sums + c, sizeof sum);
      sum += weight * x;
      std::memcpy(sums + c, &sum, sizeof sum);
    }
    for (; c < values.d; ++c) sums[c] += weight * static_cast<float>(row[c]);
  }
}

template <class T>
template <class Set>
constexpr SketchKernels<T> SketchKernels<T>::of() noexcept {
  return {Set::template run<nearest_row<Set>>, Set::template run<kept_scores<Set, T>>,
          Set::template run<sum_rows<Set, T>>, Set::template run<deal_rows<Set, T>>};
}

}  // namespace lazygumbel::detail
