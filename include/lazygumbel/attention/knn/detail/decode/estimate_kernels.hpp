#pragma once

#include <cstddef>

#include "lazygumbel/core/simd.hpp"

namespace lazygumbel::detail {

class RowCodes;
struct CodedQuery;

/// Estimates of scores, from codes.
struct EstimateKernels {
  /// Rows 64 first .. 64 last - 1 of whole tiles: their estimates, capped; of each tile the largest
  /// and the sum of exp(estimate - largest). Returns the largest error of an estimate.
  float (*scan)(const RowCodes&, std::size_t first, std::size_t last, const CodedQuery&, float cap,
                float* estimates, float* largest, float* sums);
  /// The weights exp(estimate - largest) of one tile's rows, 0 of those whose estimate is -inf.
  void (*rows)(const float* estimates, float* weights, float* largest, float* sum);
  /// masses[t] = sums[t] exp(largest[t] - unit), in whole lanes.
  void (*tiles)(const float* largest, const float* sums, std::size_t count, float unit,
                float* masses);

  template <class Set>
  static constexpr EstimateKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const EstimateKernels& select<EstimateKernels>(Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/attention/knn/detail/decode/estimate_kernels_impl.hpp"
#endif
