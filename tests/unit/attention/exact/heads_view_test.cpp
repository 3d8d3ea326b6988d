#include <gtest/gtest.h>

#include <cstddef>
#include <lazygumbel/attention/exact/heads_view.hpp>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

RowMatrix<float> numbered(Eigen::Index rows, Eigen::Index columns) {
  RowMatrix<float> matrix(rows, columns);
  std::iota(matrix.data(), matrix.data() + matrix.size(), 0.0F);
  return matrix;
}

static_assert(StorageScalar<float> && StorageScalar<Eigen::half> && StorageScalar<Eigen::bfloat16>);
static_assert(!StorageScalar<double> && !StorageScalar<const float> && !StorageScalar<int>);
static_assert(std::is_constructible_v<HeadsView<float>, RowMatrix<float>&, int>);
static_assert(!std::is_constructible_v<HeadsView<float>, Eigen::MatrixXf&, int>);
static_assert(!std::is_constructible_v<HeadsView<float>, RowMatrix<double>&, int>);
static_assert(!std::is_constructible_v<HeadsView<float>, RowMatrix<Eigen::half>&, int>);
static_assert(std::is_trivially_copyable_v<HeadsView<float>>);

TEST(HeadsView, SplitsTheColumnsOfAMatrix) {
  const RowMatrix<float> rows = numbered(4, 6);
  const HeadsView<float> view(rows, 3);
  EXPECT_EQ(view.tokens(), 4U);
  EXPECT_EQ(view.heads(), 3U);
  EXPECT_EQ(view.dimension(), 2U);
  EXPECT_EQ(view.token_stride(), 6);
  EXPECT_EQ(view.head_stride(), 2);
  EXPECT_EQ(view.row(2, 1), rows.data() + 14);
  EXPECT_TRUE(view.head(2) == rows.rightCols(2));
  const HeadsView<float> one = rows;
  EXPECT_EQ(one.heads(), 1U);
  EXPECT_EQ(one.dimension(), 6U);
}

TEST(HeadsView, ViewsBlocksMapsAndRows) {
  RowMatrix<float> rows = numbered(5, 8);
  const HeadsView<float> block(rows.block(1, 2, 3, 4), 2);
  EXPECT_EQ(block.tokens(), 3U);
  EXPECT_EQ(block.token_stride(), 8);
  EXPECT_EQ(*block.row(2, 1), rows(3, 4));
  const RowPointer<float> map(rows.data(), 2, 4, Eigen::OuterStride<>(20));
  EXPECT_EQ(*HeadsView<float>(map, 2).row(1, 1), 22.0F);
  const MatrixView<float> ref = rows.rightCols(3);
  EXPECT_EQ(*HeadsView<float>(ref, 3).row(1, 2), 15.0F);
  EXPECT_EQ(HeadsView<float>(rows.row(3), 4).tokens(), 1U);
}

TEST(HeadsView, StridesOfAnySign) {
  const std::vector<float> data = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const HeadsView<float> apart(data.data(), 3, 2, 2, 2, 6);
  EXPECT_EQ(*apart.row(2, 1), 10.0F);
  EXPECT_EQ(apart.head(1)(0, 1), 7.0F);
  const HeadsView<float> back(data.data() + 10, 6, 1, 2, -2, 0);
  EXPECT_EQ(*back.row(5, 0), 0.0F);
  const HeadsView<float> some = back.tokens(2, 3);
  EXPECT_EQ(some.tokens(), 3U);
  EXPECT_EQ(*some.row(0, 0), 6.0F);
  EXPECT_EQ(some.token_stride(), -2);
  EXPECT_EQ(back.tokens(6, 0).tokens(), 0U);
}

TEST(HeadsView, Empty) {
  const HeadsView<float> none(nullptr, 0, 1, 3, 3, 3);
  EXPECT_EQ(none.tokens(), 0U);
  EXPECT_EQ(none.head(0).rows(), 0);
  EXPECT_EQ(HeadsView<float>(RowMatrix<float>(0, 4), 2).dimension(), 2U);
}

TEST(HeadsView, RefusesWhatIsNoView) {
  const RowMatrix<float> rows = numbered(4, 6);
  const float* const data = rows.data();
  const auto message = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  EXPECT_EQ(message([&] { HeadsView<float>(rows, 4); }),
            "lazygumbel: heads = 4: must divide the 6 columns");
  EXPECT_EQ(message([&] { HeadsView<float>(rows, 0); }),
            "lazygumbel: heads = 0: must divide the 6 columns");
  EXPECT_EQ(message([&] { HeadsView<float>(data, 4, 1, 6, 0, 6); }),
            "lazygumbel: token_stride = 0: must not be 0");
  EXPECT_NO_THROW(HeadsView<float>(data, 1, 1, 6, 0, 6));
  EXPECT_EQ(message([&] { HeadsView<float>(data, 4, 0, 6, 6, 6); }),
            "lazygumbel: heads = 0: must be at least 1");
  EXPECT_EQ(message([&] { HeadsView<float>(data, 4, 1, 0, 6, 6); }),
            "lazygumbel: dimension = 0: must be at least 1");
  EXPECT_EQ(message([&] { HeadsView<float>(nullptr, 4, 1, 6, 6, 6); }),
            "lazygumbel: data = nullptr: has tokens");
  EXPECT_EQ(message([&] { HeadsView<float>(RowMatrix<float>(4, 0)); }),
            "lazygumbel: dimension = 0: must be at least 1");
  const Eigen::Map<const RowMatrix<float>, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>> spread(
      data, 2, 3, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>(12, 2));
  EXPECT_EQ(message([&] { HeadsView<float>{spread}; }), "lazygumbel: innerStride() = 2: must be 1");
}

template <class T>
void expect_found() {
  const RowMatrix<T> zeros = RowMatrix<T>::Zero(3, 34);
  EXPECT_NO_THROW(lazygumbel::detail::require_finite("x", HeadsView<T>(zeros, 2)));
  for (Eigen::Index j = 0; j < 34; ++j)
    for (const float bad :
         {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
      RowMatrix<T> rows = zeros;
      rows(1, j) = static_cast<T>(bad);
      rows(2, 0) = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
      EXPECT_EQ(message_of<std::invalid_argument>(
                    [&] { lazygumbel::detail::require_finite("x", HeadsView<T>(rows, 2)); }),
                "lazygumbel: x(token 1, head " + std::to_string(j / 17) + ", " +
                    std::to_string(j % 17) +
                    (bad > 0.0F ? ") = inf: must be finite" : ") = -inf: must be finite"));
      rows(1, j) = static_cast<T>(0.0F);
      EXPECT_EQ(message_of<std::invalid_argument>(
                    [&] { lazygumbel::detail::require_finite("x", HeadsView<T>(rows, 2)); }),
                "lazygumbel: x(token 2, head 0, 0) = nan: must be finite");
    }
}
TEST(HeadsView, RequireFiniteNamesTheFirst) {
  expect_found<float>();
  expect_found<Eigen::half>();
  expect_found<Eigen::bfloat16>();
}

// Whose sum overflows, but which are finite.
TEST(HeadsView, RequireFiniteTakesTheLargest) {
  const RowMatrix<float> rows =
      RowMatrix<float>::Constant(2, 9, (std::numeric_limits<float>::max)());
  EXPECT_NO_THROW(lazygumbel::detail::require_finite("x", HeadsView<float>(rows)));
}

}  // namespace
}  // namespace lazygumbel::testing
