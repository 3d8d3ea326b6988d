#pragma once

#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/detail/lp_selectors.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <vector>

#include "laws.hpp"
#include "linear_programs.hpp"

/// \file
/// A program and a point of it whose scores are uneven, for the law tests of selection over
/// constraints.

namespace lazygumbel::testing {

template <class Scalar>
struct LpSelectionCase {
  LinearProgram<Scalar> program;
  RowStore<Scalar> rows;
  ConstraintScores<Scalar> scores;
  std::vector<double> x;
  double epsilon, sensitivity;

  /// m constraints of d variables, some of them twice, one zero. `spread`: of the scores, in nats.
  LpSelectionCase(std::size_t m, std::size_t d, double spread, std::uint64_t seed)
      : program(prepared(m, d, seed)),
        rows(RowMatrix<Scalar>(program.rows)),
        scores(rows, program.bounds, 2.0),
        sensitivity(0.01) {
    PhiloxEngine engine(seed + 1);
    x = random_point(program.region, 0, engine);
    double low = HUGE_VAL, high = -HUGE_VAL;
    for (std::size_t i = 0; i < m; ++i) {
      const double excess = row_product(program.rows, i, x) - program.bounds[i];
      low = std::min(low, excess);
      high = std::max(high, excess);
    }
    epsilon = 2.0 * sensitivity * spread / (high - low);
  }
  LpSelectionCase(const LpSelectionCase&) = delete;

  /// epsilon / (2 D).
  double scale() const { return epsilon / (2.0 * sensitivity); }

  /// scale * (A_i x - b_i), b_i times `share_of_bounds`.
  std::vector<double> exponents(double share_of_bounds = 1.0) const {
    std::vector<double> values;
    for (std::size_t i = 0; i < program.bounds.size(); ++i)
      values.push_back(scale() *
                       (row_product(program.rows, i, x) - share_of_bounds * program.bounds[i]));
    return values;
  }

  std::vector<double> law() const { return softmax(exponents()); }

 private:
  static LinearProgram<Scalar> prepared(std::size_t m, std::size_t d, std::uint64_t seed) {
    auto program = feasible_program<Scalar>(m, ScaledSimplex::of_total(d), 0.5, 1, seed);
    if (m > 3) {
      program.rows.row(1).setZero();
      program.rows.row(3) = program.rows.row(2);
      program.bounds[3] = program.bounds[2];
    }
    return program;
  }
};

/// The constraints that `count` calls of select(x, epsilon, budget, engine) chose.
template <class Selector, class Scalar>
Counter count_selections(Selector& selector, const LpSelectionCase<Scalar>& c, std::uint64_t seed,
                         std::size_t count) {
  NotPrivateEngine engine(seed);
  Budget budget = Budget::pure(1e12);
  return count_draws(c.scores.size(), count,
                     [&] { return selector.select(c.x, c.epsilon, budget, engine).id; });
}

}  // namespace lazygumbel::testing
