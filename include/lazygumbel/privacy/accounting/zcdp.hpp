#pragma once

#include <algorithm>
#include <cmath>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"

/// \file
/// Zero-concentrated differential privacy: rho-zCDP means that the Renyi divergence of order alpha
/// between the outputs on two neighbours is at most alpha rho, for all alpha > 1 [Bun, Steinke,
/// "Concentrated Differential Privacy", TCC 2016]. Costs add up, adaptively too. Here: what it
/// means in (epsilon, delta), by the sharpest known bound [CKS20 = Canonne, Kamath, Steinke,
/// NeurIPS 2020, Corollary 13]:
///
///   delta(rho, epsilon) = min over alpha > 1 of
///     exp((alpha - 1) (alpha rho - epsilon) + alpha ln(1 - 1 / alpha)) / (alpha - 1).
///
/// Every alpha gives a valid bound, so numerical search can only lose a little, never the
/// guarantee; what is left is the rounding of the exponent, whose bound is added. All three
/// functions round to the safe side: epsilon and delta up, rho down. O(1), thread-safe.

namespace lazygumbel {
namespace detail {

/// ln delta(rho, epsilon), at most 0, rounded up. With x = alpha - 1 the exponent is
/// f(x) = x (rho (1 + x) - epsilon) - x ln(1 + 1 / x) - ln(1 + x), whose slope
/// rho (1 + 2 x) - epsilon - ln(1 + 1 / x) rises from -infinity: bisection of ln x finds its zero.
inline double log_zcdp_delta(double rho, double epsilon) noexcept {
  // Above `widest` the products would overflow; stopping there is one of the losses that are safe.
  const double widest =
      (std::min)(1e300 / (std::max)(epsilon, 1.0), 1e150 / std::sqrt((std::max)(rho, 1e-300)));
  double low = -690.0, high = std::log(widest);
  for (int step = 0; step < 100; ++step) {
    const double middle = 0.5 * (low + high), x = std::exp(middle);
    (rho * (1.0 + 2.0 * x) - epsilon - std::log1p(1.0 / x) < 0.0 ? low : high) = middle;
  }
  const double x = std::exp(0.5 * (low + high));
  const double gain = rho * (1.0 + x), first = x * std::log1p(1.0 / x), second = std::log1p(x);
  const double f = x * (gain - epsilon) - first - second;
  const double error = 0x1p-49 * (x * (gain + epsilon) + first + second);
  return (std::min)(0.0, f + error);
}

}  // namespace detail

/// The smallest known delta such that rho-zCDP implies (epsilon, delta)-privacy, rounded up; in
/// [0, 1]. 0 only for rho = 0. Throws std::invalid_argument unless rho and epsilon lie in
/// [0, 1e300].
inline double zcdp_delta(double rho, double epsilon) {
  detail::require_not_negative("rho", rho);
  detail::require_not_negative("epsilon", epsilon);
  if (rho == 0.0) return 0.0;
  const double delta = std::exp(detail::log_zcdp_delta(rho, epsilon)) * detail::slightly_more;
  return (std::min)(1.0, detail::not_nothing(delta));
}

/// The smallest epsilon with zcdp_delta(rho, epsilon) <= delta, rounded up. At most, and below for
/// small delta, rho + 2 sqrt(rho ln(1 / delta)) [Bun, Steinke 2016, Proposition 1.3]. Throws
/// std::invalid_argument unless rho lies in [0, 1e300] and delta in (0, 1].
inline double zcdp_epsilon(double rho, double delta) {
  detail::require_not_negative("rho", rho);
  if (!(delta > 0.0 && delta <= 1.0)) detail::throw_invalid("delta", delta, "must lie in (0, 1]");
  const double target = delta == 1.0 ? 0.0 : detail::next_down(std::log(delta));
  const auto enough = [&](double e) { return detail::log_zcdp_delta(rho, e) <= target; };
  if (rho == 0.0 || enough(0.0)) return 0.0;
  double low = 0.0, high = rho + 2.0 * std::sqrt(rho) * std::sqrt(-target);
  for (double more = 0x1p-50; !enough(high); more *= 2.0) high *= 1.0 + more;  // roundings
  for (int step = 0; step < 200; ++step) {
    const double middle = low + 0.5 * (high - low);
    if (!(middle > low && middle < high)) break;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

/// The largest rho with zcdp_delta(rho, epsilon) <= delta, rounded down: the budget that an
/// (epsilon, delta) target leaves to zCDP. Throws std::invalid_argument unless epsilon lies
/// in [0, 1e300] and delta in (0, 1).
inline double zcdp_rho(double epsilon, double delta) {
  detail::require_not_negative("epsilon", epsilon);
  if (!(delta > 0.0 && delta < 1.0)) detail::throw_invalid("delta", delta, "must lie in (0, 1)");
  const double target = detail::next_down(std::log(delta));
  const auto allowed = [&](double rho) { return detail::log_zcdp_delta(rho, epsilon) <= target; };
  double low = 0.0, high = 1.0;
  while (high < 1e300 && allowed(high)) low = high, high *= 2.0;
  for (int step = 0; step < 1200; ++step) {  // down to the smallest double if need be
    const double middle = low + 0.5 * (high - low);
    if (!(middle > low && middle < high)) break;
    (allowed(middle) ? low : high) = middle;
  }
  return low;
}

/// The rho of any epsilon-private mechanism: epsilon tanh(epsilon / 2), at most epsilon^2 / 2,
/// rounded up. Randomised response attains it, and so does discrete_laplace(1 / epsilon) on an
/// answer of sensitivity 1: the smaller epsilon + exp(-epsilon) - 1 of the continuous Laplace law
/// [Harrison, Manurangsi, FORC 2026] is not true of discrete noise. Throws std::invalid_argument
/// unless epsilon lies in [0, 1e300].
///
/// Proof. E_Q[(P/Q)^alpha] is convex in P/Q, which lies in [exp(-epsilon), exp(epsilon)] and has
/// mean 1, so it is largest when P/Q takes only the two end values (randomised response): then,
/// with h = epsilon / 2 and t = 2 alpha - 1, (alpha - 1) D_alpha = ln cosh(h t) - ln cosh(h). As a
/// function of s = t^2, ln cosh(h sqrt s) is concave (its slope, h tanh(h t) / (2 t), falls), so
/// the difference is at most (t^2 - 1) h tanh(h) / 2 = alpha (alpha - 1) epsilon tanh(epsilon / 2).
inline double zcdp_of_pure(double epsilon) {
  detail::require_not_negative("epsilon", epsilon);
  if (epsilon == 0.0) return 0.0;
  return detail::not_nothing(epsilon * std::tanh(0.5 * epsilon) * detail::slightly_more);
}

}  // namespace lazygumbel
