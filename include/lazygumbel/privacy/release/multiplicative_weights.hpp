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

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"

namespace lazygumbel {

/// A distribution over cells, scaled to `total`, that is fitted to noisy answers of linear queries:
/// for a query q with noisy answer y, A(x) becomes proportional to
///   A(x) exp(q(x) (y - <q, A>) / (2 total)),   the exponent clipped to [-1, 1].
/// Starts uniform. Public: a function of released numbers only. An update costs O(|X|), one pass
/// over A. Measured queries are kept while they fit into `room` bytes; those beyond are asked for
/// again at each update, so memory is 24 |X| bytes and the room, whatever is measured.
/// Source: Hardt, Ligett, McSherry, "A Simple and Practical Algorithm for Differentially Private
/// Data Release", NIPS 2012.
template <std::same_as<double> Real>  // a template: core/detail/later.hpp
class BasicMultiplicativeWeights {
 public:
  /// Throws std::invalid_argument unless cells >= 1 and total is positive and finite.
  BasicMultiplicativeWeights(std::size_t cells, double total,
                             std::size_t room = (std::numeric_limits<std::size_t>::max)())
      : total_(total),
        room_(room),
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
    const Eigen::Map<const Eigen::ArrayX<Real>> values(query.data(), weights_.size());
    if (!values.isFinite().all())
      detail::throw_invalid("query", values.sum(), "must hold finite numbers");
    if (!std::isfinite(answer)) detail::throw_invalid("answer", answer, "must be finite");
    Measurement taken{.answer = answer,
                      .largest = values.abs().maxCoeff(),
                      .binary = (values == 0.0 || values == 1.0).all()};
    if (query.size_bytes() <= room_ - kept_) {
      taken.query = values;
      kept_ += query.size_bytes();
    }
    measurements_.push_back(std::move(taken));
  }

  std::size_t measurements() const noexcept { return measurements_.size(); }

  /// One update by the newest measurement, then `passes` over all of them, oldest first.
  /// `again(i, out)` writes the |X| values of the i-th measured query; it is called for those that
  /// are not kept, and they have to be those that `add` was given.
  template <class Again>
  void fit(std::size_t passes, Again&& again) {
    if (measurements_.empty()) return;
    const std::size_t count = measurements_.size(), updates = 1 + passes * count;
    const auto measured = [&](std::size_t u) { return u == 0 ? count - 1 : (u - 1) % count; };
    std::size_t spare = 0;
    const auto query_of = [&](std::size_t u) {
      return values_of(measured(u), spare_[spare++ % 2], again);
    };
    Values query = query_of(0);
    Sums sums{(query * weights_).sum(), weights_.sum()};
    for (std::size_t u = 0; u < updates; ++u) {
      Values next = u + 1 < updates ? query_of(u + 1) : Values(query.data(), query.size());
      sums = update(measurements_[measured(u)], query, sums, next);
      new (&query) Values(next.data(), next.size());  // as Eigen points a map elsewhere
    }
    weights_ = (weights_.max)(1e-280 * sums.all) * (total_ / sums.all);
  }

  /// Fits where all queries are kept. Throws std::invalid_argument where they are not.
  void fit(std::size_t passes) {
    fit(passes, [this](std::size_t, std::span<double>) { complain_of_room(); });
  }

  /// y - <q, A> of each measurement, in the order in which they were taken.
  std::vector<double> residuals() const { return residuals(weights()); }

  /// The residuals of other weights. Precondition, not checked: one a cell.
  std::vector<double> residuals(std::span<const double> weights) const {
    return residuals(weights, [this](std::size_t, std::span<double>) { complain_of_room(); });
  }

  /// The residuals of other weights, with `again` as in `fit`.
  template <class Again>
  std::vector<double> residuals(std::span<const double> weights, Again&& again) const {
    const Eigen::Map<const Eigen::ArrayX<Real>> other(weights.data(), weights_.size());
    std::vector<double> residuals;
    Eigen::ArrayX<Real> spare;
    for (std::size_t i = 0; i < measurements_.size(); ++i)
      residuals.push_back(measurements_[i].answer - (values_of(i, spare, again) * other).sum());
    return residuals;
  }

 private:
  using Values = Eigen::Map<const Eigen::ArrayX<Real>>;
  struct Measurement {
    Eigen::ArrayX<Real> query{};  // empty: not kept
    double answer = 0.0;
    double largest = 0.0;  // max |q(x)|
    bool binary = false;
  };
  struct Sums {
    double measured = 0.0, all = 0.0;  // <q, A> of the next query, sum A
  };

  [[noreturn]] void complain_of_room() const {
    detail::throw_invalid("room", room_,
                          "leaves no place for all queries: fit has to be told them again");
  }

  template <class Again>
  Values values_of(std::size_t i, Eigen::ArrayX<Real>& spare, Again& again) const {
    const Eigen::ArrayX<Real>& kept = measurements_[i].query;
    if (kept.size() > 0) return {kept.data(), kept.size()};
    spare.resize(weights_.size());
    again(i, std::span<double>(spare.data(), static_cast<std::size_t>(spare.size())));
    return {spare.data(), spare.size()};
  }

  /// Updates A, which is `sums.all / total` too large, and leaves it as much too large as the sums
  /// say that it returns: scaling is for the next pass.
  Sums update(const Measurement& m, const Values& query, const Sums& sums, const Values& next) {
    constexpr Eigen::Index block = 1024;
    const double scale = total_ / sums.all;
    const double rate = (m.answer - sums.measured * scale) / (2.0 * total_);
    const double more = std::expm1((std::min)(1.0, (std::max)(-1.0, rate))) * scale;
    const bool small = std::abs(rate) * m.largest <= 0x1p-6;  // then x^7 / 7! is below 2^-54
    Sums after;
    for (Eigen::Index first = 0; first < weights_.size(); first += block) {
      const Eigen::Index count = (std::min)(block, weights_.size() - first);
      auto part = weights_.segment(first, count);
      const auto q = query.segment(first, count);
      const auto x = q * rate;
      if (m.binary)  // one exponential for all: scale (1 + (f - 1) q)
        part *= scale + more * q;
      else if (small)
        part *=
            scale *
            (1.0 +
             x * (1.0 + x * (1.0 / 2 +
                             x * (1.0 / 6 + x * (1.0 / 24 + x * (1.0 / 120 + x * (1.0 / 720)))))));
      else
        part *= scale * ((x.max)(-1.0).min)(1.0).exp();
      after.measured += (next.segment(first, count) * part).sum();
      after.all += part.sum();
    }
    return after;
  }

  double total_;
  std::size_t room_, kept_ = 0;  // bytes, for queries and of them
  Eigen::ArrayX<Real> weights_, spare_[2];
  std::vector<Measurement> measurements_;
};

using MultiplicativeWeights = BasicMultiplicativeWeights<double>;

}  // namespace lazygumbel
