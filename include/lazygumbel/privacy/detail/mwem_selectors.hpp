#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "lazygumbel/privacy/error_index.hpp"
#include "lazygumbel/privacy/error_scores.hpp"
#include "lazygumbel/privacy/exponential_mechanism.hpp"
#include "lazygumbel/privacy/mwem_options.hpp"
#include "lazygumbel/privacy/proposed_error_index.hpp"
#include "lazygumbel/privacy/selection_modes.hpp"
#include "lazygumbel/sampling/exhaustive.hpp"

/// \file
/// The selection modes of MWEM (selection_modes.hpp, mwem_options.hpp), each as a class with
///   Selector(scores, sensitivity, mode),
///   select(weights, epsilon, budget, engine) -> Selection,
///   scans(): how often which scan was made, name() of the mode.

namespace lazygumbel::detail {

/// theta = s (-A, 1) with s = 1; ExponentialMechanism scales it.
inline void set_query(std::span<const double> weights, Vector<double>& query) {
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
    Eigen::Map<Eigen::ArrayXd> scores(answers_.data(), m);
    scores =
        (Eigen::Map<const Eigen::ArrayXd>(scores_->private_answers().data(), m) - scores).abs() *
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

/// The two modes that prepare an index for each step.
template <class Index, Workload W>
class PreparedSelector {
 public:
  template <class Options>
  PreparedSelector(const ErrorScores<W>& scores, double sensitivity, const Options& options,
                   std::size_t k)
      : index_(scores, options), mechanism_(index_, sensitivity, {.k = k}) {}
  PreparedSelector(PreparedSelector&&) = delete;  // the mechanism refers to the index

  ScanCounts scans() const noexcept { return index_.scans(); }

  template <SecureBitGenerator Engine>
  Selection select(std::span<const double> weights, double epsilon, Budget& budget,
                   Engine& engine) {
    set_query(weights, query_);
    const Vector<double> theta = query_ * mechanism_.scale(epsilon);
    index_.prepare(theta);
    const Selection selection = mechanism_.select(query_, epsilon, budget, engine);
    if constexpr (requires { index_.note_proposals(selection.trace.proposals); })
      index_.note_proposals(selection.trace.proposals);
    return selection;
  }

 private:
  Index index_;
  ExponentialMechanism<Index> mechanism_;
  Vector<double> query_;
};

template <Workload W>
class MwemSelector<LazyCertified, W> : public PreparedSelector<ErrorIndex<W>, W> {
 public:
  MwemSelector(const ErrorScores<W>& scores, double sensitivity, const LazyCertified& mode)
      : PreparedSelector<ErrorIndex<W>, W>(scores, sensitivity, mode.index, mode.k) {}
  static constexpr const char* name() noexcept { return "lazy, certified"; }
};

template <Workload W>
class MwemSelector<LazyClipped, W> : public PreparedSelector<ClippedErrorIndex<W>, W> {
 public:
  MwemSelector(const ErrorScores<W>& scores, double sensitivity, const LazyClipped& mode)
      : PreparedSelector<ClippedErrorIndex<W>, W>(scores, sensitivity, mode.index, mode.k) {}
  static constexpr const char* name() noexcept { return "lazy, clipped"; }
};

template <class Proposer, Workload W>
class MwemSelector<LazyProposed<Proposer>, W> {
 public:
  MwemSelector(const ErrorScores<W>& scores, double sensitivity, const LazyProposed<Proposer>& mode)
      : index_(scores, mode.proposer),
        mechanism_(index_, sensitivity,
                   {.k = mode.k, .widening = mode.widening, .uncovered_gap = mode.uncovered_gap}) {}
  MwemSelector(MwemSelector&&) = delete;

  static constexpr const char* name() noexcept { return "lazy, proposed by an index"; }
  ScanCounts scans() const noexcept { return {}; }

  template <SecureBitGenerator Engine>
  Selection select(std::span<const double> weights, double epsilon, Budget& budget,
                   Engine& engine) {
    set_query(weights, query_);
    return mechanism_.select(query_, epsilon, budget, engine);
  }

 private:
  ProposedErrorIndex<W, Proposer> index_;
  ExponentialMechanism<ProposedErrorIndex<W, Proposer>> mechanism_;
  Vector<double> query_;
};

}  // namespace lazygumbel::detail
