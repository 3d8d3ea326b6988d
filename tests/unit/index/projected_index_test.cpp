#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <indexes.hpp>
#include <largest_difference.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/projected_index.hpp>
#include <lazygumbel/index/recall.hpp>
#include <limits>
#include <message_of.hpp>
#include <vector>

#include "scalars.hpp"

namespace lazygumbel::testing {
namespace {

constexpr auto both_kinds = {ProjectionKind::random, ProjectionKind::pca};

static_assert(BatchMipsIndex<ProjectedIndex<FlatIndex<float>>>);
static_assert(BatchMipsIndex<ProjectedIndex<HnswIndex<double>>>);
static_assert(BatchMipsIndex<ProjectedIndex<MinimalIndex>>);

/// n x d rows near a subspace of dimension `rank`.
template <class Scalar>
RowMatrix<Scalar> near_subspace(std::size_t n, std::size_t d, std::size_t rank, double noise,
                                std::uint64_t seed) {
  const RowMatrix<double> rows = gaussian_rows(n, rank, seed) * gaussian_rows(rank, d, seed + 1) +
                                 noise * gaussian_rows(n, d, seed + 2);
  return rows.template cast<Scalar>();
}

template <class Scalar>
class Projected : public ::testing::Test {};
TYPED_TEST_SUITE(Projected, Scalars);

TYPED_TEST(Projected, DirectionsAreOrthonormal) {
  using Index = ProjectedIndex<FlatIndex<TypeParam>>;
  for (const ProjectionKind kind : both_kinds)
    for (const std::size_t kept : {1, 7, 70, 100}) {
      const Index index(gaussian_rows<TypeParam>(300, 100, 1), {.dimension = kept, .kind = kind});
      const auto& p = index.projection();
      ASSERT_EQ(p.rows(), 100);
      ASSERT_EQ(p.cols(), static_cast<Eigen::Index>(kept));
      const Eigen::MatrixXd gram =
          p.template cast<double>().transpose() * p.template cast<double>();
      EXPECT_LT(largest_difference(gram, Eigen::MatrixXd::Identity(p.cols(), p.cols())), 1e-6);
    }
}

TYPED_TEST(Projected, ScoresAreThoseOfTheRows) {
  const auto rows = gaussian_rows<TypeParam>(500, 40, 2);
  for (const ProjectionKind kind : both_kinds) {
    const ProjectedIndex<FlatIndex<TypeParam>> index(rows, {.dimension = 8, .kind = kind});
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const auto query = gaussian_query<TypeParam>(40, seed);
      const Retrieval found = search(index, query, 20);
      ASSERT_EQ(found.ids.size(), 20U);
      EXPECT_TRUE(std::isnan(found.residual_bound));
      EXPECT_EQ(found.guarantee, Guarantee::assumed());
      std::vector<double> many(20);
      index.score_many(query, found.ids, many);
      EXPECT_EQ(many, found.scores);
      for (std::size_t i = 0; i < 20; ++i) {
        EXPECT_EQ(found.scores[i], index.score(query, found.ids[i]));
        EXPECT_NEAR(
            found.scores[i],
            rows.row(found.ids[i]).template cast<double>().dot(query.template cast<double>()),
            1e-4);
        if (i > 0) {
          EXPECT_LE(found.scores[i], found.scores[i - 1]);
        }
      }
    }
  }
}

TYPED_TEST(Projected, AllDirectionsGiveTheExactAnswer) {
  const auto rows = gaussian_rows<TypeParam>(400, 24, 3),
             queries = gaussian_rows<TypeParam>(20, 24, 4);
  const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
  for (const ProjectionKind kind : both_kinds) {
    const ProjectedIndex<FlatIndex<TypeParam>> index(
        rows, {.dimension = 24, .kind = kind, .factor = 1.1});
    EXPECT_EQ(recall_at_k(index, flat, queries, 30), 1.0);
  }
}

TYPED_TEST(Projected, PrincipalDirectionsFindTheSubspace) {
  // Of dimension 5: so many directions suffice, 4 do not, nor 5 found from 3 rows.
  const auto rows = near_subspace<TypeParam>(600, 50, 5, 0.0, 5);
  const auto queries = gaussian_rows<TypeParam>(20, 50, 9);
  const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
  const auto recall = [&](std::size_t kept, std::size_t sample) {
    const ProjectedIndex<FlatIndex<TypeParam>> index(
        rows, {.dimension = kept, .factor = 1.1, .sample = sample});
    return recall_at_k(index, flat, queries, 20);
  };
  EXPECT_EQ(recall(5, 600), 1.0);
  EXPECT_EQ(recall(5, 20), 1.0);
  EXPECT_EQ(recall(9, 7), 1.0);  // fewer rows than directions: the others are arbitrary
  EXPECT_LT(recall(4, 600), 0.9);
  EXPECT_LT(recall(5, 3), 0.9);
}

TYPED_TEST(Projected, RecallGrowsWithTheFactor) {
  const auto rows = gaussian_rows<TypeParam>(2000, 40, 10),
             queries = gaussian_rows<TypeParam>(50, 40, 11);
  const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
  for (const ProjectionKind kind : both_kinds) {
    ProjectedIndex<FlatIndex<TypeParam>> index(rows, {.dimension = 16, .kind = kind});
    double last = 0.0;
    for (const double factor : {1.0, 2.0, 8.0, 32.0, 200.0}) {
      index.set_factor(factor);
      EXPECT_EQ(index.options().factor, factor);
      const double recall = recall_at_k(index, flat, queries, 10);
      EXPECT_GT(recall, last) << factor;
      last = recall;
    }
    EXPECT_EQ(last, 1.0);  // 2,000 candidates: all
  }
}

TYPED_TEST(Projected, KnowsWhenItHoldsEverything) {
  const ProjectedIndex<FlatIndex<TypeParam>> index(gaussian_rows<TypeParam>(30, 6, 12),
                                                   {.dimension = 2});
  for (const std::size_t k : {std::size_t{30}, std::size_t{31}, ~std::size_t{0}}) {
    const Retrieval found = search(index, gaussian_query<TypeParam>(6, 13), k);
    EXPECT_EQ(found.ids.size(), 30U);
    EXPECT_EQ(found.residual_bound, -std::numeric_limits<double>::infinity());
    EXPECT_EQ(found.guarantee, Guarantee::certified());
  }
  // All are candidates, not all are returned: exact, yet no claim.
  const Retrieval most = search(index, gaussian_query<TypeParam>(6, 13), 29);
  EXPECT_EQ(most.ids.size(), 29U);
  EXPECT_TRUE(std::isnan(most.residual_bound));
  EXPECT_EQ(most.guarantee, Guarantee::assumed());
}

/// Batches and singles, for one inner index; GEMM and GEMV round differently, so that a near tie
/// may let in another candidate: the batch is compared with itself, and by its recall.
template <class Index>
void check_batch(const Index& index, const RowMatrix<typename Index::scalar_type>& queries) {
  const auto m = static_cast<std::size_t>(queries.rows());
  std::vector<Retrieval> one(m), many(m);
  index.search_batch(queries, 10, one, 1);
  std::size_t common = 0;
  for (std::size_t j = 0; j < m; ++j) {
    const Vector<typename Index::scalar_type> query = queries.row(static_cast<Eigen::Index>(j));
    const Retrieval single = search(index, query, 10);
    ASSERT_EQ(one[j].ids.size(), 10U);
    for (std::size_t i = 0; i < 10; ++i) {
      ASSERT_EQ(one[j].scores[i], index.score(query, one[j].ids[i]));
      common += std::count(single.ids.begin(), single.ids.end(), one[j].ids[i]);
    }
  }
  EXPECT_GE(static_cast<double>(common), 0.99 * 10.0 * static_cast<double>(m));
  for (const std::size_t threads : {2, 3, 0}) {
    index.search_batch(queries, 10, many, threads);
    for (std::size_t j = 0; j < m; ++j) {
      ASSERT_EQ(many[j].ids, one[j].ids);
      ASSERT_EQ(many[j].scores, one[j].scores);
    }
  }
}

TYPED_TEST(Projected, BatchesAgreeForAnyThreads) {
  const auto rows = gaussian_rows<TypeParam>(400, 30, 14);
  const ProjectedIndex<FlatIndex<TypeParam>> flat(rows, {.dimension = 10});
  const ProjectedIndex<HnswIndex<TypeParam>> graph(
      rows, {.dimension = 10}, [](const RowMatrix<TypeParam>& projected) {
        return HnswIndex<TypeParam>(projected, {.M = 8, .ef_construction = 40});
      });
  for (const std::size_t m : {1, 64, 65, 150}) {  // around a group of queries
    const auto queries = gaussian_rows<TypeParam>(m, 30, 15);
    check_batch(flat, queries);
    check_batch(graph, queries);
  }
  flat.search_batch(RowMatrix<TypeParam>(0, 30), 3, {}, 2);  // of nothing is nothing
}

TYPED_TEST(Projected, TheIndexIsTheSameForAnyThreads) {
  const auto rows = gaussian_rows<TypeParam>(3000, 130, 16);
  for (const ProjectionKind kind : both_kinds) {
    const ProjectedIndex<FlatIndex<TypeParam>> one(rows, {.kind = kind, .threads = 1});
    for (const std::size_t threads : {2, 0}) {
      const ProjectedIndex<FlatIndex<TypeParam>> many(rows, {.kind = kind, .threads = threads});
      EXPECT_EQ(many.projection(), one.projection());
      EXPECT_EQ(many.inner().rows(), one.inner().rows());
    }
  }
}

TYPED_TEST(Projected, SeedsGiveOtherSubspaces) {
  const auto rows = gaussian_rows<TypeParam>(50, 20, 17);
  const auto directions = [&](std::uint64_t seed) {
    return ProjectedIndex<FlatIndex<TypeParam>>(
               rows, {.dimension = 5, .kind = ProjectionKind::random, .seed = seed})
        .projection();
  };
  EXPECT_EQ(directions(1), directions(1));
  EXPECT_NE(directions(1), directions(2));
}

TYPED_TEST(Projected, ExtremeRowsAreProjectedWithoutOverflow) {
  const TypeParam huge = std::sqrt(std::numeric_limits<TypeParam>::max());
  RowMatrix<TypeParam> rows = near_subspace<TypeParam>(100, 12, 3, 0.0, 18);
  rows *= huge;
  const RowMatrix<TypeParam> queries = gaussian_rows<TypeParam>(5, 12, 19);
  const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
  const ProjectedIndex<FlatIndex<TypeParam>> index(rows, {.dimension = 3, .factor = 1.5});
  EXPECT_EQ(recall_at_k(index, flat, queries, 10), 1.0);
  const ProjectedIndex<FlatIndex<TypeParam>> zeros(RowMatrix<TypeParam>::Zero(10, 4),
                                                   {.dimension = 2});
  EXPECT_EQ(search(zeros, gaussian_query<TypeParam>(4, 20), 3).scores,
            (std::vector<double>{0, 0, 0}));
}

TEST(Projected, DegenerateShapes) {
  using Index = ProjectedIndex<FlatIndex<double>>;
  for (const ProjectionKind kind : both_kinds) {
    const Index single(RowMatrix<double>::Ones(1, 1), {.dimension = 1, .kind = kind});
    EXPECT_EQ(search(single, Vector<double>::Constant(1, 2.0), 1).scores, std::vector<double>{2.0});
    const Index wide(gaussian_rows(1, 300, 21), {.dimension = 300, .kind = kind});
    EXPECT_EQ(search(wide, gaussian_query(300, 22), 5).ids, std::vector<item_id>{0});
    const Index tall(gaussian_rows(3000, 1, 23), {.dimension = 1, .kind = kind});
    EXPECT_EQ(search(tall, Vector<double>::Ones(1), 7).ids.size(), 7U);
  }
}

TEST(Projected, ViewsTheCallersRows) {
  RowMatrix<float> rows = gaussian_rows<float>(100, 12, 24);
  const RowPointer<float> part(rows.data() + 2, 100, 9, Eigen::OuterStride<>(12));
  const auto index = ProjectedIndex<FlatIndex<float>>::over(part, {.dimension = 9, .factor = 1.5});
  const Vector<float> query = gaussian_query<float>(9, 25);
  const Retrieval found = search(index, query, 10);
  EXPECT_EQ(found.ids, search(FlatIndex<float>::over(part), query, 10).ids);
  rows(static_cast<Eigen::Index>(found.ids[0]), 2) += 1.0F;
  EXPECT_NE(index.score(query, found.ids[0]), found.scores[0]);
}

TEST(Projected, BuildsAnInnerIndexAsTold) {
  HnswParameters parameters;
  parameters.M = 8;
  parameters.ef_construction = 40;
  const auto rows = near_subspace<float>(500, 30, 10, 0.3, 26);
  ProjectedIndex<HnswIndex<float>> index(
      rows, {.dimension = 12, .factor = 8.0},
      [&](const RowMatrix<float>& projected) { return HnswIndex<float>(projected, parameters); });
  EXPECT_EQ(index.inner().parameters().M, 8U);
  EXPECT_EQ(index.inner().dimension(), 12U);
  index.set_ef(300);
  EXPECT_EQ(index.ef(), 300U);
  const FlatIndex<float> flat{RowMatrix<float>(rows)};
  EXPECT_GT(recall_at_k(index, flat, gaussian_rows<float>(20, 30, 29), 10), 0.95);
}

TEST(Projected, SurvivesMoves) {
  ProjectedIndex<FlatIndex<double>> first(gaussian_rows(50, 8, 28), {.dimension = 4});
  const Retrieval before = search(first, gaussian_query(8, 29), 5);
  const ProjectedIndex<FlatIndex<double>> second(std::move(first));
  EXPECT_EQ(search(second, gaussian_query(8, 29), 5).ids, before.ids);
}

TEST(Projected, RefusesBadArgumentsByName) {
  using Index = ProjectedIndex<FlatIndex<double>>;
  const auto refusal = [](const ProjectionOptions& options) {
    return message_of<std::invalid_argument>(
        [&] { Index index(gaussian_rows(9, 5, 30), options); });
  };
  EXPECT_EQ(refusal({.dimension = 0}), "lazygumbel: dimension = 0: must lie in 1 .. d = 5");
  EXPECT_EQ(refusal({.dimension = 6}), "lazygumbel: dimension = 6: must lie in 1 .. d = 5");
  EXPECT_EQ(refusal({.dimension = 2, .factor = 0.5}),
            "lazygumbel: factor = 0.5: must be finite and at least 1");
  EXPECT_EQ(refusal({.dimension = 2, .factor = std::nan("")}),
            "lazygumbel: factor = nan: must be finite and at least 1");
  EXPECT_EQ(refusal({.dimension = 2, .factor = std::numeric_limits<double>::infinity()}),
            "lazygumbel: factor = inf: must be finite and at least 1");
  EXPECT_EQ(refusal({.dimension = 2, .sample = 0}), "lazygumbel: sample = 0: must be at least 1");

  RowMatrix<double> rows = gaussian_rows(9, 5, 30);
  rows(3, 2) = std::nan("");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { Index index(rows, {.dimension = 2}); }),
            "lazygumbel: rows(3, 2) = nan: must be finite");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { Index index(RowMatrix<double>(0, 5), {.dimension = 2}); }),
            "lazygumbel: rows.rows() = 0: must be at least 1");

  Index index(gaussian_rows(9, 5, 30), {.dimension = 2});
  EXPECT_THROW(index.set_factor(0.0), std::invalid_argument);
  EXPECT_EQ(index.options().factor, 4.0);
  const auto refused_query = [&](const Vector<double>& query, std::size_t k) {
    return message_of<std::invalid_argument>([&] { search(index, query, k); });
  };
  EXPECT_EQ(refused_query(gaussian_query(4, 1), 3),
            "lazygumbel: query.size() = 4: must equal the index's dimension 5");
  EXPECT_EQ(refused_query(gaussian_query(5, 1), 0), "lazygumbel: k = 0: must be at least 1");
  EXPECT_EQ(refused_query(Vector<double>::Constant(5, std::nan("")), 3),
            "lazygumbel: query(0) = nan: must be finite");
  std::vector<Retrieval> found(2);
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { index.search_batch(gaussian_rows(3, 5, 1), 3, found); }),
            "lazygumbel: retrievals.size() = 2: must equal queries.rows()");
  RowMatrix<double> queries = gaussian_rows(2, 5, 1);
  queries(1, 4) = std::nan("");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { index.search_batch(queries, 3, found); }),
            "lazygumbel: queries.row(1)(4) = nan: must be finite");
}

TEST(Projected, RefusesAnInnerIndexOfOtherRows) {
  using Index = ProjectedIndex<MinimalIndex>;
  const auto refusal = [](std::size_t n, std::size_t d) {
    return message_of<std::invalid_argument>([&] {
      Index index(gaussian_rows(9, 5, 31), {.dimension = 2},
                  [&](const RowMatrix<double>&) { return MinimalIndex(gaussian_rows(n, d, 1)); });
    });
  };
  EXPECT_EQ(refusal(8, 2), "lazygumbel: inner.size() = 8: must equal rows.rows() = 9");
  EXPECT_EQ(refusal(9, 5), "lazygumbel: inner.dimension() = 5: must equal dimension = 2");
}

TEST(Projected, ABrokenInnerIndexIsAnIndexError) {
  using Index = ProjectedIndex<HostileIndex>;
  for (const Fault fault : {Fault::id_out_of_range, Fault::duplicate_id, Fault::more_than_k}) {
    const Index index(gaussian_rows(90, 5, 32), {.dimension = 2},
                      [&](const RowMatrix<double>& rows) { return HostileIndex(rows, fault); });
    EXPECT_THROW(search(index, gaussian_query(5, 33), 4), index_error);
    std::vector<Retrieval> found(3);
    EXPECT_THROW(index.search_batch(gaussian_rows(3, 5, 34), 4, found), index_error);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
