#include <gtest/gtest.h>

#include <cstdint>
#include <lazygumbel/privacy/noise/discrete_noise.hpp>
#include <lazygumbel/random/not_private_engine.hpp>

#include "noise_laws.hpp"
#include "statistics.hpp"

// The exact laws of discrete noise, by chi-square over cells a quarter of a scale wide with 0 a
// cell of its own: n = 1e6 draws a scale, refused at p < 1e-6 (the false-alarm rate of each). With
// the 40 cells of a large scale, a root mean square error of 1.0% of the cell probabilities shows
// with probability 0.9. What these tests cannot see: an error far out in the tail, beyond 1 draw in
// 1e5.

namespace lazygumbel::testing {
namespace {

constexpr std::uint64_t noise_draws = 1'000'000;

const std::vector<Ratio> noise_scales{{1, 20},
                                      {1, 2},
                                      {1},
                                      {7, 3},
                                      {100},
                                      {1000},
                                      {1'000'003, 10},
                                      {std::uint64_t{1} << 31},
                                      {(std::uint64_t{1} << 51) + 1, std::uint64_t{1} << 20},
                                      {std::uint64_t{1} << 52}};

TEST(DiscreteNoiseLaw, Laplace) {
  NotPrivateEngine engine(1);
  for (const Ratio scale : noise_scales) {
    const IntegerCells cells(scale.value());
    const auto counts =
        count_integers(cells, noise_draws, [&] { return discrete_laplace(scale, engine); });
    EXPECT_GE(chi_square_p_value(counts, cells.probabilities(discrete_laplace_cdf(scale.value()))),
              1e-6)
        << scale.value();
  }
}

TEST(DiscreteNoiseLaw, Gaussian) {
  NotPrivateEngine engine(2);
  for (const Ratio sigma_squared :
       {Ratio(1, 20), Ratio(1, 3), Ratio(1), Ratio(7, 3), Ratio(99, 10), Ratio(1000),
        Ratio(1'000'000), Ratio(1'000'000'007, 1000), Ratio(std::uint64_t{1} << 61, 3),
        Ratio(std::uint64_t{1} << 62)}) {
    const double sigma = std::sqrt(sigma_squared.value());
    const IntegerCells cells(sigma);
    const auto counts = count_integers(cells, noise_draws,
                                       [&] { return discrete_gaussian(sigma_squared, engine); });
    EXPECT_GE(chi_square_p_value(counts, cells.probabilities(discrete_gaussian_cdf(sigma))), 1e-6)
        << sigma_squared.value();
  }
}

// At a huge scale the low bits are uniform to one part in 1e9: a law that is rounded from a double
// would miss odd values. n = 1e6, 64 cells, refused at p < 1e-6; a root mean square error of 1.0%
// shows with probability 0.9.
TEST(DiscreteNoiseLaw, TheLowBitsAreUniform) {
  NotPrivateEngine engine(3);
  std::vector<std::uint64_t> of_laplace(64), of_gaussian(64);
  for (std::uint64_t i = 0; i < noise_draws; ++i) {
    ++of_laplace[static_cast<std::uint64_t>(discrete_laplace(std::uint64_t{1} << 52, engine)) % 64];
    ++of_gaussian[static_cast<std::uint64_t>(discrete_gaussian(std::uint64_t{1} << 62, engine)) %
                  64];
  }
  const std::vector<double> uniform(64, 1.0 / 64);
  EXPECT_GE(chi_square_p_value(of_laplace, uniform), 1e-6);
  EXPECT_GE(chi_square_p_value(of_gaussian, uniform), 1e-6);
}

TEST(DiscreteNoiseLaw, StatedPower) {
  EXPECT_LT(smallest_defect(44, noise_draws), 0.010);
  EXPECT_LT(smallest_defect(64, noise_draws), 0.010);
}

}  // namespace
}  // namespace lazygumbel::testing
