#include <gtest/gtest.h>

#include <vector>

#include "attention_gradient_laws.hpp"

// Gradients of sampled attention. Means by z-scores, 12 a case, |z| < 5: false alarm 7e-6 a case;
// power against the wrong deltas in attention_gradients_control_test.cpp. Reported errors against
// those measured, as roots of mean squares over 40 runs, within a factor of 1.5: the noise of
// either is a few percent.

namespace lazygumbel::testing {
namespace {

void expect_unbiased(const AttentionInputs<float>& inputs, const AttentionOptions& attention) {
  const AttentionOutput exact = exact_attention(inputs.q(), inputs.k(), inputs.v(), attention);
  const std::vector<double> scores =
      gradient_z_scores(inputs, drawn_options(attention, 24, 60), 300, &exact);
  for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_LT(std::fabs(scores[i]), 5.0) << i;
}

TEST(AttentionGradientsLaw, UnbiasedByTheExactForward) {
  const std::vector<float> sinks{3.0F, -1.0F, 5.0F};
  expect_unbiased(biased_inputs(60, 500, 3, 0.0F), {.scale = 1.0});
  expect_unbiased(biased_inputs(250, 250, 3, 1.0F),
                  {.scale = 1.0, .mask = AttentionMask::causal()});
  expect_unbiased(biased_inputs(60, 400, 3, 1.0F), {.scale = 1.0, .sink_logits = sinks});
  expect_unbiased(biased_inputs(60, 400, 3, 0.0F),
                  {.scale = 1.0, .softcap = 4.0, .sink_logits = sinks});
}

void expect_reported(const AttentionInputs<float>& inputs, const KnnAttentionOptions& options) {
  for (const bool unbiased : {false, true}) {
    SCOPED_TRACE(unbiased ? "unbiased" : "self-normalised");
    const auto [measured, reported] = gradient_error_law(inputs, options, 40, unbiased);
    const auto near = [](double m, double r) {
      EXPECT_GT(m, 0.02);
      EXPECT_LT(r, 1.5 * m);
      EXPECT_GT(r, m / 1.5);
    };
    near(measured.queries, reported.queries);
    near(measured.keys, reported.keys);
    near(measured.values, reported.values);
  }
}

TEST(AttentionGradientsLaw, ErrorsAreAsReported) {
  const std::vector<float> sinks{3.0F, -1.0F, 5.0F};
  const AttentionOptions peaked{.scale = 1.0};
  expect_reported(biased_inputs(60, 1200, 3, 0.0F), drawn_options(peaked, 200));
  expect_reported(biased_inputs(60, 1200, 3, 1.0F), drawn_options(peaked, 200));
  expect_reported(biased_inputs(60, 1200, 1, 0.0F), drawn_options(peaked, 200));
  expect_reported(biased_inputs(800, 800, 3, 0.0F),
                  drawn_options({.scale = 1.0, .mask = AttentionMask::causal()}, 100));
  expect_reported(biased_inputs(60, 1200, 3, 0.0F),
                  drawn_options({.scale = 1.0, .softcap = 5.0, .sink_logits = sinks}, 200));
}

}  // namespace
}  // namespace lazygumbel::testing
