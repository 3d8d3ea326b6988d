#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/lp/constraint_private_lp.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "lp_pairs.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"
#include "sum_of.hpp"

namespace lazygumbel::testing {
namespace {

LpResult solved(const TestLp& lp, const ConstraintLpOptions& options, double epsilon,
                std::uint64_t seed = 1) {
  NotPrivateEngine engine(seed);
  return ConstraintPrivateLp(ScaledSimplex::of_total(lp.d), options)
      .solve(lp.matrix(), lp.bounds, Budget::pure(epsilon), engine);
}

// Two constraints that only vertex 1 meets.
TEST(ConstraintPrivateLp, FindsTheVertexThatMeetsAll) {
  TestLp lp{.d = 3};
  lp.add({1.0, -0.5, 0.0}, 0.0);
  lp.add({0.0, -0.5, 1.0}, 0.0);
  const LpResult result = solved(
      lp, {.width = 1.0, .rounds = 200, .density = 1.0, .not_private_truth = true}, 200.0 * 100.0);
  EXPECT_GT(result.x[1], 0.9);
  EXPECT_NEAR(sum_of(result.x), 1.0, 1e-12);
  ASSERT_TRUE(result.not_private_truth);
  EXPECT_EQ(result.not_private_truth->count, 0U);
}

TEST(ConstraintPrivateLp, ReportsItsParametersAndSpendsItsBudget) {
  PhiloxEngine data(1);
  const TestLp lp = feasible_lp(40, 5, data);
  NotPrivateEngine engine(2);
  const ConstraintPrivateLp solver(
      ScaledSimplex::of_total(5),
      {.width = 1.0, .rounds = 30, .density = 4.5, .failure_probability = 0.01});
  std::vector<std::size_t> seen;
  const auto observe = [&](const LpRound& round) { seen.push_back(round.round); };
  const LpResult result =
      solver.solve(lp.matrix(), lp.bounds, Budget::zcdp(0.5), engine, LazyCertified{}, observe);
  EXPECT_EQ(result.rounds, 30U);
  EXPECT_EQ(result.width, 1.0);
  EXPECT_NEAR(result.learning_rate, std::sqrt(2.0 * std::log(40.0 / 4.5) / 30.0), 1e-15);
  EXPECT_NEAR(result.epsilon_per_round, std::sqrt(8.0 * 0.5 / 30.0), 1e-12);
  EXPECT_EQ(result.bound.exceptions, 5U);
  EXPECT_EQ(result.bound.failure_probability, 0.01);
  EXPECT_DOUBLE_EQ(result.bound.violation,
                   constraint_lp_violation(1.0, 40.0, 4.5, result.epsilon_per_round, 5, 30, 0.01));
  EXPECT_EQ(result.selection, "lazy, certified");
  EXPECT_EQ(result.guarantee, Guarantee::certified());
  EXPECT_FALSE(result.not_private_truth || result.noisy_violation);
  EXPECT_LT(result.budget.remaining(), 1e-9);
  ASSERT_EQ(result.budget.expenses().size(), 1U);
  EXPECT_EQ(result.budget.expenses()[0].count, 30U);
  ASSERT_EQ(result.history.size(), 30U);
  ASSERT_EQ(seen.size(), 30U);
  std::vector<double> x(5, 0.0);
  for (const LpRound& round : result.history) {
    EXPECT_EQ(round.rounds, 30U);
    EXPECT_LE(round.trace.rows_scored, 5U);
    x[round.choice] += 1.0 / 30.0;
  }
  for (std::size_t j = 0; j < 5; ++j) EXPECT_NEAR(result.x[j], x[j], 1e-12);
}

TEST(ConstraintPrivateLp, BothModesAndScalarsDrawTheSameForTheSameSeed) {
  PhiloxEngine data(3);
  const TestLp lp = feasible_lp(30, 4, data);
  const RowMatrix<float> floats = lp.matrix().cast<float>();
  const ConstraintPrivateLp solver(ScaledSimplex::of_total(4),
                                   {.width = 1.0, .rounds = 50, .density = 3.0});
  NotPrivateEngine one(4), two(4);
  const LpResult a = solver.solve(floats, lp.bounds, Budget::pure(50.0), one);
  const LpResult b =
      solver.solve(RowMatrix<double>(floats.cast<double>()), lp.bounds, Budget::pure(50.0), two);
  EXPECT_EQ(a.x, b.x);
  EXPECT_EQ(a.history[0].trace.rows_scored, 4U);
}

// Where some vertices are out of the question, they are not scored in most rounds.
TEST(ConstraintPrivateLp, LazyRunsScoreFewVertices) {
  constexpr std::size_t d = 200, rounds = 100;
  PhiloxEngine data(5);
  TestLp lp{.d = d};
  for (int i = 0; i < 500; ++i) {
    std::vector<double> row(d);
    for (std::size_t j = 0; j < d; ++j)
      row[j] = 0.8 * static_cast<double>(j) / d + 0.2 * open_uniform(data);
    lp.add(std::move(row), 0.1);
  }
  NotPrivateEngine engine(6);
  const LpResult result =
      ConstraintPrivateLp(ScaledSimplex::of_total(d),
                          {.width = 1.0, .rounds = rounds, .density = 250.0})
          .solve(lp.matrix(), lp.bounds, Budget::pure(100.0), engine, LazyCertified{});
  std::size_t scored = 0;
  for (const LpRound& round : result.history) scored += round.trace.rows_scored;
  EXPECT_LT(scored, d * rounds / 4);
}

TEST(ConstraintPrivateLp, AScaledRegion) {
  // 2 x_0 + .5 x_1 = 1: vertices (.5, 0) and (0, 2). x_1 <= .1 leaves vertex 0.
  TestLp lp{.d = 2};
  lp.add({0.0, 1.0}, 0.1);
  NotPrivateEngine engine(7);
  const LpResult result = ConstraintPrivateLp(ScaledSimplex::of_objective({{2.0, 0.5}}, 1.0),
                                              {.width = 2.0, .rounds = 100, .density = 1.0})
                              .solve(lp.matrix(), lp.bounds, Budget::pure(1e5), engine);
  EXPECT_NEAR(result.x[0], 0.5, 1e-9);
  EXPECT_NEAR(result.x[1], 0.0, 1e-9);
}

TEST(ConstraintPrivateLp, DegenerateShapes) {
  TestLp smallest{.d = 1};
  smallest.add({0.5}, 1.0);
  const LpResult only = solved(smallest, {.width = 1.0, .rounds = 3, .density = 1.0}, 1.0);
  EXPECT_NEAR(only.x[0], 1.0, 1e-15);
  EXPECT_EQ(only.learning_rate, 0.0);

  TestLp zeros{.d = 3};
  for (int i = 0; i < 5; ++i) zeros.add({0.0, 0.0, 0.0}, 0.0);
  TestLp equal{.d = 3};
  for (int i = 0; i < 5; ++i) equal.add({0.3, -0.2, 0.7}, 0.1);
  for (const TestLp& lp : {zeros, equal})
    for (const double s : {1.0, 2.5, 5.0}) {
      const LpResult result = solved(lp, {.width = 1.0, .rounds = 20, .density = s}, 10.0);
      EXPECT_NEAR(sum_of(result.x), 1.0, 1e-12);
    }
}

// Numbers far beyond the width, up to overflow of A v, are clipped and nothing else.
TEST(ConstraintPrivateLp, HugeAndTinyScales) {
  for (const double scale : {5e-324, 1e-300, 1e-30, 1e30, 1e300}) {
    TestLp lp{.d = 3};
    lp.add({scale, -scale, 0.0}, 0.5 * scale);
    lp.add({-scale, scale, scale}, scale);
    for (const double width : {1e-300, 1.0, 1e300}) {
      const ConstraintPrivateLp solver(ScaledSimplex::of_total(3, 1e10),
                                       {.width = width, .rounds = 40, .density = 1.5});
      NotPrivateEngine engine(8);
      const LpResult full = solver.solve(lp.matrix(), lp.bounds, Budget::pure(1.0), engine);
      const LpResult lazy =
          solver.solve(lp.matrix(), lp.bounds, Budget::pure(1.0), engine, LazyCertified{});
      EXPECT_NEAR(sum_of(full.x), 1e10, 1.0);
      EXPECT_NEAR(sum_of(lazy.x), 1e10, 1.0);
    }
  }
  TestLp lp{.d = 2};
  lp.add({1.0, 2.0}, 0.0);
  for (const double epsilon : {1e-300, 1e-9, 1e9, 1e300})
    EXPECT_NEAR(sum_of(solved(lp, {.width = 2.0, .rounds = 2, .density = 1.0}, epsilon).x), 1.0,
                1e-12);
  for (int i = 0; i < 7; ++i) lp.add({1.0, 2.0}, 0.0);
  EXPECT_NE(message_of<std::invalid_argument>([&] {
              solved(lp, {.width = 2.0, .rounds = 1, .density = 8.0}, 1e300);
            }).find("epsilon / (2 D) = "),
            std::string::npos);
}

// The private number of constraints shows in no error: none, fewer than s, more than was promised.
TEST(ConstraintPrivateLp, AnyNumberOfConstraintsUnderAddRemove) {
  PhiloxEngine data(9);
  const ConstraintLpOptions options{.neighbours = Neighbours::add_remove,
                                    .width = 1.0,
                                    .rounds = 30,
                                    .density = 4.0,
                                    .constraints = 10,
                                    .not_private_truth = true};
  for (const std::size_t m : {0u, 1u, 3u, 4u, 5u, 10u, 11u, 500u}) {
    const TestLp lp = feasible_lp(m, 3, data);
    NotPrivateEngine engine(m);
    const ConstraintPrivateLp solver(ScaledSimplex::of_total(3), options);
    const LpResult full = solver.solve(lp.matrix(), lp.bounds, Budget::pure(30.0), engine);
    const LpResult lazy =
        solver.solve(lp.matrix(), lp.bounds, Budget::pure(30.0), engine, LazyCertified{});
    EXPECT_NEAR(sum_of(full.x), 1.0, 1e-12) << m;
    EXPECT_NEAR(sum_of(lazy.x), 1.0, 1e-12) << m;
    EXPECT_EQ(full.not_private_truth.has_value(), m > 0);
    EXPECT_NEAR(full.learning_rate, std::sqrt(2.0 * std::log(2.5) / 30.0), 1e-15);
    EXPECT_EQ(full.bound.violation, lazy.bound.violation);
  }
}

TEST(ConstraintPrivateLp, RefusesData) {
  const ConstraintLpOptions options{.width = 1.0, .rounds = 3, .density = 1.0};
  TestLp lp{.d = 2};
  EXPECT_EQ(refusal([&] { solved(lp, options, 1.0); }),
            "lazygumbel: rows.rows() = 0: must be at least 1");
  lp.add({1.0, 2.0}, 3.0);
  NotPrivateEngine engine(1);
  const ConstraintPrivateLp solver(ScaledSimplex::of_total(2), options);
  const std::vector<double> two = {1.0, 2.0};
  EXPECT_EQ(refusal([&] { solver.solve(lp.matrix(), two, Budget::pure(1.0), engine); }),
            "lazygumbel: bounds.size() = 2: must equal the number of constraints, 1");
  const RowMatrix<float> wide = RowMatrix<float>::Zero(2, 3);
  EXPECT_EQ(refusal([&] { solver.solve(wide, two, Budget::pure(1.0), engine); }),
            "lazygumbel: rows.cols() = 3: must equal the region's dimension 2");
  for (const double bad : {std::nan(""), infinity, -infinity}) {
    TestLp broken = lp;
    broken.add({0.0, bad}, 0.0);
    EXPECT_NE(refusal([&] { solved(broken, options, 1.0); }).find("rows(1, 1) = "),
              std::string::npos);
    broken = lp;
    broken.add({0.0, 0.0}, bad);
    EXPECT_NE(refusal([&] { solved(broken, options, 1.0); }).find("bounds[1] = "),
              std::string::npos);
  }
  EXPECT_EQ(refusal([&] { solved(lp, {.width = 1.0, .rounds = 3, .density = 1.5}, 1.0); }),
            "lazygumbel: density = 1.5: must lie in [1, m], m = 1 constraints");
  EXPECT_EQ(refusal([] { ConstraintPrivateLp(ScaledSimplex::of_total(2), {.accuracy = 0.1}); }),
            "lazygumbel: width = 0: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([&] {
              solver.solve(lp.matrix(), lp.bounds, Budget::pure(1.0), engine, LazyCertified{{}, 3});
            }),
            "lazygumbel: k = 3: exceeds n = 2");
}

TEST(ConstraintPrivateLp, RefusesABudgetThatIsNotItsOwn) {
  TestLp lp{.d = 2};
  lp.add({1.0, 2.0}, 3.0);
  NotPrivateEngine engine(1);
  const ConstraintPrivateLp solver(ScaledSimplex::of_total(2),
                                   {.width = 1.0, .rounds = 3, .density = 1.0});
  Budget spent = Budget::pure(1.0);
  spent.spend("something", 0.25);
  EXPECT_EQ(message_of<budget_error>(
                [&] { solver.solve(lp.matrix(), lp.bounds, std::move(spent), engine); }),
            "lazygumbel: a release needs a budget of its own: this one has spent 0.25");
}

/// The number after `word` in a message.
double number_after(const std::string& message, const std::string& word) {
  const auto at = message.find(word);
  return at == std::string::npos ? std::nan("") : std::stod(message.substr(at + word.size()));
}

// An accuracy out of reach: the message says which accuracy, or which budget, would do, and is
// right.
TEST(ConstraintPrivateLp, SaysWhatWouldDo) {
  PhiloxEngine data(10);
  const TestLp lp = feasible_lp(50, 3, data);
  const ConstraintLpOptions options{.width = 1.0, .accuracy = 0.5};
  for (const bool zcdp : {false, true}) {
    const auto attempt = [&](double accuracy, double amount) {
      ConstraintLpOptions changed = options;
      changed.accuracy = accuracy;
      NotPrivateEngine engine(1);
      return ConstraintPrivateLp(ScaledSimplex::of_total(3), changed)
          .solve(lp.matrix(), lp.bounds, zcdp ? Budget::zcdp(amount) : Budget::pure(amount),
                 engine);
    };
    const std::string message = refusal([&] { attempt(0.5, 2.0); });
    EXPECT_NE(message.find("accuracy = 0.5: takes a density of "), std::string::npos) << message;
    EXPECT_NE(message.find("above m = 50"), std::string::npos) << message;
    const double accuracy = number_after(message, "an accuracy of ");
    const double amount = number_after(message, "or a budget of ");
    EXPECT_LE(attempt(accuracy, 2.0).bound.exceptions, 50U) << message;
    EXPECT_LE(attempt(0.5, amount).bound.exceptions, 50U) << message;
    EXPECT_THROW(attempt(0.95 * accuracy, 2.0), std::invalid_argument) << message;
    EXPECT_THROW(attempt(0.5, 0.95 * amount), std::invalid_argument) << message;
  }
}

}  // namespace
}  // namespace lazygumbel::testing
