#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <lazygumbel/privacy/lp/detail/scalar_lp_plan.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <vector>

#include "linear_programs.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::largest_noise;
using lazygumbel::detail::lp_noise;
using lazygumbel::detail::plan_scalar_lp;
using lazygumbel::detail::scalar_lp_size;
using lazygumbel::detail::ScalarLpPlan;

template <class Scalar = double>
RowStore<Scalar> store(const RowMatrix<double>& rows) {
  return RowStore<Scalar>{RowMatrix<Scalar>(rows.template cast<Scalar>())};
}

RowMatrix<double> rows_of_width_two() {
  RowMatrix<double> rows(2, 2);
  rows << 1.0, 0.5, -3.0, 1.0;
  return rows;
}

const std::vector<double> plan_objective = {4.0, 1.0};  // vertices 1/2, 2
const ScaledSimplex plan_region = ScaledSimplex::of_objective(plan_objective, 2.0);
constexpr double hardly_more = 1.0 + 1e-6;

TEST(ScalarLpSize, WidthAndSensitivityOfPrivateBounds) {
  const auto size = scalar_lp_size(store(rows_of_width_two()), plan_region, {.sensitivity = 0.1});
  EXPECT_EQ(size.constraints, 2U);
  EXPECT_EQ(size.variables, 2U);
  EXPECT_EQ(size.width, 2.0);  // |1| * 2, against 3 / 2
  EXPECT_GE(size.sensitivity, 0.1 + 0x1p-47 * 2.0);
  EXPECT_LE(size.sensitivity, 0.1 * hardly_more);
  EXPECT_EQ(
      scalar_lp_size(store(rows_of_width_two()), plan_region, {.sensitivity = 0.1, .width = 5.0})
          .width,
      5.0);
  // A stated width may be a rounding too small; the larger one counts then.
  EXPECT_EQ(scalar_lp_size(store(rows_of_width_two()), plan_region,
                           {.sensitivity = 0.1, .width = 2.0 - 1e-9})
                .width,
            2.0);
  // The dot product of public numbers is public, however it is rounded.
  EXPECT_LE(scalar_lp_size(store<float>(rows_of_width_two()), plan_region, {.sensitivity = 1e-9})
                .sensitivity,
            1e-9 * hardly_more + 0x1p-46);
}

TEST(ScalarLpSize, SensitivityOfAPrivateMatrix) {
  const ScalarLpOptions options{
      .neighbours = LpNeighbours::matrix, .sensitivity = 0.1, .width = 2.0};
  const auto exact = scalar_lp_size(store(rows_of_width_two()), plan_region, options);
  EXPECT_GE(exact.sensitivity, 0.2);  // 0.1 max |x|_1
  EXPECT_LE(exact.sensitivity, 0.2 * hardly_more);
  const auto rounded = scalar_lp_size(store<float>(rows_of_width_two()), plan_region, options);
  EXPECT_GE(rounded.sensitivity, 0.2 + 4.0 * 0x1p-23 * 2.0);  // d + 2 roundings, twice
  EXPECT_LE(rounded.sensitivity, 0.2 + 8.0 * 0x1p-23 * 2.0);
  EXPECT_GE(rounded.rounding, 4.0 * 0x1p-23 * 2.0);
}

TEST(ScalarLpSize, EmptyAndExtremeMatrices) {
  const RowMatrix<double> zero = RowMatrix<double>::Zero(3, 2);
  const auto size = scalar_lp_size(store(zero), plan_region, {.sensitivity = 0.1});
  EXPECT_EQ(size.width, 0.0);
  EXPECT_GE(size.sensitivity, 0.1);
  for (const double unit : {1e-30, 1e30}) {
    const auto scaled = scalar_lp_size(store<float>(rows_of_width_two() * unit), plan_region,
                                       {.sensitivity = 0.1 * unit});
    EXPECT_NEAR(scaled.width / unit, 2.0, 1e-6);
    EXPECT_NEAR(scaled.sensitivity / unit, 0.1, 1e-6);
  }
  EXPECT_EQ(scalar_lp_size(store(rows_of_width_two()), plan_region, {.sensitivity = 1e9}).width,
            2.0);
}

TEST(ScalarLpSize, Refusals) {
  const auto of = [](const ScalarLpOptions& options) {
    return refusal([&] { scalar_lp_size(store(rows_of_width_two()), plan_region, options); });
  };
  EXPECT_EQ(of({}), "lazygumbel: sensitivity = 0: must lie in (0, 1e300]");
  EXPECT_EQ(of({.sensitivity = -1.0}), "lazygumbel: sensitivity = -1: must lie in (0, 1e300]");
  EXPECT_EQ(of({.sensitivity = nan}), "lazygumbel: sensitivity = nan: must lie in (0, 1e300]");
  EXPECT_EQ(of({.sensitivity = infinity}), "lazygumbel: sensitivity = inf: must lie in (0, 1e300]");
  EXPECT_EQ(of({.sensitivity = 0.1, .width = -1.0}),
            "lazygumbel: width = -1: must lie in [0, 1e300]");
  EXPECT_EQ(of({.sensitivity = 0.1, .width = 1.5}),
            "lazygumbel: width = 1.5: is below max |A_ij v_j| = 2");
  EXPECT_EQ(of({.neighbours = LpNeighbours::matrix, .sensitivity = 0.1}),
            "lazygumbel: width = 0: must lie in (0, 1e300]");
  EXPECT_EQ(of({.sensitivity = 0.1, .rounds = 1'000'001}),
            "lazygumbel: rounds = 1000001: must be at most 1,000,000");
  for (const double wrong : {0.0, 1.0, -0.5, nan}) {
    EXPECT_NE(of({.sensitivity = 0.1, .failure_probability = wrong}).find("must lie in (0, 1)"),
              std::string::npos);
    EXPECT_NE(of({.sensitivity = 0.1, .selection_share = wrong}).find("must lie in (0, 1)"),
              std::string::npos);
    if (wrong != 0.0) {
      EXPECT_NE(of({.sensitivity = 0.1, .violation_share = wrong}).find("must lie in [0, 1)"),
                std::string::npos);
    }
  }
  EXPECT_NE(of({.neighbours = LpNeighbours::objective, .sensitivity = 0.1})
                .find("neighbours = objective: the region of x"),
            std::string::npos);
  EXPECT_EQ(refusal([] {
              scalar_lp_size(store(rows_of_width_two()), ScaledSimplex::of_total(3),
                             {.sensitivity = 0.1});
            }),
            "lazygumbel: constraints.cols() = 2: must equal the region's dimension 3");
  EXPECT_NE(refusal([] {
              scalar_lp_size(store(rows_of_width_two() * 1e300), ScaledSimplex::of_total(2, 1e300),
                             {.sensitivity = 0.1});
            }).find("max |A_ij v_j| = inf"),
            std::string::npos);
}

// All answers that the public range allows fit the grid, whatever the ratio of range to distance:
// an error there would tell of the answer.
TEST(LpNoise, TheWholeRangeFitsTheGrid) {
  NotPrivateEngine engine(1);
  for (const Accountant accountant : {Accountant::pure, Accountant::zcdp})
    for (const double each : {1e-30, 1e-13, 1e-3, 1.0, 1e30})
      for (const double ratio : {0.0, 1.0, 1e6, 1e12, 1e13, 1e14, 1e15, 1e30})
        for (const double cost : {1e-8, 1.0, 1e9}) {
          const double largest = each * ratio;
          const GridNoise noise = lp_noise(accountant, cost, each, 3, largest);
          const std::vector<double> ends = {largest, -largest, 0.0};
          std::vector<double> noisy(3);
          EXPECT_NO_THROW(noise.answers(ends, noisy, engine));
          if (ratio <= 1e12 && cost >= 1.0) {
            EXPECT_LE(noise.grid().step(), each * 0x1p-10) << "a coarse grid without need";
          }
        }
}

// The scale and sigma that the distances ask for, and little more.
TEST(LpNoise, IsOfTheRightSize) {
  for (const double cost : {0.01, 1.0}) {
    const double laplace = std::sqrt(2.0) * 5.0 * 0.25 / cost;
    const double found = lp_noise(Accountant::pure, cost, 0.25, 5, 1.0).standard_deviation();
    EXPECT_GE(found, laplace);
    EXPECT_LE(found, laplace * 1.002);
    const double sigma = std::sqrt(5.0) * 0.25 / std::sqrt(2.0 * cost);
    const double other = lp_noise(Accountant::zcdp, cost, 0.25, 5, 1.0).standard_deviation();
    EXPECT_GE(other, sigma);
    EXPECT_LE(other, sigma * 1.002);
  }
}

TEST(LargestNoise, IsExceededAsRarelyAsItSays) {
  NotPrivateEngine engine(2);
  for (const Accountant accountant : {Accountant::pure, Accountant::zcdp}) {
    const GridNoise noise = lp_noise(accountant, 0.5, 1.0, 1, 1.0);
    for (const double failure : {0.5, 0.01}) {
      const double limit = largest_noise(noise, accountant, 10.0, failure);
      int beyond = 0;
      for (int trial = 0; trial < 2000; ++trial) {
        bool outside = false;
        for (int draw = 0; draw < 10; ++draw)
          outside = outside || std::abs(noise.answer(0.3, engine) - 0.3) > limit;
        beyond += outside ? 1 : 0;
      }
      // Five standard deviations of a binomial count.
      EXPECT_LE(beyond, 2000.0 * failure + 5.0 * std::sqrt(2000.0 * failure));
      EXPECT_GE(beyond, 2000.0 * failure / 20.0) << "far too wide";
    }
  }
}

ScalarLpSize size_of(const ScalarLpOptions& options) {
  return scalar_lp_size(store(rows_of_width_two()), plan_region, options);
}

TEST(ScalarLpPlan, OfPrivateBoundsIsTheTheorem) {
  const ScalarLpOptions options{.sensitivity = 0.01, .rounds = 20, .failure_probability = 0.1};
  const ScalarLpPlan plan =
      plan_scalar_lp(size_of(options), options, plan_region, Budget::pure(2.0), 0.0);
  EXPECT_EQ(plan.rounds, 20U);
  EXPECT_NEAR(plan.epsilon, 0.1, 1e-12);
  EXPECT_NEAR(plan.learning_rate, std::sqrt(2.0 * std::log(2.0) / 20.0) / 2.0, 1e-12);
  EXPECT_NEAR(plan.bound.violation,
              2.0 * std::sqrt(0.1 * std::log(2.0)) + 0.2 * std::log(2.0 * 20.0 / 0.1), 1e-9);
  EXPECT_EQ(plan.bound.failure_probability, 0.1);
  EXPECT_EQ(plan.bound.exceptions, 1U);
  EXPECT_FALSE(plan.row_noise || plan.violation_noise);
  const ScalarLpPlan zcdp =
      plan_scalar_lp(size_of(options), options, plan_region, Budget::zcdp(2.0), 0.0);
  EXPECT_NEAR(zcdp.epsilon, std::sqrt(0.8), 1e-12);
}

TEST(ScalarLpPlan, OpenRoundsAreThoseOfScalarLpRounds) {
  for (const double budget : {0.01, 1.0, 100.0}) {
    const ScalarLpOptions options{.sensitivity = 1e-4};
    const auto size = size_of(options);
    EXPECT_EQ(plan_scalar_lp(size, options, plan_region, Budget::pure(budget), 0.0).rounds,
              scalar_lp_rounds(size, Accountant::pure, budget));
    EXPECT_EQ(plan_scalar_lp(size, options, plan_region, Budget::zcdp(budget), 0.0).rounds,
              scalar_lp_rounds(size, Accountant::zcdp, budget));
  }
}

TEST(ScalarLpPlan, OneVertexOrNoWidth) {
  const ScaledSimplex one = ScaledSimplex::of_total(1);
  const ScalarLpOptions options{.sensitivity = 0.1};
  const ScalarLpPlan plan =
      plan_scalar_lp(scalar_lp_size(store(RowMatrix<double>::Ones(1, 1)), one, options), options,
                     one, Budget::pure(1.0), 0.0);
  EXPECT_EQ(plan.rounds, 1U);
  EXPECT_EQ(plan.learning_rate, 0.0);
  EXPECT_NEAR(plan.bound.violation, 0.2 * std::log(20.0), 1e-9);
  const ScalarLpPlan flat =
      plan_scalar_lp(scalar_lp_size(store(RowMatrix<double>::Zero(3, 2)), plan_region, options),
                     options, plan_region, Budget::pure(1.0), 0.0);
  EXPECT_EQ(flat.learning_rate, 0.0);
  EXPECT_EQ(flat.rounds, 1U);
}

// What the rounds and the noisy violation are going to spend fits every budget, and uses it up.
TEST(ScalarLpPlan, TheRoundsFitTheBudget) {
  PhiloxEngine choice(3);
  for (int trial = 0; trial < 1000; ++trial) {
    const double amount = std::exp(12.0 * (open_uniform(choice) - 0.5));
    const bool matrix = trial % 4 >= 2;
    const ScalarLpOptions options{
        .neighbours = matrix ? LpNeighbours::matrix : LpNeighbours::bounds,
        .sensitivity = 0.01,
        .width = 3.0,
        .rounds = 1 + uniform_index(200, choice),
        .violation_share = trial % 3 == 0 ? 0.0 : 0.01 + 0.98 * open_uniform(choice),
        .selection_share = 0.01 + 0.98 * open_uniform(choice)};
    Budget budget = trial % 2 == 0 ? Budget::zcdp(amount) : Budget::pure(amount);
    const ScalarLpPlan plan = plan_scalar_lp(size_of(options), options, plan_region, budget, 0.0);
    EXPECT_EQ(plan.row_noise.has_value(), matrix);
    EXPECT_EQ(plan.violation_noise.has_value(), options.violation_share > 0.0);
    const double selection = exponential_mechanism_cost(budget.accountant(), plan.epsilon);
    for (std::size_t t = 0; t < plan.rounds; ++t) {
      budget.spend("selection", selection);
      if (matrix) budget.spend("row", plan.row_cost);
    }
    if (plan.violation_noise) budget.spend("violation", plan.violation_cost);
    EXPECT_LE(budget.spent(), amount);
    EXPECT_GE(budget.spent(), amount * (1.0 - 1e-12));
  }
}

// The search for T tries shares that buy no noise and do not pay for a gap; the answer is a T that
// they do.
TEST(ScalarLpPlan, OpenRoundsAreOnesThatCanBePaid) {
  for (const double share : {0.05, 0.5, 0.95})
    for (const double gap : {0.0, 0.02, 0.2}) {
      const ScalarLpOptions options{.neighbours = LpNeighbours::matrix,
                                    .sensitivity = 1e-6,
                                    .width = 2.0,
                                    .selection_share = share};
      const auto size = size_of(options);
      for (const double amount : {10.0, 1000.0}) {
        const ScalarLpPlan pure =
            plan_scalar_lp(size, options, plan_region, Budget::pure(amount), gap);
        EXPECT_GT(pure.epsilon, 0.0);
        EXPECT_TRUE(std::isfinite(pure.bound.violation));
        EXPECT_GT(plan_scalar_lp(size, options, plan_region, Budget::zcdp(amount), gap).epsilon,
                  0.0);
      }
    }
  const ScalarLpOptions wide{.neighbours = LpNeighbours::matrix, .sensitivity = 1e-3, .width = 1.0};
  const ScaledSimplex many = ScaledSimplex::of_total(5000);
  const auto size = scalar_lp_size(store(RowMatrix<double>::Zero(1, 5000)), many, wide);
  for (const double amount : {1e-8, 1e-4, 1.0}) {
    EXPECT_GE(plan_scalar_lp(size, wide, many, Budget::pure(amount), 0.0).rounds, 1U);
    EXPECT_GE(plan_scalar_lp(size, wide, many, Budget::zcdp(amount), 0.0).rounds, 1U);
  }
}

TEST(ScalarLpPlan, Refusals) {
  const auto of = [](const ScalarLpOptions& options, double epsilon, double gap) {
    return refusal([&] {
      plan_scalar_lp(size_of(options), options, plan_region, Budget::pure(epsilon), gap);
    });
  };
  EXPECT_EQ(of({.sensitivity = 0.1}, 1.0, 0.5),
            "lazygumbel: cost = 0.9999999999999996: does not even pay for the gap of 0.5");
  EXPECT_EQ(of({.sensitivity = 1e299}, 1e-10, 0.0),
            "lazygumbel: the violation that can be promised = inf: must lie in [0, 1e300]");
}

}  // namespace
}  // namespace lazygumbel::testing
