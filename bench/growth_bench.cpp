// Time of one draw against n, temperature 0.05, on prefixes of glove100k; the last row of each
// method carries the exponent fitted to all.

#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "interleaved.hpp"
#include "lazygumbel/sampling/lazy_sampler.hpp"
#include "workload.hpp"

namespace {

using namespace bench;

/// The slope of log(time) over log(n), least squares.
double exponent(const std::map<double, double>& seconds_by_n) {
  double count = 0.0, x_sum = 0.0, y_sum = 0.0, xx = 0.0, xy = 0.0;
  for (const auto& [n, time] : seconds_by_n) {
    const double x = std::log(n), y = std::log(time);
    count += 1.0, x_sum += x, y_sum += y, xx += x * x, xy += x * y;
  }
  return (xy - x_sum * y_sum / count) / (xx - x_sum * x_sum / count);
}

void growth(benchmark::State& state, const std::string& method, std::size_t n) {
  static std::map<std::string, std::map<double, double>> measured;
  static std::unique_ptr<Workload> data;
  static std::string why;
  if (!data || static_cast<std::size_t>(data->rows().rows()) != n) data = prefix(n, why);
  if (!why.empty()) state.SetLabel("clusters: " + why);
  constexpr double temperature = 0.05;
  const Queries thetas = data->thetas(4096, temperature, 2);
  const auto theta = [&](std::size_t i) -> Query {
    return thetas.row(static_cast<Eigen::Index>(i) % thetas.rows()).transpose();
  };
  ExhaustiveRival rival(data->rows());
  lazygumbel::PhiloxEngine engine(1), rival_engine(2);
  const auto exhaustive = [&](std::size_t i) {
    benchmark::DoNotOptimize(rival.draw(theta(i), rival_engine));
  };
  const auto run = [&](auto& built) {
    const auto& tuned = data->tuned(method, *built.index, temperature);
    const lazygumbel::LazySampler sampler(*built.index, tuned.options);
    Interleaved times(64, 8);
    times.run(
        state,
        [&](std::size_t i) { benchmark::DoNotOptimize(sampler.sample(theta(i), engine).id); },
        exhaustive);
    measured[method][static_cast<double>(n)] = times.own_seconds();
    measured["exhaustive"][static_cast<double>(n)] = times.rival_seconds();
    state.counters["k"] = static_cast<double>(tuned.options.k);
    state.counters["build_seconds"] = built.build_seconds;
  };
  if (method == "lazy_hnsw") {
    run(data->hnsw());
  } else if (method == "lazy_quantized") {
    run(data->quantized());
  } else {
    std::size_t i = 0;
    for (auto _ : state) exhaustive(i++);
  }
  if (measured[method].size() > 1) state.counters["exponent"] = exponent(measured[method]);
}

const int registered = [] {
  for (std::size_t n = quick() ? 1250 : 6250; n <= (quick() ? 10000u : 100000u); n *= 2)
    for (const std::string method : {"lazy_hnsw", "lazy_quantized", "exhaustive"})
      benchmark::RegisterBenchmark(("growth/" + method + "/n:" + std::to_string(n)).c_str(),
                                   [=](benchmark::State& state) { growth(state, method, n); })
          ->Unit(benchmark::kMicrosecond);
  return 0;
}();

}  // namespace
