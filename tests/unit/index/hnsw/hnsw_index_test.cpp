#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <indexes.hpp>
#include <lazygumbel/core/parallel.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <limits>
#include <message_of.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "saved_files.hpp"
#include "scalars.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::text_of;

constexpr HnswGeometry both_geometries[] = {HnswGeometry::inner_product,
                                            HnswGeometry::l2_reduction};

HnswParameters graph_parameters(HnswGeometry geometry, std::size_t threads = 1) {
  HnswParameters p;
  p.geometry = geometry;
  p.threads = threads;
  return p;
}

template <class Scalar>
RowMatrix<Scalar> normalised_rows(std::size_t n, std::size_t d, std::uint64_t seed) {
  RowMatrix<Scalar> rows = gaussian_rows<Scalar>(n, d, seed);
  rows.rowwise().normalize();
  return rows;
}

/// Norms from about 1/50 to 50, log-normal.
template <class Scalar>
RowMatrix<Scalar> uneven_rows(std::size_t n, std::size_t d, std::uint64_t seed) {
  RowMatrix<Scalar> rows = normalised_rows<Scalar>(n, d, seed);
  const RowMatrix<Scalar> logs = gaussian_rows<Scalar>(n, 1, seed + 1);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) *= std::exp(Scalar(1.3) * logs(i, 0));
  return rows;
}

template <class Scalar>
double recall(const HnswIndex<Scalar>& index, const RowMatrix<Scalar>& rows, std::size_t k,
              std::uint64_t seed) {
  return recall_at_k(index, FlatIndex<Scalar>(RowMatrix<Scalar>(rows)),
                     gaussian_rows<Scalar>(100, index.dimension(), seed), k);
}

/// What holds for every search of a sound index.
template <class Scalar>
void expect_sound(const HnswIndex<Scalar>& index, const Vector<Scalar>& query, std::size_t k) {
  const Retrieval found = search(index, query, k);
  ASSERT_EQ(found.ids.size(), found.scores.size());
  ASSERT_LE(found.ids.size(), std::min(k, index.size()));
  ASSERT_GE(found.ids.size(), 1u);
  std::set<item_id> unique(found.ids.begin(), found.ids.end());
  ASSERT_EQ(unique.size(), found.ids.size());
  ASSERT_LT(*unique.rbegin(), index.size());
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    ASSERT_EQ(found.scores[i], index.score(query, found.ids[i]));
    if (i > 0) {
      ASSERT_LE(found.scores[i], found.scores[i - 1]);
    }
  }
  ASSERT_EQ(found.residual_bound, found.scores.back());
  ASSERT_EQ(found.guarantee, Guarantee::assumed());
}

template <class Scalar>
class Hnsw : public ::testing::Test {};
TYPED_TEST_SUITE(Hnsw, Scalars);

// Seeded rows: the recall is a fixed number, above 0.97 in all four cases when this was written.
TYPED_TEST(Hnsw, FindsTheTopInBothGeometries) {
  const auto rows = gaussian_rows<TypeParam>(2000, 15, 111);
  for (const HnswGeometry geometry : both_geometries) {
    const HnswIndex<TypeParam> index(rows, graph_parameters(geometry));
    EXPECT_EQ(index.size(), 2000u);
    EXPECT_EQ(index.dimension(), 15u);
    EXPECT_EQ(index.parameters().geometry, geometry);
    EXPECT_GE(recall(index, rows, 10, 112), 0.95) << static_cast<int>(geometry);
    for (const std::size_t k : {1, 7, 500})
      expect_sound(index, gaussian_query<TypeParam>(15, k), k);
    for (item_id id = 0; id < 2000; ++id)
      ASSERT_EQ(index.row(id), rows.row(static_cast<Eigen::Index>(id)).transpose());
    EXPECT_GT(index.size_in_bytes(), 2000 * (15 * sizeof(TypeParam) + 2 * 16 * 4));
  }
}

TYPED_TEST(Hnsw, AWiderBeamMissesLess) {
  const auto rows = gaussian_rows<TypeParam>(3000, 24, 113);
  HnswIndex<TypeParam> index(rows, graph_parameters(HnswGeometry::inner_product));
  EXPECT_EQ(index.ef(), 64u);
  index.set_ef(1);
  const double narrow = recall(index, rows, 1, 114);
  index.set_ef(1000);
  EXPECT_EQ(index.ef(), 1000u);
  EXPECT_EQ(index.parameters().ef, 1000u);
  const double wide = recall(index, rows, 1, 114);
  EXPECT_LT(narrow, wide);
  EXPECT_GE(wide, 0.99);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { index.set_ef(0); }),
            "lazygumbel: ef = 0: must be at least 1");
  EXPECT_EQ(index.ef(), 1000u);
}

TYPED_TEST(Hnsw, AutomaticTakesInnerProductsForEqualNorms) {
  const HnswIndex<TypeParam> index(normalised_rows<TypeParam>(300, 8, 115));
  EXPECT_EQ(index.parameters().geometry, HnswGeometry::inner_product);
}

// For at most 4,000 rows the documented trial is on all rows, with every (n / 100)-th as query.
TYPED_TEST(Hnsw, AutomaticTakesTheGeometryOfBetterRecall) {
  for (const std::uint64_t seed : {116, 117, 118}) {
    const auto rows = uneven_rows<TypeParam>(1000, 10, seed);
    RowMatrix<TypeParam> queries(100, 10);
    for (Eigen::Index i = 0; i < 100; ++i) queries.row(i) = rows.row(10 * i);
    HnswParameters p = graph_parameters(HnswGeometry::automatic);
    p.M = 4;  // few links: the geometries differ
    p.ef_construction = p.ef = 16;
    const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
    double recalls[2];
    for (const HnswGeometry geometry : both_geometries) {
      HnswParameters one = p;
      one.geometry = geometry;
      recalls[static_cast<int>(geometry)] =
          recall_at_k(HnswIndex<TypeParam>(rows, one), flat, queries, 32);
    }
    const auto chosen = HnswIndex<TypeParam>(rows, p).parameters().geometry;
    ASSERT_NE(chosen, HnswGeometry::automatic);
    EXPECT_GE(recalls[static_cast<int>(chosen)], recalls[1 - static_cast<int>(chosen)]);
    EXPECT_NE(recalls[0], recalls[1]) << "the trial tells nothing";
  }
}

TYPED_TEST(Hnsw, AddedRowsAreFoundLikeTheFirst) {
  const auto rows = gaussian_rows<TypeParam>(2000, 12, 119);
  const double longest = static_cast<double>(rows.rowwise().norm().maxCoeff());
  for (const HnswGeometry geometry : both_geometries) {
    HnswParameters p = graph_parameters(geometry);
    p.norm_bound = 1.01 * longest;
    HnswIndex<TypeParam> index(rows.topRows(300), p);
    index.add(rows.middleRows(300, 1));
    index.add(rows.middleRows(301, 699));
    index.add(rows.bottomRows(1000), 2);
    EXPECT_EQ(index.size(), 2000u);
    EXPECT_GE(recall(index, rows, 10, 120), 0.95) << static_cast<int>(geometry);
    for (item_id id = 0; id < 2000; ++id)
      ASSERT_EQ(index.row(id), rows.row(static_cast<Eigen::Index>(id)).transpose());
  }
}

// The graph's memory moves while it grows.
TYPED_TEST(Hnsw, TakesRowsOfItsOwn) {
  const auto rows = gaussian_rows<TypeParam>(200, 12, 119);
  for (const HnswGeometry geometry : both_geometries) {
    HnswIndex<TypeParam> index(rows, graph_parameters(geometry));
    for (item_id id = 0; id < 150; ++id) index.add(index.row(3 * id % 200).transpose());
    ASSERT_EQ(index.size(), 350u);
    for (item_id id = 0; id < 150; ++id)
      ASSERT_EQ(index.row(200 + id), rows.row(3 * id % 200).transpose());
  }
}

// One by one or all at once: the places where searches start are those of the rows.
TYPED_TEST(Hnsw, RowsAddedOneByOneAreFoundAlike) {
  const auto rows = gaussian_rows<TypeParam>(6000, 4, 125);
  HnswParameters p = graph_parameters(HnswGeometry::inner_product);
  p.M = 4;
  p.ef_construction = 8;
  HnswIndex<TypeParam> one(rows.topRows(10), p), all(rows.topRows(10), p);
  for (Eigen::Index i = 10; i < rows.rows(); ++i) one.add(rows.row(i));
  all.add(rows.bottomRows(rows.rows() - 10));
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto query = gaussian_query<TypeParam>(4, seed);
    EXPECT_EQ(search(one, query, 10).ids, search(all, query, 10).ids);
  }
}

TYPED_TEST(Hnsw, BeamsAreNoWiderThanTheGraph) {
  HnswIndex<TypeParam> index(gaussian_rows<TypeParam>(64, 4, 126));
  index.set_ef(std::size_t{1} << 40);  // times 12 bytes: more than there is
  EXPECT_EQ(search(index, gaussian_query<TypeParam>(4, 1), 64).ids.size(), 64u);
}

TYPED_TEST(Hnsw, AddRefusesBadRowsAndStaysAsItWas) {
  HnswParameters p = graph_parameters(HnswGeometry::l2_reduction);
  HnswIndex<TypeParam> index(normalised_rows<TypeParam>(50, 4, 121), p);
  const auto query = gaussian_query<TypeParam>(4, 122);
  const Retrieval before = search(index, query, 10);
  RowMatrix<TypeParam> rows = RowMatrix<TypeParam>::Zero(3, 4);
  const auto refusal = [&](const RowMatrix<TypeParam>& added) {
    return message_of<std::invalid_argument>([&] { index.add(added); });
  };
  rows(2, 0) = 2;  // rows 0 and 1 are good: none may go in
  const std::string longer = refusal(rows);
  EXPECT_EQ(longer.find("lazygumbel: rows.row(2).norm() = 2: exceeds norm_bound = 1"), 0u)
      << longer;
  rows(2, 0) = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_EQ(refusal(rows), "lazygumbel: rows(2, 0) = nan: must be finite");
  EXPECT_EQ(refusal(RowMatrix<TypeParam>::Zero(1, 5)),
            "lazygumbel: rows.cols() = 5: must equal the index's dimension 4");
  EXPECT_EQ(refusal(RowMatrix<TypeParam>(0, 4)), "lazygumbel: rows.rows() = 0: must be at least 1");
  EXPECT_EQ(index.size(), 50u);
  const Retrieval after = search(index, query, 10);
  EXPECT_EQ(after.ids, before.ids);
  EXPECT_EQ(after.scores, before.scores);
  rows(2, 0) = TypeParam(0.5);
  index.add(rows);
  EXPECT_EQ(index.size(), 53u);
}

TYPED_TEST(Hnsw, InnerProductGeometryTakesLongerRows) {
  HnswIndex<TypeParam> index(normalised_rows<TypeParam>(50, 4, 123),
                             graph_parameters(HnswGeometry::inner_product));
  index.add(RowMatrix<TypeParam>::Constant(1, 4, 10));
  EXPECT_EQ(search(index, Vector<TypeParam>::Ones(4), 1).ids, std::vector<item_id>{50});
}

TYPED_TEST(Hnsw, OneThreadBuildsTheSameGraphEveryTime) {
  const auto rows = gaussian_rows<TypeParam>(800, 6, 124);
  for (const HnswGeometry geometry : both_geometries) {
    const HnswIndex<TypeParam> a(rows, graph_parameters(geometry)),
        b(rows, graph_parameters(geometry));
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const auto query = gaussian_query<TypeParam>(6, seed);
      ASSERT_EQ(search(a, query, 20).ids, search(b, query, 20).ids);
    }
  }
}

TYPED_TEST(Hnsw, ParallelBuildIsAsGood) {
  const auto rows = gaussian_rows<TypeParam>(2000, 12, 125);
  for (const HnswGeometry geometry : both_geometries)
    for (const std::size_t threads : {0, 2, 4}) {
      const HnswIndex<TypeParam> index(rows, graph_parameters(geometry, threads));
      EXPECT_GE(recall(index, rows, 10, 126), 0.95);
      for (item_id id = 0; id < 2000; ++id)
        ASSERT_EQ(index.row(id), rows.row(static_cast<Eigen::Index>(id)).transpose());
    }
}

TYPED_TEST(Hnsw, SearchesFromManyThreadsAgree) {
  const auto rows = gaussian_rows<TypeParam>(500, 6, 127);
  const HnswIndex<TypeParam> index(rows, graph_parameters(HnswGeometry::inner_product));
  std::vector<Retrieval> found(200);
  parallel_for(200, 4, [&](std::size_t j) {
    index.search(rows.row(static_cast<Eigen::Index>(j)).transpose(), 5, found[j]);
  });
  for (std::size_t j = 0; j < 200; ++j)
    ASSERT_EQ(found[j].ids,
              search(index, rows.row(static_cast<Eigen::Index>(j)).transpose(), 5).ids);
}

TYPED_TEST(Hnsw, ReportsProgressInOrderUpToTheEnd) {
  for (const std::size_t n : {1, 2, 99, 150, 1000})
    for (const std::size_t threads : {1, 4}) {
      std::vector<std::size_t> done;
      const auto record = [&](std::size_t rows_done, std::size_t rows_in_all) {
        EXPECT_EQ(rows_in_all, n);
        done.push_back(rows_done);
      };
      HnswIndex<TypeParam> index(gaussian_rows<TypeParam>(n, 3, 128),
                                 graph_parameters(HnswGeometry::inner_product, threads), record);
      ASSERT_FALSE(done.empty());
      EXPECT_EQ(done.back(), n);
      EXPECT_LE(done.size(), 101u);
      EXPECT_EQ(std::adjacent_find(done.begin(), done.end(), std::greater_equal<>()), done.end());
      done.clear();
      index.add(gaussian_rows<TypeParam>(n, 3, 129), threads, record);
      EXPECT_EQ(done.back(), n);
    }
}

TYPED_TEST(Hnsw, AThrowingProgressEndsTheBuild) {
  const auto rows = gaussian_rows<TypeParam>(1000, 5, 130);
  for (const std::size_t threads : {1, 2})
    for (const std::size_t at : {1, 500, 1000}) {
      EXPECT_EQ(message_of<std::runtime_error>([&] {
                  HnswIndex<TypeParam>(rows, graph_parameters(HnswGeometry::l2_reduction, threads),
                                       [&](std::size_t done, std::size_t) {
                                         if (done >= at) throw std::runtime_error("cancelled");
                                       });
                }),
                "cancelled");
    }
}

// Most links lead to rows that are taken out again; a graph that only loses them misses several
// times as much.
TYPED_TEST(Hnsw, AnAdditionThatIsCancelledLeavesTheIndexAsItWas) {
  const auto rows = gaussian_rows<TypeParam>(3000, 5, 131);
  const RowMatrix<TypeParam> first = rows.topRows(1000), more = rows.bottomRows(2000) * 100;
  for (const std::size_t threads : {1, 2}) {
    HnswParameters parameters = graph_parameters(HnswGeometry::inner_product);
    parameters.ef = 10;
    HnswIndex<TypeParam> index(first, parameters);
    const double before = recall(index, first, 10, 132);
    EXPECT_THROW(index.add(more, threads,
                           [](std::size_t done, std::size_t) {
                             if (done >= 1500) throw std::runtime_error("cancelled");
                           }),
                 std::runtime_error);
    ASSERT_EQ(index.size(), 1000u);
    for (item_id id = 0; id < 1000; ++id)
      ASSERT_EQ(index.row(id), first.row(static_cast<Eigen::Index>(id)).transpose());
    for (std::uint64_t seed = 0; seed < 20; ++seed)
      expect_sound(index, gaussian_query<TypeParam>(5, seed), 1000);
    EXPECT_GE(recall(index, first, 10, 132), before - 0.02);
    index.add(more);
    EXPECT_EQ(index.size(), 3000u);
    for (std::uint64_t seed = 0; seed < 20; ++seed)
      expect_sound(index, gaussian_query<TypeParam>(5, seed), 3000);
  }
}

// Products of such rows overflow a float, or vanish in it.
TYPED_TEST(Hnsw, FindsTheSameAtAnyScale) {
  const auto rows = gaussian_rows<TypeParam>(2000, 16, 134);
  const ScratchFolder folder;
  for (const HnswGeometry geometry : both_geometries)
    for (const double scale : {1e25, 1e-25}) {
      const auto factor = static_cast<TypeParam>(scale);
      HnswIndex<TypeParam> index(rows.topRows(1000) * factor, graph_parameters(geometry));
      index.save(folder / "index");
      const auto expect_recall = [&](HnswIndex<TypeParam>& any) {
        if (geometry == HnswGeometry::inner_product) any.add(rows.bottomRows(1000) * factor);
        const FlatIndex<TypeParam> flat(
            RowMatrix<TypeParam>(rows.topRows(static_cast<Eigen::Index>(any.size())) * factor));
        for (const double of_query : {1e-3, 1.0, 1e10}) {
          const RowMatrix<TypeParam> queries =
              gaussian_rows<TypeParam>(100, 16, 135) * static_cast<TypeParam>(of_query);
          EXPECT_GE(recall_at_k(any, flat, queries, 10), 0.95) << scale << " " << of_query;
        }
      };
      auto loaded = HnswIndex<TypeParam>::load(folder / "index");
      expect_recall(index);
      expect_recall(loaded);
    }
}

// Rows of 0 told of a scale of 1, and those that came later were of another.
TYPED_TEST(Hnsw, FindsRowsOfAnotherScaleThatCameLater) {
  const auto rows = gaussian_rows<TypeParam>(2000, 8, 136);
  for (const double before : {0.0, 1.0})
    for (const double after : {1e25, 1e-25}) {
      if (before > after) continue;  // the first rows are all that is found
      RowMatrix<TypeParam> all = rows * static_cast<TypeParam>(after);
      all.topRows(500) = rows.topRows(500) * static_cast<TypeParam>(before);
      HnswIndex<TypeParam> index(all.topRows(500), graph_parameters(HnswGeometry::inner_product));
      index.add(all.bottomRows(1500));
      EXPECT_GE(recall(index, all, 10, 137), 0.95) << before << " " << after;
    }
}

TYPED_TEST(Hnsw, ChoosesTheGeometryAtAnyScale) {
  const auto rows = uneven_rows<TypeParam>(1000, 16, 138);
  const auto chosen = [&](double scale) {
    return HnswIndex<TypeParam>(rows * static_cast<TypeParam>(scale),
                                graph_parameters(HnswGeometry::automatic))
        .parameters()
        .geometry;
  };
  const HnswGeometry expected = chosen(1.0);
  EXPECT_EQ(chosen(1e25), expected);
  EXPECT_EQ(chosen(1e-25), expected);
  if (std::numeric_limits<TypeParam>::max_exponent > 1000) {
    EXPECT_EQ(chosen(1e200), expected);
    EXPECT_EQ(chosen(1e-200), expected);
  }
}

TYPED_TEST(Hnsw, TinyIndexes) {
  for (const HnswGeometry geometry :
       {HnswGeometry::inner_product, HnswGeometry::l2_reduction, HnswGeometry::automatic})
    for (const std::size_t n : {1, 2, 3}) {
      const auto rows = gaussian_rows<TypeParam>(n, 2, 132);
      const HnswIndex<TypeParam> index(rows, graph_parameters(geometry));
      const auto query = gaussian_query<TypeParam>(2, 133);
      for (const std::size_t k : {1, 2, 3, 1000}) {
        expect_sound(index, query, k);
        EXPECT_EQ(search(index, query, k).ids.size(), std::min(k, n));
      }
    }
}

TYPED_TEST(Hnsw, DuplicatedAndZeroRows) {
  for (const HnswGeometry geometry :
       {HnswGeometry::inner_product, HnswGeometry::l2_reduction, HnswGeometry::automatic}) {
    const HnswIndex<TypeParam> ones(RowMatrix<TypeParam>::Ones(200, 3), graph_parameters(geometry));
    const HnswIndex<TypeParam> zeros(RowMatrix<TypeParam>::Zero(200, 3),
                                     graph_parameters(geometry));
    RowMatrix<TypeParam> mixed = gaussian_rows<TypeParam>(200, 3, 134);
    for (Eigen::Index i = 1; i < 200; i += 2) mixed.row(i) = mixed.row(i - 1);
    mixed.bottomRows(50).setZero();
    const HnswIndex<TypeParam> both(mixed, graph_parameters(geometry));
    for (const auto* index : {&ones, &zeros, &both})
      for (const std::size_t k : {1, 10, 200, 300}) {
        expect_sound(*index, gaussian_query<TypeParam>(3, 135), k);
        expect_sound<TypeParam>(*index, Vector<TypeParam>::Zero(3), k);
      }
  }
}

TYPED_TEST(Hnsw, MovesKeepTheIndex) {
  const auto rows = gaussian_rows<TypeParam>(100, 4, 136);
  HnswIndex<TypeParam> index(rows);
  const auto query = gaussian_query<TypeParam>(4, 137);
  const Retrieval before = search(index, query, 10);
  HnswIndex<TypeParam> moved = std::move(index);
  EXPECT_EQ(search(moved, query, 10).ids, before.ids);
  HnswIndex<TypeParam> target(gaussian_rows<TypeParam>(5, 4, 138));
  target = std::move(moved);
  EXPECT_EQ(search(target, query, 10).ids, before.ids);
}

TYPED_TEST(Hnsw, RefusesBadArgumentsByName) {
  using limits = std::numeric_limits<TypeParam>;
  const auto rows = gaussian_rows<TypeParam>(20, 3, 139);
  const auto build = [&](const HnswParameters& p) {
    return message_of<std::invalid_argument>([&] { HnswIndex<TypeParam>(rows, p); });
  };
  EXPECT_EQ(build({.M = 1}), "lazygumbel: M = 1: must lie in 2 .. 10000");
  EXPECT_EQ(build({.M = 10001}), "lazygumbel: M = 10001: must lie in 2 .. 10000");
  EXPECT_EQ(build({.ef_construction = 0}), "lazygumbel: ef_construction = 0: must be at least 1");
  EXPECT_EQ(build({.ef = 0}), "lazygumbel: ef = 0: must be at least 1");
  HnswParameters p = graph_parameters(HnswGeometry::l2_reduction);
  p.norm_bound = 1e-3;
  EXPECT_NE(build(p).find(": exceeds norm_bound = 0.001"), std::string::npos) << build(p);

  for (const TypeParam bad : {limits::quiet_NaN(), limits::infinity(), -limits::infinity()})
    for (Eigen::Index j = 0; j < 3; ++j) {
      RowMatrix<TypeParam> broken = rows;
      broken(7, j) = bad;
      EXPECT_EQ(message_of<std::invalid_argument>([&] { HnswIndex<TypeParam> index(broken); }),
                "lazygumbel: rows(7, " + text_of(j) + ") = " + text_of(bad) + ": must be finite");
    }
  EXPECT_EQ(message_of<std::invalid_argument>(
                [] { HnswIndex<TypeParam> index(RowMatrix<TypeParam>(0, 3)); }),
            "lazygumbel: rows.rows() = 0: must be at least 1");
  RowMatrix<TypeParam> huge = rows;
  huge.row(3).setConstant(limits::max());
  const std::string norm =
      message_of<std::invalid_argument>([&] { HnswIndex<TypeParam> index(huge); });
  EXPECT_EQ(norm.find("lazygumbel: rows.row(3).norm() = "), 0u) << norm;

  const HnswIndex<TypeParam> index(rows);
  const auto refusal = [&](const Vector<TypeParam>& query, std::size_t k) {
    return message_of<std::invalid_argument>([&] { search(index, query, k); });
  };
  EXPECT_EQ(refusal(Vector<TypeParam>::Ones(3), 0), "lazygumbel: k = 0: must be at least 1");
  EXPECT_EQ(refusal(Vector<TypeParam>::Ones(2), 1),
            "lazygumbel: query.size() = 2: must equal the index's dimension 3");
  for (const TypeParam bad : {limits::quiet_NaN(), limits::infinity(), -limits::infinity()})
    for (Eigen::Index j = 0; j < 3; ++j) {
      Vector<TypeParam> query = Vector<TypeParam>::Ones(3);
      query(j) = bad;
      EXPECT_EQ(refusal(query, 1),
                "lazygumbel: query(" + text_of(j) + ") = " + text_of(bad) + ": must be finite");
    }
  const std::string overflow = refusal(Vector<TypeParam>::Constant(3, limits::max() / 4), 1);
  EXPECT_NE(overflow.find(": scores would overflow"), std::string::npos) << overflow;
}

TYPED_TEST(Hnsw, ScoreManyAgreesWithScore) {
  const HnswIndex<TypeParam> index(gaussian_rows<TypeParam>(60, 5, 140),
                                   graph_parameters(HnswGeometry::l2_reduction));
  const auto query = gaussian_query<TypeParam>(5, 141);
  const std::vector<item_id> ids = {59, 0, 1, 1, 30, 31, 32};
  std::vector<double> scores(ids.size());
  index.score_many(query, ids, scores);
  for (std::size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(scores[i], index.score(query, ids[i]));
  index.score_many(query, {}, {});
}

}  // namespace
}  // namespace lazygumbel::testing
