// Prefill: many queries at once, one head.
//
//   attention_prefill/<path>/<data>/d:<d>/n:<n>         causal self-attention of n tokens
//   attention_prefill/<path>/<data>/d:<d>/n:<n>/m:<m>   the last m of them over all n keys
//
// Paths: exact, ggml (its flash attention in f32, where CMake finds ggml), sampled
// (KnnAttention::forward, building its lists included), topk_only (its lists without the tail);
// sampled_2 and exact_2: on two threads. One thread otherwise. One iteration is one forward pass;
// after it, one of exact attention (the rival), where that is not too long.
//
// speedup_vs_exact: median over iterations. relative_error: mean over rows of |o^ - o| / |o|;
// missed: share of rows beyond the target. flops_fraction: 4 n m d (2 n m d when causal) over time
// in the peak of fused multiply-adds. growth: exponent of the time in n, between the least and the
// largest n that ran.

#include <benchmark/benchmark.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "attention_problems.hpp"
#include "ggml_attention.hpp"
#include "interleaved.hpp"
#include "lazygumbel/lazygumbel.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
namespace lg = lazygumbel;

struct Case {
  std::string data;
  std::size_t d, n, m;  ///< m == 0: causal self-attention
  bool causal() const { return m == 0; }
  std::size_t queries() const { return causal() ? n : m; }
  bool operator==(const Case&) const = default;
};

const AttentionProblem* problem(const Case& c, std::string& why) {
  static std::optional<Case> kept;
  static std::optional<AttentionProblem> made;
  if (!kept || !(*kept == c)) {
    made.reset();
    made = attention_problem(c.data, c.d, c.n, c.queries(), 23, why);
    kept = c;
  }
  return made ? &*made : nullptr;
}

double peak() {
  static const double measured = fma_peak();
  return measured;
}

lg::AttentionOptions options_of(const AttentionProblem& p, const Case& c, std::size_t threads) {
  lg::AttentionOptions options;
  options.scale = p.scale;
  options.threads = threads;
  if (c.causal()) options.mask = lg::AttentionMask::causal();
  return options;
}

double flops(const Case& c) {
  const auto n = static_cast<double>(c.n), d = static_cast<double>(c.d);
  return c.causal() ? 2.0 * n * n * d : 4.0 * n * static_cast<double>(c.m) * d;
}

void exact(benchmark::State& state, const Case& c, std::size_t threads) {
  std::string why;
  const AttentionProblem* const p = problem(c, why);
  if (p == nullptr) return state.SkipWithError(why.c_str());
  lg::AttentionOutput out;
  std::vector<double> times;
  for (auto _ : state)
    times.push_back(seconds([&] {
      lg::exact_attention<float>(p->queries, p->keys, p->values, options_of(*p, c, threads), out);
    }));
  state.counters["flops_fraction"] = flops(c) / median(times) / peak();
  state.counters["us_a_query"] = 1e6 * median(times) / static_cast<double>(c.queries());
  if (c.causal())
    note_growth(state, "growth", "exact/" + c.data + std::to_string(threads), c.n, median(times));
}

#ifdef LAZYGUMBEL_BENCH_GGML
void ggml(benchmark::State& state, const Case& c) {
  std::string why;
  const AttentionProblem* const p = problem(c, why);
  if (p == nullptr) return state.SkipWithError(why.c_str());
  GgmlAttention peer(p->keys, p->values, GgmlAttention::Type::f32, c.queries(), c.causal(),
                     p->scale, 1);
  lg::RowMatrix<float> out(p->queries.rows(), p->values.cols());
  lg::AttentionOutput ours;
  Interleaved timing(1, 1, "speedup_vs_exact");
  timing.run(
      state, [&](std::size_t) { peer.run(p->queries.data(), out.data()); },
      [&](std::size_t) {
        lg::exact_attention<float>(p->queries, p->keys, p->values, options_of(*p, c, 1), ours);
      });
  state.counters["relative_error"] =
      static_cast<double>((out - ours.values).norm() / ours.values.norm());
  state.counters["flops_fraction"] = flops(c) / timing.own_seconds() / peak();
  state.counters["us_a_query"] = 1e6 * timing.own_seconds() / static_cast<double>(c.queries());
  state.counters["exact_us_a_query"] =
      1e6 * timing.rival_seconds() / static_cast<double>(c.queries());
}
#endif

void sampled(benchmark::State& state, const Case& c, double epsilon, bool tail,
             std::size_t threads) {
  std::string why;
  const AttentionProblem* const p = problem(c, why);
  if (p == nullptr) return state.SkipWithError(why.c_str());
  lg::KnnAttentionOptions options;
  options.attention = options_of(*p, c, threads);
  options.accuracy = lg::Accuracy(epsilon, 0.1);
  options.sample_tail = tail;
  const lg::KnnAttention<float> attention(1, 1, c.d, c.d, options);
  lg::PhiloxEngine engine(5);
  lg::AttentionOutput out, truth;
  Interleaved timing(1, 1, "speedup_vs_exact");
  timing.run(
      state, [&](std::size_t) { out = attention.forward(p->queries, p->keys, p->values, engine); },
      [&](std::size_t) {
        lg::exact_attention<float>(p->queries, p->keys, p->values, options.attention, truth);
      });
  std::vector<double> errors, touched, estimates;
  double missed = 0.0, exact_rows = 0.0;
  const auto rows = static_cast<double>(c.queries());
  for (Eigen::Index i = 0; i < truth.values.rows(); ++i) {
    const lg::AttentionRow& row = out.rows[static_cast<std::size_t>(i)];
    errors.push_back(static_cast<double>((out.values.row(i) - truth.values.row(i)).norm() /
                                         truth.values.row(i).norm()));
    touched.push_back(row.keys_touched);
    estimates.push_back(static_cast<double>(row.error));
    missed += errors.back() > epsilon ? 1.0 / rows : 0.0;
    exact_rows += row.path == lg::AttentionPath::exact ? 1.0 / rows : 0.0;
  }
  state.counters["relative_error"] = mean(errors);
  state.counters["reported_error"] = mean(estimates);
  state.counters["target"] = epsilon;
  state.counters["missed"] = missed;
  state.counters["rows_touched"] = mean(touched);
  state.counters["exact_share"] = exact_rows;
  state.counters["us_a_query"] = 1e6 * timing.own_seconds() / rows;
  state.counters["exact_us_a_query"] = 1e6 * timing.rival_seconds() / rows;
  if (c.causal())
    note_growth(state, "growth", "sampled/" + c.data + std::to_string(threads), c.n,
                timing.own_seconds());
}

template <class Body>
void add(const std::string& path, const Case& c, int iterations, Body body) {
  std::string name = "attention_prefill/" + path + "/" + c.data + "/d:" + std::to_string(c.d) +
                     "/n:" + std::to_string(c.n);
  if (!c.causal()) name += "/m:" + std::to_string(c.m);
  benchmark::RegisterBenchmark(name.c_str(), [c, body](benchmark::State& s) { body(s, c); })
      ->Unit(benchmark::kMillisecond)
      ->Iterations(iterations)
      ->UseRealTime();
}

const bool registered = [] {
  const auto exact_one = [](auto& s, const Case& c) { exact(s, c, 1); };
  const auto exact_two = [](auto& s, const Case& c) { exact(s, c, 2); };
  const auto sampled_one = [](auto& s, const Case& c) { sampled(s, c, 0.05, true, 1); };
  const auto sampled_two = [](auto& s, const Case& c) { sampled(s, c, 0.05, true, 2); };
  const auto top_one = [](auto& s, const Case& c) { sampled(s, c, 0.05, false, 1); };
  for (const std::size_t n : {4096, 16384, 65536}) {
    if (quick() && n > 4096) break;
    for (const std::size_t d : {64, 128}) {
      add("exact", {"gaussian_sigma2", d, n, 512}, 3, exact_one);
#ifdef LAZYGUMBEL_BENCH_GGML
      add("ggml", {"gaussian_sigma2", d, n, 512}, 3, ggml);
#endif
    }
    if (n > 16384) continue;
    add("exact", {"gaussian_sigma2", 64, n, 0}, 3, exact_one);
#ifdef LAZYGUMBEL_BENCH_GGML
    add("ggml", {"gaussian_sigma2", 64, n, 0}, 3, ggml);
#endif
  }
  for (const std::size_t n : {8192, 16384, 32768, 65536, 100000}) {
    if (quick() && n > 8192) break;
    const Case c{"clusters", 64, n, 0};
    if (n == 100000) {
      add("sampled_2", c, 3, sampled_two);
      add("exact_2", c, 1, exact_two);
      continue;
    }
    add("exact", c, 1, exact_one);
    add("sampled", c, 3, sampled_one);
    if (n == 65536) add("topk_only", c, 1, top_one);
  }
  if (!quick()) {
    add("sampled", {"glove100k", 100, 65536, 0}, 1, sampled_one);
    add("sampled", {"gaussian_sigma2", 64, 16384, 0}, 1, sampled_one);
    add("sampled", {"gaussian_sigma3", 64, 16384, 0}, 1, sampled_one);
  }
  return true;
}();

}  // namespace
