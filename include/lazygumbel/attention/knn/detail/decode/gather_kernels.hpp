#pragma once

#include <cstddef>

#include "lazygumbel/core/simd.hpp"
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
///   square += w_j^2 |y_j|^2,   cube += w_j^3 |y_j|^3.
/// Rows of `room` floats, a multiple of the lanes' width, at least dv.
struct DrawSums {
  const float* weights;
  const float* centre;
  std::size_t first, room;
  float *sums, *squares;
  double *square, *cube;
};

template <class T>
struct GatherKernels {
  /// scores[j] = cap(<query, row j>) with a query as `pad_query` makes it; cap 0: none. Room for
  /// whole lanes behind the scores, which is overwritten.
  void (*scores)(const GatheredRows<T>&, const float* query, float cap, float* scores);
  /// out (dv floats) += sum_j weights_j row_j.
  void (*values)(const GatheredRows<T>&, const float* weights, float* out);
  void (*sums)(const GatheredRows<T>&, const DrawSums&);
  /// products[a draw_batches + b] = <row a, row b> of draw_batches rows of `room` floats.
  void (*products)(const float* rows, std::size_t room, float* products);

  template <class Set>
  static constexpr GatherKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const GatherKernels<float>& select<GatherKernels<float>>(Simd) noexcept;
extern template const GatherKernels<Eigen::half>& select<GatherKernels<Eigen::half>>(Simd) noexcept;
extern template const GatherKernels<Eigen::bfloat16>& select<GatherKernels<Eigen::bfloat16>>(
    Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/attention/knn/detail/decode/gather_kernels_impl.hpp"
#endif
