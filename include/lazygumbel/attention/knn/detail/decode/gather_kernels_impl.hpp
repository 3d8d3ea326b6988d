#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>

#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"
#include "lazygumbel/attention/exact/detail/stream_kernels_impl.hpp"
#include "lazygumbel/attention/knn/detail/decode/gather_kernels.hpp"

namespace lazygumbel::detail {

inline constexpr std::size_t gathered_ahead = 12;  // rows on their way from memory

template <class T>
LAZYGUMBEL_INLINE void prefetch_row(const T* row, std::size_t d) noexcept {
  const char* const begin = reinterpret_cast<const char*>(row);
  for (std::size_t at = 0; at < d * sizeof(T); at += 64) LAZYGUMBEL_PREFETCH(begin + at);
}

template <class T>
LAZYGUMBEL_INLINE void prefetch_first(const GatheredRows<T>& from) noexcept {
  for (std::size_t j = 0; j < gathered_ahead && j < from.count; ++j)
    prefetch_row(from.row(j), from.d);
}

template <class Set, class T>
LAZYGUMBEL_INLINE void gather_scores(const GatheredRows<T>& keys, const float* query, float cap,
                                     float* scores) {
  prefetch_first(keys);
  for (std::size_t j = 0; j < keys.count; ++j) {
    if (j + gathered_ahead < keys.count) prefetch_row(keys.row(j + gathered_ahead), keys.d);
    scores[j] = stream_score<Set>(keys.row(j), keys.d, query);
  }
  cap_scores<Set>(scores, keys.count, cap);
}

/// out += weight row. The product is rounded before it is added.
template <class Set, class T>
LAZYGUMBEL_INLINE void add_row(const T* row, std::size_t d, float weight, float* out) {
  using Floats = typename Set::Floats;
  constexpr std::size_t W = Set::width;
  std::size_t c = 0;
  for (; c + W <= d; c += W) {
    Floats x, sum = {};
    load_stored<Set>(x, row + c);
    sum += weight * x;
    add_columns(sum, out + c, nullptr);
  }
  alignas(64) float rest[W] = {};
  for (std::size_t l = 0; c + l < d; ++l) rest[l] += weight * static_cast<float>(row[c + l]);
  Floats sum;
  std::memcpy(&sum, rest, sizeof sum);
  if (c < d) add_columns(sum, out + c, nullptr);
}

template <class Set, class T>
LAZYGUMBEL_INLINE void gather_values(const GatheredRows<T>& values, const float* weights,
                                     float* out) {
  prefetch_first(values);
  for (std::size_t j = 0; j < values.count; ++j) {
    if (j + gathered_ahead < values.count) prefetch_row(values.row(j + gathered_ahead), values.d);
    add_row<Set>(values.row(j), values.d, weights[j], out);
  }
}

template <class Set, class T>
LAZYGUMBEL_INLINE void gather_sums(const GatheredRows<T>& values, const DrawSums& to) {
  using Floats = typename Set::Floats;
  constexpr std::size_t W = Set::width;
  prefetch_first(values);
  double square = 0.0, cube = 0.0;
  for (std::size_t j = 0; j < values.count; ++j) {
    if (j + gathered_ahead < values.count) prefetch_row(values.row(j + gathered_ahead), values.d);
    const T* const row = values.row(j);
    float* const sums = to.sums + (to.first + j) % draw_batches * to.room;
    const float weight = to.weights[j], weight_squared = weight * weight;
    Floats norm = {};
    std::size_t c = 0;
    for (; c + W <= values.d; c += W) {
      Floats y, centre, sum, sum_of_squares;
      load_stored<Set>(y, row + c);
      std::memcpy(&centre, to.centre + c, sizeof centre);
      std::memcpy(&sum, sums + c, sizeof sum);
      std::memcpy(&sum_of_squares, to.squares + c, sizeof sum_of_squares);
      y -= centre;
      norm += y * y;
      sum += weight * y;
      sum_of_squares += weight_squared * y;
      std::memcpy(sums + c, &sum, sizeof sum);
      std::memcpy(to.squares + c, &sum_of_squares, sizeof sum_of_squares);
    }
    float all = lane_sum(norm);
    for (; c < values.d; ++c) {
      const float y = static_cast<float>(row[c]) - to.centre[c];
      all += y * y;
      sums[c] += weight * y;
      to.squares[c] += weight_squared * y;
    }
    const double term = static_cast<double>(weight_squared) * static_cast<double>(all);
    square += term;
    cube += term * std::sqrt(term);
  }
  *to.square += square;
  *to.cube += cube;
}

template <class Set>
LAZYGUMBEL_INLINE void row_products(const float* rows, std::size_t room, float* products) {
  using Floats = typename Set::Floats;
  for (std::size_t a = 0; a < draw_batches; ++a)
    for (std::size_t b = 0; b <= a; ++b) {
      Floats sum = {};
      for (std::size_t c = 0; c < room; c += Set::width) {
        Floats x, y;
        std::memcpy(&x, rows + a * room + c, sizeof x);
        std::memcpy(&y, rows + b * room + c, sizeof y);
        sum += x * y;
      }
      products[a * draw_batches + b] = products[b * draw_batches + a] = lane_sum(sum);
    }
}

template <class T>
template <class Set>
constexpr GatherKernels<T> GatherKernels<T>::of() noexcept {
  return {Set::template run<gather_scores<Set, T>>, Set::template run<gather_values<Set, T>>,
          Set::template run<gather_sums<Set, T>>, Set::template run<row_products<Set>>};
}

}  // namespace lazygumbel::detail
