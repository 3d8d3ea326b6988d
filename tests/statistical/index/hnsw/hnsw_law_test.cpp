#include <gtest/gtest.h>

#include <algorithm>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "laws.hpp"
#include "race_draws.hpp"
#include "score_index.hpp"

// Approximate indexes. With a gap that covers what the index missed the draw is exact; with a
// smaller gap its law is the softmax of the scores clipped at U outside the head, and each clipped
// proposal is counted. 300 items (100 for the synthetic index), 1,000,000 draws a law; chi-square,
// refused (and false alarm) at p < 1e-6; detects with probability >= 0.9 an rms relative error of
// 1.4%.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t graph_items = 300, graph_draws = 1'000'000;

TEST(HnswLaw, SmallestDefect) { EXPECT_LT(smallest_defect(graph_items, graph_draws), 0.0142); }

// A graph so thin (two links a row, a beam of one) that it misses often.
HnswIndex<float> thin_graph(HnswGeometry geometry) {
  HnswParameters parameters;
  parameters.geometry = geometry;
  parameters.M = 2;
  parameters.ef_construction = 4;
  parameters.ef = 1;
  RowMatrix<float> rows = gaussian_rows<float>(graph_items, 8, 1);
  for (Eigen::Index i = 0; i < rows.rows(); ++i)
    rows.row(i) *= 0.3F + 0.004F * static_cast<float>(i);
  return HnswIndex<float>(rows, parameters);
}

struct Miss {
  Vector<float> theta;
  Retrieval found;
  double excess = 0.0;  // the best missed score minus the bound
};

// Among 50 queries the one whose miss is nearest to `wanted` nats.
Miss find_miss(const HnswIndex<float>& index, std::size_t k, double wanted) {
  Miss best;
  best.excess = -1e9;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Miss miss{.theta = gaussian_query<float>(8, 100 + seed), .found = {}};
    index.search(miss.theta, k, miss.found);
    const auto scores = scores_of(index, miss.theta);
    double top = -1e300;
    for (item_id id = 0; id < graph_items; ++id)
      if (std::find(miss.found.ids.begin(), miss.found.ids.end(), id) == miss.found.ids.end())
        top = std::max(top, scores[id]);
    miss.excess = top - miss.found.residual_bound;
    if (std::abs(miss.excess - wanted) < std::abs(best.excess - wanted)) best = miss;
  }
  return best;
}

void check_graph(HnswGeometry geometry, std::uint64_t seed) {
  const HnswIndex<float> index = thin_graph(geometry);
  const std::size_t k = 10;
  const Miss miss = find_miss(index, k, 1.5);
  ASSERT_GT(miss.excess, 0.5) << "the graph finds too much for this test";
  ASSERT_LT(miss.excess, 4.0);
  const auto scores = scores_of(index, miss.theta);
  for (const double gap : {0.0, 0.5 * miss.excess, miss.excess + 1e-6, miss.excess + 1.0}) {
    PhiloxEngine engine(seed);
    const Draws answer =
        draws_by_race(LazySampler(index, {.k = k, .gap = gap}), miss.theta, graph_draws, engine);
    Counter counter(graph_items);
    counter.add_all(answer.ids);
    const double bound = miss.found.residual_bound + gap;
    const auto clipped = clipped_softmax(scores, miss.found.ids, bound);
    expect_law(counter, clipped, "clipped law, gap " + std::to_string(gap));
    EXPECT_EQ(answer.trace.guarantee, Guarantee::assumed());
    EXPECT_DOUBLE_EQ(answer.trace.residual_bound, bound);
    if (gap > miss.excess) {
      expect_law(counter, softmax(scores), "exact law, gap " + std::to_string(gap));
      EXPECT_EQ(answer.trace.violations, 0U);
    } else {
      EXPECT_GT(answer.trace.violations, 0U);
    }
  }
}

TEST(HnswLaw, ThinGraphOfInnerProducts) { check_graph(HnswGeometry::inner_product, 1); }
TEST(HnswLaw, ThinGraphOfReducedRows) { check_graph(HnswGeometry::l2_reduction, 2); }

// The same with a miss of known size, c = 0.6, on items of known mass.
struct KnownMiss {
  std::vector<double> scores;
  ScoreIndex index;
  double bound;  // without a gap
};

KnownMiss missing_by(double c) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < 100; ++i) scores.push_back(2.0 - 0.02 * static_cast<double>(i));
  const double bound = scores[13];
  scores[20] = scores[30] = bound + c;
  scores[40] = bound + 0.5 * c;
  // Sorted: 0..13 less the three hidden, so that k = 14 returns items 0..13 exactly.
  ScoreIndex index(scores);
  index.hide({20, 30, 40});
  return {scores, index, bound};
}

TEST(HnswLaw, AMissWithinTheGapIsExact) {
  const KnownMiss missing = missing_by(0.6);
  PhiloxEngine engine(3);
  const Draws answer = draws_by_race(LazySampler(missing.index, {.k = 14, .gap = 0.6 + 1e-12}),
                                     unit_query(), graph_draws, engine);
  Counter counter(100);
  counter.add_all(answer.ids);
  expect_law(counter, softmax(missing.scores), "gap = c");
  EXPECT_EQ(answer.trace.violations, 0U);
}

TEST(HnswLaw, AMissBeyondTheGapIsClippedAndCounted) {
  const KnownMiss missing = missing_by(0.6);
  for (const double gap : {0.0, 0.2}) {
    PhiloxEngine engine(4);
    const Draws answer = draws_by_race(LazySampler(missing.index, {.k = 14, .gap = gap}),
                                       unit_query(), graph_draws, engine);
    Counter counter(100);
    counter.add_all(answer.ids);
    std::vector<item_id> head(14);
    std::iota(head.begin(), head.end(), item_id{0});
    const auto clipped = clipped_softmax(missing.scores, head, missing.bound + gap);
    expect_law(counter, clipped, "clipped");
    // Each draw of a clipped item is a counted violation: Binomial(draws, their clipped mass).
    std::uint64_t drawn = counter.counts()[20] + counter.counts()[30];
    if (gap < 0.3) drawn += counter.counts()[40];
    EXPECT_GE(answer.trace.violations, drawn);
    // And one such proposal is always accepted, so none is counted that was not drawn, but for
    // draws that a later proposal of the same race could not change: first acceptance ends it.
    EXPECT_EQ(answer.trace.violations, drawn);
    // The clipped law is not the softmax, and this test can tell: power > 0.9999 as computed.
    EXPECT_GT(chi_square_power(graph_draws, softmax(missing.scores), clipped), 0.9999);
    expect_rejected(counter, softmax(missing.scores), "clipping");
  }
}

TEST(HnswLaw, SinglesAndBatchesClipAlike) {
  const KnownMiss missing = missing_by(0.6);
  std::vector<item_id> head(14);
  std::iota(head.begin(), head.end(), item_id{0});
  const auto clipped = clipped_softmax(missing.scores, head, missing.bound);
  PhiloxEngine engine(5);
  const LazySampler sampler(missing.index, {.k = 14});
  const RowMatrix<double> thetas =
      RowMatrix<double>::Ones(static_cast<Eigen::Index>(graph_draws), 1);
  Counter counter(100);
  for (const Draw& one : sampler.sample_batch(thetas, engine)) counter.add(one.id);
  expect_law(counter, clipped, "batch");
  expect_law(count_draws(100, graph_draws, [&] { return sampler.sample(unit_query(), engine).id; }),
             clipped, "single");
}

}  // namespace
}  // namespace lazygumbel::testing
