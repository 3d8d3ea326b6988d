#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <lazygumbel/core/version.hpp>
#include <lazygumbel/privacy/accounting/costs.hpp>
#include <nlohmann/json.hpp>
#include <numeric>
#include <ostream>
#include <stdexcept>
#include <vector>

namespace private_release {

namespace {

using Json = nlohmann::ordered_json;
using lazygumbel::Accountant;
using lazygumbel::Budget;
using lazygumbel::Neighbours;
using lazygumbel::ReleaseMethod;

std::string text(double value, int digits = 6) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*g", digits, value);
  return buffer;
}

std::string percent(double share) { return text(100.0 * share, 2) + "%"; }

const char* meaning(Neighbours neighbours) {
  return neighbours == Neighbours::replace_one
             ? "protects what one person's record says; the number of records is public"
             : "protects whether one person's record is there and what it says";
}

std::string guarantee_text(const Options& options, const lazygumbel::MwemResult& result) {
  const std::string name = lazygumbel::name_of(result.guarantee);
  if (result.guarantee.kind != lazygumbel::Guarantee::Kind::certified)
    return name + ": the selection's law rests on an unproved bound";
  if (options.workload != WorkloadKind::marginals &&
      options.selection == SelectionMode::lazy_clipped)
    return name +
           ": exactly the exponential mechanism over clipped scores; privacy as by a full "
           "scan, accuracy rests on an estimate of the clipping";
  return name + ": exactly the exponential mechanism's law";
}

/// What rounding in the rounds' draws adds to delta. The identity draws integers only.
double floating_point_delta_of(const Outcome& outcome) {
  const auto& [method, hint, result] = outcome.release;
  return method == ReleaseMethod::mwem
             ? lazygumbel::floating_point_delta(outcome.candidates, result.rounds)
             : 0.0;
}

Json privacy_of(const Options& options, const Outcome& outcome) {
  const Budget& budget = outcome.release.result.budget;
  const bool pure = budget.accountant() == Accountant::pure;
  // Rounds alternate between two mechanisms: one line each, in the order of their first run.
  std::vector<lazygumbel::Expense> lines;
  for (const auto& expense : budget.expenses()) {
    const auto same = std::find_if(lines.begin(), lines.end(), [&](const auto& line) {
      return line.mechanism == expense.mechanism && line.cost == expense.cost;
    });
    if (same == lines.end())
      lines.push_back(expense);
    else
      same->count += expense.count;
  }
  Json expenses = Json::array();
  for (const auto& line : lines)
    expenses.push_back({{"mechanism", line.mechanism}, {"cost", line.cost}, {"count", line.count}});
  return {{"neighbours", spelling_of(options.neighbours)},
          {"meaning", meaning(options.neighbours)},
          {"accountant", lazygumbel::name_of(budget.accountant())},
          {"epsilon", budget.epsilon()},
          {"delta", pure ? Json(nullptr) : Json(budget.delta())},
          {"floating_point_delta", floating_point_delta_of(outcome)},
          {"rho", pure ? Json(nullptr) : Json(budget.total())},
          {"unit", pure ? "epsilon" : "rho"},
          {"spent", budget.spent()},
          {"total", budget.total()},
          {"expenses", std::move(expenses)},
          {"randomness", "noise from the operating system's generator; no seed"}};
}

Json domain_of(const lazygumbel::Domain& domain) {
  Json attributes = Json::array();
  for (const auto& attribute : domain.attributes())
    attributes.push_back({{"name", attribute.name()}, {"size", attribute.size()}});
  return {{"cells", domain.size()}, {"attributes", std::move(attributes)}};
}

Json workload_of(const Options& options, const Outcome& outcome) {
  constexpr const char* kinds[] = {"marginals", "boxes", "queries"};
  Json json = {{"kind", kinds[static_cast<int>(options.workload)]},
               {"description", outcome.workload},
               {"queries", outcome.queries}};
  if (outcome.range) json["range"] = {outcome.range->lower, outcome.range->upper};
  if (options.workload == WorkloadKind::boxes) json["public_seed"] = options.seed;
  return json;
}

Json method_of(const Options& options, const lazygumbel::Release& release) {
  Json json = {{"used", lazygumbel::name_of(release.method)},
               {"asked", options.method ? lazygumbel::name_of(*options.method) : "auto"},
               {"hint", nullptr}};
  if (release.hint)
    json["hint"] = {{"about", "likely largest error as a share of n, from public numbers only"},
                    {"identity", release.hint->identity_error},
                    {"mwem", release.hint->mwem_error},
                    {"preferred", lazygumbel::name_of(release.hint->preferred)}};
  return json;
}

Json mwem_of(const Options& options, const Outcome& outcome) {
  if (outcome.release.method != ReleaseMethod::mwem) return nullptr;
  const auto& result = outcome.release.result;
  Json json = {
      {"rounds", result.rounds},
      {"rounds_chosen_by", options.rounds == 0 ? "public or released numbers" : "the user"},
      {"selection", result.selection},
      {"guarantee", guarantee_text(options, result)}};
  if (outcome.measured) {
    Json tables = Json::array();
    for (const auto& [name, times] : outcome.measured->tables)
      tables.push_back({{"attributes", name}, {"times", times}});
    json["measured"] = std::move(tables);
    json["attributes_never_measured"] = outcome.measured->untouched;
  }
  return json;
}

Json accuracy_of(const Outcome& outcome) {
  const auto& result = outcome.release.result;
  Json json = {{"about", "in counts; safe to publish: from released numbers only"},
               {"noise_deviation", outcome.noise_deviation},
               {"largest_residual", nullptr},
               {"mean_residual", nullptr}};
  if (outcome.release.method == ReleaseMethod::mwem) {
    json["residuals_are"] = "|noisy answer - synthetic answer| over the measured queries";
    json["largest_residual"] = result.largest_residual;
    json["mean_residual"] = result.mean_residual;
  }
  return json;
}

Json timing_of(const Outcome& outcome) {
  Json json = {
      {"warning", "NOT PRIVATE: depends on the private table and is not protected by the budget"},
      {"total_milliseconds", outcome.total_time},
      {"median_milliseconds_per_step", nullptr},
      {"mean_milliseconds_per_step", nullptr}};
  std::vector<double> times = outcome.round_times;
  if (times.empty()) return json;
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  json["median_milliseconds_per_step"] = *middle;
  json["mean_milliseconds_per_step"] =
      std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  return json;
}

void write(const std::filesystem::path& path, const Json& json) {
  std::ofstream file(path, std::ios::binary);
  file << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  file.close();
  if (!file) throw std::runtime_error(path.string() + ": cannot be written");
}

}  // namespace

std::string describe(const Budget& budget) {
  if (budget.accountant() == Accountant::pure)
    return "epsilon = " + text(budget.epsilon()) + ", delta = 0";
  return "epsilon = " + text(budget.epsilon()) + ", delta = " + text(budget.delta()) +
         " (zCDP, rho = " + text(budget.total()) + ")";
}

const char* const not_private_warning =
    "NOT PRIVATE: the true errors are computed from the private table and are NOT protected by the "
    "budget. Do not publish them or choose anything by them.";

Measured measured_of(const lazygumbel::MarginalWorkload& workload,
                     const lazygumbel::Release& release) {
  const auto& attributes = workload.domain().attributes();
  std::vector<std::size_t> times(workload.groups(), 0);
  for (const auto& round : release.result.history) ++times[round.query];
  std::vector<bool> touched(attributes.size(), false);
  Measured measured;
  for (std::size_t g = 0; g < times.size(); ++g) {
    if (times[g] == 0) continue;
    std::string name;
    for (const std::size_t a : workload.group_attributes(g)) {
      name += (name.empty() ? "" : ", ") + attributes[a].name();
      touched[a] = true;
    }
    measured.tables.emplace_back(std::move(name), times[g]);
  }
  for (std::size_t a = 0; a < attributes.size(); ++a)
    if (!touched[a]) measured.untouched.push_back(attributes[a].name());
  return measured;
}

void print_plan(std::ostream& out, const Options& options, const lazygumbel::Domain& domain,
                const Budget& budget, const std::string& workload, std::size_t queries) {
  out << "privacy    " << describe(budget) << "; " << spelling_of(options.neighbours) << ": "
      << meaning(options.neighbours) << '\n'
      << "domain     ";
  for (const auto& attribute : domain.attributes())
    out << (&attribute == &domain.attributes().front() ? "" : " x ") << attribute.name() << ' '
        << attribute.size();
  out << " = " << domain.size() << " cells\n"
      << "workload   " << workload << ", " << queries << " queries\n";
}

void print_outcome(std::ostream& out, const Options& options, const Outcome& outcome) {
  const auto& [method, hint, result] = outcome.release;
  const bool mwem = method == ReleaseMethod::mwem;
  if (!options.quiet) {
    out << "method     "
        << (mwem ? "mwem: a table fitted to noisy answers" : "identity: noise on every cell");
    if (hint)
      out << " (likely largest error: identity " << percent(hint->identity_error) << ", mwem "
          << percent(hint->mwem_error) << " of all records)";
    out << '\n';
    if (mwem)
      out << "selection  " << result.rounds << " rounds, " << result.selection << "; "
          << guarantee_text(options, result) << '\n';
    if (!mwem && options.rounds != 0) out << "           (--rounds is of no use here)\n";
    if (outcome.measured) {
      out << "measured   " << outcome.measured->tables.size()
          << (outcome.measured->tables.size() == 1 ? " table" : " different tables");
      for (const auto& name : outcome.measured->untouched)
        out << (&name == &outcome.measured->untouched.front() ? "; uniform, in none of them: "
                                                              : ", ")
            << name;
      out << '\n';
    }
    out << "noise      standard deviation " << text(outcome.noise_deviation, 3) << " records on "
        << (mwem ? "a measured answer" : "a cell");
    if (mwem)
      out << "; the table misses the noisy answers by " << text(result.mean_residual, 3)
          << " on average, " << text(result.largest_residual, 3) << " at most";
    out << "\nbudget     " << text(result.budget.spent()) << " of " << text(result.budget.total())
        << (result.budget.accountant() == Accountant::pure ? " epsilon" : " rho")
        << " spent; floating point adds a delta of " << text(floating_point_delta_of(outcome), 2)
        << '\n'
        << "released   " << options.output.string() << " (" << outcome.records << " records), "
        << options.weights.string() << ", " << options.report.string() << '\n';
  }
  if (outcome.capped)
    out << "WARNING    " << outcome.records << " records stand for a released total of "
        << text(result.total) << ": --records sets their number\n";
  if (outcome.errors) {
    const auto& [largest, mean, records] = *outcome.errors;
    out << "WARNING    " << not_private_warning << "\n           true errors: " << text(mean, 4)
        << " on average, " << text(largest, 4) << " at most (" << percent(mean / records) << ", "
        << percent(largest / records) << " of n)\n";
  }
}

void write_report(const Options& options, const Outcome& outcome) {
  Json json = {{"tool", "lazygumbel private release"},
               {"version", lazygumbel::version},
               {"data", outcome.source},
               {"privacy", privacy_of(options, outcome)},
               {"domain", domain_of(outcome.release.table().domain())},
               {"workload", workload_of(options, outcome)},
               {"method", method_of(options, outcome.release)},
               {"mwem", mwem_of(options, outcome)},
               {"accuracy", accuracy_of(outcome)},
               {"output",
                {{"file", options.output.string()},
                 {"weights_file", options.weights.string()},
                 {"records", outcome.records},
                 {"records_capped", outcome.capped},
                 {"released_total", outcome.release.result.total}}}};
  if (outcome.errors)
    json["not_private"] = {
        {"warning", not_private_warning},
        {"largest_error_counts", outcome.errors->largest},
        {"mean_error_counts", outcome.errors->mean},
        {"largest_error_share", outcome.errors->largest / outcome.errors->records},
        {"mean_error_share", outcome.errors->mean / outcome.errors->records}};
  write(options.report, json);
}

void write_timings(const Options& options, const Outcome& outcome) {
  write(options.timings, timing_of(outcome));
}

}  // namespace private_release
