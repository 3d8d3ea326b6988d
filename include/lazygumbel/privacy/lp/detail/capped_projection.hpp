#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/lp/detail/compensated_sum.hpp"

namespace lazygumbel {

/// The projection, in the sense of the Kullback-Leibler divergence, of m weights a_i >= 0 onto the
/// laws that give nobody more than 1 / s:
///
///   argmin { sum y_i ln(y_i / a_i) : 0 <= y_i <= 1/s, sum y = 1 },  which is
///   y_i = min(1/s, lambda a_i)
///
/// with the one lambda for which the sum is right. Weights are given by their logarithms, any
/// doubles below +infinity, so that nothing overflows and a common factor changes nothing;
/// -infinity is a weight of 0. Where at most s weights are positive no law will do: each of those
/// gets 1/s, the limit of lambda to infinity, and the sum is at most 1.
///
/// Why. The Lagrangian's stationary points are y_i = lambda a_i where the cap is not active. g(l) =
/// sum min(1/s, l a_i) rises in l, strictly until all positive weights are capped, from 0 to more
/// than 1: one lambda. a_i is capped exactly if g(1 / (s a_i)) <= 1, that is if
///   #{ j : a_j >= a_i } + sum over a_j < a_i of a_j / a_i  <=  s,
/// a test with ratios at most 1, by which what is undecided is halved around its median.
///
/// Accuracy: y_i = (1 + e_i) min(1/s, l a_i) for one l with |g(l) - 1| <= 2^-40 and |e_i| <= 2^-42,
/// but for 2^-50 in all, whatever m is: sums are made of blocks of 1,024, and an exp of an argument
/// of at most 700 that was rounded is off by less than 1,024 roundings. No y_i exceeds 1/s as
/// rounded.
///
/// O(m) expected: one exp a weight where no cap is active, or where the cap sets in about where it
/// did in the last call; otherwise about four. Keeps 16 m bytes of work memory. Not
/// thread-safe. Sources: M. Herbster, M. Warmuth, "Tracking the best linear predictor", JMLR 1
/// (2001), for the selection; M. Warmuth, D. Kuzmin, JMLR 9 (2008), for capped experts.
template <std::same_as<double> Real>  // a template: core/detail/later.hpp
class BasicCappedProjection {
 public:
  /// Throws std::invalid_argument unless s lies in [1, 1e300]. s need not be an integer.
  explicit BasicCappedProjection(double s) : s_(s) {
    if (!(s >= 1.0 && s <= 1e300)) detail::throw_invalid("s", s, "must lie in [1, 1e300]");
  }

  double s() const noexcept { return s_; }

  /// Writes the projection over `y` and returns the distance |y' - y|_1 that it moved from what
  /// was there, within a part in 2^42 of it. Throws std::invalid_argument without weights, on NaN
  /// and +infinity, and where the sizes differ.
  double project(std::span<const double> log_weights, std::span<double> y) {
    if (log_weights.empty())
      detail::throw_invalid("log_weights.size()", log_weights.size(), "must be at least 1");
    if (y.size() != log_weights.size())
      detail::throw_invalid("y.size()", y.size(), "must equal log_weights.size()");
    const Logs logs(log_weights.data(), static_cast<Eigen::Index>(log_weights.size()));
    const double top = logs.template maxCoeff<Eigen::PropagateNaN>();
    if (!(top < infinity)) refuse(log_weights);
    const bool zeros = logs.minCoeff() == -infinity;
    const Eigen::Index positive = zeros ? (logs > -infinity).count() : logs.size();

    shares_.resize(logs.size());
    double factor = 1.0;
    if (static_cast<double>(positive) <= s_) {
      shares_.setOnes();
      hinted_ = false;
    } else if (!(hinted_ && weigh_near_hint(logs, factor))) {
      factor = weigh_from_top(logs, top);
    }
    if (zeros) shares_ = (logs > -infinity).select(shares_, 0.0);
    return move(factor, y);
  }

 private:
  using Logs = Eigen::Map<const Eigen::ArrayX<Real>>;
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  /// Weights known to lie below all that are undecided: `sum` of them over exp(reference).
  struct Below {
    double reference = 0.0, sum = 0.0;
  };
  /// Weights with logarithms from `capped_from` on are capped; s y_i = scale exp(log - reference)
  /// for the others.
  struct Cut {
    double capped_from, reference, scale;
  };

  [[noreturn]] static void refuse(std::span<const double> log_weights) {
    std::size_t i = 0;
    while (log_weights[i] < infinity) ++i;
    detail::throw_invalid("log_weights[" + detail::text_of(i) + "]", log_weights[i],
                          "must be finite or -infinity");
  }

  static double sum_exp(const Logs& logs, double reference) {
    return detail::sum_of_blocks(logs.size(), [&](Eigen::Index first, Eigen::Index count) {
      return (logs.segment(first, count) - reference).exp().sum();
    });
  }

  /// Finds the cut among `undecided_`; `capped` weights above them are known to be capped. O(size).
  Cut cut_undecided(double capped, Below below) {
    Cut cut{infinity, 0.0, 0.0};
    auto first = undecided_.begin(), last = undecided_.end();
    while (first != last) {
      const auto middle = first + (last - first) / 2;
      std::nth_element(first, middle, last, std::greater<>());
      const double pivot = *middle;
      const double upper = static_cast<double>(middle - first) + 1.0;
      const double lower =
          (below.sum > 0.0 ? below.sum * std::exp(below.reference - pivot) : 0.0) +
          sum_exp(Logs(&*middle + 1, static_cast<Eigen::Index>(last - middle) - 1), pivot);
      if (lower <= s_ - (capped + upper)) {
        capped += upper;
        cut.capped_from = pivot;
        first = middle + 1;
      } else {
        below = {pivot, lower + 1.0};
        last = middle;
      }
    }
    cut.reference = below.reference;
    cut.scale = (s_ - capped) / below.sum;
    return cut;
  }

  /// Leaves shares_ with s y_i = min(1, factor shares_i), and returns the factor.
  double weigh_from_top(const Logs& logs, double top) {
    hinted_ = false;
    const double sum =
        detail::sum_of_blocks(logs.size(), [&](Eigen::Index first, Eigen::Index count) {
          shares_.segment(first, count) = (logs.segment(first, count) - top).exp();
          return shares_.segment(first, count).sum();
        });
    if (sum > s_) return s_ / sum;  // no cap is active
    undecided_.clear();
    for (const double log : logs)
      if (log > -infinity) undecided_.push_back(log);
    const Cut cut = cut_undecided(0.0, {});
    shares_ =
        (logs >= cut.capped_from).select(1.0, ((logs - cut.reference).min)(0.0).exp() * cut.scale);
    if (cut.scale > 0.0) {
      hint_ = cut.reference - std::log(cut.scale);
      band_ = 0.25;
      hinted_ = std::isfinite(hint_);
    }
    return 1.0;
  }

  /// The same in one pass when the logarithm at which the cap sets in has moved by less than
  /// `band_` from `hint_`; otherwise false.
  bool weigh_near_hint(const Logs& logs, double& factor) {
    undecided_.clear();
    double above = 0.0, inside = 0.0;
    Below below;
    below.sum = detail::sum_of_blocks(logs.size(), [&](Eigen::Index first, Eigen::Index count) {
      auto part = shares_.segment(first, count);
      part = logs.segment(first, count) - hint_;
      Eigen::Index many = 0;
      for (const double x : part) {
        if (x > band_)
          ++many;
        else if (x >= -band_)
          undecided_.push_back(x);
      }
      above += static_cast<double>(many);
      const auto low = (part < -band_).eval();
      part = (part.min)(band_).exp();
      return low.select(part, 0.0).sum();
    });
    inside = sum_exp(Logs(undecided_.data(), static_cast<Eigen::Index>(undecided_.size())), 0.0);
    const double width = std::exp(band_);
    const bool above_are_capped = above + (inside + below.sum) / width <= s_;
    const bool below_are_not =
        above + static_cast<double>(undecided_.size()) + below.sum * width > s_;
    if (!(above_are_capped && below_are_not)) return false;
    const Cut cut = cut_undecided(above, below);
    factor = cut.scale * std::exp(-cut.reference);
    const double moved = -std::log(factor);
    if (!(std::abs(moved) <= 2.0 * band_)) return false;
    hint_ += moved;
    band_ = (std::min)((std::max)(4.0 * std::abs(moved), 1e-3), 1.0);
    return true;
  }

  double move(double factor, std::span<double> y) {
    Eigen::Map<Eigen::ArrayX<Real>> all(y.data(), shares_.size());
    const double cap = 1.0 / s_;
    return detail::sum_of_blocks(shares_.size(), [&](Eigen::Index first, Eigen::Index count) {
      auto part = shares_.segment(first, count);
      part = ((part * factor).min)(1.0) * cap;
      const double distance = (all.segment(first, count) - part).abs().sum();
      all.segment(first, count) = part;
      return distance;
    });
  }

  double s_, hint_ = 0.0, band_ = 0.25;
  bool hinted_ = false;
  Eigen::ArrayX<Real> shares_;
  std::vector<double> undecided_;
};

using CappedProjection = BasicCappedProjection<double>;

/// CappedProjection, once. Throws as it does.
template <std::same_as<double> Real = double>
void project_to_capped_simplex(std::span<const double> log_weights, double s, std::span<double> y) {
  BasicCappedProjection<Real>(s).project(log_weights, y);
}

}  // namespace lazygumbel
