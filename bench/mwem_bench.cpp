// Private release by MWEM on the Adult table (|X| = 2,880, epsilon = 1, T = 50): one selection step
// and a whole run, for each selection mode and workload.
//
//   mwem_step/<mode>/<workload>/m:<m>   one iteration is a run of T rounds; only selections are
//                                       timed, each beside the rival's for the same weights
//   mwem_run/<mode>/<workload>/m:<m>    one iteration is Mwem::run, everything included: private
//                                       answers, codes or index, scans, fits
//
// Modes: full_scan, lazy_certified, lazy_calibrated (LazyClipped: the drift between scans estimated
// from a sample of queries), lazy_proposed (an IVF index of projected queries behind an assumed gap
// of 2 nats). The rival of a step is an exact scan with the private answers known: for dense
// queries the in-order float dot product of every row; otherwise the workload's own `answers`; and
// one draw by inverting the sum. The rival of a run is the same run with FullScan.
//
//   mwem_accuracy/<mode>/<accountant>/m:<m>   errors on random boxes over 20 seeds, mean and
//                                             standard error: pure epsilon = 1, T = 50; zCDP for
//                                             (1, 1e-6), T = 200
//
// gap_needed: by how much the largest miss exceeded the bound of lazy_proposed, in nats, over every
// tenth step; measured outside of the time.

#include <benchmark/benchmark.h>

#include <memory>
#include <optional>
#include <string>

#include "interleaved.hpp"
#include "lazygumbel/lazygumbel.hpp"
#include "lazygumbel/random/not_private_engine.hpp"
#include "mwem_workloads.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
namespace lg = lazygumbel;

using Dense = lg::DenseWorkload<float>;
using Proposer = lg::ProjectedIndex<lg::IvfIndex<float>>;

std::size_t rounds() { return quick() ? 5 : 50; }

/// The table of all benchmarks here, and its label when it is made up.
const lg::Histogram& table(std::string& why) {
  static std::string reason;
  static const lg::Histogram loaded = adult_table(reason);
  why = reason;
  return loaded;
}

/// The workload of a name, the last one kept: they are large.
template <class W>
const W& workload(const std::string& kind, std::size_t m, const lg::Domain& domain) {
  static std::string kept;
  static std::unique_ptr<W> made;
  const std::string wanted = kind + "/" + std::to_string(m);
  if (made && kept == wanted) return *made;
  made.reset();
  kept = wanted;
  lg::PhiloxEngine engine(3);
  if constexpr (std::same_as<W, Dense>)
    made = std::make_unique<W>(dense_queries(kind, domain, m));
  else if constexpr (std::same_as<W, lg::MarginalWorkload>)
    made = std::make_unique<W>(lg::MarginalWorkload::all(domain, 3));
  else if constexpr (std::same_as<W, lg::BitWorkload>)
    made = std::make_unique<W>(W::random(domain.size(), m, engine));
  else
    made = std::make_unique<W>(W::random(domain, m, engine));
  return *made;
}

/// An exact step, private answers known, as fast as we can write it.
template <class W>
class RivalStep {
 public:
  RivalStep(const W& workload, const lg::ErrorScores<W>& scores)
      : workload_(&workload), scores_(&scores), answers_(workload.size()) {}

  lg::item_id draw(std::span<const double> weights, double scale, lg::NotPrivateEngine& engine) {
    if constexpr (std::same_as<W, Dense>) {
      const auto rows = workload_->rows();
      const Eigen::VectorXf w = Eigen::Map<const Eigen::VectorXd>(
                                    weights.data(), static_cast<Eigen::Index>(weights.size()))
                                    .cast<float>();
      for (Eigen::Index j = 0; j < rows.rows(); ++j)
        answers_[static_cast<std::size_t>(j)] = static_cast<double>(rows.row(j).dot(w));
    } else {
      workload_->answers(weights, answers_);
    }
    const auto m = static_cast<Eigen::Index>(answers_.size());
    Eigen::Map<Eigen::ArrayXd> score(answers_.data(), m);
    score = (Eigen::Map<const Eigen::ArrayXd>(scores_->private_answers().data(), m) - score).abs() *
            scale;
    return lg::inverse_cdf_draw(std::span<const double>(answers_), sums_, engine).id;
  }

 private:
  const W* workload_;
  const lg::ErrorScores<W>* scores_;
  std::vector<double> answers_, sums_;
};

template <class W>
void count_errors(benchmark::State& state, const W& workload, const lg::Histogram& table,
                  std::span<const double> weights) {
  std::vector<double> difference(workload.cells()), errors(workload.size());
  for (std::size_t x = 0; x < difference.size(); ++x)
    difference[x] = static_cast<double>(table.counts()[x]) - weights[x];
  workload.answers(difference, errors);
  double largest = 0.0, sum = 0.0;
  for (const double error : errors) {
    largest = (std::max)(largest, std::abs(error));
    sum += std::abs(error);
  }
  const auto n = static_cast<double>(table.total());
  state.counters["max_error"] = largest / n;
  state.counters["mean_error"] = sum / n / static_cast<double>(errors.size());
}

/// Calls use(mode) with the mode of a name, built for a workload; gives the seconds of building.
template <class W, class Use>
double with_mode(const std::string& mode, const W& workload, Use&& use) {
  if (mode == "full_scan") {
    use(lg::FullScan{});
  } else if (mode == "lazy_certified") {
    use(lg::LazyCertified{});
  } else if (mode == "lazy_calibrated") {
    use(lg::LazyClipped{});
  } else if constexpr (std::same_as<W, Dense>) {
    std::optional<Proposer> index;
    const double build = seconds(
        [&] { index.emplace(Proposer::over(workload.rows(), {.dimension = 64, .sample = 384})); });
    use(lg::LazyProposed<Proposer>{.proposer = *index, .widening = 2.0});
    return build;
  }
  return 0.0;
}

/// What a bound of lazy_proposed lacked, unwidened.
template <class W, class Mode>
double needed_gap(const lg::ErrorScores<W>& scores, const Mode& mode,
                  std::span<const double> weights, double scale) {
  if constexpr (requires { mode.proposer; }) {
    const lg::ProposedErrorIndex index(scores, mode.proposer);
    lg::Vector<double> theta;
    lg::detail::set_query(weights, theta);
    theta *= scale;
    lg::Retrieval found;
    std::vector<lg::item_id> sorted;
    lg::search_checked(index, theta, lg::default_k(index), found, sorted);
    return lg::detail::smallest_valid_gap(index, theta, found, sorted);
  } else {
    return 0.0;
  }
}

template <class W>
void step(benchmark::State& state, const std::string& mode, const std::string& kind,
          std::size_t m) {
  std::string why;
  const lg::Histogram& data = table(why);
  const W& queries = workload<W>(kind, m, data.domain());
  if (!why.empty()) state.SetLabel(why);
  const lg::ErrorScores<W> scores(queries, data);
  const double epsilon = 0.5 / static_cast<double>(rounds());
  const double sensitivity = lg::sensitivity(queries.range(), lg::Neighbours::replace_one) +
                             2.0 * scores.rounding(scores.total(), scores.total());
  const lg::GridNoise noise = lg::query_noise(queries, sensitivity, lg::Accountant::pure, epsilon,
                                              lg::MwemOptions().grid_share);
  std::vector<double> own, rival, proposals, query(queries.cells());
  double gap_needed = 0.0;
  lg::ScanCounts scans;
  const double build = with_mode(mode, queries, [&](const auto& chosen) {
    lg::NotPrivateEngine engine(11), rival_engine(12);
    RivalStep<W> rival_step(queries, scores);
    for (auto _ : state) {
      lg::Budget budget = lg::Budget::pure(10.0);
      std::optional<lg::detail::MwemSelector<std::remove_cvref_t<decltype(chosen)>, W>> selector;
      state.counters["prepare_seconds"] =
          seconds([&] { selector.emplace(scores, sensitivity, chosen); });
      lg::MultiplicativeWeights fit(queries.cells(), scores.total());
      double time = 0.0;
      for (std::size_t t = 0; t < rounds(); ++t) {
        lg::Selection selection;
        own.push_back(
            seconds([&] { selection = selector->select(fit.weights(), epsilon, budget, engine); }));
        time += own.back();
        proposals.push_back(static_cast<double>(selection.trace.proposals));
        rival.push_back(seconds([&] {
          benchmark::DoNotOptimize(
              rival_step.draw(fit.weights(), epsilon / (2.0 * sensitivity), rival_engine));
        }));
        if (mode == "lazy_proposed" && t % 10 == 0)
          gap_needed = (std::max)(
              gap_needed, needed_gap(scores, chosen, fit.weights(), epsilon / (2.0 * sensitivity)));
        queries.query(selection.id, query);
        fit.add(query, noise.answer(scores.private_answers()[selection.id], engine));
        fit.fit(20);
      }
      scans = selector->scans();
      state.SetIterationTime(time);
      count_errors(state, queries, data, fit.weights());
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
  note_growth(state, "exponent", mode + "/" + kind, m, mean(own));
}

template <class W>
void run(benchmark::State& state, const std::string& mode, const std::string& kind, std::size_t m) {
  std::string why;
  const lg::Histogram& data = table(why);
  const W& queries = workload<W>(kind, m, data.domain());
  if (!why.empty()) state.SetLabel(why);
  const lg::Mwem<W> mwem(queries, {.rounds = rounds()});
  std::vector<double> own, rival;
  std::uint64_t seed = 21;
  for (auto _ : state) {
    std::optional<lg::MwemResult> result;
    const double time = seconds([&] {
      with_mode(mode, queries, [&](const auto& chosen) {
        lg::NotPrivateEngine engine(seed);
        result.emplace(mwem.run(data, lg::Budget::pure(1.0), engine, chosen));
      });
    });
    state.SetIterationTime(time);
    own.push_back(time);
    count_errors(state, queries, data, result->table.weights());
    lg::NotPrivateEngine engine(seed++);
    rival.push_back(seconds(
        [&] { benchmark::DoNotOptimize(mwem.run(data, lg::Budget::pure(1.0), engine).total); }));
  }
  state.counters["speedup_vs_scan"] = median(rival) / median(own);
  state.counters["scan_run_seconds"] = median(rival);
}

template <class W>
void add(const std::string& kind, std::size_t m, const std::vector<std::string>& modes) {
  const std::string end = "/" + kind + "/m:" + std::to_string(m);
  for (const std::string& mode : modes) {
    benchmark::RegisterBenchmark(("mwem_step/" + mode + end).c_str(),
                                 [=](benchmark::State& state) { step<W>(state, mode, kind, m); })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond)
        ->Iterations(1);
    benchmark::RegisterBenchmark(("mwem_run/" + mode + end).c_str(),
                                 [=](benchmark::State& state) { run<W>(state, mode, kind, m); })
        ->UseManualTime()
        ->Unit(benchmark::kSecond)
        ->Iterations(quick() ? 1 : 3);
  }
}

void accuracy(benchmark::State& state, const std::string& mode, lg::Accountant accountant,
              std::size_t m) {
  std::string why;
  const lg::Histogram& data = table(why);
  const auto& queries = workload<lg::BoxWorkload>("boxes", m, data.domain());
  if (!why.empty()) state.SetLabel(why);
  const bool pure = accountant == lg::Accountant::pure;
  const lg::Mwem<lg::BoxWorkload> mwem(queries, {.rounds = quick() ? 5u : pure ? 50u : 200u});
  const int seeds = quick() ? 2 : 20;
  std::vector<double> largest, mean;
  for (auto _ : state)
    for (int seed = 0; seed < seeds; ++seed)
      with_mode(mode, queries, [&](const auto& chosen) {
        lg::NotPrivateEngine engine(static_cast<std::uint64_t>(100 + seed));
        const lg::MwemResult result =
            mwem.run(data, pure ? lg::Budget::pure(1.0) : lg::Budget::approximate(1.0, 1e-6),
                     engine, chosen);
        count_errors(state, queries, data, result.table.weights());
        largest.push_back(state.counters["max_error"]);
        mean.push_back(state.counters["mean_error"]);
      });
  const auto summarise = [&](const std::string& name, const std::vector<double>& values) {
    double sum = 0.0, squares = 0.0;
    for (const double v : values) sum += v, squares += v * v;
    const auto n = static_cast<double>(values.size());
    state.counters[name] = sum / n;
    state.counters[name + "_se"] =
        std::sqrt((std::max)(0.0, squares / n - sum / n * (sum / n)) / (n - 1.0));
  };
  summarise("max_error", largest);
  summarise("mean_error", mean);
}

/// All marginals of 3 of the attributes of a wide table, by groups: T from public numbers.
void groups(benchmark::State& state) {
  std::string why;
  const lg::Histogram data = adult_wide_table(why);
  if (!why.empty()) state.SetLabel(why);
  const auto queries = lg::MarginalWorkload::all(data.domain(), 3);
  const lg::GroupMwem<lg::MarginalWorkload> mwem(queries, {.rounds = quick() ? 2u : 0u});
  for (auto _ : state) {
    lg::NotPrivateEngine engine(31);
    const lg::MwemResult result = mwem.run(data, lg::Budget::pure(1.0), engine);
    state.counters["rounds"] = static_cast<double>(result.rounds);
    count_errors(state, queries, data, result.table.weights());
  }
  state.counters["cells"] = static_cast<double>(queries.cells());
  state.counters["queries"] = static_cast<double>(queries.size());
}

const int registered = [] {
  const std::vector<std::string> modes = {"full_scan", "lazy_certified", "lazy_calibrated"};
  std::vector<std::string> all = modes;
  all.push_back("lazy_proposed");
  const std::size_t m = quick() ? 2000 : 100'000;
  add<Dense>("float_dense", m, modes);
  add<lg::BitWorkload>("bits_dense", m, modes);
  add<lg::BoxWorkload>("boxes", m, modes);
  add<lg::MarginalWorkload>("marginals", 0, {"full_scan"});
  for (const std::size_t size : {m, 4 * m})
    for (const std::string kind : {"intervals", "kernels"}) add<Dense>(kind, size, all);
  for (const std::string& mode : modes)
    for (const lg::Accountant accountant : {lg::Accountant::pure, lg::Accountant::zcdp}) {
      const std::size_t boxes = accountant == lg::Accountant::pure ? m : m / 10;
      benchmark::RegisterBenchmark(
          ("mwem_accuracy/" + mode + "/" + lg::name_of(accountant) + "/m:" + std::to_string(boxes))
              .c_str(),
          [=](benchmark::State& state) { accuracy(state, mode, accountant, boxes); })
          ->Unit(benchmark::kSecond)
          ->Iterations(1);
    }
  benchmark::RegisterBenchmark("mwem_run/full_scan_of_groups/marginals_wide", groups)
      ->Unit(benchmark::kSecond)
      ->Iterations(1);
  return 0;
}();

}  // namespace
