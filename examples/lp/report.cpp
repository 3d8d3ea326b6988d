#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <lazygumbel/privacy/accounting/costs.hpp>
#include <lazygumbel/privacy/accounting/zcdp.hpp>
#include <numeric>
#include <ostream>
#include <run_program.hpp>
#include <stdexcept>

namespace private_lp {

namespace {

std::string text(double value, int digits = 5) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*g", digits, value);
  return buffer;
}

/// Aligned to the right, one digit after the point or, of small numbers, as many as tell something.
std::string cell(double value, std::size_t width) {
  char buffer[64];
  const double size = std::abs(value);
  const bool plain = value == 0.0 || (size >= 0.05 && size < 1e7);
  std::snprintf(buffer, sizeof buffer, plain ? "%.1f" : "%.2g", value);
  const std::string made = buffer;
  return std::string(width > made.size() ? width - made.size() : 0, ' ') + made;
}

std::string field(const std::string& value, std::size_t width) {
  return std::string(width > value.size() ? width - value.size() : 0, ' ') + value;
}

const char* direction(const LinearProgram& program) {
  return program.maximise ? "maximise" : "minimise";
}

/// Every solve of this run together, on the same b.
std::string together(const Options& options) {
  const auto runs = static_cast<double>(options.runs);
  double epsilon = 0.0, rho = 0.0;
  for (const double each : options.epsilons) {
    epsilon += runs * each;
    if (options.delta) rho += runs * lazygumbel::zcdp_rho(each, *options.delta);
  }
  if (!options.delta) return "epsilon = " + text(epsilon);
  return "epsilon = " + text(lazygumbel::zcdp_epsilon(rho, *options.delta)) +
         ", delta = " + text(*options.delta);
}

/// A field of a CSV file.
std::string quoted(const std::string& text) {
  std::string made = "\"";
  for (const char c : text) made += c == '"' ? "\"\"" : std::string(1, c);
  return made + '"';
}

void finish(std::ofstream& file, const std::filesystem::path& path) {
  file.close();
  if (!file) throw std::runtime_error(path.string() + ": cannot be written");
}

void print_reference(std::ostream& out, const Report& report) {
  const auto& [optimum, least, median] = *report.reference;
  const std::string& unit = report.options.bound_unit;
  out << "NOT PRIVATE, by GLPK's simplex method: ";
  if (optimum.status == Optimum::Status::optimal) {
    out << "the optimum is " << text(optimum.value) << ' ' << report.options.objective_unit
        << "; the value asked for is " << text(100.0 * report.value / optimum.value, 3)
        << "% of it";
  } else {
    out << (optimum.status == Optimum::Status::infeasible ? "INFEASIBLE, no x meets all rows"
                                                          : "UNBOUNDED, there is no optimum");
  }
  out << ".\n";
  const double small = 1e-7 * report.width;  // of the simplex method's tolerances
  if (least.value > small)
    out << "    No x of that value meets all rows: the least violation is " << text(least.value, 3)
        << ' ' << unit << ", and the theorem says nothing.\n";
  else
    out << "    Some x of that value meets all rows with "
        << text(least.value < -small ? -least.value : 0.0, 3) << ' ' << unit
        << " to spare, as the theorem supposes. The median of b is " << text(median, 3) << ' '
        << unit << ".\n";
}

/// How the theorem did, at the budget nearest to 1.
void print_moral(std::ostream& out, const Report& report) {
  const auto nearest =
      std::min_element(report.outcomes.begin(), report.outcomes.end(), [](auto& a, auto& b) {
        return std::abs(std::log(a.epsilon)) < std::abs(std::log(b.epsilon));
      });
  const std::string& unit = report.options.bound_unit;
  out << "At epsilon = " << text(nearest->epsilon)
      << " the theorem promises, where some x of that value meets all rows, a violation of\n"
      << "    at most " << text(nearest->bound, 3) << ' ' << unit << " with probability 95%";
  if (nearest->largest) {
    out << "; measured, and NOT PRIVATE: " << text(nearest->largest->mean, 2) << ' ' << unit;
    const double median = report.reference->median_bound;
    if (nearest->largest->mean > 0.0 && median > 0.0)
      out << " (" << text(100.0 * nearest->largest->mean / median, 2) << "% of the median of b)";
  }
  out << ".\n";
  if (nearest->bound >= report.width)
    out << "    That promise is empty: it exceeds the width W. More budget, or smaller "
           "--sensitivity, "
           "would help.\n";
  out << "    It holds for every program of these sizes; what happens is usually far better.\n";
}

}  // namespace

Spread spread_of(const std::vector<double>& values) {
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  return {*least,
          std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()),
          *greatest};
}

void print_plan(std::ostream& out, const Report& report) {
  const auto& [options, program, value, width, outcomes, reference] = report;
  out << "problem    "
      << (options.embedded() ? std::string("vehicle charging (embedded, made up)")
                             : options.file.string())
      << ": " << direction(program) << ' ' << program.objective_name << " ("
      << options.objective_unit << "), " << program.variables.size() << " variables, "
      << program.bounds.size() << " rows (" << options.bound_unit << ")\n";
  if (options.embedded())
    out << "           A town charges its vehicles, so many MWh a day, by 24 programmes (6 or 10 "
           "hours "
           "from some hour\n"
           "           on). In each hour of each month its station has left what the households do "
           "not use. That\n"
           "           is private: it is made of their meters.\n";
  if (program.fixed > 0)
    out << "           fixed variables, taken as constants: " << program.fixed << '\n';
  if (program.bound_rows > 0)
    out << "           rows that are upper bounds of variables, public, but treated as private: "
        << program.bound_rows << '\n';
  if (program.relaxed > 0)
    out << "WARNING    integer variables, relaxed, so that they may get any value: "
        << program.relaxed << '\n';
  out << "protected  any change of b by at most " << text(options.sensitivity) << ' '
      << options.bound_unit << " in each row"
      << (options.embedded() && options.sensitivity == 0.01 ? ": one household's fuse of 10 kW"
                                                            : "")
      << '\n'
      << "public     all else; x >= 0 with " << program.objective_name << " = " << text(value)
      << ' ' << options.objective_unit << "; width W = " << text(width, 4) << ' '
      << options.bound_unit << '\n'
      << "budget     " << (options.delta ? "zCDP, delta = " + text(*options.delta) : "pure epsilon")
      << ", a tenth of it for the noisy violation; " << options.runs
      << (options.runs == 1 ? " run" : " runs") << " at each epsilon, all of them together "
      << together(options) << '\n';
  if (options.fraction)
    out << "WARNING    NOT PRIVATE: the value is a share of the true optimum (--fraction)\n";
  if (options.seed)
    out << "WARNING    NOT PRIVATE: whoever knows the seed subtracts the noise (--seed)\n";
  out << '\n';
}

void print_outcomes(std::ostream& out, const Report& report) {
  const std::string& unit = report.options.bound_unit;
  const bool truth = report.reference.has_value();
  const std::string many = report.options.runs == 1 ? "" : ", mean of runs";
  double rounding = 0.0;
  for (const Outcome& outcome : report.outcomes)
    rounding += static_cast<double>(report.options.runs) *
                lazygumbel::floating_point_delta(report.program.bounds.size(), outcome.rounds);
  out << "Selection by " << report.outcomes.front().selection << ".\n"
      << "Floating point adds a delta of " << text(rounding, 2) << " to all runs together.\n"
      << "Largest violation max_i (A_i x - b_i) in " << unit << "; negative: room in every row"
      << many << "\n\n"
      << "                    theorem                     "
      << (truth ? "  |  NOT PRIVATE, for the demonstration" : "") << '\n'
      << "   epsilon  rounds    (95%)   released   +- noise"
      << (truth ? "  |     true    least  greatest   rows violated" : "") << '\n';
  for (const Outcome& outcome : report.outcomes) {
    out << field(text(outcome.epsilon, 4), 10) << field(std::to_string(outcome.rounds), 8)
        << cell(outcome.bound, 9) << cell(outcome.noisy.mean, 11) << cell(outcome.deviation, 11);
    if (truth)
      out << "  |" << cell(outcome.largest->mean, 9) << cell(outcome.largest->least, 9)
          << cell(outcome.largest->greatest, 10) << cell(outcome.violated->mean, 11) << " of "
          << report.program.bounds.size();
    out << '\n';
  }
  if (truth) {
    const double least = report.reference->least_violation.value;
    out << field("no privacy", 10) << field("-", 8) << field("-", 9) << field("-", 11)
        << field("-", 11) << "  |" << cell(least, 9) << cell(least, 9) << cell(least, 10)
        << (least <= 1e-7 * report.width ? cell(0.0, 11) : field("-", 11)) << " of "
        << report.program.bounds.size() << "   (GLPK)\n";
  }
  out << '\n';
  if (truth) print_reference(out, report);
  print_moral(out, report);
}

void write_violations(const Report& report) {
  std::ofstream file(report.options.violations(), std::ios::binary);
  file.precision(10);
  const bool truth = report.reference.has_value();
  file << "epsilon,delta,rounds,runs,theorem_bound,noisy_mean,noisy_least,noisy_greatest,noise_"
          "deviation";
  if (truth)
    file << ",NOT_PRIVATE_mean,NOT_PRIVATE_least,NOT_PRIVATE_greatest,NOT_PRIVATE_rows_violated,"
            "NOT_PRIVATE_glpk";
  file << '\n';
  for (const Outcome& outcome : report.outcomes) {
    file << outcome.epsilon << ',' << report.options.delta.value_or(0.0) << ',' << outcome.rounds
         << ',' << report.options.runs << ',' << outcome.bound << ',' << outcome.noisy.mean << ','
         << outcome.noisy.least << ',' << outcome.noisy.greatest << ',' << outcome.deviation;
    if (truth)
      file << ',' << outcome.largest->mean << ',' << outcome.largest->least << ','
           << outcome.largest->greatest << ',' << outcome.violated->mean << ','
           << report.reference->least_violation.value;
    file << '\n';
  }
  finish(file, report.options.violations());
}

void write_plans(const Report& report) {
  std::ofstream file(report.options.plans(), std::ios::binary);
  file.precision(10);
  file << "variable";
  for (const Outcome& outcome : report.outcomes) file << ",epsilon " << outcome.epsilon;
  file << '\n';
  const auto& program = report.program;
  for (std::size_t j = 0; j < program.variables.size(); ++j) {
    file << quoted(program.variables[j]);
    for (const Outcome& outcome : report.outcomes)
      file << ',' << outcome.plan[j] + program.shifts[j];
    file << '\n';
  }
  finish(file, report.options.plans());
}

std::string draw(const Report& report) {
  const auto& options = report.options;
  if (report.outcomes.size() < 2) return "none: that takes several --epsilon";
  const std::string title =
      options.embedded() ? "Charging a town's vehicles: overload of the station against privacy"
                         : "Violation of the private rows against privacy";
  const std::string subtitle = std::to_string(report.program.bounds.size()) +
                               " private right-hand sides, each protected to " +
                               text(options.sensitivity) + ' ' + options.bound_unit + "; " +
                               std::to_string(options.runs) +
                               (options.runs == 1 ? " run" : " runs") + " at each epsilon" +
                               (options.delta ? ", delta = " + text(*options.delta) : "");
  return lazygumbel_tools::run_gnuplot(
      LAZYGUMBEL_PLOT_LP_SCRIPT, options.violations(), options.picture(),
      {title, subtitle, options.bound_unit, report.reference ? "both" : "released"});
}

}  // namespace private_lp
