#include <gtest/gtest.h>

#include <lazygumbel/privacy/lp/constraint_private_lp.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>

#include "laws.hpp"
#include "lp_selection.hpp"
#include "lp_transcripts.hpp"

// ConstraintPrivateLp against its law, computed from the definition.
//   runs        100,000 a law over 27 or 64 transcripts, or draws over 40 vertices
//   test        chi-square, refused at p < 1e-6: the false-alarm rate of a law; seeds fixed
//   power       >= 0.9 against a root mean square relative error of the probabilities of 3.6%,
//               asserted in SmallestDefect.
// A broken index: lp_selection_control_test.cpp.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t lp_selection_runs = 100'000;

TEST(LpSelectionLaw, SmallestDefect) {
  EXPECT_LT(smallest_defect(27, lp_selection_runs), 0.036);
  EXPECT_LT(smallest_defect(64, lp_selection_runs), 0.036);
}

/// Whole runs of both modes.
void expect_transcripts(std::size_t m, std::size_t d, std::size_t rounds, double density,
                        double epsilon, std::uint64_t seed) {
  PhiloxEngine data(seed);
  const TestLp lp = feasible_lp(m, d, data);
  const RowMatrix<double> matrix = lp.matrix();
  const ConstraintPrivateLp solver(ScaledSimplex::of_total(d),
                                   {.width = 1.0, .rounds = rounds, .density = density});
  NotPrivateEngine engine(seed);
  const auto once = [&](const auto& mode) {
    return solver.solve(matrix, lp.bounds, Budget::pure(epsilon), engine, mode);
  };
  const auto law =
      transcript_law(lp, once(FullScan{}), density, constraint_lp_sensitivity(density));
  const auto expect = [&](const auto& mode, const std::string& what) {
    expect_law(count_draws(law.size(), lp_selection_runs,
                           [&] { return static_cast<item_id>(transcript_of(once(mode), d)); }),
               law, what);
  };
  expect(FullScan{}, "full scan");
  expect(LazyCertified{}, "lazy");
  expect(LazyCertified{{.proposal_budget = 1e9}, 1}, "lazy, many proposals");
}

TEST(LpSelectionLaw, Transcripts) {
  expect_transcripts(7, 3, 3, 2.5, 12.0, 1);
  expect_transcripts(12, 4, 3, 1.0, 20.0, 2);
}

// Vertices scored one move of the weights ago, and a few of them two moves ago.
TEST(LpSelectionLaw, StaleBounds) {
  for (const double far : {0.05, 0.5, 3.0}) {
    const StaleCase c(40, far, 3);
    expect_law(c.counts(lp_selection_runs, 4, true), c.law(), "moved by " + std::to_string(far));
  }
}

}  // namespace
}  // namespace lazygumbel::testing
