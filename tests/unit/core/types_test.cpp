#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <lazygumbel/core/detail/square_sum.hpp>
#include <lazygumbel/core/types.hpp>
#include <limits>
#include <message_of.hpp>
#include <string>
#include <vector>

#include "scalars.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::text_of;

template <class Scalar>
std::string rows_refusal(const MatrixView<Scalar>& rows) {
  return message_of<std::invalid_argument>(
      [&] { lazygumbel::detail::require_rows<Scalar>("rows", rows); });
}

template <class Scalar>
std::string query_refusal(const VectorView<Scalar>& query, std::size_t dimension) {
  return message_of<std::invalid_argument>(
      [&] { lazygumbel::detail::require_query<Scalar>("theta", query, dimension); });
}

template <class Scalar>
class Types : public ::testing::Test {};
TYPED_TEST_SUITE(Types, Scalars);

TYPED_TEST(Types, RequireRowsTakesFiniteNumbersUpToTheLargest) {
  using limits = std::numeric_limits<TypeParam>;
  RowMatrix<TypeParam> rows(2, 2);
  rows << limits::max(), limits::lowest(), limits::denorm_min(), -TypeParam(0);
  EXPECT_EQ(rows_refusal<TypeParam>(rows), "(nothing was thrown)");
}

TYPED_TEST(Types, RequireRowsNamesEveryBadEntry) {
  using limits = std::numeric_limits<TypeParam>;
  for (const TypeParam bad : {limits::quiet_NaN(), limits::infinity(), -limits::infinity()})
    for (Eigen::Index i = 0; i < 3; ++i)
      for (Eigen::Index j = 0; j < 5; ++j) {
        RowMatrix<TypeParam> rows = RowMatrix<TypeParam>::Ones(3, 5);
        rows(i, j) = bad;
        EXPECT_EQ(rows_refusal<TypeParam>(rows), "lazygumbel: rows(" + text_of(i) + ", " +
                                                     text_of(j) + ") = " + text_of(bad) +
                                                     ": must be finite");
      }
}

TYPED_TEST(Types, RequireRowsNamesAnEmptyMatrix) {
  EXPECT_EQ(rows_refusal<TypeParam>(RowMatrix<TypeParam>(0, 3)),
            "lazygumbel: rows.rows() = 0: must be at least 1");
  EXPECT_EQ(rows_refusal<TypeParam>(RowMatrix<TypeParam>(3, 0)),
            "lazygumbel: rows.cols() = 0: must be at least 1");
}

TYPED_TEST(Types, RequireRowsRefusesMoreItemsThanIdsBeforeReadingOne) {
  const TypeParam only = 1;
  const RowPointer<TypeParam> rows(&only, Eigen::Index{1} << 32, 1, Eigen::OuterStride<>(1));
  EXPECT_EQ(rows_refusal<TypeParam>(rows),
            "lazygumbel: rows.rows() = 4294967296: must be below 2^32");
}

TYPED_TEST(Types, RequireQueryNamesEveryBadEntry) {
  using limits = std::numeric_limits<TypeParam>;
  for (const TypeParam bad : {limits::quiet_NaN(), limits::infinity(), -limits::infinity()})
    for (Eigen::Index j = 0; j < 9; ++j) {
      Vector<TypeParam> query = Vector<TypeParam>::Ones(9);
      query(j) = bad;
      EXPECT_EQ(query_refusal<TypeParam>(query, 9),
                "lazygumbel: theta(" + text_of(j) + ") = " + text_of(bad) + ": must be finite");
    }
}

TYPED_TEST(Types, RequireQueryNamesAWrongDimension) {
  EXPECT_EQ(query_refusal<TypeParam>(Vector<TypeParam>::Ones(4), 3),
            "lazygumbel: theta.size() = 4: must equal the index's dimension 3");
  EXPECT_EQ(query_refusal<TypeParam>(Vector<TypeParam>(0), 3),
            "lazygumbel: theta.size() = 0: must equal the index's dimension 3");
}

TYPED_TEST(Types, MaxRowNormNeitherOverflowsNorUnderflowsOnTheWay) {
  using limits = std::numeric_limits<TypeParam>;
  const auto norm = [](const RowMatrix<TypeParam>& rows) {
    return lazygumbel::detail::max_row_norm<TypeParam>("rows", rows);
  };
  RowMatrix<TypeParam> rows(3, 2);
  rows << 0, 0, 3, 4, 1, 1;
  EXPECT_EQ(norm(rows), 5.0);
  const TypeParam huge = std::ldexp(TypeParam(1), limits::max_exponent - 4), tiny = limits::min();
  rows << 3 * huge, 4 * huge, 0, 0, 0, 0;
  EXPECT_DOUBLE_EQ(norm(rows), 5.0 * static_cast<double>(huge));
  rows << 3 * tiny, 4 * tiny, 0, 0, 0, 0;
  EXPECT_DOUBLE_EQ(norm(rows), 5.0 * static_cast<double>(tiny));
  EXPECT_EQ(norm(RowMatrix<TypeParam>::Zero(2, 2)), 0.0);
}

TYPED_TEST(Types, MaxRowNormNamesTheRowThatOverflows) {
  RowMatrix<TypeParam> rows = RowMatrix<TypeParam>::Zero(3, 2);
  rows.row(1).setConstant(std::numeric_limits<TypeParam>::max());
  const std::string message = message_of<std::invalid_argument>(
      [&] { lazygumbel::detail::max_row_norm<TypeParam>("rows", rows); });
  EXPECT_EQ(message.find("lazygumbel: rows.row(1).norm() = "), 0u) << message;
  EXPECT_NE(message.find(": overflows"), std::string::npos) << message;
}

TYPED_TEST(Types, NormsAreThoseOfEveryEntryInEveryDimension) {
  for (Eigen::Index d = 1; d < 70; ++d) {
    RowMatrix<TypeParam> wide = RowMatrix<TypeParam>::Random(1, 3 * d + 5);
    const RowPointer<TypeParam> rows(wide.data(), 3, d, Eigen::OuterStride<>(d + 2));
    long double largest = 0;
    for (Eigen::Index i = 0; i < 3; ++i) {
      long double sum = 0;
      for (Eigen::Index j = 0; j < d; ++j)
        sum += static_cast<long double>(rows(i, j)) * static_cast<long double>(rows(i, j));
      largest = sum > largest ? sum : largest;
    }
    const auto norm = static_cast<double>(std::sqrt(largest));
    EXPECT_NEAR(lazygumbel::detail::max_row_norm<TypeParam>("rows", rows), norm, 1e-14 * norm);
    EXPECT_NEAR(lazygumbel::detail::require_rows_and_norms<TypeParam>("rows", rows), norm,
                1e-14 * norm);
  }
}

// One pass says what two say, in their order: entries of all rows first, then norms.
TYPED_TEST(Types, RequireRowsAndNormsRefusesAsTheTwoDo) {
  using limits = std::numeric_limits<TypeParam>;
  const auto refusal = [](const RowMatrix<TypeParam>& rows) {
    return message_of<std::invalid_argument>(
        [&] { lazygumbel::detail::require_rows_and_norms<TypeParam>("rows", rows); });
  };
  EXPECT_EQ(refusal(RowMatrix<TypeParam>(0, 3)), "lazygumbel: rows.rows() = 0: must be at least 1");
  EXPECT_EQ(refusal(RowMatrix<TypeParam>(3, 0)), "lazygumbel: rows.cols() = 0: must be at least 1");
  for (const Eigen::Index d : {2, 16, 17, 40}) {
    RowMatrix<TypeParam> rows = RowMatrix<TypeParam>::Ones(4, d);
    rows.row(1).setConstant(limits::max());
    const std::string overflow = refusal(rows);
    EXPECT_EQ(overflow, message_of<std::invalid_argument>(
                            [&] { lazygumbel::detail::max_row_norm<TypeParam>("rows", rows); }));
    EXPECT_EQ(overflow.find("lazygumbel: rows.row(1).norm() = "), 0u) << overflow;
    for (const TypeParam bad : {limits::quiet_NaN(), limits::infinity(), -limits::infinity()}) {
      rows(3, d - 1) = bad;
      EXPECT_EQ(refusal(rows), "lazygumbel: rows(3, " + text_of(d - 1) + ") = " + text_of(bad) +
                                   ": must be finite");
    }
  }
}

template <std::size_t W, class Scalar>
double total(const std::vector<Scalar>& x) {
  lazygumbel::detail::SquareSum<W> sum;
  for (std::size_t j = 0; j < x.size(); j += 16) sum.add(x.data() + j);
  return sum.total();
}

TEST(SquareSum, DoesNotDependOnTheWidth) {
  std::vector<float> x(16 * 50);
  for (std::size_t j = 0; j < x.size(); ++j)
    x[j] = std::ldexp(1.0F + static_cast<float>(j) * 1e-3F, static_cast<int>(j * 37 % 61) - 30);
  EXPECT_EQ(total<8>(x), total<4>(x));
  EXPECT_EQ(total<16>(x), total<4>(x));
  EXPECT_EQ(lazygumbel::detail::square_sum(x.data(), x.size()), total<4>(x));
}

TYPED_TEST(Types, RequireScoresFitBoundsEveryScore) {
  using limits = std::numeric_limits<TypeParam>;
  const auto bound = [](TypeParam entry, double max_norm) {
    return lazygumbel::detail::require_scores_fit<TypeParam>(
        "query", Vector<TypeParam>::Constant(4, entry), max_norm);
  };
  EXPECT_DOUBLE_EQ(bound(2, 3.0), 12.0);
  EXPECT_EQ(bound(0, 3.0), 0.0);
  const double root = std::sqrt(static_cast<double>(limits::max()));
  EXPECT_GT(bound(static_cast<TypeParam>(root / 8), root), 0.0);
  // Neither the square of a small entry nor that of a large one may get lost on the way.
  EXPECT_NEAR(bound(limits::min(), 1.0 / static_cast<double>(limits::min())), 2.0, 1e-12);
  EXPECT_NEAR(bound(limits::max() / 16, 1.0 / static_cast<double>(limits::max())), 0.125, 1e-12);

  const std::string message =
      message_of<std::invalid_argument>([&] { bound(static_cast<TypeParam>(root), root); });
  EXPECT_EQ(message.find("lazygumbel: query.norm() * max row norm = "), 0u) << message;
  EXPECT_NE(message.find(": scores would overflow"), std::string::npos) << message;
}

TEST(Views, BindWithoutACopy) {
  RowMatrix<float> rows = RowMatrix<float>::Random(6, 4);
  const MatrixView<float> whole(rows), part(rows.block(1, 1, 3, 2));
  EXPECT_EQ(whole.data(), rows.data());
  EXPECT_EQ(part.data(), &rows(1, 1));
  EXPECT_EQ(part.outerStride(), 4);
  const VectorView<float> row(rows.row(2).transpose());
  EXPECT_EQ(row.data(), &rows(2, 0));
  const RowPointer<float> pointed(rows.data(), 3, 4, Eigen::OuterStride<>(8));
  EXPECT_EQ(MatrixView<float>(pointed).data(), rows.data());
}

TEST(Views, ColumnMajorMatricesAreReadByTheirValues) {
  const Eigen::MatrixXd columns = Eigen::MatrixXd::Random(3, 2);
  const MatrixView<double> view(columns);
  EXPECT_EQ(view(2, 1), columns(2, 1));
  EXPECT_EQ(view(0, 1), columns(0, 1));
}

}  // namespace
}  // namespace lazygumbel::testing
