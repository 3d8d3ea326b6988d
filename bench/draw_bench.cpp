// Draws from the softmax: one for a theta, 64 thetas together, and further draws for one theta.

#include <string>

#include "interleaved.hpp"
#include "lazygumbel/index/recall.hpp"
#include "lazygumbel/sampling/lazy_sampler.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
using lazygumbel::PhiloxEngine;

/// Thetas asked in turn; no other benchmark's tuning has seen them.
std::size_t theta_count() { return quick() ? 256 : 4096; }

Query row(const Queries& queries, std::size_t i) {
  return queries.row(static_cast<Eigen::Index>(i) % queries.rows()).transpose();
}

/// What the index costs and how well it serves k: measured outside the timed loop.
void describe_index(benchmark::State& state, const Workload& data, double temperature,
                    std::size_t k, const Interleaved& times) {
  const Queries queries = data.thetas(quick() ? 50 : 1000, temperature, 3);
  const auto flat = lazygumbel::FlatIndex<float>::over(
      lazygumbel::RowPointer<float>(data.rows.data(), data.rows.rows(), data.rows.cols(),
                                    Eigen::OuterStride<>(data.rows.cols())));
  double clipped = 0.0, worst = 0.0;
  lazygumbel::Retrieval found;
  for (Eigen::Index j = 0; j < queries.rows(); ++j) {
    const lazygumbel::detail::ExactTail exact(flat, queries.row(j).transpose());
    data.hnsw->search(queries.row(j).transpose(), k, found);
    const double mass = exact.clipped_mass(found, found.residual_bound);
    clipped += mass / static_cast<double>(queries.rows());
    worst = (std::max)(worst, mass);
  }
  state.counters["clipped_mass"] = clipped;
  state.counters["clipped_mass_max"] = worst;
  state.counters["recall"] =
      lazygumbel::recall_at_k(*data.hnsw, flat, queries.topRows(quick() ? 20 : 200), k);
  state.counters["k"] = static_cast<double>(k);
  state.counters["ef"] = static_cast<double>(data.hnsw->ef());
  state.counters["build_seconds"] = data.build_seconds;
  state.counters["build_threads"] = static_cast<double>(data.build_threads);
  state.counters["index_mb"] = static_cast<double>(data.hnsw->size_in_bytes()) / 1e6;
  state.counters["pays_after"] = data.build_seconds * static_cast<double>(data.build_threads) /
                                 (times.rival_seconds() - times.own_seconds());
}

/// Fails the benchmark when items drawn by the two methods for the same thetas differ in mean score
/// by more than 6 standard errors.
void require_agreement(benchmark::State& state, const std::vector<double>& differences) {
  double sum = 0.0, squares = 0.0;
  for (const double d : differences) sum += d, squares += d * d;
  const double count = static_cast<double>(differences.size());
  if (squares > 0.0 && std::abs(sum) > 6.0 * std::sqrt(squares) && count > 30.0)
    state.SkipWithError("the two methods draw from different laws");
}

template <class Index>
void draw_one_lazy(benchmark::State& state, Workload& data, const Index& index, std::size_t k,
                   double temperature, Interleaved& times) {
  const lazygumbel::LazySampler<Index> sampler(index, {.k = k});
  const Queries thetas = data.thetas(theta_count(), temperature, 2);
  ExhaustiveRival rival(data.rows);
  PhiloxEngine engine(1), rival_engine(2);
  double proposals = 0.0, rows_scored = 0.0, draws = 0.0;
  std::vector<item_id> drawn(theta_count());
  std::vector<double> differences;
  times.run(
      state,
      [&](std::size_t i) {
        const auto draw = sampler.sample(row(thetas, i), engine);
        drawn[i % drawn.size()] = draw.id;
        proposals += static_cast<double>(draw.trace.proposals);
        rows_scored += static_cast<double>(draw.trace.rows_scored);
        draws += 1.0;
      },
      [&](std::size_t i) {
        const item_id other = rival.draw(row(thetas, i), rival_engine);
        if (static_cast<double>(i) < draws)
          differences.push_back(index.score(row(thetas, i), drawn[i % drawn.size()]) -
                                index.score(row(thetas, i), other));
      });
  require_agreement(state, differences);
  state.counters["proposals"] = proposals / draws;
  state.counters["rows_scored"] = rows_scored / draws;
}

void draw_one(benchmark::State& state, const std::string& method, const std::string& name,
              double temperature) {
  std::string why;
  Workload* const data = workload(name, why);
  if (data == nullptr) return state.SkipWithError(why.c_str());
  if (method == "lazy_hnsw") {
    const auto& tuned = data->tuned(temperature);
    Interleaved times(64, 4);
    draw_one_lazy(state, *data, *data->hnsw, tuned.options.k, temperature, times);
    describe_index(state, *data, temperature, tuned.options.k, times);
  } else if (method == "lazy_flat") {
    const auto flat = lazygumbel::FlatIndex<float>::over(
        lazygumbel::RowPointer<float>(data->rows.data(), data->rows.rows(), data->rows.cols(),
                                      Eigen::OuterStride<>(data->rows.cols())));
    Interleaved times(4, 4);
    draw_one_lazy(state, *data, flat, 64, temperature, times);
  } else {
    const Queries thetas = data->thetas(theta_count(), temperature, 2);
    ExhaustiveRival rival(data->rows);
    PhiloxEngine engine(2);
    std::size_t i = 0;
    for (auto _ : state) {
      const Query theta = row(thetas, i++);
      const item_id id = method == "exhaustive"        ? rival.draw(theta, engine)
                         : method == "exhaustive_gemv" ? rival.draw_gemv(theta, engine)
                                                       : rival.draw_gumbel(theta, engine);
      benchmark::DoNotOptimize(id);
    }
    state.counters["rows_scored"] = static_cast<double>(data->rows.rows());
  }
}

void draw_batch(benchmark::State& state, const std::string& method, const std::string& name,
                double temperature) {
  constexpr int batch = 64;
  std::string why;
  Workload* const data = workload(name, why);
  if (data == nullptr) return state.SkipWithError(why.c_str());
  const Queries thetas = data->thetas(theta_count(), temperature, 2);
  const auto part = [&](std::size_t i) -> Queries {
    const Eigen::Index parts = thetas.rows() / batch;
    return thetas.middleRows(static_cast<Eigen::Index>(i) % parts * batch, batch);
  };
  ExhaustiveRival rival(data->rows);
  PhiloxEngine engine(1), rival_engine(2);
  std::vector<item_id> winners;
  if (method == "exhaustive") {
    for (std::size_t i = 0; state.KeepRunningBatch(batch);)
      rival.draw_batch(part(i++), rival_engine, winners);
    return;
  }
  const auto& tuned = data->tuned(temperature);
  const lazygumbel::LazySampler<lazygumbel::HnswIndex<float>> sampler(*data->hnsw, tuned.options);
  std::vector<double> own, other;
  double proposals = 0.0, draws = 0.0;
  for (std::size_t i = 0; state.KeepRunningBatch(batch); ++i) {
    const Queries now = part(i);
    std::vector<lazygumbel::Draw> answer;
    own.push_back(seconds([&] { answer = sampler.sample_batch(now, engine); }));
    for (const auto& draw : answer) proposals += static_cast<double>(draw.trace.proposals);
    draws += batch;
    if (i % 4 != 0) continue;
    state.PauseTiming();
    other.push_back(seconds([&] { rival.draw_batch(now, rival_engine, winners); }));
    state.ResumeTiming();
  }
  state.counters["speedup_vs_exhaustive"] = median(other) / median(own);
  state.counters["proposals"] = proposals / draws;
  state.counters["k"] = static_cast<double>(tuned.options.k);
  state.counters["ef"] = static_cast<double>(data->hnsw->ef());
}

void draw_again(benchmark::State& state, const std::string& method, const std::string& name,
                double temperature) {
  constexpr int together = 500;  // further draws for each theta
  std::string why;
  Workload* const data = workload(name, why);
  if (data == nullptr) return state.SkipWithError(why.c_str());
  const Queries thetas = data->thetas(theta_count(), temperature, 2);
  PhiloxEngine engine(1);
  std::size_t i = 0;
  if (method == "exhaustive") {
    ExhaustiveRival rival(data->rows);
    while (state.KeepRunningBatch(together)) {
      state.PauseTiming();
      rival.draw(row(thetas, i++), engine);
      state.ResumeTiming();
      for (int r = 0; r < together; ++r) benchmark::DoNotOptimize(rival.draw_again(engine));
    }
    return;
  }
  const auto& tuned = data->tuned(temperature, together);
  lazygumbel::Envelope<lazygumbel::HnswIndex<float>> envelope(*data->hnsw);
  lazygumbel::Trace trace;
  double draws = 0.0;
  while (state.KeepRunningBatch(together)) {
    state.PauseTiming();
    envelope.assign(row(thetas, i++), tuned.options.k);
    state.ResumeTiming();
    for (int r = 0; r < together; ++r) benchmark::DoNotOptimize(envelope.sample(engine, trace).id);
    draws += together;
  }
  state.counters["proposals"] = static_cast<double>(trace.proposals) / draws;
  state.counters["k"] = static_cast<double>(tuned.options.k);
}

const int registered = [] {
  for (const char* data : {"glove100k", "fashion_mnist", "clusters"}) {
    for (const char* tau : {"0.05", "0.1", "0.2"}) {
      const std::string tail = std::string("/") + data + "/tau:" + tau;
      const double temperature = std::stod(tau);
      const auto add = [&](const std::string& kind, auto function, const std::string& method) {
        benchmark::RegisterBenchmark(
            (kind + "/" + method + tail).c_str(),
            [=](benchmark::State& state) { function(state, method, data, temperature); })
            ->Unit(benchmark::kMicrosecond);
      };
      for (const char* method :
           {"exhaustive", "exhaustive_gemv", "exhaustive_gumbel", "lazy_hnsw", "lazy_flat"})
        add("draw_one", draw_one, method);
      for (const char* method : {"exhaustive", "lazy_hnsw"}) {
        add("draw_batch", draw_batch, method);
        add("draw_again", draw_again, method);
      }
    }
  }
  return 0;
}();

}  // namespace
