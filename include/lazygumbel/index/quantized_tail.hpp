#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/index/detail/code_scan.hpp"
#include "lazygumbel/index/detail/weighted_codes.hpp"
#include "lazygumbel/index/tail.hpp"

namespace lazygumbel {

template <class Scalar>
class ScalarQuantizedIndex;

/// The tail of a ScalarQuantizedIndex: a certified upper bound for every item, from its codes.
///
/// For few draws items are proposed uniformly at the intensity exp(U) and thinned: `may_exceed`
/// looks at the bound of the four rows that the scan merged, then at the item's own. For many the
/// scan sums exp(bound) for each 64 rows and items are proposed from those sums, so that about
/// exp(2 error) proposals make a draw, whatever U.
class QuantizedTail {
 public:
  double log_rate() const noexcept {
    return weighted_ ? weights_.log_rate() : UniformTail(items(), bound_).log_rate();
  }

  template <BitGenerator Engine>
  Proposal propose(Engine& engine) const {
    return weighted_ ? weights_.propose(engine) : UniformTail(items(), bound_).propose(engine);
  }

  bool may_exceed(item_id id, double t) const {
    if (weighted_) return true;
    const std::size_t tile = id / detail::tile_rows, row = id % detail::tile_rows;
    const std::size_t lane = tile * detail::tile_lanes + row % detail::tile_lanes;
    if (!(static_cast<double>(lanes_[lane]) > t)) return false;
    std::array<float, detail::tile_rows> estimates, errors;
    kernels_->tile(*codes_, tile, query_, estimates.data(), errors.data(), 0.0F, nullptr);
    return static_cast<double>(estimates[row] + errors[row]) > t;
  }

 private:
  template <class Scalar>
  friend class ScalarQuantizedIndex;

  Complement items() const noexcept { return {codes_->size(), head_}; }

  const detail::RowCodes* codes_ = nullptr;
  const detail::CodeKernels* kernels_ = nullptr;
  detail::CodedQuery query_;
  std::vector<float> lanes_, largest_;  // of scan_bounds
  std::vector<item_id> head_;           // increasing
  double bound_ = -std::numeric_limits<double>::infinity();
  bool weighted_ = false;
  detail::WeightedCodes weights_;
};

/// Proposals for estimators, close to the softmax: item i of the tail with intensity
/// exp(estimate_i), so that the weight exp(score - log_intensity) lies within exp(+-error_i).
class QuantizedProposals {
 public:
  double log_rate() const noexcept { return weights_.log_rate(); }

  template <BitGenerator Engine>
  Proposal propose(Engine& engine) const {
    return weights_.propose(engine);
  }

  /// The same law, many at a time, at most 32: several times as fast.
  template <BitGenerator Engine>
  void propose_many(std::span<Proposal> proposals, Engine& engine) const {
    weights_.propose_many(proposals, engine);
  }

  /// Certain, whatever the residual bound: the codes' largest error.
  double log_largest_weight(double) const noexcept { return weights_.largest_error(); }
  double log_smallest_weight() const noexcept { return -weights_.largest_error(); }

  /// The tail's log sum of exp(score) is certain to lie between these.
  double log_sum_lower() const { return weights_.log_sum_bound(-1.0); }
  double log_sum_upper() const { return weights_.log_sum_bound(+1.0); }

 private:
  template <class Scalar>
  friend class ScalarQuantizedIndex;

  detail::WeightedCodes weights_;
};

static_assert(DominatingTail<QuantizedTail> && TailProposals<QuantizedProposals>);

}  // namespace lazygumbel
