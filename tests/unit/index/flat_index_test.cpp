#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <indexes.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <limits>
#include <message_of.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "scalars.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::text_of;

template <class Scalar>
class Flat : public ::testing::Test {
 protected:
  using Index = FlatIndex<Scalar>;

  static Index index_over(const RowMatrix<Scalar>& rows) { return Index(RowMatrix<Scalar>(rows)); }

  static Retrieval search(const Index& index, const Vector<Scalar>& query, std::size_t k) {
    Retrieval found;
    index.search(query, k, found);
    return found;
  }

  /// <query, x_i> in long double.
  static std::vector<long double> true_scores(const RowMatrix<Scalar>& rows,
                                              const Vector<Scalar>& query) {
    const Vector<long double> scores =
        rows.template cast<long double>() * query.template cast<long double>();
    return {scores.begin(), scores.end()};
  }

  /// Every evaluation of every score that is not returned stays below the certified bound.
  static void expect_bounded(const RowMatrix<Scalar>& rows, const Vector<Scalar>& query) {
    const Index index = index_over(rows);
    const std::size_t n = index.size();
    std::vector<double> by_many(n);
    const Vector<Scalar> by_gemv = rows * query;  // rounds in another order
    std::vector<item_id> ids(n);
    std::iota(ids.begin(), ids.end(), item_id{0});
    index.score_many(query, ids, by_many);
    const auto exact = true_scores(rows, query);
    for (const std::size_t k : {std::size_t{1}, std::size_t{2}, n / 2, n - 1}) {
      if (k < 1 || k >= n) continue;
      const Retrieval found = search(index, query, k);
      ASSERT_EQ(found.ids.size(), k);
      ASSERT_EQ(found.guarantee, Guarantee::certified());
      std::vector<bool> returned(n, false);
      for (const item_id id : found.ids) returned[id] = true;
      for (item_id id = 0; id < n; ++id) {
        if (returned[id]) continue;
        ASSERT_LE(index.score(query, id), found.residual_bound) << k << " " << id;
        ASSERT_LE(static_cast<double>(by_gemv[id]), found.residual_bound) << k << " " << id;
        ASSERT_LE(by_many[id], found.residual_bound) << k << " " << id;
        ASSERT_LE(exact[id], static_cast<long double>(found.residual_bound)) << k << " " << id;
      }
    }
  }
};
TYPED_TEST_SUITE(Flat, Scalars);

TYPED_TEST(Flat, FindsTheLargestInnerProducts) {
  for (const std::size_t n : {1, 2, 100, 1023, 1024, 1025, 3000})  // around a block of rows
    for (const std::size_t d : {1, 3, 16, 33}) {
      const auto rows = gaussian_rows<TypeParam>(n, d, 1000 * n + d);
      const auto index = this->index_over(rows);
      const auto query = gaussian_query<TypeParam>(d, n);
      const auto exact = this->true_scores(rows, query);
      std::vector<long double> best = exact;
      std::sort(best.rbegin(), best.rend());
      const double tolerance =
          64.0 * static_cast<double>(std::numeric_limits<TypeParam>::epsilon());
      for (const std::size_t k : {std::size_t{1}, std::size_t{10}, n, n + 5}) {
        const Retrieval found = this->search(index, query, k);
        ASSERT_EQ(found.ids.size(), std::min(k, n));
        ASSERT_EQ(found.scores.size(), std::min(k, n));
        for (std::size_t i = 0; i < found.ids.size(); ++i) {
          ASSERT_EQ(found.scores[i], index.score(query, found.ids[i]));
          ASSERT_NEAR(found.scores[i], static_cast<double>(best[i]), tolerance);
          ASSERT_NEAR(found.scores[i], static_cast<double>(exact[found.ids[i]]), tolerance);
          if (i > 0) {
            ASSERT_LE(found.scores[i], found.scores[i - 1]);
          }
        }
        std::vector<item_id> ids = found.ids;
        std::sort(ids.begin(), ids.end());
        ASSERT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
        if (k >= n) {
          ASSERT_EQ(found.residual_bound, -std::numeric_limits<double>::infinity());
        }
      }
    }
}

TYPED_TEST(Flat, LeavesAllScoresWhereAsked) {
  const FlatIndex<TypeParam> index(gaussian_rows<TypeParam>(300, 5, 4));
  const Vector<TypeParam> query = gaussian_query<TypeParam>(5, 5);
  Retrieval found, same;
  std::vector<double> scores(7, 1.0);
  index.search_scored(query, 10, found, scores);
  index.search(query, 10, same);
  EXPECT_EQ(found.ids, same.ids);
  EXPECT_EQ(found.scores, same.scores);
  EXPECT_EQ(found.residual_bound, same.residual_bound);
  ASSERT_EQ(scores.size(), 300U);
  for (item_id id = 0; id < 300; ++id) EXPECT_EQ(scores[id], index.score(query, id));
  EXPECT_THROW(index.search_scored(query, 0, found, scores), std::invalid_argument);
}

TYPED_TEST(Flat, BreaksTiesByTheSmallerId) {
  const auto index = this->index_over(RowMatrix<TypeParam>::Ones(100, 4));
  const Vector<TypeParam> query = Vector<TypeParam>::Ones(4);
  for (const std::size_t k : {1, 5, 40, 100}) {
    const Retrieval found = this->search(index, query, k);
    std::vector<item_id> expected(k);
    std::iota(expected.begin(), expected.end(), item_id{0});
    EXPECT_EQ(found.ids, expected);
  }
}

TYPED_TEST(Flat, BatchEqualsSingleForAnyThreads) {
  for (const std::size_t m : {1, 2, 63, 64, 65, 200}) {  // around a group of queries
    const auto index = this->index_over(gaussian_rows<TypeParam>(1500, 12, 91));
    const auto queries = gaussian_rows<TypeParam>(m, 12, 92);
    for (const std::size_t threads : {1, 2}) {
      std::vector<Retrieval> batch(m);
      index.search_batch(queries, 10, batch, threads);
      for (std::size_t j = 0; j < m; ++j) {
        const Retrieval single =
            this->search(index, queries.row(static_cast<Eigen::Index>(j)).transpose(), 10);
        ASSERT_EQ(batch[j].ids, single.ids);
        ASSERT_EQ(batch[j].scores, single.scores);
        ASSERT_NEAR(batch[j].residual_bound, single.residual_bound, 1e-4);
        ASSERT_EQ(batch[j].guarantee, single.guarantee);
      }
    }
  }
}

TYPED_TEST(Flat, BatchOfNothingIsNothing) {
  const auto index = this->index_over(gaussian_rows<TypeParam>(5, 2, 93));
  index.search_batch(RowMatrix<TypeParam>(0, 2), 3, {}, 2);
}

TYPED_TEST(Flat, ScoresOfAllKindsAgree) {
  const auto rows = gaussian_rows<TypeParam>(50, 9, 94);
  const auto index = this->index_over(rows);
  const auto query = gaussian_query<TypeParam>(9, 95);
  const std::vector<item_id> ids = {3, 3, 49, 0, 17, 18, 19};
  std::vector<double> many(ids.size());
  index.score_many(query, ids, many);
  for (std::size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(many[i], index.score(query, ids[i]));
  std::size_t next = 0;
  for_each_score(index, query, [&](item_id first, std::span<const double> scores) {
    EXPECT_EQ(first, next);
    for (const double y : scores) EXPECT_EQ(y, index.score(query, static_cast<item_id>(next++)));
  });
  EXPECT_EQ(next, rows.rows());
  index.score_many(query, {}, {});
  EXPECT_EQ(index.rows(), rows);
}

// 600 pairs of 100 random rows and a query, dimensions 1 to 300, scales 1e-15 to 1e15.
TYPED_TEST(Flat, CertifiedBoundHoldsForRandomRows) {
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    const std::size_t d = 1 + seed * seed % 300;
    const auto scale =
        static_cast<TypeParam>(std::pow(10.0, static_cast<double>(seed % 31) - 15.0));
    this->expect_bounded(scale * gaussian_rows<TypeParam>(100, d, 5000 + seed),
                         gaussian_query<TypeParam>(d, 9000 + seed));
  }
}

TYPED_TEST(Flat, CertifiedBoundHoldsForAdversarialRows) {
  using limits = std::numeric_limits<TypeParam>;
  constexpr Eigen::Index n = 200, d = 67;
  const auto random = gaussian_rows<TypeParam>(n, d, 96);
  const Vector<TypeParam> query = gaussian_query<TypeParam>(d, 97);
  const Vector<TypeParam> ones = Vector<TypeParam>::Ones(d);

  this->expect_bounded(RowMatrix<TypeParam>::Zero(n, d), query);
  this->expect_bounded(RowMatrix<TypeParam>::Ones(n, d), query);
  this->expect_bounded(random, Vector<TypeParam>::Zero(d));

  RowMatrix<TypeParam> rows = random;  // nearly equal rows: only rounding tells them apart
  for (Eigen::Index i = 0; i < n; ++i) rows.row(i) = random.row(0);
  this->expect_bounded(rows, query);

  rows = random;  // two huge coordinates cancel, what is left is rounding
  const TypeParam huge = std::sqrt(limits::max()) / 1024;
  for (Eigen::Index i = 0; i < n; ++i) {
    rows(i, i % d) += huge;
    rows(i, (i + 31) % d) -= huge;
  }
  this->expect_bounded(rows, ones);
  rows = random;  // one huge coordinate against a zero of the query
  rows.col(0).setConstant(huge);
  Vector<TypeParam> blind = query;
  blind(0) = 0;
  this->expect_bounded(rows, blind);

  this->expect_bounded(limits::denorm_min() * RowMatrix<TypeParam>::Ones(n, d), query);
  this->expect_bounded(limits::min() * random, query);
  this->expect_bounded(limits::min() * random, limits::min() * query);  // all products underflow
  this->expect_bounded(std::sqrt(limits::min()) * random, std::sqrt(limits::min()) * query);

  // Ordinary scores from a tiny query and huge rows: the square of the query's norm underflows.
  const TypeParam far = std::ldexp(TypeParam(1), limits::max_exponent - 24);
  this->expect_bounded(far * random, (1 / far) * query);
  this->expect_bounded((1 / far) * random, far * query);
}

TYPED_TEST(Flat, OverReadsTheCallersRowsInPlace) {
  RowMatrix<TypeParam> wide = gaussian_rows<TypeParam>(30, 10, 98);
  const RowPointer<TypeParam> part(&wide(1, 3), 14, 5, Eigen::OuterStride<>(20));  // every second
  const auto view = FlatIndex<TypeParam>::over(part);
  EXPECT_EQ(view.rows().data(), &wide(1, 3));
  EXPECT_EQ(view.size(), 14u);
  EXPECT_EQ(view.dimension(), 5u);
  const auto owner = this->index_over(RowMatrix<TypeParam>(part));
  const auto query = gaussian_query<TypeParam>(5, 99);
  const Retrieval seen = this->search(view, query, 6), expected = this->search(owner, query, 6);
  EXPECT_EQ(seen.ids, expected.ids);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(seen.scores[i], expected.scores[i], 1e-5);
  const auto queries = gaussian_rows<TypeParam>(3, 5, 100);
  std::vector<Retrieval> batch(3);
  view.search_batch(queries, 6, batch);
  EXPECT_EQ(batch[2].ids, this->search(owner, queries.row(2).transpose(), 6).ids);
}

TYPED_TEST(Flat, TakesQueriesThatAreRowsOfAStridedMatrix) {
  const auto index = this->index_over(gaussian_rows<TypeParam>(40, 4, 101));
  const RowMatrix<TypeParam> wide = gaussian_rows<TypeParam>(6, 9, 102);
  std::vector<Retrieval> batch(6);
  index.search_batch(wide.middleCols(2, 4), 5, batch);
  for (Eigen::Index j = 0; j < 6; ++j)
    EXPECT_EQ(batch[static_cast<std::size_t>(j)].ids,
              this->search(index, wide.row(j).segment(2, 4).transpose(), 5).ids);
}

TYPED_TEST(Flat, MovesAndReusesRetrievals) {
  auto index = this->index_over(gaussian_rows<TypeParam>(20, 3, 103));
  const auto query = gaussian_query<TypeParam>(3, 104);
  const Retrieval before = this->search(index, query, 4);
  const auto moved = std::move(index);
  Retrieval found;
  moved.search(query, 20, found);
  moved.search(query, 4, found);
  EXPECT_EQ(found.ids, before.ids);
  EXPECT_EQ(found.scores, before.scores);
  EXPECT_EQ(found.residual_bound, before.residual_bound);
}

TYPED_TEST(Flat, RefusesNaNAndInfinityAtEveryEntry) {
  using limits = std::numeric_limits<TypeParam>;
  const auto index = this->index_over(gaussian_rows<TypeParam>(4, 5, 105));
  for (const TypeParam bad : {limits::quiet_NaN(), limits::infinity(), -limits::infinity()}) {
    for (Eigen::Index i = 0; i < 3; ++i)
      for (Eigen::Index j = 0; j < 5; ++j) {
        RowMatrix<TypeParam> rows = RowMatrix<TypeParam>::Ones(3, 5);
        rows(i, j) = bad;
        const std::string expected = "lazygumbel: rows(" + text_of(i) + ", " + text_of(j) +
                                     ") = " + text_of(bad) + ": must be finite";
        EXPECT_EQ(message_of<std::invalid_argument>([&] { this->index_over(rows); }), expected);
        const RowPointer<TypeParam> view(rows.data(), 3, 5, Eigen::OuterStride<>(5));
        EXPECT_EQ(message_of<std::invalid_argument>([&] { FlatIndex<TypeParam>::over(view); }),
                  expected);
        std::vector<Retrieval> batch(3);
        EXPECT_EQ(message_of<std::invalid_argument>([&] { index.search_batch(rows, 2, batch); }),
                  "lazygumbel: queries.row(" + text_of(i) + ")(" + text_of(j) +
                      ") = " + text_of(bad) + ": must be finite");
      }
    for (Eigen::Index j = 0; j < 5; ++j) {
      Vector<TypeParam> query = Vector<TypeParam>::Ones(5);
      query(j) = bad;
      EXPECT_EQ(message_of<std::invalid_argument>([&] { this->search(index, query, 2); }),
                "lazygumbel: query(" + text_of(j) + ") = " + text_of(bad) + ": must be finite");
    }
  }
}

TYPED_TEST(Flat, NamesABadQueryFarIntoABatch) {
  const auto index = this->index_over(gaussian_rows<TypeParam>(4, 2, 106));
  RowMatrix<TypeParam> queries = RowMatrix<TypeParam>::Ones(130, 2);
  queries(128, 1) = std::numeric_limits<TypeParam>::infinity();
  std::vector<Retrieval> batch(130);
  for (const std::size_t threads : {1, 2})
    EXPECT_EQ(
        message_of<std::invalid_argument>([&] { index.search_batch(queries, 2, batch, threads); }),
        "lazygumbel: queries.row(128)(1) = inf: must be finite");
}

TYPED_TEST(Flat, RefusesBadArgumentsByName) {
  const auto index = this->index_over(gaussian_rows<TypeParam>(4, 5, 107));
  const auto refusal = [&](const Vector<TypeParam>& query, std::size_t k) {
    return message_of<std::invalid_argument>([&] { this->search(index, query, k); });
  };
  EXPECT_EQ(refusal(Vector<TypeParam>::Ones(5), 0), "lazygumbel: k = 0: must be at least 1");
  EXPECT_EQ(refusal(Vector<TypeParam>::Ones(4), 1),
            "lazygumbel: query.size() = 4: must equal the index's dimension 5");
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { this->index_over(RowMatrix<TypeParam>(0, 5)); }),
      "lazygumbel: rows.rows() = 0: must be at least 1");
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { this->index_over(RowMatrix<TypeParam>(5, 0)); }),
      "lazygumbel: rows.cols() = 0: must be at least 1");
  std::vector<Retrieval> batch(2);
  const RowMatrix<TypeParam> queries = RowMatrix<TypeParam>::Ones(3, 5);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { index.search_batch(queries, 1, batch); }),
            "lazygumbel: retrievals.size() = 2: must equal queries.rows()");
  batch.resize(3);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { index.search_batch(queries, 0, batch); }),
            "lazygumbel: k = 0: must be at least 1");
}

TYPED_TEST(Flat, RefusesNormsAndScoresThatOverflow) {
  constexpr TypeParam largest = std::numeric_limits<TypeParam>::max();
  RowMatrix<TypeParam> rows = RowMatrix<TypeParam>::Ones(3, 2);
  rows.row(2).setConstant(largest);
  const std::string norm = message_of<std::invalid_argument>([&] { this->index_over(rows); });
  EXPECT_EQ(norm.find("lazygumbel: rows.row(2).norm() = "), 0u) << norm;
  EXPECT_NE(norm.find(": overflows"), std::string::npos) << norm;

  rows(2, 0) = largest;
  rows(2, 1) = 0;
  const auto index = this->index_over(rows);
  const std::string scores = message_of<std::invalid_argument>(
      [&] { this->search(index, Vector<TypeParam>::Ones(2), 1); });
  EXPECT_EQ(scores.find("lazygumbel: query.norm() * max row norm = "), 0u) << scores;
  EXPECT_NE(scores.find(": scores would overflow"), std::string::npos) << scores;
  const Retrieval found = this->search(index, Vector<TypeParam>::Constant(2, TypeParam(0.25)), 1);
  EXPECT_EQ(found.ids, std::vector<item_id>{2});
}

TEST(FlatIndex, FindsScoresFarApart) {
  const FlatIndex<double> index(rows_with_scores({0.0, 10000.0, -10000.0, 5.0}));
  Retrieval found;
  index.search(unit_query(), 2, found);
  EXPECT_EQ(found.ids, (std::vector<item_id>{1, 3}));
  EXPECT_NEAR(found.residual_bound, 5.0, 1e-10)
      << "the k-th score plus a slack of 10,000 roundings";
  EXPECT_GE(found.residual_bound, 5.0);
}

}  // namespace
}  // namespace lazygumbel::testing
