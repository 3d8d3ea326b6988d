#include <gtest/gtest.h>

#include <iostream>
#include <lazygumbel/attention/exact/exact_attention_backward.hpp>

#include "prefill_honesty.hpp"
#include "real_heads.hpp"

// Whether AttentionGradients::errors of a pass with an accuracy are upper estimates: at most one
// gradient in ten further from the exact one than stated (nine in ten is their nominal confidence).

namespace lazygumbel::testing {
namespace {

/// Counts the gradients of queries, keys and values as three answers.
void count_gradients(const HeadsProblem& problem, const KnnAttentionOptions& options,
                     std::uint64_t seed, HonestyCount& count) {
  const KnnAttention<float> attention(1, 1, problem.sizes.d, problem.sizes.dv, options);
  PhiloxEngine engine(seed);
  AttentionTape tape;
  attention.forward(problem.q(), problem.k(), problem.v(), engine, &tape);
  const RowMatrix<float> g =
      gaussian_rows<float>(problem.sizes.queries, problem.sizes.dv, 500 + seed);
  const HeadsView<float> outer{g, 1};
  AttentionGradients found, truth;
  count.seconds += seconds_of(
      [&] { found = attention.backward(problem.q(), problem.k(), problem.v(), tape, outer); });
  const AttentionOutput exact =
      exact_attention(problem.q(), problem.k(), problem.v(), options.attention);
  count.exact_seconds += seconds_of([&] {
    exact_attention_backward(problem.q(), problem.k(), problem.v(), options.attention, exact, outer,
                             truth);
  });
  EXPECT_TRUE(found.errors.covers_unseen);
  const auto add = [&](const RowMatrix<float>& a, const RowMatrix<float>& b, double stated) {
    const double away = static_cast<double>((a - b).norm()) / static_cast<double>(a.norm());
    count.add(true, false, away > stated + 1e-5, stated == 0.0);  // 1e-5: rounding
  };
  add(found.queries, truth.queries, found.errors.queries);
  add(found.keys, truth.keys, found.errors.keys);
  add(found.values, truth.values, found.errors.values);
}

TEST(GradientsHonesty, StatedErrorsAreUpperEstimates) {
  for (const PrefillFamily& family : prefill_families()) {
    if (family.name.find("huge") != std::string::npos ||
        family.name.find("tiny") != std::string::npos)
      continue;  // float gradients of such inputs leave the range
    HonestyCount count;
    for (std::size_t p = 0; p < 2; ++p)
      for (std::size_t seed = 0; seed < 2; ++seed)
        count_gradients(family.problem(1 + p), honest_options(family.attention, family.epsilon),
                        seed, count);
    std::cout << family.name << ": " << text_of(count) << "\n";
    EXPECT_TRUE(reports_hold(count, 0.1)) << family.name << ": " << text_of(count);
  }
}

TEST(GradientsHonesty, RealHeads) {
  HonestyCount count;
  KnnAttentionOptions options =
      honest_options({.scale = 0.125, .mask = AttentionMask::causal()}, 0.1);
  count_gradients(real_slice(), options, 1, count);
  options.minimum_keys = 4096;
  const auto head = real_head(0);
  if (head) count_gradients(*head, options, 1, count);
  EXPECT_TRUE(reports_hold(count, 0.1)) << text_of(count);
  if (!head) GTEST_SKIP() << "transformer-l0-q.npy, -k.npy, -v.npy: no shared data";
}

}  // namespace
}  // namespace lazygumbel::testing
