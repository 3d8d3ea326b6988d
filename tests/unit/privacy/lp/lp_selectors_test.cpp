#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/privacy/lp/detail/lp_selectors.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <utility>
#include <vector>

#include "linear_programs.hpp"
#include "message_of.hpp"

// The law of the choice: tests/statistical/privacy/lp/scalar_lp_selection_law_test.cpp.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::LpSelector;

struct ProgramToSelectFrom {
  explicit ProgramToSelectFrom(std::size_t m, std::size_t d = 3)
      : program(feasible_program<double>(m, ScaledSimplex::of_total(d), 0.2, 0, m)),
        rows(RowMatrix<double>(program.rows)),
        scores(rows, program.bounds, 1.0),
        x(d, 1.0 / static_cast<double>(d)) {}

  LinearProgram<double> program;
  RowStore<double> rows;
  ConstraintScores<double> scores;
  std::vector<double> x;
};

TEST(LpSelectors, FullScanPaysAndSaysWhatItDid) {
  for (const std::size_t m : {1U, 63U, 1024U, 1025U, 3000U}) {
    const ProgramToSelectFrom f(m);
    LpSelector<FullScan, double> selector(f.scores, 0.01, {});
    EXPECT_STREQ(selector.name(), "full scan");
    NotPrivateEngine engine(1);
    Budget pure = Budget::pure(1.0), zcdp = Budget::zcdp(1.0);
    const Selection selection = selector.select(f.x, 0.5, pure, engine);
    EXPECT_LT(selection.id, m);
    EXPECT_EQ(selection.cost, 0.5);
    EXPECT_EQ(pure.spent(), 0.5);
    EXPECT_EQ(selection.trace.rows_scored, m);
    EXPECT_EQ(selection.trace.guarantee, Guarantee::certified());
    EXPECT_NEAR(selector.select(f.x, 0.5, zcdp, engine).cost, 0.03125, 1e-15);
    EXPECT_EQ(zcdp.expenses().front().mechanism, "exponential mechanism");
  }
}

// A scale at which one item has all the probability: it is found in whatever block it lies.
TEST(LpSelectors, FindsTheWorstConstraintAtALargeEpsilon) {
  const std::size_t m = 2500;
  ProgramToSelectFrom f(m);
  for (const item_id worst : {0U, 1023U, 1024U, 2047U, 2048U, 2499U}) {
    f.program.bounds.assign(m, 1.0);
    f.program.bounds[worst] = -1.0;
    const ConstraintScores<double> scores(f.rows, f.program.bounds, 1.0);
    LpSelector<FullScan, double> selector(scores, 1e-3, {});
    NotPrivateEngine engine(2);
    Budget budget = Budget::pure(1e9);
    for (int draw = 0; draw < 20; ++draw)
      EXPECT_EQ(selector.select(f.x, 1e6, budget, engine).id, worst);
  }
}

TEST(LpSelectors, NothingIsSpentWhenItCannotBeDone) {
  const ProgramToSelectFrom f(4);
  LpSelector<FullScan, double> selector(f.scores, 1e-3, {});
  NotPrivateEngine engine(3);
  Budget budget = Budget::pure(1.0);
  EXPECT_THROW(selector.select(f.x, 1.5, budget, engine), budget_error);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { selector.select(f.x, 0.0, budget, engine); }),
            "lazygumbel: epsilon = 0: must lie in (0, 1e300]");
  LpSelector<FullScan, double> sharp(f.scores, 1e-300, {});
  EXPECT_NE(message_of<std::invalid_argument>([&] {
              sharp.select(f.x, 1e300, budget, engine);
            }).find("scores would overflow"),
            std::string::npos);
  EXPECT_EQ(budget.spent(), 0.0);
}

TEST(LpSelectors, LazyModesPayAndSayWhatTheyDid) {
  const ProgramToSelectFrom f(300);
  NotPrivateEngine engine(4);
  Budget budget = Budget::zcdp(10.0);
  const auto expect_one = [&](auto& selector, const char* name, Guarantee guarantee, double cost) {
    EXPECT_STREQ(selector.name(), name);
    const double before = budget.spent();
    const Selection selection = selector.select(f.x, 0.5, budget, engine);
    EXPECT_LT(selection.id, 300U);
    EXPECT_NEAR(selection.cost, cost, 1e-15);
    EXPECT_NEAR(budget.spent() - before, cost, 1e-15);
    EXPECT_EQ(selection.trace.guarantee, guarantee);
  };
  LpSelector<LazyCertified, double> certified(f.scores, 0.01, {});
  expect_one(certified, "lazy, certified", Guarantee::certified(), 0.03125);
  EXPECT_EQ(certified.scans().exact, 1U);
  EXPECT_GE(certified.scans().coded, 1U);
  LpSelector<LazySampled, double> sampled(f.scores, 0.01, {});
  expect_one(sampled, "lazy, clipped at a sampled level", Guarantee::certified(), 0.03125);
  EXPECT_EQ(sampled.scans().exact, 1U);
  const FlatIndex<double> flat(f.program.rows);
  using Proposed = LazyProposed<FlatIndex<double>>;
  LpSelector<Proposed, double> proposed(f.scores, 0.01, Proposed{flat, 0, Gap(0.1)});
  expect_one(proposed, "lazy, proposed by an index", Guarantee::assumed(), 0.03125);
  // A gap that nothing covers is charged for: (epsilon + 4 c)^2 / 8.
  LpSelector<Proposed, double> charged(f.scores, 0.01, Proposed{flat, 0, {}, 0.1});
  expect_one(charged, "lazy, proposed by an index", Guarantee::assumed(), 0.81 / 8.0);
}

// One constraint, and one variable.
TEST(LpSelectors, LazyModesOfTheSmallestPrograms) {
  for (const auto& [m, d] : {std::pair<std::size_t, std::size_t>{1, 1}, {1, 5}, {2, 1}, {65, 1}}) {
    const ProgramToSelectFrom f(m, d);
    NotPrivateEngine engine(5);
    Budget budget = Budget::pure(1e6);
    LpSelector<LazyCertified, double> certified(f.scores, 0.01, {});
    LpSelector<LazySampled, double> sampled(f.scores, 0.01, {});
    for (int draw = 0; draw < 100; ++draw) {
      EXPECT_LT(certified.select(f.x, 0.5, budget, engine).id, m);
      EXPECT_LT(sampled.select(f.x, 0.5, budget, engine).id, m);
    }
  }
}

}  // namespace
}  // namespace lazygumbel::testing
