#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/lp/constraint_lp_options.hpp"
#include "lazygumbel/privacy/lp/detail/constraint_dual.hpp"
#include "lazygumbel/privacy/lp/detail/constraint_lp_plan.hpp"
#include "lazygumbel/privacy/lp/detail/vertex_scores.hpp"
#include "lazygumbel/privacy/lp/detail/vertex_selectors.hpp"
#include "lazygumbel/privacy/lp/lp_result.hpp"
#include "lazygumbel/privacy/lp/scaled_simplex.hpp"
#include "lazygumbel/privacy/selection/absolute_index.hpp"
#include "lazygumbel/random/secure_engine.hpp"

namespace lazygumbel {

/// Finds x in a public region K with A x <= b for most of m constraints, each of which, row and
/// bound, is one person's secret. Dense multiplicative weights: weights y over the constraints,
/// none above 1/s; T rounds of: choose the vertex v_j of K that violates least under y, by the
/// exponential mechanism with scores -sum_i y_i (A_i v_j - b_i) of sensitivity 2 W / s, and give
/// weight to the constraints that it violates,
///
///   L_i += (b_i - A_i v_j) / W,    y = the projection of exp(-eta L) onto 0 <= y_i <= 1/s, sum 1.
///
/// x is the mean of the chosen vertices; the choices are all that depends on the constraints, so
/// the privacy is that of the T choices. constraint_lp_bounds.hpp has the theorem, the parameters
/// and both proofs. Where no x of K will do, x is in K and as private as ever. A_i v_j - b_i is
/// clipped to [-W, W] and rounded to float, which keeps the sensitivity for any finite data. Under
/// add_remove m is private too: nothing thrown depends on it.
///
/// Modes: FullScan; LazyCertified, by bounds that weights which moved little leave of earlier
/// scores (proposal_budget: as CertifiedScanOptions says, of d / 64 proposals for 0; code_bits: not
/// used). Both draw from one law. Time depends on the private data under LazyCertified, and on m.
///
/// Memory: 4 m d bytes for the constraints at the vertices, 40 m for weights. Time: O(m d) to begin
/// with; each round O(m) for y, and O(m) for each vertex scored: all d in a full scan. const and
/// thread-safe, one engine a run. Source: Hsu, Roth, Roughgarden, Ullman, "Privately Solving Linear
/// Programs", ICALP 2014.
class ConstraintPrivateLp {
 public:
  /// Throws std::invalid_argument on options out of range or that contradict each other.
  explicit ConstraintPrivateLp(ScaledSimplex region, const ConstraintLpOptions& options)
      : region_(std::move(region)), options_(options) {
    detail::require_options(options);
  }

  const ScaledSimplex& region() const noexcept { return region_; }
  const ConstraintLpOptions& options() const noexcept { return options_; }

  /// Spends the whole budget. A = rows: m x d, row-major floats or doubles; m = 0 is legal under
  /// add_remove only. `observe(round)` is called after each round with an LpRound. Throws
  /// std::invalid_argument on other sizes, on entries that are not finite, when a density exceeds
  /// the public m, or an accuracy is out of reach (the message says what is not); budget_error when
  /// the budget was spent from before.
  template <class Rows, SecureBitGenerator Engine, class Mode = FullScan,
            class Observe = void (*)(const LpRound&)>
  LpResult solve(
      const Rows& rows, std::span<const double> bounds, Budget budget, Engine& engine,
      const Mode& mode = {}, Observe&& observe = [](const LpRound&) {}) const {
    using Scalar = typename Rows::Scalar;
    const MatrixView<Scalar> constraints(rows);
    require_data<Scalar>(constraints, bounds);
    const bool counted = options_.neighbours == Neighbours::replace_one;
    const detail::ConstraintLpPlan plan = detail::plan_constraint_lp(
        options_, region_.dimension(), counted ? bounds.size() : options_.constraints, budget);

    const detail::VertexScores scores(region_, constraints, bounds, options_.width);
    detail::VertexSelector<Mode> selector(scores, plan.sensitivity, mode);
    detail::ConstraintDual dual(bounds.size(), plan.density, plan.learning_rate);
    selector.moved(dual.weights(), 0.0);
    std::vector<double> chosen(region_.dimension(), 0.0);
    std::vector<LpRound> history;
    Guarantee guarantee = Guarantee::certified();
    for (std::size_t t = 1; t <= plan.rounds; ++t) {
      const Selection selection = selector.select(plan.epsilon, budget, engine);
      LpRound round{.round = t, .rounds = plan.rounds, .choice = selection.id};
      round.trace = selection.trace;
      guarantee = detail::weaker(guarantee, selection.trace.guarantee);
      chosen[selection.id] += 1.0;
      if (t < plan.rounds) {
        const double distance = dual.add(scores.row(selection.id));
        selector.moved(dual.weights(), distance);
      }
      observe(std::as_const(round));
      history.push_back(round);
    }

    LpResult result{.x = std::vector<double>(region_.dimension()),
                    .bound = plan.bound,
                    .rounds = plan.rounds,
                    .learning_rate = plan.learning_rate,
                    .width = options_.width,
                    .epsilon_per_round = plan.epsilon,
                    .selection = selector.name(),
                    .guarantee = guarantee,
                    .history = std::move(history),
                    .budget = std::move(budget)};
    for (double& c : chosen) c /= static_cast<double>(plan.rounds);
    region_.point(chosen, result.x);
    if (options_.not_private_truth && !bounds.empty())
      result.not_private_truth =
          not_private_violation<Scalar>(constraints, bounds, result.x, plan.bound.violation);
    return result;
  }

 private:
  template <class Scalar>
  void require_data(const MatrixView<Scalar>& constraints, std::span<const double> bounds) const {
    const auto rows = static_cast<std::size_t>(constraints.rows());
    if (rows != bounds.size())
      detail::throw_invalid("bounds.size()", bounds.size(),
                            "must equal the number of constraints, " + detail::text_of(rows));
    if (static_cast<std::size_t>(constraints.cols()) != region_.dimension())
      detail::throw_invalid(
          "rows.cols()", constraints.cols(),
          "must equal the region's dimension " + detail::text_of(region_.dimension()));
    if (rows == 0 && options_.neighbours == Neighbours::replace_one)
      detail::throw_invalid("rows.rows()", rows, "must be at least 1");
    detail::require_finite<Scalar>("rows", constraints);
    for (std::size_t i = 0; i < bounds.size(); ++i)
      if (!std::isfinite(bounds[i]))
        detail::throw_invalid("bounds[" + detail::text_of(i) + "]", bounds[i], "must be finite");
  }

  ScaledSimplex region_;
  ConstraintLpOptions options_;
};

}  // namespace lazygumbel
