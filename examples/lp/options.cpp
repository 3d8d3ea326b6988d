#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <command_line.hpp>

namespace private_lp {

namespace {

using lazygumbel_tools::require;

constexpr const char* description =
    "Solves a linear program whose right-hand sides are private: max or min <c, x> with A x <= b.\n"
    "\n"
    "Reads an LP or MPS file (or takes an embedded problem), finds for each privacy budget a point "
    "x\n"
    "of { x >= 0 : <c, x> = value } that violates A x <= b little, and writes the points, what is\n"
    "known of their violation, and a picture of violation against epsilon. Protected is any "
    "change\n"
    "of b by at most --sensitivity in each row: who sees x can hardly tell.\n"
    "\n"
    "A, c, the value and everything on the command line are public, and must be chosen without a "
    "look\n"
    "at b. Rows are used as they are: to scale one would change what --sensitivity means for it.\n"
    "Upper bounds of variables become rows like the others. A constant in the objective is public; "
    "an\n"
    "RHS entry of the objective row of an MPS file is minus that constant. Runs on the same b add "
    "up.\n"
    "Errors in reading the file name lines, rows and variables, and quote no right-hand side.";

void check(const CLI::App& app, Options& options) {
  const bool given = app.count("FILE") > 0, valued = app.count("--objective-value") > 0;
  if (given && options.file.empty()) throw CLI::ValidationError("FILE", "names no file");
  require(app, "--format", given, "goes with a FILE");
  require(app, "--not-private-diagnostics", given, "goes with a FILE: the embedded one is made up");
  if (given && app.count("--sensitivity") == 0)
    throw CLI::RequiredError("--sensitivity (how much one party can change each right-hand side)");
  if (given && app.count("--epsilon") == 0) throw CLI::RequiredError("--epsilon (the budget)");
  if (given && !valued && !options.fraction)
    throw CLI::RequiredError(
        "--objective-value (a public target: never computed from the right-hand sides)");
  require(app, "--fraction", !valued, "excludes --objective-value");
  require(app, "--fraction", !given || options.diagnostics,
          "is NOT PRIVATE (it is of the optimum, which tells of b): goes with "
          "--not-private-diagnostics");
  if (options.fraction && !(*options.fraction > 0.0 && *options.fraction <= 1e6))
    throw CLI::ValidationError("--fraction", "must lie in (0, 1e6]");
  for (const double epsilon : options.epsilons)
    if (!(epsilon > 0.0 && epsilon <= 1e9))
      throw CLI::ValidationError("--epsilon", "must lie in (0, 1e9]");
  std::sort(options.epsilons.begin(), options.epsilons.end());
  if (std::adjacent_find(options.epsilons.begin(), options.epsilons.end()) !=
      options.epsilons.end())
    throw CLI::ValidationError("--epsilon", "names a budget twice: --runs repeats");
  if (options.runs == 0 || options.runs > 10'000)
    throw CLI::ValidationError("--runs", "must lie in 1 .. 10000");
  if (given) return;
  options.diagnostics = true;
  if (app.count("--epsilon") == 0)
    options.epsilons = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0};
  if (app.count("--sensitivity") == 0) options.sensitivity = 0.01;
  if (!valued && !options.fraction) options.objective_value = 1250.0;
  if (app.count("--runs") == 0) options.runs = 20;
  if (app.count("--unit") == 0) options.bound_unit = "MW";
  if (app.count("--objective-unit") == 0) options.objective_unit = "MWh a day";
}

}  // namespace

std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app(description);
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type);
  };
  add("FILE", options.file, "", "Linear program with private right-hand sides (default: embedded)");
  lazygumbel_tools::add_choice<Format>(app, "--format", options.format,
                                       {{"auto", Format::automatic},
                                        {"lp", Format::lp},
                                        {"mps", Format::mps},
                                        {"fixed-mps", Format::fixed_mps}},
                                       "Of the file: CPLEX LP, free or fixed MPS (default, auto:\n"
                                       "lp or mps by its name)");
  add("--epsilon", options.epsilons, "X,Y,..",
      "Budgets, one solve each. Required with a FILE (without:\n0.01 to 10)")
      ->delimiter(',')
      ->allow_extra_args(false);
  add("--delta", options.delta, "X", "Budgets are (epsilon, delta), by zCDP (default: pure)");
  add("--sensitivity", options.sensitivity, "X",
      "How much neighbours differ in each right-hand side, in its\n"
      "units. Public. Required with a FILE (without: 0.01 MW)");
  add("--objective-value", options.objective_value, "X",
      "What <c, x> has to be: a PUBLIC target. Required with a FILE\n"
      "(without: 1250 MWh a day). An optimum computed from the\n"
      "right-hand sides, or a share of it, would give them away");
  add("--fraction", options.fraction, "X",
      "NOT PRIVATE, in the target's place: that share of the true\n"
      "optimum, for problems that are public or made up");
  add("--rounds", options.rounds, "N", "Rounds (default, 0: from public numbers)")
      ->check(lazygumbel_tools::whole_number);
  lazygumbel_tools::add_choice<Selection>(
      app, "--selection", options.selection,
      {{"full-scan", Selection::full_scan}, {"lazy-certified", Selection::lazy_certified}},
      "How a round finds a row. full-scan (default): the same work\n"
      "for all right-hand sides; lazy-certified: the same law,\n"
      "faster with many rows, in a time that depends on them");
  add("--runs", options.runs, "N",
      "Solves at each epsilon, all of which count (default: 1;\nwithout FILE 20)")
      ->check(lazygumbel_tools::whole_number);
  add("--seed", options.seed, "N", "NOT PRIVATE: noise that can be had again")
      ->check(lazygumbel_tools::whole_number);
  add("--unit", options.bound_unit, "TEXT", "Unit of the right-hand sides, to print");
  add("--objective-unit", options.objective_unit, "TEXT", "Unit of the objective, to print");
  add("--output", options.output, "DIR",
      "Where plans.csv, violations.csv and violations.png go\n(default: here)");
  app.add_flag("--not-private-diagnostics", options.diagnostics,
               "Also true violations and the optimum, which are NOT\n"
               "protected: for a FILE that is public or made up");
  return lazygumbel_tools::parse(app, argc, argv, [&] { check(app, options); });
}

}  // namespace private_lp
