#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <lazygumbel/privacy/lp/detail/lp_selectors.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <string>
#include <vector>

#include "laws.hpp"
#include "race_draws.hpp"
#include "sampled_clipping.hpp"

// LazySampled against the softmax of clipped scores,
//   P(i) proportional to exp(min(y_i(t), max(U_t, y_i(t0)))),
// computed from rows and bounds in plain loops, at each step of walks of x, so that steps with and
// without a scan, lists that are too short, and levels above and below all scores come up; s from 1
// (flat) to 1000 (frozen: one item has nearly all of the probability).
//   draws       30,000 a law over m = 200 constraints
//   test        chi-square, refused at p < 1e-6, and no draw at all of the items that together come
//               with probability below 1e-6 in all draws (where a law is frozen, cells are pooled
//               and chi-square sees nothing): false-alarm rate of a law 2e-6; seeds fixed
//   power       >= 0.9 against a root mean square relative error of the probabilities of 7.5%,
//               asserted in SmallestDefect; the law of the scores that are not clipped is refused
//               in at least as many steps as asserted.
// Wrong laws: sampled_selection_control_test.cpp.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t sampled_constraints = 200, sampled_selection_draws = 30'000;

TEST(SampledSelectionLaw, SmallestDefect) {
  EXPECT_LT(smallest_defect(sampled_constraints, sampled_selection_draws), 0.075);
}

/// Draws of the least likely items, all of which together come with probability below 1e-6.
std::uint64_t unlikely_draws(const Counter& counter, const std::vector<double>& law) {
  std::vector<std::size_t> order(law.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return law[a] < law[b]; });
  double mass = 0.0;
  std::uint64_t drawn = 0;
  for (const std::size_t i : order) {
    if (static_cast<double>(sampled_selection_draws) * (mass += law[i]) >= law_threshold) break;
    drawn += counter.counts()[i];
  }
  return drawn;
}

bool refused(const Counter& counter, const std::vector<double>& law) {
  return counter.p_value(law) < law_threshold || unlikely_draws(counter, law) > 0;
}

/// The number of steps at which the test tells the clipped law from the unclipped one.
template <class Scalar>
std::size_t expect_laws(double scale, const SampledConstraintOptions& options, std::size_t k,
                        std::uint64_t seed) {
  const RowStore<Scalar> rows(uniform_rows<Scalar>(sampled_constraints, 8, seed));
  const ConstraintScores<Scalar> scores(rows, uniform_bounds(sampled_constraints, -0.1, 0.3, seed),
                                        1.0);
  SampledConstraintIndex<Scalar> index(scores, options);
  PlainSampledIndex<Scalar, SampledClipping::right> plain(scores, index.options());
  const LazySampler sampler(index, {.k = k});
  NotPrivateEngine engine(seed);
  std::size_t told = 0, step = 0;
  for (const auto& x : simplex_walk(8, 10, 1.5, seed)) {
    const Vector<double> theta = lp_theta(x, scale);
    index.prepare(theta);
    plain.prepare(theta);
    Counter counter(sampled_constraints);
    counter.add_all(draws_by_race(sampler, theta, sampled_selection_draws, engine).ids);
    const std::string what = "s = " + std::to_string(scale) + ", k = " + std::to_string(k) +
                             ", step " + std::to_string(++step);
    expect_law(counter, softmax(plain.clipped()), what);
    EXPECT_EQ(unlikely_draws(counter, softmax(plain.clipped())), 0U) << what;
    told += refused(counter, softmax(plain.exact()));
  }
  return told;
}

TEST(SampledSelectionLaw, AlongWalks) {
  for (const double scale : {1.0, 10.0, 100.0, 1000.0}) {
    std::size_t told = 0;
    if (scale < 100.0) told += expect_laws<double>(scale, {}, 1, 1);
    told += expect_laws<double>(scale, {}, 28, 2);
    told += expect_laws<double>(scale, {.sample = 3, .margin = 0.0, .seed = 2}, 6, 5);
    EXPECT_GE(told, scale < 10.0 ? 1U : 2U) << "too little was clipped, s = " << scale;
  }
}

TEST(SampledSelectionLaw, AlongWalksOfFloats) {
  std::size_t told = 0;
  for (const double scale : {1.0, 10.0, 100.0})
    told += expect_laws<float>(scale, {.sample = 5, .margin = 0.5}, 10, 7);
  EXPECT_GE(told, 4U);
}

// The mode itself, a selector a run: the choice at step 3, after scans at steps 1 and 2.
TEST(SampledSelectionLaw, OfTheModeItself) {
  const RowStore<float> rows(uniform_rows<float>(40, 4, 3));
  const ConstraintScores<float> scores(rows, uniform_bounds(40, -0.1, 0.3, 3), 1.0);
  const SampledConstraintOptions options{.sample = 3, .margin = 0.0, .seed = 4};
  const double sensitivity = 0.1, epsilon = 4.0, scale = epsilon / (2.0 * sensitivity);
  const auto walk = simplex_walk(4, 3, 2.0, 3);
  PlainSampledIndex<float, SampledClipping::right> plain(scores, options);
  for (const auto& x : walk) plain.prepare(lp_theta(x, scale));
  NotPrivateEngine engine(1);
  Budget budget = Budget::pure(1e12);
  const Counter counter = count_draws(40, sampled_selection_draws, [&] {
    lazygumbel::detail::LpSelector<LazySampled, float> selector(scores, sensitivity, {options});
    item_id last = 0;
    for (const auto& x : walk) last = selector.select(x, epsilon, budget, engine).id;
    EXPECT_EQ(selector.scans().exact, 2U);
    return last;
  });
  expect_law(counter, softmax(plain.clipped()), "the mode");
  expect_rejected(counter, softmax(plain.exact()), "that nothing was clipped");
}

}  // namespace
}  // namespace lazygumbel::testing
