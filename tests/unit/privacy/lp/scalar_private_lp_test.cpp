#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <lazygumbel/privacy/lp/scalar_private_lp.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "linear_programs.hpp"
#include "message_of.hpp"

// What the answers are worth: tests/statistical/privacy/lp/scalar_lp_*_test.cpp.

namespace lazygumbel::testing {
namespace {

RowMatrix<double> two_rows() {
  RowMatrix<double> rows(2, 2);
  rows << 1.0, 0.5, -0.25, 1.0;
  return rows;
}

const ScaledSimplex standard_options = ScaledSimplex::of_total(2);

TEST(ScalarPrivateLp, APrivateMatrixOwnedAndViewed) {
  const ScalarLpOptions options{
      .neighbours = LpNeighbours::matrix, .sensitivity = 0.01, .width = 1.0, .rounds = 3};
  const ScalarPrivateLp<double> owned(two_rows(), standard_options, options);
  const RowMatrix<double> rows = two_rows();
  const auto viewed = ScalarPrivateLp<double>::over(
      RowPointer<double>(rows.data(), 2, 2, Eigen::OuterStride<>(2)), standard_options, options);
  EXPECT_EQ(owned.variables(), 2U);
  EXPECT_EQ(owned.region().dimension(), 2U);
  NotPrivateEngine engine(1), same(1);
  const std::vector<double> bounds = {0.5, 0.5};
  EXPECT_EQ(owned.solve(bounds, Budget::pure(1.0), engine).x,
            viewed.solve(bounds, Budget::pure(1.0), same).x);
}

TEST(ScalarPrivateLp, FillsInTheResult) {
  const ScalarPrivateLp<double> program(
      two_rows(), standard_options,
      {.sensitivity = 0.01, .rounds = 7, .violation_share = 0.2, .not_private_truth = true});
  EXPECT_EQ(program.constraints(), 2U);
  EXPECT_EQ(program.variables(), 2U);
  EXPECT_EQ(program.width(), 1.0);
  EXPECT_GE(program.sensitivity(), 0.01);
  EXPECT_EQ(program.options().rounds, 7U);
  NotPrivateEngine engine(1);
  std::vector<LpRound> seen;
  const std::vector<double> bounds = {0.4, 0.4};
  const LpResult result = program.solve(bounds, Budget::zcdp(0.5), engine, FullScan{},
                                        [&](const LpRound& round) { seen.push_back(round); });
  EXPECT_EQ(result.rounds, 7U);
  ASSERT_EQ(seen.size(), 7U);
  ASSERT_EQ(result.history.size(), 7U);
  for (std::size_t t = 0; t < 7; ++t) {
    EXPECT_EQ(seen[t].round, t + 1);
    EXPECT_EQ(seen[t].rounds, 7U);
    EXPECT_EQ(seen[t].choice, result.history[t].choice);
    EXPECT_LT(seen[t].choice, 2U);
  }
  EXPECT_EQ(result.selection, "full scan");
  EXPECT_EQ(result.guarantee, Guarantee::certified());
  EXPECT_EQ(result.width, 1.0);
  EXPECT_NEAR(std::accumulate(result.x.begin(), result.x.end(), 0.0), 1.0, 1e-12);
  for (const double x : result.x) EXPECT_GE(x, 0.0);
  ASSERT_TRUE(result.not_private_truth.has_value());
  EXPECT_NEAR(result.not_private_truth->largest,
              worst_excess(LinearProgram<double>{two_rows(), standard_options, bounds}, result.x),
              1e-12);
  ASSERT_TRUE(result.noisy_violation.has_value());
  EXPECT_GT(result.noise_deviation, 0.0);
  EXPECT_NEAR(*result.noisy_violation, result.not_private_truth->largest,
              8.0 * result.noise_deviation);
  EXPECT_LE(result.budget.spent(), 0.5);
  EXPECT_GE(result.budget.spent(), 0.5 * (1.0 - 1e-12));
  ASSERT_EQ(result.budget.expenses().size(), 2U);
  EXPECT_EQ(result.budget.expenses()[0].mechanism, "exponential mechanism");
  EXPECT_EQ(result.budget.expenses()[0].count, 7U);
  EXPECT_EQ(result.budget.expenses()[1].mechanism, "noisy violation");
}

TEST(ScalarPrivateLp, NothingPrivateUnasked) {
  const ScalarPrivateLp<double> program(two_rows(), standard_options,
                                        {.sensitivity = 0.01, .rounds = 2});
  NotPrivateEngine engine(1);
  const LpResult result = program.solve(std::vector<double>{0.4, 0.4}, Budget::pure(0.5), engine);
  EXPECT_FALSE(result.noisy_violation || result.not_private_truth);
  EXPECT_EQ(result.noise_deviation, 0.0);
}

// With a budget so large that nothing is left to chance, the answer is that of exponential weights
// against the worst constraint.
TEST(ScalarPrivateLp, IsHedgeAgainstTheWorstConstraint) {
  const std::vector<double> objective = {2.0, 1.0, 0.5, 3.0};
  const ScaledSimplex region = ScaledSimplex::of_objective(objective, 1.5);
  const auto lp = feasible_program<double>(40, region, 0.1, 0, 5);
  const ScalarPrivateLp<double> program(lp.rows, region, {.sensitivity = 1e-9, .rounds = 60});
  NotPrivateEngine engine(2);
  const LpResult result = program.solve(lp.bounds, Budget::pure(1e9), engine);
  std::vector<double> sums(4, 0.0), mean(4, 0.0);
  for (const LpRound& round : result.history) {
    std::vector<double> x(4);
    double total = 0.0;
    for (std::size_t j = 0; j < 4; ++j) total += x[j] = std::exp(-result.learning_rate * sums[j]);
    for (std::size_t j = 0; j < 4; ++j) mean[j] += (x[j] *= region.vertex(j) / total) / 60.0;
    std::size_t worst = 0;
    for (std::size_t i = 1; i < 40; ++i)
      if (row_product(lp.rows, i, x) - lp.bounds[i] >
          row_product(lp.rows, worst, x) - lp.bounds[worst])
        worst = i;
    ASSERT_EQ(round.choice, worst);
    for (std::size_t j = 0; j < 4; ++j)
      sums[j] += lp.rows(static_cast<Eigen::Index>(worst), static_cast<Eigen::Index>(j)) *
                 region.vertex(j);
  }
  for (std::size_t j = 0; j < 4; ++j) EXPECT_NEAR(result.x[j], mean[j], 1e-10);
}

TEST(ScalarPrivateLp, ViewsOfAWiderMatrix) {
  RowMatrix<float> wide = RowMatrix<float>::Constant(2, 6, 9.0F);
  wide.middleCols(3, 2) = two_rows().cast<float>();
  const std::vector<double> bounds = {0.4, 0.3};
  for (const LpNeighbours neighbours : {LpNeighbours::bounds, LpNeighbours::matrix}) {
    const ScalarLpOptions options{
        .neighbours = neighbours, .sensitivity = 0.1, .width = 1.0, .rounds = 5};
    const auto viewed = ScalarPrivateLp<float>::over(
        RowPointer<float>(wide.data() + 3, 2, 2, Eigen::OuterStride<>(6)), standard_options,
        options);
    const ScalarPrivateLp<float> owned(two_rows().cast<float>(), standard_options, options);
    EXPECT_EQ(viewed.sensitivity(), owned.sensitivity());
    NotPrivateEngine engine(3), same(3);
    EXPECT_EQ(viewed.solve(bounds, Budget::pure(1.0), engine).x,
              owned.solve(bounds, Budget::pure(1.0), same).x);
  }
  EXPECT_EQ(wide(0, 0), 9.0F) << "the caller's matrix is left alone";
}

TEST(ScalarPrivateLp, EntriesOfAPrivateMatrixAreClipped) {
  const std::vector<double> objective = {4.0, 1.0};  // vertices 1/2, 2
  const ScaledSimplex region = ScaledSimplex::of_objective(objective, 2.0);
  RowMatrix<double> rows(2, 2), clipped(2, 2);
  rows << 1e30, -0.4, -9.0, 0.25;
  clipped << 2.0, -0.4, -2.0, 0.25;
  const ScalarLpOptions options{
      .neighbours = LpNeighbours::matrix, .sensitivity = 0.1, .width = 1.0, .rounds = 5};
  NotPrivateEngine engine(4), same(4);
  const std::vector<double> bounds = {0.1, 0.2};
  EXPECT_EQ(
      ScalarPrivateLp<double>(rows, region, options).solve(bounds, Budget::zcdp(1.0), engine).x,
      ScalarPrivateLp<double>(clipped, region, options).solve(bounds, Budget::zcdp(1.0), same).x);
}

TEST(ScalarPrivateLp, TheNoisyRowIsPaidFor) {
  const ScalarPrivateLp<double> program(two_rows(), standard_options,
                                        {.neighbours = LpNeighbours::matrix,
                                         .sensitivity = 0.1,
                                         .width = 1.0,
                                         .rounds = 3,
                                         .violation_share = 0.1,
                                         .selection_share = 0.25});
  for (const bool zcdp : {false, true}) {
    NotPrivateEngine engine(5);
    const LpResult result = program.solve(std::vector<double>{0.1, 0.2},
                                          zcdp ? Budget::zcdp(1.0) : Budget::pure(1.0), engine);
    ASSERT_EQ(result.budget.expenses().size(), 7U);
    for (std::size_t t = 0; t < 3; ++t) {
      EXPECT_NEAR(result.budget.expenses()[2 * t].cost, 0.9 * 0.25 / 3.0, 1e-12);
      EXPECT_EQ(result.budget.expenses()[2 * t + 1].mechanism, "noisy row");
      EXPECT_NEAR(result.budget.expenses()[2 * t + 1].cost, 0.9 * 0.75 / 3.0, 1e-12);
    }
    EXPECT_NEAR(result.budget.spent(), 1.0, 1e-12);
  }
}

// Whatever the bounds are, it answers; and what is public does not change.
TEST(ScalarPrivateLp, BoundsOfAnySize) {
  for (const double sensitivity : {1e-13, 1e-3, 1e3}) {
    const ScalarPrivateLp<float> program(
        two_rows().cast<float>(), standard_options,
        {.sensitivity = sensitivity, .violation_share = 0.1, .not_private_truth = true});
    std::vector<LpResult> results;
    for (const std::vector<double>& bounds : {std::vector<double>{1e300, 1e300},
                                              {-1e300, 1e300},
                                              {-1.7e308, 1.7e308},
                                              {-5.0, -5.0},
                                              {0.0, 0.0},
                                              {5e-324, -5e-324}}) {
      NotPrivateEngine engine(6);
      results.push_back(program.solve(bounds, Budget::pure(1.0), engine));
      const LpResult &result = results.back(), &first = results.front();
      EXPECT_EQ(result.rounds, first.rounds);
      EXPECT_EQ(result.learning_rate, first.learning_rate);
      EXPECT_EQ(result.bound.violation, first.bound.violation);
      EXPECT_EQ(result.width, first.width);
      EXPECT_EQ(result.epsilon_per_round, first.epsilon_per_round);
      EXPECT_EQ(result.noise_deviation, first.noise_deviation);
      EXPECT_EQ(result.budget.expenses(), first.budget.expenses());
      EXPECT_TRUE(std::isfinite(*result.noisy_violation));
    }
  }
}

// An answer on a grid of cells has to fit it: whether it does may not depend on a private number,
// which an error would even name. So fine a grid was chosen once that it did.
TEST(ScalarPrivateLp, SensitivityFarBelowTheWidth) {
  NotPrivateEngine engine(7);
  for (const double sensitivity : {1e-12, 1e-13, 1e-15, 1e-30}) {
    const ScalarPrivateLp<double> bounds(
        two_rows(), standard_options,
        {.sensitivity = sensitivity, .rounds = 3, .violation_share = 0.1});
    const ScalarPrivateLp<double> matrix(two_rows(), standard_options,
                                         {.neighbours = LpNeighbours::matrix,
                                          .sensitivity = sensitivity,
                                          .width = 1.0,
                                          .rounds = 3,
                                          .violation_share = 0.1});
    for (const double b : {-5.0, 0.1, 5.0}) {
      const std::vector<double> all = {b, b};
      EXPECT_NO_THROW(bounds.solve(all, Budget::pure(1.0), engine));
      EXPECT_NO_THROW(bounds.solve(all, Budget::zcdp(1.0), engine));
      EXPECT_NO_THROW(matrix.solve(all, Budget::pure(1.0), engine));
      EXPECT_NO_THROW(matrix.solve(all, Budget::zcdp(1.0), engine));
    }
  }
}

// Nor may an overflow depend on the choices, or on private rows.
TEST(ScalarPrivateLp, OverflowIsFoundBeforeAnythingIsSpent) {
  RowMatrix<float> rows(2, 2);
  rows << 1e37F, -1e37F, 1e37F, 0.0F;
  const ScalarPrivateLp<float> program(rows, standard_options, {.sensitivity = 1e34, .rounds = 50});
  // A score of the first, uniform x fits a float, those of later ones do not.
  for (const double b : {1e37, -1e37}) {
    NotPrivateEngine engine(8);
    int rounds = 0;
    EXPECT_NE(refusal([&] {
                program.solve(std::vector<double>{b, b}, Budget::pure(1.45e37), engine, FullScan{},
                              [&](const LpRound&) { ++rounds; });
              }).find("scores would overflow"),
              std::string::npos);
    EXPECT_EQ(rounds, 0);
  }

  const auto message = [&](float entry, double width, double sensitivity, double epsilon) {
    return refusal([&] {
      const ScalarPrivateLp<float> lp(RowMatrix<float>::Constant(2, 2, entry), standard_options,
                                      {.neighbours = LpNeighbours::matrix,
                                       .sensitivity = sensitivity,
                                       .width = width,
                                       .rounds = 2});
      NotPrivateEngine engine(9);
      lp.solve(std::vector<double>{1.0, 1.0}, Budget::pure(epsilon), engine);
    });
  };
  for (const auto& [width, sensitivity, epsilon] :
       {std::array{3e38, 1e37, 1.0}, std::array{1e300, 1e298, 1.0}, std::array{1e30, 1e20, 4e20},
        std::array{1e30, 1e28, 1e-20}, std::array{1e30, 1e28, 1.0}}) {
    EXPECT_EQ(message(0.0F, width, sensitivity, epsilon),
              message(3e38F, width, sensitivity, epsilon))
        << width;
  }
  EXPECT_EQ(message(3e38F, 1e30, 1e28, 1.0), "(nothing was thrown)");
  EXPECT_EQ(message(0.0F, 3e38, 1e37, 1.0),
            "lazygumbel: width = 3e+38: allows rows whose norms overflow");
}

// Codes are floats: what they cannot hold is refused by public numbers before anything is spent,
// not when a private offset turns out too large.
TEST(ScalarPrivateLp, CertifiedScansOfExtremePrograms) {
  const auto message = [](double unit, double b, double epsilon, LpNeighbours neighbours) {
    return refusal([&] {
      const ScalarPrivateLp<double> lp(
          two_rows() * unit, standard_options,
          {.neighbours = neighbours, .sensitivity = 1e-3 * unit, .width = unit, .rounds = 4});
      NotPrivateEngine engine(13);
      lp.solve(std::vector<double>{b, b}, Budget::pure(epsilon), engine, LazyCertified{});
    });
  };
  for (const LpNeighbours neighbours : {LpNeighbours::bounds, LpNeighbours::matrix}) {
    for (const double unit : {1e-30, 1e-20, 1e20, 1e29})
      EXPECT_EQ(message(unit, 0.1 * unit, 1.0, neighbours), "(nothing was thrown)") << unit;
    for (const double unit : {1e-45, 1e-40, 1e-37, 1e31, 1e35, 1e38, 1e40, 1e200})
      EXPECT_NE(message(unit, 0.1 * unit, 1.0, neighbours), "(nothing was thrown)") << unit;
    EXPECT_NE(message(1e-40, 1e-41, 1.0, neighbours).find("too large for codes in float"),
              std::string::npos);
    EXPECT_EQ(message(1.0, -1.0, 6e34, neighbours), message(1.0, 0.0, 6e34, neighbours));
  }
}

TEST(ScalarPrivateLp, OneVertexOneConstraintNoMatrix) {
  NotPrivateEngine engine(10);
  const ScalarPrivateLp<float> one(RowMatrix<float>::Constant(1, 1, 0.5F),
                                   ScaledSimplex::of_total(1), {.sensitivity = 0.1});
  const LpResult result = one.solve(std::vector<double>{0.25}, Budget::pure(1.0), engine);
  EXPECT_EQ(result.x, std::vector<double>{1.0});
  EXPECT_EQ(result.rounds, 1U);
  EXPECT_EQ(result.history.front().choice, 0U);

  const ScalarPrivateLp<double> zero(RowMatrix<double>::Zero(3, 2), standard_options,
                                     {.sensitivity = 1e-6, .rounds = 4, .violation_share = 0.5});
  EXPECT_EQ(zero.width(), 0.0);
  const LpResult flat =
      zero.solve(std::vector<double>{1.0, 2.0, -5.0}, Budget::pure(100.0), engine);
  EXPECT_EQ(flat.x, (std::vector<double>{0.5, 0.5}));
  // Infeasible, and the noisy violation says so.
  EXPECT_GT(*flat.noisy_violation, flat.bound.violation);
}

TEST(ScalarPrivateLp, HugeAndTinyUnits) {
  std::vector<double> plain;
  for (const double unit : {1.0, 0x1p-100, 0x1p100}) {
    const ScalarPrivateLp<float> program((two_rows() * unit).cast<float>(), standard_options,
                                         {.sensitivity = 0.01 * unit, .rounds = 9});
    NotPrivateEngine engine(11);
    const LpResult result =
        program.solve(std::vector<double>{0.4 * unit, 0.3 * unit}, Budget::zcdp(1.0), engine);
    if (plain.empty()) plain = result.x;
    for (std::size_t j = 0; j < 2; ++j) EXPECT_NEAR(result.x[j], plain[j], 1e-12);
  }
}

TEST(ScalarPrivateLp, Refusals) {
  const ScalarLpOptions good{.sensitivity = 0.1, .rounds = 2};
  RowMatrix<double> with_nan = two_rows();
  with_nan(1, 0) = std::nan("");
  EXPECT_NE(refusal([&] {
              ScalarPrivateLp<double>(with_nan, standard_options, good);
            }).find("(1, 0) = nan"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              ScalarPrivateLp<double>(
                  with_nan, standard_options,
                  {.neighbours = LpNeighbours::matrix, .sensitivity = 0.1, .width = 1.0});
            }).find("(1, 0) = nan"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              ScalarPrivateLp<double>(RowMatrix<double>(0, 2), standard_options, good);
            }).find(".rows() = 0"),
            std::string::npos);
  for (const LpNeighbours neighbours : {LpNeighbours::bounds, LpNeighbours::matrix})
    EXPECT_EQ(refusal([&] {
                ScalarPrivateLp<double>(
                    two_rows(), ScaledSimplex::of_total(3),
                    {.neighbours = neighbours, .sensitivity = 0.1, .width = 1.0});
              }),
              "lazygumbel: constraints.cols() = 2: must equal the region's dimension 3");
  EXPECT_EQ(refusal([&] {
              ScalarPrivateLp<double>(two_rows(), standard_options,
                                      {.neighbours = LpNeighbours::matrix, .sensitivity = 0.1});
            }),
            "lazygumbel: width = 0: must lie in (0, 1e300]");
  EXPECT_NE(refusal([&] {
              ScalarPrivateLp<double>(two_rows(), standard_options,
                                      {.neighbours = LpNeighbours::objective, .sensitivity = 0.1});
            }).find("neighbours = objective"),
            std::string::npos);

  const ScalarPrivateLp<double> program(two_rows(), standard_options, good);
  NotPrivateEngine engine(12);
  const auto solve = [&](std::vector<double> bounds) {
    return refusal([&] { program.solve(bounds, Budget::pure(1.0), engine); });
  };
  EXPECT_EQ(solve({1.0}), "lazygumbel: bounds.size() = 1: must equal the number of constraints 2");
  EXPECT_EQ(solve({1.0, HUGE_VAL}), "lazygumbel: bounds[1] = inf: must be finite");
  EXPECT_EQ(solve({std::nan(""), 1.0}), "lazygumbel: bounds[0] = nan: must be finite");
  Budget used = Budget::pure(1.0);
  used.spend("something", 0.5);
  EXPECT_EQ(message_of<budget_error>([&] {
              program.solve(std::vector<double>{1.0, 1.0}, std::move(used), engine);
            }),
            "lazygumbel: a release needs a budget of its own: this one has spent 0.5");
}

}  // namespace
}  // namespace lazygumbel::testing
