// Decoding: one query, one head, against n keys and values of d dimensions that lie in memory, not
// in cache; one thread.
//
//   attention_decode/<path>/<data>/d:<d>/n:<n>   one iteration is one query; after every few, exact
//                                                attention of other queries beside it
//   attention_decode/threads/<data>/d:<d>/n:<n>/heads:<h>/m:<m>
//                                                exact attention of m queries of h heads that share
//                                                keys and values, on two threads; rival: on one
//
// Paths: exact, exact_f16, exact_bf16 (exact_attention in that storage); ggml, ggml_f16 (its flash
// attention, where CMake finds ggml); sampled (KnnAttention by 4-bit codes, no index), lists
// (KeyIndex::lists), topk_only (64 keys by codes, no tail). Data: bench/support. The rival of exact
// paths is exact in f32, of sampled ones the same.
//
// speedup_vs_exact: median over rounds (threads: speedup_vs_one). relative_error: mean over queries
// of |o^ - o| / |o|, o by exact attention in f32 (of f16: that of the rounding of K and V, too).
// missed: share of queries whose error exceeds the target. bandwidth_fraction: of bytes of K and V
// over time in what one thread reads at most. append_us: of a token.

#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attention_problems.hpp"
#include "ggml_attention.hpp"
#include "interleaved.hpp"
#include "lazygumbel/lazygumbel.hpp"
#include "workload.hpp"

namespace {

using namespace bench;
namespace lg = lazygumbel;

constexpr std::size_t queries = 256;
constexpr std::size_t cold_bytes = 192 << 20;  // several times the last cache

struct Key {
  std::string data;
  std::size_t d, n;
  bool operator==(const Key&) const = default;
};

/// The problem of a name, the last one kept: they are large.
const AttentionProblem* problem(const Key& key, std::string& why) {
  static std::optional<Key> kept;
  static std::optional<AttentionProblem> made;
  if (!kept || !(*kept == key)) {
    made.reset();
    made = attention_problem(key.data, key.d, key.n, queries, 17, why);
    kept = key;
  }
  return made ? &*made : nullptr;
}

double bandwidth() {
  static const double measured = read_bandwidth();
  return measured;
}

/// Copies of a cache, taken in turn, so that none is met in the processor's.
template <class T>
std::vector<lg::KeyValueCache<T>> cold_caches(const AttentionProblem& p) {
  const lg::RowMatrix<T> keys = p.keys.cast<T>(), values = p.values.cast<T>();
  const std::size_t bytes = static_cast<std::size_t>(p.keys.size() + p.values.size()) * sizeof(T);
  std::vector<lg::KeyValueCache<T>> caches;
  for (std::size_t i = 0; i < (std::max)(std::size_t{1}, cold_bytes / bytes); ++i) {
    caches.emplace_back(1, static_cast<std::size_t>(keys.cols()),
                        static_cast<std::size_t>(values.cols()));
    caches.back().append(keys, values);
  }
  return caches;
}

auto query(const AttentionProblem& p, std::size_t i) {
  return p.queries.row(static_cast<Eigen::Index>(i % queries));
}

lg::AttentionOptions options_of(const AttentionProblem& p) {
  lg::AttentionOptions options;
  options.scale = p.scale;
  return options;
}

/// Exact attention in f32: the rival.
class Rival {
 public:
  explicit Rival(const AttentionProblem& p)
      : problem_(p), options_(options_of(p)), caches_(cold_caches<float>(p)) {}

  const lg::RowMatrix<float>& run(std::size_t i) {
    const auto& cache = caches_[i % caches_.size()];
    lg::exact_attention<float>(query(problem_, i), cache.keys(), cache.values(), options_, out_);
    return out_.values;
  }

 private:
  const AttentionProblem& problem_;
  lg::AttentionOptions options_;
  std::vector<lg::KeyValueCache<float>> caches_;
  lg::AttentionOutput out_;
};

/// |mine - exact| / |exact|.
template <class Derived>
double relative_error(const Eigen::MatrixBase<Derived>& mine, const lg::RowMatrix<float>& exact) {
  return static_cast<double>((mine - exact).norm() / exact.norm());
}

void report(benchmark::State& state, const AttentionProblem& p, const Interleaved& timing,
            std::size_t bytes_of_a_number, double error) {
  const auto bytes =
      static_cast<double>(p.keys.size() + p.values.size()) * static_cast<double>(bytes_of_a_number);
  state.counters["bandwidth_fraction"] = bytes / timing.own_seconds() / bandwidth();
  state.counters["exact_us"] = 1e6 * timing.rival_seconds();
  state.counters["relative_error"] = error;
}

template <class T>
void exact(benchmark::State& state, const Key& key) {
  std::string why;
  const AttentionProblem* const p = problem(key, why);
  if (p == nullptr) return state.SkipWithError(why.c_str());
  const auto caches = cold_caches<T>(*p);
  Rival rival(*p);
  lg::AttentionOutput out;
  const auto run = [&](std::size_t i) {
    const auto& cache = caches[i % caches.size()];
    lg::exact_attention<T>(query(*p, i), cache.keys(), cache.values(), options_of(*p), out);
  };
  Interleaved timing(4, 4, "speedup_vs_exact");
  timing.run(state, run, [&](std::size_t i) { rival.run(i); });
  std::vector<double> errors;
  for (std::size_t i = 0; i < 16; ++i) {
    run(i);
    errors.push_back(relative_error(out.values, rival.run(i)));
  }
  report(state, *p, timing, sizeof(T), mean(errors));
}

/// `heads` heads and `m` queries over one head of keys and values.
void threads(benchmark::State& state, const Key& key, std::size_t heads, std::size_t m) {
  std::string why;
  const AttentionProblem* const p = problem(key, why);
  if (p == nullptr) return state.SkipWithError(why.c_str());
  const auto d = static_cast<std::ptrdiff_t>(key.d);
  const lg::HeadsView<float> several(p->queries.data(), m, heads, key.d,
                                     static_cast<std::ptrdiff_t>(heads) * d, d);
  const auto caches = cold_caches<float>(*p);
  lg::AttentionOutput out;
  const auto run = [&](std::size_t i, std::size_t count) {
    const auto& cache = caches[i % caches.size()];
    lg::AttentionOptions options = options_of(*p);
    options.threads = count;
    lg::exact_attention<float>(several, cache.keys(), cache.values(), options, out);
  };
  Interleaved timing(1, 1, "speedup_vs_one");
  timing.run(
      state, [&](std::size_t i) { run(i, 2); }, [&](std::size_t i) { run(i, 1); });
  state.counters["one_us"] = 1e6 * timing.rival_seconds();
}

#ifdef LAZYGUMBEL_BENCH_GGML
void ggml(benchmark::State& state, const Key& key, GgmlAttention::Type type) {
  std::string why;
  const AttentionProblem* const p = problem(key, why);
  if (p == nullptr) return state.SkipWithError(why.c_str());
  const std::size_t number = type == GgmlAttention::Type::f32 ? 4 : 2;
  const std::size_t bytes = static_cast<std::size_t>(p->keys.size() + p->values.size()) * number;
  std::vector<GgmlAttention> peers;
  for (std::size_t i = 0; i < (std::max)(std::size_t{1}, cold_bytes / bytes); ++i)
    peers.emplace_back(p->keys, p->values, type, 1, false, p->scale, 1);
  Rival rival(*p);
  lg::RowMatrix<float> out(1, p->values.cols());
  const auto run = [&](std::size_t i) {
    peers[i % peers.size()].run(query(*p, i).data(), out.data());
  };
  Interleaved timing(4, 4, "speedup_vs_exact");
  timing.run(state, run, [&](std::size_t i) { rival.run(i); });
  std::vector<double> errors;
  for (std::size_t i = 0; i < 16; ++i) {
    run(i);
    errors.push_back(relative_error(out, rival.run(i)));
  }
  report(state, *p, timing, number, mean(errors));
}
#endif

void sampled(benchmark::State& state, const Key& key, double epsilon, lg::KeyIndex index,
             bool tail) {
  std::string why;
  const AttentionProblem* const p = problem(key, why);
  if (p == nullptr) return state.SkipWithError(why.c_str());
  lg::KnnAttentionOptions options;
  options.attention = options_of(*p);
  options.accuracy = lg::Accuracy(epsilon, 0.1);
  options.index = index;
  options.sample_tail = tail;
  lg::KnnAttention<float> attention(1, 1, key.d, key.d, options);
  const double append = seconds([&] { attention.append(p->keys, p->values); });
  Rival rival(*p);
  lg::PhiloxEngine engine(5);
  lg::AttentionOutput out;
  // What is made once, when first needed, is counted by itself.
  const double first = seconds([&] { attention.decode(query(*p, 0), engine, out); });
  Interleaved timing(8, 4, "speedup_vs_exact");
  timing.run(
      state, [&](std::size_t i) { attention.decode(query(*p, i), engine, out); },
      [&](std::size_t i) { rival.run(i); });
  std::vector<double> errors, touched, estimates;
  double missed = 0.0, exact_rows = 0.0;
  for (std::size_t i = 0; i < 100; ++i) {
    attention.decode(query(*p, i), engine, out);
    errors.push_back(relative_error(out.values, rival.run(i)));
    touched.push_back(out.rows[0].keys_touched);
    estimates.push_back(static_cast<double>(out.rows[0].error));
    missed += errors.back() > epsilon ? 0.01 : 0.0;
    exact_rows += out.rows[0].path == lg::AttentionPath::exact ? 0.01 : 0.0;
  }
  report(state, *p, timing, 4, mean(errors));
  state.counters["rows_touched"] = mean(touched);
  state.counters["target"] = epsilon;
  state.counters["reported_error"] = mean(estimates);
  state.counters["missed"] = missed;
  state.counters["exact_share"] = exact_rows;
  state.counters["append_us"] = 1e6 * append / static_cast<double>(key.n);
  state.counters["first_ms"] = 1e3 * first;
}

template <class Body>
void add(const std::string& path, const Key& key, const std::string& end, Body body) {
  const std::string name = "attention_decode/" + path + "/" + key.data +
                           "/d:" + std::to_string(key.d) + "/n:" + std::to_string(key.n) + end;
  benchmark::RegisterBenchmark(name.c_str(), [key, body](benchmark::State& s) { body(s, key); })
      ->Unit(benchmark::kMicrosecond)
      ->UseRealTime();
}

template <class Body>
void add(const std::string& path, const Key& key, Body body) {
  add(path, key, "", body);
}

const bool registered = [] {
  const auto exact_paths = [](const Key& key) {
    add("exact", key, exact<float>);
    add("exact_f16", key, exact<Eigen::half>);
    add("exact_bf16", key, exact<Eigen::bfloat16>);
#ifdef LAZYGUMBEL_BENCH_GGML
    add("ggml", key, [](auto& s, const Key& k) { ggml(s, k, GgmlAttention::Type::f32); });
    add("ggml_f16", key, [](auto& s, const Key& k) { ggml(s, k, GgmlAttention::Type::f16); });
#endif
  };
  const auto sampled_paths = [](const Key& key, double epsilon, bool lists) {
    add("sampled", key,
        [=](auto& s, const Key& k) { sampled(s, k, epsilon, lg::KeyIndex::codes, true); });
    add("topk_only", key,
        [=](auto& s, const Key& k) { sampled(s, k, epsilon, lg::KeyIndex::codes, false); });
    if (lists)
      add("lists", key,
          [=](auto& s, const Key& k) { sampled(s, k, epsilon, lg::KeyIndex::lists, true); });
  };
  const std::vector<std::size_t> sizes = quick()
                                             ? std::vector<std::size_t>{4096}
                                             : std::vector<std::size_t>{4096, 16384, 65536, 262144};
  for (const std::size_t n : sizes) {
    for (const std::size_t d : {64, 128}) exact_paths({"gaussian_sigma2", d, n});
    if (n < 65536 && !quick()) continue;
    // Errors of 3% and 2% are wanted in the mean; the target holds for nine queries of ten.
    sampled_paths({"gaussian_sigma2", 128, n}, 0.034, false);
    sampled_paths({"gaussian_sigma3", 128, n}, 0.034, false);
    sampled_paths({"clusters", 128, n}, 0.022, true);
  }
  for (const std::size_t n : {std::size_t{8192}, std::size_t{65536}}) {
    if (quick() && n > 8192) break;
    for (const auto& [heads, m] : {std::pair<std::size_t, std::size_t>{1, 1},
                                   {8, 1},
                                   {9, 1},
                                   {16, 1},
                                   {32, 1},
                                   {128, 1},
                                   {1, 9},
                                   {1, 64},
                                   {1, 256},
                                   {16, 16}})
      add("threads", {"gaussian_sigma2", 128, n},
          "/heads:" + std::to_string(heads) + "/m:" + std::to_string(m),
          [h = heads, rows = m](auto& s, const Key& k) { threads(s, k, h, rows); });
  }
  for (const std::size_t n : {std::size_t{65536}, std::size_t{100000}})
    if (!quick()) sampled_paths({"glove100k", 100, n}, 0.022, true);
  return true;
}();

}  // namespace
