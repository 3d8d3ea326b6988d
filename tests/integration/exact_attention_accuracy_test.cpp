#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>

#include "attention_checks.hpp"

/// \file
/// Errors of exact attention on many keys. Sums over 4,096 to 262,144 keys are as exact as over
/// one block of them: the relative error stays below 5e-7 (scores of a few units apart; values of
/// mean 1), where plain float sums lose 3e-4 of peaked and 2e-3 of level attention.

namespace lazygumbel::testing {
namespace {

constexpr double floor_of_long_sums = 5e-7;

TEST(ExactAttentionAccuracy, Decode) {
  for (const std::size_t n : {4096, 65536, 262144})
    for (const double sigma : {0.0, 1.0, 3.0}) {
      const AttentionSizes sizes{.queries = 1, .keys = n, .d = 20, .dv = 17};
      expect_exact_all(gaussian_problem(sizes, sigma, n), {}, text_of(sizes), floor_of_long_sums);
      if (HasFatalFailure()) return;
    }
}

TEST(ExactAttentionAccuracy, DecodeOfAGroup) {
  const AttentionSizes sizes{
      .queries = 2, .keys = 65536, .heads = 8, .kv_heads = 2, .d = 24, .dv = 16};
  expect_exact_all(gaussian_problem(sizes, 3.0, 1), {.mask = AttentionMask::causal()},
                   text_of(sizes), floor_of_long_sums);
}

TEST(ExactAttentionAccuracy, Prefill) {
  for (const std::size_t n : {4096, 65536})
    for (const double sigma : {0.0, 3.0}) {
      const AttentionSizes sizes{.queries = 12, .keys = n, .d = 18, .dv = 20};
      expect_exact_all(gaussian_problem(sizes, sigma, n), {.mask = AttentionMask::causal()},
                       text_of(sizes), floor_of_long_sums);
      if (HasFatalFailure()) return;
    }
}

TEST(ExactAttentionAccuracy, ClusteredKeys) {
  for (const std::size_t m : {2, 16}) {
    const AttentionSizes sizes{.queries = m, .keys = 16384, .d = 64, .dv = 32};
    expect_exact_all(clustered_problem(sizes, 3), {}, text_of(sizes), 1e-6);
  }
}

// Equal values and equal weights: every rounding of a plain sum errs the same way.
TEST(ExactAttentionAccuracy, EqualValues) {
  for (const std::size_t m : {1, 9}) {
    HeadsProblem problem =
        gaussian_problem({.queries = m, .keys = 262144, .d = 4, .dv = 5}, 0.0, 1);
    problem.values.setConstant(0.1F);
    for (const Simd simd : supported_simds()) {
      const AttentionOutput out =
          exact_attention(problem.q(), problem.k(), problem.v(), {.simd = simd});
      // Sums of 256 keys are plain, and err by 2.4e-6 of themselves here.
      EXPECT_LE(largest_difference(out.values, 0.1), 4e-7) << m << name_of(simd);
    }
  }
}

// The weights below the last place of the sum so far count: 262,144 of 4e-8 each make 1%.
TEST(ExactAttentionAccuracy, ManySmallWeightsAfterALargeOne) {
  for (const std::size_t m : {1, 9}) {
    HeadsProblem problem =
        gaussian_problem({.queries = m, .keys = 262145, .d = 1, .dv = 4}, 1.0, 1);
    problem.queries.setConstant(1.0F);
    problem.keys.setConstant(-17.0F);  // each weighs 4e-8
    problem.keys(0, 0) = 0.0F;
    problem.values.setConstant(1.0F);
    problem.values.row(0).setZero();
    expect_exact_stored<float>(problem, {.scale = 1.0}, "small weights", 2e-6);
    const AttentionOutput out =
        exact_attention(problem.q(), problem.k(), problem.v(), {.scale = 1.0});
    const double mass = 262144.0 * std::exp(-17.0);
    EXPECT_NEAR(static_cast<double>(out.values(0, 0)), mass / (1.0 + mass), 1e-7);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
