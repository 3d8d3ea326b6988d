#pragma once

#include <cmath>
#include <cstddef>
#include <span>

namespace lazygumbel::detail {

/// sum_x a(x) b(x) in twice the precision of a double: off by at most 2^-53 of itself and
/// n^2 2^-106 sum |a| |b|, up to factors near 1. Precondition, not checked: equal lengths. O(n).
/// Source: Ogita, Rump, Oishi, "Accurate Sum and Dot Product", SIAM J. Sci. Comput. 26 (2005),
/// Algorithm 5.3.
inline double compensated_dot(std::span<const double> a, std::span<const double> b) noexcept {
  double high = 0.0, low = 0.0;
  for (std::size_t x = 0; x < a.size(); ++x) {
    // Volatile: a compiler that fuses the product into the sum would count its rounding twice.
    const volatile double rounded = a[x] * b[x];
    const double product = rounded, lost = std::fma(a[x], b[x], -product);
    const double sum = high + product, part = sum - high;
    low += ((high - (sum - part)) + (product - part)) + lost;
    high = sum;
  }
  return high + low;
}

}  // namespace lazygumbel::detail
