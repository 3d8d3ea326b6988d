#pragma once

#include <cstddef>
#include <cstdint>

#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/core/types.hpp"

namespace lazygumbel::detail {

/// The nearest of some rows, and its squared distance.
struct NearestRow {
  std::size_t row;
  float square;
};

/// Floats of a row that is compared: whole lanes of every instruction set.
constexpr std::size_t compared_width(std::size_t d) noexcept { return (d + 15) / 16 * 16; }

/// Rows of d numbers, one behind the other.
template <class T>
struct KeptRows {
  const T* rows;
  std::size_t count, d;
};

/// Weighted rows to be dealt to batches: row batch[j] of `sums`, rows of `room` floats, gets
/// weights[j] times row j.
struct DealtRows {
  const float* weights;
  const std::uint32_t* batch;
  std::size_t room;
  float* sums;
};

/// Loops over the rows that a sketch keeps.
template <class T>
struct SketchKernels {
  /// The nearest to `key` of `count` >= 1 rows of `width` = compared_width(d) floats, padded with 0
  /// like `key`.
  void (*nearest)(const float* rows, std::size_t count, std::size_t width, const float* key,
                  NearestRow& nearest);
  /// scores[j] = cap(<query, row j>) with a query as `pad_query` makes it; cap 0: none. Room for
  /// whole lanes behind the scores, which is overwritten.
  void (*scores)(const KeptRows<T>&, const float* query, float cap, float* scores);
  /// out += sum_j weights_j row_j.
  void (*sum)(const KeptRows<T>&, const float* weights, float* out);
  void (*deal)(const KeptRows<T>&, const DealtRows&);

  template <class Set>
  static constexpr SketchKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const SketchKernels<float>& select<SketchKernels<float>>(Simd) noexcept;
extern template const SketchKernels<Eigen::half>& select<SketchKernels<Eigen::half>>(Simd) noexcept;
extern template const SketchKernels<Eigen::bfloat16>& select<SketchKernels<Eigen::bfloat16>>(
    Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/attention/subgen/detail/sketch_kernels_impl.hpp"
#endif
