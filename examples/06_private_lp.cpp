/// A linear program with private right-hand sides, solved with differential privacy: a command-line
/// tool.
///
///   06_private_lp                          an embedded, made-up problem, and a picture
///   06_private_lp plan.mps --sensitivity 5 --objective-value 1000 --epsilon 1
///                                          your own (CPLEX LP or MPS); --help lists the options

#include <algorithm>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <lazygumbel/lazygumbel.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <new>
#include <noted_engine.hpp>
#include <output_files.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lp/embedded.hpp"
#include "lp/glpk_problem.hpp"
#include "lp/options.hpp"
#include "lp/report.hpp"

namespace {

using namespace private_lp;
using lazygumbel::Budget;
using lazygumbel::LpResult;
using lazygumbel::ScalarPrivateLp;
using lazygumbel::ScaledSimplex;

/// Noise was drawn: from here on the budget counts as spent, whatever happens.
bool has_begun = false;

Budget budget_of(const Options& options, double epsilon) {
  return options.delta ? Budget::approximate(epsilon, *options.delta) : Budget::pure(epsilon);
}

GlpkProblem read_problem(const Options& options) {
  return options.embedded() ? GlpkProblem::read_text(vehicle_charging)
                            : GlpkProblem::read(options.file, options.format);
}

LinearProgram program_of(const Options& options, const GlpkProblem& problem) try {
  return problem.program();
} catch (const std::runtime_error& error) {
  throw std::runtime_error(options.file.string() + ": " + error.what());
}

/// What <c, x> has to be, of the file's objective.
double value_of(const Options& options, const std::optional<Optimum>& optimum) {
  if (!options.fraction) return options.objective_value;
  if (optimum->status != Optimum::Status::optimal)
    throw std::runtime_error(
        std::string("--fraction: the problem is ") +
        (optimum->status == Optimum::Status::infeasible ? "infeasible" : "unbounded") +
        ", there is no optimum to take a share of");
  return *options.fraction * optimum->value;
}

ScaledSimplex region_of(const LinearProgram& program, double value) {
  const double left = value - program.offset;
  if (!(left > 0.0 && left <= 1e300))
    throw std::runtime_error(
        "the objective's value " + std::to_string(value) + " leaves " + std::to_string(left) +
        " for the variables above their lower bounds: it must be positive and finite");
  return ScaledSimplex::of_objective(program.objective, left);
}

Reference reference_of(const LinearProgram& program, const Optimum& optimum, double value) {
  std::vector<double> bounds = program.bounds;
  const auto middle = bounds.begin() + static_cast<std::ptrdiff_t>(bounds.size() / 2);
  std::nth_element(bounds.begin(), middle, bounds.end());
  const auto least = GlpkProblem::least_violation(program, value - program.offset).solve();
  if (least.status != Optimum::Status::optimal)
    throw std::runtime_error("the least violation was not found");
  return {optimum, least, *middle};
}

template <class Engine>
LpResult solve_once(const Options& options, const LinearProgram& program,
                    const ScalarPrivateLp<double>& solver, double epsilon, Engine& engine) {
  const auto by = [&](const auto& mode) {
    return solver.solve(program.bounds, budget_of(options, epsilon), engine, mode);
  };
  return options.selection == Selection::full_scan ? by(lazygumbel::FullScan())
                                                   : by(lazygumbel::LazyCertified());
}

template <class Engine>
Outcome solve(const Report& report, const ScalarPrivateLp<double>& solver, double epsilon,
              Engine& engine) {
  const auto& [options, program, value, width, outcomes, reference] = report;
  Outcome outcome{.epsilon = epsilon};
  std::vector<double> noisy, largest, violated;
  for (std::size_t run = 0; run < options.runs; ++run) {
    const LpResult result = solve_once(options, program, solver, epsilon, engine);
    noisy.push_back(result.noisy_violation.value());
    outcome.rounds = result.rounds;
    outcome.bound = result.bound.violation;
    outcome.deviation = result.noise_deviation;
    if (run == 0) {
      outcome.plan = result.x;
      outcome.selection = result.selection + "; its law: " + lazygumbel::name_of(result.guarantee);
    }
    if (!reference) continue;
    const auto truth =
        lazygumbel::not_private_violation<double>(program.constraints, program.bounds, result.x);
    largest.push_back(truth.largest);
    violated.push_back(static_cast<double>(truth.count));
  }
  outcome.noisy = spread_of(noisy);
  if (reference) {
    outcome.largest = spread_of(largest);
    outcome.violated = spread_of(violated);
  }
  return outcome;
}

template <class Engine>
void solve_all(Report& report, const ScalarPrivateLp<double>& solver, Engine secure) {
  lazygumbel_tools::NotedEngine<Engine> engine(has_begun, std::move(secure));
  for (const double epsilon : report.options.epsilons)
    report.outcomes.push_back(solve(report, solver, epsilon, engine));
}

int run_tool(const Options& options) {
  // Bad budgets are refused before anything is read.
  for (const double epsilon : options.epsilons) budget_of(options, epsilon);
  GlpkProblem problem = read_problem(options);
  const LinearProgram program = program_of(options, problem);
  std::optional<Optimum> optimum;
  if (options.diagnostics) optimum = problem.solve();
  const double value = value_of(options, optimum);
  const ScalarPrivateLp<double> solver(program.constraints, region_of(program, value),
                                       {.sensitivity = options.sensitivity,
                                        .rounds = options.rounds,
                                        .violation_share = violation_share});
  std::filesystem::create_directories(options.output);
  lazygumbel_tools::require_writable({options.violations(), options.plans(), options.picture()},
                                     {options.file});

  Report report{.options = options, .program = program, .value = value, .width = solver.width()};
  if (optimum) report.reference = reference_of(program, *optimum, value);
  print_plan(std::cout, report);
  std::cout.flush();
  if (options.seed)
    solve_all(report, solver, lazygumbel::NotPrivateEngine(*options.seed));
  else
    solve_all(report, solver, lazygumbel::SystemEngine());
  write_plans(report);
  write_violations(report);
  print_outcomes(std::cout, report);
  std::cout << "plans      " << options.plans().string()
            << (options.runs == 1 ? "\n" : " (of the first run at each epsilon)\n") << "picture    "
            << draw(report) << '\n';
  return 0;
}

const char* note() {
  return has_begun ? " (the solves had begun: count their budget as spent)\n" : "\n";
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  if (const auto code = parse(argc, argv, options)) return *code;
  return run_tool(options);
} catch (const std::bad_alloc&) {
  std::cerr << "error: out of memory" << note();
  return 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << note();
  return 1;
}
