#include <gtest/gtest.h>

#include <cstddef>
#include <lazygumbel/attention/exact/attention_mask.hpp>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

static_assert(std::is_trivially_copyable_v<AttentionMask>);
static_assert(!std::is_default_constructible_v<AttentionMask>);

TEST(AttentionMask, FullShowsAll) {
  const AttentionMask mask = AttentionMask::full();
  EXPECT_EQ(mask.visible(0, 5, 9), 9U);
  EXPECT_EQ(mask.visible(4, 5, 3), 3U);
  EXPECT_NO_THROW(mask.require_fits(5, 3));
  EXPECT_NO_THROW(mask.require_fits(0, 0));
}

TEST(AttentionMask, CausalEndsWithTheLastKey) {
  const AttentionMask mask = AttentionMask::causal();
  EXPECT_EQ(mask.visible(0, 1, 9), 9U);
  EXPECT_EQ(mask.visible(0, 4, 9), 6U);
  EXPECT_EQ(mask.visible(3, 4, 9), 9U);
  EXPECT_EQ(mask.visible(0, 9, 9), 1U);
  EXPECT_NO_THROW(mask.require_fits(9, 9));
  EXPECT_NO_THROW(mask.require_fits(0, 0));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { mask.require_fits(10, 9); }),
            "lazygumbel: queries.tokens() = 10: exceeds keys.tokens() = 9 under a causal mask");
}

TEST(AttentionMask, PrefixIsWhatItWasGiven) {
  const std::vector<std::size_t> lengths = {0, 7, 3};
  const AttentionMask mask = AttentionMask::prefix(lengths);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(mask.visible(i, 3, 7), lengths[i]);
  EXPECT_NO_THROW(mask.require_fits(3, 7));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { mask.require_fits(2, 7); }),
            "lazygumbel: mask: lengths.size() = 3: must equal queries.tokens() = 2");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { mask.require_fits(3, 6); }),
            "lazygumbel: mask: lengths[1] = 7: exceeds keys.tokens() = 6");
  EXPECT_NO_THROW(AttentionMask::prefix({}).require_fits(0, 7));
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { AttentionMask::prefix({}).require_fits(1, 7); }),
      "lazygumbel: mask: lengths.size() = 0: must equal queries.tokens() = 1");
}

}  // namespace
}  // namespace lazygumbel::testing
