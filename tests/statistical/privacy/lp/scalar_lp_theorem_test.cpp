#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lazygumbel/privacy/lp/scalar_private_lp.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <vector>

#include "linear_programs.hpp"

// What LpResult::bound promises, on random programs that a random x* meets with half of the
// constraints tight, checked in long double.
//   false alarms  the theorem lets a program break its bound with probability beta = 1e-6: 3e-4 for
//                 all of a test's together; seeds are fixed
//   power         the bound is asserted to say something: the centre of the region, where every
//                 solve begins, breaks it on most of the programs (scalar private ones)
// Infeasible programs: the noisy violation lies above the bound, but with the probability that its
// noise is as large as what is between, which is asserted to be below 1e-6.

namespace lazygumbel::testing {
namespace {

constexpr double theorem_beta = 1e-6;

template <class Scalar>
void expect_in_region(const LpResult& result, const LinearProgram<Scalar>& program) {
  double weight = 0.0;
  for (std::size_t j = 0; j < result.x.size(); ++j) {
    EXPECT_GE(result.x[j], 0.0);
    weight += result.x[j] / program.region.vertex(j);
  }
  EXPECT_NEAR(weight, 1.0, 1e-9);
}

ScaledSimplex region_of(std::size_t d, std::uint64_t seed) {
  if (seed % 2 == 0) return ScaledSimplex::of_total(d);
  PhiloxEngine engine(seed);
  std::vector<double> objective;
  for (std::size_t j = 0; j < d; ++j) objective.push_back(std::exp(2.0 * open_uniform(engine)));
  return ScaledSimplex::of_objective(objective, 1.0);
}

template <class Scalar, class Mode = FullScan>
void expect_scalar_theorem(bool zcdp, double sensitivity, const Mode& mode = {}) {
  int centre_breaks = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const std::size_t d = 2 + seed % 40, m = 20 + 13 * (seed % 50);
    const auto program = feasible_program<Scalar>(m, region_of(d, seed), 0.2, seed % 3, 10 * seed);
    const ScalarPrivateLp<Scalar> lp(
        program.rows, program.region,
        {.sensitivity = sensitivity, .failure_probability = theorem_beta});
    NotPrivateEngine engine(seed);
    const LpResult result =
        lp.solve(program.bounds, zcdp ? Budget::zcdp(0.5) : Budget::pure(1.0), engine, mode);
    expect_in_region(result, program);
    EXPECT_LE(worst_excess(program, result.x), result.bound.violation) << "seed " << seed;
    std::vector<double> centre(d, 1.0 / static_cast<double>(d));
    program.region.point(centre, centre);
    centre_breaks += worst_excess(program, centre) > result.bound.violation ? 1 : 0;
  }
  EXPECT_GE(centre_breaks, 50) << "a bound that says nothing";
}

TEST(ScalarLpTheorem, PureFloats) { expect_scalar_theorem<float>(false, 1e-6); }
TEST(ScalarLpTheorem, PureDoubles) { expect_scalar_theorem<double>(false, 1e-6); }
TEST(ScalarLpTheorem, ZcdpFloats) { expect_scalar_theorem<float>(true, 1e-4); }
TEST(ScalarLpTheorem, LazyCertified) { expect_scalar_theorem<float>(true, 1e-4, LazyCertified{}); }
TEST(ScalarLpTheorem, LazySampled) { expect_scalar_theorem<float>(true, 1e-4, LazySampled{}); }

TEST(ScalarLpTheorem, PrivateMatrix) {
  for (const bool zcdp : {false, true})
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      const std::size_t d = 2 + seed % 10, m = 20 + 7 * seed;
      const auto program = feasible_program<float>(m, region_of(d, seed), 0.2, seed % 3, 20 * seed);
      const ScalarPrivateLp<float> lp(program.rows, program.region,
                                      {.neighbours = LpNeighbours::matrix,
                                       .sensitivity = 1e-6,
                                       .width = 1.0,
                                       .rounds = zcdp ? 2000U : 0U,
                                       .failure_probability = theorem_beta});
      NotPrivateEngine engine(seed);
      const LpResult result =
          lp.solve(program.bounds, zcdp ? Budget::zcdp(0.5) : Budget::pure(1.0), engine);
      expect_in_region(result, program);
      EXPECT_LE(worst_excess(program, result.x), result.bound.violation) << "seed " << seed;
      if (zcdp) {
        EXPECT_LT(result.bound.violation, 1.0) << "a bound that says nothing";
      }
    }
}

// Two constraints that no x meets, by at least 1.5, among others that some x does.
TEST(ScalarLpTheorem, InfeasibleProgramsAreToldByTheNoisyViolation) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const std::size_t d = 2 + seed % 20, m = 50;
    auto program = feasible_program<float>(m, region_of(d, seed), 0.2, 0, 30 * seed);
    const auto a = static_cast<Eigen::Index>(seed % 49);
    program.rows.row(a + 1) = -program.rows.row(a);
    program.bounds[static_cast<std::size_t>(a)] = -1.5;
    program.bounds[static_cast<std::size_t>(a) + 1] = seed % 4 == 0 ? -1e300 : -1.5;
    const bool matrix = seed % 2 == 0;
    const ScalarPrivateLp<float> lp(
        program.rows, program.region,
        {.neighbours = matrix ? LpNeighbours::matrix : LpNeighbours::bounds,
         .sensitivity = 1e-6,
         .width = 1.0,
         .rounds = 1000,
         .violation_share = 0.2});
    NotPrivateEngine engine(seed);
    const LpResult result = lp.solve(program.bounds, Budget::zcdp(0.5), engine);
    expect_in_region(result, program);
    ASSERT_LT(result.bound.violation, 1.4);
    ASSERT_GT(1.5 - result.bound.violation, 5.0 * result.noise_deviation);  // power
    EXPECT_GT(*result.noisy_violation, result.bound.violation) << "seed " << seed;
  }
}

TEST(ScalarLpTheorem, FeasibleProgramsAreNotTakenForInfeasibleOnes) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto program =
        feasible_program<float>(50, region_of(2 + seed % 20, seed), 0.2, 0, 40 * seed);
    const ScalarPrivateLp<float> lp(
        program.rows, program.region,
        {.sensitivity = 1e-4, .failure_probability = theorem_beta, .violation_share = 0.2});
    NotPrivateEngine engine(seed);
    const LpResult result = lp.solve(program.bounds, Budget::zcdp(0.5), engine);
    EXPECT_LE(*result.noisy_violation, result.bound.violation + 6.0 * result.noise_deviation);
  }
}

// The mean of the largest violation over 20 programs falls as the budget grows; each step of the
// budget is a factor of 30.
TEST(ScalarLpTheorem, ViolationShrinksAsTheBudgetGrows) {
  for (const bool matrix : {false, true}) {
    double before = HUGE_VAL;
    for (const double rho : {1e-4, 0.003, 0.1, 3.0}) {
      double mean = 0.0;
      for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto program =
            feasible_program<float>(300, ScaledSimplex::of_total(10), 0.2, 1, 50 * seed);
        const ScalarPrivateLp<float> lp(
            program.rows, program.region,
            {.neighbours = matrix ? LpNeighbours::matrix : LpNeighbours::bounds,
             .sensitivity = 1e-4,
             .width = 1.0});
        NotPrivateEngine engine(seed);
        const LpResult result = lp.solve(program.bounds, Budget::zcdp(rho), engine);
        mean += std::max(0.0, worst_excess(program, result.x)) / 20.0;
      }
      EXPECT_LT(mean, 0.85 * before) << "rho " << rho << (matrix ? ", matrix" : ", bounds");
      before = mean;
    }
  }
}

}  // namespace
}  // namespace lazygumbel::testing
