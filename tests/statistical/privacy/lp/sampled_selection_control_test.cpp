#include <gtest/gtest.h>

#include <lazygumbel/random/not_private_engine.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <string>
#include <vector>

#include "laws.hpp"
#include "race_draws.hpp"
#include "sampled_clipping.hpp"

// Wrong forms of lazy selection at a sampled level that the test of sampled_selection_law_test.cpp
// must refuse (p < 1e-6) at some steps of each walk, beside the right one, which it must accept at
// all. 30,000 draws a step.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t sampled_constraints = 200, sampled_selection_draws = 30'000;
using Scores = ConstraintScores<double>;
using Right = PlainSampledIndex<double, SampledClipping::right>;

/// The library's index with a bound that forgets what the scan saw but did not list.
class RestIgnored : public SampledConstraintIndex<double> {
 public:
  using SampledConstraintIndex<double>::SampledConstraintIndex;
  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    SampledConstraintIndex<double>::search(theta, k, found);
    found.residual_bound = level();
    found.guarantee = Guarantee::assumed();
  }
};

/// The library's index with list entries that keep their exact scores.
class HeadNotClipped : public SampledConstraintIndex<double> {
 public:
  HeadNotClipped(const Scores& scores, const SampledConstraintOptions& sampled_options)
      : SampledConstraintIndex<double>(scores, sampled_options), scores_(&scores) {}
  double score(const VectorView<double>& theta, item_id id) const {
    return std::binary_search(head_.begin(), head_.end(), id)
               ? scores_->score(theta, id)
               : SampledConstraintIndex<double>::score(theta, id);
  }
  void score_many(const VectorView<double>& theta, std::span<const item_id> ids,
                  std::span<double> out) const {
    for (std::size_t i = 0; i < ids.size(); ++i) out[i] = score(theta, ids[i]);
  }
  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    SampledConstraintIndex<double>::search(theta, k, found);
    head_ = found.ids;
    std::sort(head_.begin(), head_.end());
    rescore(*this, theta, found);
  }

 private:
  const Scores* scores_;
  mutable std::vector<item_id> head_;
};

/// The number of steps, of 10, at which draws by the index are refused as the right law's.
template <class Index>
std::size_t refused(double scale, const SampledConstraintOptions& sampled_options,
                    std::uint64_t seed) {
  const RowStore<double> rows(uniform_rows<double>(sampled_constraints, 8, seed));
  const Scores scores(rows, uniform_bounds(sampled_constraints, -0.1, 0.3, seed), 1.0);
  Index index(scores, sampled_options);
  Right plain(scores, sampled_options);
  const LazySampler sampler(
      index, {.k = SampledConstraintIndex<double>::kept(sampled_constraints, sampled_options)});
  NotPrivateEngine engine(seed);
  std::size_t count = 0;
  for (const auto& x : simplex_walk(8, 10, 1.5, seed)) {
    const Vector<double> theta = lp_theta(x, scale);
    index.prepare(theta);
    plain.prepare(theta);
    Counter counter(sampled_constraints);
    counter.add_all(draws_by_race(sampler, theta, sampled_selection_draws, engine).ids);
    count += counter.p_value(softmax(plain.clipped())) < law_threshold;
  }
  return count;
}

constexpr SampledConstraintOptions sampled_options{.sample = 3, .margin = 0.0, .seed = 2};

TEST(SampledSelectionControl, TheRightOne) {
  for (const double scale : {10.0, 100.0}) {
    EXPECT_EQ(refused<SampledConstraintIndex<double>>(scale, sampled_options, 5), 0U);
    EXPECT_EQ(refused<Right>(scale, sampled_options, 5), 0U);
  }
}

TEST(SampledSelectionControl, RestIgnored) {
  std::size_t count = 0;
  for (const std::uint64_t seed : {5U, 6U, 7U})
    count += refused<RestIgnored>(10.0, sampled_options, seed);
  EXPECT_GE(count, 3U);
}

TEST(SampledSelectionControl, HeadNotClipped) {
  for (const double scale : {10.0, 100.0})
    EXPECT_GE(refused<HeadNotClipped>(scale, sampled_options, 5), 1U) << scale;
}

TEST(SampledSelectionControl, LevelAlone) {
  using Index = PlainSampledIndex<double, SampledClipping::level_alone>;
  for (const double scale : {10.0, 100.0})
    EXPECT_GE(refused<Index>(scale, sampled_options, 5), 1U) << scale;
}

TEST(SampledSelectionControl, ListedOnly) {
  using Index = PlainSampledIndex<double, SampledClipping::listed_only>;
  std::size_t count = 0;
  for (const std::uint64_t seed : {5U, 6U, 7U})
    count += refused<Index>(10.0, sampled_options, seed);
  EXPECT_GE(count, 3U);
}

}  // namespace
}  // namespace lazygumbel::testing
