#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/release/detail/mwem_plan.hpp"
#include "lazygumbel/privacy/release/detail/mwem_selectors.hpp"
#include "lazygumbel/privacy/release/detail/query_noise.hpp"
#include "lazygumbel/privacy/release/multiplicative_weights.hpp"
#include "lazygumbel/privacy/release/mwem_options.hpp"
#include "lazygumbel/privacy/release/mwem_result.hpp"
#include "lazygumbel/privacy/table/histogram.hpp"
#include "lazygumbel/privacy/table/synthetic_table.hpp"
#include "lazygumbel/random/secure_engine.hpp"

namespace lazygumbel {

/// Multiplicative weights with the exponential mechanism: a synthetic table whose answers to the
/// workload's queries are close to the private table's. T rounds of: choose the query that the
/// table so far answers worst (exponential mechanism, a mode of mwem_options.hpp), measure it with
/// noise, and fit the table to all measurements. Errors fall to about the cube root of
/// sqrt(ln|X|) ln m / (n epsilon).
///
/// The privacy is that of the budget, by adaptive composition: each round spends selection_share of
/// its part on the choice and the rest on discrete Laplace (pure) or Gaussian (zCDP) noise. n is
/// public under replace_one; under add_remove it is first released with noise, and only the noisy
/// number is used; tables of 2^30 records or more count as if answers stopped there
/// (ErrorScores). Everything else is post-processing. The workload, T and every option must be
/// fixed without a look at the table.
///
/// Memory: about ten vectors of |X| doubles, kept_bytes, and what the mode takes. Replay is
/// T (T + 1) / 2 replay_passes updates of O(|X|), which most_updates bounds.
///
/// Refers to the workload, which must outlive it. const and thread-safe, one engine a run. Sources:
/// Hardt, Ligett, McSherry, NIPS 2012 (algorithm and accuracy); docs/algorithms.md, section 7 (lazy
/// selection); docs/privacy.md (proofs, threat model).
template <Workload W>
class Mwem {
 public:
  /// Throws std::invalid_argument on options out of range.
  explicit Mwem(const W& workload, const MwemOptions& options = {})
      : workload_(&workload), options_(options) {
    detail::require_options(options);
    if (workload.size() == 0) detail::throw_invalid("workload.size()", 0, "must be at least 1");
  }
  explicit Mwem(const W&&, const MwemOptions& = {}) = delete;

  const W& workload() const noexcept { return *workload_; }
  const MwemOptions& options() const noexcept { return options_; }

  /// Spends the whole budget. `observe(round)` is called after each round with an MwemRound.
  /// Throws std::invalid_argument when the table's cells are not the workload's, under replace_one
  /// when it has 2^30 records or more, when the rounds asked for exceed most_updates, or when the
  /// budget is too small for the noise to have a scale; budget_error when it was spent before.
  template <SecureBitGenerator Engine, class Mode = FullScan,
            class Observe = void (*)(const MwemRound&)>
  MwemResult run(
      const Histogram& table, Budget budget, Engine& engine, const Mode& mode = {},
      Observe&& observe = [](const MwemRound&) {}) const {
    const ErrorScores<W> scores(*workload_, table);
    const auto rounds = [&](double total, double amount) {
      return mwem_rounds(workload_->cells(), workload_->size(), total, budget.accountant(), amount);
    };
    const detail::MwemPlan plan =
        detail::plan_mwem(table, options_, rounds, detail::uncovered_gap_of(mode), budget, engine);
    const double sensitivity = query_sensitivity(scores, plan.total);
    const GridNoise noise = query_noise(*workload_, sensitivity, budget.accountant(),
                                        plan.measurement, options_.grid_share);
    require_room(noise, scores);

    detail::MwemSelector<Mode, W> selector(scores, sensitivity, mode);
    MultiplicativeWeights fit(workload_->cells(), plan.total, options_.kept_bytes);
    std::vector<double> query(workload_->cells()), mean(workload_->cells(), 0.0);
    std::vector<MwemRound> history;
    const auto again = [&](std::size_t i, std::span<double> out) {
      workload_->query(history[i].query, out);
    };
    Guarantee guarantee = Guarantee::certified();
    for (std::size_t t = 1; t <= plan.rounds; ++t) {
      MwemRound round{.round = t, .rounds = plan.rounds};
      const Selection selection = selector.select(fit.weights(), plan.epsilon, budget, engine);
      budget.spend("noisy answer", plan.measurement);
      round.query = selection.id;
      round.answer = noise.answer(scores.private_answers()[selection.id], engine);
      round.trace = selection.trace;
      round.scans = selector.scans();
      guarantee = detail::weaker(guarantee, selection.trace.guarantee);
      workload_->query(selection.id, query);
      fit.add(query, round.answer);
      history.push_back(round);
      fit.fit(options_.replay_passes, again);
      for (std::size_t x = 0; x < mean.size(); ++x)
        mean[x] += fit.weights()[x] / static_cast<double>(plan.rounds);
      observe(std::as_const(round));
    }

    if (!options_.average) mean.assign(fit.weights().begin(), fit.weights().end());
    MwemResult result{.table = SyntheticTable(table.domain(), std::move(mean)),
                      .rounds = plan.rounds,
                      .total = plan.total,
                      .selection = selector.name(),
                      .guarantee = guarantee,
                      .noise_deviation = noise.standard_deviation(),
                      .budget = std::move(budget)};
    for (const double residual : fit.residuals(result.table.weights(), again)) {
      result.largest_residual = (std::max)(result.largest_residual, std::abs(residual));
      result.mean_residual += std::abs(residual) / static_cast<double>(plan.rounds);
    }
    result.history = std::move(history);
    return result;
  }

 private:
  /// At least n, or what answers are clipped at; public.
  double records(const ErrorScores<W>& scores) const noexcept {
    return options_.neighbours == Neighbours::replace_one ? scores.total()
                                                          : ErrorScores<W>::record_limit;
  }

  /// Of a score as computed: that of <q, h>, and what rounding may add on both tables.
  double query_sensitivity(const ErrorScores<W>& scores, double total) const {
    const double own = sensitivity(workload_->range(), options_.neighbours);
    detail::require_positive("the workload's sensitivity", own);
    return detail::next_up(own + 2.0 * scores.rounding(records(scores), total));
  }

  /// Refuses, for all tables alike, where the noise would refuse the answers of some.
  void require_room(const GridNoise& noise, const ErrorScores<W>& scores) const {
    const QueryRange range = workload_->range();
    const double largest =
        (std::max)(std::abs(range.lower), std::abs(range.upper)) * (records(scores) + 1.0);
    if (!(largest <= Grid::cell_limit * noise.grid().step()))
      detail::throw_invalid("the largest answer", largest,
                            "must be at most 2^52 steps of the grid: choose a larger grid_share");
  }

  const W* workload_;
  MwemOptions options_;
};

}  // namespace lazygumbel
