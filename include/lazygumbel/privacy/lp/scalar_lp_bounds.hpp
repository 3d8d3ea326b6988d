#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/accountant.hpp"
#include "lazygumbel/privacy/accounting/costs.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"

namespace lazygumbel {

/// The public numbers of a scalar-private linear program.
struct ScalarLpSize {
  std::size_t constraints = 0;        ///< m
  std::size_t variables = 0;          ///< d
  double width = 0.0;                 ///< W >= max |A_ij v_j|, v the vertices of K
  double sensitivity = 0.0;           ///< D of a score
  double failure_probability = 0.05;  ///< beta
  /// How much further than without rounding a choice may be from the best, in units of a score:
  /// twice the rounding error of a computed A_i x.
  double rounding = 0.0;
};

/// What T rounds at `epsilon` each bring [theorem]: if some x* in K has A x* <= b, then with
/// probability at least 1 - beta the mean of the iterates has, for every constraint,
///   A_i x <= b_i + W sqrt(2 ln d / T) + (2 D / epsilon) ln(m T / beta) + rounding.
/// Proof. Hedge over the vertices, with losses A_(i_t) j v_j in [-W, W], has mean regret at most
/// W sqrt(2 ln d / T): mean_t A_(i_t) x_t <= mean_t A_(i_t) x* + that <= mean_t b_(i_t) + that. The
/// exponential mechanism's choice is within (2 D / epsilon) ln(m T / beta) of max_i (A_i x_t - b_i)
/// in all T rounds with probability 1 - beta [McSherry, Talwar 2007]. So the mean over t of
/// max_i (A_i x_t - b_i) is at most the sum of both terms, and it bounds max_i (A_i x - b_i) at the
/// mean x, since a maximum of linear functions is convex. The form is that of Hsu, Roth,
/// Roughgarden, Ullman, "Privately Solving Linear Programs", ICALP 2014, section 4; the constants
/// are the proof's. Throws std::invalid_argument unless m, d, T >= 1, epsilon lies in (0, 1e300],
/// beta in (0, 1), and W, D and the rounding in [0, 1e300]. Infinite where no double holds it.
inline double scalar_lp_violation(const ScalarLpSize& size, std::size_t rounds, double epsilon) {
  detail::require_positive("epsilon", epsilon);
  if (rounds == 0) detail::throw_invalid("rounds", rounds, "must be at least 1");
  if (!(size.failure_probability > 0.0 && size.failure_probability < 1.0))
    detail::throw_invalid("failure_probability", size.failure_probability, "must lie in (0, 1)");
  if (size.constraints == 0)
    detail::throw_invalid("constraints", size.constraints, "must be at least 1");
  if (size.variables == 0) detail::throw_invalid("variables", size.variables, "must be at least 1");
  detail::require_not_negative("width", size.width);
  detail::require_not_negative("sensitivity", size.sensitivity);
  detail::require_not_negative("rounding", size.rounding);
  const auto t = static_cast<double>(rounds);
  return size.width * std::sqrt(2.0 * std::log(static_cast<double>(size.variables)) / t) +
         2.0 * size.sensitivity / epsilon *
             (std::log(static_cast<double>(size.constraints)) + std::log(t) -
              std::log(size.failure_probability)) +
         size.rounding;
}

namespace detail {

/// The T of 1 .. 100,000 (in steps of 2%) of least `violation(T)`; an infinite one ends the search.
template <class Violation>
std::size_t best_rounds(Violation&& violation) {
  std::size_t best = 1;
  double least = violation(std::size_t{1});
  for (std::size_t rounds = 2; rounds <= 100'000; rounds += 1 + rounds / 50) {
    const double now = violation(rounds);
    if (!std::isfinite(now)) break;
    if (now < least) best = rounds, least = now;
  }
  return best;
}

}  // namespace detail

/// The T for which the theorem promises least when `budget` is divided evenly: from public numbers
/// only. About (epsilon W sqrt(ln d) / (D ln m))^(2/3) under pure accounting and
/// W sqrt(rho ln d) / (D ln m) under zCDP. `gap`: as in exponential_mechanism_cost. Throws
/// std::invalid_argument as scalar_lp_violation does, and where one round at `budget` does not even
/// pay for the gap.
inline std::size_t scalar_lp_rounds(const ScalarLpSize& size, Accountant accountant, double budget,
                                    double gap = 0.0) {
  detail::require_positive("budget", budget);
  scalar_lp_violation(size, 1, exponential_mechanism_epsilon(accountant, budget, gap));
  return detail::best_rounds([&](std::size_t rounds) {
    const double share = budget / static_cast<double>(rounds);
    if (gap > 0.0 && !(share > exponential_mechanism_cost(accountant, 1e-12, gap)))
      return std::numeric_limits<double>::infinity();
    return scalar_lp_violation(size, rounds, exponential_mechanism_epsilon(accountant, share, gap));
  });
}

}  // namespace lazygumbel
