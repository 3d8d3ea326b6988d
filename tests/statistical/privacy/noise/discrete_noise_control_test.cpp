#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/privacy/noise/discrete_noise.hpp>
#include <lazygumbel/random/gumbel.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <numbers>

#include "noise_laws.hpp"
#include "statistics.hpp"

// Negative controls of discrete_noise_law_test.cpp: wrong samplers that its test refuses at
// p < 1e-6 with n = 1e6 draws. Where the wrong law has a closed form, the test's power against it
// is asserted to be above 0.999.

namespace lazygumbel::testing {
namespace {

constexpr std::uint64_t noise_draws = 1'000'000;

template <class Draw>
void expect_refused(double scale, const DiscreteCdf& right, Draw&& draw) {
  const IntegerCells cells(scale);
  EXPECT_LT(
      chi_square_p_value(count_integers(cells, noise_draws, draw), cells.probabilities(right)),
      1e-6)
      << scale;
}

void expect_power(double scale, const DiscreteCdf& right, const DiscreteCdf& wrong) {
  const IntegerCells cells(scale);
  EXPECT_GT(chi_square_power(noise_draws, cells.probabilities(right), cells.probabilities(wrong)),
            0.999);
}

/// The mistake that "if (negative && size == 0) continue;" prevents: zero comes up twice as often.
std::int64_t laplace_with_two_zeros(std::uint64_t scale, NotPrivateEngine& engine) {
  std::uint64_t u = 0, v = 0;
  do u = uniform_below(scale, engine);
  while (!bernoulli_exp({u, scale}, engine));
  while (bernoulli_exp(1, engine)) ++v;
  const auto size = static_cast<std::int64_t>(u + scale * v);
  return uniform_bits(engine) >> 63 != 0 ? -size : size;
}

TEST(DiscreteNoiseControl, ZeroCountedTwice) {
  NotPrivateEngine engine(1);
  for (const std::uint64_t scale : {1, 10, 100}) {
    const auto b = static_cast<double>(scale);
    const double zero = 1.0 - std::exp(-1.0 / b);  // P(0), and (1 - P(0)) / 2 on either side
    const DiscreteCdf wrong = [=](std::int64_t z) {
      return z < 0 ? 0.5 * std::exp(static_cast<double>(z) / b)
                   : 0.5 + 0.5 * zero +
                         0.5 * (1.0 - zero) * (1.0 - std::exp(-static_cast<double>(z) / b));
    };
    expect_power(b, discrete_laplace_cdf(b), wrong);
    expect_refused(b, discrete_laplace_cdf(b),
                   [&] { return laplace_with_two_zeros(scale, engine); });
  }
}

TEST(DiscreteNoiseControl, RoundedContinuousLaplace) {
  NotPrivateEngine engine(2);
  const double scale = 1.0;
  expect_refused(scale, discrete_laplace_cdf(scale), [&] {
    const double x = scale * standard_exponential(engine);
    return std::llround(uniform_bits(engine) >> 63 != 0 ? -x : x);
  });
}

TEST(DiscreteNoiseControl, RoundedContinuousGaussian) {
  NotPrivateEngine engine(3);
  const double sigma = 0.5;
  const DiscreteCdf rounded = [=](std::int64_t z) {
    return 0.5 * std::erfc(-(static_cast<double>(z) + 0.5) / (sigma * std::sqrt(2.0)));
  };
  expect_power(sigma, discrete_gaussian_cdf(sigma), rounded);
  expect_refused(sigma, discrete_gaussian_cdf(sigma), [&] {
    const double radius = std::sqrt(2.0 * standard_exponential(engine));
    return std::llround(sigma * radius * std::cos(2.0 * std::numbers::pi * open_uniform(engine)));
  });
}

TEST(DiscreteNoiseControl, ScaleOffByTwoPercent) {
  NotPrivateEngine engine(4);
  expect_power(50.0, discrete_laplace_cdf(50.0), discrete_laplace_cdf(51.0));
  expect_refused(50.0, discrete_laplace_cdf(50.0), [&] { return discrete_laplace(51, engine); });
  expect_power(50.0, discrete_gaussian_cdf(50.0), discrete_gaussian_cdf(51.0));
  expect_refused(50.0, discrete_gaussian_cdf(50.0),
                 [&] { return discrete_gaussian(51 * 51, engine); });
}

TEST(DiscreteNoiseControl, GaussianWithoutRejection) {
  NotPrivateEngine engine(5);  // the proposal of [CKS20, Algorithm 3], kept always
  expect_power(10.0, discrete_gaussian_cdf(10.0), discrete_laplace_cdf(11.0));
  expect_refused(10.0, discrete_gaussian_cdf(10.0), [&] { return discrete_laplace(11, engine); });
}

// exp(-g) as a series that ends after its second term, 1 - g: right to first order only.
TEST(DiscreteNoiseControl, ExponentialCutToItsFirstTerms) {
  NotPrivateEngine engine(6);
  const auto cut_exp = [&](Ratio gamma) { return !bernoulli(gamma, engine); };
  expect_refused(10.0, discrete_laplace_cdf(10.0), [&] {
    for (;;) {
      std::uint64_t u = 0, v = 0;
      do u = uniform_below(10, engine);
      while (!cut_exp({u, 10}));
      while (bernoulli_exp(1, engine)) ++v;
      const auto size = static_cast<std::int64_t>(u + 10 * v);
      const bool negative = uniform_bits(engine) >> 63 != 0;
      if (size != 0 || !negative) return negative ? -size : size;
    }
  });
}

}  // namespace
}  // namespace lazygumbel::testing
