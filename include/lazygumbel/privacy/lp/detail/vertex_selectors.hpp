#pragma once

#include <Eigen/Core>
#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

#include "lazygumbel/privacy/lp/detail/stale_vertex_index.hpp"
#include "lazygumbel/privacy/lp/detail/vertex_scores.hpp"
#include "lazygumbel/privacy/selection/exponential_mechanism.hpp"
#include "lazygumbel/privacy/selection/selection_modes.hpp"
#include "lazygumbel/sampling/exhaustive.hpp"

/// \file
/// The selection modes of ConstraintPrivateLp (selection_modes.hpp), each as a class with
///   Selector(scores, sensitivity, mode),
///   moved(weights, distance): the weights y, and how far in |.|_1 they are from the last ones,
///   select(epsilon, budget, engine) -> Selection, for those weights; name() of the mode.
/// The law is exp(epsilon S_j / (2 D)), with scores S_j = -sum_i y_i C_ij.

namespace lazygumbel::detail {

template <class Mode, std::same_as<double> Real = double>
class VertexSelector;

template <std::same_as<double> Real>
class VertexSelector<FullScan, Real> {
 public:
  VertexSelector(const VertexScores& scores, double sensitivity, const FullScan&)
      : scores_(&scores), sensitivity_(sensitivity), values_(scores.size()) {}

  static constexpr const char* name() noexcept { return "full scan"; }

  void moved(std::span<const double> weights, double) noexcept { weights_ = weights; }

  template <SecureBitGenerator Engine>
  Selection select(double epsilon, Budget& budget, Engine& engine) {
    const double cost = exponential_mechanism_cost(budget.accountant(), epsilon);
    budget.spend("exponential mechanism", cost);
    scores_->scores(weights_, values_);
    Eigen::Map<Eigen::ArrayX<Real>>(values_.data(), static_cast<Eigen::Index>(values_.size())) *=
        epsilon / (2.0 * sensitivity_);
    const Draw draw = inverse_cdf_draw(std::span<const double>(values_), exponentials_, engine);
    return {draw.id, cost, draw.trace};
  }

 private:
  const VertexScores* scores_;
  double sensitivity_;
  std::span<const double> weights_;
  std::vector<double> values_, exponentials_;
};

template <std::same_as<double> Real>
class VertexSelector<LazyCertified, Real> {
  using Index = BasicStaleVertexIndex<Real>;

 public:
  VertexSelector(const VertexScores& scores, double sensitivity, const LazyCertified& mode)
      : index_(scores, mode.index.proposal_budget),
        mechanism_(index_, sensitivity, {.k = mode.k}),
        unit_(Vector<Real>::Ones(1)) {}
  VertexSelector(VertexSelector&&) = delete;  // the mechanism refers to the index

  static constexpr const char* name() noexcept { return "lazy, certified"; }

  void moved(std::span<const double> weights, double distance) { index_.moved(weights, distance); }

  /// rows_scored of the trace: vertices whose score was computed, by the search or after it.
  template <SecureBitGenerator Engine>
  Selection select(double epsilon, Budget& budget, Engine& engine) {
    const std::size_t before = index_.rows_scored();
    Selection selection = mechanism_.select(unit_, epsilon, budget, engine);
    selection.trace.rows_scored = index_.rows_scored() - before;
    return selection;
  }

 private:
  Index index_;
  ExponentialMechanism<Index> mechanism_;
  Vector<Real> unit_;
};

}  // namespace lazygumbel::detail
