#include <gtest/gtest.h>

#include <array>
#include <lazygumbel/attention/cache/kv_cache.hpp>
#include <limits>
#include <stdexcept>

#include "indexes.hpp"
#include "message_of.hpp"

// What every cache asks of a query and of what it merges. The concepts: tests/concepts.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::require_attend;

TEST(RequireAttend, GivesTheShapes) {
  const RowMatrix<float> queries = gaussian_rows<float>(3, 6 * 4, 1);
  const lazygumbel::detail::AttentionShape shape =
      require_attend<Eigen::half>({queries, 6}, 2, 4, 5, {});
  EXPECT_EQ(shape.queries, 3u);
  EXPECT_EQ(shape.heads, 6u);
  EXPECT_EQ(shape.kv_heads, 2u);
  EXPECT_EQ(shape.group(), 3u);
  EXPECT_EQ(shape.dimension, 4u);
  EXPECT_EQ(shape.value_dimension, 5u);
  EXPECT_EQ(shape.scale, 0.5);
  AttentionOptions options;
  options.scale = -2.0;
  EXPECT_EQ(require_attend<float>({queries, 6}, 6, 4, 1, options).scale, -2.0);
}

TEST(RequireAttend, NamesWhatIsWrong) {
  const RowMatrix<float> rows = gaussian_rows<float>(2, 12, 1);
  const HeadsView<float> queries(rows, 3);
  const auto says = [&](std::size_t kv_heads, std::size_t d, const AttentionOptions& options = {}) {
    return message_of<std::invalid_argument>(
        [&] { require_attend<float>(queries, kv_heads, d, 2, options); });
  };
  EXPECT_EQ(says(3, 4), "(nothing was thrown)");
  EXPECT_EQ(says(3, 5), "lazygumbel: keys.dimension() = 5: must equal queries.dimension() = 4");
  EXPECT_EQ(says(2, 4), "lazygumbel: queries.heads() = 3: must be a multiple of keys.heads() = 2");
  AttentionOptions options;
  const std::array<std::size_t, 2> lengths = {0, 0};
  for (const AttentionMask mask : {AttentionMask::causal(), AttentionMask::prefix(lengths)}) {
    options.mask = mask;
    EXPECT_EQ(says(3, 4, options), "lazygumbel: mask = not full: a cache shows every token");
  }
  options = {};
  options.scale = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(says(3, 4, options), "lazygumbel: scale = nan: must be finite");
  options = {};
  options.softcap = -1.0;
  EXPECT_EQ(says(3, 4, options), "lazygumbel: softcap = -1: must be at least 0 and finite");
  options = {};
  const std::array<float, 2> two = {0.0F, 0.0F};
  options.sink_logits = two;
  EXPECT_EQ(says(3, 4, options),
            "lazygumbel: sink_logits.size() = 2: must equal queries.heads() = 3");
}

struct CacheShape {
  std::size_t heads, d, dv;
  std::size_t kv_heads() const { return heads; }
  std::size_t key_dimension() const { return d; }
  std::size_t value_dimension() const { return dv; }
};

TEST(RequireEqualShapes, NamesWhatDiffers) {
  const auto says = [](const CacheShape& later) {
    return message_of<std::invalid_argument>([&] {
      lazygumbel::detail::require_equal_shapes(CacheShape{1, 2, 3}, later);
    });
  };
  EXPECT_EQ(says({1, 2, 3}), "(nothing was thrown)");
  EXPECT_EQ(says({2, 2, 3}), "lazygumbel: later.kv_heads() = 2: must equal the cache's 1");
  EXPECT_EQ(says({1, 3, 3}), "lazygumbel: later.key_dimension() = 3: must equal the cache's 2");
  EXPECT_EQ(says({1, 2, 4}), "lazygumbel: later.value_dimension() = 4: must equal the cache's 3");
}

}  // namespace
}  // namespace lazygumbel::testing
