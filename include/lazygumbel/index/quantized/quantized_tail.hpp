#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/fwd.hpp"
#include "lazygumbel/index/quantized/detail/code_kernels.hpp"
#include "lazygumbel/index/quantized/detail/weighted_codes.hpp"
#include "lazygumbel/index/tail.hpp"

namespace lazygumbel {

/// The tail of a ScalarQuantizedIndex: a certified upper bound for every item, from its codes.
///
/// For few draws a tile of 64 rows is proposed by its largest bound, exp(bound) for each row, and
/// the row by chance; `may_exceed` thins by the bound of the four rows that the scan merged, then
/// by the row's own: a few proposals, of which one or two look at a row. For many draws the scan
/// sums exp(bound) over each tile, and rows are proposed by their own bounds: about exp(2 error)
/// proposals a draw, no thinning.
class QuantizedTail {
 public:
  double log_rate() const noexcept { return summed_ ? sums_.log_rate() : log_rate_; }

  template <BitGenerator Engine>
  Proposal propose(Engine& engine) const {
    if (summed_) return sums_.propose(engine);
    const double* const end = cumulative_.data() + cumulative_.size();
    const double target = open_uniform(engine) * cumulative_.back();
    const double* found = std::upper_bound(cumulative_.data(), end, target);
    const auto tile =
        (std::min)(static_cast<std::size_t>(found - cumulative_.data()), cumulative_.size() - 1);
    const auto rows = static_cast<std::uint32_t>(codes_->rows_in(tile));
    const auto first = static_cast<item_id>(tile * detail::tile_rows);
    return {first + uniform_index(rows, engine), intensity(tile)};
  }

  bool may_exceed(item_id id, double t) const {
    if (summed_) return true;
    const std::size_t tile = id / detail::tile_rows, row = id % detail::tile_rows;
    const std::size_t lane = tile * detail::tile_lanes + row % detail::tile_lanes;
    if (!(static_cast<double>(lanes_[lane]) > t)) return false;
    alignas(64) std::array<float, detail::tile_rows> estimates, errors;
    kernels_->tile(*codes_, tile, query_, estimates.data(), errors.data(), 0.0F, nullptr);
    return static_cast<double>(estimates[row] + errors[row]) > t;
  }

 private:
  template <class Scalar>
  friend class ScalarQuantizedIndex;

  /// The log intensity of a row of the tile, as it is proposed.
  double intensity(std::size_t tile) const {
    return unit_ + std::log(static_cast<double>(weights_[static_cast<Eigen::Index>(tile)]));
  }

  /// Makes the tiles ready to be proposed by `largest_`, the rows of `head` (increasing) left out.
  template <std::same_as<float> Real = float>
  void sum_bounds(std::span<const item_id> head) {
    alignas(64) std::array<float, detail::tile_rows> estimates, errors;
    for (std::size_t at = 0; at < head.size();) {
      const std::size_t tile = head[at] / detail::tile_rows;
      kernels_->tile(*codes_, tile, query_, estimates.data(), errors.data(), 0.0F, nullptr);
      largest_[tile] = -std::numeric_limits<float>::infinity();
      for (std::size_t row = 0; row < codes_->rows_in(tile); ++row)
        if (at < head.size() && head[at] == tile * detail::tile_rows + row)
          ++at;
        else
          largest_[tile] = (std::max)(largest_[tile], estimates[row] + errors[row]);
    }
    unit_ = static_cast<double>(*std::max_element(largest_.begin(), largest_.end()));
    const Eigen::Map<const Eigen::ArrayX<Real>> largest(largest_.data(),
                                                        static_cast<Eigen::Index>(largest_.size()));
    if (unit_ == -std::numeric_limits<double>::infinity()) unit_ = 0.0;  // every row in the head
    // Above the bound by more than the errors of a float exponential (80 2^-24 of its argument and
    // as much as that for itself), and never so low that it vanishes.
    weights_ = (((largest - static_cast<float>(unit_)).max)(-80.0F) + 2e-5F).exp();
    cumulative_.resize(largest_.size());
    double sum = 0.0;
    for (std::size_t t = 0; t < largest_.size(); ++t)
      cumulative_[t] = sum += static_cast<double>(weights_[static_cast<Eigen::Index>(t)]) *
                              static_cast<double>(codes_->rows_in(t));
    log_rate_ = unit_ + std::log(sum);
  }

  const detail::RowCodes* codes_ = nullptr;
  const detail::CodeKernels* kernels_ = nullptr;
  detail::CodedQuery query_;
  std::vector<float> lanes_, largest_;  // of scan_bounds
  Eigen::ArrayXf weights_;
  std::vector<double> cumulative_;  // of the tiles, in units of exp(unit_)
  double unit_ = 0.0, log_rate_ = -std::numeric_limits<double>::infinity();
  bool summed_ = false;
  detail::WeightedCodes sums_;
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

  /// The most by which the weights of items with `share` of all intensity may exceed `mean` on
  /// average, times that share: certain, each tile by its own error. O(tiles).
  double hidden_excess(double share, double mean) const {
    return weights_.hidden_excess(share, mean);
  }
  /// The most by which they may fall short of `mean`, times that share.
  double hidden_deficit(double share, double mean) const {
    return weights_.hidden_deficit(share, mean);
  }

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
