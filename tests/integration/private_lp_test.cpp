// Runs the built tool examples/06_private_lp on small files. Where no seed is given, what is
// compared holds for every draw, or fails less than once in 10^9.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tool_test.hpp"

namespace {

namespace fs = std::filesystem;

using lazygumbel::testing::contains;
using lazygumbel::testing::content_of;
using Result = lazygumbel::testing::ToolResult;

/// Of a CSV file of numbers: each column by its name.
using Columns = std::map<std::string, std::vector<double>>;

class PrivateLp : public lazygumbel::testing::ToolTest {
 protected:
  void SetUp() override {
    ToolTest::SetUp();
    write("ok.lp", ok_lp);
  }
  /// Runs the tool in the folder. `arguments` are for the shell.
  Result run(const std::string& arguments) const { return run_tool(LAZYGUMBEL_LP_TOOL, arguments); }

  Columns violations(const std::string& name = "violations.csv") const {
    std::istringstream lines(content_of(folder_ / name));
    const auto fields_of = [](const std::string& line) {
      std::istringstream stream(line);
      std::vector<std::string> fields;
      for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
      return fields;
    };
    std::string line;
    std::getline(lines, line);
    const auto names = fields_of(line);
    Columns columns;
    while (std::getline(lines, line)) {
      const auto fields = fields_of(line);
      EXPECT_EQ(fields.size(), names.size()) << line;
      for (std::size_t i = 0; i < (std::min)(fields.size(), names.size()); ++i)
        columns[names[i]].push_back(std::stod(fields[i]));
    }
    return columns;
  }

  /// The plan of a single epsilon, in the file's order.
  std::vector<double> plan() const {
    std::istringstream lines(content_of(folder_ / "plans.csv"));
    std::vector<double> values;
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) values.push_back(std::stod(line.substr(line.rfind(',') + 1)));
    return values;
  }

  void expect_good(const Result& result) const {
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    EXPECT_TRUE(fs::exists(folder_ / "plans.csv"));
    EXPECT_TRUE(fs::exists(folder_ / "violations.csv"));
  }

  /// One line on stderr that says so, exit code 1, and nothing written.
  void expect_refused(const std::string& arguments, const std::string& message) const {
    const Result result = run(arguments);
    EXPECT_EQ(result.code, 1) << arguments;
    expect_message(result, arguments, message);
  }
  /// The same with an exit code of CLI11's own.
  void expect_usage(const std::string& arguments, const std::string& message) const {
    const Result result = run(arguments);
    EXPECT_GE(result.code, 100) << arguments;
    expect_message(result, arguments, message);
  }
  void expect_message(const Result& result, const std::string& arguments,
                      const std::string& message) const {
    EXPECT_TRUE(contains(result.err, message)) << arguments << '\n' << result.err;
    EXPECT_EQ(result.err.find("error: "), 0U) << result.err;
    EXPECT_EQ(result.err.find('\n') + 1, result.err.size()) << result.err;
    EXPECT_FALSE(contains(result.err, "had begun")) << result.err;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_FALSE(fs::exists(folder_ / "plans.csv")) << arguments;
    EXPECT_FALSE(fs::exists(folder_ / "violations.csv")) << arguments;
  }

  /// The same after the plan was printed.
  void expect_solver_refuses(const std::string& arguments) const {
    const Result result = run(arguments);
    EXPECT_EQ(result.code, 1) << arguments;
    EXPECT_EQ(result.err.find("error: "), 0U) << result.err;
    EXPECT_FALSE(contains(result.err, "had begun")) << result.err;
    EXPECT_FALSE(fs::exists(folder_ / "plans.csv")) << arguments;
  }

  static constexpr const char* budget = " --sensitivity 0.001 --epsilon 1 ";
  static constexpr const char* target = " --sensitivity 0.001 --epsilon 1 --objective-value 30 ";
  static constexpr const char* truth = " --not-private-diagnostics ";

  static constexpr const char* ok_lp = R"(Maximize
 profit: 3 x + 2 y + 4 z
Subject To
 a: x + y + z <= 10
 b: x + 2 y >= 2
 d: x + 3 z <= 12
Bounds
 x >= 1
 0 <= y <= 6
 z <= 5
General
 y
End
)";
  /// Of ok.lp, by hand.
  static double ok_violation(const std::vector<double>& x) {
    return (std::max)({x[0] + x[1] + x[2] - 10.0, 2.0 - x[0] - 2.0 * x[1], x[0] + 3.0 * x[2] - 12.0,
                       x[1] - 6.0, x[2] - 5.0});
  }
};

// What works.

TEST_F(PrivateLp, EmbeddedProblem) {
  const Result result = run("--seed 1");
  expect_good(result);
  EXPECT_TRUE(contains(result.out, "embedded, made up")) << result.out;
  EXPECT_TRUE(contains(result.out, "24 variables, 288 rows (MW)")) << result.out;
  EXPECT_TRUE(contains(result.out, "the optimum is 1409.7 MWh a day")) << result.out;
  EXPECT_TRUE(contains(result.out, "NOT PRIVATE: whoever knows the seed")) << result.out;
  const Columns found = violations();
  const auto &epsilon = found.at("epsilon"), &bound = found.at("theorem_bound"),
             &mean = found.at("NOT_PRIVATE_mean"), &most = found.at("NOT_PRIVATE_greatest");
  ASSERT_EQ(epsilon.size(), 10U);
  for (std::size_t i = 0; i < epsilon.size(); ++i) {
    EXPECT_LT(most[i], bound[i]) << epsilon[i];
    EXPECT_GE(mean[i], found.at("NOT_PRIVATE_glpk")[i] - 1e-6) << epsilon[i];
    EXPECT_NEAR(found.at("noisy_mean")[i], mean[i], 2.0 * found.at("noise_deviation")[i]);
    if (i > 0) {
      EXPECT_LT(bound[i], bound[i - 1]);
      EXPECT_LT(mean[i], mean[i - 1]);
    }
  }
  EXPECT_LT(mean[6], 5.0);  // MW at epsilon = 1, of a median capacity of 99
  EXPECT_LT(mean[9], 0.0);  // at epsilon = 10 every capacity is met
}

// The law is the same, so are the rounds and the bound; the draws are others.
TEST_F(PrivateLp, LazySelectionKeepsTheTheorem) {
  expect_good(run("--seed 2 --epsilon 0.5,5 --runs 5"));
  const Columns full = violations();
  const Result result = run("--seed 2 --epsilon 0.5,5 --runs 5 --selection lazy-certified");
  expect_good(result);
  EXPECT_TRUE(contains(result.out, "Selection by lazy, certified; its law: certified"))
      << result.out;
  const Columns lazy = violations();
  EXPECT_EQ(lazy.at("theorem_bound"), full.at("theorem_bound"));
  EXPECT_EQ(lazy.at("rounds"), full.at("rounds"));
  EXPECT_NEAR(lazy.at("NOT_PRIVATE_mean")[0], full.at("NOT_PRIVATE_mean")[0], 2.0);  // of 5 MW
  EXPECT_NEAR(lazy.at("NOT_PRIVATE_mean")[1], full.at("NOT_PRIVATE_mean")[1], 0.5);
}

TEST_F(PrivateLp, EmbeddedProblemIsTheFile) {
  expect_good(run("--seed 5 --epsilon 0.5,1 --runs 2"));
  const std::string plans = content_of(folder_ / "plans.csv");
  const Result result = run(
      "'" LAZYGUMBEL_LP_PROBLEM
      "' --seed 5 --epsilon 0.5,1 --runs 2 --sensitivity 0.01 --objective-value 1250 --output out");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(content_of(folder_ / "out/plans.csv"), plans);
}

TEST_F(PrivateLp, LpFileWithBoundsAndIntegers) {
  const Result result =
      run("ok.lp --seed 3 --unit kg --objective-unit EUR" + std::string(target) + truth);
  expect_good(result);
  EXPECT_TRUE(contains(result.out, "maximise profit (EUR), 3 variables, 5 rows (kg)"))
      << result.out;
  EXPECT_TRUE(contains(result.out, "upper bounds of variables, public, but treated as private: 2"))
      << result.out;
  EXPECT_TRUE(contains(result.out, "WARNING    integer variables, relaxed")) << result.out;
  EXPECT_TRUE(contains(result.out, "the optimum is 31 EUR")) << result.out;  // (9, 0, 1)
  EXPECT_TRUE(contains(result.out, "width W = 27 kg")) << result.out;        // 3 z at (1, 0, 27/4)
  const auto x = plan();
  ASSERT_EQ(x.size(), 3U);
  EXPECT_GE(x[0], 1.0);
  EXPECT_GE(x[1], 0.0);
  EXPECT_GE(x[2], 0.0);
  EXPECT_NEAR(3.0 * x[0] + 2.0 * x[1] + 4.0 * x[2], 30.0, 1e-6);
  EXPECT_NEAR(violations().at("NOT_PRIVATE_mean")[0], ok_violation(x), 1e-6);
  // The least possible: 3 x + 2 y + 4 z = 30 with rows a and d equally far from their bounds, y =
  // 0.
  EXPECT_NEAR(violations().at("NOT_PRIVATE_glpk")[0], -1.0 / 3.0, 1e-6);
}

TEST_F(PrivateLp, MpsFileWithRangesAndAFixedVariable) {
  write("free.mps", R"(NAME TEST
ROWS
 N cost
 N ignored
 L lim
 G dem
 E eq
COLUMNS
 x cost 1 lim 1
 x dem 1 eq 1
 x ignored 1
 y cost 2 lim 1
 y dem 1
 w cost -5 lim 1
RHS
 RHS lim 40 dem 10
 RHS eq 3
RANGES
 RNG lim 30
BOUNDS
 LO BND y 1
 FX BND w 2
ENDATA
)");
  const Result result = run("free.mps --objective-value 10" + std::string(budget) + truth);
  expect_good(result);
  // Of lim and eq both sides; x + y = 17 at x = 3, y = 8.5, w = 2 costs -10 + 20 in all.
  EXPECT_TRUE(contains(result.out, "minimise cost")) << result.out;
  EXPECT_TRUE(contains(result.out, "2 variables, 5 rows")) << result.out;
  EXPECT_TRUE(contains(result.out, "fixed variables, taken as constants: 1")) << result.out;
  EXPECT_TRUE(contains(result.out, "the optimum is 7 ")) << result.out;
  const auto x = plan();
  EXPECT_NEAR(x[0] + 2.0 * x[1] - 10.0, 10.0, 1e-6);
  EXPECT_GE(x[1], 1.0);
  const double violation = (std::max)({x[0] + x[1] + 2.0 - 40.0, 10.0 - x[0] - x[1] - 2.0,
                                       10.0 - x[0] - x[1], x[0] - 3.0, 3.0 - x[0]});
  EXPECT_NEAR(violations().at("NOT_PRIVATE_mean")[0], violation, 1e-6);
}

// The CPLEX convention: an RHS entry of the objective row is minus the constant. An LP file has it
// as the coefficient of a variable that is fixed at 1.
TEST_F(PrivateLp, TheObjectivesConstantHasOneSignInBothFormats) {
  write("c.mps", R"(NAME TEST
ROWS
 N cost
 G dem
COLUMNS
 x cost 1 dem 1
 y cost 2 dem 1
RHS
 RHS dem 10 cost -5
ENDATA
)");
  write("fixed.mps",
        "NAME          T\n"
        "ROWS\n"
        " N  COST\n"
        " G  DEM\n"
        "COLUMNS\n"
        "    X         COST               1.0   DEM                1.0\n"
        "    Y         COST               2.0   DEM                1.0\n"
        "RHS\n"
        "    RHS       DEM               10.0   COST              -5.0\n"
        "ENDATA\n");
  write("c.lp", R"(Minimize
 cost: x + 2 y + 5 one
Subject To
 dem: x + y >= 10
Bounds
 one = 1
End
)");
  for (const std::string file : {"c.mps", "fixed.mps --format fixed-mps", "c.lp"}) {
    const Result result = run(file + " --objective-value 20" + std::string(budget) + truth);
    expect_good(result);
    EXPECT_TRUE(contains(result.out, "the optimum is 15 ")) << file << result.out;  // 10 + 5
    const auto x = plan();
    ASSERT_EQ(x.size(), 2U) << file;
    EXPECT_NEAR(x[0] + 2.0 * x[1] + 5.0, 20.0, 1e-6) << file;
  }
  EXPECT_TRUE(contains(run("--help").out, "is minus that constant"));
}

TEST_F(PrivateLp, FixedMpsAndAFormatThatTheNameDoesNotTell) {
  write("fixed.mps",
        "NAME          T\n"
        "ROWS\n"
        " N  COST\n"
        " L  A ROW\n"
        "COLUMNS\n"
        "    X         COST               1.0   A ROW              2.0\n"
        "    Y         COST               1.0   A ROW              1.0\n"
        "RHS\n"
        "    RHS       A ROW              4.0\n"
        "ENDATA\n");
  expect_good(run("fixed.mps --format fixed-mps --objective-value 3" + std::string(budget)));
  write("text", ok_lp);
  expect_good(run("text --format lp" + std::string(target)));
}

// Nothing that depends on b goes out, but what the budget pays for.
TEST_F(PrivateLp, AFileOfYourOwnIsNotToldAbout) {
  const Result result = run("ok.lp" + std::string(target));
  expect_good(result);
  EXPECT_FALSE(contains(result.out, "NOT PRIVATE")) << result.out;
  EXPECT_FALSE(contains(result.out, "GLPK")) << result.out;
  EXPECT_FALSE(contains(content_of(folder_ / "violations.csv"), "NOT_PRIVATE"));
  EXPECT_EQ(violations().size(), 9U);
}

TEST_F(PrivateLp, ASeedRepeatsAndNoneDoesNot) {
  const std::string arguments = "ok.lp --rounds 50" + std::string(target);
  expect_good(run(arguments + "--seed 7"));
  const std::string first = content_of(folder_ / "violations.csv");
  expect_good(run(arguments + "--seed 7"));
  EXPECT_EQ(content_of(folder_ / "violations.csv"), first);
  EXPECT_EQ(violations().at("rounds")[0], 50.0);
  std::vector<double> noisy;
  for (int i = 0; i < 12; ++i) {  // noise of deviation 0.014 on a grid of 2^-20
    expect_good(run(arguments));
    noisy.push_back(violations().at("noisy_mean")[0]);
  }
  EXPECT_GT(*std::max_element(noisy.begin(), noisy.end()),
            *std::min_element(noisy.begin(), noisy.end()));
}

TEST_F(PrivateLp, BudgetsOfAllRunsAreAddedUp) {
  const std::string rest = " --sensitivity 0.001 --objective-value 30 --runs 3";
  Result result = run("ok.lp --epsilon 2,0.5" + rest);
  expect_good(result);
  EXPECT_TRUE(contains(result.out, "together epsilon = 7.5\n")) << result.out;
  EXPECT_EQ(violations().at("epsilon"), (std::vector<double>{0.5, 2.0}));
  const std::vector<double> rounds = violations().at("rounds");
  std::ostringstream rounding;  // 5 rows
  rounding.precision(2);
  rounding << 3.0 * 5.0 * (rounds[0] + rounds[1]) * 0x1p-53;
  EXPECT_TRUE(contains(result.out, "Floating point adds a delta of " + rounding.str() + " to all"))
      << result.out;
  result = run("ok.lp --epsilon 1 --delta 1e-6" + rest);
  expect_good(result);
  EXPECT_TRUE(contains(result.out, "zCDP, delta = 1e-06")) << result.out;
  EXPECT_TRUE(contains(result.out, "together epsilon = 1.80")) << result.out;  // of 3 rho
}

TEST_F(PrivateLp, InfeasibleAndUnboundedProgramsAreSolvedAllTheSame) {
  write("inf.lp", "Maximize\n p: x + y\nSubject To\n a: x + y <= 3\n b: x + y >= 4\nEnd\n");
  Result result = run("inf.lp --objective-value 3" + std::string(budget) + truth);
  expect_good(result);
  EXPECT_TRUE(contains(result.out, "INFEASIBLE")) << result.out;
  EXPECT_TRUE(contains(result.out, "the theorem says nothing")) << result.out;
  EXPECT_NEAR(violations().at("NOT_PRIVATE_glpk")[0], 1.0, 1e-6);
  result = run("inf.lp --objective-value 3" + std::string(budget));
  expect_good(result);
  EXPECT_FALSE(contains(result.out, "INFEASIBLE")) << result.out;
  write("unb.lp", "Maximize\n p: x + y\nSubject To\n a: x - y <= 3\nEnd\n");
  result = run("unb.lp --objective-value 3" + std::string(budget) + truth);
  expect_good(result);
  EXPECT_TRUE(contains(result.out, "UNBOUNDED")) << result.out;
}

TEST_F(PrivateLp, AShareOfTheOptimumIsCalledNotPrivate) {
  const Result result = run("ok.lp --fraction 0.9" + std::string(budget) + truth);
  expect_good(result);
  EXPECT_TRUE(contains(result.out, "WARNING    NOT PRIVATE: the value is a share")) << result.out;
  const auto x = plan();
  EXPECT_NEAR(3.0 * x[0] + 2.0 * x[1] + 4.0 * x[2], 27.9, 1e-6);
}

// What is refused.

TEST_F(PrivateLp, UnstatedPrivacyIsRefused) {
  expect_usage("ok.lp --epsilon 1 --objective-value 30", "--sensitivity");
  expect_usage("ok.lp --sensitivity 1 --objective-value 30", "--epsilon");
  expect_usage("ok.lp" + std::string(budget), "--objective-value");
  expect_usage("ok.lp --fraction 0.9" + std::string(budget), "NOT PRIVATE");
}

TEST_F(PrivateLp, BadOptionsAreRefused) {
  for (const std::string epsilon : {"0", "-1", "nan", "inf", "1,0", "1,1", "x", "1e10"})
    expect_usage("ok.lp --sensitivity 1 --objective-value 30 --epsilon " + epsilon, "--epsilon");
  for (const std::string delta : {"0", "1", "nan", "-1"})
    expect_refused("ok.lp" + std::string(target) + "--delta " + delta, "delta = ");
  for (const std::string sensitivity : {"0", "-1", "nan", "inf"})
    expect_refused("ok.lp --epsilon 1 --objective-value 30 --sensitivity " + sensitivity,
                   "sensitivity = ");
  for (const std::string value : {"0", "-30", "nan", "inf", "3"})  // 3: x = 1, y = z = 0
    expect_refused("ok.lp --objective-value " + value + budget, "the objective's value");
  for (const std::string count : {"-1", "1.5", "x"})
    for (const std::string option : {"--rounds", "--runs", "--seed"})
      expect_usage("ok.lp" + std::string(target) + option + " " + count, option);
  expect_usage("ok.lp --runs 0" + std::string(target), "--runs");
  expect_refused("ok.lp --rounds 1000001" + std::string(target), "rounds = 1000001");
  // Found out inside the solver, before any noise was drawn: nothing had begun.
  expect_solver_refuses("ok.lp --epsilon 1e-300 --sensitivity 1 --objective-value 30");
  expect_usage("ok.lp --selection fast" + std::string(target), "--selection");
  expect_usage("ok.lp --format xml" + std::string(target), "--format");
  expect_usage("--format lp", "--format");
  expect_usage("--not-private-diagnostics", "--not-private-diagnostics");
  expect_usage("ok.lp --fraction 0.5" + std::string(target) + truth, "--fraction");
  expect_usage("--fraction 0", "--fraction");
}

TEST_F(PrivateLp, BrokenFilesAreRefusedInOneLine) {
  const auto refused = [&](const std::string& name, const std::string& content,
                           const std::string& message) {
    write(name, content);
    expect_refused(name + " --objective-value 3" + budget, name + ": " + message);
  };
  expect_refused("no.lp" + std::string(target), "no.lp: no such file");
  expect_refused("." + std::string(target), ".: not a regular file");
  refused("a.txt", ok_lp, "--format lp, mps or fixed-mps");
  refused("empty.lp", "", "line 0: 'minimize' or 'maximize' keyword missing");
  refused("word.lp", "Maximize\n p: x + \nSubject To\n a: x <= 1\nEnd\n", "line 3: missing");
  refused("big.lp", "Maximize\n p: x\nSubject To\n a: 1e400 x <= 1\nEnd\n", "line 4: numeric");
  refused("binary.lp", "\xff\n", "line 1: character '?' not recognized");
  refused("none.lp", "Maximize\n p: x\nEnd\n", "line 3: constraints section missing");
  refused("cut.mps", "NAME\nROWS\n N c\n L a\n", "line 5: unexpected end of file");
  refused("row.mps", "NAME\nROWS\n N c\n Q a\n", "line 4: invalid row type");
  refused("n.mps", "NAME\nROWS\n N c\nCOLUMNS\n x c 1\nENDATA\n", "there are no constraints");
  refused("lp.mps", ok_lp, "line 1: invalid indicator record");
  refused("v\xc3\xbc.lp", "x", "line 1: 'minimize' or 'maximize' keyword missing");
}

TEST_F(PrivateLp, WhatTheReaderHasNoWordsForIsRefusedByName) {
  const auto refused = [&](const std::string& name, const std::string& content,
                           const std::string& message) {
    write(name, content);
    expect_refused(name + " --objective-value 3" + budget, name + ": " + message);
  };
  const std::string body = "ROWS\n N c\n L a\nCOLUMNS\n x c 1 a 1\nRHS\n RHS a 4\n",
                    end = "ENDATA\n";
  refused("a.mps", "NAME\nOBJSENSE\n    MAX\n" + body + end,
          "line 2: section OBJSENSE is not supported");
  refused("a.mps", "NAME\nOBJSENSE MAXIMIZE\n" + body + end,
          "line 2: section OBJSENSE is not supported");
  refused("a.mps", "NAME\n" + body + "QUADOBJ\n x x 1\n" + end,
          "line 9: section QUADOBJ is not supported");
  refused("a.mps", "NAME\n" + body + "BOUNDS\n SC BND x 5\n" + end,
          "line 10: bound SC: a semi-continuous variable is not supported");
  const std::string rows = "Subject To\n a: x + y <= 3\n";
  refused("a.lp", "Maximize\n p: x + y + 5\n" + rows + "End\n",
          "line 3: missing variable name after a number: constants and rows of two sides");
  refused("a.lp", "Maximize\n p: x + y\n" + rows + " b: 1 <= x + y <= 3\nEnd\n",
          "line 5: missing variable name after a number: constants and rows of two sides");
  refused("a.lp", "Maximize\n p: x + y\n" + rows + "Bounds\n x <= 4\nSemi-continuous\n x\nEnd\n",
          "line 7: a semi-continuous variable is not supported");
  refused("a.lp", "Maximize\n p: x + y\n" + rows + "SOS\n s: S1:: x:1\nEnd\n",
          "line 5: special ordered sets are not supported");
}

// What is quoted from the file may be a right-hand side in a wrong place.
TEST_F(PrivateLp, ErrorsOfTheReaderQuoteNoRightHandSide) {
  const auto refused = [&](const std::string& name, const std::string& content,
                           const std::string& message) {
    write(name, content);
    const std::string arguments = name + " --objective-value 3" + budget;
    expect_refused(arguments, name + ": " + message);
    EXPECT_FALSE(contains(run(arguments).err, "4242")) << message;
  };
  const std::string body = "NAME\nROWS\n N c\n L a\nCOLUMNS\n x c 1 a 1\n";
  refused("a.mps", body + "RHS\n RHS 4242 a\nENDATA\n", "line 8: row '...' not found");
  refused("a.mps", body + "RHS\n RHS a 4242e999\nENDATA\n",
          "line 8: cannot convert '...' to floating-point number");
  refused("a.mps", body + "RHS\n RHS a 1'4242'0\nENDATA\n",
          "line 8: cannot convert '...' to floating-point number");
  refused("a.mps", body + "RHS\n RHS b 4242\nENDATA\n", "line 8: row 'b' not found");
  refused("a.mps", body + "RHS\n RHS a 1\nBOUNDS\n UP BND 4242 x\nENDATA\n",
          "line 10: column '...' not found");
  refused("a.lp", "Maximize\n p: x\nSubject To\n a: x <= 4242e999\nEnd\n",
          "line 4: numeric constant '...' out of range");
}

TEST_F(PrivateLp, ProgramsThatTheSolverCannotTakeAreRefusedWithAdvice) {
  const auto refused = [&](const std::string& objective, const std::string& bounds,
                           const std::string& message) {
    write("p.lp", "Maximize\n p: " + objective + "\nSubject To\n a: x + y <= 3\nBounds\n" + bounds +
                      "\nEnd\n");
    expect_refused("p.lp --objective-value 3" + std::string(budget),
                   "p.lp: variable 'y' " + message);
  };
  refused("x + y", "y free", "has no lower bound");
  refused("x + y", "-inf <= y <= 3", "has no lower bound");
  refused("x", "", "has the objective coefficient 0,");
  refused("x - 2 y", "", "has the objective coefficient -2,");
  write("inf.lp", "Maximize\n p: x\nSubject To\n a: x <= 3\n b: x >= 4\nEnd\n");
  expect_refused("inf.lp --fraction 0.5" + std::string(budget) + truth,
                 "the problem is infeasible");
  write("unb.lp", "Maximize\n p: x\nSubject To\n a: x >= 3\nEnd\n");
  expect_refused("unb.lp --fraction 0.5" + std::string(budget) + truth, "the problem is unbounded");
}

// GLPK aborts the program on such numbers, if nobody holds it back.
TEST_F(PrivateLp, AnErrorInsideGlpkIsAMessage) {
  write("wild.lp", "Maximize\n p: x\nSubject To\n a: 1e300 x <= 3\n b: x <= 1e200\nEnd\n");
  expect_refused("wild.lp --objective-value 3" + std::string(budget) + truth, "GLPK failed");
}

TEST_F(PrivateLp, FilesThatCannotBeWrittenAreFoundOutBeforeTheBudgetIsSpent) {
  write("taken", "a file");
  Result result = run("ok.lp --output taken" + std::string(target));
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err.find("error: "), 0U) << result.err;
  EXPECT_FALSE(contains(result.err, "had begun")) << result.err;
  write("violations.csv", ok_lp);
  result = run("violations.csv --format lp" + std::string(target));
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(contains(result.err, "would be overwritten, but is an input")) << result.err;
  EXPECT_EQ(content_of(folder_ / "violations.csv"), ok_lp);
}

}  // namespace
