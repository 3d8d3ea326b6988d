#pragma once

#include <cmath>
#include <limits>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel::detail {

/// What this layer takes for finite: some room is left for products of two or three such numbers.
inline constexpr double largest_amount = 1e300;

inline void require_not_negative(const char* name, double value) {
  if (!(value >= 0.0 && value <= largest_amount))
    throw_invalid(name, value, "must lie in [0, 1e300]");
}

inline void require_positive(const char* name, double value) {
  if (!(value > 0.0 && value <= largest_amount))
    throw_invalid(name, value, "must lie in (0, 1e300]");
}

inline double next_up(double x) noexcept {
  return std::nextafter(x, std::numeric_limits<double>::infinity());
}
inline double next_down(double x) noexcept {
  return std::nextafter(x, -std::numeric_limits<double>::infinity());
}

/// A factor that makes up for a few roundings of a product.
inline constexpr double slightly_more = 1.0 + 0x1p-50;

/// `value` > 0, but not an amount that underflowed to nothing.
inline double not_nothing(double value) noexcept {
  return value > 0.0 ? value : std::numeric_limits<double>::denorm_min();
}

/// A number at most `guess` that is accepted, near the largest: goes down by steps that double, so
/// the answer lies within a factor of 2 of the needed correction. 0 when nothing above 0 is
/// accepted.
template <class Accepts>
double accepted_below(double guess, Accepts&& accepts) {
  double step = guess * 0x1p-53;
  while (guess > 0.0 && !accepts(guess)) {
    guess = step > 0.0 ? guess - step : next_down(guess);
    step *= 2.0;
  }
  return guess > 0.0 ? guess : 0.0;
}

}  // namespace lazygumbel::detail
