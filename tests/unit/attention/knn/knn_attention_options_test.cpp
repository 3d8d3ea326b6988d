#include <gtest/gtest.h>

#include <lazygumbel/attention/knn/knn_attention_options.hpp>
#include <stdexcept>
#include <string>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

std::string message(const KnnAttentionOptions& options) {
  return message_of<std::invalid_argument>([&] { lazygumbel::detail::require_options(options); });
}

TEST(KnnAttentionOptions, TheDefaultsAreInRange) {
  EXPECT_EQ(message({}), "(nothing was thrown)");
  const KnnAttentionOptions options;
  ASSERT_TRUE(options.accuracy.has_value());
  EXPECT_EQ(options.accuracy->epsilon(), 0.02);
  EXPECT_EQ(options.accuracy->delta(), 0.1);
}

TEST(KnnAttentionOptions, TailSamples) {
  EXPECT_EQ(message({.tail_samples = 15}), "lazygumbel: tail_samples = 15: must be at least 16");
  EXPECT_EQ(message({.tail_samples = 16}), "(nothing was thrown)");
}

TEST(KnnAttentionOptions, Bits) {
  for (const int bits : {-4, 0, 5, 16})
    EXPECT_EQ(message({.bits = bits}),
              "lazygumbel: bits = " + std::to_string(bits) + ": must be 4 or 8");
  EXPECT_EQ(message({.bits = 8}), "(nothing was thrown)");
}

TEST(KnnAttentionOptions, TheStrictIntervalNeedsCodes) {
  EXPECT_EQ(message({.index = KeyIndex::lists, .interval = Interval::empirical_bernstein}),
            "lazygumbel: interval = empirical_bernstein: needs KeyIndex::codes, whose range is "
            "proved");
  for (const KeyIndex index : {KeyIndex::automatic, KeyIndex::codes})
    EXPECT_EQ(message({.index = index, .interval = Interval::empirical_bernstein}),
              "(nothing was thrown)");
}

}  // namespace
}  // namespace lazygumbel::testing
