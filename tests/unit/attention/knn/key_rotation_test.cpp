#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/attention/knn/detail/decode/key_rotation.hpp>

#include "indexes.hpp"
#include "simds.hpp"
#include "statistics.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::KeyRotation;

RowMatrix<float> rotated(const KeyRotation& rotation, const RowMatrix<float>& rows, Simd simd) {
  RowMatrix<float> out;
  rotation.rotate(rows, out, simd);
  return out.leftCols(rows.cols());
}

TEST(KeyRotation, KeepsProducts) {
  for (const std::size_t d : {1, 2, 5, 16, 33, 64, 130})
    for (const Simd simd : supported_simds()) {
      const KeyRotation rotation(d, 3);
      const RowMatrix<float> rows = gaussian_rows<float>(70, d, 4);
      const RowMatrix<float> after = rotated(rotation, rows, simd);
      EXPECT_LT((after * after.transpose() - rows * rows.transpose()).norm(),
                1e-5F * (rows * rows.transpose()).norm())
          << d;
    }
}

TEST(KeyRotation, RowsDoNotDependOnEachOther) {
  const KeyRotation rotation(40, 3);
  const RowMatrix<float> rows = gaussian_rows<float>(77, 40, 4);
  for (const Simd simd : supported_simds()) {
    const RowMatrix<float> together = rotated(rotation, rows, simd);
    for (Eigen::Index i = 0; i < rows.rows(); ++i)
      ASSERT_EQ(rotated(rotation, rows.row(i), simd), together.row(i)) << i;
    ASSERT_EQ(rotated(rotation, rows.middleRows(5, 13), simd), together.middleRows(5, 13));
  }
}

TEST(KeyRotation, IsSharedByADimensionAndASeed) {
  const auto one = KeyRotation::of(12, 5);
  EXPECT_EQ(one, KeyRotation::of(12, 5));
  EXPECT_NE(one, KeyRotation::of(12, 6));
  EXPECT_NE(one, KeyRotation::of(13, 5));
  const RowMatrix<float> rows = gaussian_rows<float>(3, 12, 4);
  EXPECT_EQ(rotated(*one, rows, Simd::portable),
            rotated(*KeyRotation::of(12, 5), rows, Simd::portable));
}

// Where a fixed vector goes is uniform: every coordinate of the image of e_1 in 3 dimensions is
// uniform in [-1, 1] (Archimedes). 4,000 seeds; Kolmogorov-Smirnov, refused at p < 1e-6, detects a
// distance of 0.06. Householder's Q alone gives the first coordinate one sign.
TEST(KeyRotation, IsUniform) {
  EXPECT_LT(smallest_kolmogorov_distance(4000), 0.06);
  std::vector<std::vector<double>> images(3);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const RowMatrix<float> image =
        rotated(KeyRotation(3, seed), RowMatrix<float>::Identity(1, 3), Simd::portable);
    for (std::size_t c = 0; c < 3; ++c)
      images[c].push_back(static_cast<double>(image(0, static_cast<Eigen::Index>(c))));
  }
  for (const auto& coordinate : images)
    EXPECT_GE(kolmogorov_smirnov_p_value(coordinate, [](double x) { return 0.5 + 0.5 * x; }), 1e-6);
}

}  // namespace
}  // namespace lazygumbel::testing
