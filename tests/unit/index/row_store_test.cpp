#include <gtest/gtest.h>

#include <cmath>
#include <indexes.hpp>
#include <lazygumbel/index/row_store.hpp>
#include <message_of.hpp>
#include <type_traits>
#include <utility>

namespace {

using namespace lazygumbel;
using lazygumbel::testing::gaussian_rows;
using lazygumbel::testing::message_of;

static_assert(!std::is_copy_constructible_v<RowStore<float>>);
static_assert(std::is_nothrow_move_constructible_v<RowStore<float>>);

TEST(RowStore, OwnsWhatIsMovedIn) {
  RowMatrix<float> rows = gaussian_rows<float>(10, 3, 81);
  const RowMatrix<float> copy = rows;
  const float* const data = rows.data();
  RowStore<float> store(std::move(rows));
  EXPECT_EQ(store.matrix().data(), data) << "no copy was made";
  const RowStore<float> moved = std::move(store);
  EXPECT_EQ(moved.size(), 10u);
  EXPECT_EQ(moved.dimension(), 3u);
  EXPECT_EQ(moved.matrix(), copy);
  EXPECT_NEAR(moved.max_norm(), copy.rowwise().norm().maxCoeff(), 1e-6);
}

TEST(RowStore, ViewsStridedRowsWhereTheyAre) {
  const RowMatrix<double> wide = gaussian_rows(9, 8, 82);
  const RowPointer<double> part(&wide(0, 2), 3, 4, Eigen::OuterStride<>(24));  // rows 0, 3, 6
  const RowStore<double> store(part);
  EXPECT_EQ(store.matrix().data(), &wide(0, 2));
  for (item_id id = 0; id < 3; ++id) {
    EXPECT_EQ(store.row(id).data(), &wide(3 * static_cast<Eigen::Index>(id), 2));
    EXPECT_EQ(store.row(id).size(), 4);
  }
  EXPECT_EQ(store.matrix(), part);
}

TEST(RowStore, BlocksEndWithTheRows) {
  const RowStore<double> store(gaussian_rows(10, 2, 83));
  EXPECT_EQ(store.block(0, 4).rows(), 4);
  EXPECT_EQ(store.block(8, 4).rows(), 2);
  EXPECT_EQ(store.block(8, 4), store.matrix().bottomRows(2));
  EXPECT_EQ(store.block(0, 100).rows(), 10);
}

TEST(RowStore, PrefetchTouchesNothing) {
  const RowStore<float> store(gaussian_rows<float>(3, 5, 84));
  for (item_id id = 0; id < 3; ++id) store.prefetch(id);
}

TEST(RowStore, RefusesEmptyRows) {
  EXPECT_EQ(
      message_of<std::invalid_argument>([] { RowStore<float> store(RowMatrix<float>(0, 4)); }),
      "lazygumbel: rows.rows() = 0: must be at least 1");
}

TEST(RowStore, SlackCoversTheRoundingOfLargeDimensions) {
  const RowStore<float> store(RowMatrix<float>::Ones(1, 1000));
  const Vector<float> query = Vector<float>::Ones(1000);
  const double slack = store.require_query("query", query, 1);
  // 2 d u |q| |x| with u = 2^-24, d = 1000, |q| |x| = 1000.
  EXPECT_NEAR(slack, 2 * 1000 * 0x1p-24 * 1000, 1e-4);
}

}  // namespace
