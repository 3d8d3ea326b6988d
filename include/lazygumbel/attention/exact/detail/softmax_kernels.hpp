#pragma once

#include <cstddef>
#include <cstdint>

#include "lazygumbel/core/simd.hpp"

namespace lazygumbel::detail {

/// Rows of scores of one block of keys, and what is known of each row's softmax so far: its largest
/// score, the sum of e^(score - largest) and the weighted sum of values. Takes the block's scores
/// in: turns them into weights e^(score - largest), with rows of `out` and sums scaled where the
/// largest score rose; the weights times values are then still to be added to `out`.
struct SoftmaxRows {
  std::size_t rows, keys;  ///< keys: a multiple of the lanes' width fits in a row of scores
  float* scores;
  std::ptrdiff_t score_row;
  const std::uint32_t* limits;  ///< keys that each row sees; nullptr: all
  float bias;                   ///< added to every score, after the cap
  float softcap;                ///< 0: none
  float* largest;               ///< one a row, -inf at first
  double* sums;
  float* out;  ///< rows of `dimension` floats
  std::ptrdiff_t out_row;
  std::size_t dimension;  ///< of `out`, a multiple of the lanes' width
  float* lost = nullptr;  ///< rows as `out`, scaled with it; nullptr: none
  /// One a row: the sum of all scores that it sees, before cap and bias, is added, which is not
  /// finite where a score is not (and would else pass for no weight); nullptr: none.
  float* checks = nullptr;
};

/// The running softmax, and the widths that go with it.
struct SoftmaxKernels {
  std::size_t width;  ///< lanes: rows of floats are padded to a multiple of it
  std::size_t pad(std::size_t n) const noexcept { return (n + width - 1) / width * width; }
  void (*rows)(const SoftmaxRows&);

  template <class Set>
  static constexpr SoftmaxKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const SoftmaxKernels& select<SoftmaxKernels>(Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/attention/exact/detail/softmax_kernels_impl.hpp"
#endif
