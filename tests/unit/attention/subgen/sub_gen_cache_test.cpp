#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <lazygumbel/attention/subgen/sub_gen_cache.hpp>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "attention_checks.hpp"
#include "cache_files.hpp"
#include "indexes.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"
#include "scalars.hpp"

namespace lazygumbel::testing {
namespace {

const SubGenEstimator all_estimators[] = {SubGenEstimator::plain, SubGenEstimator::self_normalised,
                                          SubGenEstimator::mean_shifted,
                                          SubGenEstimator::stratified, SubGenEstimator::centred};

SubGenOptions sub_gen(double radius, SubGenEstimator estimator = SubGenEstimator::stratified,
                      std::size_t t = 8, std::size_t s = 64) {
  SubGenOptions options;
  options.radius = radius;
  options.estimator = estimator;
  options.samples_per_cluster = t;
  options.slots = s;
  options.sinks = 0;
  options.window = 0;
  return options;
}

template <class T = float>
SubGenCache<T> sub_gen_cache_of(std::size_t d, std::size_t dv, const SubGenOptions& options,
                                std::uint64_t seed = 1, std::size_t kv_heads = 1) {
  PhiloxEngine engine(seed);
  return SubGenCache<T>(kv_heads, d, dv, options, engine);
}

/// `count` rows, row i is row i mod `distinct` of Gaussian ones.
RowMatrix<float> repeated(Eigen::Index count, Eigen::Index distinct, std::size_t d,
                          std::uint64_t seed) {
  const RowMatrix<float> rows = gaussian_rows<float>(static_cast<std::size_t>(distinct), d, seed);
  RowMatrix<float> all(count, rows.cols());
  for (Eigen::Index i = 0; i < count; ++i) all.row(i) = rows.row(i % distinct);
  return all;
}

TEST(SubGenCache, EmptyGivesNothingButItsSinks) {
  for (const SubGenEstimator estimator : all_estimators) {
    const auto cache = sub_gen_cache_of(3, 2, sub_gen(1.0, estimator));
    const RowMatrix<float> queries = gaussian_rows<float>(2, 3, 1);
    AttentionOutput out = cache.attend(queries);
    EXPECT_TRUE((out.values.array() == 0.0F).all());
    EXPECT_EQ(out.log_sum_exp(1, 0), -infinity);
    EXPECT_EQ(out.rows[0].error, 0.0F);
    EXPECT_EQ(out.rows[0].path, AttentionPath::exact);
    EXPECT_EQ(cache.tokens_seen(), 0u);
    EXPECT_EQ(cache.clusters(0), 0u);
    EXPECT_EQ(cache.bounds(queries)[0].normaliser, 0.0);
    const float sink = 1.5F;
    AttentionOptions options;
    options.sink_logits = {&sink, 1};
    out = cache.attend(queries, options);
    EXPECT_NEAR(out.log_sum_exp(0, 0), 1.5, 1e-12);
    EXPECT_EQ(cache.attend(RowMatrix<float>(0, 3)).values.rows(), 0);
  }
}

TEST(SubGenCache, OneTokenIsItsValue) {
  for (const SubGenEstimator estimator : all_estimators) {
    auto cache = sub_gen_cache_of(4, 3, sub_gen(1.0, estimator));
    const RowMatrix<float> key = gaussian_rows<float>(1, 4, 1),
                           value = gaussian_rows<float>(1, 3, 2),
                           queries = gaussian_rows<float>(5, 4, 3);
    cache.append(key, value);
    const AttentionOutput out = cache.attend(queries);
    for (Eigen::Index i = 0; i < 5; ++i) {
      EXPECT_LT((out.values.row(i) - value.row(0)).norm(), 1e-5) << name_of(estimator);
      EXPECT_NEAR(out.log_sum_exp(i, 0), 0.5 * static_cast<double>(queries.row(i).dot(key.row(0))),
                  1e-5);
    }
    EXPECT_EQ(cache.clusters(0), 1u);
  }
}

// Sinks and window are attention over their tokens, wherever the ring stands.
TEST(SubGenCache, WhatIsKeptExactlyIsExact) {
  SubGenOptions options = sub_gen(infinity);
  options.sinks = 3;
  options.window = 7;
  const RowMatrix<float> keys = gaussian_rows<float>(40, 4, 1),
                         values = gaussian_rows<float>(40, 5, 2),
                         queries = gaussian_rows<float>(3, 4, 3);
  auto cache = sub_gen_cache_of(4, 5, options);
  for (Eigen::Index n = 1; n <= 40; ++n) {
    cache.append(keys.row(n - 1), values.row(n - 1));
    const AttentionOutput out = cache.attend(queries);
    if (n <= 10) {
      expect_same(out, exact_attention<float>(queries, keys.topRows(n), values.topRows(n)),
                  std::to_string(n));
      EXPECT_EQ(out.rows[0].keys_touched, static_cast<std::uint32_t>(n));
      EXPECT_EQ(out.rows[0].samples, 0u);
    }
    EXPECT_EQ(out.rows[0].error == 0.0F, n <= 18) << n;  // 8 samples of the one cluster
    EXPECT_EQ(cache.tokens_seen(), static_cast<std::size_t>(n));
  }
}

// A lone key that carries the query is found among the sinks and in the window.
TEST(SubGenCache, NeedlesInSinksAndWindowAreFound) {
  SubGenOptions options = sub_gen(infinity);
  options.sinks = 2;
  options.window = 5;
  const Eigen::Index n = 200;
  for (const Eigen::Index needle : {Eigen::Index{1}, n - 5, n - 1}) {
    RowMatrix<float> keys = gaussian_rows<float>(static_cast<std::size_t>(n), 8, 1);
    const RowMatrix<float> values = gaussian_rows<float>(static_cast<std::size_t>(n), 8, 2);
    const RowMatrix<float> query = gaussian_rows<float>(1, 8, 3);
    keys.row(needle) = query * 30.0F;
    auto cache = sub_gen_cache_of(8, 8, options);
    cache.append(keys, values);
    const AttentionOutput out = cache.attend(query);
    EXPECT_LT((out.values.row(0) - values.row(needle)).norm(), 1e-4) << needle;
    EXPECT_LT(out.rows[0].error, 1e-4F);
  }
}

// Radius 0: each distinct key is a cluster of equal keys, so Z is exact; so is N where there are no
// more keys than samples.
TEST(SubGenCache, RadiusZeroKnowsDistinctKeys) {
  const RowMatrix<float> keys = gaussian_rows<float>(300, 6, 1),
                         values = gaussian_rows<float>(300, 4, 2),
                         queries = gaussian_rows<float>(10, 6, 3);
  const auto exact = reference_attention<float>(queries, keys, values, {});
  for (const SubGenEstimator estimator : all_estimators) {
    auto cache = sub_gen_cache_of(6, 4, sub_gen(0.0, estimator));
    cache.append(keys, values);
    EXPECT_EQ(cache.clusters(0), 300u);
    const AttentionOutput out = cache.attend(queries);
    for (Eigen::Index i = 0; i < 10; ++i)
      EXPECT_NEAR(out.log_sum_exp(i, 0), exact.log_sum_exp(i, 0), 1e-5);
    EXPECT_EQ(cache.bounds(queries)[3].normaliser, 0.0);
    if (!lazygumbel::detail::is_stratified(estimator)) continue;
    expect_near(out, exact, 10.0, "distinct keys");
    EXPECT_EQ(out.rows[0].error, 0.0F);
    EXPECT_EQ(out.rows[0].path, AttentionPath::exact);
  }
}

TEST(SubGenCache, EqualKeysAreOneCluster) {
  const RowMatrix<float> keys = repeated(600, 3, 6, 1), values = gaussian_rows<float>(600, 4, 2),
                         queries = gaussian_rows<float>(10, 6, 3);
  const auto exact = reference_attention<float>(queries, keys, values, {});
  for (const double radius : {0.0, 1e-3})
    for (const SubGenEstimator estimator : all_estimators) {
      auto cache = sub_gen_cache_of(6, 4, sub_gen(radius, estimator));
      cache.append(keys, values);
      EXPECT_EQ(cache.clusters(0), 3u);
      const AttentionOutput out = cache.attend(queries);
      for (Eigen::Index i = 0; i < 10; ++i)
        EXPECT_NEAR(out.log_sum_exp(i, 0), exact.log_sum_exp(i, 0), 1e-5);
      EXPECT_EQ(out.rows[0].path, AttentionPath::sampled);
    }
}

TEST(SubGenCache, InfiniteRadiusIsOneCluster) {
  const RowMatrix<float> keys = gaussian_rows<float>(500, 6, 1),
                         values = gaussian_rows<float>(500, 4, 2),
                         queries = gaussian_rows<float>(4, 6, 3);
  auto cache = sub_gen_cache_of(6, 4, sub_gen(infinity, SubGenEstimator::stratified, 500));
  cache.append(keys, values);
  EXPECT_EQ(cache.clusters(0), 1u);
  expect_near(cache.attend(queries), reference_attention<float>(queries, keys, values, {}), 10.0,
              "as many samples as keys");
  auto few = sub_gen_cache_of(6, 4, sub_gen(infinity, SubGenEstimator::stratified, 50));
  few.append(keys, values);
  EXPECT_EQ(few.clusters(0), 1u);
  EXPECT_EQ(few.attend(queries).rows[0].samples, 50u);
}

TEST(SubGenCache, MaxClustersBoundsMemory) {
  SubGenOptions options = sub_gen(0.0);
  options.max_clusters = 20;
  const RowMatrix<float> keys = gaussian_rows<float>(2000, 6, 1),
                         values = gaussian_rows<float>(2000, 4, 2);
  auto cache = sub_gen_cache_of(6, 4, options);
  cache.append(keys.topRows(1000), values.topRows(1000));
  EXPECT_EQ(cache.clusters(0), 20u);
  const std::size_t bytes = cache.size_in_bytes();
  cache.append(keys.bottomRows(1000), values.bottomRows(1000));
  EXPECT_EQ(cache.clusters(0), 20u);
  EXPECT_LE(static_cast<double>(cache.size_in_bytes()), 1.05 * static_cast<double>(bytes));
}

TEST(SubGenCache, ZeroValuesGiveZeroWithoutError) {
  const RowMatrix<float> keys = gaussian_rows<float>(200, 6, 1),
                         values = RowMatrix<float>::Zero(200, 4),
                         queries = gaussian_rows<float>(3, 6, 2);
  for (const SubGenEstimator estimator : all_estimators) {
    auto cache = sub_gen_cache_of(6, 4, sub_gen(1.0, estimator));
    cache.append(keys, values);
    const AttentionOutput out = cache.attend(queries);
    EXPECT_TRUE((out.values.array() == 0.0F).all()) << name_of(estimator);
    EXPECT_EQ(out.rows[0].error, 0.0F) << name_of(estimator);
    EXPECT_TRUE(std::isfinite(out.log_sum_exp(0, 0)));
  }
}

// Tokens of value 0 have weight, too: all estimators but `plain` must see it.
TEST(SubGenCache, ZeroValuesAmongOthersCount) {
  const Eigen::Index n = 4000;
  const RowMatrix<float> keys = RowMatrix<float>::Zero(n, 4);
  RowMatrix<float> values = RowMatrix<float>::Ones(n, 3);
  values.topRows(n / 2).setZero();
  for (const SubGenEstimator estimator : all_estimators) {
    auto cache = sub_gen_cache_of(4, 3, sub_gen(1.0, estimator, 1024, 2048));
    cache.append(keys, values);
    const AttentionOutput out = cache.attend(RowMatrix<float>::Ones(1, 4).eval());
    EXPECT_NEAR(out.values(0, 0), 0.5, 0.08) << name_of(estimator);
  }
}

TEST(SubGenCache, EqualValuesComeOutAsTheyAre) {
  const RowMatrix<float> keys = gaussian_rows<float>(2000, 6, 1),
                         queries = gaussian_rows<float>(10, 6, 2);
  const RowMatrix<float> values = RowMatrix<float>::Constant(2000, 4, 3.0F);
  for (const SubGenEstimator estimator : all_estimators) {
    auto cache = sub_gen_cache_of(6, 4, sub_gen(1.5, estimator));
    cache.append(keys, values);
    const AttentionOutput out = cache.attend(queries);
    const double worst = largest_difference(out.values, 3.0);
    if (estimator == SubGenEstimator::plain)  // N^ and Z^ are of different samples
      EXPECT_GT(worst, 0.05);
    else
      EXPECT_LT(worst, 1e-5) << name_of(estimator);
  }
}

TEST(SubGenCache, OptionsOfAttentionAreThoseOfExactAttention) {
  const std::size_t heads = 6, kv_heads = 2, n = 150;
  const RowMatrix<float> keys = gaussian_rows<float>(n, 5 * kv_heads, 1),
                         values = gaussian_rows<float>(n, 3 * kv_heads, 2),
                         queries = gaussian_rows<float>(4, 5 * heads, 3);
  SubGenOptions options = sub_gen(0.0);
  options.sinks = 4;
  options.window = 16;
  auto cache = sub_gen_cache_of(5, 3, options, 1, kv_heads);
  cache.append({keys, kv_heads}, {values, kv_heads});
  const std::vector<float> sinks = {0.5F, -1.0F, 2.0F, -std::numeric_limits<float>::infinity(),
                                    0.0F, 3.0F};
  for (const Simd simd : supported_simds())
    for (const double softcap : {0.0, 5.0}) {
      AttentionOptions attention;
      attention.scale = 0.3;
      attention.softcap = softcap;
      attention.sink_logits = sinks;
      attention.simd = simd;
      const AttentionOutput out = cache.attend({queries, heads}, attention);
      expect_near(out,
                  reference_attention<float>({queries, heads}, {keys, kv_heads}, {values, kv_heads},
                                             attention),
                  10.0, std::string(name_of(simd)));
      attention.threads = 7;
      expect_same(out, cache.attend({queries, heads}, attention), "threads");
    }
}

template <class T>
class SubGenCacheOf : public ::testing::Test {};
TYPED_TEST_SUITE(SubGenCacheOf, CacheScalars);

TYPED_TEST(SubGenCacheOf, KeepsWhatItWasGiven) {
  using T = TypeParam;
  const RowMatrix<T> keys = gaussian_rows<float>(120, 19, 1).template cast<T>(),
                     values = gaussian_rows<float>(120, 21, 2).template cast<T>();
  const RowMatrix<float> queries = gaussian_rows<float>(4, 19, 3);
  auto cache = sub_gen_cache_of<T>(19, 21, sub_gen(0.0));
  cache.append(keys, values);
  expect_near(cache.attend(queries), reference_attention<T>(queries, keys, values, {}), 10.0,
              "stored");
}

TYPED_TEST(SubGenCacheOf, SavedAndLoadedItIsTheSameWithTheSameFuture) {
  using T = TypeParam;
  const RowMatrix<T> keys = gaussian_rows<float>(900, 6, 1).template cast<T>(),
                     values = gaussian_rows<float>(900, 4, 2).template cast<T>();
  const RowMatrix<float> queries = gaussian_rows<float>(6, 6, 3);
  const CacheFile file;
  for (const SubGenEstimator estimator : all_estimators) {
    SubGenOptions options = sub_gen(2.5, estimator);
    options.sinks = 2;
    options.window = 5;
    auto cache = sub_gen_cache_of<T>(3, 2, options, 4, 2);
    for (const Eigen::Index seen : {0, 1, 6, 500}) {
      const auto old = static_cast<Eigen::Index>(cache.tokens_seen());
      cache.append({keys.middleRows(old, seen - old), 2}, {values.middleRows(old, seen - old), 2});
      cache.save(file.path());
      auto loaded = SubGenCache<T>::load(file.path());
      EXPECT_EQ(loaded.options(), options);
      EXPECT_EQ(loaded.tokens_seen(), cache.tokens_seen());
      expect_same(cache.attend({queries, 2}), loaded.attend({queries, 2}), name_of(estimator));
      if (seen < 500) continue;
      cache.append({keys.bottomRows(400), 2}, {values.bottomRows(400), 2});
      loaded.append({keys.bottomRows(400), 2}, {values.bottomRows(400), 2});
      expect_same(cache.attend({queries, 2}), loaded.attend({queries, 2}), "later");
    }
  }
}

TEST(SubGenCache, OneByOneIsAllAtOnce) {
  const RowMatrix<float> keys = gaussian_rows<float>(700, 6, 1),
                         values = gaussian_rows<float>(700, 4, 2),
                         queries = gaussian_rows<float>(6, 6, 3);
  for (const SubGenEstimator estimator : all_estimators) {
    SubGenOptions options = sub_gen(2.0, estimator);
    options.sinks = 2;
    options.window = 5;
    auto one = sub_gen_cache_of(3, 2, options, 9, 2), all = sub_gen_cache_of(3, 2, options, 9, 2);
    for (Eigen::Index i = 0; i < 700; ++i) one.append({keys.row(i), 2}, {values.row(i), 2});
    all.append({keys, 2}, {values, 2});
    expect_same(one.attend({queries, 2}), all.attend({queries, 2}), name_of(estimator));
  }
}

TEST(SubGenCache, ChangedFilesAreRefused) {
  const RowMatrix<float> keys = gaussian_rows<float>(11, 1, 1),
                         values = gaussian_rows<float>(11, 1, 2);
  for (const SubGenEstimator estimator :
       {SubGenEstimator::self_normalised, SubGenEstimator::centred}) {
    const CacheFile file;
    SubGenOptions options = sub_gen(1.0, estimator, 4, 8);
    options.sinks = 1;
    options.window = 2;
    auto cache = sub_gen_cache_of(1, 1, options);
    cache.append(keys, values);
    cache.save(file.path());
    file.expect_every_change_noticed<SubGenCache<float>>(file.read());
  }
}

// With the checksum made right again: numbers that cannot be are refused, and no memory is taken
// for them.
TEST(SubGenCache, ForgedFilesAreRefusedOrHarmless) {
  const RowMatrix<float> keys = gaussian_rows<float>(16, 2, 1),
                         values = gaussian_rows<float>(16, 2, 2),
                         queries = gaussian_rows<float>(1, 2, 3);
  for (const SubGenEstimator estimator :
       {SubGenEstimator::plain, SubGenEstimator::self_normalised, SubGenEstimator::centred}) {
    const CacheFile file;
    SubGenOptions options = sub_gen(1.0, estimator, 4, 8);
    options.sinks = 1;
    options.window = 2;
    auto cache = sub_gen_cache_of(2, 2, options);
    cache.append(keys, values);
    cache.save(file.path());
    const Bytes good = file.read();
    std::size_t refused = 0;
    for (std::size_t at = 0; at + 16 <= good.size(); at += 4)
      for (const std::uint64_t number :
           {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 40,
            std::uint64_t{0x7ff8000000000000}, std::uint64_t{0x7f8000007f800000}}) {
        const std::string complaint = file.forged<SubGenCache<float>>(good, at, number);
        if (complaint != CacheFile::nothing) {
          EXPECT_NE(complaint[0], '(') << at << ": " << complaint;
          ++refused;
          continue;
        }
        const auto loaded = SubGenCache<float>::load(file.path());
        if (estimator == SubGenEstimator::plain) {
          EXPECT_TRUE(loaded.attend(queries).values.allFinite()) << at;
        }
        EXPECT_NO_THROW(static_cast<void>(loaded.attend(queries))) << at;
      }
    EXPECT_GT(refused, good.size() / 8);
  }
}

TEST(SubGenCache, ForeignFilesAreRefusedByName) {
  const CacheFile file;
  auto cache = sub_gen_cache_of(2, 2, sub_gen(1.0));
  cache.save(file.path());
  const Bytes good = file.read();
  EXPECT_EQ(file.complaint<SubGenCache<Eigen::half>>(good),
            "holds numbers of type \"float32\", not \"float16\"");
  Bytes other = good;
  other[0] = 'X';
  EXPECT_EQ(file.complaint<SubGenCache<float>>(other), "is no file of SubGenCache");
  EXPECT_THROW(SubGenCache<float>::load(file.folder() / "none"), file_error);
  EXPECT_THROW(cache.save(file.folder() / "no" / "folder"), file_error);
}

TEST(SubGenCache, BadTokensAreRefusedAndLeaveItAsItWas) {
  const RowMatrix<float> keys = gaussian_rows<float>(60, 4, 1),
                         values = gaussian_rows<float>(60, 6, 2),
                         queries = gaussian_rows<float>(3, 4, 3);
  SubGenOptions options = sub_gen(1.0);
  options.window = 4;
  auto cache = sub_gen_cache_of(2, 3, options, 1, 2);
  cache.append({keys, 2}, {values, 2});
  const AttentionOutput before = cache.attend({queries, 2});
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity(), 2e30F})
    for (Eigen::Index i = 0; i < 3; ++i) {
      for (Eigen::Index j = 0; j < 4; ++j) {
        RowMatrix<float> wrong = keys.topRows(3);
        wrong(i, j) = bad;
        EXPECT_THROW(cache.append({wrong, 2}, {values.topRows(3), 2}), std::invalid_argument);
      }
      for (Eigen::Index j = 0; j < 6; ++j) {
        RowMatrix<float> wrong = values.topRows(3);
        wrong(i, j) = bad;
        EXPECT_THROW(cache.append({keys.topRows(3), 2}, {wrong, 2}), std::invalid_argument);
      }
    }
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              cache.append({keys, 2}, {values.topRows(9), 2});
            }),
            "lazygumbel: values.tokens() = 9: must equal keys.tokens() = 60");
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              cache.append({keys, 1}, {values, 2});
            }),
            "lazygumbel: keys.heads() = 1: must equal kv_heads() = 2");
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              cache.append({keys, 2}, {keys, 2});
            }),
            "lazygumbel: values.dimension() = 2: must equal the cache's 3");
  EXPECT_EQ(cache.tokens_seen(), 60u);
  expect_same(before, cache.attend({queries, 2}), "as it was");
}

TEST(SubGenCache, BadQueriesAndShapesAreNamed) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { sub_gen_cache_of(0, 2, sub_gen(1.0)); }),
            "lazygumbel: d = 0: must be at least 1");
  EXPECT_EQ(message_of<std::invalid_argument>([] { sub_gen_cache_of(2, 2, {}); }),
            "lazygumbel: radius = nan: must be at least 0");
  auto cache = sub_gen_cache_of(2, 2, sub_gen(0.5));
  cache.append(gaussian_rows<float>(50, 2, 1), gaussian_rows<float>(50, 2, 2));
  RowMatrix<float> queries = gaussian_rows<float>(3, 2, 3);
  AttentionOptions causal;
  causal.mask = AttentionMask::causal();
  EXPECT_NE(message_of<std::invalid_argument>([&] { cache.attend(queries, causal); }).find("mask"),
            std::string::npos);
  EXPECT_THROW(cache.attend(gaussian_rows<float>(3, 3, 1)), std::invalid_argument);
  queries(1, 1) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(message_of<std::invalid_argument>([&] { cache.attend(queries); }),
            "lazygumbel: queries(token 1, head 0, 1) = nan: must be finite");
  queries(1, 1) = 3e38F;
  queries(1, 0) = 3e38F;
  AttentionOptions large;
  large.scale = 1e3;
  EXPECT_NE(
      message_of<std::invalid_argument>([&] { cache.attend(queries, large); }).find("overflow"),
      std::string::npos);
}

TEST(SubGenCache, MergeTakesOverWhatTheOtherKept) {
  const RowMatrix<float> keys = gaussian_rows<float>(300, 6, 1),
                         values = gaussian_rows<float>(300, 4, 2),
                         queries = gaussian_rows<float>(5, 6, 3);
  SubGenOptions options = sub_gen(0.0);
  options.sinks = 3;
  options.window = 10;
  for (const Eigen::Index first : {0, 1, 2, 5, 12, 100, 290, 298, 300}) {
    auto a = sub_gen_cache_of(3, 2, options, 1, 2), b = sub_gen_cache_of(3, 2, options, 2, 2);
    a.append({keys.topRows(first), 2}, {values.topRows(first), 2});
    b.append({keys.bottomRows(300 - first), 2}, {values.bottomRows(300 - first), 2});
    a.merge(b);
    EXPECT_EQ(a.tokens_seen(), 300u);
    expect_near(a.attend({queries, 2}),
                reference_attention<float>({queries, 2}, {keys, 2}, {values, 2}, {}), 10.0,
                std::to_string(first));
  }
}

TEST(SubGenCache, AfterAMergeTheLastTokensAreExact) {
  SubGenOptions options = sub_gen(infinity);
  options.window = 6;
  for (const Eigen::Index of_later : {2, 6, 50}) {
    RowMatrix<float> keys = gaussian_rows<float>(200, 8, 1);
    const RowMatrix<float> values = gaussian_rows<float>(200, 8, 2),
                           query = gaussian_rows<float>(1, 8, 3);
    keys.row(195) = query * 30.0F;
    auto a = sub_gen_cache_of(8, 8, options, 1), b = sub_gen_cache_of(8, 8, options, 2);
    a.append(keys.topRows(200 - of_later), values.topRows(200 - of_later));
    b.append(keys.bottomRows(of_later), values.bottomRows(of_later));
    a.merge(b);
    EXPECT_LT((a.attend(query).values.row(0) - values.row(195)).norm(), 1e-4) << of_later;
  }
}

TEST(SubGenCache, MergeJoinsClustersThatAreNear) {
  const RowMatrix<float> keys = repeated(500, 5, 4, 1), values = gaussian_rows<float>(500, 3, 2);
  for (const SubGenEstimator estimator : all_estimators) {
    auto a = sub_gen_cache_of(4, 3, sub_gen(0.1, estimator), 1),
         b = sub_gen_cache_of(4, 3, sub_gen(0.1, estimator), 2);
    a.append(keys.topRows(240), values.topRows(240));
    b.append(keys.bottomRows(260), values.bottomRows(260));
    a.merge(b);
    EXPECT_EQ(a.clusters(0), 5u);
    const RowMatrix<float> queries = gaussian_rows<float>(4, 4, 3);
    const auto exact = reference_attention<float>(queries, keys, values, {});
    for (Eigen::Index i = 0; i < 4; ++i)
      EXPECT_NEAR(a.attend(queries).log_sum_exp(i, 0), exact.log_sum_exp(i, 0), 1e-5);
  }
}

TEST(SubGenCache, MergeRefusesWhatDoesNotFit) {
  auto cache = sub_gen_cache_of(2, 2, sub_gen(1.0), 1);
  EXPECT_NE(message_of<std::invalid_argument>([&] { cache.merge(cache); }).find("same seed"),
            std::string::npos);
  const auto twin = sub_gen_cache_of(2, 2, sub_gen(1.0), 1);
  EXPECT_NE(message_of<std::invalid_argument>([&] { cache.merge(twin); }).find("same seed"),
            std::string::npos);
  EXPECT_NE(message_of<std::invalid_argument>([&] {
              cache.merge(sub_gen_cache_of(2, 3, sub_gen(1.0), 2));
            }).find("later.value_dimension() = 3"),
            std::string::npos);
  EXPECT_NE(message_of<std::invalid_argument>([&] {
              cache.merge(sub_gen_cache_of(2, 2, sub_gen(2.0), 2));
            }).find("options"),
            std::string::npos);
}

// Options that change nothing that is kept do not matter.
TEST(SubGenCache, MergeAsksForNoMoreThanItNeeds) {
  SubGenOptions other = sub_gen(1.0);
  other.slots = 0;
  other.error_probability = 0.2;
  auto cache = sub_gen_cache_of(2, 2, sub_gen(1.0), 1);
  EXPECT_NO_THROW(cache.merge(sub_gen_cache_of(2, 2, other, 2)));
  other.estimator = SubGenEstimator::plain;
  EXPECT_THROW(sub_gen_cache_of(2, 2, other), std::invalid_argument);
}

// Clusters keep the radius that they had: what is merged into an empty sketch is as uncertain.
TEST(SubGenCache, MergingIntoAnEmptyCacheKeepsBounds) {
  const RowMatrix<float> keys = gaussian_rows<float>(500, 4, 1) * 0.1F,
                         values = gaussian_rows<float>(500, 3, 2),
                         queries = gaussian_rows<float>(3, 4, 3);
  auto empty = sub_gen_cache_of(4, 3, sub_gen(5.0), 1),
       later = sub_gen_cache_of(4, 3, sub_gen(5.0), 2);
  later.append(keys, values);
  empty.merge(later);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_GT(later.bounds(queries)[i].normaliser, 0.0);
    EXPECT_DOUBLE_EQ(empty.bounds(queries)[i].normaliser, later.bounds(queries)[i].normaliser);
  }
}

// Squares of these distances are 0 or infinite as floats.
TEST(SubGenCache, NearAndFarKeysAreToldApart) {
  for (const float size : {1e-23F, 1e-20F, 1.0F, 1e20F, 1e25F}) {
    const RowMatrix<float> keys = repeated(60, 3, 4, 1) * size,
                           values = gaussian_rows<float>(60, 2, 2);
    for (const double radius : {0.0, 1e-3 * static_cast<double>(size)}) {
      auto cache = sub_gen_cache_of(4, 2, sub_gen(radius));
      cache.append(keys, values);
      EXPECT_EQ(cache.clusters(0), 3u) << size << " " << radius;
    }
    SubGenOptions full = sub_gen(0.0);  // keys beyond the third join the nearest
    full.max_clusters = 3;
    auto cache = sub_gen_cache_of(4, 2, full);
    RowMatrix<float> near = keys;
    near.bottomRows(57) *= 1.001F;
    cache.append(near, values);
    AttentionOptions options;
    options.scale = 1.0 / static_cast<double>(size) / static_cast<double>(size);
    const RowMatrix<float> query = gaussian_rows<float>(1, 4, 5) * size;
    EXPECT_LT(cache.bounds(query, options)[0].normaliser, 0.1) << size;
  }
}

TEST(SubGenCache, StatesWhatItDoesNotKnowOfZ) {
  const RowMatrix<float> keys = gaussian_rows<float>(300, 6, 1),
                         values = gaussian_rows<float>(300, 4, 2),
                         queries = gaussian_rows<float>(5, 6, 3);
  const auto exact = reference_attention<float>(queries, keys, values, {});
  for (const SubGenEstimator estimator : all_estimators)
    for (const double radius : {0.0, 3.0, infinity}) {
      auto cache = sub_gen_cache_of(6, 4, sub_gen(radius, estimator));
      cache.append(keys, values);
      const AttentionOutput out = cache.attend(queries);
      for (std::size_t i = 0; i < out.rows.size(); ++i) {
        const auto stated = static_cast<double>(out.rows[i].log_z_error);
        const auto row = static_cast<Eigen::Index>(i);
        EXPECT_EQ(stated == 0.0, radius == 0.0);
        EXPECT_LT(std::abs(out.log_sum_exp(row, 0) - exact.log_sum_exp(row, 0)), stated + 1e-5);
      }
    }
}

// Wide as a cluster may be: what a query may meet in it is not known, and no number either.
TEST(SubGenCache, ReportsOfEndlessWeightsAreFinite) {
  RowMatrix<float> keys = gaussian_rows<float>(300, 6, 1) * 1e6F;
  const RowMatrix<float> values = gaussian_rows<float>(300, 4, 2),
                         query = gaussian_rows<float>(1, 6, 3) * 1e3F;
  for (const SubGenEstimator estimator : all_estimators) {
    auto cache = sub_gen_cache_of(6, 4, sub_gen(infinity, estimator));
    cache.append(keys, values);
    const AttentionOutput out = cache.attend(query);
    EXPECT_TRUE(std::isfinite(out.rows[0].error)) << name_of(estimator);
    EXPECT_GE(out.rows[0].error, 1.0F);
    EXPECT_FALSE(std::isnan(out.rows[0].log_z_error));
  }
}

TEST(SubGenCache, HiddenMembers) {
  using lazygumbel::detail::HiddenMembers;
  HiddenMembers hidden;
  // Half of 100 members may be hidden: e^-L = (1/2)^10. As many times (4 - 1), or, of weights below
  // the mean, as much again as what is left: 100 (1 - 0.5).
  hidden.add(100.0, 10.0, 10.0 * std::log(2.0), 1.0, 0.5, 4.0);
  EXPECT_NEAR(hidden.weight, 200.0, 1e-10);
  EXPECT_NEAR(hidden.shift, 150.0, 1e-10);
  EXPECT_NEAR(hidden.squares, 800.0, 1e-10);
  hidden.add(100.0, 90.0, 90.0 * std::log(2.0), 1.0, 0.5, 4.0);  // ten are not seen
  EXPECT_NEAR(hidden.weight, 200.0, 1e-10);
  hidden = {};
  hidden.add(100.0, 90.0, 90.0 * std::log(2.0), 1.0, 0.5, 4.0);
  EXPECT_NEAR(hidden.weight, 40.0, 1e-10);
  EXPECT_EQ(lazygumbel::detail::hidden_part(infinity, 0.25), 4.0);
  EXPECT_NEAR(lazygumbel::detail::hidden_part(4.0, 0.25), 2.0, 1e-12);
}

TEST(SubGenCache, BoundsAreNumbers) {
  const RowMatrix<float> values = RowMatrix<float>::Constant(219, 3, 0.1F),
                         keys = gaussian_rows<float>(219, 4, 1),
                         queries = gaussian_rows<float>(2, 4, 2);
  for (const SubGenEstimator estimator : all_estimators)
    for (Eigen::Index n = 20; n < 219; n += 7) {
      auto cache = sub_gen_cache_of(4, 3, sub_gen(1.0, estimator));
      cache.append(keys.topRows(n), values.topRows(n));
      for (const SubGenBounds& bounds : cache.bounds(queries)) {
        EXPECT_TRUE(std::isfinite(bounds.numerator)) << n;
        EXPECT_TRUE(std::isfinite(bounds.normaliser)) << n;
      }
    }
  // Clusters that no query reaches, however wide.
  RowMatrix<float> wide = gaussian_rows<float>(219, 4, 3) * 1e3F;
  wide.col(0).array() -= 1e5F;
  wide.row(0).setZero();
  auto cache = sub_gen_cache_of(4, 3, sub_gen(2e4));
  cache.append(wide, values);
  RowMatrix<float> query = RowMatrix<float>::Zero(1, 4);
  query(0, 0) = 2.0F;
  EXPECT_FALSE(std::isnan(cache.bounds(query)[0].normaliser));
}

}  // namespace
}  // namespace lazygumbel::testing
