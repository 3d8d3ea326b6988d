// What choose_index takes, and by which predictions:
// choose_index/<data>/n:<n>/queries:<q>/<guarantee> with the choice as label and the predicted
// seconds of every kind as counters; the time is that of `cheapest` alone.
// measure_costs/<data>/n:<n>: the time of the measuring. check/<kind>/<data>: the predictions for
// all rows against a build and draws, on one thread. Thetas at temperature 0.05.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "lazygumbel/sampling/choose_index.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
using lazygumbel::Guarantee;
using lazygumbel::IndexCost;
using lazygumbel::IndexKind;

constexpr double temperature = 0.05;

/// The first n rows of a data set.
lazygumbel::RowPointer<float> first_rows(const Workload& data, std::size_t n) {
  return {data.rows().data(), (std::min)(static_cast<Eigen::Index>(n), data.rows().rows()),
          data.rows().cols(), Eigen::OuterStride<>(data.rows().cols())};
}

std::vector<IndexCost> measure(const Workload& data, std::size_t n, Guarantee guarantee) {
  return lazygumbel::measure_index_costs<float>(first_rows(data, n),
                                                data.thetas(32, temperature, 1), guarantee);
}

/// Measured once for all benchmarks.
const std::vector<IndexCost>& costs_of(const Workload& data, std::size_t n, Guarantee guarantee) {
  static std::map<std::tuple<std::string, std::size_t, std::string>, std::vector<IndexCost>> known;
  auto& costs = known[{data.name(), n, name_of(guarantee)}];
  if (costs.empty()) costs = measure(data, n, guarantee);
  return costs;
}

void choose(benchmark::State& state, const Workload& data, std::size_t n, double queries,
            Guarantee guarantee) {
  const std::vector<IndexCost>& costs = costs_of(data, n, guarantee);
  IndexCost best;
  for (auto _ : state) benchmark::DoNotOptimize(best = cheapest(costs, queries, guarantee.kind));
  state.SetLabel(name_of(best.kind));
  for (const IndexCost& cost : costs)
    state.counters[std::string(name_of(cost.kind)) + "_seconds"] = cost.seconds(queries);
}

void check(benchmark::State& state, const Workload& data, IndexKind kind) {
  const auto n = static_cast<std::size_t>(data.rows().rows());
  const IndexCost& cost =
      costs_of(data, n, Guarantee::assumed()).at(static_cast<std::size_t>(kind));
  const Queries thetas = data.thetas(1024, temperature, 2);
  lazygumbel::PhiloxEngine engine(1);
  const auto start = std::chrono::steady_clock::now();
  const auto built = lazygumbel::build_index(kind, data.view());
  state.counters["build_s"] = lazygumbel::detail::seconds_since(start);
  state.counters["predicted_build_s"] = cost.build_seconds;
  state.counters["predicted_draw_us"] = 1e6 * cost.seconds_per_draw;
  state.counters["k"] = static_cast<double>(cost.k);
  std::visit(
      [&](const auto& index) {
        const lazygumbel::LazySampler sampler(index, {.k = cost.k});
        Eigen::Index i = 0;
        for (auto _ : state)
          benchmark::DoNotOptimize(
              sampler.sample(thetas.row(i++ % thetas.rows()).transpose(), engine).id);
      },
      built);
}

/// Registers run(state, data); the data is loaded when it runs.
template <class Run>
benchmark::internal::Benchmark* on(const std::string& name, const std::string& data, Run&& run) {
  return benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    std::string why;
    if (const Workload* found = workload(data, why))
      run(state, *found);
    else
      state.SkipWithError(why.c_str());
  });
}

const int registered = [] {
  for (const std::string data : {"glove100k", "fashion_mnist"}) {
    std::vector<std::size_t> sizes = {1000, 10000};
    if (!quick()) sizes.push_back(data == "glove100k" ? 100000 : 60000);
    for (const std::size_t n : sizes) {
      const std::string where = data + "/n:" + std::to_string(n);
      on("measure_costs/" + where, data,
         [n](benchmark::State& state, const Workload& rows) {
           for (auto _ : state) benchmark::DoNotOptimize(measure(rows, n, Guarantee::assumed()));
         })
          ->Unit(benchmark::kMillisecond)
          ->Iterations(1);
      for (const Guarantee guarantee : {Guarantee::certified(), Guarantee::assumed()})
        for (const std::size_t queries : {1, 10, 100, 1000, 10000, 100000, 1000000})
          on("choose_index/" + where + "/queries:" + std::to_string(queries) + "/" +
                 name_of(guarantee),
             data,
             [=](benchmark::State& state, const Workload& rows) {
               choose(state, rows, n, static_cast<double>(queries), guarantee);
             })
              ->Unit(benchmark::kNanosecond)
              ->Iterations(1000);
    }
    for (const IndexKind kind :
         {IndexKind::flat, IndexKind::scalar_quantized, IndexKind::ivf, IndexKind::hnsw})
      on(std::string("check/") + name_of(kind) + "/" + data, data,
         [kind](benchmark::State& state, const Workload& rows) { check(state, rows, kind); })
          ->Unit(benchmark::kMicrosecond)
          ->Iterations(1000);  // fixed, so that the index is built once
  }
  return 0;
}();

}  // namespace
