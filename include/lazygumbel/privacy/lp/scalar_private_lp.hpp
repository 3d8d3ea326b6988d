#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "lazygumbel/fwd.hpp"
#include "lazygumbel/index/detail/row_store.hpp"
#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/lp/detail/constraint_scores.hpp"
#include "lazygumbel/privacy/lp/detail/hedge.hpp"
#include "lazygumbel/privacy/lp/detail/lp_selectors.hpp"
#include "lazygumbel/privacy/lp/detail/scalar_lp_plan.hpp"
#include "lazygumbel/privacy/lp/lp_result.hpp"
#include "lazygumbel/privacy/lp/scalar_lp_options.hpp"
#include "lazygumbel/privacy/lp/scaled_simplex.hpp"
#include "lazygumbel/random/secure_engine.hpp"

namespace lazygumbel {

/// A linear program with private right-hand sides: find x in K = { x >= 0 : <c, x> = value }
/// (ScaledSimplex) with A x <= b, where b may not be told from any b' with |b - b'|_inf <= D. T
/// rounds of: choose a constraint that x violates much (exponential mechanism on A_i x - b_i, a
/// mode of selection_modes.hpp), and move x away from it (Hedge over the vertices of K). The answer
/// is the mean of the iterates; `bound` says how close it is to feasible (scalar_lp_violation).
///
/// Each choice spends an even part of the budget; all else is post-processing of the choices and of
/// public numbers. D has to be small against the width W: the violation is at least about
/// sqrt(D W) (ln d)^(1/4) ln^(1/2) m / rho^(1/4). Maximise or minimise by lp_search.hpp.
///
/// Holds or views A (m x d; float or double). const and thread-safe, one engine a solve. Sources:
/// Hsu, Roth, Roughgarden, Ullman, "Privately Solving Linear Programs", ICALP 2014 (the
/// low-sensitivity programs); docs/privacy.md (proofs, threat model).
template <class Scalar>
class ScalarPrivateLp {
 public:
  /// Owns A (move it in to avoid the copy). Throws std::invalid_argument on an empty A, NaN,
  /// infinity, a region of another dimension, and on options out of range.
  ScalarPrivateLp(RowMatrix<Scalar> constraints, ScaledSimplex region,
                  const ScalarLpOptions& options)
      : ScalarPrivateLp(RowStore<Scalar>(prepared(std::move(constraints), region, options)), region,
                        options) {}  // a copy: arguments are made in any order

  /// Reads the caller's A where it is: no copy (but of a private A, which is clipped); it must stay
  /// alive and unchanged.
  static ScalarPrivateLp over(const RowPointer<Scalar>& constraints, ScaledSimplex region,
                              const ScalarLpOptions& options) {
    if (options.neighbours == LpNeighbours::matrix)
      return ScalarPrivateLp(RowMatrix<Scalar>(constraints), std::move(region), options);
    return ScalarPrivateLp(RowStore<Scalar>(constraints), region, options);
  }

  const ScaledSimplex& region() const noexcept { return region_; }
  const ScalarLpOptions& options() const noexcept { return options_; }
  std::size_t constraints() const noexcept { return rows_.size(); }
  std::size_t variables() const noexcept { return rows_.dimension(); }
  /// W, and the sensitivity of a score: that of the data, and of rounding.
  double width() const noexcept { return size_.width; }
  double sensitivity() const noexcept { return size_.sensitivity; }

  /// Spends the whole budget. `observe(round)` is called after each round with an LpRound. Throws
  /// std::invalid_argument unless there is one finite bound a constraint, and when the budget is
  /// too small; budget_error when it was spent before. Never on what the bounds are: a program that
  /// no x satisfies gives some x of K.
  template <SecureBitGenerator Engine, class Mode = FullScan,
            class Observe = void (*)(const LpRound&)>
  LpResult solve(
      std::span<const double> bounds, Budget budget, Engine& engine, const Mode& mode = {},
      Observe&& observe = [](const LpRound&) {}) const {
    detail::require_own_budget(budget);
    const ConstraintScores<Scalar> scores(rows_, bounds, size_.width);
    const double gap = detail::uncovered_gap_of(mode);
    const detail::ScalarLpPlan plan = detail::plan_scalar_lp(size_, options_, region_, budget, gap);
    const double norm = detail::public_norm(rows_, region_, options_, size_);
    detail::require_scores_fit_of<Scalar>(size_, region_, norm, plan.epsilon,
                                          options_.neighbours == LpNeighbours::matrix);
    if constexpr (std::is_same_v<Mode, LazyCertified>)
      detail::require_codes_fit(size_, region_, norm, plan.epsilon);
    detail::LpSelector<Mode, Scalar> selector(scores, size_.sensitivity, mode);

    Hedge hedge(variables(), plan.learning_rate);
    std::vector<double> x(variables()), mean(variables(), 0.0), losses(variables());
    LpResult result{.bound = plan.bound,
                    .rounds = plan.rounds,
                    .learning_rate = plan.learning_rate,
                    .width = size_.width,
                    .epsilon_per_round = plan.epsilon,
                    .selection = selector.name(),
                    .guarantee = Guarantee::certified(),
                    .budget = std::move(budget)};
    std::vector<double> scanned;  // the weights at the last scan of a mode that clips
    for (std::size_t t = 1; t <= plan.rounds; ++t) {
      region_.point(hedge.weights(), x);
      for (std::size_t j = 0; j < x.size(); ++j) mean[j] += x[j] / static_cast<double>(plan.rounds);
      const Selection selection = selector.select(x, plan.epsilon, result.budget, engine);
      const LpRound round{t, plan.rounds, selection.id, selection.trace, selector.scans()};
      if constexpr (requires { selector.clips; }) {
        if (t == 1 || round.scans.exact != result.history.back().scans.exact)
          scanned.assign(hedge.weights().begin(), hedge.weights().end());
        result.bound.violation +=
            size_.width * distance(hedge.weights(), scanned) / static_cast<double>(plan.rounds);
      }
      take_row(selection.id, plan, losses, result.budget, engine);
      region_.point(losses, losses);
      hedge.add(std::span<const double>(losses));
      result.guarantee = detail::weaker(result.guarantee, selection.trace.guarantee);
      observe(round);
      result.history.push_back(round);
    }
    result.x = std::move(mean);
    report(bounds, plan, result, engine);
    return result;
  }

 private:
  // The region by reference: it may be read, for the rows, before or after it is passed.
  ScalarPrivateLp(RowStore<Scalar> rows, const ScaledSimplex& region,
                  const ScalarLpOptions& options)
      : rows_(std::move(rows)), region_(region), options_(options) {
    size_ = detail::scalar_lp_size(rows_, region_, options_);
  }

  /// Clips the entries of a private A to the public width.
  static RowMatrix<Scalar> prepared(RowMatrix<Scalar> constraints, const ScaledSimplex& region,
                                    const ScalarLpOptions& options) {
    if (options.neighbours != LpNeighbours::matrix) return constraints;
    detail::require_rows<Scalar>("constraints", constraints);
    detail::require_positive("width", options.width);
    detail::require_dimension(static_cast<std::size_t>(constraints.cols()), region);
    // Norms fit whatever the entries are: an error may not tell.
    const double norm = detail::largest_entry({.width = options.width}, region) *
                        std::sqrt(static_cast<double>(constraints.cols()));
    if (!(norm <= 0.25 * static_cast<double>((std::numeric_limits<Scalar>::max)())))
      detail::throw_invalid("width", options.width, "allows rows whose norms overflow");
    for (Eigen::Index j = 0; j < constraints.cols(); ++j) {
      const auto limit =
          static_cast<Scalar>(options.width / region.vertex(static_cast<std::size_t>(j)));
      constraints.col(j) = (constraints.col(j).cwiseMin)(limit).cwiseMax(-limit);
    }
    return constraints;
  }

  static double distance(std::span<const double> a, std::span<const double> b) noexcept {
    double sum = 0.0;
    for (std::size_t j = 0; j < a.size(); ++j) sum += std::abs(a[j] - b[j]);
    return sum;
  }

  /// Row `id` of A as it may be used: with noise where A is private.
  template <SecureBitGenerator Engine>
  void take_row(item_id id, const detail::ScalarLpPlan& plan, std::vector<double>& row,
                Budget& budget, Engine& engine) const {
    for (std::size_t j = 0; j < row.size(); ++j)
      row[j] = static_cast<double>(rows_.row(id)[static_cast<Eigen::Index>(j)]);
    if (!plan.row_noise) return;
    budget.spend("noisy row", plan.row_cost);
    plan.row_noise->answers(row, row, engine);
  }

  /// What is said of x besides the bound.
  template <SecureBitGenerator Engine>
  void report(std::span<const double> bounds, const detail::ScalarLpPlan& plan, LpResult& result,
              Engine& engine) const {
    if (!plan.violation_noise && !options_.not_private_truth) return;
    const LpViolation truth = not_private_violation<Scalar>(
        rows_.matrix(), bounds, std::span<const double>(result.x), result.bound.violation);
    if (options_.not_private_truth) result.not_private_truth = truth;
    if (!plan.violation_noise) return;
    result.budget.spend("noisy violation", plan.violation_cost);
    const double clipped =
        (std::max)(-plan.violation_limit, (std::min)(plan.violation_limit, truth.largest));
    result.noisy_violation = plan.violation_noise->answer(clipped, engine);
    result.noise_deviation = plan.violation_noise->standard_deviation();
  }

  RowStore<Scalar> rows_;
  ScaledSimplex region_;
  ScalarLpOptions options_;
  ScalarLpSize size_;
};

}  // namespace lazygumbel
