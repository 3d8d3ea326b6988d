#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/privacy/selection/exponential_mechanism.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <utility>

#include "indexes.hpp"
#include "message_of.hpp"
#include "score_index.hpp"

// The law: tests/statistical/privacy/release/mwem_selection_law_test.cpp.

namespace lazygumbel::testing {
namespace {

const Vector<double> epsilon_one = Vector<double>::Ones(1);

TEST(ExponentialMechanism, SpendsBeforeItDraws) {
  const ScoreIndex index({1.0, 2.0, 3.0});
  const ExponentialMechanism mechanism(index, 0.5);
  EXPECT_EQ(&mechanism.index(), &index);
  EXPECT_EQ(mechanism.sensitivity(), 0.5);
  EXPECT_EQ(mechanism.scale(0.25), 0.25);
  NotPrivateEngine engine(1);
  Budget pure = Budget::pure(1.0);
  EXPECT_EQ(mechanism.select(epsilon_one, 0.25, pure, engine).cost, 0.25);
  EXPECT_EQ(pure.spent(), 0.25);
  ASSERT_EQ(pure.expenses().size(), 1U);
  EXPECT_EQ(pure.expenses()[0].mechanism, "exponential mechanism");
  Budget rho = Budget::zcdp(1.0);
  mechanism.select(epsilon_one, 2.0, rho, engine);
  EXPECT_NEAR(rho.spent(), 0.5, 1e-12);
}

TEST(ExponentialMechanism, ChargesAnUncoveredGap) {
  const ScoreIndex index({1.0, 2.0, 3.0});
  const ExponentialMechanism mechanism(index, 1.0, {.uncovered_gap = 0.5});
  NotPrivateEngine engine(1);
  Budget pure = Budget::pure(10.0), rho = Budget::zcdp(10.0);
  EXPECT_NEAR(mechanism.select(epsilon_one, 2.0, pure, engine).cost, 3.0, 1e-12);
  EXPECT_NEAR(mechanism.select(epsilon_one, 2.0, rho, engine).cost, 2.0, 1e-12);
  const ExponentialMechanism widened(index, 1.0, {.widening = 0.5});
  EXPECT_EQ(widened.select(epsilon_one, 2.0, pure, engine).cost, 2.0);
}

TEST(ExponentialMechanism, GuaranteeIsThatOfBoundAndWidening) {
  ScoreIndex index({1.0, 2.0, 3.0, 0.0, 0.5});
  NotPrivateEngine engine(1);
  Budget budget = Budget::pure(10.0);
  EXPECT_EQ(
      ExponentialMechanism(index, 1.0).select(epsilon_one, 1.0, budget, engine).trace.guarantee,
      Guarantee::assumed());
  EXPECT_EQ(ExponentialMechanism(index, 1.0, {.widening = Gap(1.0, Guarantee::calibrated(0.1))})
                .select(epsilon_one, 1.0, budget, engine)
                .trace.guarantee,
            Guarantee::calibrated(0.1));
  index.state_bound(0.0, Guarantee::certified());
  EXPECT_EQ(
      ExponentialMechanism(index, 1.0).select(epsilon_one, 1.0, budget, engine).trace.guarantee,
      Guarantee::certified());
}

// Where the scores decide alone, and where they say nothing.
TEST(ExponentialMechanism, ExtremeEpsilons) {
  const ScoreIndex index({1.0, 2.0, 3.0, 0.0, 0.5});
  const ExponentialMechanism mechanism(index, 1.0, {.k = 2});
  NotPrivateEngine engine(1);
  Budget budget = Budget::pure(1e12);
  bool other = false;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(mechanism.select(epsilon_one, 1e9, budget, engine).id, 2U);
    other = other || mechanism.select(epsilon_one, 1e-9, budget, engine).id != 2U;
  }
  EXPECT_TRUE(other);
}

TEST(ExponentialMechanism, Refusals) {
  const ScoreIndex index({1.0, 2.0, 3.0});
  const auto refusal = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  using Mechanism = ExponentialMechanism<ScoreIndex>;
  EXPECT_EQ(refusal([&] { Mechanism(index, 0.0); }),
            "lazygumbel: sensitivity = 0: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([&] { Mechanism(index, -1.0); }),
            "lazygumbel: sensitivity = -1: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([&] { Mechanism(index, std::nan("")); }),
            "lazygumbel: sensitivity = nan: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([&] { Mechanism(index, HUGE_VAL); }),
            "lazygumbel: sensitivity = inf: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([&] { Mechanism(index, 1.0, {.uncovered_gap = -0.1}); }),
            "lazygumbel: uncovered_gap = -0.1: must lie in [0, 1e300]");
  EXPECT_EQ(refusal([&] { Mechanism(index, 1.0, {.uncovered_gap = HUGE_VAL}); }),
            "lazygumbel: uncovered_gap = inf: must lie in [0, 1e300]");
  EXPECT_EQ(refusal([&] { Mechanism(index, 1.0, {.k = 4}); }), "lazygumbel: k = 4: exceeds n = 3");

  const Mechanism mechanism(index, 1.0);
  NotPrivateEngine engine(1), untouched(1);
  Budget budget = Budget::pure(1.0);
  for (const auto& [epsilon, text] : {std::pair{0.0, "0"}, {-1.0, "-1"}, {std::nan(""), "nan"}})
    EXPECT_EQ(
        refusal([&, epsilon = epsilon] { mechanism.select(epsilon_one, epsilon, budget, engine); }),
        std::string("lazygumbel: epsilon = ") + text + ": must lie in (0, 1e300]");
  EXPECT_NE(refusal([&] {
              mechanism.select(Vector<double>::Constant(1, std::nan("")), 0.1, budget, engine);
            }).find("nan"),
            std::string::npos);
  EXPECT_EQ(budget.spent(), 0.0);
  EXPECT_EQ(message_of<budget_error>([&] { mechanism.select(epsilon_one, 1.5, budget, engine); }),
            "lazygumbel: exponential mechanism costs 1.5 epsilon, but only 1 of 1 is left");
  Budget taken = std::move(budget);
  EXPECT_EQ(message_of<budget_error>([&] { mechanism.select(epsilon_one, 0.5, budget, engine); }),
            "lazygumbel: exponential mechanism asks a budget that was moved from for 0.5");
  EXPECT_EQ(engine(), untouched());  // nothing was drawn
}

}  // namespace
}  // namespace lazygumbel::testing
