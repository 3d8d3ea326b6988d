#include <gtest/gtest.h>

#include <lazygumbel/privacy/lp/detail/sampled_constraint_index.hpp>
#include <vector>

#include "sampled_clipping.hpp"

// The privacy of LazySampled is the sensitivity of its scores: for neighbouring right-hand sides,
// |b - b'|_inf <= D, and the same sequence of points, the clipped score of every constraint moves
// by s D at most, at every step. Random programs and walks, changes of all entries, of some, up,
// down; it moves by all of s D where all entries change (asserted). Rules that are not private:
// sampled_sensitivity_control_test.cpp.

namespace lazygumbel::testing {
namespace {

template <class Scalar>
void expect_sensitivity(NeighbouringBounds::Change change, double scale, double sensitivity,
                        double margin) {
  double most = 0.0;
  std::size_t clipped = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const std::size_t m = 20 + 10 * (seed % 5);
    const auto pair = NeighbouringBounds::make(m, change, sensitivity, seed);
    const RowStore<Scalar> rows(uniform_rows<Scalar>(m, 4, seed));
    const ConstraintScores<Scalar> scores(rows, pair.before, 1.0), other(rows, pair.after, 1.0);
    const SampledConstraintOptions options{.sample = seed % 4, .margin = margin, .seed = seed};
    SampledConstraintIndex<Scalar> a(scores, options), b(other, options);
    const auto walk = simplex_walk(4, 12, 2.0, seed);
    most = std::max(most, largest_change(a, b, walk, scale, sensitivity));
    EXPECT_EQ(a.scans().exact, b.scans().exact);
    const Vector<double> last = lp_theta(walk.back(), scale);
    for (item_id i = 0; i < m; ++i) clipped += a.score(last, i) < scores.score(last, i);
    // What ConstraintScores::rounding promises, in the nats that the test is in.
    EXPECT_LE(most, 1.0 + 2.0 * (scores.rounding() + 0x1p-52 * margin / scale) / sensitivity);
  }
  EXPECT_GT(most, 1.0 - 1e-9);
  EXPECT_GT(clipped, 30U);
}

TEST(SampledSensitivity, IsThatOfTheScores) {
  for (const auto change : NeighbouringBounds::changes)
    for (const double scale : {1.0, 30.0, 1000.0})
      for (const double sensitivity : {1e-6, 0.01, 0.3}) {
        expect_sensitivity<double>(change, scale, sensitivity, 0.0);
        expect_sensitivity<float>(change, scale, sensitivity, 0.1);
      }
}

// The plain loops that the controls are made of, too.
TEST(SampledSensitivity, OfThePlainLoops) {
  for (const auto change : NeighbouringBounds::changes)
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      const auto pair = NeighbouringBounds::make(60, change, 0.05, seed);
      const RowStore<double> rows(uniform_rows<double>(60, 4, seed));
      const ConstraintScores<double> scores(rows, pair.before, 1.0), other(rows, pair.after, 1.0);
      PlainSampledIndex<double, SampledClipping::right> a(scores, {.sample = 2, .margin = 0.5}),
          b(other, {.sample = 2, .margin = 0.5});
      EXPECT_LE(largest_change(a, b, simplex_walk(4, 12, 2.0, seed), 30.0, 0.05), 1.0 + 1e-12);
    }
}

}  // namespace
}  // namespace lazygumbel::testing
