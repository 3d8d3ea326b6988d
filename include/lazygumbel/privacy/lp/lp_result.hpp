#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/selection/selection_modes.hpp"
#include "lazygumbel/sampling/draw.hpp"

namespace lazygumbel {

/// What a private linear program's theorem says of the answer, from public numbers only: when some
/// point of the feasible region meets all constraints, then with probability at least
/// 1 - failure_probability, fewer than `exceptions` of the constraints have A_i x > b_i +
/// violation. Nothing is promised when no point does: x is then as private as ever, and still in
/// the region.
struct LpBound {
  double violation = 0.0;            ///< alpha, in units of b
  std::size_t exceptions = 1;        ///< s; 1 where every constraint is bounded
  double failure_probability = 0.0;  ///< beta
};

/// How far a point is from meeting A x <= b. Of private A or b this is PRIVATE.
struct LpViolation {
  double largest = 0.0;   ///< max_i (A_i x - b_i), negative where every constraint has room
  std::size_t count = 0;  ///< constraints with A_i x > b_i + the tolerance asked for
};

/// What a round did.
struct LpRound {
  std::size_t round = 0, rounds = 0;  ///< 1 .. T, T
  item_id choice = 0;                 ///< the constraint, or the vertex, that was selected
  Trace trace{};                      ///< PRIVATE but for its guarantee
  ScanCounts scans{};                 ///< so far; PRIVATE
};

/// The answer of a private linear program: all of it may be published but for the traces and
/// counts of `history`, and `not_private_truth`.
struct LpResult {
  std::vector<double> x{};         ///< the mean of the iterates, in the feasible region
  LpBound bound{};                 ///< what the theorem says of x
  std::size_t rounds = 0;          ///< T
  double learning_rate = 0.0;      ///< eta
  double width = 0.0;              ///< W: what losses are scaled by
  double epsilon_per_round = 0.0;  ///< of the exponential mechanism
  std::string selection{};
  Guarantee guarantee{};  ///< of the selection's law, the weakest of all rounds
  /// max_i (A_i x - b_i) with noise, and the standard deviation of that noise, when part of the
  /// budget was set aside for it. Before the noise it is clipped at 2 (W + the theorem's bound,
  /// without what LazySampled adds to it), either way: beyond that it says only that the program is
  /// far from feasible, or from tight.
  std::optional<double> noisy_violation{};
  double noise_deviation = 0.0;
  /// NOT PRIVATE; there only when it was asked for.
  std::optional<LpViolation> not_private_truth{};
  std::vector<LpRound> history{};
  Budget budget;  ///< with its expenses
};

/// How far x is from meeting A x <= b, in double. NOT PRIVATE: publish it only where A and b are.
/// A: m x d. Throws std::invalid_argument on other sizes, and on a bound, an x_j or a tolerance
/// that is not finite. Not checked: that A is finite, and that no A_i x overflows. O(m d).
template <class Scalar>
LpViolation not_private_violation(const MatrixView<Scalar>& constraints,
                                  std::span<const double> bounds, std::span<const double> x,
                                  double tolerance = 0.0) {
  if (static_cast<std::size_t>(constraints.rows()) != bounds.size() || bounds.empty())
    detail::throw_invalid("bounds.size()", bounds.size(),
                          "must equal the number of constraints, at least 1");
  if (static_cast<std::size_t>(constraints.cols()) != x.size())
    detail::throw_invalid("x.size()", x.size(), "must equal the number of variables");
  const auto require_finite = [](const char* name, std::span<const double> values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values[i]))
        detail::throw_invalid(std::string(name) + "[" + detail::text_of(i) + "]", values[i],
                              "must be finite");
  };
  require_finite("bounds", bounds);
  require_finite("x", x);
  if (!std::isfinite(tolerance)) detail::throw_invalid("tolerance", tolerance, "must be finite");
  const Eigen::Map<const Eigen::VectorXd> point(x.data(), static_cast<Eigen::Index>(x.size()));
  LpViolation found{.largest = -std::numeric_limits<double>::infinity()};
  for (Eigen::Index i = 0; i < constraints.rows(); ++i) {
    const double excess =
        constraints.row(i).template cast<double>().dot(point) - bounds[static_cast<std::size_t>(i)];
    found.largest = (std::max)(found.largest, excess);
    if (excess > tolerance) ++found.count;
  }
  return found;
}

}  // namespace lazygumbel
