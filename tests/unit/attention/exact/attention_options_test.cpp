#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <lazygumbel/attention/exact/attention_options.hpp>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::AttentionShape;
using lazygumbel::detail::require_attention;

class AttentionOptionsTest : public ::testing::Test {
 protected:
  /// `tokens` tokens that are all the same one.
  HeadsView<float> view(std::size_t tokens, std::size_t heads, std::size_t d) const {
    return {zeros_.data(), tokens, heads, d, 1, 0};
  }
  std::string message(const HeadsView<float>& q, const HeadsView<float>& k,
                      const HeadsView<float>& v, const AttentionOptions& options = {}) const {
    return message_of<std::invalid_argument>([&] { require_attention(q, k, v, options); });
  }
  std::string message(const AttentionOptions& options) const {
    return message(view(2, 4, 3), view(5, 2, 3), view(5, 2, 6), options);
  }

 private:
  std::vector<float> zeros_ = std::vector<float>(64, 0.0F);
};

TEST_F(AttentionOptionsTest, Shape) {
  const AttentionShape shape =
      require_attention(view(2, 6, 16), view(5, 2, 16), view(5, 2, 7), AttentionOptions{});
  EXPECT_EQ(shape.queries, 2U);
  EXPECT_EQ(shape.keys, 5U);
  EXPECT_EQ(shape.heads, 6U);
  EXPECT_EQ(shape.kv_heads, 2U);
  EXPECT_EQ(shape.group(), 3U);
  EXPECT_EQ(shape.dimension, 16U);
  EXPECT_EQ(shape.value_dimension, 7U);
  EXPECT_EQ(shape.scale, 0.25);
  EXPECT_EQ(require_attention(view(2, 6, 16), view(5, 2, 16), view(5, 2, 7), {.scale = -3.0}).scale,
            -3.0);
}

TEST_F(AttentionOptionsTest, ShapesThatDoNotFit) {
  EXPECT_EQ(message(view(2, 4, 3), view(5, 2, 4), view(5, 2, 6)),
            "lazygumbel: keys.dimension() = 4: must equal queries.dimension() = 3");
  EXPECT_EQ(message(view(2, 4, 3), view(5, 2, 3), view(4, 2, 6)),
            "lazygumbel: values.tokens() = 4: must equal keys.tokens() = 5");
  EXPECT_EQ(message(view(2, 4, 3), view(5, 2, 3), view(5, 1, 6)),
            "lazygumbel: values.heads() = 1: must equal keys.heads() = 2");
  EXPECT_EQ(message(view(2, 4, 3), view(5, 3, 3), view(5, 3, 6)),
            "lazygumbel: queries.heads() = 4: must be a multiple of keys.heads() = 3");
  EXPECT_EQ(message(view(2, 1, 3), view(5, 2, 3), view(5, 2, 6)),
            "lazygumbel: queries.heads() = 1: must be a multiple of keys.heads() = 2");
  EXPECT_EQ(message(view(6, 2, 3), view(5, 2, 3), view(5, 2, 6), {.mask = AttentionMask::causal()}),
            "lazygumbel: queries.tokens() = 6: exceeds keys.tokens() = 5 under a causal mask");
}

TEST_F(AttentionOptionsTest, KeysAreNumberedBy32Bits) {
  constexpr std::size_t most = 0xffffffffU;
  EXPECT_NO_THROW(
      require_attention(view(1, 1, 3), view(most, 1, 3), view(most, 1, 3), AttentionOptions{}));
  EXPECT_EQ(message(view(1, 1, 3), view(most + 1, 1, 3), view(most + 1, 1, 3)),
            "lazygumbel: keys.tokens() = 4294967296: must be below 2^32");
}

TEST_F(AttentionOptionsTest, Scale) {
  EXPECT_EQ(message({.scale = std::nan("")}), "lazygumbel: scale = nan: must be finite");
  EXPECT_EQ(message({.scale = -std::numeric_limits<double>::infinity()}),
            "lazygumbel: scale = -inf: must be finite");
}

TEST_F(AttentionOptionsTest, Softcap) {
  EXPECT_EQ(message({.softcap = -1.0}), "lazygumbel: softcap = -1: must be at least 0 and finite");
  EXPECT_EQ(message({.softcap = std::nan("")}),
            "lazygumbel: softcap = nan: must be at least 0 and finite");
  EXPECT_EQ(message({.softcap = std::numeric_limits<double>::infinity()}),
            "lazygumbel: softcap = inf: must be at least 0 and finite");
  // As floats these would be infinite, and 0: no cap.
  EXPECT_EQ(message({.softcap = 1e300}),
            "lazygumbel: softcap = 1e+300: must be 0, or from 1e-30 to 1e30");
  EXPECT_EQ(message({.softcap = 1e-50}),
            "lazygumbel: softcap = 1e-50: must be 0, or from 1e-30 to 1e30");
  for (const double softcap : {0.0, 1e-30, 1e30})
    EXPECT_EQ(message({.softcap = softcap}), "(nothing was thrown)");
}

TEST_F(AttentionOptionsTest, SinkLogits) {
  std::vector<float> sinks = {0.0F, 1.0F, -float_infinity};
  EXPECT_EQ(message({.sink_logits = sinks}),
            "lazygumbel: sink_logits.size() = 3: must equal queries.heads() = 4");
  sinks.push_back(float_infinity);
  EXPECT_EQ(message({.sink_logits = sinks}),
            "lazygumbel: sink_logits[3] = inf: must be finite or -infinity");
  sinks[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(message({.sink_logits = sinks}),
            "lazygumbel: sink_logits[3] = nan: must be finite or -infinity");
  sinks[3] = -4.0F;
  EXPECT_EQ(message({.sink_logits = sinks}), "(nothing was thrown)");
}

TEST_F(AttentionOptionsTest, Simd) {
  for (const lazygumbel::Simd simd : {Simd::portable, Simd::neon, Simd::avx2, Simd::avx512_vnni})
    EXPECT_EQ(message({.simd = simd}), is_supported(simd)
                                           ? std::string("(nothing was thrown)")
                                           : "lazygumbel: simd = " + std::string(name_of(simd)) +
                                                 ": this machine does not support it");
}

}  // namespace
}  // namespace lazygumbel::testing
