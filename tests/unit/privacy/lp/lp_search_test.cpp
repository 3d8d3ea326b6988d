#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/lp/lp_search.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <vector>

#include "laws.hpp"
#include "message_of.hpp"
#include "sampled_clipping.hpp"

namespace lazygumbel::testing {
namespace {

/// x_j <= limits_j (maximise sum x: it is sum limits), or x_j >= limits_j (minimise: the same), and
/// further constraints that both meet.
struct BoxProgram {
  RowMatrix<float> rows;
  std::vector<double> bounds, objective;
  double best = 0.0;

  RowPointer<float> view() const {
    return {rows.data(), rows.rows(), rows.cols(), Eigen::OuterStride<>(rows.cols())};
  }

  static BoxProgram make(bool maximise, std::vector<double> limits = {0.5, 0.3, 0.4}) {
    const auto d = static_cast<Eigen::Index>(limits.size());
    BoxProgram program;
    program.rows = RowMatrix<float>::Zero(4 * d, d);
    program.objective.assign(limits.size(), 1.0);
    for (Eigen::Index i = 0; i < 4 * d; ++i) {
      program.rows(i, i % d) = i < d ? (maximise ? 1.0F : -1.0F) : 0.5F;
      const double limit = limits[static_cast<std::size_t>(i % d)];
      program.bounds.push_back(i < d ? (maximise ? limit : -limit) : 5.0);
      if (i < d) program.best += limit;
    }
    return program;
  }
};

LpSearchOptions options_of(bool maximise) {
  LpSearchOptions options;
  options.maximise = maximise;
  options.lower = 0.5;
  options.upper = 2.0;
  options.program.sensitivity = 1e-6;
  options.program.violation_share = 0.2;
  options.program.rounds = 100;
  return options;
}

template <class Mode = FullScan>
LpSearchResult search_lp(const BoxProgram& program, const LpSearchOptions& options, Budget budget,
                         std::uint64_t seed, const Mode& mode = {}) {
  NotPrivateEngine engine(seed);
  return search_private_lp<float>(program.view(), program.objective, program.bounds, options,
                                  std::move(budget), engine, mode);
}

/// That values, decisions and the answer are those of the bisection that the noisy violations tell.
void expect_bisection(const LpSearchResult& result, const LpSearchOptions& options) {
  ASSERT_EQ(result.history.size(), options.steps);
  double far = options.maximise ? options.lower : options.upper;
  double near = options.maximise ? options.upper : options.lower;
  double value = far, best = far;
  bool found = false;
  for (std::size_t step = 0; step < options.steps; ++step) {
    const LpSearchStep& done = result.history[step];
    ASSERT_DOUBLE_EQ(done.value, value);
    ASSERT_TRUE(options.tolerance == 0.0 ||
                done.accepted == (done.noisy_violation <= options.tolerance));
    if (done.accepted) best = value, found = true;
    if (step > 0) (done.accepted ? far : near) = value;
    value = 0.5 * (far + near);
  }
  EXPECT_DOUBLE_EQ(result.value, best);
  EXPECT_EQ(result.found, found);
}

/// All of the budget, once, in equal parts.
void expect_charged(const LpSearchResult& result, const LpSearchOptions& options, double total) {
  ASSERT_EQ(result.budget.expenses().size(), 1U);
  const Expense& expense = result.budget.expenses()[0];
  EXPECT_EQ(expense.mechanism, "linear program");
  EXPECT_EQ(expense.count, options.steps);
  EXPECT_LE(result.budget.spent(), total);
  EXPECT_GE(result.budget.spent(), total * (1.0 - 1e-12));
  EXPECT_EQ(result.best.budget.total(), expense.cost);
  EXPECT_LE(result.best.budget.spent(), expense.cost);
  EXPECT_GE(result.best.budget.spent(), expense.cost * (1.0 - 1e-12));
}

TEST(LpSearch, FindsTheValueOfBothKinds) {
  for (const bool maximise : {false, true}) {
    const BoxProgram program = BoxProgram::make(maximise);
    LpSearchOptions options = options_of(maximise);
    options.steps = 9;
    options.tolerance = 0.02;
    options.program.rounds = 3000;
    const LpSearchResult result = search_lp(program, options, Budget::pure(1e7), 1);
    EXPECT_TRUE(result.found);
    EXPECT_NEAR(result.value, program.best, 3 * 0.02 + 1.5 / 256 + 1e-3) << maximise;
    double sum = 0.0;
    for (const double x : result.best.x) sum += x;
    EXPECT_NEAR(sum, result.value, 1e-9);
    const MatrixView<float> rows(program.rows);
    EXPECT_LE(not_private_violation<float>(rows, program.bounds, result.best.x).largest,
              options.tolerance + result.margin);
    EXPECT_LT(result.margin, 1e-3);
    expect_bisection(result, options);
    expect_charged(result, options, 1e7);
  }
}

// The theorem's tolerance: no feasible program is refused, so that the value is within the last
// interval of the best one, or better. Under any mode, pure and zCDP.
template <class Mode>
void expect_theorem_of_search(const Mode& mode) {
  for (const bool maximise : {false, true})
    for (const bool zcdp : {false, true})
      for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const BoxProgram program = BoxProgram::make(maximise);
        LpSearchOptions options = options_of(maximise);
        options.steps = 5;
        options.program.sensitivity = 0.003;
        const double total = zcdp ? 20.0 : 300.0;
        const LpSearchResult result = search_lp(
            program, options, zcdp ? Budget::zcdp(total) : Budget::pure(total), seed, mode);
        EXPECT_TRUE(result.found);
        const double worse = maximise ? program.best - result.value : result.value - program.best;
        EXPECT_LE(worse, 1.5 / 16 + 1e-12);
        const MatrixView<float> rows(program.rows);
        EXPECT_LE(not_private_violation<float>(rows, program.bounds, result.best.x).largest,
                  result.best.bound.violation + 2.0 * result.margin);
        expect_bisection(result, options);
        expect_charged(result, options, total);
        for (const LpSearchStep& step : result.history) {
          const bool feasible = maximise ? step.value <= program.best : step.value >= program.best;
          EXPECT_TRUE(step.accepted || !feasible) << step.value;
        }
      }
}

TEST(LpSearch, KeepsItsPromiseByFullScans) { expect_theorem_of_search(FullScan{}); }
TEST(LpSearch, KeepsItsPromiseByCertifiedBounds) { expect_theorem_of_search(LazyCertified{}); }
TEST(LpSearch, KeepsItsPromiseAtASampledLevel) { expect_theorem_of_search(LazySampled{}); }

// Accepted violations exceed tolerance + margin in fewer programs than the promise allows: of 400
// searches with much noise, binomially many at failure_probability; false alarm 1e-6.
TEST(LpSearch, MarginCoversTheNoise) {
  for (const bool zcdp : {false, true}) {
    const BoxProgram program = BoxProgram::make(true);
    LpSearchOptions options = options_of(true);
    options.steps = 2;
    options.tolerance = 0.2;
    options.program.rounds = 5;
    options.program.sensitivity = 0.05;
    options.program.failure_probability = 0.2;
    options.program.not_private_truth = true;
    std::size_t wrong = 0, accepted = 0;
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
      const LpSearchResult result =
          search_lp(program, options, zcdp ? Budget::zcdp(0.5) : Budget::pure(2.0), seed);
      expect_bisection(result, options);
      if (!result.found) continue;
      ++accepted;
      wrong += result.best.not_private_truth->largest > options.tolerance + result.margin;
    }
    EXPECT_GT(accepted, 100U);
    EXPECT_GT(binomial_at_least(wrong, 400, 0.4), 1e-6);
  }
}

TEST(LpSearch, OneProgramIsTheFarEnd) {
  for (const bool maximise : {false, true}) {
    LpSearchOptions options = options_of(maximise);
    options.steps = 1;
    const LpSearchResult result =
        search_lp(BoxProgram::make(maximise), options, Budget::pure(1e6), 1);
    EXPECT_TRUE(result.found);
    EXPECT_EQ(result.value, maximise ? 0.5 : 2.0);
    expect_bisection(result, options);
    expect_charged(result, options, 1e6);
  }
}

// No program is feasible: the far end's answer, the whole budget spent all the same.
TEST(LpSearch, NotFound) {
  for (const bool maximise : {false, true}) {
    BoxProgram program = BoxProgram::make(maximise);
    program.bounds[0] = -1e30;  // met by no x
    for (const std::size_t steps : {1U, 6U}) {
      LpSearchOptions options = options_of(maximise);
      options.steps = steps;
      const LpSearchResult result = search_lp(program, options, Budget::pure(1e6), 1);
      EXPECT_FALSE(result.found);
      EXPECT_EQ(result.value, maximise ? 0.5 : 2.0);
      EXPECT_EQ(result.best.x.size(), 3U);
      expect_bisection(result, options);
      expect_charged(result, options, 1e6);
    }
  }
}

TEST(LpSearch, PrivateMatrix) {
  LpSearchOptions options = options_of(true);
  options.program.neighbours = LpNeighbours::matrix;
  options.program.width = 3.0;
  options.steps = 3;
  const LpSearchResult result = search_lp(BoxProgram::make(true), options, Budget::zcdp(1e4), 1);
  EXPECT_TRUE(result.found);
  expect_bisection(result, options);
  expect_charged(result, options, 1e4);
}

TEST(LpSearch, Refusals) {
  const BoxProgram program = BoxProgram::make(true);
  const auto refusal = [&](auto&& change) {
    LpSearchOptions options = options_of(true);
    change(options);
    return message_of<std::invalid_argument>(
        [&] { search_lp(program, options, Budget::pure(1.0), 1); });
  };
  const auto starts = [](const std::string& text, const std::string& with) {
    EXPECT_EQ(text.substr(0, with.size()), with) << text;
  };
  using Options = LpSearchOptions;
  for (const double bad : {0.0, -1.0, HUGE_VAL, std::nan("")})
    starts(refusal([&](Options& o) { o.lower = bad; }), "lazygumbel: lower = ");
  for (const double bad : {0.5, 0.1, -1.0, HUGE_VAL, std::nan("")})
    starts(refusal([&](Options& o) { o.upper = bad; }), "lazygumbel: upper = ");
  for (const std::size_t bad : {0U, 65U})
    EXPECT_EQ(refusal([&](Options& o) { o.steps = bad; }),
              "lazygumbel: steps = " + std::to_string(bad) + ": must lie in 1 .. 64");
  for (const double bad : {-0.1, HUGE_VAL, std::nan("")})
    starts(refusal([&](Options& o) { o.tolerance = bad; }), "lazygumbel: tolerance = ");
  for (const double bad : {0.0, -0.1, 1.0, std::nan("")})
    starts(refusal([&](Options& o) { o.program.violation_share = bad; }),
           "lazygumbel: violation_share = ");
  starts(refusal([&](Options& o) { o.program.sensitivity = 0.0; }), "lazygumbel: sensitivity = 0");
  Budget spent = Budget::pure(1.0);
  spent.spend("something", 0.5);
  EXPECT_NE(message_of<budget_error>([&] {
              search_lp(program, options_of(true), std::move(spent), 1);
            }).find("lazygumbel"),
            std::string::npos);
}

// A program that the options do not allow, at either end of the search, is refused before anything
// private was looked at.
TEST(LpSearch, RefusesBothEndsBeforeItDraws) {
  const auto expect_early = [](const BoxProgram& program, const LpSearchOptions& options,
                               const std::string& what) {
    NotPrivateEngine engine(1), fresh(1);
    const std::string text = message_of<std::invalid_argument>([&] {
      search_private_lp<float>(program.view(), program.objective, program.bounds, options,
                               Budget::pure(1e6), engine);
    });
    EXPECT_NE(text.find(what), std::string::npos) << text;
    EXPECT_EQ(engine(), fresh()) << "a program was solved first";
  };
  for (const bool maximise : {false, true}) {
    LpSearchOptions options = options_of(maximise);
    options.program.width = 1.0;  // enough for values up to 1
    expect_early(BoxProgram::make(maximise), options, "width");
    BoxProgram program = BoxProgram::make(maximise);
    program.objective[1] = 1e295;
    options = options_of(maximise);
    options.lower = 1e-30;  // x_1 = lower / 1e295 underflows
    expect_early(program, options, "objective[1]");
  }
}

}  // namespace
}  // namespace lazygumbel::testing
