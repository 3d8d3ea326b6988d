#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <string>
#include <vector>

#include "attention_reference.hpp"
#include "largest_difference.hpp"
#include "simds.hpp"

/// \file
/// Comparisons of attention with its reference.

namespace lazygumbel::testing {

/// An upper bound on all |scores|: |scale| max |q| max |k|.
template <class T>
double score_bound(const HeadsView<float>& queries, const HeadsView<T>& keys,
                   const AttentionOptions& options) {
  const auto longest = [](const auto& view) {
    double most = 0.0;
    for (std::size_t i = 0; i < view.tokens(); ++i)
      for (std::size_t h = 0; h < view.heads(); ++h) {
        double sum = 0.0;
        for (std::size_t j = 0; j < view.dimension(); ++j)
          sum += std::pow(static_cast<double>(static_cast<float>(view.row(i, h)[j])), 2);
        most = (std::max)(most, sum);
      }
    return std::sqrt(most);
  };
  const double scale =
      options.scale.value_or(1.0 / std::sqrt(static_cast<double>(queries.dimension())));
  return std::abs(scale) * longest(queries) * longest(keys);
}

/// The tolerance: `floor`, for float sums, and 2^-22 of the largest |score|, of which rounding
/// makes that error whatever comes after. Outputs: relative to the row's norm, or to 1 where that
/// is smaller; log-sum-exps: absolute.
inline void expect_near(const AttentionOutput& out, const ReferenceAttention& reference,
                        double bound, const std::string& what, double floor = 2e-6) {
  ASSERT_EQ(out.values.rows(), reference.values.rows()) << what;
  ASSERT_EQ(out.values.cols(), reference.values.cols()) << what;
  ASSERT_EQ(out.log_sum_exp.rows(), reference.log_sum_exp.rows()) << what;
  ASSERT_EQ(out.log_sum_exp.cols(), reference.log_sum_exp.cols()) << what;
  const Eigen::Index heads = out.log_sum_exp.cols(), dv = out.values.cols() / heads;
  ASSERT_EQ(out.rows.size(), static_cast<std::size_t>(out.log_sum_exp.size())) << what;
  const double tolerance = floor + bound / 4194304.0;
  for (Eigen::Index i = 0; i < out.values.rows(); ++i)
    for (Eigen::Index h = 0; h < heads; ++h) {
      const double expected = reference.log_sum_exp(i, h), got = out.log_sum_exp(i, h);
      if (std::isinf(expected))
        ASSERT_EQ(got, expected) << what << ", query " << i << ", head " << h;
      else
        ASSERT_NEAR(got, expected, tolerance) << what << ", query " << i << ", head " << h;
      const Eigen::RowVectorXd o = reference.values.row(i).segment(h * dv, dv);
      const Eigen::RowVectorXd difference =
          out.values.row(i).segment(h * dv, dv).cast<double>() - o;
      ASSERT_LE(difference.norm(), tolerance * (std::max)(o.norm(), 1.0))
          << what << ", query " << i << ", head " << h;
    }
}

/// Bit for bit, but for the sign of 0.
inline void expect_same(const AttentionOutput& a, const AttentionOutput& b,
                        const std::string& what) {
  ASSERT_TRUE(a.values == b.values) << what;
  ASSERT_TRUE(a.log_sum_exp == b.log_sum_exp) << what;
}

/// exact_attention against the reference, with every instruction set.
template <class T>
void expect_exact(const HeadsView<float>& queries, const HeadsView<T>& keys,
                  const HeadsView<T>& values, AttentionOptions options, const std::string& what,
                  double floor = 2e-6) {
  const ReferenceAttention reference = reference_attention(queries, keys, values, options);
  const double bound = score_bound(queries, keys, options);
  for (const Simd simd : supported_simds()) {
    options.simd = simd;
    expect_near(exact_attention(queries, keys, values, options), reference, bound,
                what + ", " + name_of(simd), floor);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

/// The same with keys and values stored as T; against the reference over the rounded numbers.
template <class T>
void expect_exact_stored(const HeadsProblem& problem, const AttentionOptions& options,
                         const std::string& what, double floor = 2e-6) {
  const RowMatrix<T> keys = stored_as<T>(problem.keys), values = stored_as<T>(problem.values);
  expect_exact<T>(problem.q(), {keys, problem.sizes.kv_heads}, {values, problem.sizes.kv_heads},
                  options, what, floor);
}

/// With float, half and bfloat16.
inline void expect_exact_all(const HeadsProblem& problem, const AttentionOptions& options,
                             const std::string& what, double floor = 2e-6) {
  expect_exact_stored<float>(problem, options, what + ", float", floor);
  expect_exact_stored<Eigen::half>(problem, options, what + ", half", floor);
  expect_exact_stored<Eigen::bfloat16>(problem, options, what + ", bfloat16", floor);
}

inline std::string text_of(const AttentionSizes& sizes) {
  return "m " + std::to_string(sizes.queries) + ", n " + std::to_string(sizes.keys) + ", heads " +
         std::to_string(sizes.heads) + " / " + std::to_string(sizes.kv_heads) + ", d " +
         std::to_string(sizes.d) + ", dv " + std::to_string(sizes.dv);
}

}  // namespace lazygumbel::testing
