#pragma once

#include <cstddef>
#include <cstring>

#include "lazygumbel/attention/exact/detail/softmax_kernels_impl.hpp"
#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"
#include "lazygumbel/attention/exact/detail/stream_kernels.hpp"

namespace lazygumbel::detail {

inline constexpr std::size_t stream_block =
    16;  // keys: short runs of both streams are what the processor foresees best

/// <query, key>. One key at a time, in order, by several sums: of keys read side by side the
/// processor does not foresee the next.
template <class Set, class T>
LAZYGUMBEL_INLINE float stream_score(const T* key, std::size_t d, const float* query) {
  using Floats = typename Set::Floats;
  constexpr std::size_t W = Set::width, chains = 4;
  Floats sums[chains];
  LAZYGUMBEL_UNROLL
  for (std::size_t c = 0; c < chains; ++c) sums[c] = Floats{};
  std::size_t j = 0;
  for (; j + chains * W <= d; j += chains * W) {
    LAZYGUMBEL_UNROLL
    for (std::size_t c = 0; c < chains; ++c) {
      Floats q, x;
      std::memcpy(&q, query + j + c * W, sizeof q);
      load_stored<Set>(x, key + j + c * W);
      sums[c] += q * x;
    }
  }
  for (; j + W <= d; j += W) {
    Floats q, x;
    std::memcpy(&q, query + j, sizeof q);
    load_stored<Set>(x, key + j);
    sums[0] += q * x;
  }
  if (j < d && d >= W) {
    Floats q, x;
    std::memcpy(&q, query + d, sizeof q);
    load_stored<Set>(x, key + d - W);
    sums[1] += q * x;
    j = d;
  }
  sums[0] += sums[1];
  sums[2] += sums[3];
  sums[0] += sums[2];
  float sum = lane_sum(sums[0]);
  for (; j < d; ++j) sum += query[j] * static_cast<float>(key[j]);
  return sum;
}

/// scores -> cap(scores); cap 0: none. Room for whole lanes behind the scores, which is
/// overwritten.
template <class Set>
LAZYGUMBEL_INLINE void cap_scores(float* scores, std::size_t count, float cap) {
  constexpr std::size_t W = Set::width;
  if (!(cap > 0.0F)) return;
  for (std::size_t l = 0; l < W; ++l) scores[count + l] = 0.0F;
  for (std::size_t j = 0; j < count; j += W) {
    typename Set::Floats x;
    std::memcpy(&x, scores + j, sizeof x);
    lanes_cap<W>(x, cap, 1.0F / cap);
    std::memcpy(scores + j, &x, sizeof x);
  }
}

/// out += addend for one register of columns, with what rounding loses where that is kept.
template <class Floats>
LAZYGUMBEL_INLINE void add_columns(const Floats& addend, float* out, float* lost) {
  if (lost != nullptr) return add_compensated(addend, out, lost);
  Floats sum;
  std::memcpy(&sum, out, sizeof sum);
  sum += addend;
  std::memcpy(out, &sum, sizeof sum);
}

/// out += sum_j weights_j values_j for `columns` columns, Vectors - 1 registers of them and one
/// that may be part of a register only: of a row of more columns than that, it is read with those
/// before.
template <class Set, int Vectors, class T>
LAZYGUMBEL_INLINE void stream_values(const T* values, std::ptrdiff_t stride, std::size_t count,
                                     const float* weights, std::size_t columns, float* out,
                                     float* lost) {
  using Floats = typename Set::Floats;
  constexpr std::size_t W = Set::width;
  constexpr int whole = Vectors - 1;
  const std::ptrdiff_t last = static_cast<std::ptrdiff_t>(columns) - static_cast<std::ptrdiff_t>(W);
  Floats sums[static_cast<std::size_t>(Vectors)];
  LAZYGUMBEL_UNROLL
  for (int v = 0; v < Vectors; ++v) sums[v] = Floats{};
  for (std::size_t j = 0; j < count; ++j, values += stride) {
    const float weight = weights[j];
    LAZYGUMBEL_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      Floats x;
      load_stored<Set>(x, values + (v < whole ? static_cast<std::ptrdiff_t>(W) * v : last));
      sums[v] += weight * x;
    }
  }
  LAZYGUMBEL_UNROLL
  for (int v = 0; v < whole; ++v) {
    const std::size_t at = W * static_cast<std::size_t>(v);
    add_columns(sums[v], out + at, lost != nullptr ? lost + at : nullptr);
  }
  alignas(64) float lanes[2 * W] = {};
  std::memcpy(lanes, &sums[whole], sizeof(Floats));
  Floats rest;
  std::memcpy(&rest, lanes + (W * Vectors - columns), sizeof rest);
  add_columns(rest, out + W * whole, lost != nullptr ? lost + W * whole : nullptr);
}

/// Calls stream_values with as few registers as `columns` fill, at most Most.
template <class Set, int Most, class T>
LAZYGUMBEL_INLINE void stream_few(const T* values, std::ptrdiff_t stride, std::size_t count,
                                  const float* weights, std::size_t columns, float* out,
                                  float* lost) {
  if constexpr (Most > 1)
    if (columns <= (Most - 1) * Set::width)
      return stream_few<Set, Most - 1>(values, stride, count, weights, columns, out, lost);
  stream_values<Set, Most>(values, stride, count, weights, columns, out, lost);
}

/// Registers of columns that are added up in one pass over the rows.
inline constexpr std::size_t stream_columns = 8;

/// out += sum_j weights_j values_j for rows of dv columns.
template <class Set, class T>
LAZYGUMBEL_INLINE void add_values(const T* values, std::ptrdiff_t stride, std::size_t count,
                                  std::size_t dv, const float* weights, float* out,
                                  float* lost = nullptr) {
  constexpr std::size_t W = Set::width, pass = stream_columns * W;
  if (dv < W) {
    alignas(64) float sums[W] = {};
    for (std::size_t j = 0; j < count; ++j, values += stride)
      for (std::size_t i = 0; i < dv; ++i) sums[i] += weights[j] * static_cast<float>(values[i]);
    typename Set::Floats few;
    std::memcpy(&few, sums, sizeof few);
    return add_columns(few, out, lost);
  }
  for (std::size_t c = 0; c < dv; c += pass)
    stream_few<Set, static_cast<int>(stream_columns)>(values + c, stride, count, weights,
                                                      dv - c < pass ? dv - c : pass, out + c,
                                                      lost != nullptr ? lost + c : nullptr);
}

template <class Set, class T>
LAZYGUMBEL_INLINE void stream(const StreamRun<T>& run) {
  alignas(64) float scores[stream_block];
  for (std::size_t first = 0; first < run.count; first += stream_block) {
    const std::size_t count = run.count - first < stream_block ? run.count - first : stream_block;
    const T* const keys = run.keys + static_cast<std::ptrdiff_t>(first) * run.key_stride;
    const T* const values = run.values + static_cast<std::ptrdiff_t>(first) * run.value_stride;
    for (std::size_t q = 0; q < run.queries; ++q) {
      const auto at = static_cast<std::ptrdiff_t>(q);
      const float* const query = run.query + at * run.query_row;
      float* const out = run.out + at * run.out_row;
      float* const lost = run.lost != nullptr ? run.lost + at * run.out_row : nullptr;
      for (std::size_t j = 0; j < count; ++j) {
        // Rows that are read in several passes are not what the processor foresees.
        if (q == 0 && run.dv > stream_columns * Set::width)
          for (std::size_t c = 0; c < run.dv; c += 64 / sizeof(T))
            LAZYGUMBEL_PREFETCH(values + static_cast<std::ptrdiff_t>(j) * run.value_stride +
                                static_cast<std::ptrdiff_t>(c));
        scores[j] =
            stream_score<Set>(keys + static_cast<std::ptrdiff_t>(j) * run.key_stride, run.d, query);
      }
      table_of<SoftmaxKernels, Set>.rows(
          {.rows = 1,
           .keys = count,
           .scores = scores,
           .score_row = 0,
           .limits = nullptr,
           .bias = 0.0F,
           .softcap = run.softcap,
           .largest = run.largest + q,
           .sums = run.sums + q,
           .out = out,
           .out_row = 0,
           .dimension = (run.dv + Set::width - 1) / Set::width * Set::width,
           .lost = lost,
           .checks = run.checks + q});
      add_values<Set>(values, run.value_stride, count, run.dv, scores, out, lost);
    }
  }
}

template <class T>
template <class Set>
constexpr StreamKernels<T> StreamKernels<T>::of() noexcept {
  return {Set::template run<stream<Set, T>>};
}

}  // namespace lazygumbel::detail
