#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"

/// \file
/// The theorem behind ConstraintPrivateLp, and the parameters that it recommends. m constraints
/// A_i x <= b_i, or a public bound on their number; d vertices v_j of K; a width W with
/// |A_i v_j - b_i| <= W; T rounds, each choosing a vertex with epsilon0; a density s in [1, m].
///
/// Theorem. If some x* of K meets all constraints, then with probability at least 1 - beta fewer
/// than ceil(s) constraints have A_i x > b_i + alpha, where
///
///   alpha = W sqrt(2 ln(m / s) / T) + (2 D / epsilon0) ln(d T / beta),    D = 2 W / s.
///
/// Proof. Let C_ij = (A_i v_j - b_i) / W in [-1, 1], j_t the vertex of round t, l_t = -C_{., j_t}
/// the losses of the constraints, L_t their sums, Y = { y : 0 <= y_i <= 1/s, sum y = 1 },
/// R(y) = sum y ln y. The weights of round t, the projection of exp(-eta L_{t-1}) onto Y, are
/// argmin over Y of <y, L_{t-1}> + R(y) / eta.
/// (1) Phi(L) = min over Y of <y, L> + R(y) / eta is concave with gradient y(L); as R is 1-strongly
/// convex in |.|_1 (Pinsker), Phi(L + l) >= Phi(L) + <y(L), l> - eta |l|_max^2 / 2. Summed over t,
/// with Phi(0) >= -ln(m) / eta and Phi(L_T) <= <u, L_T> + R(u) / eta for every u of Y:
///   sum_t <y_t - u, l_t>  <=  eta T / 2 + (R(u) + ln m) / eta.
/// For u uniform on any ceil(s) rows R(u) <= -ln s, so that eta = sqrt(2 ln(m / s) / T) makes this
/// T sqrt(2 ln(m / s) / T). (A bound on m in place of m only makes the right side larger.)
/// (2) x* is a mean of vertices and sum y_i (A_i x* - b_i) <= 0, so some vertex has a score
/// -sum y_i C_ij >= 0. A choice from exp(epsilon0 score / (2 D / W)) misses the largest score by
/// more than (2 D / W / epsilon0) (ln d + u) with probability at most e^-u [McSherry, Talwar 2007];
/// u = ln(T / beta) for all rounds together. So <y_t, C_{., j_t}> is at most that in all rounds.
/// (3) Were ceil(s) rows beyond alpha, u uniform on them would have the mean over t of
/// <u, C_{., j_t}> = <u, A x - b> / W > alpha / W, against (1) and (2), where y_t does at most
/// (2 D / W / epsilon0) ln(d T / beta) and u no more than sqrt(2 ln(m / s) / T) better.
///
/// Half of alpha for each term: T = 8 (W / alpha)^2 ln m, s = 8 W / (alpha epsilon0) ln(d T /
/// beta). For s < 1, s = 1 will do. The sum holds in floating point with 2^-20 W added (constants
/// rounded to float, weights and sums in double), and with the D that is charged.
///
/// Sources: Hsu, Roth, Roughgarden, Ullman, "Privately Solving Linear Programs", ICALP 2014, for
/// the algorithm; constants and proof are the above. All functions: O(1), thread-safe;
/// std::invalid_argument on what is not in its range.

namespace lazygumbel {
namespace detail {

/// At most so many rounds: a history has to be kept of them.
inline constexpr double largest_rounds = 1e7;

inline void require_constraints(double constraints) {
  if (!(constraints >= 1.0 && constraints <= 0x1p53))
    throw_invalid("constraints", constraints, "must lie in [1, 2^53]");
}

inline void require_density(double density, double constraints) {
  require_constraints(constraints);
  if (!(density >= 1.0 && density <= constraints))
    throw_invalid("density", density,
                  "must lie in [1, m], m = " + text_of(constraints) + " constraints");
}

inline double log_vertex_rounds(double vertices, double rounds, double failure_probability) {
  if (!(vertices >= 1.0)) throw_invalid("vertices", vertices, "must be at least 1");
  if (!(rounds >= 1.0)) throw_invalid("rounds", rounds, "must be at least 1");
  if (!(failure_probability > 0.0 && failure_probability < 1.0))
    throw_invalid("failure_probability", failure_probability, "must lie in (0, 1)");
  return std::log(vertices) + std::log(rounds) - std::log(failure_probability);
}

}  // namespace detail

/// T = ceil(8 (W / alpha)^2 ln m), at least 1. Throws std::invalid_argument where that is more than
/// 10^7, and on a width or an accuracy that is not positive.
inline std::size_t constraint_lp_rounds(double width, double accuracy, double constraints) {
  detail::require_positive("width", width);
  detail::require_positive("accuracy", accuracy);
  detail::require_constraints(constraints);
  const double ratio = width / accuracy;
  const double rounds = (std::max)(1.0, std::ceil(8.0 * std::log(constraints) * ratio * ratio));
  if (!(rounds <= detail::largest_rounds))
    detail::throw_invalid("accuracy", accuracy,
                          "takes more than 10^7 rounds at the width " + detail::text_of(width));
  return static_cast<std::size_t>(rounds);
}

/// s = 8 W / (alpha epsilon0) ln(d T / beta), at least 1; may exceed m, and then no density will
/// do.
inline double constraint_lp_density(double width, double accuracy, double epsilon,
                                    std::size_t vertices, std::size_t rounds,
                                    double failure_probability) {
  detail::require_positive("width", width);
  detail::require_positive("accuracy", accuracy);
  detail::require_positive("epsilon", epsilon);
  const double logs = detail::log_vertex_rounds(static_cast<double>(vertices),
                                                static_cast<double>(rounds), failure_probability);
  return (std::max)(1.0, 8.0 * (width / accuracy) / epsilon * logs);
}

/// eta = sqrt(2 ln(m / s) / T), of losses in [-1, 1]. 0 for s = m, where the weights never move.
inline double constraint_lp_learning_rate(double constraints, double density, std::size_t rounds) {
  detail::require_density(density, constraints);
  if (rounds < 1) detail::throw_invalid("rounds", rounds, "must be at least 1");
  return std::sqrt(2.0 * std::log(constraints / density) / static_cast<double>(rounds));
}

/// D / W = 2 / s + 2^-38, rounded up: by how much the scores -sum y_i C_ij of any vertex, as
/// computed, can differ when one whole constraint is added, removed or replaced.
///
/// Proof for exact numbers. The weight exp(-eta L_i) depends on constraint i and on the vertices
/// chosen so far, nothing else. Added: lambda can only fall, so the y of the others fall by y_new
/// <= 1/s altogether: a difference of at most y_new for them and y_new for its own term, in units
/// of W. (Where at most s constraints were there before, all at 1/s: they fall by their sum less 1
/// plus y_new, no more than y_new.) Replaced: all others move one way, by |y_r - y'_r| altogether,
/// and with the own terms that is |y_r - y'_r| + y_r + y'_r = 2 max(y_r, y'_r) <= 2 / s.
///
/// As computed (CappedProjection: y = (1 + e) min(1/s, l a), |e| <= 2^-42, sum within 2^-40 of 1)
/// the others move by at most 2^-39 more; e changes a score by 2^-42, and a dot product made of
/// compensated sums of tiles of 128 is off by 2^-46; twice each. The constants C are rounded to
/// floats in [-1, 1], each by itself: they are then the data. No term grows with m, which is
/// private under add_remove. 2^-50 of a score is left for the draw.
inline double constraint_lp_sensitivity(double density) {
  if (!(density >= 1.0 && density <= 1e300))
    detail::throw_invalid("density", density, "must lie in [1, 1e300]");
  return detail::next_up(detail::next_up(2.0 / density) + 0x1p-38);
}

/// alpha of the theorem, in units of b, with D and rounding as computed.
inline double constraint_lp_violation(double width, double constraints, double density,
                                      double epsilon, std::size_t vertices, std::size_t rounds,
                                      double failure_probability) {
  detail::require_positive("width", width);
  detail::require_positive("epsilon", epsilon);
  detail::require_density(density, constraints);
  const double logs = detail::log_vertex_rounds(static_cast<double>(vertices),
                                                static_cast<double>(rounds), failure_probability);
  return width * (constraint_lp_learning_rate(constraints, density, rounds) +
                  2.0 * constraint_lp_sensitivity(density) * (logs / epsilon) + 0x1p-20);
}

}  // namespace lazygumbel
