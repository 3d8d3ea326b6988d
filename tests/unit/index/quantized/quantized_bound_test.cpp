#include <gtest/gtest.h>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <code_bounds.hpp>
#include <iostream>
#include <message_of.hpp>

#include "scalars.hpp"
#include "simds.hpp"

// The certificate of ScalarQuantizedIndex: lower <= score <= upper for the true score and for the
// computed one, whatever the rows, the query, the dimension, the bits and the instruction set. The
// negative control is quantized_bound_control_test.cpp.

namespace lazygumbel::testing {
namespace {

template <class Scalar>
class QuantizedBound : public ::testing::Test {
 protected:
  using RowsOf = RowMatrix<Scalar>;
  using Query = Vector<Scalar>;

  /// All pairs, for both numbers of bits and every instruction set. A refused query is one whose
  /// scores could come near the largest float.
  static void check(const RowsOf& rows, const std::vector<Query>& queries, BoundReport& report) {
    std::vector<std::vector<long double>> truth;
    for (const Query& query : queries) truth.push_back(long_scores(rows, query));
    for (const int bits : {4, 8})
      for (const Simd simd : supported_simds()) {
        const ScalarQuantizedIndex<Scalar> index(rows, {.bits = bits, .simd = simd});
        for (std::size_t q = 0; q < queries.size(); ++q) {
          const std::size_t before = report.broken;
          try {
            check_bounds(index, queries[q], truth[q], report);
          } catch (const std::invalid_argument& refusal) {
            ++report.refused;
            EXPECT_NE(std::string(refusal.what()).find("overflow"), std::string::npos);
            const double length = queries[q].template cast<double>().stableNorm();
            const double reach =
                length * (std::max)(1.0, rows.template cast<double>().stableNorm());
            EXPECT_GT(reach, 1e32) << "refused a query of ordinary length";
          }
          ASSERT_EQ(report.broken, before)
              << bits << " bits, " << name_of(simd) << ", d = " << rows.cols() << ", query " << q;
        }
      }
  }

  static RowsOf scaled(const RowsOf& rows, double factor) {
    return (rows.template cast<double>() * factor).template cast<Scalar>();
  }
  static Query scaled(const Query& query, double factor) {
    return (query.template cast<double>() * factor).template cast<Scalar>();
  }

  static std::vector<Query> ordinary_queries(std::size_t d, std::uint64_t seed) {
    std::vector<Query> queries = {gaussian_query<Scalar>(d, seed),
                                  scaled(gaussian_query<Scalar>(d, seed + 1), 50.0),
                                  Query::Ones(static_cast<Eigen::Index>(d))};
    queries.push_back(gaussian_query<Scalar>(d, seed + 2));
    queries.back()[static_cast<Eigen::Index>(seed % d)] = 1e4;
    return queries;
  }
};
TYPED_TEST_SUITE(QuantizedBound, Scalars);

TYPED_TEST(QuantizedBound, HoldsInEveryDimension) {
  BoundReport report;
  for (std::size_t d = 1; d <= 130; ++d)
    this->check(gaussian_rows<TypeParam>(129, d, 100 + d), this->ordinary_queries(d, 300 + d),
                report);
  EXPECT_GT(report.pairs, 250'000u);
  EXPECT_EQ(report.refused, 0u);
  std::cout << "  " << report.pairs << " pairs, largest ratio " << report.largest_ratio << "\n";
}

TYPED_TEST(QuantizedBound, HoldsForRowsOfManyKinds) {
  using Rows = RowMatrix<TypeParam>;
  using limits = std::numeric_limits<TypeParam>;
  BoundReport report;
  for (const std::size_t d : {1, 2, 3, 4, 5, 7, 8, 9, 12, 31, 64, 100, 130}) {
    const auto columns = static_cast<Eigen::Index>(d);
    const Rows random = gaussian_rows<TypeParam>(70, d, 500 + d);
    std::vector<Rows> kinds;
    kinds.push_back(Rows::Zero(70, columns));
    kinds.push_back(Rows::Constant(70, columns, TypeParam(3)));
    kinds.push_back(Rows::Constant(70, columns, TypeParam(-1e-3)));
    kinds.push_back(random.cwiseAbs() + Rows::Constant(70, columns, TypeParam(1000)));
    kinds.push_back(-random.cwiseAbs());
    kinds.push_back((random.array() > TypeParam(0)).template cast<TypeParam>().matrix());
    kinds.push_back(random);  // one huge coordinate
    for (Eigen::Index i = 0; i < 70; ++i) kinds.back()(i, i % columns) *= TypeParam(1e6);
    kinds.push_back(random);  // one huge coordinate and nothing that could be told beside it
    for (Eigen::Index i = 0; i < 70; ++i) kinds.back()(i, i % columns) = TypeParam(-1e20);
    kinds.push_back(random);  // every row its own scale, 1e-30 to 1e28
    for (Eigen::Index i = 0; i < 70; ++i)
      kinds.back().row(i) = this->scaled(RowMatrix<TypeParam>(random.row(i)),
                                         std::pow(10.0, static_cast<double>(i % 59) - 30.0));
    kinds.push_back(this->scaled(random, 1e28));
    kinds.push_back(this->scaled(random, 1e-30));
    kinds.push_back(limits::denorm_min() * Rows(random * TypeParam(100)));
    kinds.push_back(limits::min() * random);
    kinds.push_back(this->scaled(random, 1e-42));
    kinds.push_back(random);  // a zero row, a denormal one and a long one in one tile
    kinds.back().row(0).setZero();
    kinds.back().row(1) *= limits::denorm_min();
    kinds.back().row(2) *= TypeParam(1e10);
    for (const int bits : {4, 8}) kinds.push_back(half_step_rows<TypeParam>(70, d, bits, 700 + d));

    auto queries = this->ordinary_queries(d, 900 + d);
    const Vector<TypeParam> query = queries[0];
    queries.push_back(Vector<TypeParam>::Zero(columns));
    for (const double factor : {-1.0, 1e-42, 1e-37, 1e-30, 1e-20, 1e-10, 1e5, 1e8})
      queries.push_back(this->scaled(query, factor));
    queries.push_back(limits::denorm_min() * query);
    queries.push_back(Vector<TypeParam>::Constant(columns, TypeParam(1e-38)));
    for (const int bits : {4, 8}) queries.push_back(half_step_query<TypeParam>(d, bits));
    for (const auto& rows : kinds) this->check(rows, queries, report);
  }
  EXPECT_LT(report.refused, 200u);  // rows of norm 1e28 with queries of 1e8
  std::cout << "  " << report.pairs << " pairs, largest ratio " << report.largest_ratio << "\n";
}

// Up to the longest queries that are taken: bounds are finite and hold, or the query is refused.
TYPED_TEST(QuantizedBound, HoldsOrIsRefusedForHugeQueries) {
  BoundReport report;
  for (const std::size_t d : {1, 3, 8, 37, 130}) {
    const auto random = gaussian_rows<TypeParam>(66, d, 1000 + d);
    const auto query = gaussian_query<TypeParam>(d, 1100 + d);
    const auto ones = Vector<TypeParam>::Ones(static_cast<Eigen::Index>(d));
    for (double row_scale = 1e-30; row_scale < 1e29; row_scale *= 1e3) {
      std::vector<Vector<TypeParam>> queries;
      for (double length = 1e25; length < 2e37; length *= 10.0) {
        if (length * row_scale > 1e36) continue;
        queries.push_back(this->scaled(query, length));
        queries.push_back(this->scaled(Vector<TypeParam>(-ones), length));
      }
      this->check(this->scaled(random, row_scale), queries, report);
      this->check(this->scaled(RowMatrix<TypeParam>(random.cwiseAbs()), row_scale), queries,
                  report);
    }
  }
  EXPECT_GT(report.refused, 0u);
  EXPECT_GT(report.pairs, 100u * report.refused);
  std::cout << "  " << report.pairs << " pairs, " << report.refused << " refusals\n";
}

// Queries along x - xhat, for which |q| |x - xhat| is attained, and queries whose own residual is
// parallel to rows that are coded without loss. The bounds cannot be much sharper: that is what
// gives this test its power.
TYPED_TEST(QuantizedBound, IsNearlyAttainedAndHolds) {
  for (const int bits : {4, 8}) {
    BoundReport report;
    for (const std::size_t d : {1, 2, 3, 5, 16, 61, 100, 512, 2000})
      for (const bool half_steps : {false, true}) {
        const std::size_t n = 70;
        const auto rows = half_steps ? half_step_rows<TypeParam>(n, d, bits, 40 + d)
                                     : gaussian_rows<TypeParam>(n, d, 50 + d);
        const auto decoded = decoded_rows(bits, rows);
        std::vector<Vector<TypeParam>> queries;
        for (Eigen::Index i = 0; i<static_cast<Eigen::Index>(n); i += d> 100 ? 23 : 3)
          for (const double length : {1.0, -300.0})
            queries.push_back(worst_query(rows, decoded, i, length));
        std::vector<std::vector<long double>> truth;
        for (const auto& query : queries) truth.push_back(long_scores(rows, query));
        for (const Simd simd : supported_simds()) {
          const ScalarQuantizedIndex<TypeParam> index(rows, {.bits = bits, .simd = simd});
          for (std::size_t q = 0; q < queries.size(); ++q)
            check_bounds(index, queries[q], truth[q], report);
        }
        ASSERT_EQ(report.broken, 0u) << bits << " bits, d = " << d << ", " << half_steps;
      }
    EXPECT_GT(report.largest_ratio, 0.99) << bits << " bits, along the rows' residuals";
    std::cout << "  " << bits << " bits: largest ratio " << report.largest_ratio;

    BoundReport of_query;
    for (const std::size_t d : {40, 130, 1000}) {
      const auto rows = lossless_rows<TypeParam>(64, d, bits);
      const auto query = half_step_query<TypeParam>(d, bits);
      const auto truth = long_scores(rows, query);
      for (const Simd simd : supported_simds())
        check_bounds(ScalarQuantizedIndex<TypeParam>(rows, {.bits = bits, .simd = simd}), query,
                     truth, of_query);
    }
    EXPECT_EQ(of_query.broken, 0u);
    EXPECT_GT(of_query.largest_ratio, 0.99) << bits << " bits, along the query's residual";
    std::cout << ", along the query's residual " << of_query.largest_ratio << "\n";
  }
}

// A subset in 2,600 bits: every product and every sum is exact.
TYPED_TEST(QuantizedBound, HoldsInExactArithmetic) {
  using Exact = boost::multiprecision::number<boost::multiprecision::cpp_bin_float<
      2600, boost::multiprecision::digit_base_2, void, std::int32_t, -1'000'000, 1'000'000>>;
  std::size_t pairs = 0;
  for (const std::size_t d : {3, 21}) {
    const auto random = gaussian_rows<TypeParam>(20, d, 2000 + d);
    const auto direction = gaussian_query<TypeParam>(d, 2100 + d);
    for (const double row_scale : {1.0, 1e-30, 1e25})
      for (const double length : {1.0, 1e-40, 1e8}) {
        const auto rows = this->scaled(random, row_scale);
        const auto query = this->scaled(direction, length);
        for (const int bits : {4, 8}) {
          const ScalarQuantizedIndex<TypeParam> index(rows, {.bits = bits});
          std::vector<float> lower(20), upper(20);
          index.score_bounds(query, lower, upper);
          for (std::size_t i = 0; i < 20; ++i) {
            Exact score = 0;
            for (Eigen::Index j = 0; j < query.size(); ++j)
              score += Exact(rows(static_cast<Eigen::Index>(i), j)) * Exact(query[j]);
            ASSERT_LE(Exact(lower[i]), score) << row_scale << " " << length;
            ASSERT_GE(Exact(upper[i]), score) << row_scale << " " << length;
            ++pairs;
          }
        }
      }
  }
  EXPECT_EQ(pairs, 2u * 9 * 2 * 20);
}

// Rows so short that the scores are ordinary although sums of codes times the query, before the
// row's step makes them small, leave the range of float.
TYPED_TEST(QuantizedBound, LongQueriesOfShortRowsAreRefusedNotMisjudged) {
  const RowMatrix<TypeParam> rows =
      this->scaled(gaussian_rows<TypeParam>(10, 100, 3000), 1e-30).cwiseAbs();
  const Vector<TypeParam> query = Vector<TypeParam>::Constant(100, TypeParam(1e36));
  for (const int bits : {4, 8}) {
    const ScalarQuantizedIndex<TypeParam> index(rows, {.bits = bits});
    std::vector<float> lower(10), upper(10);
    const std::string refusal =
        message_of<std::invalid_argument>([&] { index.score_bounds(query, lower, upper); });
    EXPECT_EQ(refusal.find("lazygumbel: |query| = "), 0u) << refusal;
    EXPECT_NE(refusal.find("overflow"), std::string::npos) << refusal;
    const Vector<TypeParam> shorter = query * TypeParam(0.001);
    BoundReport report;
    check_bounds(index, shorter, long_scores(rows, shorter), report);
    EXPECT_EQ(report.broken, 0u);
  }
}

TYPED_TEST(QuantizedBound, HoldsForTheLargestDimension) {
  BoundReport report;
  const auto rows = gaussian_rows<TypeParam>(3, 50'000, 60);
  this->check(rows, {gaussian_query<TypeParam>(50'000, 61), Vector<TypeParam>::Ones(50'000)},
              report);
  // Codes and query bytes at their extremes: the integer sums are the largest possible.
  const RowMatrix<TypeParam> ones = RowMatrix<TypeParam>::Ones(2, 50'000);
  this->check(ones, {Vector<TypeParam>::Ones(50'000), -Vector<TypeParam>::Ones(50'000)}, report);
  EXPECT_EQ(report.refused, 0u);
}

}  // namespace
}  // namespace lazygumbel::testing
