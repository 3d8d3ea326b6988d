#include <gtest/gtest.h>

#include <cmath>
#include <indexes.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/mips_index.hpp>
#include <limits>
#include <vector>

namespace lazygumbel::testing {
namespace {

TEST(ScoreMany, UsesTheIndexsOwnOrFallsBackOnScore) {
  const RowMatrix<double> rows = gaussian_rows(50, 6, 61);
  const Vector<double> query = gaussian_query(6, 62);
  const MinimalIndex minimal(rows);
  const FlatIndex<double> flat{RowMatrix<double>(rows)};
  const std::vector<item_id> ids = {49, 0, 7, 7, 3};
  std::vector<double> fallback(5), own(5);
  score_many(minimal, query, ids, fallback);
  score_many(flat, query, ids, own);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(fallback[i], minimal.score(query, ids[i]));
    EXPECT_EQ(own[i], flat.score(query, ids[i]));
  }
  score_many(flat, query, {}, {});
}

template <class Index>
void expect_every_score_once(const Index& index, const Vector<double>& query) {
  std::size_t next = 0;
  for_each_score(index, query, [&](item_id first, std::span<const double> scores) {
    ASSERT_EQ(first, next);
    ASSERT_FALSE(scores.empty());
    for (std::size_t i = 0; i < scores.size(); ++i)
      ASSERT_NEAR(scores[i], index.score(query, static_cast<item_id>(next + i)), 1e-13);
    next += scores.size();
  });
  EXPECT_EQ(next, index.size());
}

TEST(Rescore, SortsByTheTrueScoresTiesByTheSmallerId) {
  const FlatIndex<double> flat(rows_with_scores({2, 7, 2, -1, 7, 2}));
  Retrieval found;
  found.ids = {5, 0, 4, 3, 2, 1};
  found.scores = {9, 9};  // whatever stood there before
  rescore(flat, unit_query(), found);
  EXPECT_EQ(found.ids, (std::vector<item_id>{1, 4, 0, 2, 5, 3}));
  EXPECT_EQ(found.scores, (std::vector<double>{7, 7, 2, 2, 2, -1}));
  found.clear();
  rescore(flat, unit_query(), found);
  EXPECT_TRUE(found.ids.empty() && found.scores.empty());
}

TEST(ForEachScore, VisitsEveryItemOnceInOrder) {
  const Vector<double> query = gaussian_query(3, 63);
  for (const std::size_t n : {1, 4095, 4096, 4097, 9000}) {  // around the size of a block
    const RowMatrix<double> rows = gaussian_rows(n, 3, 64);
    expect_every_score_once(MinimalIndex(rows), query);
    expect_every_score_once(FlatIndex<double>(RowMatrix<double>(rows)), query);
  }
}

TEST(ForEachScore, PassesMaskedScoresOn) {
  const MaskedIndex index(gaussian_rows(3, 2, 65), {false, true, false});
  for_each_score(index, gaussian_query(2, 66), [](item_id, std::span<const double> scores) {
    EXPECT_TRUE(std::isfinite(scores[0]));
    EXPECT_EQ(scores[1], -std::numeric_limits<double>::infinity());
  });
}

}  // namespace
}  // namespace lazygumbel::testing
