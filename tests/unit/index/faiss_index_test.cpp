#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexPQ.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <indexes.hpp>
#include <laws.hpp>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/index/faiss_index.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/recall.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <limits>
#include <memory>
#include <message_of.hpp>
#include <string>
#include <vector>

#include "non_finite.hpp"
#include "race_draws.hpp"

namespace lazygumbel::testing {
namespace {

/// `index`, trained and filled with `rows` on one thread: the same index every time.
template <class FaissType>
std::unique_ptr<FaissType> filled(std::unique_ptr<FaissType> index, const RowMatrix<float>& rows) {
  parallel_for(1, 1, [&](std::size_t) {
    if (!index->is_trained) index->train(rows.rows(), rows.data());
    index->add(rows.rows(), rows.data());
  });
  return index;
}

/// An inverted file of 10 lists, all of whose vectors are kept as they are.
std::unique_ptr<faiss::IndexIVFFlat> ivf(const RowMatrix<float>& rows, faiss::MetricType metric,
                                         std::size_t nprobe) {
  const auto d = static_cast<std::size_t>(rows.cols());
  auto index = std::make_unique<faiss::IndexIVFFlat>(new faiss::IndexFlat(rows.cols(), metric), d,
                                                     std::size_t{10}, metric);
  index->own_fields = true;
  index->nprobe = nprobe;
  index->cp.min_points_per_centroid = 1;  // no warning on the terminal
  return filled(std::move(index), rows);
}

/// 4 sub-vectors of 4 bits.
std::unique_ptr<faiss::IndexPQ> pq(const RowMatrix<float>& rows, faiss::MetricType metric) {
  auto index = std::make_unique<faiss::IndexPQ>(static_cast<int>(rows.cols()), 4, 4, metric);
  index->pq.cp.min_points_per_centroid = 1;
  return filled(std::move(index), rows);
}

struct Kind {
  std::string name;
  std::unique_ptr<faiss::Index> (*make)(const RowMatrix<float>& rows, faiss::MetricType metric);
};

const std::vector<Kind>& kinds() {
  using Made = std::unique_ptr<faiss::Index>;
  using Rows = RowMatrix<float>;
  static const std::vector<Kind> all = {
      {"flat",
       [](const Rows& rows, faiss::MetricType metric) -> Made {
         return filled(std::make_unique<faiss::IndexFlat>(rows.cols(), metric), rows);
       }},
      {"hnsw",
       [](const Rows& rows, faiss::MetricType metric) -> Made {
         const auto d = static_cast<int>(rows.cols());
         return filled(std::make_unique<faiss::IndexHNSWFlat>(d, 16, metric), rows);
       }},
      {"ivf",
       [](const Rows& rows, faiss::MetricType metric) -> Made { return ivf(rows, metric, 3); }},
      {"pq", [](const Rows& rows, faiss::MetricType metric) -> Made { return pq(rows, metric); }}};
  return all;
}

constexpr auto metrics = {faiss::METRIC_INNER_PRODUCT, faiss::METRIC_L2};

/// Calls check(index, name) for each kind under both metrics, over unit rows.
template <class Check>
void for_each_kind(const RowMatrix<float>& rows, Check&& check) {
  for (const Kind& kind : kinds())
    for (const faiss::MetricType metric : metrics)
      check(FaissIndex(kind.make(rows, metric), rows),
            kind.name + (metric == faiss::METRIC_L2 ? ", L2" : ", inner product"));
}

RowMatrix<float> unit_rows(std::size_t n, std::size_t d, std::uint64_t seed) {
  return gaussian_rows<float>(n, d, seed).rowwise().normalized();
}

TEST(FaissIndex, ScoresAreInnerProductsWhateverTheMetric) {
  const RowMatrix<float> rows = unit_rows(500, 16, 1);
  for_each_kind(rows, [&](const FaissIndex& index, const std::string& name) {
    EXPECT_EQ(index.size(), 500U);
    EXPECT_EQ(index.dimension(), 16U);
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const Vector<float> query = 10.0F * gaussian_query<float>(16, seed);
      Retrieval found;
      std::vector<item_id> sorted;
      search_checked(index, query, 20, found, sorted);
      ASSERT_EQ(found.ids.size(), 20U) << name;
      std::vector<double> many(20);
      index.score_many(query, found.ids, many);
      EXPECT_EQ(many, found.scores) << name;
      for (std::size_t i = 0; i < 20; ++i) {
        EXPECT_EQ(found.scores[i], index.score(query, found.ids[i])) << name;
        EXPECT_NEAR(found.scores[i], rows.row(found.ids[i]).dot(query), 1e-4) << name;
      }
    }
  });
}

TEST(FaissIndex, FindsWhatFaissFinds) {
  const RowMatrix<float> rows = unit_rows(1000, 16, 2), queries = unit_rows(50, 16, 3);
  const FlatIndex<float> flat{RowMatrix<float>(rows)};
  for_each_kind(rows, [&](const FaissIndex& index, const std::string& name) {
    const double recall = recall_at_k(index, flat, queries, 10);
    if (name.starts_with("flat"))
      EXPECT_EQ(recall, 1.0) << name;  // unit rows: L2 orders as inner products do
    else if (name.starts_with("hnsw"))
      EXPECT_GT(recall, 0.8) << name;
    else
      EXPECT_GT(recall, 0.3) << name;
  });
}

TEST(FaissIndex, CertifiesAFlatScanForInnerProductsOnly) {
  const RowMatrix<float> rows = unit_rows(300, 8, 4);
  for_each_kind(rows, [&](const FaissIndex& index, const std::string& name) {
    const bool exact = name == "flat, inner product";
    EXPECT_EQ(index.certifies(), exact) << name;
    const Retrieval found = search(index, gaussian_query<float>(8, 5), 10);
    EXPECT_EQ(found.guarantee, exact ? Guarantee::certified() : Guarantee::assumed()) << name;
    if (exact)
      EXPECT_GT(found.residual_bound, found.scores.back());
    else
      EXPECT_EQ(found.residual_bound, found.scores.back()) << name;
  });
  faiss::IndexFlatIP by_name(8);
  by_name.add(300, rows.data());
  EXPECT_TRUE(FaissIndex(by_name, rows).certifies());

  // Other vectors than the rows: candidates at best.
  RowMatrix<float> others = rows;
  others(299, 7) += 1e-3F;
  EXPECT_FALSE(FaissIndex(by_name, others).certifies());

  // A class of one's own may search as it likes.
  struct Own : faiss::IndexFlatIP {
    using IndexFlatIP::IndexFlatIP;
  };
  EXPECT_FALSE(FaissIndex(filled(std::make_unique<Own>(8), rows), rows).certifies());
}

TEST(FaissIndex, CertifiedBoundsHoldForEveryScore) {
  // Rows that cancel: large terms whose sums are small, so that the order of summation shows.
  for (const double scale : {0.0, 1e4}) {
    RowMatrix<float> rows = gaussian_rows<float>(2000, 64, 6);
    for (Eigen::Index j = 0; j < 64; ++j)
      rows.col(j).array() += static_cast<float>(j % 2 == 0 ? scale : -scale);
    const FaissIndex index(kinds()[0].make(rows, faiss::METRIC_INNER_PRODUCT), rows);
    const RowMatrix<float> queries = RowMatrix<float>::Ones(64, 64) + unit_rows(64, 64, 7) * 0.01F;
    std::vector<Retrieval> batch(64);
    index.search_batch(queries, 20, batch);
    for (Eigen::Index j = 0; j < 64; ++j) {
      const Vector<float> query = queries.row(j);
      for (const Retrieval& found :
           {batch[static_cast<std::size_t>(j)], search(index, query, 20)}) {
        ASSERT_EQ(found.guarantee, Guarantee::certified());
        for (item_id id = 0; id < 2000; ++id) {
          if (std::find(found.ids.begin(), found.ids.end(), id) == found.ids.end()) {
            ASSERT_LE(index.score(query, id), found.residual_bound);
          }
        }
      }
    }
  }
}

TEST(FaissIndex, MoreThanThereAreIsAll) {
  const RowMatrix<float> rows = unit_rows(60, 8, 8);
  const FaissIndex index(kinds()[0].make(rows, faiss::METRIC_L2), rows);
  for (const std::size_t k : {std::size_t{60}, std::size_t{61}, ~std::size_t{0}}) {
    const Retrieval found = search(index, gaussian_query<float>(8, 9), k);
    EXPECT_EQ(found.ids.size(), 60U);
    EXPECT_EQ(found.residual_bound, -infinity);
    EXPECT_EQ(found.guarantee, Guarantee::certified());
  }
}

TEST(FaissIndex, PadsAreRemovedAndTheBoundStaysThatOfTheSmallestScore) {
  const RowMatrix<float> rows = unit_rows(400, 8, 10);
  for (const faiss::MetricType metric : metrics) {
    const FaissIndex index(ivf(rows, metric, 1), rows);
    Retrieval found;
    std::vector<item_id> sorted;
    search_checked(index, gaussian_query<float>(8, 11), 300, found, sorted);
    EXPECT_GT(found.ids.size(), 0U);
    EXPECT_LT(found.ids.size(), 300U);
    EXPECT_EQ(found.residual_bound, found.scores.back());
    EXPECT_EQ(found.guarantee, Guarantee::assumed());
    std::vector<Retrieval> batch(3);
    index.search_batch(gaussian_rows<float>(3, 8, 12), 300, batch);
    for (const Retrieval& one : batch) EXPECT_LT(one.ids.size(), 300U);
  }
}

TEST(FaissIndex, NothingFoundIsAnErrorThatNamesNprobe) {
  // Two lists, and no row in the second.
  const RowMatrix<float> rows{{1, 0}, {0.9F, 0}};
  faiss::IndexFlatIP centres(2);
  const RowMatrix<float> two{{1, 0}, {0, 1}};
  centres.add(2, two.data());
  faiss::IndexIVFFlat index(&centres, 2, 2, faiss::METRIC_INNER_PRODUCT);
  index.is_trained = true;
  index.add(2, rows.data());
  const FaissIndex adapted(index, rows);
  EXPECT_EQ(search(adapted, Vector<float>{{1, 0}}, 2).ids.size(), 2U);
  EXPECT_EQ(message_of<index_error>([&] {
              search(adapted, Vector<float>{{0, 1}}, 2);
            }),
            "lazygumbel: FAISS found no item: an IndexIVF needs a larger nprobe, a graph a larger "
            "efSearch");
}

TEST(FaissIndex, BatchesEqualSinglesForAnyThreads) {
  const RowMatrix<float> rows = unit_rows(700, 16, 13);
  for_each_kind(rows, [&](const FaissIndex& index, const std::string& name) {
    for (const std::size_t m : {1, 63, 65, 150}) {  // around a group of queries
      const RowMatrix<float> wide = gaussian_rows<float>(m, 20, 14);
      const auto queries = wide.leftCols(16);  // not compact
      std::vector<Retrieval> one(m), many(m);
      index.search_batch(queries, 10, one, 1);
      std::size_t common = 0;
      for (std::size_t j = 0; j < m; ++j) {
        const Retrieval single =
            search(index, queries.row(static_cast<Eigen::Index>(j)).transpose(), 10);
        for (const item_id id : single.ids)
          common += std::count(one[j].ids.begin(), one[j].ids.end(), id);
      }
      EXPECT_GE(static_cast<double>(common), 0.98 * 10.0 * static_cast<double>(m)) << name;
      for (const std::size_t threads : {2, 0}) {
        index.search_batch(queries, 10, many, threads);
        for (std::size_t j = 0; j < m; ++j) {
          ASSERT_EQ(many[j].ids, one[j].ids) << name;
          ASSERT_EQ(many[j].scores, one[j].scores) << name;
          ASSERT_EQ(many[j].residual_bound, one[j].residual_bound) << name;
        }
      }
    }
    index.search_batch(RowMatrix<float>(0, 16), 3, {}, 2);  // of nothing is nothing
  });
}

TEST(FaissIndex, IdsMustBeRows) {
  const RowMatrix<float> rows = unit_rows(3, 4, 15);
  const auto mapped = [&](std::vector<std::int64_t> ids) {
    auto map = std::make_unique<faiss::IndexIDMap>(new faiss::IndexFlatIP(4));
    map->own_fields = true;
    map->add_with_ids(3, rows.data(), ids.data());
    return FaissIndex(std::move(map), rows);
  };
  const Vector<float> query = rows.row(1);
  EXPECT_EQ(search(mapped({0, 1, 2}), query, 1).ids, std::vector<item_id>{1});
  EXPECT_EQ(message_of<index_error>([&] {
              search(mapped({0, 1'000, 2}), query, 1);
            }),
            "lazygumbel: FAISS returned id 1000, the rows are 0 .. 2");
  EXPECT_EQ(message_of<index_error>([&] {
              search(mapped({0, -7, 2}), query, 1);
            }),
            "lazygumbel: FAISS returned id -7, the rows are 0 .. 2");
  Retrieval found;
  std::vector<item_id> sorted;
  EXPECT_EQ(message_of<index_error>([&] {
              search_checked(mapped({1, 1, 2}), query, 3, found, sorted);
            }),
            "lazygumbel: search returned id 1 twice");
}

TEST(FaissIndex, OwnsOrRefersAsAsked) {
  RowMatrix<float> rows = unit_rows(50, 4, 16);
  const Vector<float> query = gaussian_query<float>(4, 17);
  auto flat = std::make_shared<faiss::IndexFlatIP>(4);
  flat->add(50, rows.data());
  const RowPointer<float> view(rows.data(), 50, 4, Eigen::OuterStride<>(4));
  const RowPointer<float> stored(flat->get_xb(), 50, 4, Eigen::OuterStride<>(4));
  const auto expected = search(FaissIndex(*flat, rows), query, 5).ids;
  EXPECT_EQ(search(FaissIndex(flat, rows), query, 5).ids, expected);
  EXPECT_EQ(search(FaissIndex::over(*flat, view), query, 5).ids, expected);
  EXPECT_EQ(search(FaissIndex::over(flat, stored), query, 5).ids, expected);
  EXPECT_TRUE(FaissIndex::over(flat, stored).certifies());
  FaissIndex first(flat, rows);
  const FaissIndex second(std::move(first));
  EXPECT_EQ(search(second, query, 5).ids, expected);
  EXPECT_EQ(&second.index(), flat.get());
  static_assert(!std::is_constructible_v<FaissIndex, faiss::IndexFlatIP&&, RowMatrix<float>>);

  flat->add(1, rows.data());  // behind its back
  EXPECT_EQ(message_of<index_error>([&] { search(second, query, 5); }),
            "lazygumbel: the faiss::Index has 51 vectors, the rows are 50");
}

TEST(FaissIndex, RefusesWhatItCannotUse) {
  const RowMatrix<float> rows = unit_rows(50, 4, 18);
  const auto refusal = [&](std::unique_ptr<faiss::Index> index) {
    return message_of<std::invalid_argument>([&] { FaissIndex(std::move(index), rows); });
  };
  EXPECT_EQ(refusal(nullptr), "lazygumbel: index = null: must point to a faiss::Index");
  EXPECT_EQ(refusal(filled(std::make_unique<faiss::IndexFlat>(4, faiss::METRIC_L1), rows)),
            "lazygumbel: index.metric_type = 2: must be METRIC_INNER_PRODUCT or METRIC_L2");
  EXPECT_EQ(refusal(std::make_unique<faiss::IndexPQ>(4, 2, 4)),
            "lazygumbel: index.is_trained = false: train and fill the index first");
  EXPECT_EQ(refusal(std::make_unique<faiss::IndexFlatIP>(4)),
            "lazygumbel: index.ntotal = 0: must equal rows.rows() = 50");
  EXPECT_EQ(refusal(filled(std::make_unique<faiss::IndexFlatIP>(2), unit_rows(50, 2, 1))),
            "lazygumbel: index.d = 2: must equal rows.cols() = 4");

  RowMatrix<float> holes = rows;
  holes(7, 1) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { FaissIndex(kinds()[0].make(rows, faiss::METRIC_L2), holes); }),
            "lazygumbel: rows(7, 1) = nan: must be finite");

  const FaissIndex index(kinds()[0].make(rows, faiss::METRIC_L2), rows);
  const auto refused_query = [&](const Vector<float>& query, std::size_t k) {
    return message_of<std::invalid_argument>([&] { search(index, query, k); });
  };
  EXPECT_EQ(refused_query(gaussian_query<float>(3, 1), 3),
            "lazygumbel: query.size() = 3: must equal the index's dimension 4");
  EXPECT_EQ(refused_query(gaussian_query<float>(4, 1), 0), "lazygumbel: k = 0: must be at least 1");
  EXPECT_EQ(refused_query(Vector<float>::Constant(4, std::nanf("")), 3),
            "lazygumbel: query(0) = nan: must be finite");
  std::vector<Retrieval> found(2);
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { index.search_batch(gaussian_rows<float>(3, 4, 1), 3, found); }),
            "lazygumbel: retrievals.size() = 2: must equal queries.rows()");
}

TEST(FaissIndex, WhatFaissThrowsIsAnIndexError) {
  struct Failing : faiss::IndexFlatIP {
    using IndexFlatIP::IndexFlatIP;
    void search(idx_t, const float*, idx_t, float*, idx_t*,
                const faiss::SearchParameters*) const override {
      throw faiss::FaissException("out of luck");
    }
  };
  const RowMatrix<float> rows = unit_rows(5, 4, 19);
  const FaissIndex index(filled(std::make_unique<Failing>(4), rows), rows);
  EXPECT_EQ(message_of<index_error>([&] { search(index, gaussian_query<float>(4, 1), 2); }),
            "lazygumbel: FAISS: out of luck");
}

// Laws: 200 items, 100,000 draws; chi-square, refused (and false alarm) at p < 1e-6; detects with
// probability >= 0.9 an rms relative error of 4.2%. The gap covers what the kind misses for this
// theta, as measured.
TEST(FaissIndex, DrawsFollowTheSoftmax) {
  constexpr std::size_t n = 200, draws = 100'000, k = 20;
  EXPECT_LT(smallest_defect(n, draws), 0.042);
  const RowMatrix<float> rows = unit_rows(n, 8, 20);
  const Vector<float> theta = gaussian_query<float>(8, 21);
  for_each_kind(rows, [&](const FaissIndex& index, const std::string& name) {
    std::vector<double> scores = scores_of(index, theta);
    const std::vector<double> law = softmax(scores);
    const Retrieval head = search(index, theta, k);
    for (const item_id id : head.ids) scores[id] = -infinity;
    const double miss = *std::max_element(scores.begin(), scores.end()) - head.residual_bound;
    const LazySampler sampler(index, {.k = k, .gap = std::max(0.0, miss + 1e-9)});
    PhiloxEngine engine(22);
    const Draws answer = draws_by_race(sampler, theta, draws, engine);
    Counter singles(n), batch(n);
    singles.add_all(answer.ids);
    expect_law(singles, law, name);
    EXPECT_EQ(answer.trace.violations, 0U) << name;
    EXPECT_EQ(answer.trace.guarantee, head.guarantee) << name;
    for (const Draw& draw :
         sampler.sample_batch(theta.transpose().replicate(20'000, 1).eval(), engine, 2))
      batch.add(draw.id);
    expect_law(batch, law, name + ", batch");
  });
}

}  // namespace
}  // namespace lazygumbel::testing
