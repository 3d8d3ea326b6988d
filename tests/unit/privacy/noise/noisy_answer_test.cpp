#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/privacy/noise/noisy_answer.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <message_of.hpp>
#include <statistics.hpp>
#include <vector>

namespace lazygumbel::testing {
namespace {

/// `value` is at least `exact` and hardly more.
void expect_ratio_rounded_up(Ratio value, double exact) {
  EXPECT_GE(value.value(), exact);
  EXPECT_LE(value.value(), exact * (1.0 + 1e-12) + 0x1p-32);
}

TEST(GridNoise, LaplaceScales) {
  const Grid unit, quarter(0.25);
  EXPECT_EQ(GridNoise::laplace(unit, 1.0, 1.0, Answers::on_grid).parameter(), Ratio(1));
  EXPECT_EQ(GridNoise::laplace(unit, 2.0, 0.25, Answers::on_grid, 5).parameter(), Ratio(8));
  expect_ratio_rounded_up(GridNoise::laplace(unit, 1.0, 0.1, Answers::on_grid).parameter(), 10.0);
  EXPECT_EQ(GridNoise::laplace(quarter, 1.0, 1.0, Answers::on_grid).parameter(), Ratio(4));
  // Fractional: floor(D / g) + coordinates.
  EXPECT_EQ(GridNoise::laplace(unit, 1.0, 1.0, Answers::fractional).parameter(), Ratio(2));
  EXPECT_EQ(GridNoise::laplace(quarter, 1.1, 1.0, Answers::fractional).parameter(), Ratio(5));
  EXPECT_EQ(GridNoise::laplace(quarter, 1.1, 1.0, Answers::fractional, 10).parameter(), Ratio(14));
  EXPECT_EQ(GridNoise::laplace(unit, 0.01, 0.5, Answers::fractional).parameter(), Ratio(2));
  // 1 that has become 1 - 2^-53 by rounding is taken for 1.
  EXPECT_EQ(GridNoise::laplace(unit, 1.0 - 0x1p-53, 1.0, Answers::fractional).parameter(),
            Ratio(2));
}

TEST(GridNoise, GaussianVariances) {
  const Grid unit, quarter(0.25);
  expect_ratio_rounded_up(GridNoise::gaussian(unit, 1.0, 0.5, Answers::on_grid).parameter(), 1.0);
  expect_ratio_rounded_up(
      GridNoise::gaussian(unit, std::sqrt(2.0), 0.01, Answers::on_grid, 4).parameter(), 100.0);
  expect_ratio_rounded_up(
      GridNoise::gaussian(unit, std::sqrt(3.0), 0.5, Answers::on_grid, 4).parameter(),
      3.0);  // sqrt(3.0) is below the square root of 3
  expect_ratio_rounded_up(GridNoise::gaussian(quarter, 1.0, 0.5, Answers::on_grid).parameter(),
                          16.0);
  expect_ratio_rounded_up(GridNoise::gaussian(quarter, 1.0, 0.5, Answers::fractional).parameter(),
                          25.0);
  expect_ratio_rounded_up(GridNoise::gaussian(unit, 1.0, 0.5, Answers::fractional, 9).parameter(),
                          16.0);
}

// No two neighbours' answers, rounded, lie further apart than the scale was made for.
TEST(GridNoise, FractionalSensitivityCoversRounding) {
  NotPrivateEngine engine(1);
  const Grid grid(0.5);
  constexpr std::size_t k = 4;
  const double d = 1.3;
  const double l1 = GridNoise::laplace(grid, d, 1.0, Answers::fractional, k).parameter().value();
  const double l2_squared =
      GridNoise::gaussian(grid, d, 0.5, Answers::fractional, k).parameter().value();
  double worst_l1 = 0.0, worst_l2 = 0.0;
  for (int i = 0; i < 300000; ++i) {
    std::vector<double> x(k), step(k);
    double one = 0.0, two = 0.0;
    for (std::size_t j = 0; j < k; ++j) {
      x[j] = 4.0 * lazygumbel::open_uniform(engine);
      step[j] = std::pow(lazygumbel::open_uniform(engine), 4.0) *
                (lazygumbel::uniform_bits(engine) >> 63 != 0 ? 1.0 : -1.0);
      one += std::abs(step[j]);
      two += step[j] * step[j];
    }
    double cells_one = 0.0, cells_two = 0.0;
    for (std::size_t j = 0; j < k; ++j) {
      const auto moved = [&](double norm) {
        return static_cast<double>(grid.cell_of(x[j] + d * step[j] / norm) - grid.cell_of(x[j]));
      };
      cells_one += std::abs(moved(one));
      cells_two += moved(std::sqrt(two)) * moved(std::sqrt(two));
    }
    worst_l1 = std::max(worst_l1, cells_one);
    worst_l2 = std::max(worst_l2, cells_two);
  }
  EXPECT_LE(worst_l1, l1);
  EXPECT_GE(worst_l1, l1 - 1.0) << "and hardly less, so the test looks where it should";
  EXPECT_LE(worst_l2, l2_squared);
}

TEST(GridNoise, AddsNoiseOfItsParameter) {
  const GridNoise noise = GridNoise::laplace(Grid(0.25), 1.0, 0.5, Answers::fractional, 3);
  NotPrivateEngine engine(2), twin(2);
  const std::vector<double> x{0.3, -7.9, 1e6};
  std::vector<double> noisy(3);
  noise.answers(x, noisy, engine);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(noisy[i], 0.25 * (std::round(x[i] / 0.25) +
                                static_cast<double>(discrete_laplace(noise.parameter(), twin))));
  EXPECT_EQ(engine, twin);
  std::vector<double> in_place = x;
  NotPrivateEngine again(2);
  noise.answers(in_place, in_place, again);
  EXPECT_EQ(in_place, noisy) << "the same seed, the same answers";

  const GridNoise gaussian = GridNoise::gaussian(Grid(), 1.0, 0.1, Answers::on_grid);
  NotPrivateEngine first(3), second(3);
  EXPECT_EQ(gaussian.answer(41.0, first),
            41.0 + static_cast<double>(discrete_gaussian(gaussian.parameter(), second)));
}

// n = 2e5 answers; refused beyond 5 standard errors (false alarm 6e-7 a moment); a bias of 2% of a
// standard deviation shows with probability above 0.9.
TEST(GridNoise, StandardDeviationIsThatOfTheAnswers) {
  NotPrivateEngine engine(4);
  for (const GridNoise& noise : {GridNoise::laplace(Grid(0.5), 3.0, 0.2, Answers::on_grid),
                                 GridNoise::gaussian(Grid(0.5), 3.0, 0.02, Answers::fractional)}) {
    std::vector<double> errors(200000);
    for (double& error : errors) error = noise.answer(7.5, engine) - 7.5;
    EXPECT_LT(std::abs(z_of_mean(errors, 0.0)), 5.0);
    const double sd = std::sqrt(mean_and_variance(errors).second);
    EXPECT_NEAR(sd / noise.standard_deviation(), 1.0, 5.0 * std::sqrt(5.0 / 4.0 / 200000));
  }
}

TEST(GridNoise, RefusesWhatItCannotDo) {
  const Grid unit;
  const auto message = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  EXPECT_EQ(message([&] { GridNoise::laplace(unit, 0.0, 1.0, Answers::on_grid); }),
            "lazygumbel: sensitivity = 0: must lie in (0, 1e300]");
  EXPECT_EQ(message([&] { GridNoise::laplace(unit, 1.5, 1.0, Answers::on_grid); }),
            "lazygumbel: sensitivity = 1.5: must be a multiple of the step 1, as the answers are");
  EXPECT_EQ(message([&] { GridNoise::laplace(unit, 1.0, std::nan(""), Answers::on_grid); }),
            "lazygumbel: epsilon = nan: must lie in (0, 1e300]");
  const std::string too_large =
      ": the sensitivity, or the scale that it needs, is above 2^52 steps";
  EXPECT_EQ(message([&] { GridNoise::laplace(unit, 1.0, 1e-16, Answers::on_grid); }),
            "lazygumbel: epsilon = 1e-16" + too_large);
  EXPECT_EQ(message([&] { GridNoise::laplace(unit, 1e30, 1e30, Answers::fractional); }),
            "lazygumbel: epsilon = 1e+30" + too_large);
  EXPECT_EQ(message([&] { GridNoise::gaussian(unit, 1.0, 1e-19, Answers::on_grid); }),
            "lazygumbel: rho = 1e-19: needs a sigma^2 above 2^62 steps of the grid");
  EXPECT_EQ(message([&] { GridNoise::gaussian(unit, 1e200, 1.0, Answers::on_grid); }),
            "lazygumbel: rho = 1: needs a sigma^2 above 2^62 steps of the grid");
  EXPECT_EQ(message([&] { GridNoise::gaussian(unit, 1.0, 1.0, Answers::on_grid, 0); }),
            "lazygumbel: coordinates = 0: must be at least 1");
}

TEST(GridNoise, RefusesAnswersBeforeItDraws) {
  const GridNoise noise = GridNoise::laplace(Grid(), 1.0, 1.0, Answers::on_grid, 2);
  NotPrivateEngine engine(5);
  std::vector<double> noisy{-1.0, -1.0}, short_result(1);
  const auto refused = [&](const std::vector<double>& x, std::vector<double>& result) {
    return message_of<std::invalid_argument>([&] { noise.answers(x, result, engine); });
  };
  EXPECT_EQ(refused({1.0, 2.5}, noisy),
            "lazygumbel: x[1] = 2.5: must be a multiple of the step 1 within 2^52 steps, as was "
            "promised");
  EXPECT_THROW(noise.answers(std::vector{1.0, double{INFINITY}}, noisy, engine),
               std::invalid_argument);
  EXPECT_EQ(refused({1.0}, noisy), "lazygumbel: x.size() = 1: must be the number of coordinates 2");
  EXPECT_EQ(refused({1.0, 2.0}, short_result),
            "lazygumbel: noisy.size() = 1: must be the number of coordinates 2");
  EXPECT_EQ(noisy, (std::vector{-1.0, -1.0}));
  EXPECT_EQ(engine, NotPrivateEngine(5)) << "nothing was drawn";
}

// A huge epsilon makes the noise vanish, not fail.
TEST(GridNoise, HugeBudgetsLeaveTheAnswerAlone) {
  NotPrivateEngine engine(6);
  for (const double budget : {1e9, 1e300}) {
    EXPECT_EQ(GridNoise::laplace(Grid(), 1.0, budget, Answers::on_grid).answer(5.0, engine), 5.0);
    EXPECT_EQ(GridNoise::gaussian(Grid(), 1.0, budget, Answers::on_grid).answer(5.0, engine), 5.0);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
