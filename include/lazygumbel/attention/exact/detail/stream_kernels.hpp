#pragma once

#include <cstddef>

#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/core/types.hpp"

/// \file
/// Attention of a few queries that share their keys and values, in one pass over both: what
/// decoding is bound by is the memory that they are read from. Blocks of keys are scored, weighed
/// by the running softmax and their values added before the next is touched.

namespace lazygumbel::detail {

/// A run of keys and values and, for each of `queries` queries, what is known of its softmax so
/// far (as in SoftmaxRows). A query is `query_row` floats: the first d, scaled, padded so that the
/// last lanes can be read from d - width on with those already used set to 0 (`pad_query`).
template <class T>
struct StreamRun {
  const T *keys, *values;
  std::ptrdiff_t key_stride, value_stride;
  std::size_t count, d, dv;
  std::size_t queries;
  const float* query;
  std::ptrdiff_t query_row;
  float softcap;
  float* largest;
  double* sums;
  float* out;  ///< rows of dv floats, padded to the lanes' width
  std::ptrdiff_t out_row;
  float* checks;  ///< one a query: the sum of all scores is added, not finite where one is not
  float* lost = nullptr;  ///< what rounding lost of `out`, as in Product; nullptr: not known
};

/// Floats that a padded query takes.
constexpr std::size_t query_room(std::size_t d, std::size_t width) noexcept { return d + width; }

/// to = scale * from, and behind it the last `width` numbers once more, those that whole vectors
/// cover set to 0.
inline void pad_query(const float* from, std::size_t d, std::size_t width, double scale,
                      float* to) {
  for (std::size_t j = 0; j < d; ++j)
    to[j] = static_cast<float>(scale * static_cast<double>(from[j]));
  const std::size_t whole = d / width * width;
  for (std::size_t l = 0; l < width; ++l) {
    const std::size_t j = d + l;  // stands for j - width
    to[d + l] = j >= width && j - width >= whole ? to[j - width] : 0.0F;
  }
}

/// Attention over one run.
template <class T>
struct StreamKernels {
  void (*run)(const StreamRun<T>&);

  template <class Set>
  static constexpr StreamKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const StreamKernels<float>& select<StreamKernels<float>>(Simd) noexcept;
extern template const StreamKernels<Eigen::half>& select<StreamKernels<Eigen::half>>(Simd) noexcept;
extern template const StreamKernels<Eigen::bfloat16>& select<StreamKernels<Eigen::bfloat16>>(
    Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/attention/exact/detail/stream_kernels_impl.hpp"
#endif
