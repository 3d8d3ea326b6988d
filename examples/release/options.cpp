#include "options.hpp"

#include <CLI/CLI.hpp>
#include <command_line.hpp>
#include <output_files.hpp>
#include <string>
#include <vector>

#include "picture.hpp"

namespace private_release {

namespace {

using lazygumbel::Neighbours;
using lazygumbel::ReleaseMethod;
using lazygumbel_tools::add_choice;
using lazygumbel_tools::require;
using lazygumbel_tools::whole_number;

constexpr const char* description =
    "Releases a table of people as a synthetic table, with differential privacy.\n"
    "\n"
    "Reads a CSV file and a PUBLIC domain, releases the answers to a workload of counting queries\n"
    "for a stated privacy budget, and writes a synthetic CSV and a JSON report. Without --data it\n"
    "runs on an embedded table of published counts (Berkeley admissions, 1973) and draws a "
    "picture.\n"
    "\n"
    "Everything on the command line, the domain and the queries must be fixed without a look at "
    "the\n"
    "data. What is written and printed after a release is protected, but for what is called NOT\n"
    "PRIVATE below. Errors in reading the data come before it and quote rows and values: they\n"
    "are for the owner of the data only. So are the time that a run takes and the progress that\n"
    "a terminal shows. Budgets of several runs on the same data add up.";

void check(const CLI::App& app, Options& options) {
  const bool given = app.count("--data") > 0,
             replace = options.neighbours == Neighbours::replace_one;
  if (given && options.data.empty()) throw CLI::ValidationError("--data", "names no file");
  if (given && app.count("--domain") == 0)
    throw CLI::RequiredError("--domain (a public domain, never computed from the data)");
  if (given && app.count("--neighbours") == 0)
    throw CLI::RequiredError("--neighbours (replace-one or add-remove: what is protected)");
  if (given && app.count("--epsilon") == 0) throw CLI::RequiredError("--epsilon (the budget)");
  require(app, "--domain", given, "goes with --data");
  require(app, "--keep", given, "goes with --data");
  require(app, "--k", options.workload == WorkloadKind::marginals,
          "goes with --workload marginals");
  if (app.count("--k") > 0 && options.order == 0)
    throw CLI::ValidationError("--k", "must be at least 1");
  require(app, "--boxes", options.workload == WorkloadKind::boxes, "goes with --workload boxes");
  require(app, "--seed", options.workload == WorkloadKind::boxes, "goes with --workload boxes");
  require(app, "--queries", options.workload == WorkloadKind::queries,
          "goes with --workload queries");
  if (options.workload == WorkloadKind::queries && options.queries.empty())
    throw CLI::RequiredError("--queries (a file, for --workload queries)");
  require(app, "--expected-records", !replace,
          "goes with --neighbours add-remove: under replace-one the number of records is public");
  require(app, "--expected-records", !options.method || options.delta,
          "goes with --method auto or --delta");
  if (!replace && !options.method && app.count("--expected-records") == 0)
    throw CLI::RequiredError(
        "--expected-records (a public guess, for --method auto under add-remove) or --method");
  if (app.count("--expected-records") > 0 &&
      !(options.expected_records >= 1.0 && options.expected_records <= 1e300))
    throw CLI::ValidationError("--expected-records", "must lie in [1, 1e300]");
  require(app, "--rounds", options.method != ReleaseMethod::identity,
          "goes with MWEM: the identity has no rounds");
  require(app, "--selection", options.method != ReleaseMethod::identity,
          "goes with MWEM: the identity selects nothing");
  require(
      app, "--selection",
      options.workload != WorkloadKind::marginals || options.selection == SelectionMode::full_scan,
      "must be full-scan for marginals, which are selected and measured as whole tables");
}

}  // namespace

const char* spelling_of(Neighbours neighbours) {
  return neighbours == Neighbours::replace_one ? "replace-one" : "add-remove";
}

std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app(description);
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type);
  };
  const auto add_count = [&](const char* name, auto& value, const char* help) {
    add(name, value, "N", help)->check(whole_number);
  };
  add("--data", options.data, "CSV", "Private table, with a header");
  add("--domain", options.domain, "JSON",
      "Public domain of its attributes: {\"sex\": [\"F\", \"M\"],\n"
      "\"age\": {\"low\": 17, \"high\": 90, \"bins\": 10}, \"codes\": 9}");
  add("--keep", options.keep, "A,B,C", "Use these attributes only")
      ->delimiter(',')
      ->allow_extra_args(false);
  add_choice<WorkloadKind>(app, "--workload", options.workload,
                           {{"marginals", WorkloadKind::marginals},
                            {"boxes", WorkloadKind::boxes},
                            {"queries", WorkloadKind::queries}},
                           "What is to be accurate (default: marginals)");
  add_count("--k", options.order, "All marginals of so many attributes (default: 3, or all)");
  add_count("--boxes", options.boxes, "So many random boxes (default: 1000)");
  add_count("--seed", options.seed, "Public seed of the random boxes (default: 1)");
  add("--queries", options.queries, "FILE",
      "One query a row, a number for each cell of the domain\n"
      "(the last attribute fastest): CSV without a header, or .npy");
  add("--epsilon", options.epsilon, "X", "Budget. Required with --data (without: 1)");
  add("--delta", options.delta, "X", "Budget is (epsilon, delta), by zCDP (default: pure)");
  add_choice<Neighbours>(
      app, "--neighbours", options.neighbours,
      {{"replace-one", Neighbours::replace_one}, {"add-remove", Neighbours::add_remove}},
      "What is protected. replace-one: what a person's record says\n"
      "(the number of records is public); add-remove: also whether\n"
      "there is one. Required with --data");
  add("--expected-records", options.expected_records, "X",
      "Public guess under add-remove, for --method auto and for\n"
      "a warning when --delta is large");
  add_choice<std::optional<ReleaseMethod>>(
      app, "--method", options.method,
      {{"auto", std::nullopt},
       {"mwem", ReleaseMethod::mwem},
       {"identity", ReleaseMethod::identity}},
      "mwem: a table fitted to the workload; identity: noise on\n"
      "every cell; auto (default): what public numbers favour");
  add_count("--rounds", options.rounds,
            "Rounds of MWEM (default, 0: from public numbers). Their time\n"
            "grows as their square times the cells");
  add_choice<SelectionMode>(app, "--selection", options.selection,
                            {{"full-scan", SelectionMode::full_scan},
                             {"lazy-certified", SelectionMode::lazy_certified},
                             {"lazy-clipped", SelectionMode::lazy_clipped}},
                            "How MWEM finds a query. full-scan: the same work for every\n"
                            "table; lazy-certified (default): the same law, in a time that\n"
                            "depends on the data; lazy-clipped: as private, a clipped law");
  add("--output", options.output, "CSV", "Synthetic table (default: synthetic.csv)");
  add_count("--records", options.records,
            "Its number of records (default: the released total, but\n"
            "10,000,000 at most)");
  add("--weights", options.weights, "CSV",
      "The released weight of each cell, written before all else\n"
      "(default: weights.csv beside the output)");
  add("--report", options.report, "JSON", "Report (default: report.json beside the output)");
  add("--timings", options.timings, "JSON",
      "NOT PRIVATE: how long the rounds took (default: not written)");
  add("--plot", options.plot, "PNG",
      "Picture of the released counts, by gnuplot (default without\n"
      "--data: the output's name with .png)");
  app.add_flag("--not-private-diagnostics", options.diagnostics,
               "NOT PRIVATE: also report true errors, for data that are\n"
               "public or made up");
  app.add_flag("--quiet", options.quiet, "Print warnings and errors only");
  if (const auto code = lazygumbel_tools::parse(app, argc, argv, [&] { check(app, options); }))
    return code;
  if (options.report.empty()) options.report = options.output.parent_path() / "report.json";
  if (options.weights.empty()) options.weights = options.output.parent_path() / "weights.csv";
  if (options.plot.empty() && options.embedded())
    options.plot = std::filesystem::path(options.output).replace_extension(".png");
  return std::nullopt;
}

void require_writable(const Options& options) {
  std::vector<std::filesystem::path> outputs{options.output, options.report, options.weights};
  if (!options.timings.empty()) outputs.push_back(options.timings);
  if (!options.plot.empty()) {
    outputs.push_back(options.plot);
    outputs.push_back(numbers_of(options.plot));
  }
  lazygumbel_tools::require_writable(outputs, {options.data, options.domain, options.queries});
}

}  // namespace private_release
