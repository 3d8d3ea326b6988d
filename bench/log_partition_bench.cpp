// log Z within 1% (of Z) with 95% confidence against the exhaustive sum.

#include <string>

#include "interleaved.hpp"
#include "lazygumbel/estimation/log_partition.hpp"
#include "workload.hpp"

namespace {

using namespace bench;

template <class Index>
void log_partition_lazy(benchmark::State& state, const Workload& data, const Index& index,
                        std::size_t k, double temperature) {
  const Queries thetas = data.thetas(quick() ? 64 : 1024, temperature, 4);
  const auto theta = [&](std::size_t i) -> Query {
    return thetas.row(static_cast<Eigen::Index>(i) % thetas.rows()).transpose();
  };
  ExhaustiveRival rival(data.rows());
  const lazygumbel::LogPartition<Index> estimator(index, {.k = k});
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
  const Queries checks = data.thetas(quick() ? 50 : 500, temperature, 5);
  double within = 0.0, width = 0.0;
  for (Eigen::Index j = 0; j < checks.rows(); ++j) {
    const Query query = checks.row(j).transpose();
    const auto estimate = estimator.estimate(query, target, engine);
    const double exact = estimator.exact(query).value;
    within += std::abs(std::expm1(estimate.value - exact)) <= 0.01 ? 1.0 : 0.0;
    width += estimate.certified_upper - estimate.certified_lower;
    if (exact < estimate.certified_lower - 1e-4 || exact > estimate.certified_upper + 1e-4)
      return state.SkipWithError("log Z lies outside its certified bounds");
  }
  state.counters["within_1_percent"] = within / static_cast<double>(checks.rows());
  state.counters["certified_width"] = width / static_cast<double>(checks.rows());
}

void log_partition(benchmark::State& state, const std::string& method, const std::string& name,
                   double temperature) {
  std::string why;
  Workload* const data = workload(name, why);
  if (data == nullptr) return state.SkipWithError(why.c_str());
  if (method == "lazy_hnsw") {
    constexpr std::size_t k = 24;  // the estimator takes a larger head by itself where one pays
    data->hnsw().index->set_ef(k);
    log_partition_lazy(state, *data, *data->hnsw().index, k, temperature);
  } else if (method == "lazy_quantized") {
    log_partition_lazy(state, *data, *data->quantized().index, 8, temperature);
  } else {
    const Queries thetas = data->thetas(quick() ? 64 : 1024, temperature, 4);
    ExhaustiveRival rival(data->rows());
    Eigen::Index i = 0;
    for (auto _ : state)
      benchmark::DoNotOptimize(rival.log_partition(thetas.row(i++ % thetas.rows()).transpose()));
  }
}

/// The standard error of log Zhat that uniform tail samples, or the index's proposals, reach in the
/// same time: both get the time that `budget` proposals take.
template <class Index, class Uniform>
void standard_error(benchmark::State& state, const Workload& data, const Index& index,
                    const Uniform& uniform_index, std::size_t k, std::size_t budget,
                    double temperature) {
  const Queries thetas = data.thetas(quick() ? 32 : 256, temperature, 4);
  const lazygumbel::LogPartition<Index> own(index, {.k = k});
  const lazygumbel::LogPartition<Uniform> uniform(uniform_index, {.k = k});
  lazygumbel::PhiloxEngine engine(1);
  double seconds_own = 0.0, seconds_small = 0.0, seconds_large = 0.0;
  constexpr std::size_t small = 512, large = 8192;
  const auto each = [&](auto&& body) {
    for (Eigen::Index j = 0; j < thetas.rows(); ++j) body(thetas.row(j).transpose());
  };
  for (auto _ : state) {
    seconds_own += seconds([&] {
      each([&](const Query& theta) {
        benchmark::DoNotOptimize(own.estimate(theta, budget, engine));
      });
    });
    state.PauseTiming();
    seconds_small += seconds([&] {
      each([&](const Query& t) { benchmark::DoNotOptimize(uniform.estimate(t, small, engine)); });
    });
    seconds_large += seconds([&] {
      each([&](const Query& t) { benchmark::DoNotOptimize(uniform.estimate(t, large, engine)); });
    });
    state.ResumeTiming();
  }
  // The uniform tail's budget for the same time: search + samples x time per sample.
  const double per_sample = (seconds_large - seconds_small) / static_cast<double>(large - small);
  const double search = seconds_small - per_sample * static_cast<double>(small);
  const double affordable = (seconds_own - search) / per_sample;
  const auto uniform_budget = static_cast<std::size_t>((std::max)(16.0, affordable));
  std::vector<double> own_errors, uniform_errors;
  const auto root_mean_square = [](const std::vector<double>& errors) {
    double sum = 0.0;
    for (const double e : errors) sum += e * e;
    return std::sqrt(sum / static_cast<double>(errors.size()));
  };
  each([&](const Query& theta) {
    const double exact = uniform.exact(theta).value;
    own_errors.push_back(own.estimate(theta, budget, engine).value - exact);
    uniform_errors.push_back(uniform.estimate(theta, uniform_budget, engine).value - exact);
  });
  state.counters["budget"] = static_cast<double>(budget);
  state.counters["uniform_budget"] = static_cast<double>(uniform_budget);
  state.counters["error"] = root_mean_square(own_errors);
  state.counters["uniform_error"] = root_mean_square(uniform_errors);
  state.counters["error_ratio"] = root_mean_square(own_errors) / root_mean_square(uniform_errors);
}

/// An index without its proposals, so that estimators sample its tail uniformly.
template <class Index>
class WithoutProposals {
 public:
  using scalar_type = typename Index::scalar_type;
  explicit WithoutProposals(const Index& index) : index_(index) {}
  std::size_t size() const { return index_.size(); }
  std::size_t dimension() const { return index_.dimension(); }
  double score(const Query& query, item_id id) const { return index_.score(query, id); }
  void score_many(const Query& query, std::span<const item_id> ids, std::span<double> y) const {
    index_.score_many(query, ids, y);
  }
  void search(const Query& query, std::size_t k, lazygumbel::Retrieval& found) const {
    index_.search(query, k, found);
  }

 private:
  const Index& index_;
};

void log_partition_error(benchmark::State& state, const std::string& method,
                         const std::string& name, double temperature) {
  std::string why;
  Workload* const data = workload(name, why);
  if (data == nullptr) return state.SkipWithError(why.c_str());
  if (method == "code_proposals") {
    const auto& index = *data->quantized().index;
    standard_error(state, *data, index, WithoutProposals(index), 8, 1024, temperature);
  } else {
    auto& index = *data->ivf().index;
    index.set_probes(0);
    standard_error(state, *data, index, WithoutProposals(index), 64, 1024, temperature);
  }
}

const int registered = [] {
  for (const char* data : {"glove100k", "fashion_mnist", "clusters", "gaussian"})
    for (const char* tau : {"0.05", "0.1", "0.2", "1"}) {
      const auto add = [&](const std::string& kind, auto function, const std::string& method) {
        benchmark::RegisterBenchmark(
            (kind + "/" + method + "/" + data + "/tau:" + tau).c_str(),
            [=](benchmark::State& state) { function(state, method, data, std::stod(tau)); })
            ->Unit(benchmark::kMicrosecond);
      };
      for (const char* method : {"exhaustive", "lazy_hnsw", "lazy_quantized"})
        add("log_partition", log_partition, method);
      for (const char* method : {"code_proposals", "list_proposals"})
        add("log_partition_error", log_partition_error, method);
    }
  return 0;
}();

}  // namespace
