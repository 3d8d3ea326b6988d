#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <indexes.hpp>
#include <lazygumbel/index/detail/row_store.hpp>
#include <limits>
#include <message_of.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace lazygumbel::testing {
namespace {

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

TEST(RowStore, GrowsInAnySteps) {
  const RowMatrix<float> all = gaussian_rows<float>(200, 3, 85);
  RowStore<float> store(RowMatrix<float>(all.topRows(1)));
  for (Eigen::Index step = 1; store.size() < 200; step = step % 7 + 1) {
    const auto at = static_cast<Eigen::Index>(store.size());
    store.append(all.middleRows(at, std::min(step, 200 - at)));
    const auto count = static_cast<Eigen::Index>(store.size());
    ASSERT_TRUE(store.matrix() == all.topRows(count));
    ASSERT_NEAR(store.max_norm(), all.topRows(count).rowwise().norm().maxCoeff(), 1e-6);
    ASSERT_TRUE(store.row(static_cast<item_id>(count - 1)) == all.row(count - 1).transpose());
  }
  RowStore<float> moved = std::move(store);
  moved.append(all.topRows(2));
  EXPECT_TRUE(moved.block(200, 9) == all.topRows(2));
}

TEST(RowStore, GrowsByItsOwnRows) {
  const RowMatrix<double> all = gaussian_rows(50, 4, 86);
  RowStore<double> store{RowMatrix<double>(all)};
  for (const Eigen::Index size : {50, 100, 200}) {  // with and without room to spare
    store.append(store.matrix());
    store.append(store.matrix().bottomRows(1));
    ASSERT_TRUE(store.block(static_cast<std::size_t>(size), 50) == all);
    store = RowStore<double>(RowMatrix<double>(store.matrix().topRows(2 * size)));
  }
}

TEST(RowStore, AppendRefusesBadRowsAndChangesNothing) {
  const RowMatrix<float> all = gaussian_rows<float>(4, 2, 87);
  RowStore<float> store{RowMatrix<float>(all)};
  const double norm = store.max_norm();
  const auto refusal = [&](const RowMatrix<float>& rows) {
    return message_of<std::invalid_argument>([&] { store.append(rows); });
  };
  RowMatrix<float> bad = RowMatrix<float>::Constant(2, 2, 1e6F);
  bad(1, 0) = std::numeric_limits<float>::infinity();
  EXPECT_EQ(refusal(bad), "lazygumbel: rows(1, 0) = inf: must be finite");
  bad(1, 0) = bad(1, 1) = std::numeric_limits<float>::max();
  EXPECT_NE(refusal(bad).find("lazygumbel: rows.row(1).norm() = "), std::string::npos);
  bad(0, 1) = std::numeric_limits<float>::quiet_NaN();  // entries come before norms
  EXPECT_EQ(refusal(bad), "lazygumbel: rows(0, 1) = nan: must be finite");
  EXPECT_EQ(refusal(RowMatrix<float>::Constant(1, 3, std::numeric_limits<float>::max())),
            "lazygumbel: rows.cols() = 3: must equal the index's dimension 2");
  EXPECT_EQ(refusal(RowMatrix<float>::Ones(1, 3)),
            "lazygumbel: rows.cols() = 3: must equal the index's dimension 2");
  EXPECT_EQ(refusal(RowMatrix<float>(0, 2)), "lazygumbel: rows.rows() = 0: must be at least 1");
  EXPECT_TRUE(store.matrix() == all);
  EXPECT_EQ(store.max_norm(), norm);

  RowStore<float> view(RowPointer<float>(all.data(), 4, 2, Eigen::OuterStride<>(2)));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { view.append(all); }),
            "lazygumbel: rows = views of the caller's: only an index that owns rows grows");
  EXPECT_TRUE(view.matrix() == all);
}

// Eigen's views took a distance of 0 for one of d, and read past the end.
TEST(RowStore, RefusesRowsThatLieInOnePlace) {
  const Vector<float> one = Vector<float>::Ones(4);
  const auto rows = [&](Eigen::Index n) {
    return RowPointer<float>(one.data(), n, 4, Eigen::OuterStride<>(0));
  };
  EXPECT_EQ(message_of<std::invalid_argument>([&] { RowStore<float> store(rows(3)); }),
            "lazygumbel: rows.outerStride() = 0: must not be 0");
  EXPECT_EQ(RowStore<float>(rows(1)).size(), 1u);
}

TEST(RowStore, ScoresManyInAnyOrder) {
  const RowStore<float> store(gaussian_rows<float>(20, 5, 88));
  const Vector<float> query = store.row(3);
  const std::vector<item_id> ids = {19, 0, 0, 7, 3, 3, 18, 1};
  std::vector<double> scores(ids.size());
  store.score_many(query, ids, scores);
  for (std::size_t i = 0; i < ids.size(); ++i)
    EXPECT_EQ(scores[i], static_cast<double>(store.row(ids[i]).dot(query)));
  store.score_many(query, {}, {});
}

}  // namespace
}  // namespace lazygumbel::testing
