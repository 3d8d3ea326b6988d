#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/privacy/lp/scalar_private_lp.hpp"

namespace lazygumbel {

struct LpSearchOptions {
  bool maximise = false;  ///< otherwise minimise
  /// The values of the objective to search, public: 0 < lower < upper. Some x of value `upper` (of
  /// value `lower`, when maximising) is taken to satisfy A x <= b.
  double lower = 0.0, upper = 0.0;
  std::size_t steps = 8;  ///< programs to solve, 1 .. 64: each halves the interval but the first
  /// The violation to accept, public. 0: what the theorem promises for feasible programs, which is
  /// safe and far above what solves reach in practice.
  double tolerance = 0.0;
  ScalarLpOptions program{};  ///< violation_share must be positive
};

/// One program of a search.
struct LpSearchStep {
  double value = 0.0;            ///< of the objective
  double noisy_violation = 0.0;  ///< max_i (A_i x - b_i), noisy
  bool accepted = false;
};

/// All of it may be published but for the PRIVATE parts of `best`.
struct LpSearchResult {
  double value = 0.0;   ///< the best accepted one, or the one that was taken to be feasible
  bool found = false;   ///< whether any program was accepted
  LpResult best;        ///< of that value; its budget is one program's
  double margin = 0.0;  ///< of the noise: exceeded with probability failure_probability a program
  std::vector<LpSearchStep> history{};
  Budget budget;  ///< with its expenses
};

/// The least (or largest) value of <c, x> for which x >= 0 with A x <= b is found, b private: by
/// bisection, each program a ScalarPrivateLp over { x >= 0 : <c, x> = value } on an even part of
/// the budget, accepted when its noisy violation is at most the tolerance. Every value between two
/// feasible ones is feasible, by convexity, so that bisection is right when the far end is.
///
/// With probability at least 1 - 2 steps failure_probability: the accepted x has violation at most
/// tolerance + margin, where that is below what LpResult::noisy_violation of its program is clipped
/// at (a larger tolerance accepts anything); and when tolerance is
/// at least the theorem's bound + margin (as it is when 0 is given) `value` is at most (upper -
/// lower) / 2^(steps - 1) worse than the best feasible one. Not found: no program was accepted, the
/// far end neither.
///
/// Throws std::invalid_argument on options out of range, for either end, and as ScalarPrivateLp
/// does, budget_error when the budget was spent from. Spends the whole budget. Refers to A while it
/// runs.
template <class Scalar, SecureBitGenerator Engine, class Mode = FullScan>
LpSearchResult search_private_lp(const RowPointer<Scalar>& constraints,
                                 std::span<const double> objective, std::span<const double> bounds,
                                 const LpSearchOptions& options, Budget budget, Engine& engine,
                                 const Mode& mode = {}) {
  detail::require_positive("lower", options.lower);
  if (!(options.upper > options.lower && options.upper <= detail::largest_amount))
    detail::throw_invalid("upper", options.upper, "must lie in (lower, 1e300]");
  if (options.steps < 1 || options.steps > 64)
    detail::throw_invalid("steps", options.steps, "must lie in 1 .. 64");
  detail::require_not_negative("tolerance", options.tolerance);
  if (!(options.program.violation_share > 0.0))
    detail::throw_invalid("violation_share", options.program.violation_share,
                          "must be positive: programs are accepted by their noisy violation");
  detail::require_own_budget(budget);
  // Both ends are legal before anything private is looked at: so is all that lies between them.
  for (const double end : {options.lower, options.upper})
    static_cast<void>(ScalarPrivateLp<Scalar>::over(
        constraints, ScaledSimplex::of_objective(objective, end), options.program));
  const double share = budget.share(1.0 / static_cast<double>(options.steps));
  const double log_failure = std::log(2.0 / options.program.failure_probability);

  double far = options.maximise ? options.lower : options.upper;
  double near = options.maximise ? options.upper : options.lower;
  double value = far;
  std::optional<LpResult> best;
  std::vector<LpSearchStep> history;
  double best_value = far, margin = 0.0;
  bool found = false;
  for (std::size_t step = 0; step < options.steps; ++step) {
    const auto program = ScalarPrivateLp<Scalar>::over(
        constraints, ScaledSimplex::of_objective(objective, value), options.program);
    budget.spend("linear program", share);
    LpResult result = program.solve(
        bounds, budget.accountant() == Accountant::pure ? Budget::pure(share) : Budget::zcdp(share),
        engine, mode);
    const double deviation = result.noise_deviation;
    const double noise = budget.accountant() == Accountant::pure
                             ? deviation / std::sqrt(2.0) * log_failure
                             : deviation * std::sqrt(2.0 * log_failure);
    const double tolerance =
        options.tolerance > 0.0 ? options.tolerance : result.bound.violation + noise;
    const LpSearchStep last{value, *result.noisy_violation, *result.noisy_violation <= tolerance};
    history.push_back(last);
    if (last.accepted || !best) {
      best.emplace(std::move(result));
      best_value = value;
      margin = noise;
    }
    found |= last.accepted;
    if (step > 0) (last.accepted ? far : near) = value;
    value = far + 0.5 * (near - far);
  }
  return {.value = best_value,
          .found = found,
          .best = std::move(*best),
          .margin = margin,
          .history = std::move(history),
          .budget = std::move(budget)};
}

}  // namespace lazygumbel
