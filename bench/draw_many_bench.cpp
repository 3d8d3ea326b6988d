// Many draws for one theta: LazySampler::sample(theta, count), which chooses between races and the
// scores of all items, against each of these two ways alone.

#include <algorithm>
#include <string>
#include <vector>

#include "interleaved.hpp"
#include "lazygumbel/sampling/lazy_sampler.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
using lazygumbel::PhiloxEngine;

/// The time of the first draws, carried on to all: races all cost alike.
constexpr std::size_t most_races = 2000;

template <class Index>
void draw_many(benchmark::State& state, Workload& data, const Index& index, double temperature,
               std::size_t count) {
  const lazygumbel::LazySampler<Index> sampler(index);
  const Queries thetas = data.thetas(64, temperature, 2);
  PhiloxEngine engine(1);
  lazygumbel::Envelope<Index> envelope(index);
  std::vector<double> own, races, known;
  std::vector<item_id> ids(count);
  double scans = 0.0;
  std::size_t i = 0;
  for (auto _ : state) {
    const Query theta = thetas.row(static_cast<Eigen::Index>(i++ % 64)).transpose();
    const std::size_t some = (std::min)(count, most_races);
    const auto race = [&] {
      lazygumbel::Trace trace;
      const double search =
          seconds([&] { envelope.assign(theta, sampler.options().k, 0.0, count); });
      const double draws = seconds([&] {
        for (std::size_t j = 0; j < some; ++j) ids[j] = envelope.sample(engine, trace).id;
      });
      races.push_back(search + draws * static_cast<double>(count) / static_cast<double>(some));
    };
    // The first to come finds cold caches: each in turn.
    state.PauseTiming();
    if (i % 2 == 0) race();
    state.ResumeTiming();
    own.push_back(seconds([&] {
      const auto draws = sampler.sample(theta, count, engine);
      benchmark::DoNotOptimize(draws.ids.data());
      scans += static_cast<double>(draws.trace.exhaustive_scans);
    }));
    state.PauseTiming();
    if (i % 2 == 1) race();
    known.push_back(seconds([&] {
      lazygumbel::Trace trace;
      envelope.assign_exhaustively(theta);
      for (item_id& id : ids) id = envelope.sample(engine, trace).id;
    }));
    state.ResumeTiming();
  }
  state.counters["against_races"] = median(own) / median(races);
  state.counters["against_scan"] = median(own) / median(known);
  state.counters["against_cheaper"] = median(own) / (std::min)(median(races), median(known));
  state.counters["scans"] = scans / static_cast<double>(own.size());
}

void run(benchmark::State& state, const std::string& method, const std::string& name,
         double temperature, std::size_t count) {
  std::string why;
  Workload* const data = workload(name, why);
  if (data == nullptr) return state.SkipWithError(why.c_str());
  if (method == "lazy_quantized")
    draw_many(state, *data, *data->quantized().index, temperature, count);
  else if (method == "lazy_ivf")
    draw_many(state, *data, *data->ivf().index, temperature, count);
  else
    draw_many(state, *data, lazygumbel::FlatIndex<float>::over(data->view()), temperature, count);
}

const int registered = [] {
  for (const char* data : {"glove100k", "fashion_mnist", "clusters", "gaussian"})
    for (const char* tau : {"0.05", "0.1", "0.2", "1"})
      for (const std::string method : {"lazy_quantized", "lazy_ivf", "flat"})
        for (std::size_t count = 1; count <= 1'000'000; count *= 10)
          benchmark::RegisterBenchmark(
              ("draw_many/" + method + "/" + data + "/tau:" + tau +
               "/count:" + std::to_string(count))
                  .c_str(),
              [=](benchmark::State& state) { run(state, method, data, std::stod(tau), count); })
              ->Unit(benchmark::kMicrosecond);
  return 0;
}();

}  // namespace
