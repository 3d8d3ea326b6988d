#include <gtest/gtest.h>

#include <lazygumbel/attention/key_value_cache.hpp>
#include <limits>
#include <stdexcept>

#include "indexes.hpp"
#include "message_of.hpp"

namespace lazygumbel {
namespace {

using testing::gaussian_rows;
using testing::message_of;

template <class T>
class KeyValueCacheOf : public ::testing::Test {};
using Scalars = ::testing::Types<float, Eigen::half, Eigen::bfloat16>;
TYPED_TEST_SUITE(KeyValueCacheOf, Scalars);

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
  ASSERT_EQ(cache.tokens(), n);
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

TEST(KeyValueCache, StartsEmptyAndTakesNoTokens) {
  KeyValueCache<float> cache(2, 3, 4);
  EXPECT_EQ(cache.tokens(), 0u);
  EXPECT_EQ(cache.keys().tokens(), 0u);
  EXPECT_EQ(cache.largest_key_norm(1), 0.0);
  cache.append({nullptr, 0, 2, 3, 3, 3}, {nullptr, 0, 2, 4, 4, 4});
  EXPECT_EQ(cache.tokens(), 0u);
  cache.reserve(1000);
  EXPECT_EQ(cache.capacity(), 1000u);
}

TEST(KeyValueCache, LeavesRowsWhereTheyAreUntilFull) {
  KeyValueCache<float> cache(1, 3, 3);
  cache.reserve(64);
  const RowMatrix<float> rows = gaussian_rows<float>(8, 3, 1);
  cache.append(rows, rows);
  const float* const first = cache.keys().row(0, 0);
  for (int i = 0; i < 20; ++i) cache.append(rows, rows);
  EXPECT_EQ(cache.keys().row(0, 0), first);
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
  EXPECT_EQ(cache.tokens(), 4u);
  cache.append(keys, values);
  EXPECT_EQ(cache.tokens(), 8u);
}

TEST(KeyValueCache, Moves) {
  KeyValueCache<float> cache(1, 3, 3);
  const RowMatrix<float> rows = gaussian_rows<float>(300, 3, 1);
  cache.append(rows, rows);
  const KeyValueCache<float> moved = std::move(cache);
  EXPECT_EQ(moved.tokens(), 300u);
  EXPECT_EQ(moved.keys().row(299, 0)[2], rows(299, 2));
}

}  // namespace
}  // namespace lazygumbel
