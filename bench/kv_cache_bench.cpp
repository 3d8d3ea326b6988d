// KV caches: a stream of n tokens, one head of 64 dimensions, one thread.
//
//   kv_append/<cache>/n:<n>   one iteration is a stream from its start, token by token; after every
//                             250, the same 250 go to the exact cache, not timed. append_us: of one
//                             token
//   kv_attend/<cache>/n:<n>   one iteration is one query against the n tokens that were seen; after
//                             every few, the same queries against the exact cache. Caches are many
//                             enough to lie in memory, not in the processor's caches
//
// Caches: exact (KeyValueCache); sub_gen (SubGenCache as it comes: centred), sub_gen_plain,
// sub_gen_self_normalised, sub_gen_stratified (of that estimator), radius .7; uniform (the same
// with an infinite radius: a uniform sample of the tokens); window, window_unmasked
// (SlidingWindowCache, c = -inf and 0). Memory: 2% of the exact cache's at n = 1,000,000 or less.
//
// Data: "clusters" of bench/support, d = 64, scale = 9: 256 centres; of 40,000 keys, those of one
// centre are .4 apart on average and .6 at most, those of two .9 at least, so that radius .7 tells
// centres apart. The values do not depend on the keys: their mean alone is not far from any output,
// which flatters window_unmasked.
//
// bytes: that the cache holds. bytes_vs_exact: in what n keys and values take as f32 (not in what
// the exact cache holds, which has room to grow). relative_error: mean over queries of |o^ - o| /
// |o|, where o is what the cache promises: attention to all tokens, of windows that with the old
// tokens' weights e^c; of exact and windows against double precision (16 queries), of the others
// against exact attention in f32 (256; of attend, by each of 4 caches with seeds of their own).
// error_vs_full: of windows, against attention to all tokens. speedup_vs_exact: of attend, the
// median over rounds; of append, of the whole stream. within_reported: share of queries whose error
// is at most the report and 1e-5 for rounding; reported_error: its mean. lower_bound_bytes:
// space_lower_bound, whose constant is not known. clusters: of SubGenCache.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "attention_problems.hpp"
#include "interleaved.hpp"
#include "lazygumbel/lazygumbel.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
namespace lg = lazygumbel;

using Exact = lg::KeyValueCache<float>;
using SubGen = lg::SubGenCache<float>;
using Window = lg::SlidingWindowCache<float>;
using Outputs = lg::RowMatrix<double>;

constexpr std::size_t d = 64, query_count = 256, precise_count = 16, chunk = 250;
constexpr std::size_t window_tokens = 8192, sketches = 4;
constexpr std::uint64_t first_seed = 23;
constexpr std::size_t cold_bytes = 192 << 20;  // several times the last cache

/// The stream of a size and attention to all of it.
struct Stream {
  AttentionProblem problem;
  Outputs full;              ///< by exact attention in f32
  std::vector<Exact> exact;  ///< copies of one cache, when attending

  std::size_t tokens() const { return static_cast<std::size_t>(problem.keys.rows()); }
  lg::AttentionOptions options() const {
    lg::AttentionOptions options;
    options.scale = problem.scale;
    return options;
  }
  lg::HeadsView<float> keys(std::size_t first, std::size_t count) const {
    return lg::HeadsView<float>(problem.keys).tokens(first, count);
  }
  lg::HeadsView<float> values(std::size_t first, std::size_t count) const {
    return lg::HeadsView<float>(problem.values).tokens(first, count);
  }
  auto query(std::size_t i) const {
    return problem.queries.row(static_cast<Eigen::Index>(i % query_count));
  }
};

/// Of the last size that was asked for: they are large.
Stream& stream(std::size_t n) {
  static std::optional<Stream> kept;
  if (kept && kept->tokens() == n) return *kept;
  kept.reset();
  std::string why;
  kept.emplace();
  kept->problem = *attention_problem("clusters", d, n, query_count, 17, why);
  const AttentionProblem& p = kept->problem;
  kept->full = lg::exact_attention<float>(p.queries, p.keys, p.values, kept->options())
                   .values.template cast<double>();
  return *kept;
}

/// What the first queries should give, in double: weights e^s of the last `window` tokens, e^c of
/// all before.
Outputs promised(const Stream& s, std::size_t window, double c) {
  const AttentionProblem& p = s.problem;
  const auto n = p.keys.rows(), seen = (std::min)(n, static_cast<Eigen::Index>(window));
  lg::Vector<double> old = lg::Vector<double>::Zero(p.values.cols());
  for (Eigen::Index j = 0; j < n - seen; ++j) old += p.values.row(j).transpose().cast<double>();
  Outputs all(static_cast<Eigen::Index>(precise_count), p.values.cols());
  for (Eigen::Index i = 0; i < all.rows(); ++i) {
    const lg::Vector<double> query = p.scale * p.queries.row(i).transpose().cast<double>();
    lg::Vector<double> scores(seen);
    for (Eigen::Index j = 0; j < seen; ++j)
      scores[j] = p.keys.row(n - seen + j).cast<double>().dot(query);
    const double high = (std::max)(scores.maxCoeff(), c), weight = std::exp(c - high);
    lg::Vector<double> sum = weight * old;
    double total = weight * static_cast<double>(n - seen);
    for (Eigen::Index j = 0; j < seen; ++j) {
      const double w = std::exp(scores[j] - high);
      sum += w * p.values.row(n - seen + j).transpose().cast<double>();
      total += w;
    }
    all.row(i) = sum.transpose() / total;
  }
  return all;
}

lg::SubGenOptions sub_gen_options(lg::SubGenEstimator estimator) {
  lg::SubGenOptions options;
  options.estimator = estimator;
  options.radius = 0.7;
  const bool slots = estimator < lg::SubGenEstimator::stratified;
  options.samples_per_cluster = slots ? 32 : 64;
  options.slots = 12288;
  return options;
}

/// A kind of cache: an empty one, and what it promises.
template <class Cache>
struct Kind {
  std::string name;
  std::function<Cache(std::uint64_t seed)> empty;
  std::optional<std::size_t> window{};  ///< of a window
  double residual_logit = -std::numeric_limits<double>::infinity();
};

template <class Cache>
constexpr bool is_sketch = std::same_as<Cache, SubGen>;

Kind<SubGen> sub_gen(const std::string& name, const lg::SubGenOptions& options) {
  return {name, [options](std::uint64_t seed) {
            lg::PhiloxEngine engine(seed);
            return SubGen(1, d, d, options, engine);
          }};
}

Kind<Window> windowed(const std::string& name, double c) {
  return {name,
          [c](std::uint64_t) {
            return Window(1, d, d, {.window = window_tokens, .residual_logit = c});
          },
          window_tokens, c};
}

/// Of caches that have seen the stream: what they hold and how they err.
template <class Cache>
void report(benchmark::State& state, const Kind<Cache>& kind, const Stream& s,
            std::span<const Cache> caches) {
  const auto bytes = static_cast<double>(caches[0].size_in_bytes());
  state.counters["bytes"] = bytes;
  state.counters["bytes_vs_exact"] =
      bytes / (static_cast<double>(s.tokens()) * 2 * d * sizeof(float));
  if constexpr (is_sketch<Cache>)
    state.counters["clusters"] = static_cast<double>(caches[0].clusters(0));
  const Outputs target = is_sketch<Cache>
                             ? s.full
                             : promised(s, kind.window.value_or(s.tokens()), kind.residual_logit);
  std::vector<double> errors, of_full, reports, within;
  for (const Cache& cache : caches) {
    const lg::AttentionOutput out = cache.attend(s.problem.queries, s.options());
    const Outputs values = out.values.template cast<double>();
    for (Eigen::Index i = 0; i < values.rows(); ++i) {
      of_full.push_back((values.row(i) - s.full.row(i)).norm() / s.full.row(i).norm());
      if (i >= target.rows()) continue;
      const double distance = (values.row(i) - target.row(i)).norm();
      errors.push_back(distance / target.row(i).norm());
      reports.push_back(static_cast<double>(out.rows[static_cast<std::size_t>(i)].error));
      within.push_back(distance <= (reports.back() + 1e-5) * values.row(i).norm() ? 1.0 : 0.0);
    }
  }
  state.counters["relative_error"] = mean(errors);
  state.counters["within_reported"] = mean(within);
  state.counters["reported_error"] = mean(reports);
  if (kind.window) state.counters["error_vs_full"] = mean(of_full);
  state.counters["lower_bound_bytes"] = lg::space_lower_bound(s.tokens(), d, kind.window).bytes();
}

template <class Cache>
void append(benchmark::State& state, const Kind<Cache>& kind, std::size_t n) {
  Stream& s = stream(n);
  s.exact.clear();  // the rival below becomes as large
  std::optional<Cache> cache;
  double own_time = 0.0, rival_time = 0.0, tokens = 0.0;
  const auto some = [&](auto& to, std::size_t first) {
    return seconds([&] {
      for (std::size_t i = first; i < first + chunk; ++i) to.append(s.keys(i, 1), s.values(i, 1));
    });
  };
  for (auto _ : state) {
    state.PauseTiming();
    cache.emplace(kind.empty(first_seed));
    Exact rival(1, d, d);
    for (std::size_t at = 0; at < n; at += chunk) {
      state.ResumeTiming();
      own_time += some(*cache, at);
      state.PauseTiming();
      rival_time += some(rival, at);
    }
    tokens += static_cast<double>(n);
    state.ResumeTiming();
  }
  state.counters["append_us"] = 1e6 * own_time / tokens;
  state.counters["exact_us"] = 1e6 * rival_time / tokens;
  state.counters["speedup_vs_exact"] = rival_time / own_time;
  report(state, kind, s, std::span<const Cache>(&*cache, 1));
}

/// Adds copies, so many that none is met in the processor's caches when they are taken in turn.
template <class Cache>
void add_cold_copies(std::vector<Cache>& caches) {
  const std::size_t count = cold_bytes / caches[0].size_in_bytes(), first = caches.size();
  if (count <= first) return;
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("lazygumbel_kv_bench_" + std::to_string(getpid()));
  for (std::size_t i = 0; i < first; ++i) {
    caches[i].save(path);
    for (std::size_t copy = first + i; copy < count; copy += first)
      caches.push_back(Cache::load(path));
  }
  std::filesystem::remove(path);
}

template <class Cache>
void attend(benchmark::State& state, const Kind<Cache>& kind, std::size_t n) {
  Stream& s = stream(n);
  if (s.exact.empty()) {
    s.exact.emplace_back(1, d, d);
    s.exact[0].append(s.keys(0, n), s.values(0, n));
    add_cold_copies(s.exact);
  }
  const lg::AttentionOptions options = s.options();
  const auto run = [&](const std::vector<Cache>& caches, std::size_t draws) {
    const auto query_to = [&](const auto& all, std::size_t i) {
      benchmark::DoNotOptimize(all[i % all.size()].attend(s.query(i), options).values.data());
    };
    Interleaved timing(16, 4, "speedup_vs_exact");
    timing.run(
        state, [&](std::size_t i) { query_to(caches, i); },
        [&](std::size_t i) { query_to(s.exact, i); });
    state.counters["exact_us"] = 1e6 * timing.rival_seconds();
    report(state, kind, s, std::span<const Cache>(caches.data(), draws));
  };
  if constexpr (std::same_as<Cache, Exact>) {
    run(s.exact, 1);
  } else {
    const std::size_t draws = is_sketch<Cache> ? sketches : 1;
    static std::vector<Cache> caches;  // of the last kind and size: its trial runs share them
    static std::string made;
    if (const std::string name = kind.name + std::to_string(n); made != name) {
      caches.clear();
      caches.reserve(cold_bytes >> 20);  // copies would hold less: each takes a megabyte or more
      for (std::size_t i = 0; i < draws; ++i) {
        caches.push_back(kind.empty(first_seed + i));
        caches.back().append(s.keys(0, n), s.values(0, n));
      }
      add_cold_copies(caches);
      made = name;
    }
    run(caches, draws);
  }
}

/// Calls visit(kind) for each.
template <class Visit>
void for_each_kind(Visit&& visit) {
  using Estimator = lg::SubGenEstimator;
  visit(Kind<Exact>{"exact", [](std::uint64_t) { return Exact(1, d, d); }});
  visit(sub_gen("sub_gen", sub_gen_options(Estimator::centred)));
  visit(sub_gen("sub_gen_plain", sub_gen_options(Estimator::plain)));
  visit(sub_gen("sub_gen_self_normalised", sub_gen_options(Estimator::self_normalised)));
  visit(sub_gen("sub_gen_stratified", sub_gen_options(Estimator::stratified)));
  lg::SubGenOptions uniform = sub_gen_options(Estimator::stratified);
  uniform.radius = std::numeric_limits<double>::infinity();
  uniform.samples_per_cluster = 16384;
  visit(sub_gen("uniform", uniform));
  visit(windowed("window", -std::numeric_limits<double>::infinity()));
  visit(windowed("window_unmasked", 0.0));
}

const bool registered = [] {
  const std::vector<std::size_t> sizes = quick()
                                             ? std::vector<std::size_t>{16'000}
                                             : std::vector<std::size_t>{16'000, 128'000, 1'000'000};
  for (const std::size_t n : sizes) {
    const std::string of_n = "/n:" + std::to_string(n);
    for_each_kind([&](const auto& kind) {
      const std::string name = "kv_append/" + kind.name + of_n;
      benchmark::RegisterBenchmark(name.c_str(), [kind, n](benchmark::State& s) {
        append(s, kind, n);
      })->Unit(benchmark::kMillisecond);
    });
    for_each_kind([&](const auto& kind) {
      const std::string name = "kv_attend/" + kind.name + of_n;
      benchmark::RegisterBenchmark(name.c_str(), [kind, n](benchmark::State& s) {
        attend(s, kind, n);
      })->Unit(benchmark::kMicrosecond);
    });
  }
  return true;
}();

}  // namespace
