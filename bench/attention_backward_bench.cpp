// Gradients of causal self-attention of n tokens, one head, one thread; dO ~ N(0, 1).
//
//   attention_backward/<path>/<data>/d:<d>/n:<n>   one iteration is one backward pass
//
// Paths: exact (exact_attention_backward), sampled (KnnAttention::backward, self-normalised, from
// the tape of a forward pass; beside it the exact one). speedup_vs_exact: median over iterations,
// backward against backward; both_speedup: forward and backward together, the building of lists
// included. error_queries, _keys, _values: |g^ - g| / |g| in the Frobenius norm against the exact
// gradients, relative_error the largest of them; stated_*: what the answer says of itself.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "attention_problems.hpp"
#include "interleaved.hpp"
#include "lazygumbel/lazygumbel.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
namespace lg = lazygumbel;

struct Case {
  std::string data;
  std::size_t d, n;
};

/// Rows of dO: those of a Gaussian problem's keys are N(0, 1).
lg::RowMatrix<float> output_gradients(const Case& c) {
  std::string why;
  return attention_problem("gaussian_sigma2", c.d, c.n, 1, 99, why)->keys;
}

lg::AttentionOptions options_of(const AttentionProblem& p) {
  lg::AttentionOptions options;
  options.scale = p.scale;
  options.mask = lg::AttentionMask::causal();
  return options;
}

void exact(benchmark::State& state, const Case& c) {
  std::string why;
  const auto p = attention_problem(c.data, c.d, c.n, c.n, 23, why);
  if (!p) return state.SkipWithError(why.c_str());
  const lg::RowMatrix<float> slopes = output_gradients(c);
  const auto options = options_of(*p);
  const auto out = lg::exact_attention<float>(p->queries, p->keys, p->values, options);
  lg::AttentionGradients gradients;
  std::vector<double> times;
  for (auto _ : state)
    times.push_back(seconds([&] {
      lg::exact_attention_backward<float>(p->queries, p->keys, p->values, options, out,
                                          lg::HeadsView<float>(slopes), gradients);
    }));
  const double n = static_cast<double>(c.n), d = static_cast<double>(c.d);
  state.counters["flops_fraction"] = 5.0 * n * n * d / median(times) / fma_peak();
  note_growth(state, "growth", "exact/" + c.data, c.n, median(times));
}

double error(const lg::RowMatrix<float>& mine, const lg::RowMatrix<float>& truth) {
  return static_cast<double>((mine - truth).norm() / truth.norm());
}

void sampled(benchmark::State& state, const Case& c, std::size_t draws) {
  std::string why;
  const auto p = attention_problem(c.data, c.d, c.n, c.n, 23, why);
  if (!p) return state.SkipWithError(why.c_str());
  const lg::RowMatrix<float> slopes = output_gradients(c);
  lg::KnnAttentionOptions options;
  options.attention = options_of(*p);
  options.accuracy = lg::Accuracy(0.05, 0.1);
  options.tail_samples = draws;
  const lg::KnnAttention<float> attention(1, 1, c.d, c.d, options);
  lg::PhiloxEngine engine(5);
  lg::AttentionTape tape;
  lg::AttentionOutput truth;
  std::vector<double> forward, exact_forward;
  for (int i = 0; i < 3; ++i) {
    forward.push_back(seconds([&] {
      static_cast<void>(attention.forward(p->queries, p->keys, p->values, engine, &tape));
    }));
    exact_forward.push_back(seconds([&] {
      lg::exact_attention<float>(p->queries, p->keys, p->values, options.attention, truth);
    }));
  }
  lg::AttentionGradients gradients, exact_gradients;
  Interleaved timing(1, 1, "speedup_vs_exact");
  timing.run(
      state,
      [&](std::size_t) {
        gradients = attention.backward(p->queries, p->keys, p->values, tape, slopes);
      },
      [&](std::size_t) {
        lg::exact_attention_backward<float>(p->queries, p->keys, p->values, options.attention,
                                            truth, lg::HeadsView<float>(slopes), exact_gradients);
      });
  state.counters["both_speedup"] =
      (median(exact_forward) + timing.rival_seconds()) / (median(forward) + timing.own_seconds());
  const double queries = error(gradients.queries, exact_gradients.queries);
  const double keys = error(gradients.keys, exact_gradients.keys);
  const double values = error(gradients.values, exact_gradients.values);
  state.counters["error_queries"] = queries;
  state.counters["error_keys"] = keys;
  state.counters["error_values"] = values;
  state.counters["relative_error"] = (std::max)({queries, keys, values});
  state.counters["stated_queries"] = gradients.errors.queries;
  state.counters["stated_keys"] = gradients.errors.keys;
  state.counters["stated_values"] = gradients.errors.values;
  state.counters["draws"] = static_cast<double>(draws);
  state.counters["forward_ms"] = 1e3 * median(forward);
  state.counters["exact_ms"] = 1e3 * timing.rival_seconds();
}

template <class Body>
void add(const std::string& path, const Case& c, int iterations, Body body) {
  const std::string name = "attention_backward/" + path + "/" + c.data +
                           "/d:" + std::to_string(c.d) + "/n:" + std::to_string(c.n);
  benchmark::RegisterBenchmark(name.c_str(), [c, body](benchmark::State& s) { body(s, c); })
      ->Unit(benchmark::kMillisecond)
      ->Iterations(iterations)
      ->UseRealTime();
}

const bool registered = [] {
  for (const std::size_t n : {8192, 32768}) {
    if (quick() && n > 8192) break;
    add("exact", {"clusters", 64, n}, 1, exact);
    add("sampled", {"clusters", 64, n}, 3, [](auto& s, const Case& c) { sampled(s, c, 256); });
    add("sampled_1792", {"clusters", 64, n}, 3,
        [](auto& s, const Case& c) { sampled(s, c, 1792); });
  }
  if (!quick())
    add("sampled", {"glove100k", 100, 32768}, 1,
        [](auto& s, const Case& c) { sampled(s, c, 256); });
  return true;
}();

}  // namespace
