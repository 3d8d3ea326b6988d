#include <gtest/gtest.h>

#include <algorithm>
#include <ball_bounds.hpp>
#include <clustered_rows.hpp>
#include <cmath>
#include <indexes.hpp>
#include <lazygumbel/core/log_sum_exp.hpp>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/ivf/ivf_index.hpp>
#include <lazygumbel/index/recall.hpp>
#include <limits>
#include <message_of.hpp>
#include <set>
#include <statistics.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "lazygumbel/index/ivf/detail/ivf_build.hpp"
#include "non_finite.hpp"
#include "scalars.hpp"

namespace lazygumbel::testing {
namespace {

IvfParameters ivf_parameters(std::size_t lists, std::size_t probes = 0) {
  IvfParameters p;
  p.lists = lists;
  p.probes = probes;
  return p;
}

/// Rows on which sums and squares overflow, vanish or coincide; n x 3.
template <class Scalar>
std::vector<RowMatrix<Scalar>> adversarial_rows() {
  std::vector<RowMatrix<Scalar>> all;
  all.push_back(RowMatrix<Scalar>::Zero(20, 3));
  all.push_back(RowMatrix<Scalar>::Constant(300, 3, Scalar(0.1)));
  all.push_back(gaussian_rows<Scalar>(1, 3, 701));
  all.push_back(gaussian_rows<Scalar>(2, 3, 702));
  all.push_back(gaussian_rows<Scalar>(200, 3, 703));
  all.back()(77, 1) = std::numeric_limits<Scalar>::max() / Scalar(8);
  all.push_back(gaussian_rows<Scalar>(200, 3, 704) *
                (std::numeric_limits<Scalar>::denorm_min() * Scalar(1000)));
  all.push_back(gaussian_rows<Scalar>(200, 3, 705) * (std::numeric_limits<Scalar>::max() / 100));
  all.push_back(gaussian_rows<Scalar>(100, 3, 706).replicate(4, 1));
  return all;
}

/// A length of queries that no product with these rows overflows.
template <class Scalar>
double query_length(const RowMatrix<Scalar>& rows) {
  const double norm = lazygumbel::detail::max_row_norm<Scalar>("rows", rows);
  return norm > 1.0 ? 10.0 / norm : 10.0;
}

template <class Scalar>
class Ivf : public ::testing::Test {};
TYPED_TEST_SUITE(Ivf, Scalars);

TYPED_TEST(Ivf, HoldsTheRows) {
  const auto rows = gaussian_rows<TypeParam>(1000, 12, 711);
  const IvfIndex<TypeParam> index(rows);
  EXPECT_EQ(index.size(), 1000u);
  EXPECT_EQ(index.dimension(), 12u);
  EXPECT_GE(index.lists(), 100u);
  EXPECT_LE(index.lists(), 140u) << "126, without empty ones and with split ones";
  EXPECT_EQ(index.probes(), default_probes(index.lists()));
  const auto query = gaussian_query<TypeParam>(12, 712);
  std::vector<item_id> ids;
  for (item_id id = 0; id < 1000; ++id) {
    ASSERT_EQ(index.row(id), rows.row(id).transpose());
    ids.push_back(id);
  }
  std::vector<double> scores(1000);
  index.score_many(query, ids, scores);
  for (item_id id = 0; id < 1000; ++id) ASSERT_EQ(scores[id], index.score(query, id));
  EXPECT_GT(index.size_in_bytes(), 1000 * (12 * sizeof(TypeParam) + 12));
  EXPECT_LT(index.size_in_bytes(), 2000 * (12 * sizeof(TypeParam) + 12));
}

TYPED_TEST(Ivf, AllListsProbedIsExhaustive) {
  const auto rows = gaussian_rows<TypeParam>(700, 9, 713);
  IvfIndex<TypeParam> index(rows, ivf_parameters(30));
  index.set_probes(1000);
  EXPECT_EQ(index.probes(), index.lists());
  const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto query = gaussian_query<TypeParam>(9, 720 + seed);
    for (const std::size_t k : {1, 10, 699, 700, 2000}) {
      Retrieval exact;
      flat.search(query, k, exact);
      const Retrieval found = search(index, query, k);
      ASSERT_EQ(found.ids, exact.ids);
      ASSERT_EQ(found.guarantee, Guarantee::certified());
      ASSERT_GE(found.residual_bound, k < 700 ? found.scores.back() : -infinity);
      ASSERT_LE(found.residual_bound, k < 700 ? found.scores.back() + 1e-3 : -infinity);
    }
  }
}

TYPED_TEST(Ivf, FewProbesFindMostAndClaimNothing) {
  const auto rows = clustered_rows<TypeParam>(4000, 16, 60, 0.3, 731);
  const IvfIndex<TypeParam> index(rows);
  const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
  const RowMatrix<TypeParam> queries = rows.topRows(100);
  EXPECT_GE(recall_at_k(index, flat, queries, 16), 0.95);
  std::vector<item_id> sorted;
  Retrieval found;
  for (Eigen::Index j = 0; j < 100; ++j) {
    search_checked(index, VectorView<TypeParam>(queries.row(j).transpose()), 16, found, sorted);
    ASSERT_EQ(found.ids.size(), 16u);
    if (found.guarantee == Guarantee::certified()) continue;
    ASSERT_EQ(found.guarantee, Guarantee::assumed());
    ASSERT_EQ(found.residual_bound, found.scores.back());
  }
}

TYPED_TEST(Ivf, MoreProbesMissLess) {
  const auto rows = gaussian_rows<TypeParam>(3000, 16, 733);
  IvfIndex<TypeParam> index(rows, ivf_parameters(100));
  const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
  const auto queries = gaussian_rows<TypeParam>(50, 16, 734);
  double last = 0.0;
  for (const std::size_t probes : {1, 5, 25, 60}) {
    index.set_probes(probes);
    EXPECT_EQ(index.parameters().probes, probes);
    const double recall = recall_at_k(index, flat, queries, 10);
    EXPECT_GT(recall, last);
    last = recall;
  }
  EXPECT_GE(last, 0.95);
}

// Two far clusters: the bound of the ball left out is below every score in the other.
TYPED_TEST(Ivf, CertifiesWhatTheBallsAllow) {
  RowMatrix<TypeParam> rows = gaussian_rows<TypeParam>(200, 2, 735) * TypeParam(0.01);
  rows.topRows(100).col(0).array() += TypeParam(10);
  const IvfIndex<TypeParam> index(rows, ivf_parameters(2, 1));
  Vector<TypeParam> query(2);
  query << TypeParam(1), TypeParam(0);
  const Retrieval found = search(index, query, 5);
  EXPECT_EQ(found.guarantee, Guarantee::certified());
  EXPECT_NEAR(found.residual_bound, found.scores.back(), 1e-4);
}

TYPED_TEST(Ivf, ReturnsKItemsWhateverTheProbes) {
  const IvfIndex<TypeParam> index(gaussian_rows<TypeParam>(500, 6, 736), ivf_parameters(100, 1));
  for (const std::size_t k : {1, 50, 400, 500, 900}) {
    const Retrieval found = search(index, gaussian_query<TypeParam>(6, 737), k);
    EXPECT_EQ(found.ids.size(), std::min<std::size_t>(k, 500));
    EXPECT_EQ(std::set<item_id>(found.ids.begin(), found.ids.end()).size(), found.ids.size());
  }
}

// 300 queries: groups of 64 and more, a last one that is not full.
TYPED_TEST(Ivf, BatchesAnswerLikeSearches) {
  const auto rows = clustered_rows<TypeParam>(3000, 20, 50, 0.5, 738);
  const IvfIndex<TypeParam> index(rows);
  const RowMatrix<TypeParam> queries = gaussian_rows<TypeParam>(300, 20, 740);
  for (const std::size_t k : {1, 20, 400})
    for (const std::size_t threads : {1, 2, 5, 0}) {
      std::vector<Retrieval> found(300);
      index.search_batch(queries, k, found, threads);
      for (std::size_t j = 0; j < 300; ++j) {
        const Retrieval one =
            search(index, queries.row(static_cast<Eigen::Index>(j)).transpose(), k);
        ASSERT_EQ(found[j].ids, one.ids) << j;
        ASSERT_EQ(found[j].scores, one.scores) << j;
        ASSERT_EQ(found[j].guarantee, one.guarantee) << j;
      }
    }
}

TYPED_TEST(Ivf, AnEmptyBatchIsAnswered) {
  const IvfIndex<TypeParam> index(gaussian_rows<TypeParam>(30, 3, 739));
  index.search_batch(RowMatrix<TypeParam>(0, 3), 5, {}, 2);
}

// Ties everywhere: the answer must not depend on how products round.
TYPED_TEST(Ivf, BatchesBreakTiesLikeSearches) {
  const IvfIndex<TypeParam> index(gaussian_rows<TypeParam>(50, 7, 741).replicate(8, 1),
                                  ivf_parameters(20));
  const RowMatrix<TypeParam> queries = gaussian_rows<TypeParam>(70, 7, 742);
  std::vector<Retrieval> found(70);
  index.search_batch(queries, 11, found, 2);
  for (std::size_t j = 0; j < 70; ++j)
    ASSERT_EQ(found[j].ids,
              search(index, queries.row(static_cast<Eigen::Index>(j)).transpose(), 11).ids);
}

TYPED_TEST(Ivf, BuildDoesNotDependOnThreads) {
  const auto rows = gaussian_rows<TypeParam>(2000, 8, 743);
  IvfParameters p;
  const IvfIndex<TypeParam> one(rows, p);
  p.threads = 3;
  const IvfIndex<TypeParam> three(rows, p);
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const auto query = gaussian_query<TypeParam>(8, seed);
    ASSERT_EQ(search(one, query, 30).ids, search(three, query, 30).ids);
  }
}

TYPED_TEST(Ivf, BoundsHoldForEveryRowAndItsWorstQuery) {
  auto sets = adversarial_rows<TypeParam>();
  sets.push_back(gaussian_rows<TypeParam>(3000, 40, 744));
  sets.push_back(clustered_rows<TypeParam>(3000, 7, 30, 0.01, 745) * TypeParam(1000));
  for (std::size_t s = 0; s < sets.size(); ++s) {
    const auto lists = lazygumbel::detail::build_lists<TypeParam>(sets[s], {});
    EXPECT_EQ(rows_above_their_bound(lists, query_length(sets[s])), 0u) << s;
  }
}

TYPED_TEST(Ivf, AdversarialRows) {
  for (const auto& rows : adversarial_rows<TypeParam>()) {
    IvfIndex<TypeParam> index(rows);
    const auto n = static_cast<std::size_t>(rows.rows());
    const Vector<TypeParam> query =
        gaussian_query<TypeParam>(3, 746) * static_cast<TypeParam>(0.1 * query_length(rows));
    const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
    for (const std::size_t probes : {std::size_t{1}, n}) {
      index.set_probes(probes);
      std::vector<item_id> sorted;
      Retrieval found, exact;
      search_checked(index, VectorView<TypeParam>(query), 4, found, sorted);
      EXPECT_EQ(found.ids.size(), std::min<std::size_t>(n, 4));
      flat.search(query, 4, exact);
      if (probes == n) {
        EXPECT_EQ(found.scores, exact.scores);
      }
      GroupedTail tail;
      index.certified().search_with_tail(query, 4, found, tail, 1);
      for (item_id id = 0; id < n; ++id)
        if (std::find(found.ids.begin(), found.ids.end(), id) == found.ids.end()) {
          ASSERT_FALSE(tail.may_exceed(id, found.residual_bound));
          ASSERT_LE(index.score(query, id), found.residual_bound);
        }
      ListProposals proposals;
      index.search_with_proposals(query, 4, found, proposals);
      EXPECT_LT(proposals.log_rate(), infinity);
    }
    EXPECT_TRUE(search(index, Vector<TypeParam>::Zero(3), 2).scores.front() == 0.0);
  }
}

// The lists' memory moves while they grow.
TYPED_TEST(Ivf, TakesRowsOfItsOwn) {
  const auto rows = clustered_rows<TypeParam>(200, 10, 8, 0.4, 748);
  IvfIndex<TypeParam> index(rows);
  for (item_id id = 0; id < 150; ++id) index.add(index.row(3 * id % 200).transpose());
  ASSERT_EQ(index.size(), 350u);
  for (item_id id = 0; id < 150; ++id)
    ASSERT_EQ(index.row(200 + id), rows.row(3 * id % 200).transpose());
}

TYPED_TEST(Ivf, AddedRowsAreFoundLikeTheFirst) {
  const auto rows = clustered_rows<TypeParam>(3000, 10, 40, 0.4, 747);
  IvfIndex<TypeParam> index(rows.topRows(500));
  const std::size_t lists = index.lists();
  index.add(rows.middleRows(500, 1));
  index.add(rows.middleRows(501, 999));
  index.add(rows.bottomRows(1500), 2);
  ASSERT_EQ(index.size(), 3000u);
  EXPECT_GE(index.lists(), lists);
  for (item_id id = 0; id < 3000; ++id) ASSERT_EQ(index.row(id), rows.row(id).transpose());
  const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
  EXPECT_GE(recall_at_k(index, flat, rows.bottomRows(100), 10), 0.9);
  index.set_probes(index.lists());
  EXPECT_EQ(recall_at_k(index, flat, rows.bottomRows(100), 10), 1.0);
  auto whole = lazygumbel::detail::build_lists<TypeParam>(rows.topRows(500), {});
  lazygumbel::detail::append_rows<TypeParam>(whole, rows.bottomRows(2500), 1, 1);
  EXPECT_EQ(rows_above_their_bound(whole, 5.0), 0u);
}

// Far from all that was there before: one list takes them, and is split.
TYPED_TEST(Ivf, LongListsAreSplit) {
  const auto rows = gaussian_rows<TypeParam>(400, 5, 748);
  auto lists = lazygumbel::detail::build_lists<TypeParam>(rows, ivf_parameters(20));
  for (const RowMatrix<TypeParam>& more :
       {RowMatrix<TypeParam>(rows.array() + TypeParam(50)),
        RowMatrix<TypeParam>(RowMatrix<TypeParam>::Constant(900, 5, TypeParam(-70)))}) {
    const std::size_t before = lists.lists();
    lazygumbel::detail::append_rows<TypeParam>(lists, more, 1, 1);
    EXPECT_GT(lists.lists(), before);
    std::size_t rows_in_lists = 0;
    for (std::size_t g = 0; g < lists.lists(); ++g) {
      const std::size_t count = lists.directory().items(g).size();
      EXPECT_GE(count, 1u);
      EXPECT_LE(count, 4 * ((lists.size() + lists.lists() - 1) / lists.lists()));
      rows_in_lists += count;
      for (const item_id id : lists.directory().items(g))
        ASSERT_EQ(lists.directory().place(id).list, g);
    }
    EXPECT_EQ(rows_in_lists, lists.size());
    EXPECT_EQ(rows_above_their_bound(lists, 3.0), 0u);
  }
}

// All are equally far from each other: rows left a long list one by one, 793 lists in cubic time.
TYPED_TEST(Ivf, OneHotRowsAreSplitInFewLists) {
  const RowMatrix<TypeParam> rows = RowMatrix<TypeParam>::Identity(400, 400);
  const auto lists = lazygumbel::detail::build_lists<TypeParam>(rows, {});
  EXPECT_LE(lists.lists(), 160u);  // 80 before lists are split
  EXPECT_EQ(lists.size(), 400u);
  EXPECT_EQ(rows_above_their_bound(lists, 3.0), 0u);
}

// Two far clusters that start in one list: it is split, no row is lost, and bounds become tighter.
TYPED_TEST(Ivf, WideListsAreSplit) {
  RowMatrix<TypeParam> rows = gaussian_rows<TypeParam>(800, 4, 749) * TypeParam(0.05);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows(i, i % 4) += TypeParam(i % 8 < 4 ? 10 : -10);
  auto lists = lazygumbel::detail::build_lists<TypeParam>(rows, ivf_parameters(6));
  const std::size_t before = lists.lists();
  const double widest = lists.radii().maxCoeff();
  lazygumbel::detail::split_wide_lists(lists, 1.5, 3);
  EXPECT_GT(lists.lists(), before);
  EXPECT_LE(lists.lists(), 2 * before);
  EXPECT_LT(lists.radii().maxCoeff(), 0.5 * widest);
  std::size_t rows_in_lists = 0;
  for (std::size_t g = 0; g < lists.lists(); ++g) {
    EXPECT_GE(lists.directory().items(g).size(), 1u);
    rows_in_lists += lists.directory().items(g).size();
    for (const item_id id : lists.directory().items(g))
      ASSERT_EQ(lists.directory().place(id).list, g);
  }
  EXPECT_EQ(rows_in_lists, lists.size());
  EXPECT_EQ(rows_above_their_bound(lists, 3.0), 0u);
  IvfIndex<TypeParam> index(rows, ivf_parameters(6, 6));
  index.split_wide_lists(1.5);
  index.set_probes(index.lists());
  const FlatIndex<TypeParam> flat(rows);
  const Vector<TypeParam> query = gaussian_query<TypeParam>(4, 750);
  Retrieval found, all;
  index.search(query, 20, found);
  flat.search(query, 20, all);
  EXPECT_EQ(found.ids, all.ids);
  // Rows all alike have radius 0 everywhere: nothing to split.
  IvfIndex<TypeParam> alike(RowMatrix<TypeParam>::Ones(50, 3), ivf_parameters(4));
  const std::size_t count = alike.lists();
  alike.split_wide_lists(1.5);
  EXPECT_EQ(alike.lists(), count);
}

TYPED_TEST(Ivf, RefusesBadArgumentsAndStaysAsItWas) {
  IvfIndex<TypeParam> index(gaussian_rows<TypeParam>(50, 4, 751));
  const auto refusal = [&](const RowMatrix<TypeParam>& rows) {
    return message_of<std::invalid_argument>([&] { index.add(rows); });
  };
  RowMatrix<TypeParam> rows = RowMatrix<TypeParam>::Zero(3, 4);
  rows(2, 0) = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_EQ(refusal(rows), "lazygumbel: rows(2, 0) = nan: must be finite");
  rows(2, 0) = std::numeric_limits<TypeParam>::max() / 2;
  EXPECT_EQ(refusal(rows).find("lazygumbel: max row norm = "), 0u);
  EXPECT_EQ(refusal(RowMatrix<TypeParam>::Zero(1, 5)),
            "lazygumbel: rows.cols() = 5: must equal the index's dimension 4");
  EXPECT_EQ(refusal(RowMatrix<TypeParam>(0, 4)), "lazygumbel: rows.rows() = 0: must be at least 1");
  EXPECT_EQ(index.size(), 50u);

  Retrieval found;
  std::vector<Retrieval> three(3);
  const auto message = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  const Vector<TypeParam> query = Vector<TypeParam>::Ones(4);
  EXPECT_EQ(message([&] { index.search(query, 0, found); }),
            "lazygumbel: k = 0: must be at least 1");
  EXPECT_EQ(message([&] { index.search(Vector<TypeParam>::Ones(3), 1, found); }),
            "lazygumbel: query.size() = 3: must equal the index's dimension 4");
  EXPECT_EQ(message([&] { index.search_batch(RowMatrix<TypeParam>::Zero(2, 4), 1, three); }),
            "lazygumbel: retrievals.size() = 3: must equal queries.rows()");
  RowMatrix<TypeParam> queries = RowMatrix<TypeParam>::Zero(3, 4);
  queries(1, 2) = std::numeric_limits<TypeParam>::infinity();
  EXPECT_EQ(message([&] { index.search_batch(queries, 1, three); }),
            "lazygumbel: queries.row(1)(2) = inf: must be finite");
  GroupedTail tail;
  EXPECT_EQ(message([&] { index.certified().search_with_tail(query, 1, found, tail, 0); }),
            "lazygumbel: draws = 0: must be at least 1");
  EXPECT_EQ(message([] { IvfIndex<TypeParam>(RowMatrix<TypeParam>(0, 3)); }),
            "lazygumbel: rows.rows() = 0: must be at least 1");
  IvfParameters p;
  p.iterations = 0;
  EXPECT_EQ(message([&] { IvfIndex<TypeParam>(queries.topRows(1), p); }),
            "lazygumbel: iterations = 0: must be at least 1");
}

TYPED_TEST(Ivf, CertifiedTailDominates) {
  const auto rows = clustered_rows<TypeParam>(2000, 8, 40, 0.4, 752);
  const IvfIndex<TypeParam> index(rows);
  const auto view = index.certified();
  EXPECT_EQ(view.size(), 2000u);
  EXPECT_EQ(view.dimension(), 8u);
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    for (const std::size_t draws : {1, 100'000}) {
      const Vector<TypeParam> query =
          gaussian_query<TypeParam>(8, 760 + seed) * static_cast<TypeParam>(1 + seed % 4);
      Retrieval found, plain;
      GroupedTail tail;
      view.search_with_tail(query, 25, found, tail, draws);
      ASSERT_EQ(found.guarantee, Guarantee::certified());
      const std::set<item_id> head(found.ids.begin(), found.ids.end());
      for (item_id id = 0; id < 2000; ++id) {
        if (head.contains(id)) continue;
        const double score = index.score(query, id);
        ASSERT_TRUE(tail.may_exceed(id, std::nextafter(score, -infinity)));
        ASSERT_LE(score, found.residual_bound);
      }
      ASSERT_EQ(tail.bounds().maxCoeff(), found.residual_bound);
      if (draws == 1) {
        view.search(query, 25, plain);
        ASSERT_EQ(plain.ids, found.ids);
        ASSERT_EQ(plain.residual_bound, found.residual_bound);
      }
    }
}

// More draws pay for more scanning: fewer proposals a draw.
TYPED_TEST(Ivf, MoreDrawsScanMore) {
  const IvfIndex<TypeParam> index(gaussian_rows<TypeParam>(3000, 10, 753));
  const Vector<TypeParam> query = gaussian_query<TypeParam>(10, 754);
  Retrieval found;
  GroupedTail once, often;
  index.certified().search_with_tail(query, 20, found, once, 1);
  index.certified().search_with_tail(query, 20, found, often, 1'000'000);
  EXPECT_LT(often.log_rate(), once.log_rate() - 0.1);
}

/// Mean of exp(score - intensity) over the tail times the rate, `samples` times, over Z_tail.
template <class Scalar, class Process>
std::vector<double> weights(const IvfIndex<Scalar>& index, const Vector<Scalar>& query,
                            const Retrieval& found, const Process& process, int samples,
                            std::uint64_t seed) {
  LogSumExp tail;
  const std::set<item_id> head(found.ids.begin(), found.ids.end());
  for (item_id id = 0; id < index.size(); ++id)
    if (!head.contains(id)) tail.add(index.score(query, id));
  std::vector<double> all;
  PhiloxEngine engine(seed);
  for (int i = 0; i < samples; ++i) {
    const Proposal p = process.propose(engine);
    all.push_back(head.contains(p.id) ? 0.0
                                      : std::exp(index.score(query, p.id) - p.log_intensity +
                                                 process.log_rate() - tail.value()));
  }
  return all;
}

TYPED_TEST(Ivf, ProposalsAreUnbiasedAndBeatUniformOnes) {
  const auto rows = clustered_rows<TypeParam>(3000, 8, 60, 0.3, 755);
  const IvfIndex<TypeParam> index(rows);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Vector<TypeParam> query = gaussian_query<TypeParam>(8, 770 + seed);
    Retrieval found;
    ListProposals proposals;
    index.search_with_proposals(query, 30, found, proposals);
    EXPECT_EQ(found.ids, search(index, query, 30).ids);
    std::vector<item_id> sorted = found.ids;
    std::sort(sorted.begin(), sorted.end());
    const UniformTail uniform(Complement(3000, sorted), 0.0);
    const auto tilted = weights<TypeParam>(index, query, found, proposals, 50'000, seed);
    const auto flat = weights<TypeParam>(index, query, found, uniform, 50'000, seed);
    EXPECT_LT(std::abs(z_of_mean(tilted, 1.0)), 4.9);
    EXPECT_LT(std::abs(z_of_mean(flat, 1.0)), 4.9);
    EXPECT_LT(mean_and_variance(tilted).second, 0.25 * mean_and_variance(flat).second);
  }
}

TYPED_TEST(Ivf, ProposalsReachTheWholeTailAndBoundTheirWeights) {
  const IvfIndex<TypeParam> index(gaussian_rows<TypeParam>(300, 5, 756), ivf_parameters(30, 4));
  const Vector<TypeParam> query = gaussian_query<TypeParam>(5, 757);
  Retrieval found;
  ListProposals proposals;
  index.search_with_proposals(query, 10, found, proposals);
  double highest = -infinity;
  std::vector<double> intensity(300, -infinity);
  PhiloxEngine engine(758);
  for (int i = 0; i < 100'000; ++i) {
    const Proposal p = proposals.propose(engine);
    intensity[p.id] = p.log_intensity;
  }
  const std::set<item_id> head(found.ids.begin(), found.ids.end());
  LogSumExp rate;
  for (item_id id = 0; id < 300; ++id) {
    ASSERT_EQ(intensity[id] == -infinity, head.contains(id)) << id;
    rate.add(intensity[id]);
    if (!head.contains(id)) highest = std::max(highest, index.score(query, id));
  }
  EXPECT_NEAR(proposals.log_rate(), rate.value(), 1e-9);
  for (item_id id = 0; id < 300; ++id)
    if (!head.contains(id)) {
      ASSERT_LE(index.score(query, id) - intensity[id], proposals.log_largest_weight(highest));
    }
}

}  // namespace
}  // namespace lazygumbel::testing
