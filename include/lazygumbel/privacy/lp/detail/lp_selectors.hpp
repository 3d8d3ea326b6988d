#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/privacy/lp/detail/constraint_index.hpp"
#include "lazygumbel/privacy/lp/detail/constraint_scores.hpp"
#include "lazygumbel/privacy/lp/detail/proposed_constraint_index.hpp"
#include "lazygumbel/privacy/lp/detail/sampled_constraint_index.hpp"
#include "lazygumbel/privacy/lp/scalar_lp_options.hpp"
#include "lazygumbel/privacy/selection/detail/lazy_selector.hpp"
#include "lazygumbel/privacy/selection/exponential_mechanism.hpp"
#include "lazygumbel/random/categorical.hpp"
#include "lazygumbel/sampling/exhaustive.hpp"

/// \file
/// The selection modes of selection_modes.hpp and scalar_lp_options.hpp over the constraints of a
/// linear program, each as a class with
///   LpSelector(scores, sensitivity, mode),
///   select(x, epsilon, budget, engine) -> Selection,
///   scans(): how often which scan was made, name() of the mode.

namespace lazygumbel::detail {

template <class Mode, class Scalar>
class LpSelector;

/// One pass over the rows: of each block only its maximum and its sum of exponentials are kept, and
/// the block that is drawn is scored again.
template <class Scalar>
class LpSelector<FullScan, Scalar> {
 public:
  LpSelector(const ConstraintScores<Scalar>& scores, double sensitivity, const FullScan&)
      : scores_(&scores), sensitivity_(sensitivity) {}

  static constexpr const char* name() noexcept { return "full scan"; }
  ScanCounts scans() const noexcept { return scans_; }

  template <SecureBitGenerator Engine>
  Selection select(std::span<const double> x, double epsilon, Budget& budget, Engine& engine) {
    const double cost = exponential_mechanism_cost(budget.accountant(), epsilon);
    const double scale = epsilon / (2.0 * sensitivity_);
    const Vector<Scalar> point =
        (Eigen::Map<const Vector<Real>>(x.data(), static_cast<Eigen::Index>(x.size())) * scale)
            .template cast<Scalar>();
    require_scores_fit<Scalar>("scale * x", point, scores_->rows().max_norm());
    budget.spend("exponential mechanism", cost);
    Eigen::Array<Real, Eigen::Dynamic, 1, 0, block> values;
    const auto score = [&](std::size_t first) {
      values.resize(static_cast<Eigen::Index>((std::min)(std::size_t{block}, size() - first)));
      scores_->score_block(point, scale, first,
                           {values.data(), static_cast<std::size_t>(values.size())});
    };
    log_sums_.clear();
    for (std::size_t first = 0; first < size(); first += block) {
      score(first);
      const double high = values.maxCoeff();
      log_sums_.push_back(high + std::log((values - high).exp().sum()));
    }
    ++scans_.exact;
    const std::size_t first = Categorical(log_sums_)(engine) * block;
    score(first);
    Draw draw = inverse_cdf_draw(
        std::span<const double>(values.data(), static_cast<std::size_t>(values.size())), weights_,
        engine);
    draw.trace.head_size = draw.trace.rows_scored = size();
    return {static_cast<item_id>(first + draw.id), cost, draw.trace};
  }

 private:
  using Real = Later<double, Scalar>;
  static constexpr int block = 1024;

  std::size_t size() const noexcept { return scores_->size(); }

  const ConstraintScores<Scalar>* scores_;
  double sensitivity_;
  std::vector<double> log_sums_, weights_;
  ScanCounts scans_;
};

/// theta = s (x, -1) with s = 1; ExponentialMechanism scales it.
template <std::same_as<double> Real>
void set_point(std::span<const double> x, Vector<Real>& query) {
  query.resize(static_cast<Eigen::Index>(x.size()) + 1);
  query.head(query.size() - 1) =
      Eigen::Map<const Vector<Real>>(x.data(), static_cast<Eigen::Index>(x.size()));
  query[query.size() - 1] = -1.0;
}

/// The lazy modes, over the indexes that they are named for.
template <class Index>
class LazyLpSelector : public LazySelector<Index> {
 public:
  using LazySelector<Index>::LazySelector;

  template <SecureBitGenerator Engine>
  Selection select(std::span<const double> x, double epsilon, Budget& budget, Engine& engine) {
    set_point(x, query_);
    return this->select_by(query_, epsilon, budget, engine);
  }

 private:
  Vector<double> query_;
};

template <class Scalar>
class LpSelector<LazyCertified, Scalar> : public LazyLpSelector<ConstraintIndex<Scalar>> {
 public:
  LpSelector(const ConstraintScores<Scalar>& scores, double sensitivity, const LazyCertified& mode)
      : LazyLpSelector<ConstraintIndex<Scalar>>(sensitivity, {.k = mode.k}, scores, mode.index) {}
  static constexpr const char* name() noexcept { return "lazy, certified"; }
};

template <class Scalar>
class LpSelector<LazySampled, Scalar> : public LazyLpSelector<SampledConstraintIndex<Scalar>> {
 public:
  LpSelector(const ConstraintScores<Scalar>& scores, double sensitivity, const LazySampled& mode)
      : LazyLpSelector<SampledConstraintIndex<Scalar>>(
            sensitivity, {.k = SampledConstraintIndex<Scalar>::kept(scores.size(), mode.index)},
            scores, mode.index) {}
  static constexpr const char* name() noexcept { return "lazy, clipped at a sampled level"; }
  /// Between scans a score may be hidden by as much as x has moved.
  static constexpr bool clips = true;
};

template <class Proposer, class Scalar>
class LpSelector<LazyProposed<Proposer>, Scalar>
    : public LazyLpSelector<ProposedConstraintIndex<Scalar, Proposer>> {
 public:
  LpSelector(const ConstraintScores<Scalar>& scores, double sensitivity,
             const LazyProposed<Proposer>& mode)
      : LazyLpSelector<ProposedConstraintIndex<Scalar, Proposer>>(
            sensitivity,
            {.k = mode.k, .widening = mode.widening, .uncovered_gap = mode.uncovered_gap}, scores,
            mode.proposer) {}
  static constexpr const char* name() noexcept { return "lazy, proposed by an index"; }
};

}  // namespace lazygumbel::detail
