#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/privacy/release/detail/error_index.hpp"
#include "lazygumbel/privacy/release/detail/error_scores.hpp"
#include "lazygumbel/privacy/release/detail/proposed_error_index.hpp"
#include "lazygumbel/privacy/release/mwem_options.hpp"
#include "lazygumbel/privacy/selection/detail/lazy_selector.hpp"
#include "lazygumbel/privacy/selection/exponential_mechanism.hpp"
#include "lazygumbel/sampling/exhaustive.hpp"

/// \file
/// The selection modes of MWEM (selection_modes.hpp, mwem_options.hpp), each as a class with
///   Selector(scores, sensitivity, mode),
///   select(weights, epsilon, budget, engine) -> Selection,
///   scans(): how often which scan was made, name() of the mode.

namespace lazygumbel::detail {

/// theta = s (-A, 1) with s = 1; ExponentialMechanism scales it.
template <std::same_as<double> Real>
void set_query(std::span<const double> weights, Vector<Real>& query) {
  query.resize(static_cast<Eigen::Index>(weights.size()) + 1);
  for (std::size_t x = 0; x < weights.size(); ++x)
    query[static_cast<Eigen::Index>(x)] = -weights[x];
  query[query.size() - 1] = 1.0;
}

template <class Mode, Workload W>
class MwemSelector;

template <Workload W>
class MwemSelector<FullScan, W> {
 public:
  MwemSelector(const ErrorScores<W>& scores, double sensitivity, const FullScan&)
      : scores_(&scores), sensitivity_(sensitivity), answers_(scores.size()) {}

  static constexpr const char* name() noexcept { return "full scan"; }
  ScanCounts scans() const noexcept { return scans_; }

  template <SecureBitGenerator Engine>
  Selection select(std::span<const double> weights, double epsilon, Budget& budget,
                   Engine& engine) {
    const double cost = exponential_mechanism_cost(budget.accountant(), epsilon);
    budget.spend("exponential mechanism", cost);
    scan_answers(scores_->workload(), weights, answers_);
    ++scans_.exact;
    const auto m = static_cast<Eigen::Index>(answers_.size());
    using Real = Later<double, W>;
    Eigen::Map<Eigen::ArrayX<Real>> scores(answers_.data(), m);
    scores = (Eigen::Map<const Eigen::ArrayX<Real>>(scores_->private_answers().data(), m) - scores)
                 .abs() *
             (epsilon / (2.0 * sensitivity_));
    const Draw draw = inverse_cdf_draw(std::span<const double>(answers_), exponentials_, engine);
    return {draw.id, cost, draw.trace};
  }

 private:
  const ErrorScores<W>* scores_;
  double sensitivity_;
  std::vector<double> answers_, exponentials_;
  ScanCounts scans_;
};

/// The lazy modes, over the indexes that they are named for.
template <class Index>
class LazyMwemSelector : public LazySelector<Index> {
 public:
  using LazySelector<Index>::LazySelector;

  template <SecureBitGenerator Engine>
  Selection select(std::span<const double> weights, double epsilon, Budget& budget,
                   Engine& engine) {
    set_query(weights, query_);
    return this->select_by(query_, epsilon, budget, engine);
  }

 private:
  Vector<double> query_;
};

template <Workload W>
class MwemSelector<LazyCertified, W> : public LazyMwemSelector<ErrorIndex<W>> {
 public:
  MwemSelector(const ErrorScores<W>& scores, double sensitivity, const LazyCertified& mode)
      : LazyMwemSelector<ErrorIndex<W>>(sensitivity, {.k = mode.k}, scores, mode.index) {}
  static constexpr const char* name() noexcept { return "lazy, certified"; }
};

template <Workload W>
class MwemSelector<LazyClipped, W> : public LazyMwemSelector<ClippedErrorIndex<W>> {
 public:
  MwemSelector(const ErrorScores<W>& scores, double sensitivity, const LazyClipped& mode)
      : LazyMwemSelector<ClippedErrorIndex<W>>(sensitivity, {.k = mode.k}, scores, mode.index) {}
  static constexpr const char* name() noexcept { return "lazy, clipped"; }
};

template <class Proposer, Workload W>
class MwemSelector<LazyProposed<Proposer>, W>
    : public LazyMwemSelector<ProposedErrorIndex<W, Proposer>> {
 public:
  MwemSelector(const ErrorScores<W>& scores, double sensitivity, const LazyProposed<Proposer>& mode)
      : LazyMwemSelector<ProposedErrorIndex<W, Proposer>>(
            sensitivity,
            {.k = mode.k, .widening = mode.widening, .uncovered_gap = mode.uncovered_gap}, scores,
            mode.proposer) {}
  static constexpr const char* name() noexcept { return "lazy, proposed by an index"; }
};

}  // namespace lazygumbel::detail
