#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"
#include "lazygumbel/attention/exact/detail/stream_kernels.hpp"
#include "lazygumbel/core/types.hpp"

/// \file
/// Loops over keys and values that are picked one by one: what sampled attention reads. Rows are
/// fetched ahead, since each lies elsewhere in memory.

namespace lazygumbel::detail {

/// Rows ids[0 .. count-1] of one kv head: numbers `stride` apart, d of each.
template <class T>
struct GatheredRows {
  const T* rows;
  std::ptrdiff_t stride;
  std::size_t d;
  const item_id* ids;
  std::size_t count;

  const T* row(std::size_t j) const noexcept {
    return rows + static_cast<std::ptrdiff_t>(ids[j]) * stride;
  }
};

/// Batches that draws go to in turn, for the law of their sum.
inline constexpr std::size_t draw_batches = 16;

/// Sums over draws j = 0 .. count - 1 of weight w_j and value v_j, with y_j = v_j - centre:
///   sums (of batch (first + j) % draw_batches) += w_j y_j,   squares += w_j^2 y_j,
///   square += w_j^2 |y_j|^2.
/// Rows of `room` floats, a multiple of the lanes' width, at least dv.
struct DrawSums {
  const float* weights;
  const float* centre;
  std::size_t first, room;
  float *sums, *squares;
  double* square;
};

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

/// scores[j] = cap(<query, row j>) with a query as `pad_query` makes it; cap 0: none. Room for
/// whole lanes behind the scores, which is overwritten.
template <class Isa, class T>
LAZYGUMBEL_INLINE void gather_scores(const GatheredRows<T>& keys, const float* query, float cap,
                                     float* scores) {
  prefetch_first(keys);
  for (std::size_t j = 0; j < keys.count; ++j) {
    if (j + gathered_ahead < keys.count) prefetch_row(keys.row(j + gathered_ahead), keys.d);
    scores[j] = stream_score<Isa>(keys.row(j), keys.d, query);
  }
  cap_scores<Isa>(scores, keys.count, cap);
}

/// out (dv floats) += sum_j weights_j row_j.
template <class Isa, class T>
LAZYGUMBEL_INLINE void gather_values(const GatheredRows<T>& values, const float* weights,
                                     float* out) {
  prefetch_first(values);
  for (std::size_t j = 0; j < values.count; ++j) {
    if (j + gathered_ahead < values.count) prefetch_row(values.row(j + gathered_ahead), values.d);
    add_values<Isa>(values.row(j), 0, 1, values.d, weights + j, out);
  }
}

template <class Isa, class T>
LAZYGUMBEL_INLINE void gather_sums(const GatheredRows<T>& values, const DrawSums& to) {
  using Floats = typename Isa::Floats;
  constexpr std::size_t W = Isa::width;
  prefetch_first(values);
  double square = 0.0;
  for (std::size_t j = 0; j < values.count; ++j) {
    if (j + gathered_ahead < values.count) prefetch_row(values.row(j + gathered_ahead), values.d);
    const T* const row = values.row(j);
    float* const sums = to.sums + (to.first + j) % draw_batches * to.room;
    const float weight = to.weights[j], weight_squared = weight * weight;
    Floats norm = {};
    std::size_t c = 0;
    for (; c + W <= values.d; c += W) {
      Floats y, centre, sum, sum_of_squares;
      Isa::load(y, row + c);
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
    square += static_cast<double>(weight_squared) * static_cast<double>(all);
  }
  *to.square += square;
}

/// products[a draw_batches + b] = <row a, row b> of draw_batches rows of `room` floats.
template <class Isa>
LAZYGUMBEL_INLINE void row_products(const float* rows, std::size_t room, float* products) {
  using Floats = typename Isa::Floats;
  for (std::size_t a = 0; a < draw_batches; ++a)
    for (std::size_t b = 0; b <= a; ++b) {
      Floats sum = {};
      for (std::size_t c = 0; c < room; c += Isa::width) {
        Floats x, y;
        std::memcpy(&x, rows + a * room + c, sizeof x);
        std::memcpy(&y, rows + b * room + c, sizeof y);
        sum += x * y;
      }
      products[a * draw_batches + b] = products[b * draw_batches + a] = lane_sum(sum);
    }
}

/// The loops of one instruction set, as pointers to functions.
template <class T>
struct GatherKernels {
  void (*scores)(const GatheredRows<T>&, const float* query, float cap, float* scores);
  void (*values)(const GatheredRows<T>&, const float* weights, float* out);
  void (*sums)(const GatheredRows<T>&, const DrawSums&);
  void (*products)(const float* rows, std::size_t room, float* products);
};

// The functions that carry an instruction set, once for each. Nothing but calls, which are inlined.
#define LAZYGUMBEL_GATHER_KERNELS(Name, Isa, attributes)                                           \
  template <class T>                                                                               \
  struct Name {                                                                                    \
    attributes static void scores(const GatheredRows<T>& keys, const float* query, float cap,      \
                                  float* scores) {                                                 \
      gather_scores<Isa>(keys, query, cap, scores);                                                \
    }                                                                                              \
    attributes static void values(const GatheredRows<T>& from, const float* weights, float* out) { \
      gather_values<Isa>(from, weights, out);                                                      \
    }                                                                                              \
    attributes static void sums(const GatheredRows<T>& from, const DrawSums& to) {                 \
      gather_sums<Isa>(from, to);                                                                  \
    }                                                                                              \
    attributes static void products(const float* rows, std::size_t room, float* products) {        \
      row_products<Isa>(rows, room, products);                                                     \
    }                                                                                              \
    static constexpr GatherKernels<T> table = {scores, values, sums, products};                    \
  }

LAZYGUMBEL_GATHER_KERNELS(PortableGather, PortableLanes, );
#ifdef LAZYGUMBEL_X86_KERNELS
LAZYGUMBEL_GATHER_KERNELS(Avx2Gather, Avx2Lanes, LAZYGUMBEL_AVX2);
LAZYGUMBEL_GATHER_KERNELS(Avx512Gather, Avx512Lanes, LAZYGUMBEL_AVX512);
#endif
#undef LAZYGUMBEL_GATHER_KERNELS

/// The kernels of `simd`, which must be supported.
template <class T>
const GatherKernels<T>& gather_kernels(Simd simd) noexcept {
#ifdef LAZYGUMBEL_X86_KERNELS
  if (simd == Simd::avx512_vnni) return Avx512Gather<T>::table;
  if (simd == Simd::avx2) return Avx2Gather<T>::table;
#endif
  static_cast<void>(simd);
  return PortableGather<T>::table;
}

}  // namespace lazygumbel::detail
