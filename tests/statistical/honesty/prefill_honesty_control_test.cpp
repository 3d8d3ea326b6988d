#include <gtest/gtest.h>

#include <iostream>

#include "prefill_honesty.hpp"
#include "real_heads.hpp"

// Negative controls of prefill_honesty_test.cpp: the rule that knows of the draws alone, c sd with
// a correction for few effective draws, is refused where keys that no draw met matter, and not
// refused where there are none.

namespace lazygumbel::testing {
namespace {

HonestyCount by_draws_alone(const HeadsProblem& problem, const AttentionOptions& attention,
                            double epsilon, std::size_t seeds, std::size_t least,
                            std::size_t top = 64) {
  KnnAttentionOptions options = honest_options(attention, epsilon);
  options.accuracy = std::nullopt;
  options.minimum_keys = least;
  options.top_k = top;  // few, so that draws have something to say
  const AttentionOutput truth = exact_attention(problem.q(), problem.k(), problem.v(), attention);
  HonestyCount count;
  for (std::size_t seed = 0; seed < seeds; ++seed) {
    AttentionTape tape;
    const AttentionOutput out = run_prefill(problem, options, seed, &tape);
    const std::vector<double> errors = errors_by_draws_alone(problem, attention, tape, 0.1);
    count_rows(
        out, truth, attention, problem.sizes.keys, least + 400, epsilon,
        [&](std::size_t i) {
          return std::pair<double, bool>{errors[i], errors[i] <= epsilon};
        },
        count);
  }
  std::cout << text_of(count) << "\n";
  return count;
}

TEST(PrefillHonestyControl, TheDrawsAloneKnowNothingOfRareValues) {
  const AttentionOptions plain{.scale = 1.0};
  EXPECT_FALSE(reports_hold(by_draws_alone(rare_values(4, 1, 1000.0F), plain, 0.3, 4, 1024), 0.1));
}

TEST(PrefillHonestyControl, NorOfNeedles) {
  const AttentionOptions plain{.scale = 1.0};
  const HonestyCount count = by_draws_alone(needles(1, 1), plain, 0.2, 4, 1024);
  EXPECT_FALSE(reports_hold(count, 0.1));
}

TEST(PrefillHonestyControl, NorOfARealHead) {
  const AttentionOptions causal{.scale = 0.125, .mask = AttentionMask::causal()};
  HeadsProblem problem = real_slice();
  problem.queries *= 20.0F;
  EXPECT_FALSE(reports_hold(by_draws_alone(problem, causal, 0.2, 1, 1024), 0.1));
}

TEST(PrefillHonestyControl, WhereKeysClusterTheyKnowEnough) {
  EXPECT_TRUE(reports_hold(by_draws_alone(benign_clusters(1), {}, 0.1, 4, 1024, 0), 0.1));
}

}  // namespace
}  // namespace lazygumbel::testing
