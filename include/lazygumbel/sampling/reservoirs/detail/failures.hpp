#pragma once

#include <cmath>

#include "lazygumbel/random/gumbel.hpp"

namespace lazygumbel::detail {

/// How many trials of success probability p fail before the first success, a whole number:
/// floor(E / -log(1 - p)), E ~ Exp(1), since P(it is >= k) = (1 - p)^k. p = 1 gives 0, p = 0
/// +infinity. Precise where p is: no more than a few ulp are lost down to the smallest p.
template <BitGenerator Engine>
double failures(double p, Engine& engine) {
  return std::floor(standard_exponential(engine) / -std::log1p(-p));
}

/// The same, given that one of the first `trials` succeeds: in [0, trials - 1]. p must be above 0.
template <BitGenerator Engine>
double failures_below(double trials, double p, Engine& engine) {
  const double log_failure = std::log1p(-p);
  const double u = open_uniform(engine);
  // Inverts P(it is < k) = (1 - (1 - p)^k) / (1 - (1 - p)^trials).
  const double drawn = std::floor(std::log1p(u * std::expm1(trials * log_failure)) / log_failure);
  // Rounding may lead to `trials`, never further.
  return (std::fmin)(drawn, trials - 1.0);
}

}  // namespace lazygumbel::detail
