#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/accounting/budget.hpp>
#include <message_of.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace lazygumbel::testing {
namespace {

static_assert(!std::is_copy_constructible_v<Budget> && !std::is_copy_assignable_v<Budget>);
static_assert(std::is_nothrow_move_constructible_v<Budget> &&
              std::is_nothrow_move_assignable_v<Budget>);
static_assert(std::is_base_of_v<std::logic_error, budget_error>);

TEST(Budget, StatesWhatItGuarantees) {
  const Budget pure = Budget::pure(2.0);
  EXPECT_EQ(pure.accountant(), Accountant::pure);
  EXPECT_EQ(pure.total(), 2.0);
  EXPECT_TRUE(pure.states_delta());
  EXPECT_EQ(pure.epsilon(), 2.0);
  EXPECT_EQ(pure.delta(), 0.0);
  EXPECT_EQ(pure.epsilon(1e-6), 2.0);

  const Budget approximate = Budget::approximate(1.0, 1e-6);
  EXPECT_EQ(approximate.accountant(), Accountant::zcdp);
  EXPECT_NEAR(approximate.total(), 0.02436, 5e-6);
  EXPECT_EQ(approximate.epsilon(), 1.0);
  EXPECT_EQ(approximate.delta(), 1e-6);
  EXPECT_LE(approximate.epsilon(1e-6), 1.0);
  EXPECT_GT(approximate.epsilon(1e-9), 1.0);

  const Budget zcdp = Budget::zcdp(0.5);
  EXPECT_EQ(zcdp.accountant(), Accountant::zcdp);
  EXPECT_EQ(zcdp.total(), 0.5);
  EXPECT_FALSE(zcdp.states_delta());
  EXPECT_EQ(zcdp.epsilon(1e-6), lazygumbel::zcdp_epsilon(0.5, 1e-6));
  const char* no_delta = "lazygumbel: a budget of rho states no delta: ask for epsilon(delta)";
  EXPECT_EQ(message_of<budget_error>([&] { zcdp.epsilon(); }), no_delta);
  EXPECT_EQ(message_of<budget_error>([&] { zcdp.delta(); }), no_delta);
}

TEST(Budget, RefusesWhatIsNoBudget) {
  const auto message = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  for (const auto& [text, value] :
       {std::pair{"0", 0.0}, {"-1", -1.0}, {"nan", std::nan("")}, {"inf", double{INFINITY}}}) {
    const double bad = value;
    const std::string end = std::string(" = ") + text + ": must lie in (0, 1e300]";
    EXPECT_EQ(message([&] { Budget::pure(bad); }), "lazygumbel: epsilon" + end);
    EXPECT_EQ(message([&] { Budget::zcdp(bad); }), "lazygumbel: rho" + end);
    EXPECT_EQ(message([&] { Budget::approximate(bad, 0.1); }), "lazygumbel: epsilon" + end);
    Budget budget = Budget::pure(1.0);
    EXPECT_EQ(message([&] { budget.spend("x", bad); }), "lazygumbel: cost" + end);
    EXPECT_EQ(budget.spent(), 0.0);
  }
  EXPECT_EQ(message([] { Budget::approximate(1.0, 0.0); }),
            "lazygumbel: delta = 0: must lie in (0, 1)");
  EXPECT_EQ(message([] { Budget::approximate(1.0, 1.0); }),
            "lazygumbel: delta = 1: must lie in (0, 1)");
  const Budget budget = Budget::pure(1.0);
  EXPECT_EQ(message([&] { budget.share(0.0); }), "lazygumbel: fraction = 0: must lie in (0, 1]");
  EXPECT_EQ(message([&] { budget.share(1.5); }), "lazygumbel: fraction = 1.5: must lie in (0, 1]");
  EXPECT_EQ(message([&] { budget.share(std::nan("")); }),
            "lazygumbel: fraction = nan: must lie in (0, 1]");
}

TEST(Budget, KeepsTheBill) {
  Budget budget = Budget::pure(1.0);
  budget.spend("total", 0.25);
  for (int i = 0; i < 3; ++i) budget.spend("selection", 0.125);
  budget.spend("measurement", 0.125);
  budget.spend("measurement", 0.0625);
  EXPECT_EQ(budget.expenses(), (std::vector<Expense>{{"total", 0.25, 1},
                                                     {"selection", 0.125, 3},
                                                     {"measurement", 0.125, 1},
                                                     {"measurement", 0.0625, 1}}));
  EXPECT_EQ(budget.spent(), 0.8125);
  EXPECT_EQ(budget.remaining(), 0.1875);
}

TEST(Budget, RefusesToOverspendAndTakesNothingThen) {
  Budget budget = Budget::pure(1.0);
  budget.spend("a", 0.75);
  EXPECT_EQ(message_of<budget_error>([&] { budget.spend("b", 0.5); }),
            "lazygumbel: b costs 0.5 epsilon, but only 0.25 of 1 is left");
  EXPECT_EQ(budget.spent(), 0.75);
  EXPECT_EQ(budget.expenses().size(), 1u);
  EXPECT_THROW(budget.spend("b", std::nextafter(0.25, 1.0)), budget_error);
  budget.spend("b", 0.25);
  EXPECT_EQ(budget.remaining(), 0.0);
  EXPECT_EQ(message_of<budget_error>([&] { budget.spend("c", 5e-324); }),
            "lazygumbel: c costs 5e-324 epsilon, but only 0 of 1 is left");
  Budget rho = Budget::zcdp(0.5);
  EXPECT_EQ(message_of<budget_error>([&] { rho.spend("b", 1e300); }),
            "lazygumbel: b costs 1e+300 rho, but only 0.5 of 0.5 is left");
}

TEST(Budget, IsSpentOnce) {
  Budget first = Budget::pure(1.0);
  first.spend("a", 0.25);
  Budget second = std::move(first);
  EXPECT_EQ(second.remaining(), 0.75);
  EXPECT_EQ(second.expenses().size(), 1u);
  EXPECT_EQ(first.total(), 0.0);
  EXPECT_EQ(first.remaining(), 0.0);
  EXPECT_TRUE(first.expenses().empty());
  EXPECT_EQ(message_of<budget_error>([&] { first.spend("b", 0.25); }),
            "lazygumbel: b asks a budget that was moved from for 0.25");
  second.spend("b", 0.75);
  second = Budget::zcdp(3.0);
  EXPECT_EQ(second.accountant(), Accountant::zcdp);
  EXPECT_EQ(second.remaining(), 3.0);
  EXPECT_TRUE(second.expenses().empty());
  Budget& same = second;
  second = std::move(same);
  EXPECT_EQ(second.remaining(), 3.0);
}

// The sums of what a double cannot hold: 0.1 + 0.2 is above 0.3 as doubles are, and is refused.
TEST(Budget, AddsWithoutRounding) {
  Budget budget = Budget::pure(0.3);
  budget.spend("a", 0.1);
  EXPECT_THROW(budget.spend("b", 0.2), budget_error);
  Budget large = Budget::pure(1.0);
  large.spend("a", 1.0 - 0x1p-53);
  large.spend("b", 0x1p-54);
  EXPECT_EQ(large.spent(), 1.0) << "rounded up";
  large.spend("b", 0x1p-54);
  EXPECT_EQ(large.remaining(), 0.0);
  Budget drift = Budget::pure(1.0);  // 1 + 2^-60 twenty times rounds to 1 in doubles
  drift.spend("a", 1.0 - 0x1p-53);
  int paid = 0;
  EXPECT_THROW(for (;; ++paid) drift.spend("b", 0x1p-60), budget_error);
  EXPECT_EQ(paid, 128);
}

TEST(Budget, SharesFit) {
  for (const double total : {1.0, 0.1, 0.02436, 3.3e-9, 7e8, 1e300})
    for (const int shares : {2, 3, 7, 10, 49, 50, 1000}) {
      Budget budget = Budget::pure(total);
      const double share = budget.share(1.0 / shares);
      EXPECT_LE(share, total / shares);
      EXPECT_GE(share, total / shares * (1.0 - 1e-15));
      for (int i = 0; i < shares; ++i) budget.spend("share", share);
      EXPECT_LE(budget.remaining(), total * 1e-15);
      EXPECT_EQ(budget.expenses().front().count, static_cast<std::uint64_t>(shares));
    }
  Budget uneven = Budget::pure(0.7);
  for (const double fraction : {0.1, 0.2, 0.3, 0.4}) uneven.spend("part", uneven.share(fraction));
  EXPECT_EQ(uneven.share(1.0), 0.7);
}

TEST(Budget, AMillionTinySharesFit) {
  Budget budget = Budget::zcdp(0.02436);
  const double share = budget.share(1e-6);
  for (int i = 0; i < 1'000'000; ++i) budget.spend("step", share);
  EXPECT_LT(budget.remaining(), 1e-15);
  EXPECT_THROW(budget.spend("step", share), budget_error);
  EXPECT_EQ(budget.expenses(), (std::vector<Expense>{{"step", share, 1'000'000}}));
}

TEST(Budget, WhatRemainsCanBeSpent) {
  for (const double total : {1.0, 0.1, 1e-250, 1e300}) {
    Budget budget = Budget::pure(total);
    for (const double fraction : {0.1, 1e-17, 1e-30, 0.37, 1e-9})
      budget.spend("part", budget.share(fraction));
    const double rest = budget.remaining();
    EXPECT_GT(rest, 0.5 * total);
    budget.spend("rest", rest);
    EXPECT_LE(budget.remaining(), 1e-15 * total);
    EXPECT_LE(budget.spent(), std::nextafter(total, 2e300));
    if (const double last = budget.remaining(); last > 0.0) budget.spend("last", last);
  }
}

TEST(Budget, HugeTotalsWork) {
  Budget budget = Budget::pure(1e9);
  budget.spend("a", budget.share(0.5));
  EXPECT_NEAR(budget.remaining(), 5e8, 1.0);
  const Budget rho = Budget::zcdp(1e9);
  EXPECT_TRUE(std::isfinite(rho.epsilon(1e-6)));
  EXPECT_NEAR(Budget::approximate(1e9, 1e-6).total(), 999764958.877, 0.01);
}

}  // namespace
}  // namespace lazygumbel::testing
