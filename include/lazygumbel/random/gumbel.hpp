#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/random/uniform.hpp"

/// \file
/// The standard exponential law, P(E > x) = exp(-x), and the standard Gumbel law G = -log E,
/// P(G <= x) = exp(-exp(-x)). Small E and large G decide a race, so both are computed from a
/// uniform that is dense near 0: E goes down to 2^-64 with full relative accuracy, G up to 44.3.
/// The far ends that a draw cannot reach have probability 2^-53 (E > 36.7, G < -3.6) and 2^-64.

namespace lazygumbel {

/// E ~ Exp(1), in [2^-64, 36.8].
template <BitGenerator Engine>
double standard_exponential(Engine& engine) {
  return -std::log1p(-open_uniform(engine));
}

/// G ~ Gumbel(0, 1), in [-3.61, 44.4].
template <BitGenerator Engine>
double gumbel(Engine& engine) {
  return -std::log(standard_exponential(engine));
}

/// P(G <= x) = exp(-exp(-x)); accurate in the lower tail.
inline double gumbel_cdf(double x) noexcept { return std::exp(-std::exp(-x)); }

/// P(G > x) = 1 - exp(-exp(-x)), without cancellation in the upper tail.
inline double gumbel_survival(double x) noexcept { return -std::expm1(-std::exp(-x)); }

/// The x with gumbel_cdf(x) = p. p = 0 and 1 give -inf and +inf; throws outside [0, 1].
inline double gumbel_quantile(double p) {
  if (!(p >= 0.0 && p <= 1.0)) detail::throw_invalid("p", p, "must lie in [0, 1]");
  return -std::log(-std::log(p));
}

/// The x with gumbel_survival(x) = q, accurate for q down to the smallest double.
inline double gumbel_upper_quantile(double q) {
  if (!(q >= 0.0 && q <= 1.0)) detail::throw_invalid("q", q, "must lie in [0, 1]");
  return -std::log(-std::log1p(-q));
}

/// G given G > bound. bound = -inf gives an unconditioned draw; throws on NaN and +inf.
/// In terms of E = exp(-G), E is exponential given E < exp(-bound): inverting its distribution
/// function gives E = -log(1 - u (1 - exp(-exp(-bound)))). Above bound = 38 the law is
/// bound + Exp(1) to within double precision, which also avoids the underflow of exp(-bound).
template <BitGenerator Engine>
double gumbel_above(double bound, Engine& engine) {
  if (!(bound < std::numeric_limits<double>::infinity()))
    detail::throw_invalid("bound", bound, "must be below +infinity");
  const double u = open_uniform(engine);
  if (bound > 38.0) return bound - std::log(u);
  // Rounding may lead an ulp below the bound, never further.
  return (std::max)(bound, -std::log(-std::log1p(u * std::expm1(-std::exp(-bound)))));
}

}  // namespace lazygumbel
