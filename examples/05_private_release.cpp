/// A table of people becomes a synthetic table, with differential privacy: a command-line tool.
///
///   05_private_release                     an embedded table of published counts, and a picture
///   05_private_release --data people.csv --domain domain.json --neighbours replace-one
///                      --epsilon 1         your own; --help lists the options

#include <algorithm>
#include <cmath>
#include <exception>
#include <iomanip>
#include <iostream>
#include <lazygumbel/lazygumbel.hpp>
#include <new>
#include <noted_engine.hpp>
#include <stdexcept>
#include <tables.hpp>

#include "release/options.hpp"
#include "release/picture.hpp"
#include "release/progress.hpp"
#include "release/queries.hpp"
#include "release/report.hpp"

namespace {

using namespace private_release;
using lazygumbel::Budget;
using lazygumbel::Histogram;
using lazygumbel::Neighbours;
using lazygumbel::Release;
using lazygumbel::ReleaseMethod;

/// Noise was drawn: from here on the budget counts as spent, whatever happens.
bool has_begun = false;

/// Where the released weights lie, once they do.
std::string saved;

/// A delta of a tenth of 1 / n and more is warned of.
constexpr double largest_delta_share = 0.1;

struct Input {
  Histogram table;
  std::string source;
};

Input read_input(const Options& options) {
  if (options.embedded()) {
    const auto table = lazygumbel_tables::berkeley_admissions();
    return {Histogram(table.domain, table.counts), table.source};
  }
  const auto domain = lazygumbel_tables::read_domain(options.domain, options.keep);
  Histogram table =
      Histogram::of_records(domain, lazygumbel_tables::read_table(options.data, domain));
  // Under add-remove an empty table is an input like any other: to refuse it would tell.
  if (options.neighbours == Neighbours::replace_one && table.total() == 0)
    throw std::runtime_error(options.data.string() + ": holds no records");
  return {std::move(table), "a private table"};
}

Budget budget_of(const Options& options) {
  return options.delta ? Budget::approximate(options.epsilon, *options.delta)
                       : Budget::pure(options.epsilon);
}

/// A delta near 1 / n permits to publish somebody's record. Only a public n may be looked at.
void warn_of_delta(const Options& options, const Input& input) {
  const double records = options.neighbours == Neighbours::replace_one
                             ? static_cast<double>(input.table.total())
                             : options.expected_records;
  if (!options.delta || !(*options.delta * records >= largest_delta_share)) return;
  std::cout << "WARNING    delta = " << *options.delta
            << " is not small against 1 / n = " << 1.0 / records
            << ": that permits to publish somebody's record\n";
}

/// NOT private.
template <class W>
TrueErrors true_errors(const Histogram& table, const W& workload, const Release& release) {
  const std::vector<double> counts(table.counts().begin(), table.counts().end());
  std::vector<double> truth(workload.size()), made(workload.size());
  workload.answers(counts, truth);
  workload.answers(release.table().weights(), made);
  TrueErrors errors{.records = (std::max)(1.0, static_cast<double>(table.total()))};
  for (std::size_t j = 0; j < truth.size(); ++j) {
    const double error = std::abs(truth[j] - made[j]);
    errors.largest = (std::max)(errors.largest, error);
    errors.mean += error / static_cast<double>(truth.size());
  }
  return errors;
}

template <class W>
Outcome run(const Options& options, const Input& input, const W& workload,
            const std::string& description) {
  const auto& domain = input.table.domain();
  Budget budget = budget_of(options);
  if (!options.quiet) print_plan(std::cout, options, domain, budget, description, workload.size());
  warn_of_delta(options, input);
  std::cout.flush();
  lazygumbel_tools::NotedEngine<lazygumbel::SystemEngine> engine(has_begun);
  const lazygumbel::ReleaseOptions release_options{
      .method = options.method,
      .expected_records = options.expected_records,
      .mwem = {.neighbours = options.neighbours, .rounds = options.rounds}};
  Progress progress(options.quiet);
  const auto observe = [&](const lazygumbel::MwemRound& round) {
    progress.round(round.round, round.rounds);
  };
  const auto release_by = [&](const auto& mode) {
    return lazygumbel::release(input.table, workload, std::move(budget), engine, release_options,
                               mode, observe);
  };
  const auto release = [&] {
    if constexpr (lazygumbel::GroupedWorkload<W>)
      return release_by(lazygumbel::FullScan());
    else if (options.selection == SelectionMode::full_scan)
      return release_by(lazygumbel::FullScan());
    else if (options.selection == SelectionMode::lazy_clipped)
      return release_by(lazygumbel::LazyClipped());
    else
      return release_by(lazygumbel::LazyCertified());
  };

  Outcome outcome{.release = release(),
                  .source = input.source,
                  .workload = description,
                  .queries = workload.size(),
                  .range = workload.range(),
                  .candidates = workload.size()};
  if constexpr (lazygumbel::GroupedWorkload<W>) outcome.candidates = workload.groups();
  progress.clear();
  outcome.round_times = progress.milliseconds();
  outcome.total_time = progress.total();
  const auto& result = outcome.release.result;
  outcome.noise_deviation =
      outcome.release.method == ReleaseMethod::mwem
          ? result.noise_deviation
          : lazygumbel::identity_noise(domain.size(), options.neighbours,
                                       result.budget.accountant(), result.budget.total())
                .standard_deviation();
  if (options.diagnostics) outcome.errors = true_errors(input.table, workload, outcome.release);
  return outcome;
}

Outcome run(const Options& options, const Input& input) {
  const auto& domain = input.table.domain();
  if (options.workload == WorkloadKind::boxes) {
    lazygumbel::PhiloxEngine engine(options.seed);
    return run(options, input, lazygumbel::BoxWorkload::random(domain, options.boxes, engine),
               "random boxes, seed " + std::to_string(options.seed));
  }
  if (options.workload == WorkloadKind::queries)
    return run(options, input,
               lazygumbel::DenseWorkload<float>(read_queries(options.queries, domain.size())),
               "queries of " + options.queries.string());
  const std::size_t order =
      options.order != 0 ? options.order : (std::min)(std::size_t{3}, domain.attributes().size());
  const auto workload = lazygumbel::MarginalWorkload::all(domain, order);
  Outcome outcome =
      run(options, input, workload,
          "all " + std::to_string(order) + "-way marginals: " + std::to_string(workload.groups()) +
              (workload.groups() == 1 ? " table" : " tables"));
  if (outcome.release.method == ReleaseMethod::mwem)
    outcome.measured = measured_of(workload, outcome.release);
  return outcome;
}

/// Released weights first: whatever fails afterwards, they are what the budget was spent on.
void write_weights(const Options& options, const Release& release) {
  lazygumbel_tables::write_weights(options.weights, release.table().domain(),
                                   release.table().weights());
  saved = options.weights.string();
}

/// Returns what went wrong, or "".
std::string write_records(const Options& options, Outcome& outcome) {
  const auto& table = outcome.release.table();
  const double wanted =
      options.records ? static_cast<double>(*options.records) : std::round(table.total());
  outcome.capped = !options.records && wanted > static_cast<double>(most_records);
  outcome.records = options.records  ? *options.records
                    : outcome.capped ? most_records
                                     : static_cast<std::size_t>(wanted);
  std::string problem;
  try {
    lazygumbel::SystemEngine engine;
    lazygumbel_tables::write_table(options.output, table.domain(),
                                   table.systematic_records(outcome.records, engine));
    return "";
  } catch (const std::bad_alloc&) {
    problem = "no memory for " + std::to_string(outcome.records) +
              " records: --records sets their number";
  } catch (const std::exception& error) {
    problem = error.what();
  }
  outcome.records = 0;
  outcome.capped = false;
  return problem;
}

/// The published counts beside the released ones.
void print_embedded(const Histogram& truth, const Release& release) {
  const auto panels = panels_of_three(release.table(), truth);
  std::cout << "\ndepartment    published / released\n          ";
  for (const Panel& panel : panels)
    std::cout << std::setw(18) << panel.title.substr(0, panel.title.find(", by "));
  std::cout << '\n' << std::fixed << std::setprecision(0);
  for (std::size_t i = 0; i < panels[0].labels.size(); ++i) {
    std::cout << std::left << std::setw(10) << panels[0].labels[i] << std::right;
    for (const Panel& panel : panels)
      std::cout << std::setw(10) << panel.truth[i] << " / " << std::setw(5) << panel.released[i];
    std::cout << '\n';
  }
  const auto& budget = release.result.budget;
  std::cout
      << std::defaultfloat << std::setprecision(2)
      << "\nThe published counts are shown because they are public; with your own data nothing but "
         "the release is.\n";
  if (budget.accountant() == lazygumbel::Accountant::pure)
    std::cout << "No release gets more than exp(epsilon) = " << std::exp(budget.epsilon())
              << " times as likely, or unlikely, by what any one applicant's record says.\n";
}

int run_tool(const Options& options) {
  budget_of(options);  // a bad one is refused before anything is read
  const Input input = read_input(options);
  require_writable(options);
  Outcome outcome = run(options, input);
  write_weights(options, outcome.release);
  const std::string problem = write_records(options, outcome);
  write_report(options, outcome);
  if (!options.timings.empty()) write_timings(options, outcome);
  if (!problem.empty()) throw std::runtime_error(problem);
  print_outcome(std::cout, options, outcome);
  const auto& table = outcome.release.table();
  if (!options.plot.empty()) {
    const auto& budget = outcome.release.result.budget;
    const std::string title =
        options.embedded()
            ? "UC Berkeley admissions, 1973: published counts and one private release"
            : "Released counts of each attribute";
    const std::string subtitle =
        describe(budget) + " (" + spelling_of(options.neighbours) + ")" +
        (options.diagnostics && !options.embedded() ? "; the true counts are NOT PRIVATE" : "");
    const bool shown = options.embedded() || options.diagnostics;
    const std::string drawn =
        draw(options.plot, title, subtitle,
             options.embedded() ? panels_of_three(table, input.table)
                                : attribute_panels(table, shown ? &input.table : nullptr));
    if (!options.quiet) std::cout << "picture    " << drawn << '\n';
  }
  if (options.embedded() && !options.quiet) print_embedded(input.table, outcome.release);
  return 0;
}

std::string note() {
  if (!has_begun) return "\n";
  return " (the release had begun: count its budget as spent" +
         (saved.empty() ? "" : "; what it released is in " + saved) + ")\n";
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
