// Draws from the softmax: one for a theta, 64 thetas together, and further draws for one theta.

#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <utility>

#include "interleaved.hpp"
#include "lazygumbel/index/gap_calibration.hpp"
#include "lazygumbel/index/recall.hpp"
#include "lazygumbel/sampling/lazy_sampler.hpp"
#include "workload.hpp"
#ifdef LAZYGUMBEL_BENCH_FAISS
#include <faiss/IndexIVFFlat.h>
#include <omp.h>

#include "lazygumbel/index/faiss_index.hpp"
#endif

namespace {

using namespace bench;
using lazygumbel::PhiloxEngine;

/// Thetas asked in turn; no other benchmark's tuning has seen them.
std::size_t theta_count() { return quick() ? 256 : 4096; }

Query row(const Queries& queries, std::size_t i) {
  return queries.row(static_cast<Eigen::Index>(i) % queries.rows()).transpose();
}

/// What the index costs and how well it serves these options: measured outside the timed loop, on
/// thetas that nothing was tuned or calibrated on. A certified index clips nothing.
template <class Index>
void describe_index(benchmark::State& state, const Workload& data, const Built<Index>& built,
                    const lazygumbel::LazySamplerOptions& options, double temperature,
                    const Interleaved& times) {
  const Index& index = *built.index;
  state.counters["k"] = static_cast<double>(options.k);
  state.counters["build_seconds"] = built.build_seconds;
  state.counters["build_threads"] = static_cast<double>(built.build_threads);
  if constexpr (requires { index.size_in_bytes(); })
    state.counters["index_mb"] = static_cast<double>(index.size_in_bytes()) / 1e6;
  state.counters["pays_after"] = built.build_seconds * static_cast<double>(built.build_threads) /
                                 (times.rival_seconds() - times.own_seconds());
  if constexpr (lazygumbel::BeamIndex<Index>)
    state.counters["ef"] = static_cast<double>(index.ef());
  if constexpr (lazygumbel::ProbingIndex<Index>)
    state.counters["probes"] = static_cast<double>(index.probes());
  state.counters["clipped_mass"] = 0.0;
  if constexpr (!lazygumbel::TailIndex<Index>) {
    const Queries queries = data.thetas(quick() ? 50 : 1000, temperature, 3);
    const auto flat = lazygumbel::FlatIndex<float>::over(data.view());
    double clipped = 0.0, worst = 0.0, broken = 0.0;
    lazygumbel::Retrieval found;
    std::vector<item_id> sorted;
    for (Eigen::Index j = 0; j < queries.rows(); ++j) {
      const lazygumbel::detail::ExactTail exact(flat, queries.row(j).transpose());
      lazygumbel::search_checked(index, queries.row(j).transpose(), options.k, found, sorted);
      const double mass = exact.clipped_mass(found, found.residual_bound + options.gap.value);
      clipped += mass / static_cast<double>(queries.rows());
      worst = (std::max)(worst, mass);
      broken += mass > 0.0 ? 1.0 / static_cast<double>(queries.rows()) : 0.0;
    }
    state.counters["clipped_mass"] = clipped;
    state.counters["clipped_mass_max"] = worst;
    state.counters["bound_broken"] = broken;
    state.counters["gap"] = options.gap.value;
    state.counters["recall"] =
        lazygumbel::recall_at_k(index, flat, queries.topRows(quick() ? 20 : 200), options.k);
  }
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
void draw_one_lazy(benchmark::State& state, const Workload& data, const Built<Index>& built,
                   const lazygumbel::LazySamplerOptions& options, double temperature) {
  const Index& index = *built.index;
  const lazygumbel::LazySampler<Index> sampler(index, options);
  const Queries thetas = data.thetas(theta_count(), temperature, 2);
  ExhaustiveRival rival(data.rows());
  PhiloxEngine engine(1), rival_engine(2);
  double proposals = 0.0, rows_scored = 0.0, draws = 0.0;
  std::vector<item_id> drawn(theta_count());
  std::vector<double> differences;
  Interleaved times(64, 4);
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
  describe_index(state, data, built, options, temperature, times);
}

/// The quickest of a few beam widths, each with the gap that 2,000 queries calibrate at alpha =
/// .01, and sets it.
lazygumbel::LazySamplerOptions calibrated(Workload& data, double temperature) {
  static std::map<std::pair<std::string, double>,
                  std::pair<lazygumbel::LazySamplerOptions, std::size_t>>
      known;
  auto& index = *data.hnsw().index;
  auto& best = known[{data.name(), temperature}];
  if (best.first.k == 0) {
    const Queries calibration = data.thetas(quick() ? 200 : 2000, temperature, 6);
    const Queries trials = data.thetas(quick() ? 100 : 500, temperature, 7);
    double best_seconds = std::numeric_limits<double>::infinity();
    for (const std::size_t ef : {32, 64, 128}) {
      index.set_ef(ef);
      const auto gap = lazygumbel::calibrate_gap(index, calibration, quick() ? 0.05 : 0.01, 16, 0);
      const lazygumbel::LazySampler sampler(index, {.k = 16, .gap = gap.gap});
      PhiloxEngine engine(3);
      const double time = seconds([&] {
        for (Eigen::Index j = 0; j < trials.rows(); ++j)
          benchmark::DoNotOptimize(sampler.sample(trials.row(j).transpose(), engine).id);
      });
      if (time < best_seconds) {
        best_seconds = time;
        best = {{.k = 16, .gap = gap.gap}, ef};
      }
    }
  }
  index.set_ef(best.second);
  return best.first;
}

#ifdef LAZYGUMBEL_BENCH_FAISS
/// FAISS's own inverted lists over the same rows, with as many lists and probes as ours.
Built<lazygumbel::FaissIndex>& faiss_ivf(Workload& data) {
  static std::map<std::string, Built<lazygumbel::FaissIndex>> known;
  auto& built = known[data.name()];
  if (built.index) return built;
  const auto& rows = data.rows();
  const auto lists = static_cast<std::size_t>(lazygumbel::default_lists(data.view().rows()));
  const auto start = std::chrono::steady_clock::now();
  auto* const quantizer = new faiss::IndexFlatIP(static_cast<int>(rows.cols()));
  auto ivf = std::make_shared<faiss::IndexIVFFlat>(quantizer, rows.cols(), lists,
                                                   faiss::METRIC_INNER_PRODUCT);
  ivf->own_fields = true;
  ivf->nprobe = lazygumbel::default_probes(lists);
  omp_set_num_threads(1);
  ivf->train(rows.rows(), rows.data());
  ivf->add(rows.rows(), rows.data());
  built.index = std::make_unique<lazygumbel::FaissIndex>(
      lazygumbel::FaissIndex::over(std::move(ivf), data.view()));
  built.build_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return built;
}
#endif

/// Calls use(built index, tuned options) for the index that `method` names; false when there is no
/// such index here.
template <class Use>
bool with_index(const std::string& method, Workload& data, double temperature, std::size_t draws,
                Use&& use) {
  const auto tuned = [&](auto& built) {
    use(built, data.tuned(method, *built.index, temperature, draws).options);
  };
  if (method == "lazy_hnsw") {
    tuned(data.hnsw());
  } else if (method == "lazy_quantized") {
    tuned(data.quantized());
  } else if (method == "lazy_ivf") {
    tuned(data.ivf());
  } else if (method == "lazy_hnsw_calibrated") {
    const auto options = calibrated(data, temperature);
    use(data.hnsw(), options);
#ifdef LAZYGUMBEL_BENCH_FAISS
  } else if (method == "lazy_faiss") {
    tuned(faiss_ivf(data));
#endif
  } else {
    return false;
  }
  return true;
}

void draw_one(benchmark::State& state, const std::string& method, const std::string& name,
              double temperature) {
  std::string why;
  Workload* const data = workload(name, why);
  if (data == nullptr) return state.SkipWithError(why.c_str());
  const auto lazy = [&](auto& built, const auto& options) {
    draw_one_lazy(state, *data, built, options, temperature);
  };
  if (with_index(method, *data, temperature, 1, lazy)) return;
  const Queries thetas = data->thetas(theta_count(), temperature, 2);
  ExhaustiveRival rival(data->rows());
  PhiloxEngine engine(2);
  std::size_t i = 0;
  for (auto _ : state) {
    const Query theta = row(thetas, i++);
    const item_id id = method == "exhaustive"        ? rival.draw(theta, engine)
                       : method == "exhaustive_gemv" ? rival.draw_gemv(theta, engine)
                                                     : rival.draw_gumbel(theta, engine);
    benchmark::DoNotOptimize(id);
  }
  state.counters["rows_scored"] = static_cast<double>(data->rows().rows());
}

/// `batch` thetas together, against the rival's GEMM of 64 at a time. `speedup_with_build` charges
/// the build to one batch, on one thread.
void draw_batch(benchmark::State& state, const std::string& method, const std::string& name,
                double temperature, std::size_t batch) {
  std::string why;
  Workload* const data = workload(name, why);
  if (data == nullptr) return state.SkipWithError(why.c_str());
  const Queries thetas = data->thetas((std::max)(theta_count(), batch), temperature, 2);
  const auto part = [&](std::size_t i, std::size_t count) -> Queries {
    const Eigen::Index size = static_cast<Eigen::Index>(count);
    return thetas.middleRows(static_cast<Eigen::Index>(i) % (thetas.rows() / size) * size, size);
  };
  ExhaustiveRival rival(data->rows());
  PhiloxEngine engine(1), rival_engine(2);
  std::vector<item_id> winners;
  const auto lazy = [&](auto& built, const auto& options) {
    const lazygumbel::LazySampler sampler(*built.index, options);
    std::vector<double> own, other;
    double proposals = 0.0, draws = 0.0;
    for (std::size_t i = 0; state.KeepRunningBatch(static_cast<std::int64_t>(batch)); ++i) {
      const Queries now = part(i, batch);
      std::vector<lazygumbel::Draw> answer;
      own.push_back(seconds([&] { answer = sampler.sample_batch(now, engine); }) /
                    static_cast<double>(batch));
      for (const auto& draw : answer) proposals += static_cast<double>(draw.trace.proposals);
      draws += static_cast<double>(batch);
      if (i % 4 != 0) continue;
      state.PauseTiming();
      const Queries small = part(i, 64);
      other.push_back(seconds([&] { rival.draw_batch(small, rival_engine, winners); }) / 64.0);
      state.ResumeTiming();
    }
    state.counters["speedup_vs_exhaustive"] = median(other) / median(own);
    state.counters["speedup_with_build"] =
        median(other) /
        (median(own) + built.build_seconds * static_cast<double>(built.build_threads) /
                           static_cast<double>(batch));
    state.counters["proposals"] = proposals / draws;
    state.counters["k"] = static_cast<double>(options.k);
  };
  if (with_index(method, *data, temperature, 1, lazy)) return;
  for (std::size_t i = 0; state.KeepRunningBatch(64);)
    rival.draw_batch(part(i++, 64), rival_engine, winners);
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
  const auto lazy = [&](auto& built, const auto& options) {
    using Index = typename std::remove_reference_t<decltype(*built.index)>;
    lazygumbel::Envelope<Index> envelope(*built.index);
    lazygumbel::Trace trace;
    double draws = 0.0;
    while (state.KeepRunningBatch(together)) {
      state.PauseTiming();
      envelope.assign(row(thetas, i++), options.k, options.gap, together);
      state.ResumeTiming();
      for (int r = 0; r < together; ++r)
        benchmark::DoNotOptimize(envelope.sample(engine, trace).id);
      draws += together;
    }
    state.counters["proposals"] = static_cast<double>(trace.proposals) / draws;
    state.counters["k"] = static_cast<double>(options.k);
  };
  if (with_index(method, *data, temperature, together, lazy)) return;
  ExhaustiveRival rival(data->rows());
  while (state.KeepRunningBatch(together)) {
    state.PauseTiming();
    rival.draw(row(thetas, i++), engine);
    state.ResumeTiming();
    for (int r = 0; r < together; ++r) benchmark::DoNotOptimize(rival.draw_again(engine));
  }
}

const int registered = [] {
  for (const char* data : {"glove100k", "fashion_mnist", "clusters", "gaussian"}) {
    for (const char* tau : {"0.05", "0.1", "0.2", "1"}) {
      const std::string tail = std::string("/") + data + "/tau:" + tau;
      const double temperature = std::stod(tau);
      const auto add = [&](const std::string& name, auto function) {
        benchmark::RegisterBenchmark((name + tail).c_str(), function)
            ->Unit(benchmark::kMicrosecond);
      };
      for (const std::string method : {
               "exhaustive",
               "exhaustive_gemv",
               "exhaustive_gumbel",
               "lazy_quantized",
               "lazy_hnsw",
               "lazy_hnsw_calibrated",
               "lazy_ivf",
#ifdef LAZYGUMBEL_BENCH_FAISS
               "lazy_faiss",
#endif
           }) {
        add("draw_one/" + method,
            [=](benchmark::State& state) { draw_one(state, method, data, temperature); });
        if (method == "exhaustive_gemv" || method == "exhaustive_gumbel") continue;
        add("draw_batch/" + method,
            [=](benchmark::State& state) { draw_batch(state, method, data, temperature, 64); });
        add("draw_batch_4096/" + method,
            [=](benchmark::State& state) { draw_batch(state, method, data, temperature, 4096); });
        add("draw_again/" + method,
            [=](benchmark::State& state) { draw_again(state, method, data, temperature); });
      }
    }
  }
  return 0;
}();

}  // namespace
