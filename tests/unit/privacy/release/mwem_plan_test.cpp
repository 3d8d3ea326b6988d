#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/release/detail/mwem_plan.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <utility>

#include "message_of.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::MwemPlan;
using lazygumbel::detail::plan_mwem;

/// What the options leave open.
std::size_t one_round(double, double) { return 1; }

TEST(MwemPlan, DividesAPureBudget) {
  NotPrivateEngine engine(1);
  Budget budget = Budget::pure(2.0);
  const MwemPlan plan = plan_mwem(line_table({3, 4}), {.rounds = 4, .selection_share = 0.25},
                                  one_round, 0.0, budget, engine);
  EXPECT_EQ(plan.total, 7.0);
  EXPECT_EQ(plan.rounds, 4U);
  EXPECT_NEAR(plan.epsilon, 0.125, 1e-14);
  EXPECT_NEAR(plan.measurement, 0.375, 1e-14);
  EXPECT_EQ(budget.spent(), 0.0);
}

TEST(MwemPlan, PaysForTheTotalWhereItIsPrivate) {
  NotPrivateEngine engine(1);
  Budget budget = Budget::zcdp(1.0);
  const MwemPlan plan =
      plan_mwem(line_table({3000, 4000}),
                {.neighbours = Neighbours::add_remove, .rounds = 2, .total_share = 0.2}, one_round,
                0.0, budget, engine);
  EXPECT_NEAR(plan.total, 7000.0, 20.0);
  EXPECT_NEAR(budget.spent(), 0.2, 1e-14);
  EXPECT_NEAR(plan.epsilon, std::sqrt(8.0 * 0.2), 1e-12);
  EXPECT_NEAR(plan.measurement, 0.2, 1e-14);
}

TEST(MwemPlan, AGapIsPaidForOutOfTheSelection) {
  NotPrivateEngine engine(1);
  Budget budget = Budget::pure(2.0);
  const MwemPlan plan = plan_mwem(line_table({7}), {.rounds = 1}, one_round, 0.3, budget, engine);
  EXPECT_NEAR(plan.epsilon, 0.4, 1e-14);
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              plan_mwem(line_table({7}), {.rounds = 1}, one_round, 0.6, budget, engine);
            }).substr(0, 18),
            "lazygumbel: cost =");
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              plan_mwem(line_table({7}), {.rounds = 1}, one_round, -0.1, budget, engine);
            }),
            "lazygumbel: gap = -0.1: must lie in [0, 1e300]");
}

// The rounds, as they are going to be spent, fit every budget: no surprise in the last round.
TEST(MwemPlan, TheRoundsFitTheBudget) {
  PhiloxEngine choice(2);
  NotPrivateEngine engine(3);
  for (int trial = 0; trial < 3000; ++trial) {
    const double amount = std::exp(20.0 * (open_uniform(choice) - 0.5));
    const MwemOptions options = {
        .neighbours = trial % 2 == 0 ? Neighbours::replace_one : Neighbours::add_remove,
        .rounds = 1 + uniform_index(200, choice),
        .selection_share = 0.01 + 0.98 * open_uniform(choice),
        .total_share = 0.01 + 0.98 * open_uniform(choice)};
    Budget budget = trial % 3 == 0 ? Budget::zcdp(amount) : Budget::pure(amount);
    const MwemPlan plan = plan_mwem(line_table({5, 5}), options, one_round, 0.0, budget, engine);
    const double selection = exponential_mechanism_cost(budget.accountant(), plan.epsilon);
    for (std::size_t t = 0; t < plan.rounds; ++t) {
      budget.spend("selection", selection);
      budget.spend("measurement", plan.measurement);
    }
    EXPECT_LE(budget.spent(), amount);
    EXPECT_GE(budget.spent(), amount * (1.0 - 1e-12));
  }
}

// Replay is quadratic in the rounds. What would take too long is refused before anything is spent,
// and not chosen.
TEST(MwemPlan, ReplayIsBounded) {
  NotPrivateEngine engine(1);
  for (const Neighbours neighbours : {Neighbours::replace_one, Neighbours::add_remove}) {
    MwemOptions options = {.neighbours = neighbours, .rounds = 11, .replay_passes = 10};
    options.most_updates = 10.0 * 11.0 / 2.0 * 10.0 * 2.0;  // T = 10, 10 passes, 2 cells
    Budget budget = Budget::pure(2.0);
    EXPECT_EQ(
        message_of<std::invalid_argument>([&] {
          plan_mwem(line_table({3, 4}), options, one_round, 0.0, budget, engine);
        }),
        "lazygumbel: rounds = 11: their replay over 2 cells exceeds most_updates: at most 10");
    EXPECT_EQ(budget.spent(), 0.0);
    options.rounds = 0;
    const auto many = [](double, double) { return std::size_t{1000}; };
    EXPECT_EQ(plan_mwem(line_table({3, 4}), options, many, 0.0, budget, engine).rounds, 10U);
    options.most_updates = 1.0;  // less than one round takes
    Budget other = Budget::pure(2.0);
    EXPECT_EQ(plan_mwem(line_table({3, 4}), options, many, 0.0, other, engine).rounds, 1U);
  }
}

TEST(MwemPlan, NoRecords) {
  NotPrivateEngine engine(1);
  Budget budget = Budget::pure(2.0);
  const MwemPlan plan = plan_mwem(line_table({0, 0}), {}, one_round, 0.0, budget, engine);
  EXPECT_EQ(plan.total, 1.0);
  EXPECT_EQ(plan.rounds, 1U);
}

TEST(MwemPlan, WantsAWholeBudget) {
  NotPrivateEngine engine(1);
  Budget budget = Budget::pure(2.0);
  budget.spend("something", 0.5);
  EXPECT_EQ(message_of<budget_error>(
                [&] { plan_mwem(line_table({7}), {}, one_round, 0.0, budget, engine); }),
            "lazygumbel: a release needs a budget of its own: this one has spent 0.5");
  const Budget taken = std::move(budget);
  EXPECT_EQ(message_of<budget_error>(
                [&] { plan_mwem(line_table({7}), {}, one_round, 0.0, budget, engine); }),
            "lazygumbel: a release needs a budget of its own: this one was moved from");
}

}  // namespace
}  // namespace lazygumbel::testing
