#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "lazygumbel/core/detail/uint128.hpp"
#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/random/exact_bernoulli.hpp"
#include "lazygumbel/random/secure_engine.hpp"

/// \file
/// Integer noise whose law is exact, made of random bits and integers alone [CKS20 = Canonne,
/// Kamath, Steinke, "The Discrete Gaussian for Differential Privacy", NeurIPS 2020]. Added to an
/// integer answer it gives what the continuous laws give on paper, without their floating-point
/// holes. How long a draw takes depends on what is drawn. A value of 2^62 or more in size is drawn
/// anew; that has a probability below exp(-1000) at every scale that is allowed.

namespace lazygumbel {
namespace detail {

inline constexpr std::uint64_t noise_limit = std::uint64_t{1} << 62;

inline void require_noise_parameter(const char* name, Ratio value, std::uint64_t largest) {
  const auto within = [&](const char* part, std::uint64_t number, std::uint64_t limit) {
    if (number < 1 || number > limit)
      throw_invalid(std::string(name) + "." + part + "()", number,
                    "must lie in 1 .. 2^" + text_of(std::bit_width(limit) - 1));
  };
  within("numerator", value.numerator(), largest);
  within("denominator", value.denominator(), std::uint64_t{1} << 32);
}

/// The draw without the checks: t / s is the scale. [CKS20, Algorithm 2]: u + t v is geometric with
/// ratio exp(-1 / t), its quotient by s geometric with ratio exp(-s / t), and a sign makes two
/// sides of it, where "minus zero" is refused so that zero does not count twice.
template <BitGenerator Engine>
std::int64_t two_sided_geometric(std::uint64_t t, std::uint64_t s, Engine& engine) {
  for (;;) {
    const std::uint64_t u = uniform_below(t, engine);
    if (!bernoulli_exp_product({u, t}, 1, engine)) continue;
    std::uint64_t v = 0;
    while (bernoulli_exp_product(1, 1, engine)) ++v;
    const uint128 size = (u + uint128{t} * v) / s;
    const bool negative = uniform_bits(engine) >> 63 != 0;
    if ((negative && size == 0) || size >= noise_limit) continue;
    const auto value = static_cast<std::int64_t>(size);
    return negative ? -value : value;
  }
}

}  // namespace detail

/// Discrete Laplace noise: P(z) = tanh(1 / (2 b)) exp(-|z| / b) over the integers, b = `scale`.
/// An integer answer of sensitivity D and a scale of D / epsilon make an epsilon-private answer.
/// The scale's numerator is 1 .. 2^52, its denominator 1 .. 2^32 (ratio_at_least(x) gives such a
/// scale for every x of (0, 2^52]); throws std::invalid_argument otherwise. 13 to 20 words a draw
/// on average. Source: [CKS20, Algorithm 2].
template <SecureBitGenerator Engine>
std::int64_t discrete_laplace(Ratio scale, Engine& engine) {
  detail::require_noise_parameter("scale", scale, std::uint64_t{1} << 52);
  return detail::two_sided_geometric(scale.numerator(), scale.denominator(), engine);
}

/// Discrete Gaussian noise: P(z) proportional to exp(-z^2 / (2 sigma^2)) over the integers. An
/// integer answer of sensitivity D becomes D^2 / (2 sigma^2)-zCDP [CKS20, Theorem 4]; a vector of
/// integers likewise with D its L2 sensitivity, by one draw a coordinate.
/// The numerator of sigma^2 is 1 .. 2^62, its denominator 1 .. 2^32; throws std::invalid_argument
/// otherwise. 20 to 45 words a draw on average.
///
/// [CKS20, Algorithm 3]: y of scale t = floor(sigma) + 1 is kept with probability exp(-g), where,
/// for sigma^2 = n / d and a = | |y| d t - n |, g = a^2 / (2 n d t^2). Neither a^2 nor the divisor
/// needs to fit: g = x y with x = a / (2 n) and y = a / (d t^2), both split into whole and broken
/// part, and exp(-g) is the product of the trials of the four parts.
template <SecureBitGenerator Engine>
std::int64_t discrete_gaussian(Ratio sigma_squared, Engine& engine) {
  detail::require_noise_parameter("sigma_squared", sigma_squared, std::uint64_t{1} << 62);
  using detail::uint128;
  const std::uint64_t n = sigma_squared.numerator(), d = sigma_squared.denominator();
  // Any t >= 1 gives the same law, so the rounding of the square root changes nothing.
  const auto t = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n / d))) + 1;
  const std::uint64_t x_unit = 2 * n, y_unit = d * t * t;  // both at most 2^63
  const auto every = [](uint128 times, auto&& trial) {
    for (; times > 0; --times)
      if (!trial()) return false;
    return true;
  };
  for (;;) {
    const std::int64_t y = detail::two_sided_geometric(t, 1, engine);
    const uint128 product = uint128{static_cast<std::uint64_t>(y < 0 ? -y : y)} * (d * t);
    const uint128 a = product > n ? product - n : n - product;
    const Ratio x_part(static_cast<std::uint64_t>(a % x_unit), x_unit);
    const Ratio y_part(static_cast<std::uint64_t>(a % y_unit), y_unit);
    const uint128 x_whole = a / x_unit, y_whole = a / y_unit;
    if (every(x_whole,
              [&] {  // exp(-x_whole y)
                return every(y_whole, [&] { return bernoulli_exp(1, engine); }) &&
                       bernoulli_exp(y_part, engine);
              }) &&
        every(y_whole, [&] { return bernoulli_exp(x_part, engine); }) &&
        detail::bernoulli_exp_product(x_part, y_part, engine))
      return y;
  }
}

}  // namespace lazygumbel
