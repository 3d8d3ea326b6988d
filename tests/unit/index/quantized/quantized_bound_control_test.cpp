#include <gtest/gtest.h>

#include <code_bounds.hpp>

// Negative controls of quantized_bound_test.cpp: bounds whose errors are 1% too small must be found
// out by its checker and its adversarial rows and queries, one pair for each term of the error.

namespace lazygumbel::testing {
namespace {

template <class Scalar>
BoundReport along_row_residuals(int bits, double factor) {
  BoundReport report;
  for (const std::size_t d : {2, 5}) {
    const auto rows = half_step_rows<Scalar>(70, d, bits, 40 + d);
    const auto decoded = decoded_rows(bits, rows);
    const ScalarQuantizedIndex<Scalar> index(rows, {.bits = bits});
    for (Eigen::Index i = 0; i < rows.rows(); i += 3) {
      const Vector<Scalar> query = worst_query(rows, decoded, i, 1.0);
      check_bounds(index, query, long_scores(rows, query), report, factor);
    }
  }
  return report;
}

template <class Scalar>
BoundReport along_query_residual(int bits, double factor) {
  BoundReport report;
  for (const std::size_t d : {130, 1000}) {
    const auto rows = lossless_rows<Scalar>(64, d, bits);
    const auto query = half_step_query<Scalar>(d, bits);
    check_bounds(ScalarQuantizedIndex<Scalar>(rows, {.bits = bits}), query,
                 long_scores(rows, query), report, factor);
  }
  return report;
}

TEST(QuantizedBoundControl, RightErrorsPass) {
  for (const int bits : {4, 8}) {
    EXPECT_EQ(along_row_residuals<float>(bits, 1.0).broken, 0u);
    EXPECT_EQ(along_row_residuals<double>(bits, 1.0).broken, 0u);
    EXPECT_EQ(along_query_residual<float>(bits, 1.0).broken, 0u);
    EXPECT_EQ(along_query_residual<double>(bits, 1.0).broken, 0u);
  }
}

TEST(QuantizedBoundControl, ErrorsOnePercentTooSmallFail) {
  for (const int bits : {4, 8}) {
    EXPECT_GT(along_row_residuals<float>(bits, 0.99).broken, 0u) << bits;
    EXPECT_GT(along_row_residuals<double>(bits, 0.99).broken, 0u) << bits;
    EXPECT_GT(along_query_residual<float>(bits, 0.99).broken, 0u) << bits;
    EXPECT_GT(along_query_residual<double>(bits, 0.99).broken, 0u) << bits;
  }
}

}  // namespace
}  // namespace lazygumbel::testing
