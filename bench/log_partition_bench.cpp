// log Z within 1% (of Z) with 95% confidence against the exhaustive sum.

#include <string>

#include "interleaved.hpp"
#include "lazygumbel/estimation/log_partition.hpp"
#include "workload.hpp"

namespace {

using namespace bench;

void log_partition(benchmark::State& state, const std::string& method, const std::string& name,
                   double temperature) {
  std::string why;
  Workload* const data = workload(name, why);
  if (data == nullptr) return state.SkipWithError(why.c_str());
  const Queries thetas = data->thetas(quick() ? 64 : 1024, temperature, 4);
  const auto theta = [&](std::size_t i) -> Query {
    return thetas.row(static_cast<Eigen::Index>(i) % thetas.rows()).transpose();
  };
  ExhaustiveRival rival(data->rows);
  if (method == "exhaustive") {
    std::size_t i = 0;
    for (auto _ : state) benchmark::DoNotOptimize(rival.log_partition(theta(i++)));
    return;
  }
  data->tuned(temperature);
  const std::size_t k = 24;  // the estimator takes a larger head by itself where one pays
  data->hnsw->set_ef(k);
  const lazygumbel::LogPartition<lazygumbel::HnswIndex<float>> estimator(*data->hnsw, {.k = k});
  lazygumbel::PhiloxEngine engine(1);
  const lazygumbel::Accuracy target(0.01, 0.05);
  double samples = 0.0, exhaustive = 0.0, runs = 0.0;
  Interleaved times(64, 4);
  times.run(
      state,
      [&](std::size_t i) {
        const auto estimate = estimator.estimate(theta(i), target, engine);
        samples += static_cast<double>(estimate.trace.samples);
        exhaustive += estimate.trace.exhaustive ? 1.0 : 0.0;
        runs += 1.0;
      },
      [&](std::size_t i) { benchmark::DoNotOptimize(rival.log_partition(theta(i))); });
  state.counters["tail_samples"] = samples / runs;
  state.counters["fell_back"] = exhaustive / runs;
  state.counters["k"] = static_cast<double>(k);

  // How often the promise is kept, on thetas of its own.
  const Queries checks = data->thetas(quick() ? 50 : 500, temperature, 5);
  double within = 0.0;
  for (Eigen::Index j = 0; j < checks.rows(); ++j) {
    const Query query = checks.row(j).transpose();
    const double error =
        estimator.estimate(query, target, engine).value - estimator.exact(query).value;
    within += std::abs(std::expm1(error)) <= 0.01 ? 1.0 : 0.0;
  }
  state.counters["within_1_percent"] = within / static_cast<double>(checks.rows());
}

const int registered = [] {
  for (const char* data : {"glove100k", "fashion_mnist", "clusters"})
    for (const char* tau : {"0.05", "0.1", "0.2"})
      for (const std::string method : {"exhaustive", "lazy_hnsw"}) {
        benchmark::RegisterBenchmark(
            ("log_partition/" + method + "/" + data + "/tau:" + tau).c_str(),
            [=](benchmark::State& state) { log_partition(state, method, data, std::stod(tau)); })
            ->Unit(benchmark::kMicrosecond);
      }
  return 0;
}();

}  // namespace
