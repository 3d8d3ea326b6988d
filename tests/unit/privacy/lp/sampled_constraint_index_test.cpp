#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/privacy/lp/detail/sampled_constraint_index.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "message_of.hpp"
#include "sampled_clipping.hpp"
#include "scalars.hpp"

// What SampledConstraintIndex says, against the plain loops of sampled_clipping.hpp. The law of
// draws by it: tests/statistical/privacy/lp/sampled_selection_law_test.cpp; its sensitivity:
// tests/statistical/privacy/lp/sampled_sensitivity_test.cpp.

namespace lazygumbel::testing {
namespace {

template <class Scalar>
using Plain = PlainSampledIndex<Scalar, SampledClipping::right>;

static_assert(MipsIndex<SampledConstraintIndex<float>>);
static_assert(MipsIndex<SampledConstraintIndex<double>>);
static_assert(!std::is_constructible_v<SampledConstraintIndex<float>, ConstraintScores<float>&&>);

template <class Scalar>
class SampledConstraints : public ::testing::Test {
 protected:
  static constexpr double tolerance = std::is_same_v<Scalar, float> ? 1e-5 : 1e-12;
};
TYPED_TEST_SUITE(SampledConstraints, Scalars);

/// How many retrievals had to carry the bound of items that the level does not cover.
struct SampledCases {
  std::size_t above_level = 0, beyond_list = 0, clipped = 0, empty = 0;
};

/// Walks, and checks each retrieval for each k, each score, and the scans. A certified bound is to
/// hold as computed, without any tolerance.
template <class Scalar>
void check_walk(const ConstraintScores<Scalar>& scores, const SampledConstraintOptions& options,
                const std::vector<std::vector<double>>& walk, double scale, double tolerance,
                SampledCases& seen) {
  SampledConstraintIndex<Scalar> index(scores, options);
  Plain<Scalar> plain(scores, index.options());
  const std::size_t m = scores.size(), kept = SampledConstraintIndex<Scalar>::kept(m, options);
  for (const auto& x : walk) {
    const Vector<double> theta = lp_theta(x, scale);
    index.prepare(theta);
    plain.prepare(theta);
    ASSERT_EQ(index.scans().exact, plain.scans().exact);
    ASSERT_EQ(index.scans().coded, 0U);
    ASSERT_NEAR(index.level(), plain.level(), tolerance * scale);
    std::vector<item_id> ids(m);
    std::vector<double> many(m);
    for (item_id i = 0; i < m; ++i) ids[i] = i;
    index.score_many(theta, ids, many);
    for (item_id i = 0; i < m; ++i) {
      ASSERT_NEAR(many[i], plain.clipped()[i], tolerance * scale);
      ASSERT_EQ(index.score(theta, i), many[i]) << "one arithmetic";
      seen.clipped += plain.exact()[i] > plain.clipped()[i] + 0.01;
    }
    for (const std::size_t k : {std::size_t{1}, std::size_t{2}, std::size_t{5}, kept, m}) {
      if (k > m) continue;
      Retrieval found;
      std::vector<item_id> sorted;
      search_checked(index, theta, k, found, sorted);
      ASSERT_EQ(found.guarantee, Guarantee::certified());
      ASSERT_LE(found.ids.size(), std::min(k, kept));
      ASSERT_FALSE(std::isnan(found.residual_bound));
      for (std::size_t i = 0; i < found.ids.size(); ++i)
        ASSERT_EQ(found.scores[i], many[found.ids[i]]);
      for (item_id i = 0; i < m; ++i) {
        const bool found_it = std::binary_search(sorted.begin(), sorted.end(), i);
        ASSERT_TRUE(found_it || many[i] <= found.residual_bound) << "item " << i << ", k = " << k;
      }
      seen.above_level += found.residual_bound > index.level();
      seen.beyond_list += k >= kept && found.residual_bound > index.level();
      seen.empty += found.ids.empty();
    }
  }
}

TYPED_TEST(SampledConstraints, ScoresAndBoundsAlongWalks) {
  SampledCases seen;
  for (std::uint64_t seed = 1; seed <= 12; ++seed)
    for (const double scale : {0.5, 20.0, 1000.0})
      for (const double margin : {0.0, 1.0}) {
        const RowStore<TypeParam> rows(uniform_rows<TypeParam>(90, 5, seed));
        const auto bounds = uniform_bounds(90, -0.2, 0.3, seed);
        const ConstraintScores<TypeParam> scores(rows, bounds, 1.0);
        const std::size_t samples[] = {0, 1, 3, 90};
        check_walk(scores, {.sample = samples[seed % 4], .margin = margin, .seed = seed},
                   simplex_walk(5, 10, 1.5, seed), scale, this->tolerance, seen);
        if (this->HasFatalFailure()) return;
      }
  EXPECT_GT(seen.above_level, 100U) << "k was never too small";
  EXPECT_GT(seen.beyond_list, 20U) << "the scan's list was always long enough";
  EXPECT_GT(seen.clipped, 100U) << "nothing was clipped";
  EXPECT_GT(seen.empty, 10U) << "the head was never empty";
}

TYPED_TEST(SampledConstraints, DegenerateShapes) {
  SampledCases seen;
  const std::vector<std::vector<double>> walk = simplex_walk(1, 6, 1.0, 1);
  const RowStore<TypeParam> one(uniform_rows<TypeParam>(1, 1, 1));
  check_walk(ConstraintScores<TypeParam>(one, std::vector{0.1}, 1.0), {}, walk, 3.0,
             this->tolerance, seen);
  // Ties: all constraints alike, and in two groups.
  const RowStore<TypeParam> alike(RowMatrix<TypeParam>::Constant(50, 4, TypeParam(0.5)));
  std::vector<double> bounds(50, 0.25);
  check_walk(ConstraintScores<TypeParam>(alike, bounds, 1.0), {.margin = 0.0},
             simplex_walk(4, 6, 1.0, 2), 100.0, this->tolerance, seen);
  for (std::size_t i = 0; i < 25; ++i) bounds[2 * i] = -0.25;
  check_walk(ConstraintScores<TypeParam>(alike, bounds, 1.0), {.sample = 2, .margin = 0.0},
             simplex_walk(4, 6, 1.0, 2), 100.0, this->tolerance, seen);
  // All of A is zero, and b beyond what it is clipped to.
  const RowStore<TypeParam> zero(RowMatrix<TypeParam>::Zero(9, 3));
  const std::vector<double> wild = {1e300, -1e300, 0.0, 1e-300, -0.0, 5.0, -5.0, 1e308, -1e308};
  check_walk(ConstraintScores<TypeParam>(zero, wild, 1.0), {}, simplex_walk(3, 6, 1.0, 3), 7.0,
             this->tolerance, seen);
}

// With a margin that nothing exceeds it is the law of the exact scores, all of it in the tail.
TYPED_TEST(SampledConstraints, ALargeMarginClipsNothing) {
  const RowStore<TypeParam> rows(uniform_rows<TypeParam>(60, 4, 1));
  const ConstraintScores<TypeParam> scores(rows, uniform_bounds(60, -0.2, 0.3, 1), 1.0);
  SampledConstraintIndex<TypeParam> index(scores, {.margin = 100.0});
  for (const auto& x : simplex_walk(4, 7, 2.0, 1)) {
    const Vector<double> theta = lp_theta(x, 10.0);
    index.prepare(theta);
    Retrieval found;
    index.search(theta, 5, found);
    EXPECT_TRUE(found.ids.empty());
    EXPECT_EQ(found.residual_bound, index.level());
    for (item_id i = 0; i < 60; ++i) EXPECT_EQ(index.score(theta, i), scores.score(theta, i));
  }
}

// The level is the sample's largest score as score() computes it, so that neither b nor the order
// of a sum decides whether an item of the sample lies above it.
TYPED_TEST(SampledConstraints, TheLevelHasTheArithmeticOfScores) {
  for (std::size_t d = 1; d <= 40; ++d) {
    const RowStore<TypeParam> rows(uniform_rows<TypeParam>(50, d, d));
    const ConstraintScores<TypeParam> scores(rows, uniform_bounds(50, -0.2, 0.3, d), 1.0);
    SampledConstraintIndex<TypeParam> index(scores, {.margin = 0.0});
    const Vector<double> theta = lp_theta(simplex_walk(d, 2, 1.0, d)[1], 37.3);
    index.prepare(theta);
    double most = -HUGE_VAL;
    for (const item_id j : index.sample()) most = std::max(most, scores.score(theta, j));
    EXPECT_EQ(index.level(), most);
    std::vector<double> block(50);
    scores.score_block(scores.point_of(theta), 37.3, 0, block);
    for (item_id i = 0; i < 50; ++i) EXPECT_EQ(block[i], scores.score(theta, i));
  }
}

// Scans come at steps 1, 2, 4, 8, ... and when s changes, whatever b is.
TEST(SampledConstraintIndex, ScansAtPublicTimes) {
  const RowStore<float> rows(uniform_rows<float>(200, 4, 1));
  const auto walk = simplex_walk(4, 40, 1.0, 1);
  for (const double shift : {-0.9, 0.0, 0.9}) {
    const ConstraintScores<float> scores(rows, uniform_bounds(200, shift, shift + 0.1, 2), 1.0);
    SampledConstraintIndex<float> index(scores);
    std::vector<std::size_t> scanned;
    for (std::size_t step = 1; step <= walk.size(); ++step) {
      const std::size_t before = index.scans().exact;
      index.prepare(lp_theta(walk[step - 1], step < 20 ? 5.0 : 6.0));
      if (index.scans().exact != before) scanned.push_back(step);
    }
    EXPECT_EQ(scanned, (std::vector<std::size_t>{1, 2, 4, 8, 16, 20, 40}));
  }
}

TEST(SampledConstraintIndex, TheSampleIsPublic) {
  const RowStore<float> rows(uniform_rows<float>(1000, 2, 1));
  const auto sample_of = [&](double bound, std::uint64_t seed) {
    const ConstraintScores<float> scores(rows, std::vector<double>(1000, bound), 1.0);
    const SampledConstraintIndex<float> index(scores, {.seed = seed});
    return std::vector<item_id>(index.sample().begin(), index.sample().end());
  };
  EXPECT_EQ(sample_of(0.0, 1).size(), 32U);
  EXPECT_EQ(sample_of(0.0, 1), sample_of(1.0, 1));
  EXPECT_NE(sample_of(0.0, 1), sample_of(0.0, 2));
}

TEST(SampledConstraintIndex, Options) {
  const RowStore<float> rows(uniform_rows<float>(1000, 3, 1));
  const ConstraintScores<float> scores(rows, std::vector<double>(1000, 0.0), 1.0);
  using Index = SampledConstraintIndex<float>;
  EXPECT_EQ(Index(scores).options().sample, 32U);
  EXPECT_EQ(Index(scores).size(), 1000U);
  EXPECT_EQ(Index(scores).dimension(), 4U);
  EXPECT_EQ(Index::kept(1000, {}), 64U);
  EXPECT_EQ(Index::kept(1000, {.sample = 7}), 14U);
  EXPECT_EQ(Index::kept(3, {.sample = 3}), 3U);
  EXPECT_EQ(Index::kept(1, {}), 1U);
  const auto refusal = [&](const SampledConstraintOptions& options) {
    return message_of<std::invalid_argument>([&] { Index(scores, options); });
  };
  EXPECT_EQ(refusal({.sample = 1001}), "lazygumbel: sample = 1001: exceeds m = 1000");
  EXPECT_EQ(refusal({.margin = -1.0}), "lazygumbel: margin = -1: must lie in [0, 100]");
  EXPECT_EQ(refusal({.margin = 101.0}), "lazygumbel: margin = 101: must lie in [0, 100]");
  EXPECT_EQ(refusal({.margin = std::nan("")}), "lazygumbel: margin = nan: must lie in [0, 100]");
}

TEST(SampledConstraintIndex, Refusals) {
  const RowStore<float> rows(uniform_rows<float>(20, 2, 1));
  const ConstraintScores<float> scores(rows, std::vector<double>(20, 0.0), 1.0);
  SampledConstraintIndex<float> index(scores);
  Retrieval found;
  const auto refusal = [&](auto&& call) { return message_of<std::invalid_argument>(call); };
  const Vector<double> theta = lp_theta(std::vector{0.5, 0.5}, 2.0);
  const std::string first = "lazygumbel: theta's last entry = -2: prepare(theta) has to come first";
  EXPECT_EQ(refusal([&] { index.search(theta, 1, found); }), first);
  index.prepare(lp_theta(std::vector{0.5, 0.5}, 3.0));
  EXPECT_EQ(refusal([&] { index.search(theta, 1, found); }), first);
  index.prepare(theta);
  EXPECT_EQ(refusal([&] { index.search(theta, 0, found); }),
            "lazygumbel: k = 0: must be at least 1");
  const ScanCounts before = index.scans();
  for (const double last : {0.0, 1.0})
    EXPECT_NE(refusal([&] {
                index.prepare(Vector<double>{{0.5, 0.5, last}});
              }).find("theta's last entry"),
              std::string::npos);
  EXPECT_NE(refusal([&] {
              index.prepare(Vector<double>{{0.5, -1.0}});
            }).find("theta"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              index.prepare(Vector<double>{{std::nan(""), 0.5, -1.0}});
            }).find("theta"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              index.prepare(Vector<double>{{0.5, 1e60, -1.0}});
            }).find("theta"),
            std::string::npos);
  EXPECT_EQ(index.scans().exact, before.exact);
  index.search(theta, 1, found);  // still prepared for it
}

}  // namespace
}  // namespace lazygumbel::testing
