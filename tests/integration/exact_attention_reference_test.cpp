#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "attention_reference.hpp"

/// \file
/// The reference itself: its gradients are the differences of its outputs, and its problems are
/// what they say.

namespace lazygumbel::testing {
namespace {

// f = sum(outer o outputs), moved by +-2^-7 in one entry: the error of the central difference is
// h^2 |f'''| / 6, about 1e-4 here.
TEST(ExactAttentionReference, GradientsAreDifferences) {
  HeadsProblem p = gaussian_problem(
      {.queries = 3, .keys = 6, .heads = 4, .kv_heads = 2, .d = 5, .dv = 3}, 1.5, 1);
  std::vector<float> sinks = {0.125F, -1.0F, 2.0F, 0.5F};
  const RowMatrix<double> outer = gaussian_rows<double>(3, 12, 9);
  const std::vector<std::size_t> lengths = {4, 0, 6};
  for (const AttentionMask& mask :
       {AttentionMask::full(), AttentionMask::causal(), AttentionMask::prefix(lengths)})
    for (const double softcap : {0.0, 2.0})
      for (const double scale : {0.5, -1.0}) {
        const AttentionOptions options{
            .scale = scale, .softcap = softcap, .sink_logits = sinks, .mask = mask};
        const auto value = [&] {
          return reference_attention(p.q(), p.k(), p.v(), options).values.cwiseProduct(outer).sum();
        };
        const auto expect_slope = [&](float& entry, double slope) {
          const float kept = entry;
          const auto moved = [&](float step) {
            entry = kept + step;
            return std::pair(static_cast<double>(entry), value());
          };
          const auto [high, above] = moved(0.0078125F);
          const auto [low, below] = moved(-0.0078125F);
          entry = kept;
          EXPECT_NEAR((above - below) / (high - low), slope, 1e-3);
        };
        const ReferenceSlopes slopes = reference_gradients(p.q(), p.k(), p.v(), outer, options);
        for (Eigen::Index i = 0; i < p.queries.size(); ++i)
          expect_slope(p.queries.data()[i], slopes.queries.data()[i]);
        for (Eigen::Index i = 0; i < p.keys.size(); ++i)
          expect_slope(p.keys.data()[i], slopes.keys.data()[i]);
        for (Eigen::Index i = 0; i < p.values.size(); ++i)
          expect_slope(p.values.data()[i], slopes.values.data()[i]);
        for (std::size_t h = 0; h < sinks.size(); ++h)
          expect_slope(sinks[h], slopes.sink_logits[static_cast<Eigen::Index>(h)]);
      }
}

// By hand: weights 1, 3 and, of the sink, 4.
TEST(ExactAttentionReference, ByHand) {
  RowMatrix<float> query(1, 1), keys(2, 1), values(2, 1);
  query << 1.0F;
  keys << 0.0F, static_cast<float>(std::log(3.0));
  values << 8.0F, 16.0F;
  const std::vector<float> sinks = {static_cast<float>(std::log(4.0))};
  const HeadsView<float> q(query), k(keys), v(values);
  ReferenceAttention out = reference_attention(q, k, v, {});
  EXPECT_NEAR(out.values(0, 0), 14.0, 1e-6);
  EXPECT_NEAR(out.log_sum_exp(0, 0), std::log(4.0), 1e-6);
  out = reference_attention(q, k, v, {.sink_logits = sinks});
  EXPECT_NEAR(out.values(0, 0), 7.0, 1e-6);
  EXPECT_NEAR(out.log_sum_exp(0, 0), std::log(8.0), 1e-6);
}

TEST(ExactAttentionReference, GaussianLogitsHaveTheirSigma) {
  const HeadsProblem p =
      gaussian_problem({.queries = 1, .keys = 40000, .d = 32, .dv = 2}, 2.0, 5, 1.0);
  const Eigen::VectorXd scores = (p.keys * p.queries.transpose()).cast<double>() / std::sqrt(32.0);
  EXPECT_NEAR(scores.mean(), 0.0, 0.05);  // 5 sd
  EXPECT_NEAR(std::sqrt((scores.array() - scores.mean()).square().mean()), 2.0, 0.04);
  EXPECT_NEAR(static_cast<double>(p.values.mean()), 1.0, 0.02);
}

TEST(ExactAttentionReference, ClusteredKeysCluster) {
  const HeadsProblem p = clustered_problem({.queries = 2, .keys = 1024, .d = 64, .dv = 2}, 5, 256);
  const RowMatrix<float> scores = p.queries * p.keys.transpose() / 8.0F;
  for (Eigen::Index j = 0; j < 1024; ++j) {
    if (j % 256 == 1)
      EXPECT_GT(scores(1, j), 6.5F) << j;
    else
      EXPECT_LT(scores(1, j), 5.5F) << j;
  }
}

}  // namespace
}  // namespace lazygumbel::testing
