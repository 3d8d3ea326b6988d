#pragma once

#include <cstddef>
#include <iosfwd>
#include <lazygumbel/privacy/release/release.hpp>
#include <lazygumbel/privacy/table/domain.hpp>
#include <lazygumbel/privacy/workload/marginal_workload.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "options.hpp"

namespace private_release {

/// NOT private: what the release got wrong over the workload, in counts.
struct TrueErrors {
  double largest = 0.0, mean = 0.0;
  double records = 0.0;  ///< n
};

/// The tables that MWEM measured, and what it left alone: released, and so safe to tell.
struct Measured {
  std::vector<std::pair<std::string, std::size_t>> tables;  ///< "sex, age": so many times
  std::vector<std::string> untouched;                       ///< attributes in none of them
};

/// A release and what is told about it.
struct Outcome {
  lazygumbel::Release release;
  std::string source;       ///< of the data
  std::string workload;     ///< "all 3-way marginals: 56 tables"
  std::size_t queries = 0;  ///< m
  std::optional<lazygumbel::QueryRange> range{};
  std::vector<double> round_times;     ///< milliseconds; PRIVATE
  double total_time = 0.0;             ///< milliseconds; PRIVATE
  std::optional<Measured> measured{};  ///< of marginals, by MWEM
  std::optional<TrueErrors> errors{};  ///< with --not-private-diagnostics
  std::size_t records = 0;             ///< written
  bool capped = false;                 ///< fewer records than the released total
  std::size_t candidates = 0;          ///< queries or groups that a round chooses among
  double noise_deviation = 0.0;        ///< of a measured answer or, by identity, of a cell
};

/// Which tables the rounds of MWEM chose.
Measured measured_of(const lazygumbel::MarginalWorkload& workload,
                     const lazygumbel::Release& release);

/// "epsilon = 1, delta = 0".
std::string describe(const lazygumbel::Budget& budget);

/// What the command line asks for, before anything is spent. Public numbers only.
void print_plan(std::ostream& out, const Options& options, const lazygumbel::Domain& domain,
                const lazygumbel::Budget& budget, const std::string& workload, std::size_t queries);

/// What was released. Safe to publish, but for the errors, which come with a warning.
void print_outcome(std::ostream& out, const Options& options, const Outcome& outcome);

/// The warning that goes wherever true errors go.
extern const char* const not_private_warning;

/// Writes the JSON report. Throws std::runtime_error when the file cannot be written.
void write_report(const Options& options, const Outcome& outcome);

/// NOT PRIVATE: writes how long the rounds took. Throws as write_report does.
void write_timings(const Options& options, const Outcome& outcome);

}  // namespace private_release
