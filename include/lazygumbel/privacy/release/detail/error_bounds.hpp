#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/index/detail/top_k.hpp"
#include "lazygumbel/privacy/workload/workload.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

/// What one scan left behind: for public weights A and a scale s, an upper bound on each error
/// |<q_j, h> - <q_j, A>|, in counts, and the cumulative sums of exp(s bound_j), from which items
/// are proposed. Good for later weights too: as A moves to A', no error grows by more than
/// `drift(A')`, whatever the query. PRIVATE. const members are thread-safe.
template <std::same_as<double> Real = double>
class BasicErrorBounds {
 public:
  static constexpr std::size_t head_capacity = 64;

  /// `range` is that of the queries. O(m).
  BasicErrorBounds(std::vector<double> weights, double scale, const QueryRange& range,
                   std::vector<double> bounds)
      : weights_(std::move(weights)), bounds_(std::move(bounds)), range_(range), scale_(scale) {
    const Eigen::Map<const Eigen::ArrayX<Real>> all(bounds_.data(),
                                                    static_cast<Eigen::Index>(bounds_.size()));
    largest_ = all.maxCoeff();
    TopK<Real> best((std::min)(head_capacity + 1, bounds_.size()));
    cumulative_.resize(bounds_.size());
    double sum = 0.0;
    Eigen::Array<Real, Eigen::Dynamic, 1, 0, block> weight;
    for (Eigen::Index first = 0; first < all.size(); first += block) {
      const auto part = all.segment(first, (std::min)(Eigen::Index{block}, all.size() - first));
      weight = (((part - largest_) * scale).max)(lowest).exp();
      for (Eigen::Index i = 0; i < part.size(); ++i) {
        cumulative_[static_cast<std::size_t>(first + i)] = sum += weight[i];
        if (part[i] >= best.threshold()) best.push(part[i], static_cast<item_id>(first + i));
      }
    }
    highest_ = scale * largest_;
    log_sum_ = highest_ + std::log(sum);
    for (const auto& [bound, id] : best.finish()) head_.push_back(id);
  }

  std::span<const double> weights() const noexcept { return weights_; }
  double scale() const noexcept { return scale_; }
  /// Of |error_id| in counts, for the weights of the scan.
  double bound(item_id id) const noexcept { return bounds_[id]; }
  /// The log of the rate at which an item is proposed: s bound_id, or a little more when that is
  /// 700 nats below the largest.
  double log_intensity(item_id id) const noexcept {
    return highest_ + floored((bounds_[id] - largest_) * scale_);
  }
  /// The items with the largest bounds, best first: 65 or all.
  std::span<const item_id> head() const noexcept { return head_; }
  /// log sum_j exp(log_intensity(j)).
  double log_sum() const noexcept { return log_sum_; }

  /// max over q with values in the range of |<q, A' - A>|, rounded up: with P and N the sums of the
  /// positive and of the negative parts of A' - A, <q, A' - A> lies between lower P - upper N and
  /// upper P - lower N. For 0/1 queries max(P, N), half of the l1 distance when totals agree. A' is
  /// given as `theta_i` = -s A'_i. O(|X|).
  double drift(std::span<const double> theta) const {
    const auto cells = static_cast<Eigen::Index>(weights_.size());
    const Eigen::Map<const Eigen::ArrayX<Real>> then(weights_.data(), cells),
        now(theta.data(), cells);
    const double difference = (now / -scale_ - then).sum();
    const double distance = (now / -scale_ - then).abs().sum();
    const double rose = 0.5 * (distance + difference), fell = 0.5 * (distance - difference);
    // A' and A' - A are off by a rounding of each entry, the sums by one of each addition.
    const double largest = (std::max)(std::abs(range_.lower), std::abs(range_.upper));
    const double rounding = 2.0 * detail::summation_error(weights_.size() + 4, distance) +
                            0x1p-50 * (then.abs().sum() + distance);
    return (std::max)(std::abs(range_.upper * rose - range_.lower * fell),
                      std::abs(range_.lower * rose - range_.upper * fell)) *
               (1.0 + 0x1p-50) +
           largest * rounding;
  }

  /// Item j with probability proportional to exp(s bound_j). O(log m).
  template <BitGenerator Engine>
  item_id propose(Engine& engine) const {
    const double target = open_uniform(engine) * cumulative_.back();
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), target);
    return static_cast<item_id>(
        (std::min)(static_cast<std::size_t>(found - cumulative_.begin()), bounds_.size() - 1));
  }

 private:
  static constexpr int block = 1024;
  static constexpr double lowest = -700.0;  // of an exponent, so that no weight is 0

  static double floored(double exponent) noexcept { return (std::max)(exponent, lowest); }

  std::vector<double> weights_, bounds_, cumulative_;
  std::vector<item_id> head_;
  QueryRange range_;
  // highest_ = scale_ largest_ is kept so that no compiler fuses the product with a sum, in one
  // place and not in another: scores that are clipped at log_intensity have to equal it.
  double scale_, largest_ = 0.0, highest_ = 0.0, log_sum_ = 0.0;
};

using ErrorBounds = BasicErrorBounds<double>;

}  // namespace lazygumbel
