#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"

namespace lazygumbel {

/// A distribution over cells, scaled to `total`, that is fitted to noisy answers of linear queries:
/// for a query q with noisy answer y, A(x) becomes proportional to
///   A(x) exp(q(x) (y - <q, A>) / (2 total)),   the exponent clipped to [-1, 1].
/// Starts uniform. Public: a function of released numbers only. An update costs O(|X|).
/// Source: Hardt, Ligett, McSherry, "A Simple and Practical Algorithm for Differentially Private
/// Data Release", NIPS 2012.
template <std::same_as<double> Real>  // a template: core/detail/later.hpp
class BasicMultiplicativeWeights {
 public:
  /// Throws std::invalid_argument unless cells >= 1 and total is positive and finite.
  BasicMultiplicativeWeights(std::size_t cells, double total)
      : total_(total),
        weights_(Eigen::ArrayX<Real>::Constant(static_cast<Eigen::Index>(cells),
                                               total / static_cast<double>(cells))) {
    if (cells == 0) detail::throw_invalid("cells", cells, "must be at least 1");
    detail::require_positive("total", total);
  }

  /// A, of sum `total` up to rounding. No weight is ever 0: the least is 1e-280 total.
  std::span<const double> weights() const noexcept {
    return {weights_.data(), static_cast<std::size_t>(weights_.size())};
  }
  double total() const noexcept { return total_; }

  /// Takes a measured query in: its |X| values and the noisy answer. Nothing moves until `fit`.
  /// Throws std::invalid_argument on another number of values, NaN and infinity.
  void add(std::span<const double> query, double answer) {
    if (query.size() != weights().size())
      detail::throw_invalid("query.size()", query.size(),
                            "must equal cells = " + detail::text_of(weights().size()));
    Measurement taken;
    taken.query = Eigen::Map<const Eigen::ArrayX<Real>>(query.data(), weights_.size());
    if (!taken.query.isFinite().all())
      detail::throw_invalid("query", taken.query.sum(), "must hold finite numbers");
    if (!std::isfinite(answer)) detail::throw_invalid("answer", answer, "must be finite");
    taken.answer = answer;
    taken.largest = taken.query.abs().maxCoeff();
    taken.binary = (taken.query == 0.0 || taken.query == 1.0).all();
    measurements_.push_back(std::move(taken));
  }

  std::size_t measurements() const noexcept { return measurements_.size(); }

  /// One update by the newest measurement, then `passes` over all of them, oldest first.
  void fit(std::size_t passes) {
    if (measurements_.empty()) return;
    update(measurements_.back());
    for (std::size_t pass = 0; pass < passes; ++pass)
      for (const Measurement& measurement : measurements_) update(measurement);
    weights_ = (weights_.max)(1e-280 * total_) * (total_ / weights_.sum());
  }

  /// y - <q, A> of each measurement, in the order in which they were taken.
  std::vector<double> residuals() const { return residuals(weights()); }

  /// The same for other weights. Precondition, not checked: one a cell.
  std::vector<double> residuals(std::span<const double> weights) const {
    const Eigen::Map<const Eigen::ArrayX<Real>> other(weights.data(), weights_.size());
    std::vector<double> residuals;
    for (const Measurement& m : measurements_)
      residuals.push_back(m.answer - (m.query * other).sum());
    return residuals;
  }

 private:
  struct Measurement {
    Eigen::ArrayX<Real> query;
    double answer = 0.0;
    double largest = 0.0;  // max |q(x)|
    bool binary = false;
  };

  void update(const Measurement& m) {
    const double now = (m.query * weights_).sum();
    const double rate = (m.answer - now) / (2.0 * total_);
    if (m.binary) {  // one exponential for all: A (1 + (f - 1) q), and its sum is known
      // From the sum as it is: from the total that it should be, a query that is 1 nearly
      // everywhere would make the error of the sum grow by a factor of 1 / f each time.
      const double sum = weights_.sum();
      const double more = std::expm1((std::min)(1.0, (std::max)(-1.0, rate)));
      weights_ *= (1.0 + more * m.query) * (total_ / (sum + more * now));
    } else if (std::abs(rate) * m.largest <= 0x1p-6) {  // then x^7 / 7! is below 2^-54
      const auto x = m.query * rate;
      weights_ *=
          1.0 +
          x * (1.0 +
               x * (1.0 / 2 + x * (1.0 / 6 + x * (1.0 / 24 + x * (1.0 / 120 + x * (1.0 / 720))))));
      weights_ *= total_ / weights_.sum();
    } else {
      weights_ *= (((m.query * rate).max)(-1.0).min)(1.0).exp();
      weights_ *= total_ / weights_.sum();
    }
  }

  double total_;
  Eigen::ArrayX<Real> weights_;
  std::vector<Measurement> measurements_;
};

using MultiplicativeWeights = BasicMultiplicativeWeights<double>;

}  // namespace lazygumbel
