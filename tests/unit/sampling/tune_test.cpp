#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/sampling/tune.hpp>

#include "laws.hpp"
#include "non_finite.hpp"
#include "score_index.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::size_t tuned_rows = 600, tuned_dimension = 6, tuned_queries = 12;

HnswIndex<float> thin_graph() {
  HnswParameters parameters;
  parameters.geometry = HnswGeometry::l2_reduction;
  parameters.M = 3;
  parameters.ef_construction = 8;
  parameters.ef = 77;
  return HnswIndex<float>(gaussian_rows<float>(tuned_rows, tuned_dimension, 1), parameters);
}

// Proposals N e^U / Z and clipped mass of one setting, by definition.
template <class Index>
std::pair<double, double> brute_force(const Index& index,
                                      const RowMatrix<typename Index::scalar_type>& queries,
                                      std::size_t k, double gap) {
  double proposals = 0.0, clipped = 0.0;
  for (Eigen::Index j = 0; j < queries.rows(); ++j) {
    const Vector<typename Index::scalar_type> theta = queries.row(j).transpose();
    Retrieval found;
    index.search(theta, k, found);
    const auto scores = scores_of<Index>(index, theta);
    const double log_z = log_sum_exp(std::span<const double>(scores));
    const double bound = found.residual_bound + gap;
    std::vector<bool> head(scores.size(), false);
    for (const item_id id : found.ids) head[id] = true;
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (!head[i] && scores[i] > bound)
        clipped += (std::exp(scores[i] - log_z) - std::exp(bound - log_z)) / tuned_queries;
    proposals += static_cast<double>(scores.size() - found.ids.size()) * std::exp(bound - log_z) /
                 tuned_queries;
  }
  return {proposals, clipped};
}

TEST(Tune, FlatIndexClipsNothingAndProposalsAreExact) {
  FlatIndex<float> index(gaussian_rows<float>(tuned_rows, tuned_dimension, 1));
  const RowMatrix<float> queries = gaussian_rows<float>(tuned_queries, tuned_dimension, 2) * 1.5F;
  const TuneResult result = tune(index, queries, {.k = {16, 4, 64}, .gap = 0.3});
  ASSERT_EQ(result.trials.size(), 3U);
  EXPECT_TRUE(result.target_met);
  EXPECT_GT(result.seconds_per_proposal, 0.0);
  std::size_t last = 0;
  for (const TuneTrial& trial : result.trials) {
    EXPECT_GT(trial.k, last);  // tried in increasing order
    last = trial.k;
    EXPECT_EQ(trial.ef, 0U);
    EXPECT_EQ(trial.clipped_mass, 0.0);
    EXPECT_NEAR(trial.proposals, brute_force(index, queries, trial.k, 0.3).first,
                1e-4 * trial.proposals);
    EXPECT_NEAR(trial.seconds_per_draw,
                trial.seconds_search + trial.proposals * result.seconds_per_proposal, 1e-12);
    EXPECT_GE(trial.seconds_per_draw, result.best.seconds_per_draw);
  }
  EXPECT_EQ(result.options.k, result.best.k);
  EXPECT_EQ(result.options.gap, 0.3);
  PhiloxEngine engine(1);
  EXPECT_NO_THROW(LazySampler(index, result.options).sample(queries.row(0).transpose(), engine));
}

TEST(Tune, HnswMeetsTheTargetAndSetsItsBeam) {
  HnswIndex<float> index = thin_graph();
  const RowMatrix<float> queries = gaussian_rows<float>(tuned_queries, tuned_dimension, 2) * 1.5F;
  const TuneResult result =
      tune(index, queries, {.k = {4, 16, 64}, .ef = {4, 16, 64, 600}, .max_clipped_mass = 0.01});
  EXPECT_EQ(result.trials.size(), 1U + 2U + 3U + 3U);  // k <= ef
  EXPECT_TRUE(result.target_met);
  EXPECT_LE(result.best.clipped_mass, 0.01);
  EXPECT_EQ(index.ef(), result.best.ef);
  bool clipped_somewhere = false;
  for (const TuneTrial& trial : result.trials) {
    EXPECT_LE(trial.k, trial.ef);
    index.set_ef(trial.ef);
    const auto [proposals, clipped] = brute_force(index, queries, trial.k, 0.0);
    EXPECT_NEAR(trial.proposals, proposals, 1e-4 * proposals);
    EXPECT_NEAR(trial.clipped_mass, clipped, 1e-5);  // float scores, GEMV against dot
    clipped_somewhere |= clipped > 1e-3;
    if (trial.clipped_mass <= 0.01) {
      EXPECT_GE(trial.seconds_per_draw, result.best.seconds_per_draw);
    }
  }
  EXPECT_TRUE(clipped_somewhere) << "the graph is too good for this test";
}

TEST(Tune, SaysWhenNothingMeetsTheTarget) {
  HnswIndex<float> index = thin_graph();
  const RowMatrix<float> queries = gaussian_rows<float>(tuned_queries, tuned_dimension, 2) * 3.0F;
  const TuneResult result =
      tune(index, queries, {.k = {1, 2}, .ef = {1, 2}, .max_clipped_mass = 0.0});
  ASSERT_FALSE(result.target_met);
  for (const TuneTrial& trial : result.trials)
    EXPECT_GE(trial.clipped_mass, result.best.clipped_mass);
}

TEST(Tune, ClippedMassOfAKnownMiss) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < 50; ++i) scores.push_back(-0.1 * static_cast<double>(i));
  ScoreIndex index(scores);
  index.hide({0, 3});
  const double z = std::exp(log_sum_exp(std::span<const double>(scores)));
  const RowMatrix<double> queries = RowMatrix<double>::Ones(1, 1);
  // k = 4 finds items 1, 2, 4, 5: U = -0.5 without a gap.
  for (const double gap : {0.0, 0.3, 0.5}) {
    const TuneResult result = tune(index, queries, {.k = {4}, .gap = gap});
    const double bound = -0.5 + gap;
    const double mass =
        (std::max(0.0, 1.0 - std::exp(bound)) + std::max(0.0, std::exp(-0.3) - std::exp(bound))) /
        z;
    EXPECT_NEAR(result.best.clipped_mass, mass, 1e-12);
    EXPECT_NEAR(result.best.proposals, 46.0 * std::exp(bound) / z, 1e-12);
  }
}

TEST(Tune, CandidatesAboveNAreDropped) {
  FlatIndex<float> index(gaussian_rows<float>(20, tuned_dimension, 1));
  const RowMatrix<float> queries = gaussian_rows<float>(2, tuned_dimension, 2);
  const TuneResult some = tune(index, queries, {.k = {4, 21, 1000}});
  ASSERT_EQ(some.trials.size(), 1U);
  EXPECT_EQ(some.options.k, 4U);
  const TuneResult none = tune(index, queries, {.k = {21}});
  EXPECT_EQ(none.options.k, 20U);
  for (const TuneTrial& trial : tune(index, queries).trials) EXPECT_LE(trial.k, 20U);
}

TEST(Tune, EveryKAboveEveryBeam) {
  HnswIndex<float> index = thin_graph();
  const TuneResult result = tune(index, gaussian_rows<float>(2, tuned_dimension, 2),
                                 {.k = {64}, .ef = {8}, .max_clipped_mass = 1.0});
  ASSERT_EQ(result.trials.size(), 1U);
  EXPECT_EQ(result.best.k, 64U);
  EXPECT_EQ(index.ef(), 64U);
}

TEST(Tune, SharedRetrievalsFavourLargerHeads) {
  FlatIndex<float> index(gaussian_rows<float>(tuned_rows, tuned_dimension, 1));
  const RowMatrix<float> queries = gaussian_rows<float>(tuned_queries, tuned_dimension, 2);
  const TuneResult result = tune(index, queries, {.k = {8}, .draws_per_theta = 1000});
  EXPECT_NEAR(
      result.best.seconds_per_draw,
      result.best.seconds_search / 1000.0 + result.best.proposals * result.seconds_per_proposal,
      1e-15);
}

TEST(Tune, RefusesBadOptions) {
  FlatIndex<float> index(gaussian_rows<float>(20, tuned_dimension, 1));
  const RowMatrix<float> queries = gaussian_rows<float>(2, tuned_dimension, 2);
  expect_throws<std::invalid_argument>([&] { tune(index, queries, {.k = {0, 4}}); }, {"k = 0"});
  expect_throws<std::invalid_argument>([&] { tune(index, queries, {.gap = -1.0}); }, {"gap = -1"});
  expect_throws<std::invalid_argument>([&] { tune(index, queries, {.gap = nan}); }, {"gap = nan"});
  expect_throws<std::invalid_argument>([&] { tune(index, queries, {.max_clipped_mass = nan}); },
                                       {"max_clipped_mass = nan"});
  expect_throws<std::invalid_argument>([&] { tune(index, queries, {.max_clipped_mass = -1e-9}); },
                                       {"max_clipped_mass = -1e-09"});
  expect_throws<std::invalid_argument>([&] { tune(index, queries, {.draws_per_theta = 0}); },
                                       {"draws_per_theta = 0"});
  expect_throws<std::invalid_argument>([&] { tune(index, RowMatrix<float>(0, tuned_dimension)); },
                                       {"queries.rows() = 0"});
  RowMatrix<float> bad = queries;
  bad(1, 2) = static_cast<float>(nan);
  expect_throws<std::invalid_argument>([&] { tune(index, bad); }, {"queries(1, 2) = nan"});
  HnswIndex<float> graph = thin_graph();
  expect_throws<std::invalid_argument>([&] { tune(graph, queries, {.k = {4}, .ef = {0}}); },
                                       {"ef = 0"});
}

TEST(Tune, HostileIndexIsFoundOut) {
  HostileIndex index(gaussian_rows<double>(50, 4, 3), Fault::unsorted);
  EXPECT_THROW(tune(index, gaussian_rows<double>(2, 4, 4), {.k = {6}}), index_error);
}

}  // namespace
}  // namespace lazygumbel::testing
