#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/release/detail/noisy_total.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <vector>

#include "laws.hpp"
#include "message_of.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

// n + discrete Laplace noise of scale 1 / cost, raised to 1. 300,000 draws, refused at p < 1e-6: an
// rms relative error of the cells' probabilities of 2.1% is detected.
TEST(NoisyTotal, HasTheLawOfDiscreteLaplace) {
  EXPECT_LT(smallest_defect(60, 300'000), 0.021);
  const double epsilon = 0.3;
  const Histogram table = line_table({3, 0, 4});
  NotPrivateEngine engine(1);
  constexpr std::size_t cells = 60;  // values 1 .. 60, the ends with all beyond
  std::vector<double> law(cells, 0.0);
  for (int z = -400; z <= 400; ++z)
    law[static_cast<std::size_t>(std::min(59, std::max(0, 7 + z - 1)))] +=
        std::tanh(0.5 * epsilon) * std::exp(-epsilon * std::abs(z));
  expect_law(count_draws(cells, 300'000,
                         [&] {
                           Budget budget = Budget::pure(1.0);
                           const double n = noisy_total(table, epsilon, budget, engine);
                           EXPECT_EQ(n, std::round(n));
                           return static_cast<std::size_t>(std::min(n, 60.0)) - 1;
                         }),
             law, "noisy total");
}

TEST(NoisyTotal, GaussianUnderZcdp) {
  const Histogram table = line_table({1 << 20});
  NotPrivateEngine engine(2);
  std::vector<double> values;
  for (int i = 0; i < 20'000; ++i) {
    Budget budget = Budget::zcdp(1.0);
    values.push_back(noisy_total(table, 0.005, budget, engine) - (1 << 20));
  }
  const auto [mean, variance] = mean_and_variance(values);
  EXPECT_NEAR(mean, 0.0, 0.5);        // sigma 10, five standard errors are 0.35
  EXPECT_NEAR(variance, 100.0, 5.0);  // 1 / (2 rho)
}

TEST(NoisyTotal, SpendsItsCost) {
  NotPrivateEngine engine(3);
  Budget budget = Budget::pure(1.0);
  EXPECT_GE(noisy_total(line_table({0}), 0.25, budget, engine), 1.0);
  EXPECT_EQ(budget.spent(), 0.25);
  EXPECT_EQ(budget.expenses().front().mechanism, "number of records");
  EXPECT_EQ(message_of<budget_error>([&] { noisy_total(line_table({0}), 0.8, budget, engine); }),
            "lazygumbel: number of records costs 0.8 epsilon, but only 0.75 of 1 is left");
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { noisy_total(line_table({0}), 0.0, budget, engine); }),
      "lazygumbel: cost = 0: must lie in (0, 1e300]");
}

}  // namespace
}  // namespace lazygumbel::testing
