#include <gtest/gtest.h>

#include <cmath>
#include <indexes.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/ivf/ivf_index.hpp>
#include <lazygumbel/index/mips_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <limits>
#include <stdexcept>
#include <utility>
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

// What every index of the library is, as an object: a new one belongs in this list.
template <class Index>
class IndexObjects : public ::testing::Test {
 protected:
  static Index make(std::size_t n, std::uint64_t seed) {
    return Index(gaussian_rows<double>(n, 4, seed));
  }
};
using AllIndexes = ::testing::Types<FlatIndex<double>, ScalarQuantizedIndex<double>,
                                    IvfIndex<double>, HnswIndex<double>>;
TYPED_TEST_SUITE(IndexObjects, AllIndexes);

template <class Index>
void expect_empty(const Index& index) {
  EXPECT_EQ(index.size(), 0u);
  EXPECT_EQ(index.dimension(), 0u);
  const Vector<double> query = gaussian_query(4, 1);
  Retrieval found;
  EXPECT_THROW(index.search(query, 1, found), std::invalid_argument);
}

TEST(MovedIndex, IsNoIndexToDrawFrom) {
  FlatIndex<double> index(gaussian_rows<double>(10, 4, 1));
  const FlatIndex<double> taken(std::move(index));
  EXPECT_THROW(LazySampler{index}, std::invalid_argument);
}

TYPED_TEST(IndexObjects, MovedFromIsEmptyUntilAssigned) {
  TypeParam first = this->make(100, 1);
  const Retrieval before = search(first, gaussian_query(4, 2), 10);
  TypeParam second(std::move(first));
  expect_empty(first);
  EXPECT_EQ(search(second, gaussian_query(4, 2), 10).ids, before.ids);
  first = std::move(second);
  expect_empty(second);
  EXPECT_EQ(search(first, gaussian_query(4, 2), 10).ids, before.ids);
  if constexpr (requires { second.add(first.rows()); })
    EXPECT_THROW(second.add(gaussian_rows<double>(1, 4, 3)), std::invalid_argument);
}

TYPED_TEST(IndexObjects, MovesOntoItselfSwapsAndLeavesVectors) {
  std::vector<TypeParam> all;
  for (const std::uint64_t seed : {1u, 2u, 3u}) all.push_back(this->make(40 * seed, seed));
  std::vector<std::vector<item_id>> answers;
  for (const auto& index : all) answers.push_back(search(index, gaussian_query(4, 2), 10).ids);
  TypeParam& itself = all[1];
  all[1] = std::move(itself);
  EXPECT_EQ(search(all[1], gaussian_query(4, 2), 10).ids, answers[1]);
  std::swap(all[0], all[2]);
  EXPECT_EQ(search(all[0], gaussian_query(4, 2), 10).ids, answers[2]);
  all.erase(all.begin());
  EXPECT_EQ(search(all[0], gaussian_query(4, 2), 10).ids, answers[1]);
  EXPECT_EQ(search(all[1], gaussian_query(4, 2), 10).ids, answers[0]);
}

}  // namespace
}  // namespace lazygumbel::testing
