#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/attention/cache/exact_kv_cache.hpp>
#include <lazygumbel/attention/window/sliding_window_attention.hpp>
#include <lazygumbel/attention/window/sliding_window_cache.hpp>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "attention_checks.hpp"
#include "attention_inputs.hpp"
#include "cache_files.hpp"
#include "long_stream.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"
#include "scalars.hpp"
#include "window_reference.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::size_t window_heads = 2, window_d = 5, window_dv = 3;

template <class T>
class SlidingWindowCacheOf : public ::testing::Test {
  static_assert(MergeableKvCache<SlidingWindowCache<T>>);
  static_assert(std::copyable<SlidingWindowCache<T>>);
};
TYPED_TEST_SUITE(SlidingWindowCacheOf, CacheScalars);

/// Inputs of 2 kv heads with values of mean 1.
template <class T = float>
AttentionInputs<T> stream_of(std::size_t n, std::size_t m = 2, std::size_t group = 2,
                             std::uint64_t seed = 1) {
  AttentionInputs<T> inputs(m, n, window_d, window_dv, group * window_heads, window_heads, seed);
  inputs.values = (inputs.values.template cast<float>().array() + 1.0F).template cast<T>();
  return inputs;
}

/// A cache that was given the tokens first .. first + count, `step` at a time.
template <class T>
void append(SlidingWindowCache<T>& cache, const AttentionInputs<T>& inputs, std::size_t first,
            std::size_t count, std::size_t step) {
  for (std::size_t at = 0; at < count; at += step) {
    const std::size_t some = std::min(step, count - at);
    cache.append(inputs.k().tokens(first + at, some), inputs.v().tokens(first + at, some));
  }
}

template <class T>
SlidingWindowCache<T> window_cache_of(const AttentionInputs<T>& inputs,
                                      const SlidingWindowOptions& window, std::size_t first,
                                      std::size_t count, std::size_t step = 1) {
  SlidingWindowCache<T> cache(window_heads, window_d, window_dv, window);
  append(cache, inputs, first, count, step);
  return cache;
}

/// Every query against all tokens, as if each came last.
template <class T>
ReferenceAttention dense(const AttentionInputs<T>& inputs, const SlidingWindowOptions& window,
                         const AttentionOptions& options) {
  ReferenceAttention out{
      RowMatrix<double>::Zero(inputs.queries.rows(), inputs.gradients.cols()),
      RowMatrix<double>(inputs.queries.rows(), static_cast<Eigen::Index>(inputs.heads))};
  for (Eigen::Index i = 0; i < inputs.queries.rows(); ++i) {
    WindowProblem one{inputs.problem(options), window};
    one.problem.queries = inputs.queries.row(i).template cast<double>();
    const ReferenceAttention row = one.forward();
    out.values.row(i) = row.values;
    out.log_sum_exp.row(i) = row.log_sum_exp;
  }
  return out;
}

template <class T>
void expect_dense(const AttentionInputs<T>& inputs, const SlidingWindowOptions& window,
                  const AttentionOptions& options = {}) {
  const std::size_t n = inputs.k().tokens();
  const std::string what = "window " + std::to_string(window.window) + ", logit " +
                           std::to_string(window.residual_logit) + ", n " + std::to_string(n);
  const SlidingWindowCache<T> cache = window_cache_of(inputs, window, 0, n, 7);
  const AttentionOutput out = cache.attend(inputs.q(), options);
  expect_near(out, dense(inputs, window, options), score_bound(inputs.q(), inputs.k(), options),
              what);
  ASSERT_EQ(cache.tokens_seen(), n);
  ASSERT_EQ(cache.tokens_kept(), std::min(n, window.window));
  for (const AttentionRow& row : out.rows) {
    ASSERT_EQ(row.keys_touched, std::min(n, window.window)) << what;
    ASSERT_EQ(row.error, 0.0F);
    ASSERT_EQ(row.path, AttentionPath::exact);
  }
}

/// The same bits, whatever is asked.
template <class T>
void expect_same_window(const SlidingWindowCache<T>& a, const SlidingWindowCache<T>& b,
                        const std::string& what = "") {
  ASSERT_EQ(a.tokens_seen(), b.tokens_seen()) << what;
  ASSERT_EQ(a.options(), b.options()) << what;
  const RowMatrix<float> queries = gaussian_rows<float>(3, window_heads * window_d, 77);
  expect_same(a.attend({queries, window_heads}), b.attend({queries, window_heads}), what);
  for (std::size_t kv = 0; kv < window_heads; ++kv) {
    ASSERT_EQ(a.residual(kv).count, b.residual(kv).count) << what;
    ASSERT_EQ(a.residual(kv).value_sum, b.residual(kv).value_sum) << what;
  }
}

TYPED_TEST(SlidingWindowCacheOf, EqualsDenseAttention) {
  const std::vector<float> sinks{0.5F, -1.0F, -static_cast<float>(infinity), 3.0F};
  for (const double logit : {0.0, 1.5, -3.0, -infinity})
    for (const std::size_t n : {1, 2, 31, 32, 33, 100})
      for (const std::size_t window :
           {std::size_t{1}, std::size_t{32}, (std::numeric_limits<std::size_t>::max)()}) {
        const AttentionInputs<TypeParam> inputs = stream_of<TypeParam>(n);
        expect_dense(inputs, {window, logit});
        expect_dense(inputs, {window, logit}, {.scale = 0.8, .softcap = 2.0, .sink_logits = sinks});
      }
}

TEST(SlidingWindowCache, EveryGroupThreadsAndInstructionSet) {
  for (const std::size_t group : {1, 3, 4})
    for (const std::size_t m : {1, 30}) {
      const AttentionInputs<float> inputs = stream_of(90, m, group);
      for (const Simd simd : supported_simds())
        expect_dense(inputs, {20, 0.5}, {.threads = 64, .simd = simd});
    }
}

TEST(SlidingWindowCache, LargeScores) {
  AttentionInputs<float> inputs = stream_of(60);
  for (const float size : {1e4F, -1e4F}) {
    inputs.queries.setConstant(40.0F);
    inputs.keys.setConstant(size / 200.0F);
    for (Eigen::Index j = 0; j < 60; ++j) inputs.keys(j, 0) += static_cast<float>(j % 3) / 64.0F;
    for (const double logit : {-1e4, 0.0, 1e4, 1e4 + 1.5, -infinity})
      expect_dense(inputs, {10, logit}, {.scale = 1.0});
  }
}

TEST(SlidingWindowCache, EqualKeysAndZeroValues) {
  AttentionInputs<float> inputs = stream_of(60);
  inputs.keys.rowwise() = inputs.keys.row(0).eval();
  expect_dense(inputs, {10, 0.0});
  inputs.values.setZero();
  expect_dense(inputs, {10, 0.0});
}

TEST(SlidingWindowCache, Empty) {
  const AttentionInputs<float> inputs = stream_of(0);
  SlidingWindowCache<float> cache(window_heads, window_d, window_dv);
  EXPECT_EQ(cache.options(), SlidingWindowOptions{});
  cache.append(inputs.k(), inputs.v());
  EXPECT_EQ(cache.tokens_seen(), 0u);
  EXPECT_EQ(cache.residual(1).count, 0.0);
  const AttentionOutput out = cache.attend(inputs.q());
  EXPECT_EQ(largest_difference(out.values, 0.0), 0.0);
  EXPECT_EQ(out.log_sum_exp(1, 3), -infinity);
  EXPECT_EQ(out.rows[7].keys_touched, 0u);
  const std::vector<float> sinks{0.5F, 0.0F, 0.0F, 0.0F};
  EXPECT_EQ(cache.attend(inputs.q(), {.sink_logits = sinks}).log_sum_exp(0, 0), 0.5);
  EXPECT_EQ(cache.attend(stream_of(0, 0).q()).values.rows(), 0);
}

TYPED_TEST(SlidingWindowCacheOf, EqualsPrefillRowForRow) {
  using T = TypeParam;
  const AttentionInputs<T> inputs = stream_of<T>(70, 70);
  const std::vector<float> sinks{0.5F, -1.0F, 0.0F, 3.0F};
  for (const double logit : {0.0, -infinity})
    for (const std::size_t window : {1, 16, 100}) {
      const SlidingWindowOptions options{window, logit};
      const AttentionOptions with{.sink_logits = sinks};
      const AttentionOutput all =
          sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), options, with);
      SlidingWindowCache<T> cache(window_heads, window_d, window_dv, options);
      for (std::size_t t = 0; t < 70; ++t) {
        cache.append(inputs.k().tokens(t, 1), inputs.v().tokens(t, 1));
        const AttentionOutput one = cache.attend(inputs.q().tokens(t, 1), with);
        const auto row = static_cast<Eigen::Index>(t);
        ASSERT_LT(largest_difference(one.values.row(0), all.values.row(row)), 4e-6) << t;
        ASSERT_LT(largest_difference(one.log_sum_exp.row(0), all.log_sum_exp.row(row)), 4e-6);
        ASSERT_EQ(one.rows[3].keys_touched, all.rows[t * 4 + 3].keys_touched);
      }
    }
}

TYPED_TEST(SlidingWindowCacheOf, DoesNotDependOnThePieces) {
  using T = TypeParam;
  const AttentionInputs<T> inputs = stream_of<T>(200);
  for (const std::size_t window : {1, 17, 64, 199, 200, 201}) {
    const SlidingWindowCache<T> whole = window_cache_of(inputs, {window, 0.0}, 0, 200, 200);
    for (const std::size_t step : {1, 3, 17, 18, 64, 150})
      expect_same_window(window_cache_of(inputs, {window, 0.0}, 0, 200, step), whole,
                         std::to_string(window));
  }
}

TEST(SlidingWindowCache, StridesOfTokensAndHeads) {
  const AttentionInputs<float> inputs = stream_of(50);
  RowMatrix<float> keys(100, 9), values(100, 7);  // head after head, rows too wide
  keys.setConstant(std::numeric_limits<float>::quiet_NaN());
  values.setConstant(std::numeric_limits<float>::quiet_NaN());
  for (Eigen::Index h = 0; h < 2; ++h) {
    keys.block(h * 50, 0, 50, 5) = inputs.keys.middleCols(h * 5, 5);
    values.block(h * 50, 0, 50, 3) = inputs.values.middleCols(h * 3, 3);
  }
  SlidingWindowCache<float> cache(window_heads, window_d, window_dv, {16, 0.0});
  cache.append({keys.data(), 50, 2, window_d, 9, 450}, {values.data(), 50, 2, window_dv, 7, 350});
  expect_same_window(cache, window_cache_of(inputs, {16, 0.0}, 0, 50, 50));
}

TEST(SlidingWindowCache, MemoryGrowsToTheWindowAndNoFarther) {
  const AttentionInputs<float> inputs = stream_of(3000);
  SlidingWindowCache<float> cache(window_heads, window_d, window_dv, {1000});
  const std::size_t sums = 2 * window_heads * window_dv * sizeof(double),
                    row = window_heads * (window_d + window_dv) * sizeof(float);
  EXPECT_EQ(cache.size_in_bytes(), sums);
  std::size_t before = 0;
  for (std::size_t t = 0; t < 1000; ++t) {
    append(cache, inputs, t, 1, 1);
    EXPECT_GE(cache.size_in_bytes(), sums + (t + 1) * row);
    EXPECT_LE(cache.size_in_bytes(), sums + std::max<std::size_t>(16, 2 * (t + 1)) * row);
    EXPECT_GE(cache.size_in_bytes(), before);
    before = cache.size_in_bytes();
  }
  EXPECT_EQ(before, sums + 1000 * row);
  append(cache, inputs, 1000, 2000, 333);
  EXPECT_EQ(cache.size_in_bytes(), before);
  SlidingWindowCache<float> endless(window_heads, window_d, window_dv,
                                    {(std::numeric_limits<std::size_t>::max)()});
  append(endless, inputs, 0, 100, 10);
  EXPECT_LE(endless.size_in_bytes(), sums + 200 * row);
}

TEST(SlidingWindowCache, DoesNotDrift) {  // control: sliding_window_drift_control_test.cpp
  const LongStream stream;
  constexpr std::size_t window = LongStream::window, dimension = LongStream::dimension;
  SlidingWindowCache<float> cache(1, dimension, dimension, {window, 0.0});
  std::size_t bytes = 0;
  for (std::size_t t = 0; t < LongStream::tokens; ++t) {
    cache.append(stream.key(t), stream.value(t));
    if (t + 1 == window) bytes = cache.size_in_bytes();
  }
  EXPECT_EQ(cache.size_in_bytes(), bytes);
  const AttentionOutput out = cache.attend(stream.query, {.scale = 1.0});
  EXPECT_LT(drift(out.values.row(0).cast<double>(), stream.dense_output()), allowed_drift);
}

TEST(SlidingWindowCache, SumsWhatADoubleWouldLose) {
  const auto cache_with = [](std::initializer_list<float> values) {
    SlidingWindowCache<float> cache(1, 1, 1, {1, 0.0});
    const float key = 0.0F;
    for (const float value : values) cache.append({&key, 1, 1, 1, 1, 1}, {&value, 1, 1, 1, 1, 1});
    return cache;
  };
  EXPECT_EQ(cache_with({0x1p60F, 1.0F, -0x1p60F, 0.0F}).residual(0).value_sum[0], 1.0);
  SlidingWindowCache<float> merged = cache_with({0x1p60F, 1.0F, 0.0F});
  merged.merge(cache_with({3.0F, -0x1p60F, 0.0F}));
  EXPECT_EQ(merged.residual(0).value_sum[0], 4.0);
}

TYPED_TEST(SlidingWindowCacheOf, MergesAsIfOneStream) {
  using T = TypeParam;
  const AttentionInputs<T> inputs = stream_of<T>(300);
  for (const std::size_t window : {1, 5, 32})
    for (const std::size_t a : {0, 1, 4, 5, 6, 31, 32, 33, 40, 150})
      for (const std::size_t b : {0, 1, 4, 5, 6, 31, 32, 33, 40, 150}) {
        const std::string what =
            std::to_string(window) + ": " + std::to_string(a) + " + " + std::to_string(b);
        SlidingWindowCache<T> merged = window_cache_of(inputs, {window, 0.5}, 0, a);
        merged.merge(window_cache_of(inputs, {window, 0.5}, a, b));
        const SlidingWindowCache<T> whole = window_cache_of(inputs, {window, 0.5}, 0, a + b);
        ASSERT_EQ(merged.tokens_seen(), a + b) << what;
        const AttentionOutput got = merged.attend(inputs.q()), want = whole.attend(inputs.q());
        // The same rows in the same places; sums of the two shards in another order.
        ASSERT_LT(largest_difference(got.values, want.values), 1e-6) << what;
        ASSERT_LT(largest_difference(got.log_sum_exp, want.log_sum_exp), 1e-12) << what;
        for (std::size_t kv = 0; kv < window_heads; ++kv)
          ASSERT_LT((merged.residual(kv).value_sum - whole.residual(kv).value_sum).norm(),
                    1e-14 * (1.0 + whole.residual(kv).value_sum.norm()))
              << what;
        // And it goes on as one that saw the whole stream: no row is out of its place.
        SlidingWindowCache<T> longer = whole;
        append(merged, inputs, 0, 40, 3);
        append(longer, inputs, 0, 40, 3);
        ASSERT_LT(
            largest_difference(merged.attend(inputs.q()).values, longer.attend(inputs.q()).values),
            1e-6)
            << what;
      }
}

TEST(SlidingWindowCache, MergesManyShardsAndItself) {
  const AttentionInputs<float> inputs = stream_of(300);
  const SlidingWindowOptions window{24, 0.0};
  SlidingWindowCache<float> merged(window_heads, window_d, window_dv, window);
  for (std::size_t at = 0, step = 1; at < 300; at += step, step = std::min(2 * step, 300 - at))
    merged.merge(window_cache_of(inputs, window, at, std::min(step, 300 - at)));
  const AttentionOutput got = merged.attend(inputs.q()),
                        want = window_cache_of(inputs, window, 0, 300).attend(inputs.q());
  EXPECT_LT(largest_difference(got.values, want.values), 1e-6);
  for (const std::size_t n : {0, 10, 24, 25, 60}) {
    SlidingWindowCache<float> twice = window_cache_of(inputs, window, 0, n),
                              streamed = window_cache_of(inputs, window, 0, n);
    twice.merge(twice);
    append(streamed, inputs, 0, n, 5);
    EXPECT_EQ(twice.tokens_seen(), 2 * n);
    EXPECT_LT(
        largest_difference(twice.attend(inputs.q()).values, streamed.attend(inputs.q()).values),
        1e-6);
  }
}

TEST(SlidingWindowCache, MergesOnlyItsOwnKind) {
  const AttentionInputs<float> inputs = stream_of(20);
  SlidingWindowCache<float> cache = window_cache_of(inputs, {8, 0.0}, 0, 20);
  const auto says = [&](std::size_t kv_heads, std::size_t keys, std::size_t values,
                        const SlidingWindowOptions& options) {
    return message_of<std::invalid_argument>(
        [&] { cache.merge(SlidingWindowCache<float>(kv_heads, keys, values, options)); });
  };
  EXPECT_EQ(says(3, window_d, window_dv, {8, 0.0}),
            "lazygumbel: later.kv_heads() = 3: must equal the cache's 2");
  EXPECT_EQ(says(2, 6, window_dv, {8, 0.0}),
            "lazygumbel: later.key_dimension() = 6: must equal the cache's 5");
  EXPECT_EQ(says(2, window_d, 4, {8, 0.0}),
            "lazygumbel: later.value_dimension() = 4: must equal the cache's 3");
  EXPECT_EQ(says(2, window_d, window_dv, {9, 0.0}),
            "lazygumbel: later.options().window = 9: must equal the cache's 8");
  EXPECT_EQ(says(2, window_d, window_dv, {8, -infinity}),
            "lazygumbel: later.options().residual_logit = -inf: must equal the cache's 0");
  EXPECT_EQ(says(2, window_d, window_dv, {8, 0.0}), CacheFile::nothing);
  expect_same_window(cache, window_cache_of(inputs, {8, 0.0}, 0, 20));
}

TEST(SlidingWindowCache, CopiesAndMoves) {
  const AttentionInputs<float> inputs = stream_of(60);
  SlidingWindowCache<float> cache = window_cache_of(inputs, {16, 0.0}, 0, 30);
  const SlidingWindowCache<float> copy = cache;
  append(cache, inputs, 30, 30, 4);
  expect_same_window(copy, window_cache_of(inputs, {16, 0.0}, 0, 30));
  const SlidingWindowCache<float> moved = std::move(cache);
  expect_same_window(moved, window_cache_of(inputs, {16, 0.0}, 0, 60));
  cache = copy;  // NOLINT: assigned to, it is whole again
  append(cache, inputs, 30, 30, 4);
  expect_same_window(cache, moved);
}

TYPED_TEST(SlidingWindowCacheOf, RefusesWhatIsNotFiniteAnywhere) {
  using T = TypeParam;
  const AttentionInputs<T> inputs = stream_of<T>(30);
  SlidingWindowCache<T> cache = window_cache_of(inputs, {8, 0.0}, 0, 20);
  const std::size_t bytes = cache.size_in_bytes();
  const RowMatrix<T> keys = inputs.keys.topRows(11), values = inputs.values.topRows(11);
  const auto each_entry = [&](const auto& good, auto&& use) {
    for (Eigen::Index i = 0; i < good.rows(); ++i)
      for (Eigen::Index j = 0; j < good.cols(); ++j)
        for (const double wrong : {std::nan(""), infinity, -infinity}) {
          auto bad = good;
          bad(i, j) =
              static_cast<typename std::decay_t<decltype(good)>::Scalar>(static_cast<float>(wrong));
          const std::string text = message_of<std::invalid_argument>([&] { use(bad); });
          EXPECT_NE(text.find("must be finite"), std::string::npos) << text << i << " " << j;
        }
  };
  each_entry(keys, [&](const auto& bad) {
    cache.append({bad, window_heads}, {values, window_heads});
  });
  each_entry(values, [&](const auto& bad) {
    cache.append({keys, window_heads}, {bad, window_heads});
  });
  each_entry(inputs.queries, [&](const auto& bad) { cache.attend({bad, 2 * window_heads}); });
  EXPECT_EQ(cache.size_in_bytes(), bytes);
  expect_same_window(cache, window_cache_of(inputs, {8, 0.0}, 0, 20));
}

TEST(SlidingWindowCache, NamesWhatIsWrongAndKeepsWhatItHas) {
  using Error = std::invalid_argument;
  EXPECT_EQ(message_of<Error>([] { SlidingWindowCache<float>(0, 1, 1); }),
            "lazygumbel: kv_heads = 0: must be at least 1");
  EXPECT_EQ(message_of<Error>([] { SlidingWindowCache<float>(1, 0, 1); }),
            "lazygumbel: d = 0: must be at least 1");
  EXPECT_EQ(message_of<Error>([] { SlidingWindowCache<float>(1, 1, 0); }),
            "lazygumbel: dv = 0: must be at least 1");
  EXPECT_EQ(message_of<Error>([] { SlidingWindowCache<float>(1, 1, 1, {0}); }),
            "lazygumbel: window = 0: must be at least 1");
  const std::string must = ": must be at most 1e8, or -infinity for none";
  EXPECT_EQ(message_of<Error>([] {
              SlidingWindowCache<float>(1, 1, 1, {4, infinity});
            }),
            "lazygumbel: residual_logit = inf" + must);
  EXPECT_EQ(message_of<Error>([] {
              SlidingWindowCache<float>(1, 1, 1, {4, std::nan("")});
            }),
            "lazygumbel: residual_logit = nan" + must);

  AttentionInputs<float> inputs = stream_of(20);
  SlidingWindowCache<float> cache = window_cache_of(inputs, {8, 0.0}, 0, 20);
  const auto says = [&](const HeadsView<float>& keys, const HeadsView<float>& values) {
    return message_of<Error>([&] { cache.append(keys, values); });
  };
  EXPECT_EQ(says(inputs.k(), inputs.v().tokens(0, 19)),
            "lazygumbel: values.tokens() = 19: must equal keys.tokens() = 20");
  EXPECT_EQ(says({inputs.keys, 1}, inputs.v()),
            "lazygumbel: keys.heads() = 1: must equal kv_heads() = 2");
  EXPECT_EQ(says(inputs.v(), inputs.v()),
            "lazygumbel: keys.dimension() = 3: must equal the cache's 5");
  EXPECT_EQ(says(inputs.k(), inputs.k()),
            "lazygumbel: values.dimension() = 5: must equal the cache's 3");
  AttentionInputs<float> far = inputs;
  far.keys(2, 6) = 2e30F;
  EXPECT_NE(says(far.k(), far.v()).find("keys(token 2, head 1).norm()"), std::string::npos);
  far.keys(2, 6) = 9e29F;
  far.values(19, 0) = -2e30F;
  EXPECT_NE(says(far.k(), far.v()).find("values(token 19, head 0).norm()"), std::string::npos);
  const auto attend_says = [&](const HeadsView<float>& queries, const AttentionOptions& options) {
    return message_of<Error>([&] { cache.attend(queries, options); });
  };
  EXPECT_EQ(attend_says(inputs.q(), {.mask = AttentionMask::causal()}),
            "lazygumbel: mask = not full: a cache shows every token");
  EXPECT_EQ(attend_says({inputs.queries, 5}, {}),
            "lazygumbel: keys.dimension() = 5: must equal queries.dimension() = 4");
  expect_same_window(cache, window_cache_of(inputs, {8, 0.0}, 0, 20));
}

TYPED_TEST(SlidingWindowCacheOf, SavesAndLoads) {
  using T = TypeParam;
  const CacheFile file;
  const AttentionInputs<T> inputs = stream_of<T>(300);
  for (const std::size_t window :
       {std::size_t{1}, std::size_t{40}, (std::numeric_limits<std::size_t>::max)()})
    for (const std::size_t n : {0, 1, 17, 40, 41, 250}) {
      const SlidingWindowOptions options{window, n % 2 == 0 ? -0.25 : -infinity};
      SlidingWindowCache<T> cache = window_cache_of(inputs, options, 0, n);
      cache.save(file.path());
      SlidingWindowCache<T> loaded = SlidingWindowCache<T>::load(file.path());
      expect_same_window(cache, loaded);
      EXPECT_EQ(loaded.size_in_bytes(),  // no more memory than the file has rows
                window_heads * (2 * window_dv * sizeof(double) +
                                std::min(n, window) * (window_d + window_dv) * sizeof(T)));
      const Bytes bytes = file.read();
      loaded.save(file.path());
      EXPECT_EQ(file.read(), bytes);
      append(cache, inputs, 250, 50, 7);
      append(loaded, inputs, 250, 50, 7);
      expect_same_window(cache, loaded);
    }
}

class SlidingWindowCacheFile : public ::testing::Test {
 protected:
  // Letters, version, scalar type, kv_heads, d, dv, window, residual logit, tokens; sums, what they
  // lost; keys, values.
  static constexpr std::size_t version = 8, kv_heads = 20, keys_at = 28, values_at = 36,
                               window = 44, logit = 52, tokens = 60, sums = 68,
                               rows = sums + 2 * window_heads * window_dv * 8;

  void SetUp() override {
    window_cache_of(stream_of(9), {4, 0.5}, 0, 9).save(file.path());
    good = file.read();
  }
  template <class T = float>
  std::string complaint(const Bytes& bytes) const {
    return file.complaint<SlidingWindowCache<T>>(bytes);
  }
  template <class Number>
  std::string forged(std::size_t at, Number number) const {
    return file.forged<SlidingWindowCache<float>>(good, at, number);
  }

  CacheFile file;
  Bytes good;
};

TEST_F(SlidingWindowCacheFile, EveryChangeIsNoticed) {
  ASSERT_EQ(good.size(), rows + 4 * window_heads * (window_d + window_dv) * sizeof(float) + 8);
  file.expect_every_change_noticed<SlidingWindowCache<float>>(good);
  EXPECT_EQ(complaint(Bytes(good.begin(), good.end() - 1)), "is truncated");
}

TEST_F(SlidingWindowCacheFile, Foreign) {
  EXPECT_EQ(complaint({}), "is truncated");
  EXPECT_EQ(complaint(Bytes(1000, 'x')), "is no file of SlidingWindowCache");
  EXPECT_EQ(forged(version, std::uint32_t{2}), "has format version 2, this library reads 1");
  EXPECT_EQ(complaint<Eigen::half>(good), "holds numbers of type \"float32\", not \"float16\"");
  window_cache_of(stream_of<Eigen::bfloat16>(9), {4, 0.0}, 0, 9).save(file.path());
  EXPECT_EQ(complaint<Eigen::half>(file.read()),
            "holds numbers of type \"bfloat16\", not \"float16\"");
  KeyValueCache<float>(window_heads, window_d, window_dv).save(file.path());
  EXPECT_EQ(complaint(file.read()), "is no file of SlidingWindowCache");
  std::filesystem::remove(file.path());
  EXPECT_EQ(message_of<file_error>([&] { SlidingWindowCache<float>::load(file.path()); }),
            "lazygumbel: " + file.path().string() + " cannot be read");
  EXPECT_THROW(SlidingWindowCache<float>(1, 1, 1).save(file.folder() / "none" / "cache"),
               file_error);
}

// The checksum is right: every number is held against what it must be.
TEST_F(SlidingWindowCacheFile, Forged) {
  ASSERT_EQ(forged(tokens, std::uint64_t{9}), CacheFile::nothing);
  for (const std::uint64_t wrong : {std::uint64_t{1} << 54, ~std::uint64_t{0}}) {
    const std::string text = std::to_string(wrong) + " is out of range";
    EXPECT_EQ(forged(kv_heads, wrong), "is corrupted: kv_heads = " + text);
    EXPECT_EQ(forged(keys_at, wrong), "is corrupted: d = " + text);
    EXPECT_EQ(forged(values_at, wrong), "is corrupted: dv = " + text);
    EXPECT_EQ(forged(tokens, wrong), "is corrupted: tokens_seen = " + text);
  }
  for (const std::size_t at : {kv_heads, keys_at, values_at, window})
    EXPECT_NE(forged(at, std::uint64_t{0}).find(" = 0 is out of range"), std::string::npos) << at;
  for (const double wrong : {std::nan(""), infinity, 1e9})
    EXPECT_NE(forged(logit, wrong).find("is corrupted: residual_logit"), std::string::npos);
  EXPECT_EQ(forged(logit, -infinity), CacheFile::nothing);
  EXPECT_EQ(forged(kv_heads, std::uint64_t{0xffffffff}),
            "is corrupted: kv_heads = 4294967295 does not fit it");
  EXPECT_EQ(forged(values_at, std::uint64_t{0xffffffff}),
            "is corrupted: dv = 4294967295 does not fit it");
  EXPECT_EQ(forged(keys_at, std::uint64_t{0xffffffff}),
            "is corrupted: tokens_seen = 4 does not fit it");
  EXPECT_EQ(forged(window, ~std::uint64_t{0}), "is corrupted: kv_heads = 2 does not fit it");
  EXPECT_NE(forged(window, std::uint64_t{3}), CacheFile::nothing);
  // Fewer tokens than the window: then nothing was summed.
  EXPECT_NE(forged(tokens, std::uint64_t{4}).find("is corrupted: a sum of values"),
            std::string::npos);
  EXPECT_NE(forged(tokens, std::uint64_t{2}), CacheFile::nothing);
  for (std::size_t at = sums; at < rows; at += 8)
    for (const double wrong : {std::nan(""), infinity, -6e30})
      EXPECT_NE(forged(at, wrong).find("is corrupted: a sum of values"), std::string::npos) << at;
  for (std::size_t at = rows; at + 8 < good.size(); at += 4)
    for (const float wrong : {std::nanf(""), std::numeric_limits<float>::infinity(), -2e30F})
      EXPECT_EQ(forged(at, wrong).find("is corrupted: a row has norm"), 0u) << at;
}

TEST_F(SlidingWindowCacheFile, CountsNoFartherThanDoubles) {
  ASSERT_EQ(forged(tokens, std::uint64_t{1} << 53), CacheFile::nothing);
  SlidingWindowCache<float> cache = SlidingWindowCache<float>::load(file.path());
  const AttentionInputs<float> inputs = stream_of(9);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { append(cache, inputs, 0, 1, 1); }),
            "lazygumbel: keys.tokens() = 1: makes more than 2^53 tokens");
  EXPECT_NE(message_of<std::invalid_argument>([&] { cache.merge(cache); }).find("2^53"),
            std::string::npos);
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              cache.merge(window_cache_of(inputs, {4, 0.5}, 0, 3));  // all in the window
            }),
            "lazygumbel: later.tokens_seen() = 3: makes more than 2^53 tokens");
  EXPECT_EQ(cache.tokens_seen(), std::size_t{1} << 53);
}

}  // namespace
}  // namespace lazygumbel::testing
