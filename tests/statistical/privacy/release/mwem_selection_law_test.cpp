#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/privacy/release/detail/mwem_selectors.hpp>
#include <lazygumbel/privacy/workload/workload_index.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <utility>
#include <vector>

#include "mwem_selection.hpp"

// Every way of choosing a query against the exact law,
//   P(j) proportional to exp(epsilon |<q_j, h> - <q_j, A>| / (2 D)),
// computed from the queries themselves in long double. Unless a test says otherwise:
//   draws       150,000 a law over m = 60 or 200 queries
//   test        chi-square, refused at p < 1e-6: the false-alarm rate of a law; seeds fixed
//   power       >= 0.9 against a root mean square relative error of the probabilities of 3% (60
//               queries) and 3.4% (200), asserted in SmallestDefect.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t mwem_selection_draws = 150'000;

TEST(MwemSelectionLaw, SmallestDefect) {
  EXPECT_LT(smallest_defect(60, mwem_selection_draws), 0.03);
  EXPECT_LT(smallest_defect(200, mwem_selection_draws), 0.034);
}

struct WorkloadSize {
  std::size_t m;
  double spread;
};
constexpr WorkloadSize workload_sizes[] = {{60, 6.0}, {200, 2.0}};

/// draws by select(engine, budget), which returns a Selection.
template <class Select>
void expect_selection(const SelectionCase& c, std::uint64_t seed, const std::string& what,
                      Select&& select, std::size_t count = mwem_selection_draws) {
  NotPrivateEngine engine(seed);
  Budget budget = Budget::pure(1e12);
  expect_law(count_draws(c.m, count, [&] { return select(engine, budget).id; }), c.law(), what);
}

template <class Mode>
void expect_mode(const SelectionCase& c, const Mode& mode, std::uint64_t seed,
                 const std::string& what, std::size_t count = mwem_selection_draws) {
  const ErrorScores scores(c.workload, c.table);
  lazygumbel::detail::MwemSelector<Mode, DenseWorkload<float>> selector(scores, c.sensitivity,
                                                                        mode);
  expect_selection(
      c, seed, what,
      [&](auto& engine, Budget& budget) {
        return selector.select(c.weights, c.epsilon, budget, engine);
      },
      count);
}

TEST(MwemSelectionLaw, FullScan) {
  for (const auto& [m, spread] : workload_sizes)
    expect_mode(SelectionCase::make(m, spread, m), FullScan{}, 1, "full scan");
}

TEST(MwemSelectionLaw, LazyCertifiedFromPreparedBounds) {
  for (const auto& [m, spread] : workload_sizes) {
    const SelectionCase c = SelectionCase::make(m, spread, m);
    expect_mode(c, LazyCertified{{.proposal_budget = 1e9, .code_bits = 0}, 5}, 2, "exact scan");
    expect_mode(c, LazyCertified{{.proposal_budget = 1e9, .code_bits = 4}, 5}, 3, "4 bits");
    expect_mode(c, LazyCertified{{.proposal_budget = 1e9, .code_bits = 8}, 1}, 4, "8 bits");
    expect_mode(c, LazyCertified{}, 5, "as it comes");
  }
}

// A scan a draw; 60,000 draws: 4.7% is detected.
TEST(MwemSelectionLaw, LazyCertifiedWithAScanADraw) {
  EXPECT_LT(smallest_defect(60, 60'000), 0.047);
  const SelectionCase c = SelectionCase::make(60, 6.0, 60);
  const ErrorScores scores(c.workload, c.table);
  for (const int bits : {0, 8}) {
    const LazyCertified mode{{.proposal_budget = 1.0, .code_bits = bits}, 3};
    lazygumbel::detail::MwemSelector<LazyCertified, DenseWorkload<float>> selector(scores, 2.0,
                                                                                   mode);
    expect_selection(
        c, 6, "a scan a draw",
        [&](auto& engine, Budget& budget) {
          return selector.select(c.weights, c.epsilon, budget, engine);
        },
        60'000);
    EXPECT_EQ(selector.scans().exact, 60'000U);
    EXPECT_EQ(selector.scans().coded, bits == 0 ? 0U : 60'000U);
  }
}

// The bounds of one scan serve weights that have moved on: near, and so far that the bounds say
// nothing and most draws end in a whole scan.
TEST(MwemSelectionLaw, LazyCertifiedFromStaleBounds) {
  for (const double far : {0.02, 1.0})
    for (const auto& [m, spread] : workload_sizes) {
      SelectionCase c = SelectionCase::make(m, spread, m);
      const ErrorScores scores(c.workload, c.table);
      const LazyCertified mode{{.proposal_budget = 1e300, .code_bits = 0}, 5};
      lazygumbel::detail::MwemSelector<LazyCertified, DenseWorkload<float>> selector(
          scores, c.sensitivity, mode);
      NotPrivateEngine engine(7);
      Budget budget = Budget::pure(1e12);
      const auto old = random_weights(12, static_cast<double>(c.table.total()), 3.0, 99);
      std::vector<double> scanned(c.weights);
      for (std::size_t x = 0; x < 12; ++x) scanned[x] += far * (old[x] - scanned[x]);
      selector.select(scanned, c.epsilon, budget, engine);
      expect_selection(
          c, 8, "stale by " + std::to_string(far),
          [&](auto& e, Budget& b) { return selector.select(c.weights, c.epsilon, b, e); },
          far < 0.5 ? mwem_selection_draws : 60'000);
      EXPECT_EQ(selector.scans().exact, 1U);
    }
}

TEST(MwemSelectionLaw, LazyProposedByAnExactIndex) {
  for (const auto& [m, spread] : workload_sizes) {
    const SelectionCase c = SelectionCase::make(m, spread, m);
    const FlatIndex<float> flat(c.rows);
    for (const std::size_t k : {0U, 3U})
      expect_mode(c, LazyProposed<FlatIndex<float>>{flat, k, Gap(0.01)}, 10 + k, "proposed");
  }
}

// A proposer that never finds the 5 best queries, widened by what it misses. 60,000 draws: 4.7%
// (60 queries) and 5.4% (200) are detected.
TEST(MwemSelectionLaw, LazyProposedByABrokenIndexWidened) {
  for (const auto& [m, spread] : workload_sizes) {
    const SelectionCase c = SelectionCase::make(m, spread, m);
    const HidingIndex broken(c.rows, largest_of(c.law(), 5));
    const ErrorScores scores(c.workload, c.table);
    const ProposedErrorIndex index(scores, broken);
    const double gap = miss_gap(index, theta_of(c.weights, c.scale()), 8);
    EXPECT_GT(gap, 0.2);
    expect_mode(c, LazyProposed<HidingIndex>{broken, 8, Gap(gap)}, 20, "broken, widened", 60'000);
  }
}

// Through ExponentialMechanism alone: signed scores of v = h - A, and magnitudes by AbsoluteIndex.
TEST(MwemSelectionLaw, ExponentialMechanismOverSignedAndAbsoluteScores) {
  for (const auto& [m, spread] : workload_sizes) {
    const SelectionCase c = SelectionCase::make(m, spread, m);
    Vector<double> v(12);
    for (std::size_t x = 0; x < 12; ++x)
      v[static_cast<Eigen::Index>(x)] = static_cast<double>(c.table.counts()[x]) - c.weights[x];
    const WorkloadIndex index(c.workload);
    const AbsoluteIndex absolute(index);
    const ExponentialMechanism by_sign(index, c.sensitivity);
    const ExponentialMechanism by_size(absolute, c.sensitivity);
    expect_selection(c, 30, "magnitudes", [&](auto& engine, Budget& budget) {
      return by_size.select(v, c.epsilon, budget, engine);
    });
    NotPrivateEngine engine(31);
    Budget budget = Budget::pure(1e12);
    const Vector<double> theta = v * c.scale();
    expect_law(count_draws(m, mwem_selection_draws,
                           [&] { return by_sign.select(v, c.epsilon, budget, engine).id; }),
               softmax_of(index, theta), "signed");
  }
}

// Duplicates share, and a zero query is chosen as its score of 0 says.
TEST(MwemSelectionLaw, IntegerQueriesUnderBothModes) {
  const IntegerWorkload workload({{1, 1, 0}, {1, 1, 0}, {0, 0, 0}, {-1, 1, 1}, {1, 1, 1}}, {-1, 1});
  const Histogram table = line_table({5, 0, 2});
  const std::vector<double> weights = {1.0, 4.0, 2.0};
  const ErrorScores scores(workload, table);
  const std::vector<double> law = softmax(brute_force_scores(workload, table, weights, 0.5 / 4.0));
  NotPrivateEngine engine(40);
  Budget budget = Budget::pure(1e12);
  lazygumbel::detail::MwemSelector<FullScan, IntegerWorkload> full(scores, 2.0, {});
  lazygumbel::detail::MwemSelector<LazyCertified, IntegerWorkload> lazy(scores, 2.0,
                                                                        LazyCertified{{}, 1});
  expect_law(count_draws(5, mwem_selection_draws,
                         [&] { return full.select(weights, 0.5, budget, engine).id; }),
             law, "full");
  expect_law(count_draws(5, mwem_selection_draws,
                         [&] { return lazy.select(weights, 0.5, budget, engine).id; }),
             law, "lazy");
}

}  // namespace
}  // namespace lazygumbel::testing
