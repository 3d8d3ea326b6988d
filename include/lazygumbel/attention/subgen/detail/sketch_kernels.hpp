#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"
#include "lazygumbel/attention/exact/detail/stream_kernels.hpp"

/// \file
/// Loops over the rows that a sketch keeps.

namespace lazygumbel::detail {

/// The nearest of some rows, and its squared distance.
struct NearestRow {
  std::size_t row;
  float square;
};

/// Floats of a row that is compared: whole lanes of every instruction set.
constexpr std::size_t compared_width(std::size_t d) noexcept { return (d + 15) / 16 * 16; }

/// Of `count` >= 1 rows of `width` = compared_width(d) floats, padded with 0 like `key`.
/// Differences are taken before they are squared: rows may be far from 0 and close to each other.
template <class Isa>
LAZYGUMBEL_INLINE void nearest_row(const float* rows, std::size_t count, std::size_t width,
                                   const float* key, NearestRow& nearest) {
  using Floats = typename Isa::Floats;
  constexpr std::size_t W = Isa::width;
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

/// Rows of d numbers, one behind the other.
template <class T>
struct KeptRows {
  const T* rows;
  std::size_t count, d;
};

/// scores[j] = cap(<query, row j>) with a query as `pad_query` makes it; cap 0: none. Room for
/// whole lanes behind the scores, which is overwritten.
template <class Isa, class T>
LAZYGUMBEL_INLINE void kept_scores(const KeptRows<T>& keys, const float* query, float cap,
                                   float* scores) {
  for (std::size_t j = 0; j < keys.count; ++j)
    scores[j] = stream_score<Isa>(keys.rows + j * keys.d, keys.d, query);
  cap_scores<Isa>(scores, keys.count, cap);
}

/// Weighted rows to be dealt to batches: row batch[j] of `sums`, rows of `room` floats, gets
/// weights[j] times row j.
struct DealtRows {
  const float* weights;
  const std::uint32_t* batch;
  std::size_t room;
  float* sums;
};

template <class Isa, class T>
LAZYGUMBEL_INLINE void deal_rows(const KeptRows<T>& values, const DealtRows& to) {
  using Floats = typename Isa::Floats;
  constexpr std::size_t W = Isa::width;
  for (std::size_t j = 0; j < values.count; ++j) {
    const float weight = to.weights[j];
    if (weight == 0.0F) continue;
    const T* const row = values.rows + j * values.d;
    float* const sums = to.sums + to.batch[j] * to.room;
    std::size_t c = 0;
    for (; c + W <= values.d; c += W) {
      Floats x, sum;
      Isa::load(x, row + c);
      std::memcpy(&sum, sums + c, sizeof sum);
      sum += weight * x;
      std::memcpy(sums + c, &sum, sizeof sum);
    }
    for (; c < values.d; ++c) sums[c] += weight * static_cast<float>(row[c]);
  }
}

template <class T>
struct SketchKernels {
  void (*nearest)(const float* rows, std::size_t count, std::size_t width, const float* key,
                  NearestRow& nearest);
  void (*scores)(const KeptRows<T>&, const float* query, float cap, float* scores);
  void (*sum)(const KeptRows<T>&, const float* weights, float* out);
  void (*deal)(const KeptRows<T>&, const DealtRows&);
};

// The functions that carry an instruction set, once for each. Nothing but calls, which are inlined.
#define LAZYGUMBEL_SKETCH_KERNELS(Name, Isa, attributes)                                          \
  template <class T>                                                                              \
  struct Name {                                                                                   \
    attributes static void nearest(const float* rows, std::size_t count, std::size_t width,       \
                                   const float* key, NearestRow& nearest) {                       \
      nearest_row<Isa>(rows, count, width, key, nearest);                                         \
    }                                                                                             \
    attributes static void scores(const KeptRows<T>& keys, const float* query, float cap,         \
                                  float* scores) {                                                \
      kept_scores<Isa>(keys, query, cap, scores);                                                 \
    }                                                                                             \
    attributes static void sum(const KeptRows<T>& values, const float* weights, float* out) {     \
      add_values<Isa>(values.rows, static_cast<std::ptrdiff_t>(values.d), values.count, values.d, \
                      weights, out);                                                              \
    }                                                                                             \
    attributes static void deal(const KeptRows<T>& values, const DealtRows& to) {                 \
      deal_rows<Isa>(values, to);                                                                 \
    }                                                                                             \
    static constexpr SketchKernels<T> table = {nearest, scores, sum, deal};                       \
  }

LAZYGUMBEL_SKETCH_KERNELS(PortableSketch, PortableLanes, );
#ifdef LAZYGUMBEL_X86_KERNELS
LAZYGUMBEL_SKETCH_KERNELS(Avx2Sketch, Avx2Lanes, LAZYGUMBEL_AVX2);
LAZYGUMBEL_SKETCH_KERNELS(Avx512Sketch, Avx512Lanes, LAZYGUMBEL_AVX512);
#endif
#undef LAZYGUMBEL_SKETCH_KERNELS

/// The kernels of `simd`, which must be supported.
template <class T>
const SketchKernels<T>& sketch_kernels(Simd simd) noexcept {
#ifdef LAZYGUMBEL_X86_KERNELS
  if (simd == Simd::avx512_vnni) return Avx512Sketch<T>::table;
  if (simd == Simd::avx2) return Avx2Sketch<T>::table;
#endif
  static_cast<void>(simd);
  return PortableSketch<T>::table;
}

}  // namespace lazygumbel::detail
