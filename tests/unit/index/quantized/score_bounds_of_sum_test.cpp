#include <gtest/gtest.h>

#include <cmath>
#include <code_bounds.hpp>
#include <cstddef>
#include <indexes.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <message_of.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "scalars.hpp"
#include "simds.hpp"

// ScalarQuantizedIndex::score_bounds_of_sum: bounds on the sum of several queries' scores.

namespace lazygumbel::testing {
namespace {

template <class Scalar>
class BoundsOfSum : public ::testing::Test {
 protected:
  /// The average upper - lower, after a check against the sums in long double.
  static double check(const ScalarQuantizedIndex<Scalar>& index, const RowMatrix<Scalar>& queries) {
    const std::size_t n = index.size();
    std::vector<float> lower(n, 1e9F), upper(n, -1e9F);
    index.score_bounds_of_sum(queries, lower, upper);
    std::vector<long double> truth(n, 0.0L), computed(n, 0.0L);
    double lengths = 0.0;
    for (Eigen::Index p = 0; p < queries.rows(); ++p) {
      const Vector<Scalar> query = queries.row(p).transpose();
      const auto scores = long_scores<Scalar>(RowMatrix<Scalar>(index.rows()), query);
      for (item_id i = 0; i < n; ++i) {
        truth[i] += scores[i];
        computed[i] += static_cast<long double>(index.score(query, i));
      }
      lengths += query.template cast<double>().norm();
    }
    // The sum of the parts' bounds is rounded, in floats.
    const double reach = lengths * RowMatrix<Scalar>(index.rows()).rowwise().norm().maxCoeff();
    const long double rounding =
        4e-7L * static_cast<long double>(reach) * (queries.rows() > 1 ? 1.0L : 0.0L);
    double width = 0.0;
    std::size_t broken = 0;
    for (item_id i = 0; i < n; ++i) {
      for (const long double score : {truth[i], computed[i]})
        broken += !(static_cast<long double>(lower[i]) - rounding <= score &&
                    score <= static_cast<long double>(upper[i]) + rounding);
      width += static_cast<double>(upper[i]) - static_cast<double>(lower[i]);
    }
    EXPECT_EQ(broken, 0U);
    return width / static_cast<double>(n);
  }
};
TYPED_TEST_SUITE(BoundsOfSum, Scalars);

TYPED_TEST(BoundsOfSum, HoldForOneTwoAndThreeQueries) {
  std::uint64_t seed = 1;
  for (const std::size_t n : {1U, 63U, 64U, 65U, 200U})
    for (const std::size_t d : {1U, 2U, 7U, 64U, 301U})
      for (const int bits : {4, 8})
        for (const Simd simd : supported_simds()) {
          const ScalarQuantizedIndex<TypeParam> index(gaussian_rows<TypeParam>(n, d, ++seed),
                                                      {.bits = bits, .simd = simd});
          for (const std::size_t parts : {1U, 2U, 3U}) {
            RowMatrix<TypeParam> queries = gaussian_rows<TypeParam>(parts, d, ++seed);
            this->check(index, queries);
            // Parts of very different sizes, and opposite ones, whose sum is 0.
            queries.row(0) *= TypeParam(1e4);
            this->check(index, queries);
            queries.row(0) = -queries.row(queries.rows() - 1);
            this->check(index, queries);
          }
        }
}

TYPED_TEST(BoundsOfSum, OneQueryIsScoreBounds) {
  for (const int bits : {4, 8}) {
    const ScalarQuantizedIndex<TypeParam> index(gaussian_rows<TypeParam>(130, 20, 1),
                                                {.bits = bits});
    const Vector<TypeParam> query = gaussian_query<TypeParam>(20, 2);
    std::vector<float> a(130), b(130), c(130), d(130);
    index.score_bounds(query, a, b);
    index.score_bounds_of_sum(RowMatrix<TypeParam>(query.transpose()), c, d);
    EXPECT_EQ(a, c);
    EXPECT_EQ(b, d);
  }
}

// A table with a few large cells: in two parts, the multiples of 1/127 of the largest entry and
// what they leave, it is bounded at least 5 times tighter. Rows of 0 and 1, which codes hold
// exactly, so that all the width is the query's.
TYPED_TEST(BoundsOfSum, APeakedQueryIsTighterInTwoParts) {
  const std::size_t n = 200, d = 1000;
  RowMatrix<TypeParam> rows = gaussian_rows<TypeParam>(n, d, 1);
  rows = (rows.array() > TypeParam(0)).template cast<TypeParam>().matrix();
  const ScalarQuantizedIndex<TypeParam> index(rows, {.bits = 8});
  Vector<TypeParam> query = gaussian_query<TypeParam>(d, 2);
  query[3] = TypeParam(1000);
  query[77] = TypeParam(-700);
  RowMatrix<TypeParam> parts(2, static_cast<Eigen::Index>(d));
  const TypeParam unit = TypeParam(1000) / TypeParam(127);
  parts.row(0) = ((query / unit).array().round() * unit).matrix().transpose();
  parts.row(1) = query.transpose() - parts.row(0);
  const double one = this->check(index, RowMatrix<TypeParam>(query.transpose()));
  const double two = this->check(index, parts);
  EXPECT_GT(two, 0.0);
  EXPECT_GT(one, 5.0 * two);
}

TYPED_TEST(BoundsOfSum, Refusals) {
  const ScalarQuantizedIndex<TypeParam> index(gaussian_rows<TypeParam>(5, 3, 1));
  std::vector<float> four(4), five(5);
  const auto refusal = [&](const RowMatrix<TypeParam>& queries, std::vector<float>& low,
                           std::vector<float>& high) {
    return message_of<std::invalid_argument>(
        [&] { index.score_bounds_of_sum(queries, low, high); });
  };
  const RowMatrix<TypeParam> good = RowMatrix<TypeParam>::Ones(2, 3);
  EXPECT_EQ(refusal(good, four, five),
            "lazygumbel: lower.size(), upper.size() = 4: must equal size()");
  EXPECT_EQ(refusal(good, five, four),
            "lazygumbel: lower.size(), upper.size() = 4: must equal size()");
  EXPECT_NE(refusal(RowMatrix<TypeParam>::Ones(2, 4), five, five).find("3"), std::string::npos);
  RowMatrix<TypeParam> bad = good;
  bad(1, 2) = static_cast<TypeParam>(std::nan(""));
  EXPECT_NE(refusal(bad, five, five).find("nan"), std::string::npos);
  EXPECT_EQ(refusal(RowMatrix<TypeParam>(0, 3), five, five),
            "lazygumbel: queries.rows() = 0: must be at least 1");
}

}  // namespace
}  // namespace lazygumbel::testing
