// One step of ConstraintPrivateLp: m = 100,000 constraints, d = 1,000 vertices.
//
//   lp_constraint_step/<mode>/random/m:<m>/d:<d>   select a vertex, then move the weights of all
//                                                  constraints
//
// Random packing: A_ij = u_j + noise with a level u_j a variable, b as a hidden point of the
// simplex meets it; W = 1, budget (1, 1e-6), accuracy .3, T and s of the theorem. 30 steps
// early (from the 3rd) and 30 from step T / 2 on are timed, all steps to there are made. Rivals, in
// the same run and between the steps: the least that a dense step must do,
//   pass_ms     one pass over the weights: exp of all, their sum, and normalised
//   matvec_ms   Eigen's product of the d x m float matrix with y as floats, on one thread
// ratio: (ms_per_step of both times together) / (pass_ms + matvec_ms).

#include <benchmark/benchmark.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "interleaved.hpp"
#include "lazygumbel/lazygumbel.hpp"
#include "lazygumbel/random/not_private_engine.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
namespace lg = lazygumbel;

struct RandomLp {
  lg::ScaledSimplex region;
  lg::RowMatrix<float> rows;
  std::vector<double> bounds;
};

const RandomLp& random_lp(std::size_t m, std::size_t d) {
  static std::optional<RandomLp> kept;
  if (kept && kept->bounds.size() == m && kept->region.dimension() == d) return *kept;
  lg::PhiloxEngine engine(1);
  kept.emplace(
      RandomLp{lg::ScaledSimplex::of_total(d),
               lg::RowMatrix<float>(static_cast<Eigen::Index>(m), static_cast<Eigen::Index>(d)),
               std::vector<double>(m)});
  std::vector<double> level(d), hidden(d);
  double sum = 0.0;
  for (std::size_t j = 0; j < d; ++j) {
    level[j] = 0.6 * lg::open_uniform(engine);
    sum += hidden[j] = std::exp(-40.0 * level[j]) * lg::open_uniform(engine);
  }
  for (std::size_t i = 0; i < m; ++i) {
    double met = 0.0;
    for (std::size_t j = 0; j < d; ++j) {
      const double a = level[j] + 0.4 * lg::open_uniform(engine);
      kept->rows(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) =
          static_cast<float>(a);
      met += a * hidden[j] / sum;
    }
    kept->bounds[i] = met;
  }
  return *kept;
}

/// What any dense step has to do, as fast as we can write it.
class RivalStep {
 public:
  RivalStep(const lg::detail::VertexScores& scores, std::span<const double> weights)
      : scores_(&scores),
        weights_(weights.begin(), weights.end()),
        logs_(weights.size(), 0.0),
        floats_(Eigen::VectorXf::Constant(static_cast<Eigen::Index>(weights.size()), 1e-5f)),
        values_(static_cast<Eigen::Index>(scores.size())) {}

  void pass() {
    const auto m = static_cast<Eigen::Index>(logs_.size());
    const Eigen::Map<const Eigen::ArrayXd> logs(logs_.data(), m);
    Eigen::Map<Eigen::ArrayXd> y(weights_.data(), m);
    double sum = 0.0;
    for (Eigen::Index first = 0; first < m; first += 1024) {
      const Eigen::Index count = (std::min)(Eigen::Index{1024}, m - first);
      y.segment(first, count) = logs.segment(first, count).exp();
      sum += y.segment(first, count).sum();
    }
    y *= 1.0 / sum;
    benchmark::DoNotOptimize(weights_.data());
  }

  void product() {
    const Eigen::Map<const lg::RowMatrix<float>> rows(scores_->row(0).data(),
                                                      static_cast<Eigen::Index>(scores_->size()),
                                                      static_cast<Eigen::Index>(logs_.size()));
    values_.noalias() = rows * floats_;
    benchmark::DoNotOptimize(values_.data());
  }

 private:
  const lg::detail::VertexScores* scores_;
  std::vector<double> weights_, logs_;
  Eigen::VectorXf floats_, values_;
};

template <class Mode>
void step(benchmark::State& state, std::size_t m, std::size_t d) {
  const RandomLp& lp = random_lp(m, d);
  const lg::ConstraintLpOptions options{.width = 1.0, .accuracy = quick() ? 1.0 : 0.3};
  const auto new_budget = [] {
    return quick() ? lg::Budget::pure(1e6) : lg::Budget::approximate(1.0, 1e-6);
  };
  const lg::detail::ConstraintLpPlan plan =
      lg::detail::plan_constraint_lp(options, d, m, new_budget());
  const lg::MatrixView<float> rows(lp.rows);
  double prepare = 0.0;
  std::optional<lg::detail::VertexScores> scores;
  prepare = seconds([&] { scores.emplace(lp.region, rows, lp.bounds, options.width); });
  const std::size_t timed = quick() ? 2 : 30, middle = plan.rounds / 2;
  std::vector<double> own, early, later, pass, product, scored;
  for (auto _ : state) {
    lg::Budget budget = new_budget();
    lg::NotPrivateEngine engine(2);
    lg::detail::VertexSelector<Mode> selector(*scores, plan.sensitivity, Mode{});
    lg::detail::ConstraintDual dual(m, plan.density, plan.learning_rate);
    selector.moved(dual.weights(), 0.0);
    Eigen::setNbThreads(1);
    RivalStep rival(*scores, dual.weights());
    double total = 0.0;
    for (std::size_t t = 0; t < middle + timed; ++t) {
      const bool is_early = t >= 3 && t < 3 + timed, is_later = t >= middle;
      const bool is_timed = is_early || is_later;
      const double time = seconds([&] {
        const lg::Selection selection = selector.select(plan.epsilon, budget, engine);
        scored.push_back(static_cast<double>(selection.trace.rows_scored));
        const double distance = dual.add(scores->row(selection.id));
        selector.moved(dual.weights(), distance);
      });
      if (!is_timed) {
        scored.pop_back();
        continue;
      }
      (is_early ? early : later).push_back(time);
      own.push_back(time);
      total += time;
      pass.push_back(seconds([&] { rival.pass(); }));
      product.push_back(seconds([&] { rival.product(); }));
    }
    state.SetIterationTime(total);
  }
  state.counters["ms_per_step"] = 1e3 * mean(own);
  state.counters["early_ms"] = 1e3 * mean(early);
  state.counters["later_ms"] = 1e3 * mean(later);
  state.counters["pass_ms"] = 1e3 * mean(pass);
  state.counters["matvec_ms"] = 1e3 * mean(product);
  state.counters["ratio"] = mean(own) / (mean(pass) + mean(product));
  state.counters["rows_scored"] = mean(scored);
  state.counters["prepare_seconds"] = prepare;
  state.counters["rounds"] = static_cast<double>(plan.rounds);
  state.counters["density"] = plan.density;
}

template <class Mode>
void add(const std::string& mode, std::size_t m, std::size_t d) {
  benchmark::RegisterBenchmark(
      ("lp_constraint_step/" + mode + "/random/m:" + std::to_string(m) + "/d:" + std::to_string(d))
          .c_str(),
      [=](benchmark::State& state) { step<Mode>(state, m, d); })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->Iterations(1);
}

const int registered = [] {
  const std::size_t m = quick() ? 2000 : 100'000, d = quick() ? 50 : 1000;
  add<lg::FullScan>("full_scan", m, d);
  add<lg::LazyCertified>("lazy_certified", m, d);
  return 0;
}();

}  // namespace
