// Linear programs with private right-hand sides (d = 64, D = 1e-4, (epsilon, delta) = (1, 1e-6) by
// zCDP): one selection step and a whole solve, for each selection mode and problem.
//
//   lp_step/<mode>/<problem>/m:<m>/T:<T>    one iteration is a run of T rounds; only selections are
//                                           timed, every tenth beside a full scan for the same x
//   lp_solve/<mode>/<problem>/m:<m>/T:<T>   one iteration is making and solving a ScalarPrivateLp,
//                                           codes, samples and index builds included; beside it a
//                                           solve by full scans
//   lp_accuracy/<mode>/<problem>/m:<m>      maximum violation over seeds, mean and standard error,
//                                           and in how many of them the theorem's bound holds
//
// Modes: full_scan, lazy_certified (4-bit codes, drift), lazy_calibrated (LazySampled: scores
// clipped at a level that a public sample sets), lazy_proposed (an IVF index of the rows (A_i, b_i)
// behind an assumed gap of 2 nats). The rival, FullScan, is one pass over the rows: in-order float
// dot products, exponentials and sums of each block while it is in cache.

#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include "interleaved.hpp"
#include "lazygumbel/lazygumbel.hpp"
#include "lazygumbel/random/not_private_engine.hpp"
#include "lp_problems.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
namespace lg = lazygumbel;

using Lp = lg::ScalarPrivateLp<float>;
using Scores = lg::ConstraintScores<float>;
using Proposer = lg::IvfIndex<float>;

constexpr std::size_t variables = 64;
constexpr double sensitivity = 1e-4;

lg::Budget budget() { return lg::Budget::approximate(1.0, 1e-6); }

/// The problem of a name, the last one kept: they are large.
const LpProblem& problem(const std::string& kind, std::size_t m) {
  static std::string kept;
  static LpProblem made;
  const std::string wanted = kind + "/" + std::to_string(m);
  if (kept != wanted) {
    made = {};
    made = lp_problem(kind, m, variables, 41);
    kept = wanted;
  }
  return made;
}

lg::RowPointer<float> view(const lg::RowMatrix<float>& rows) {
  return {rows.data(), rows.rows(), rows.cols(), Eigen::OuterStride<>(rows.cols())};
}

Lp lp_of(const LpProblem& problem, std::size_t rounds) {
  return Lp::over(view(problem.constraints), lg::ScaledSimplex::of_total(variables),
                  {.sensitivity = sensitivity, .rounds = rounds, .not_private_truth = true});
}

/// Calls use(mode) with the mode of a name, built for a problem; gives the seconds of building.
template <class Use>
double with_mode(const std::string& mode, const LpProblem& problem, Use&& use) {
  if (mode == "full_scan") {
    use(lg::FullScan{});
  } else if (mode == "lazy_certified") {
    use(lg::LazyCertified{});
  } else if (mode == "lazy_calibrated") {
    use(lg::LazySampled{});
  } else {
    std::optional<Proposer> index;
    const double build = seconds([&] {
      lg::RowMatrix<float> rows(problem.constraints.rows(), problem.constraints.cols() + 1);
      rows.leftCols(problem.constraints.cols()) = problem.constraints;
      for (Eigen::Index i = 0; i < rows.rows(); ++i)
        rows(i, rows.cols() - 1) = static_cast<float>(problem.bounds[static_cast<std::size_t>(i)]);
      index.emplace(std::move(rows), lg::IvfParameters{});
    });
    use(lg::LazyProposed<Proposer>{.proposer = *index, .widening = 2.0});
    return build;
  }
  return 0.0;
}

/// By how much the largest miss exceeded the bound of lazy_proposed, unwidened, in nats.
template <class Mode>
double needed_gap(const Scores& scores, const Mode& mode, std::span<const double> x, double scale) {
  if constexpr (requires { mode.proposer; }) {
    const lg::ProposedConstraintIndex index(scores, mode.proposer);
    lg::Vector<double> theta;
    lg::detail::set_point(x, theta);
    theta *= scale;
    lg::Retrieval found;
    std::vector<lg::item_id> sorted;
    lg::search_checked(index, theta, lg::default_k(index), found, sorted);
    return lg::detail::smallest_valid_gap(index, theta, found, sorted);
  } else {
    return 0.0;
  }
}

void step(benchmark::State& state, const std::string& mode, const std::string& kind, std::size_t m,
          std::size_t rounds) {
  const LpProblem& lp = problem(kind, m);
  const lg::RowStore<float> rows(view(lp.constraints));
  const Scores scores(rows, lp.bounds, 1.0);
  const double epsilon = lg::exponential_mechanism_epsilon(
      lg::Accountant::zcdp, budget().share(1.0 / static_cast<double>(rounds)));
  const std::size_t every = quick() ? 2 : 10;
  std::vector<double> own, rival, proposals;
  double gap_needed = 0.0;
  lg::ScanCounts scans;
  const double build = with_mode(mode, lp, [&](const auto& chosen) {
    for (auto _ : state) {
      lg::NotPrivateEngine engine(11), rival_engine(12);
      lg::Budget spent = lg::Budget::zcdp(1e9), rival_spent = lg::Budget::zcdp(1e9);
      std::optional<lg::detail::LpSelector<std::remove_cvref_t<decltype(chosen)>, float>> selector;
      state.counters["prepare_seconds"] =
          seconds([&] { selector.emplace(scores, sensitivity, chosen); });
      lg::detail::LpSelector<lg::FullScan, float> full(scores, sensitivity, {});
      lg::Hedge hedge(variables,
                      std::sqrt(2.0 * std::log(variables) / static_cast<double>(rounds)));
      std::vector<float> losses(variables);
      double time = 0.0;
      for (std::size_t t = 0; t < rounds; ++t) {
        if (t % every == 0)
          rival.push_back(seconds([&] {
            benchmark::DoNotOptimize(
                full.select(hedge.weights(), epsilon, rival_spent, rival_engine).id);
          }));
        if (mode == "lazy_proposed" && t % 50 == 0)
          gap_needed = (std::max)(gap_needed, needed_gap(scores, chosen, hedge.weights(),
                                                         epsilon / (2.0 * sensitivity)));
        lg::Selection selection;
        own.push_back(seconds(
            [&] { selection = selector->select(hedge.weights(), epsilon, spent, engine); }));
        time += own.back();
        proposals.push_back(static_cast<double>(selection.trace.proposals));
        for (std::size_t j = 0; j < variables; ++j)
          losses[j] = rows.row(selection.id)[static_cast<Eigen::Index>(j)];
        hedge.add(std::span<const float>(losses));
      }
      scans = selector->scans();
      state.SetIterationTime(time);
    }
  });
  state.counters["ms_per_step"] = 1e3 * mean(own);
  state.counters["median_ms"] = 1e3 * median(own);
  state.counters["scan_ms"] = 1e3 * mean(rival);
  state.counters["speedup_vs_scan"] = mean(rival) / mean(own);
  state.counters["expected_proposals"] = mean(proposals);
  state.counters["exact_scans"] = static_cast<double>(scans.exact);
  state.counters["coded_scans"] = static_cast<double>(scans.coded);
  if (build > 0.0) {
    state.counters["build_seconds"] = build;
    state.counters["gap_needed"] = gap_needed;
  }
  const std::string name = mode + "/" + kind + "/" + std::to_string(rounds);
  note_growth(state, "exponent", name, m, mean(own));
  note_growth(state, "median_exponent", name, m, median(own));
}

void solve(benchmark::State& state, const std::string& mode, const std::string& kind, std::size_t m,
           std::size_t rounds) {
  const LpProblem& lp = problem(kind, m);
  std::vector<double> own, rival;
  std::uint64_t seed = 21;
  for (auto _ : state) {
    lg::NotPrivateEngine engine(seed), rival_engine(seed);
    ++seed;
    std::optional<lg::LpResult> result, rivals;
    const double time = seconds([&] {
      with_mode(mode, lp, [&](const auto& chosen) {
        result.emplace(lp_of(lp, rounds).solve(lp.bounds, budget(), engine, chosen));
      });
    });
    state.SetIterationTime(time);
    own.push_back(time);
    rival.push_back(seconds(
        [&] { rivals.emplace(lp_of(lp, rounds).solve(lp.bounds, budget(), rival_engine)); }));
    state.counters["max_violation"] = result->not_private_truth->largest;
    state.counters["max_violation_of_scan"] = rivals->not_private_truth->largest;
    state.counters["bound"] = result->bound.violation;
  }
  state.counters["solve_seconds"] = median(own);
  state.counters["scan_solve_seconds"] = median(rival);
  state.counters["speedup_vs_scan"] = median(rival) / median(own);
}

void accuracy(benchmark::State& state, const std::string& mode, const std::string& kind,
              std::size_t m) {
  const LpProblem& lp = problem(kind, m);
  const Lp solver = lp_of(lp, quick() ? 20 : 400);
  const std::uint64_t seeds = quick() ? 3 : 100;
  double sum = 0.0, squares = 0.0, held = 0.0;
  for (auto _ : state)
    for (std::uint64_t seed = 0; seed < seeds; ++seed)
      with_mode(mode, lp, [&](const auto& chosen) {
        lg::NotPrivateEngine engine(100 + seed);
        const lg::LpResult result = solver.solve(lp.bounds, budget(), engine, chosen);
        const double violation = result.not_private_truth->largest;
        sum += violation;
        squares += violation * violation;
        held += violation <= result.bound.violation ? 1.0 : 0.0;
        state.counters["bound"] = result.bound.violation;
      });
  const auto n = static_cast<double>(seeds);
  state.counters["max_violation"] = sum / n;
  state.counters["max_violation_se"] =
      std::sqrt((std::max)(0.0, squares / n - sum / n * (sum / n)) / (n - 1.0));
  state.counters["bound_held"] = held;
  state.counters["runs"] = n;
}

const int registered = [] {
  const std::vector<std::string> modes = {"full_scan", "lazy_certified", "lazy_calibrated"};
  const std::size_t large = quick() ? 5000 : 1'000'000, small = quick() ? 2000 : 100'000;
  for (const std::string kind : {"random", "structured"}) {
    for (const std::size_t m : {small, large})
      for (const std::size_t rounds : {std::size_t{400}, std::size_t{2000}})
        for (const std::string mode :
             {"full_scan", "lazy_certified", "lazy_calibrated", "lazy_proposed"}) {
          if (mode == "lazy_proposed" && rounds == 400) continue;
          const std::size_t t = quick() ? rounds / 40 : rounds;
          const std::string end =
              "/" + mode + "/" + kind + "/m:" + std::to_string(m) + "/T:" + std::to_string(t);
          benchmark::RegisterBenchmark(
              ("lp_step" + end).c_str(),
              [=](benchmark::State& state) { step(state, mode, kind, m, t); })
              ->UseManualTime()
              ->Unit(benchmark::kMillisecond)
              ->Iterations(1);
          if (mode == "full_scan" || m == small) continue;
          benchmark::RegisterBenchmark(
              ("lp_solve" + end).c_str(),
              [=](benchmark::State& state) { solve(state, mode, kind, m, t); })
              ->UseManualTime()
              ->Unit(benchmark::kSecond)
              ->Iterations(quick() || rounds == 2000 ? 1 : 3);
        }
    for (const std::string& mode : modes)
      benchmark::RegisterBenchmark(
          ("lp_accuracy/" + mode + "/" + kind + "/m:" + std::to_string(small / 10)).c_str(),
          [=](benchmark::State& state) { accuracy(state, mode, kind, small / 10); })
          ->Unit(benchmark::kSecond)
          ->Iterations(1);
  }
  return 0;
}();

}  // namespace
