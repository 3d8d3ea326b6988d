#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"

namespace lazygumbel {

/// Exponential weights over d actions: after losses l_1 .. l_t, w_j proportional to
///   exp(-rate sum_t l_t(j)).
/// For losses whose entries differ by at most 2 W within a round, and every distribution w*,
///   sum_t <l_t, w_t - w*> <= ln d / rate + rate T W^2 / 2,
/// by Hoeffding's lemma on log sum_j w_j exp(-rate l_j): with rate = sqrt(2 ln d / T) / W the mean
/// regret is at most W sqrt(2 ln d / T). Kept in the log domain: losses of any size will do.
/// Source: Freund, Schapire, "A Decision-Theoretic Generalization of On-Line Learning", JCSS 1997;
/// Cesa-Bianchi, Lugosi, "Prediction, Learning, and Games", Theorem 2.2.
template <std::same_as<double> Real>  // a template: core/detail/later.hpp
class BasicHedge {
 public:
  /// Starts uniform. Throws std::invalid_argument unless d >= 1 and rate lies in [0, 1e300].
  BasicHedge(std::size_t actions, double rate)
      : rate_(rate),
        losses_(Eigen::ArrayX<Real>::Zero(static_cast<Eigen::Index>(actions))),
        weights_(Eigen::ArrayX<Real>::Constant(static_cast<Eigen::Index>(actions),
                                               1.0 / static_cast<double>(actions))) {
    if (actions == 0) detail::throw_invalid("actions", actions, "must be at least 1");
    detail::require_not_negative("rate", rate);
  }

  double rate() const noexcept { return rate_; }
  /// w, of sum 1 up to rounding.
  std::span<const double> weights() const noexcept {
    return {weights_.data(), static_cast<std::size_t>(weights_.size())};
  }

  /// One round's losses. Throws std::invalid_argument on another number of them, and unless all lie
  /// in [-1e300, 1e300] (sums of ten million rounds fit then), with nothing changed. O(d).
  template <std::floating_point Loss>
  void add(std::span<const Loss> losses) {
    if (losses.size() != weights().size())
      detail::throw_invalid(
          "losses.size()", losses.size(),
          "must equal the number of actions " + detail::text_of(weights().size()));
    for (std::size_t j = 0; j < losses.size(); ++j)
      if (!(std::abs(static_cast<double>(losses[j])) <= detail::largest_amount))
        detail::throw_invalid("losses[" + detail::text_of(j) + "]", losses[j],
                              "must lie in [-1e300, 1e300]");
    for (std::size_t j = 0; j < losses.size(); ++j)
      losses_[static_cast<Eigen::Index>(j)] += static_cast<double>(losses[j]);
    weights_ = ((losses_.minCoeff() - losses_) * rate_).exp();
    weights_ /= weights_.sum();
  }

 private:
  double rate_;
  Eigen::ArrayX<Real> losses_, weights_;
};

using Hedge = BasicHedge<double>;

}  // namespace lazygumbel
