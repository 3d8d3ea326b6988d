#pragma once

#include <cmath>
#include <numbers>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// The x with Phi(x) = p for the standard normal law, to about 1e-14 relative for p in
/// [1e-300, 1 - 1e-16]. Throws std::invalid_argument outside (0, 1).
inline double normal_quantile(double p) {
  if (!(p > 0.0 && p < 1.0)) detail::throw_invalid("p", p, "must lie in (0, 1)");
  if (p > 0.5) return -normal_quantile(1.0 - p);
  if (p == 0.5) return 0.0;
  // From the tail's leading term, Newton's method on log Phi(x) = log p, which is concave: the
  // steps approach the root from one side after the first.
  double x = -std::sqrt(-2.0 * std::log(2.0 * p));
  for (int step = 0; step < 20; ++step) {
    const double tail = 0.5 * std::erfc(-x / std::numbers::sqrt2);
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
    // Near 1/2 the logarithms cancel; p - 1/2 is exact there, and so is erf.
    const double change = p > 0.25 ? (0.5 * std::erf(x / std::numbers::sqrt2) - (p - 0.5)) / density
                                   : (std::log(tail) - std::log(p)) * tail / density;
    x -= change;
    if (std::abs(change) <= 1e-15 * std::abs(x)) break;
  }
  return x;
}

}  // namespace lazygumbel
