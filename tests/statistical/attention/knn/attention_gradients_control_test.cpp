#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "attention_gradient_laws.hpp"

// Negative controls of attention_gradients_law_test.cpp: forwards that are off make z-scores that
// its limit of 5 rejects.

namespace lazygumbel::testing {
namespace {

/// The largest |z| of the queries', keys' and values' gradients.
std::vector<double> largest(const std::vector<double>& scores) {
  std::vector<double> out;
  const std::size_t each = scores.size() / 3;
  for (std::size_t i = 0; i < 3; ++i) {
    double high = 0.0;
    for (std::size_t j = i * each; j < (i + 1) * each; ++j)
      high = (std::max)(high, std::fabs(scores[j]));
    out.push_back(high);
  }
  return out;
}

TEST(AttentionGradientsControl, ForwardsThatAreOff) {
  const AttentionInputs<float> inputs = biased_inputs(60, 500, 3, 1.0F);
  const AttentionOptions peaked{.scale = 1.0};
  const KnnAttentionOptions options = drawn_options(peaked);
  const AttentionOutput exact = exact_attention(inputs.q(), inputs.k(), inputs.v(), peaked);
  const std::vector<double> right = largest(gradient_z_scores(inputs, options, 200, &exact));
  for (const double z : right) EXPECT_LT(z, 5.0);

  AttentionOutput deltas = exact;  // 5% off
  deltas.values *= 1.05F;
  const std::vector<double> by_deltas = largest(gradient_z_scores(inputs, options, 200, &deltas));
  EXPECT_GT((std::max)(by_deltas[0], by_deltas[1]), 5.0);

  AttentionOutput sums = exact;  // weights 5% too small
  sums.log_sum_exp.array() += 0.05;
  const std::vector<double> by_sums = largest(gradient_z_scores(inputs, options, 200, &sums));
  EXPECT_GT(by_sums[2], 5.0);
}

}  // namespace
}  // namespace lazygumbel::testing
