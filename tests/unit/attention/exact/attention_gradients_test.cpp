#include <gtest/gtest.h>

#include <lazygumbel/attention/exact/attention_gradients.hpp>

namespace lazygumbel::testing {
namespace {

TEST(AttentionGradients, AreEmptyAndExactAtFirst) {
  const AttentionGradients gradients;
  EXPECT_EQ(gradients.queries.size(), 0);
  EXPECT_EQ(gradients.keys.size(), 0);
  EXPECT_EQ(gradients.values.size(), 0);
  EXPECT_EQ(gradients.sink_logits.size(), 0);
  EXPECT_EQ(gradients.errors.queries, 0.0);
  EXPECT_EQ(gradients.errors.keys, 0.0);
  EXPECT_EQ(gradients.errors.values, 0.0);
}

}  // namespace
}  // namespace lazygumbel::testing
