#include <gtest/gtest.h>

#include <cmath>
#include <iostream>
#include <lazygumbel/privacy/lp/scalar_private_lp.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <vector>

#include "sampled_clipping.hpp"
#include "statistics.hpp"

// What LazySampled loses to FullScan in whole solves: the mean violation over 50 seeds must not
// exceed that of full scans by more than Monte-Carlo error (5 standard errors: false alarm 3e-7 a
// program) and a fiftieth of the first point's violation, far less than the growth of the bound,
// which is what may be hidden; and the theorem's bound, with its growth, must hold for every seed
// (each fails with probability 0.05 at most, in fact far less). Programs: random ones, and needles,
// of which one constraint alone is ever violated, which no sample is likely to hold.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t program_seeds = 50;

struct Program {
  RowMatrix<float> rows;
  std::vector<double> bounds;
};

/// Feasible: some x meets all constraints with a little room.
Program random_program(std::size_t m, std::size_t d, std::uint64_t seed) {
  Program program{uniform_rows<float>(m, d, seed), uniform_bounds(m, 0.0, 0.05, seed)};
  const std::vector<double> x = simplex_walk(d, 2, 3.0, seed)[1];
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < d; ++j)
      program.bounds[i] += static_cast<double>(program.rows(static_cast<Eigen::Index>(i),
                                                            static_cast<Eigen::Index>(j))) *
                           x[j];
  return program;
}

/// Constraints with room for every x, but for one: x_0 >= 0.8, say.
Program needle_program(std::size_t m, std::size_t d, std::uint64_t seed) {
  Program program{0.2F * uniform_rows<float>(m, d, seed), std::vector<double>(m, 0.5)};
  const auto needle = static_cast<Eigen::Index>(m / 2);
  program.rows.row(needle).setZero();
  program.rows(needle, 0) = -1.0F;
  program.bounds[m / 2] = -0.8;
  return program;
}

struct Outcome {
  double mean = 0.0, error = 0.0, growth = 0.0, start = 0.0;
};

template <class Mode>
Outcome solve_often(const Program& program, double sensitivity, const Mode& mode) {
  ScalarLpOptions options;
  options.sensitivity = sensitivity;
  options.rounds = 60;
  options.not_private_truth = true;
  const auto d = static_cast<std::size_t>(program.rows.cols());
  const ScalarPrivateLp<float> lp(RowMatrix<float>(program.rows), ScaledSimplex::of_total(d),
                                  options);
  NotPrivateEngine any(0);
  const double promised = lp.solve(program.bounds, Budget::zcdp(0.5), any).bound.violation;
  std::vector<double> violations;
  Outcome outcome;
  for (std::uint64_t seed = 1; seed <= program_seeds; ++seed) {
    NotPrivateEngine engine(seed);
    const LpResult result = lp.solve(program.bounds, Budget::zcdp(0.5), engine, mode);
    violations.push_back(result.not_private_truth->largest);
    EXPECT_LE(violations.back(), result.bound.violation) << "seed " << seed;
    EXPECT_EQ(result.guarantee, Guarantee::certified());
    outcome.growth += (result.bound.violation - promised) / static_cast<double>(program_seeds);
  }
  const auto [mean, variance] = mean_and_variance(violations);
  outcome.mean = mean;
  outcome.error = std::sqrt(variance / static_cast<double>(program_seeds));
  const MatrixView<float> rows(program.rows);
  outcome.start =
      not_private_violation<float>(rows, program.bounds, simplex_walk(d, 1, 1.0, 1)[0]).largest;
  return outcome;
}

void expect_no_worse(const Program& program, double sensitivity, const char* what) {
  const Outcome full = solve_often(program, sensitivity, FullScan{});
  EXPECT_NEAR(full.growth, 0.0, 1e-12);
  EXPECT_LT(full.mean, 0.7 * full.start) << what << ": nothing was solved";
  for (const double margin : {0.0, 1.0}) {
    const Outcome lazy = solve_often(program, sensitivity, LazySampled{{.margin = margin}});
    const double error = std::hypot(full.error, lazy.error);
    std::cout << "  " << what << ": full " << full.mean << ", sampled " << lazy.mean << " +- "
              << error << ", growth of the bound " << lazy.growth << ", start " << full.start
              << '\n';
    EXPECT_GT(lazy.growth, 0.02 * full.start);
    EXPECT_LE(lazy.mean, full.mean + 0.02 * full.start + 5.0 * error) << what;
  }
}

TEST(SampledLpAccuracy, RandomPrograms) {
  for (const double sensitivity : {1e-4, 1e-3})
    expect_no_worse(random_program(2000, 20, 1), sensitivity, "random");
}

TEST(SampledLpAccuracy, Needles) {
  for (const double sensitivity : {1e-4, 1e-3, 3e-3})
    expect_no_worse(needle_program(2000, 20, 1), sensitivity, "needle");
}

}  // namespace
}  // namespace lazygumbel::testing
