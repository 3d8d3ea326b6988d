#include <gtest/gtest.h>

#include <lazygumbel/attention/exact/exact_attention_backward.hpp>

#include "prefill_honesty.hpp"
#include "real_heads.hpp"

// Negative control of gradients_honesty_test.cpp: the draws alone, as they are read after a fixed
// budget, state errors that a head of a transformer exceeds.

namespace lazygumbel::testing {
namespace {

TEST(GradientsHonestyControl, TheDrawsAloneStateTooLittle) {
  HeadsProblem problem = real_slice();
  problem.queries *= 20.0F;
  KnnAttentionOptions options =
      honest_options({.scale = 0.125, .mask = AttentionMask::causal()}, 0.1);
  options.accuracy = std::nullopt;
  const KnnAttention<float> attention(1, 1, 64, 64, options);
  const AttentionOutput exact =
      exact_attention(problem.q(), problem.k(), problem.v(), options.attention);
  HonestyCount count;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    PhiloxEngine engine(seed);
    AttentionTape tape;
    attention.forward(problem.q(), problem.k(), problem.v(), engine, &tape);
    const RowMatrix<float> g = gaussian_rows<float>(2048, 64, 500 + seed);
    const HeadsView<float> outer{g, 1};
    const AttentionGradients found =
        attention.backward(problem.q(), problem.k(), problem.v(), tape, outer);
    AttentionGradients truth;
    exact_attention_backward(problem.q(), problem.k(), problem.v(), options.attention, exact, outer,
                             truth);
    EXPECT_FALSE(found.errors.covers_unseen);
    const double away = static_cast<double>((found.queries - truth.queries).norm()) /
                        static_cast<double>(found.queries.norm());
    count.add(true, false, away > found.errors.queries + 1e-5, false);
  }
  EXPECT_FALSE(reports_hold(count, 0.1)) << text_of(count);
}

}  // namespace
}  // namespace lazygumbel::testing
