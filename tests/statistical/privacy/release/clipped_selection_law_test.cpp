#include <gtest/gtest.h>

#include <lazygumbel/privacy/release/detail/mwem_selectors.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <vector>

#include "clipped_selection.hpp"

// LazyClipped against the softmax of clipped scores,
//   P(j) proportional to exp(min(s |e_j(A)|, s |e_j(A0)| + U)),
// after weights have moved from A0, where the scan was, to A, so that some scores are clipped. With
// exact scans the law is computed from the queries in long double (that of codes from the scores
// that tests/unit/privacy/release/clipped_error_index_test.cpp checks); U is what the index says.
//   draws       200,000 a law over m = 60 or 200 queries
//   test        chi-square, refused at p < 1e-6: the false-alarm rate of a law; seeds fixed
//   power       >= 0.9 against a root mean square relative error of the probabilities of 2.6% (60
//               queries) and 2.9% (200), asserted in SmallestDefect; against the law of the scores
//               that are not clipped above 0.999, asserted for each case.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t clipped_selection_draws = 200'000;

TEST(ClippedSelectionLaw, SmallestDefect) {
  EXPECT_LT(smallest_defect(60, clipped_selection_draws), 0.026);
  EXPECT_LT(smallest_defect(200, clipped_selection_draws), 0.029);
}

/// Draws at the weights of the case after a scan elsewhere, by the mode itself.
void expect_clipped(const ClippedCase& c, const ClippedErrorIndexOptions& options, std::size_t k,
                    std::uint64_t seed, const std::string& what) {
  const ErrorScores scores(c.selection.workload, c.selection.table);
  ClippedErrorIndex twin(scores, options);
  twin.prepare(c.scanned_theta());
  twin.prepare(c.theta());
  EXPECT_EQ(twin.scans().exact + twin.scans().coded,
            options.code_bits == 0 ? 1U : twin.scans().exact + 1U);
  EXPECT_GT(twin.allowance(), 0.0) << what;
  const std::vector<double> law =
      options.code_bits == 0 ? c.law(twin.allowance()) : softmax_of(twin, c.theta());
  EXPECT_GE(c.clipped(twin.allowance()), 5U) << what;
  EXPECT_GT(chi_square_power(clipped_selection_draws, c.selection.law(), law), 0.999) << what;

  lazygumbel::detail::MwemSelector<LazyClipped, DenseWorkload<float>> selector(
      scores, c.selection.sensitivity, LazyClipped{options, k});
  NotPrivateEngine engine(seed);
  Budget budget = Budget::pure(1e12);
  selector.select(c.scanned, c.selection.epsilon, budget, engine);
  const std::size_t scans = selector.scans().exact + selector.scans().coded;
  const Counter counter = count_draws(c.selection.m, clipped_selection_draws, [&] {
    return selector.select(c.selection.weights, c.selection.epsilon, budget, engine).id;
  });
  EXPECT_EQ(selector.scans().exact + selector.scans().coded, scans) << "no scan in between";
  expect_law(counter, law, what);
  expect_rejected(counter, c.selection.law(), what + ": that nothing was clipped");
}

TEST(ClippedSelectionLaw, AfterAnExactScan) {
  for (const ClippedCase& c : {ClippedCase::make(60, 6.0, 60), ClippedCase::make(200, 4.0, 200)})
    for (const std::size_t k : {1U, 20U})
      expect_clipped(
          c, {.code_bits = 0, .largest_drift = 1e9, .sample = 1, .margin = 1.0, .seed = c.seed()},
          k, k, "exact scan");
}

TEST(ClippedSelectionLaw, AfterACodedScan) {
  for (const ClippedCase& c : {ClippedCase::make(60, 6.0, 60), ClippedCase::make(200, 4.0, 200)})
    for (const int bits : {4, 8})
      expect_clipped(
          c,
          {.code_bits = bits, .largest_drift = 1e9, .sample = 1, .margin = 1.0, .seed = c.seed()},
          5, static_cast<std::uint64_t>(10 + bits), "codes of " + std::to_string(bits) + " bits");
}

// Where nothing has moved, or a scan was just made, nothing is clipped.
TEST(ClippedSelectionLaw, AtTheScanItIsTheLawOfTheScores) {
  const SelectionCase c = SelectionCase::make(60, 6.0, 60);
  const ErrorScores scores(c.workload, c.table);
  for (const int bits : {0, 8}) {
    lazygumbel::detail::MwemSelector<LazyClipped, DenseWorkload<float>> selector(
        scores, c.sensitivity, LazyClipped{{.code_bits = bits}, 3});
    NotPrivateEngine engine(20);
    Budget budget = Budget::pure(1e12);
    expect_law(
        count_draws(60, clipped_selection_draws,
                    [&] { return selector.select(c.weights, c.epsilon, budget, engine).id; }),
        c.law(), "at the scan");
  }
}

}  // namespace
}  // namespace lazygumbel::testing
