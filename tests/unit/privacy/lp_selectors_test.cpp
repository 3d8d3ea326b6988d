#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/detail/lp_selectors.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <vector>

#include "linear_programs.hpp"
#include "message_of.hpp"

// The law of the choice: tests/statistical/scalar_lp_selection_law_test.cpp.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::LpSelector;

struct Fixture {
  explicit Fixture(std::size_t m, std::size_t d = 3)
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
    const Fixture f(m);
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
  Fixture f(m);
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
  const Fixture f(4);
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

}  // namespace
}  // namespace lazygumbel::testing
