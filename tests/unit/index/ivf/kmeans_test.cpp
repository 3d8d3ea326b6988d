#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <indexes.hpp>
#include <lazygumbel/index/ivf/kmeans.hpp>
#include <limits>
#include <message_of.hpp>
#include <set>
#include <vector>

#include "scalars.hpp"

namespace lazygumbel::testing {
namespace {

KmeansParameters into(std::size_t clusters, std::size_t iterations = 8) {
  KmeansParameters p;
  p.clusters = clusters;
  p.iterations = iterations;
  return p;
}

template <class Scalar>
std::vector<std::uint32_t> nearest_of(const RowMatrix<Scalar>& rows,
                                      const RowMatrix<Scalar>& centroids, std::size_t threads = 1) {
  std::vector<std::uint32_t> nearest(static_cast<std::size_t>(rows.rows()));
  assign_to_centroids<Scalar>(rows, centroids, nearest, threads);
  return nearest;
}

/// Mean squared distance of the rows from their nearest centroids.
template <class Scalar>
double distortion(const RowMatrix<Scalar>& rows, const RowMatrix<Scalar>& centroids) {
  const auto nearest = nearest_of(rows, centroids);
  double sum = 0.0;
  for (Eigen::Index i = 0; i < rows.rows(); ++i)
    sum += (rows.row(i) - centroids.row(nearest[static_cast<std::size_t>(i)]))
               .template cast<double>()
               .squaredNorm();
  return sum / static_cast<double>(rows.rows());
}

template <class Scalar>
class Kmeans : public ::testing::Test {};
TYPED_TEST_SUITE(Kmeans, Scalars);

TYPED_TEST(Kmeans, FindsSeparatedClusters) {
  RowMatrix<TypeParam> rows = gaussian_rows<TypeParam>(300, 4, 501);
  for (Eigen::Index i = 0; i < 300; ++i) rows(i, i % 3) += TypeParam(100);
  const RowMatrix<TypeParam> centroids = kmeans<TypeParam>(rows, into(3, 20));
  std::set<Eigen::Index> axes;
  for (Eigen::Index g = 0; g < 3; ++g) {
    Eigen::Index axis = 0;
    centroids.row(g).maxCoeff(&axis);
    axes.insert(axis);
    RowMatrix<TypeParam> sum = RowMatrix<TypeParam>::Zero(1, 4);
    for (Eigen::Index i = axis; i < 300; i += 3) sum += rows.row(i);
    EXPECT_LT((centroids.row(g) - sum.row(0) / TypeParam(100)).norm(), TypeParam(1e-3));
  }
  EXPECT_EQ(axes, (std::set<Eigen::Index>{0, 1, 2}));
}

TYPED_TEST(Kmeans, IterationsLowerTheDistortion) {
  const auto rows = gaussian_rows<TypeParam>(2000, 6, 502);
  const double once = distortion<TypeParam>(rows, kmeans<TypeParam>(rows, into(40, 1)));
  const double often = distortion<TypeParam>(rows, kmeans<TypeParam>(rows, into(40, 15)));
  EXPECT_LT(often, 0.98 * once);
}

TYPED_TEST(Kmeans, DoesNotDependOnThreads) {
  const auto rows = gaussian_rows<TypeParam>(1500, 7, 503);
  KmeansParameters p = into(30);
  p.rows_per_cluster = 32;
  const RowMatrix<TypeParam> one = kmeans<TypeParam>(rows, p);
  for (const std::size_t threads : {0, 2, 5}) {
    p.threads = threads;
    EXPECT_EQ(kmeans<TypeParam>(rows, p), one) << threads;
    EXPECT_EQ(nearest_of<TypeParam>(rows, one, threads), nearest_of<TypeParam>(rows, one));
  }
  p.seed = 2;
  EXPECT_NE(kmeans<TypeParam>(rows, p), one);
}

// 6 different rows, one of them 95 times: the first centroids are mostly equal, and all but one of
// the equal ones stay empty until they are given a row.
TYPED_TEST(Kmeans, EmptyClustersAreFilled) {
  RowMatrix<TypeParam> rows = RowMatrix<TypeParam>::Zero(100, 2);
  for (Eigen::Index i = 0; i < 5; ++i) rows(20 * i, 0) = TypeParam(1 << i);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    KmeansParameters p = into(6);
    p.seed = seed;
    EXPECT_LT(distortion<TypeParam>(rows, kmeans<TypeParam>(rows, p)), 1e-9) << seed;
  }
}

TYPED_TEST(Kmeans, EqualRowsAndOneClusterARow) {
  const RowMatrix<TypeParam> equal = RowMatrix<TypeParam>::Constant(50, 3, TypeParam(0.3));
  const RowMatrix<TypeParam> centroids = kmeans<TypeParam>(equal, into(10));
  for (Eigen::Index g = 0; g < 10; ++g)
    EXPECT_LT((centroids.row(g) - equal.row(0)).norm(), TypeParam(1e-6));
  const auto rows = gaussian_rows<TypeParam>(20, 3, 504);
  EXPECT_LT(distortion<TypeParam>(rows, kmeans<TypeParam>(rows, into(20))), 1e-12);
  EXPECT_EQ(kmeans<TypeParam>(rows.topRows(1), into(1)), rows.topRows(1));
}

TYPED_TEST(Kmeans, SphericalCentroidsHaveUnitLength) {
  RowMatrix<TypeParam> rows = gaussian_rows<TypeParam>(500, 5, 505);
  rows.rowwise().normalize();
  KmeansParameters p = into(12);
  p.spherical = true;
  const RowMatrix<TypeParam> centroids = kmeans<TypeParam>(rows, p);
  for (Eigen::Index g = 0; g < 12; ++g) EXPECT_NEAR(centroids.row(g).norm(), 1.0, 1e-5);
  const RowMatrix<TypeParam> zeros = RowMatrix<TypeParam>::Zero(5, 2);
  p.clusters = 2;
  EXPECT_TRUE(kmeans<TypeParam>(zeros, p).isZero());
}

// Squares of these rows overflow or vanish in Scalar. Powers of two: the result only scales.
TYPED_TEST(Kmeans, AnyMagnitude) {
  const auto rows = gaussian_rows<TypeParam>(200, 3, 506);
  const RowMatrix<TypeParam> centroids = kmeans<TypeParam>(rows, into(8));
  const int limit = std::numeric_limits<TypeParam>::max_exponent - 8;
  for (const int exponent : {limit, limit / 2 + 1, -limit / 2 - 1}) {
    const TypeParam factor = std::ldexp(TypeParam(1), exponent);
    const RowMatrix<TypeParam> scaled = rows * factor;
    const RowMatrix<TypeParam> found = kmeans<TypeParam>(scaled, into(8));
    EXPECT_TRUE((found / factor).isApprox(centroids, TypeParam(1e-4))) << exponent;
    EXPECT_EQ(nearest_of<TypeParam>(scaled, found), nearest_of<TypeParam>(rows, centroids));
  }
  const RowMatrix<TypeParam> denormal =
      rows * std::numeric_limits<TypeParam>::denorm_min() * TypeParam(1000);
  EXPECT_TRUE(kmeans<TypeParam>(denormal, into(8)).allFinite());
}

TYPED_TEST(Kmeans, AssignsToTheNearest) {
  const auto rows = gaussian_rows<TypeParam>(700, 9, 507);
  const auto centroids = gaussian_rows<TypeParam>(50, 9, 508);
  const auto nearest = nearest_of<TypeParam>(rows, centroids);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    const Vector<TypeParam> squares = (centroids.rowwise() - rows.row(i)).rowwise().squaredNorm();
    EXPECT_NEAR(squares[nearest[static_cast<std::size_t>(i)]], squares.minCoeff(), 1e-4);
  }
}

TEST(Kmeans, Errors) {
  const auto rows = gaussian_rows<float>(5, 2, 509);
  const auto refusal = [&](const KmeansParameters& p) {
    return message_of<std::invalid_argument>([&] { kmeans<float>(rows, p); });
  };
  EXPECT_EQ(refusal(into(0)), "lazygumbel: clusters = 0: must lie in 1 .. rows.rows() = 5");
  EXPECT_EQ(refusal(into(6)), "lazygumbel: clusters = 6: must lie in 1 .. rows.rows() = 5");
  EXPECT_EQ(refusal(into(2, 0)), "lazygumbel: iterations = 0: must be at least 1");
  RowMatrix<float> bad = rows;
  bad(3, 1) = std::numeric_limits<float>::infinity();
  EXPECT_EQ(message_of<std::invalid_argument>([&] { kmeans<float>(bad, into(2)); }),
            "lazygumbel: rows(3, 1) = inf: must be finite");
  std::vector<std::uint32_t> nearest(4);
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { assign_to_centroids<float>(rows, rows.topRows(2), nearest); }),
            "lazygumbel: nearest.size() = 4: must equal rows.rows() = 5");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { assign_to_centroids<float>(rows, RowMatrix<float>::Zero(2, 3), nearest); }),
            "lazygumbel: centroids.cols() = 3: must equal rows.cols() = 2");
}

}  // namespace
}  // namespace lazygumbel::testing
