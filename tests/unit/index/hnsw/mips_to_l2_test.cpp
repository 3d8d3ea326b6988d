#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <indexes.hpp>
#include <lazygumbel/index/hnsw/mips_to_l2.hpp>
#include <limits>
#include <message_of.hpp>
#include <numeric>
#include <vector>

namespace lazygumbel::testing {
namespace {

TEST(MipsToL2, DistanceIsTheStatedFunctionOfTheInnerProduct) {
  const RowMatrix<double> rows = gaussian_rows(300, 7, 51);
  const double largest = rows.rowwise().norm().maxCoeff();
  for (const double bound : {largest, 3.0 * largest}) {
    const MipsToL2 reduction(bound);
    const Vector<double> query = gaussian_query(7, 52);
    for (Eigen::Index i = 0; i < rows.rows(); ++i) {
      const double extra = reduction.extra_coordinate(rows.row(i));
      EXPECT_NEAR(rows.row(i).squaredNorm() + extra * extra, bound * bound, 1e-12 * bound * bound);
      const double distance = (query - rows.row(i).transpose()).squaredNorm() + extra * extra;
      EXPECT_NEAR(distance,
                  query.squaredNorm() + bound * bound - 2.0 * query.dot(rows.row(i).transpose()),
                  1e-12 * (bound * bound + query.squaredNorm()));
    }
  }
}

TEST(MipsToL2, OrderOfDistancesIsTheOrderOfInnerProducts) {
  const RowMatrix<double> rows = gaussian_rows(500, 5, 53);
  const MipsToL2 reduction(rows.rowwise().norm().maxCoeff());
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Vector<double> query = gaussian_query(5, 1000 + seed);
    std::vector<std::pair<double, double>> pairs;  // distance, inner product
    for (Eigen::Index i = 0; i < rows.rows(); ++i) {
      const double extra = reduction.extra_coordinate(rows.row(i));
      pairs.emplace_back((query - rows.row(i).transpose()).squaredNorm() + extra * extra,
                         query.dot(rows.row(i).transpose()));
    }
    std::sort(pairs.begin(), pairs.end());
    for (std::size_t i = 1; i < pairs.size(); ++i)
      ASSERT_LE(pairs[i].second, pairs[i - 1].second + 1e-12);
  }
}

TEST(MipsToL2, TheLongestRowGetsZeroAndTheZeroRowTheBound) {
  const MipsToL2 reduction(5.0);
  EXPECT_EQ(reduction.norm_bound(), 5.0);
  // stableNorm may be an ulp off 5; the square root turns that into 1e-7.
  EXPECT_NEAR(reduction.extra_coordinate(Eigen::RowVector2d(3, 4)), 0.0, 1e-7);
  EXPECT_NEAR(reduction.extra_coordinate(Eigen::RowVector2f(3, 4)), 0.0, 1e-7);
  EXPECT_DOUBLE_EQ(reduction.extra_coordinate(Eigen::RowVector2d(0, 0)), 5.0);
  EXPECT_EQ(MipsToL2(0.0).extra_coordinate(Eigen::RowVector2d(0, 0)), 0.0);
}

TEST(MipsToL2, NormsWithSquaresOutOfRangeAreRight) {
  const double huge = 1e200, tiny = 1e-200;
  EXPECT_NEAR(MipsToL2(5 * huge).extra_coordinate(Eigen::RowVector2d(0, 4 * huge)) / huge, 3.0,
              1e-12);
  EXPECT_EQ(
      MipsToL2(5 * huge).extra_coordinate(Eigen::RowVector2d(3 * huge, 4 * huge)) / huge < 1e-7,
      true);
  EXPECT_THROW(MipsToL2(tiny).extra_coordinate(Eigen::RowVector2d(3 * tiny, 0)),
               std::invalid_argument);
}

TEST(MipsToL2, RefusesALongerRowNamingItsNorm) {
  EXPECT_EQ(message_of<std::invalid_argument>(
                [] { MipsToL2(4.0).extra_coordinate(Eigen::RowVector2d(3, 4)); }),
            "lazygumbel: |row| = 5: exceeds the index's norm_bound 4");
  EXPECT_EQ(MipsToL2(5.0 * (1 - 5e-7)).extra_coordinate(Eigen::RowVector2d(3, 4)), 0.0)
      << "what rounding may add is let through";
}

TEST(MipsToL2, RefusesABadBound) {
  const auto refusal = [](double bound) {
    return message_of<std::invalid_argument>([&] { MipsToL2 reduction(bound); });
  };
  const std::string rest = ": must be finite and not negative";
  EXPECT_EQ(refusal(-1.0), "lazygumbel: norm_bound = -1" + rest);
  EXPECT_EQ(refusal(std::numeric_limits<double>::infinity()),
            "lazygumbel: norm_bound = inf" + rest);
  EXPECT_EQ(refusal(std::numeric_limits<double>::quiet_NaN()),
            "lazygumbel: norm_bound = nan" + rest);
}

}  // namespace
}  // namespace lazygumbel::testing
