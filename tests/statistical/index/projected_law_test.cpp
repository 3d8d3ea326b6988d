#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/projected_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "laws.hpp"
#include "race_draws.hpp"

// Draws through projections. With a bound that holds (a gap that covers what the projection missed,
// or a head of all items) the law is the softmax; without the gap it is the softmax of the clipped
// scores. 200 items, 500,000 draws a law; chi-square, refused (and false alarm) at p < 1e-6;
// detects with probability >= 0.9 an rms relative error of 1.8%.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t projected_items = 200, projected_dimension = 12, projected_draws = 500'000;

TEST(ProjectedLaw, SmallestDefect) {
  EXPECT_LT(smallest_defect(projected_items, projected_draws), 0.018);
}

struct PoorProjection {
  ProjectedIndex<FlatIndex<float>> index;
  Vector<float> theta;
  Retrieval head;
  double gap = 0.0;  // what covers the best item that the head lacks
};

// Two of twelve directions and no oversampling: good for a wrong head.
PoorProjection poor_projection(ProjectionKind kind, std::size_t k) {
  PoorProjection missing{.index = ProjectedIndex<FlatIndex<float>>(
                             gaussian_rows<float>(projected_items, projected_dimension, 1),
                             {.dimension = 2, .kind = kind, .factor = 1.0}),
                         .theta = 0.5F * gaussian_query<float>(projected_dimension, 2),
                         .head = {}};
  missing.index.search(missing.theta, k, missing.head);
  auto scores = scores_of(missing.index, missing.theta);
  for (const item_id id : missing.head.ids) scores[id] = -1e300;
  missing.gap =
      std::max(0.0, *std::max_element(scores.begin(), scores.end()) - missing.head.scores.back());
  return missing;
}

void check_projection(ProjectionKind kind) {
  const PoorProjection missing = poor_projection(kind, 14);
  ASSERT_GT(missing.gap, 0.5);
  const auto law = softmax_of(missing.index, missing.theta);
  const auto sample = [&](LazySamplerOptions options) {
    PhiloxEngine engine(3);
    return draws_by_race(LazySampler(missing.index, options), missing.theta, projected_draws,
                         engine);
  };
  Counter covered(projected_items), whole(projected_items), clipped(projected_items);
  const Draws with_gap = sample({.k = 14, .gap = missing.gap + 1e-9});
  EXPECT_EQ(with_gap.trace.violations, 0U);
  covered.add_all(with_gap.ids);
  expect_law(covered, law, "gap");
  whole.add_all(sample({.k = projected_items}).ids);
  expect_law(whole, law, "all items");
  const Draws without = sample({.k = 14});
  EXPECT_GT(without.trace.violations, 0U);
  clipped.add_all(without.ids);
  expect_law(clipped,
             clipped_softmax(scores_of(missing.index, missing.theta), missing.head.ids,
                             missing.head.scores.back()),
             "clipped");
  expect_rejected(clipped, law, "clipping");
}

TEST(ProjectedLaw, RandomDirections) { check_projection(ProjectionKind::random); }
TEST(ProjectedLaw, PrincipalDirections) { check_projection(ProjectionKind::pca); }

TEST(ProjectedLaw, Batches) {
  // Enough candidates that nothing is missed: all n.
  const ProjectedIndex<FlatIndex<float>> index(
      gaussian_rows<float>(projected_items, projected_dimension, 1),
      {.dimension = 2, .factor = 20.0});
  const Vector<float> theta = 0.5F * gaussian_query<float>(projected_dimension, 2);
  const RowMatrix<float> thetas = theta.transpose().replicate(100'000, 1);
  PhiloxEngine engine(4);
  Counter counter(projected_items);
  for (const Draw& draw : LazySampler(index, {.k = 14}).sample_batch(thetas, engine, 2)) {
    counter.add(draw.id);
    ASSERT_EQ(draw.trace.violations, 0U);
  }
  expect_law(counter, softmax_of(index, theta), "batch");
}

}  // namespace
}  // namespace lazygumbel::testing
