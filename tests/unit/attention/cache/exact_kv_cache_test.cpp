#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/attention/cache/exact_kv_cache.hpp>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cache_files.hpp"
#include "indexes.hpp"
#include "message_of.hpp"
#include "scalars.hpp"

namespace lazygumbel::testing {
namespace {

template <class T>
class KeyValueCacheOf : public ::testing::Test {};
TYPED_TEST_SUITE(KeyValueCacheOf, CacheScalars);

TYPED_TEST(KeyValueCacheOf, KeepsRowsThroughGrowth) {
  using T = TypeParam;
  const std::size_t n = 700, heads = 3;
  const RowMatrix<T> keys = gaussian_rows<float>(n, 5 * heads, 1).template cast<T>(),
                     values = gaussian_rows<float>(n, 2 * heads, 2).template cast<T>();
  KeyValueCache<T> cache(heads, 5, 2);
  for (std::size_t at = 0, step = 1; at < n; at += step, step = step % 97 + 13) {
    const auto some = static_cast<Eigen::Index>(std::min(step, n - at));
    cache.append({keys.middleRows(static_cast<Eigen::Index>(at), some), heads},
                 {values.middleRows(static_cast<Eigen::Index>(at), some), heads});
  }
  ASSERT_EQ(cache.tokens_seen(), n);
  EXPECT_GE(cache.capacity(), n);
  EXPECT_GE(cache.size_in_bytes(), n * heads * 7 * sizeof(T));
  const HeadsView<T> all = cache.keys(), of_values = cache.values();
  EXPECT_EQ(all.tokens(), n);
  EXPECT_EQ(all.heads(), heads);
  for (std::size_t h = 0; h < heads; ++h) {
    double key = 0.0, value = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      const auto row = static_cast<Eigen::Index>(i), head = static_cast<Eigen::Index>(h);
      for (Eigen::Index c = 0; c < 5; ++c)
        ASSERT_EQ(all.row(i, h)[c], keys(row, head * 5 + c)) << i << " " << h;
      for (Eigen::Index c = 0; c < 2; ++c)
        ASSERT_EQ(of_values.row(i, h)[c], values(row, head * 2 + c));
      key = std::max(key, keys.row(row).segment(head * 5, 5).template cast<double>().norm());
      value = std::max(value, values.row(row).segment(head * 2, 2).template cast<double>().norm());
    }
    EXPECT_DOUBLE_EQ(cache.largest_key_norm(h), key);
    EXPECT_DOUBLE_EQ(cache.largest_value_norm(h), value);
  }
}

template <class T>
RowMatrix<T> gaussian_rows_of(std::size_t n, std::size_t columns, std::uint64_t seed) {
  return gaussian_rows<float>(n, columns, seed).template cast<T>();
}

/// Two heads, keys of 5 and values of 3 numbers.
template <class T>
KeyValueCache<T> filled(std::size_t n, std::uint64_t seed = 1) {
  KeyValueCache<T> cache(2, 5, 3);
  const RowMatrix<T> keys = gaussian_rows_of<T>(n, 10, seed),
                     values = gaussian_rows_of<T>(n, 6, seed + 1);
  cache.append({keys, 2}, {values, 2});
  return cache;
}

template <class T>
void expect_same_rows(const HeadsView<T>& a, const HeadsView<T>& b) {
  ASSERT_EQ(a.tokens(), b.tokens());
  ASSERT_EQ(a.heads(), b.heads());
  ASSERT_EQ(a.dimension(), b.dimension());
  for (std::size_t i = 0; i < a.tokens(); ++i)
    for (std::size_t h = 0; h < a.heads(); ++h)
      for (std::size_t c = 0; c < a.dimension(); ++c)
        ASSERT_EQ(a.row(i, h)[c], b.row(i, h)[c]) << i << " " << h << " " << c;
}

template <class T>
void expect_same_cache(const KeyValueCache<T>& a, const KeyValueCache<T>& b) {
  ASSERT_EQ(a.tokens_seen(), b.tokens_seen());
  expect_same_rows(a.keys(), b.keys());
  expect_same_rows(a.values(), b.values());
  for (std::size_t h = 0; h < a.kv_heads(); ++h) {
    EXPECT_DOUBLE_EQ(a.largest_key_norm(h), b.largest_key_norm(h));
    EXPECT_DOUBLE_EQ(a.largest_value_norm(h), b.largest_value_norm(h));
  }
}

TYPED_TEST(KeyValueCacheOf, AttendsAsExactAttention) {
  using T = TypeParam;
  const KeyValueCache<T> cache = filled<T>(300);
  const std::vector<float> sinks = {0.5F, -1.0F, 0.0F, 2.0F};
  AttentionOptions options;
  options.scale = 0.7;
  options.softcap = 5.0;
  options.sink_logits = sinks;
  for (const std::size_t m : {1, 40}) {  // streamed and in blocks
    const RowMatrix<float> queries = gaussian_rows<float>(m, 20, 7);
    const AttentionOutput got = cache.attend({queries, 4}, options),
                          expected = exact_attention<T>({queries, 4}, cache.keys(), cache.values(),
                                                        options);
    EXPECT_EQ(got.values, expected.values);
    EXPECT_EQ(got.log_sum_exp, expected.log_sum_exp);
    ASSERT_EQ(got.rows.size(), 4 * m);
    EXPECT_EQ(got.rows[3].keys_touched, 300u);
    EXPECT_EQ(got.rows[3].error, 0.0F);
    EXPECT_EQ(got.rows[3].path, AttentionPath::exact);
  }
}

TYPED_TEST(KeyValueCacheOf, SavesAndLoads) {
  using T = TypeParam;
  const CacheFile file;
  for (const std::size_t n : {0, 1, 300}) {
    const KeyValueCache<T> cache = filled<T>(n);
    cache.save(file.path());
    KeyValueCache<T> loaded = KeyValueCache<T>::load(file.path());
    expect_same_cache(cache, loaded);
    EXPECT_EQ(loaded.capacity(), n);  // no more memory than the file has rows
    const Bytes bytes = file.read();
    loaded.save(file.path());
    EXPECT_EQ(file.read(), bytes);
    KeyValueCache<T> longer = filled<T>(n);
    const KeyValueCache<T> more = filled<T>(500, 9);
    longer.append(more.keys(), more.values());
    loaded.append(more.keys(), more.values());
    expect_same_cache(longer, loaded);
  }
}

TYPED_TEST(KeyValueCacheOf, MergesAsIfOneStream) {
  using T = TypeParam;
  for (const std::size_t n : {0, 3, 256, 300})
    for (const std::size_t m : {0, 1, 257, 700}) {
      const KeyValueCache<T> later = filled<T>(m, 5);
      KeyValueCache<T> merged = filled<T>(n), streamed = filled<T>(n);
      merged.merge(later);
      streamed.append(later.keys(), later.values());
      expect_same_cache(merged, streamed);
    }
}

TEST(KeyValueCache, MergesWithItself) {
  for (const std::size_t n : {0, 5, 256, 300}) {
    KeyValueCache<float> twice = filled<float>(n), streamed = filled<float>(n);
    const KeyValueCache<float> other = filled<float>(n);
    twice.merge(twice);
    streamed.append(other.keys(), other.values());
    expect_same_cache(twice, streamed);
  }
}

TEST(KeyValueCache, MergesOnlyItsOwnShape) {
  KeyValueCache<float> cache = filled<float>(4);
  const auto says = [&](std::size_t heads, std::size_t d, std::size_t dv) {
    return message_of<std::invalid_argument>(
        [&] { cache.merge(KeyValueCache<float>(heads, d, dv)); });
  };
  EXPECT_EQ(says(3, 5, 3), "lazygumbel: later.kv_heads() = 3: must equal the cache's 2");
  EXPECT_EQ(says(2, 4, 3), "lazygumbel: later.key_dimension() = 4: must equal the cache's 5");
  EXPECT_EQ(says(2, 5, 6), "lazygumbel: later.value_dimension() = 6: must equal the cache's 3");
  EXPECT_EQ(says(2, 5, 3), CacheFile::nothing);
  expect_same_cache(cache, filled<float>(4));
}

// Every entry of what comes in, of keys, values and queries.
TYPED_TEST(KeyValueCacheOf, RefusesWhatIsNotFiniteAnywhere) {
  using T = TypeParam;
  KeyValueCache<T> cache = filled<T>(4);
  const RowMatrix<T> keys = gaussian_rows_of<T>(3, 10, 1), values = gaussian_rows_of<T>(3, 6, 2);
  const RowMatrix<float> queries = gaussian_rows<float>(2, 20, 3);
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(),
                  infinity = std::numeric_limits<float>::infinity();
  const auto each_entry = [&](const auto& good, auto&& use) {
    for (Eigen::Index i = 0; i < good.rows(); ++i)
      for (Eigen::Index j = 0; j < good.cols(); ++j)
        for (const float wrong : {nan, infinity, -infinity}) {
          auto bad = good;
          bad(i, j) = static_cast<typename std::decay_t<decltype(good)>::Scalar>(wrong);
          const std::string text = message_of<std::invalid_argument>([&] { use(bad); });
          EXPECT_NE(text.find("must be finite"), std::string::npos) << text << i << " " << j;
        }
  };
  each_entry(keys, [&](const auto& bad) { cache.append({bad, 2}, {values, 2}); });
  each_entry(values, [&](const auto& bad) { cache.append({keys, 2}, {bad, 2}); });
  each_entry(queries, [&](const auto& bad) { cache.attend({bad, 4}); });
  expect_same_cache(cache, filled<T>(4));
}

class KeyValueCacheFile : public ::testing::Test {
 protected:
  // Bytes of the header: letters, version, scalar type, kv_heads, d, dv, tokens; head 0's norm.
  static constexpr std::size_t version = 8, heads = 20, d = 28, dv = 36, tokens = 44, norm = 52,
                               first_key = 60, value_norm = first_key + 6 * 5 * 4;

  void SetUp() override {
    filled<float>(6).save(file.path());
    good = file.read();
  }
  template <class T = float>
  std::string complaint(const Bytes& bytes) const {
    return file.complaint<KeyValueCache<T>>(bytes);
  }
  template <class Number>
  std::string forged(std::size_t at, Number number) const {
    return file.forged<KeyValueCache<float>>(good, at, number);
  }

  CacheFile file;
  Bytes good;
};

TEST_F(KeyValueCacheFile, EveryChangeIsNoticed) {
  file.expect_every_change_noticed<KeyValueCache<float>>(good);
  EXPECT_EQ(complaint(Bytes(good.begin(), good.end() - 1)), "is truncated");
}

TEST_F(KeyValueCacheFile, Foreign) {
  EXPECT_EQ(complaint({}), "is truncated");
  EXPECT_EQ(complaint(Bytes(1000, 'x')), "is no file of KeyValueCache");
  EXPECT_EQ(forged(version, std::uint32_t{2}), "has format version 2, this library reads 1");
  EXPECT_EQ(complaint<Eigen::half>(good), "holds numbers of type \"float32\", not \"float16\"");
  filled<Eigen::bfloat16>(6).save(file.path());
  EXPECT_EQ(complaint<Eigen::half>(file.read()),
            "holds numbers of type \"bfloat16\", not \"float16\"");
  std::filesystem::remove(file.path());
  EXPECT_EQ(message_of<file_error>([&] { KeyValueCache<float>::load(file.path()); }),
            "lazygumbel: " + file.path().string() + " cannot be read");
  EXPECT_THROW(filled<float>(1).save(file.folder() / "none" / "cache"), file_error);
}

// The checksum is right: every number is held against what it must be.
TEST_F(KeyValueCacheFile, Forged) {
  ASSERT_EQ(forged(tokens, std::uint64_t{6}), CacheFile::nothing);
  for (const std::uint64_t wrong : {std::uint64_t{1} << 33, ~std::uint64_t{0}}) {
    const std::string text = std::to_string(wrong) + " is out of range";
    EXPECT_EQ(forged(heads, wrong), "is corrupted: kv_heads = " + text);
    EXPECT_EQ(forged(d, wrong), "is corrupted: d = " + text);
    EXPECT_EQ(forged(dv, wrong), "is corrupted: dv = " + text);
    EXPECT_EQ(forged(tokens, wrong), "is corrupted: tokens = " + text);
  }
  for (const std::size_t at : {heads, d, dv})
    EXPECT_NE(forged(at, std::uint64_t{0}).find(" = 0 is out of range"), std::string::npos) << at;
  EXPECT_EQ(forged(heads, std::uint64_t{0xffffffff}),
            "is corrupted: kv_heads = 4294967295 does not fit it");
  EXPECT_EQ(forged(d, std::uint64_t{0xffffffff}), "is corrupted: tokens = 6 does not fit it");
  EXPECT_EQ(forged(tokens, std::uint64_t{7}), "is corrupted: tokens = 7 does not fit it");
  for (const std::uint64_t other : {0, 1, 5}) EXPECT_NE(forged(tokens, other), CacheFile::nothing);
  EXPECT_NE(forged(d, std::uint64_t{3}), CacheFile::nothing);
  for (const std::size_t at : {norm, value_norm})
    for (const double wrong : {0.0, -1.0, 1e300, std::nan("")})
      EXPECT_EQ(forged(at, wrong).find("is corrupted: its largest norm"), 0u) << at;
  for (std::size_t at = first_key; at + 8 < good.size(); at += 4) {
    if (at >= value_norm && at < value_norm + 8) continue;
    for (const float wrong : {std::nanf(""), std::numeric_limits<float>::infinity(), -2e30F})
      EXPECT_EQ(forged(at, wrong).find("is corrupted: "), 0u) << at;
  }
}

TEST(KeyValueCache, StartsEmptyAndTakesNoTokens) {
  KeyValueCache<float> cache(2, 3, 4);
  EXPECT_EQ(cache.tokens_seen(), 0u);
  EXPECT_EQ(cache.keys().tokens(), 0u);
  EXPECT_EQ(cache.largest_key_norm(1), 0.0);
  cache.append({nullptr, 0, 2, 3, 3, 3}, {nullptr, 0, 2, 4, 4, 4});
  EXPECT_EQ(cache.tokens_seen(), 0u);
  const AttentionOutput out = cache.attend({gaussian_rows<float>(1, 6, 1), 2});
  EXPECT_EQ(out.values, RowMatrix<float>::Zero(1, 8));
  EXPECT_EQ(out.log_sum_exp(0, 1), -std::numeric_limits<double>::infinity());
  for (const std::size_t tokens : {0, 1, 1000, 10}) cache.reserve(tokens);
  EXPECT_EQ(cache.capacity(), 1000u);
}

TEST(KeyValueCache, ReservesNoMoreThanThereCanBe) {
  KeyValueCache<float> cache = filled<float>(4);
  const std::size_t room = cache.capacity();
  const auto says = [&](std::size_t tokens) {
    return message_of<std::invalid_argument>([&] { cache.reserve(tokens); });
  };
  EXPECT_EQ(says(std::size_t{1} << 32),
            "lazygumbel: tokens = 4294967296: makes 2^32 tokens or more");
  EXPECT_EQ(says(std::size_t{1} << 60),
            "lazygumbel: tokens = 1152921504606846976: makes 2^32 tokens or more");
  EXPECT_EQ(cache.capacity(), room);
  cache.append(cache.keys(), cache.values());
  EXPECT_EQ(cache.tokens_seen(), 8u);
}

TEST(KeyValueCache, TakesNoMemoryWhoseSizeWraps) {
  constexpr std::size_t huge = std::size_t{1} << 60;
  for (auto [d, dv] : {std::pair{huge, std::size_t{1}}, std::pair{std::size_t{1}, huge}}) {
    KeyValueCache<float> cache(1, d, dv);
    EXPECT_THROW(cache.reserve(16), std::bad_array_new_length) << d;  // 2^66 bytes
    EXPECT_THROW(cache.reserve(2), std::bad_array_new_length) << d;   // 2^63
    EXPECT_EQ(cache.capacity(), 0u);
  }
}

TYPED_TEST(KeyValueCacheOf, AppendsItsOwnRows) {
  for (const std::size_t n : {5, 256, 300, 20000}) {
    KeyValueCache<TypeParam> twice = filled<TypeParam>(n), streamed = filled<TypeParam>(n);
    const KeyValueCache<TypeParam> other = filled<TypeParam>(n);
    twice.append(twice.keys(), twice.values());
    streamed.append(other.keys(), other.values());
    expect_same_cache(twice, streamed);
    twice.append(twice.keys().tokens(1, 3), twice.values().tokens(n, 3));
    expect_same_rows(twice.keys().tokens(2 * n, 3), other.keys().tokens(1, 3));
    expect_same_rows(twice.values().tokens(2 * n, 3), other.values().tokens(0, 3));
  }
}

TEST(KeyValueCache, LeavesRowsWhereTheyAreUntilFull) {
  KeyValueCache<float> cache(1, 3, 3);
  cache.reserve(21 * 8);
  const RowMatrix<float> rows = gaussian_rows<float>(8, 3, 1);
  cache.append(rows, rows);
  const float* const first = cache.keys().row(0, 0);
  for (int i = 0; i < 20; ++i) cache.append(rows, rows);
  EXPECT_EQ(cache.keys().row(0, 0), first);
  EXPECT_EQ(cache.capacity(), 21u * 8u);
}

TEST(KeyValueCache, NamesWhatIsWrongAndKeepsWhatItHas) {
  using Error = std::invalid_argument;
  EXPECT_EQ(message_of<Error>([] { KeyValueCache<float>(0, 1, 1); }),
            "lazygumbel: kv_heads = 0: must be at least 1");
  EXPECT_EQ(message_of<Error>([] { KeyValueCache<float>(1, 0, 1); }),
            "lazygumbel: d = 0: must be at least 1");
  EXPECT_EQ(message_of<Error>([] { KeyValueCache<float>(1, 1, 0); }),
            "lazygumbel: dv = 0: must be at least 1");
  KeyValueCache<float> cache(1, 3, 2);
  RowMatrix<float> keys = gaussian_rows<float>(4, 3, 1), values = gaussian_rows<float>(4, 2, 2);
  cache.append(keys, values);
  const auto says = [&] { return message_of<Error>([&] { cache.append(keys, values); }); };
  keys(2, 1) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(says(), "lazygumbel: keys(token 2, head 0, 1) = nan: must be finite");
  keys(2, 1) = 2e30F;
  EXPECT_NE(says().find("keys(token 2, head 0).norm()"), std::string::npos) << says();
  keys(2, 1) = 0.0F;
  values(3, 0) = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(says(), "lazygumbel: values(token 3, head 0, 0) = -inf: must be finite");
  values(3, 0) = 0.0F;
  const RowMatrix<float> short_values = values.topRows(3);
  EXPECT_EQ(message_of<Error>([&] { cache.append(keys, short_values); }),
            "lazygumbel: values.tokens() = 3: must equal keys.tokens() = 4");
  EXPECT_EQ(message_of<Error>([&] { cache.append(values, values); }),
            "lazygumbel: keys.dimension() = 2: must equal the cache's 3");
  EXPECT_EQ(message_of<Error>([&] {
              cache.append({keys, 3}, {values, 2});
            }),
            "lazygumbel: keys.heads() = 3: must equal kv_heads() = 1");
  EXPECT_EQ(cache.tokens_seen(), 4u);
  cache.append(keys, values);
  EXPECT_EQ(cache.tokens_seen(), 8u);
}

TEST(KeyValueCache, Moves) {
  KeyValueCache<float> cache(1, 3, 3);
  const RowMatrix<float> rows = gaussian_rows<float>(300, 3, 1);
  cache.append(rows, rows);
  const KeyValueCache<float> moved = std::move(cache);
  EXPECT_EQ(moved.tokens_seen(), 300u);
  EXPECT_EQ(moved.keys().row(299, 0)[2], rows(299, 2));
  static_assert(!std::is_copy_constructible_v<KeyValueCache<float>>);
  cache = filled<float>(3);  // NOLINT: assigned to, it is whole again
  cache.append(cache.keys(), cache.values());
  EXPECT_EQ(cache.tokens_seen(), 6u);
}

}  // namespace
}  // namespace lazygumbel::testing
