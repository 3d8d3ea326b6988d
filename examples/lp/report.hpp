#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "linear_program.hpp"
#include "options.hpp"

namespace private_lp {

/// Least, mean and greatest of some numbers.
struct Spread {
  double least = 0.0, mean = 0.0, greatest = 0.0;
};

Spread spread_of(const std::vector<double>& values);

/// The solves at one budget.
struct Outcome {
  double epsilon = 0.0;
  std::size_t rounds = 0;
  double bound = 0.0;                           ///< the theorem's, on the largest violation
  Spread noisy{};                               ///< largest violation with noise, over the runs
  double deviation = 0.0;                       ///< of that noise
  std::string selection;                        ///< how, and on what its law rests
  std::vector<double> plan;                     ///< x of the first run
  std::optional<Spread> largest{}, violated{};  ///< NOT PRIVATE: violation; number of rows
};

/// NOT PRIVATE: what a solver finds that may look at b.
struct Reference {
  Optimum optimum{};
  Optimum least_violation{};  ///< of any x with that objective value
  double median_bound = 0.0;
};

/// All that is told.
struct Report {
  const Options& options;
  const LinearProgram& program;
  double value = 0.0;  ///< of the objective
  double width = 0.0;  ///< W
  std::vector<Outcome> outcomes{};
  std::optional<Reference> reference{};
};

/// What is asked for, before anything is spent. Public numbers only.
void print_plan(std::ostream& out, const Report& report);
/// What came out.
void print_outcomes(std::ostream& out, const Report& report);

/// violations.csv: a row for each epsilon; plans.csv: a row for each variable. Throw
/// std::runtime_error when a file cannot be written.
void write_violations(const Report& report);
void write_plans(const Report& report);

/// Draws violations.png from violations.csv where gnuplot is found and there are several budgets.
/// One line for a person.
std::string draw(const Report& report);

}  // namespace private_lp
