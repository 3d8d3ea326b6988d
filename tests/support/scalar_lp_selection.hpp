#pragma once

#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/lp/detail/lp_selectors.hpp>
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

/// `count` choices each at some points of a walk, by one selector, of which every step draws as it
/// goes: x moves from the case's point towards vertices, in steps of `stride` of the way, and
/// epsilon changes now and then. expect(counter, law, step) is called with the choices and the
/// exact law of each step that is looked at.
template <class Selector, class Scalar, class Expect>
void along_a_walk(Selector& selector, LpSelectionCase<Scalar>& c, double stride, std::size_t steps,
                  std::size_t count, std::uint64_t seed, Expect&& expect) {
  NotPrivateEngine engine(seed);
  Budget budget = Budget::pure(1e12);
  PhiloxEngine walk(seed + 1);
  for (std::size_t step = 0; step < steps; ++step) {
    const std::size_t to = uniform_index(static_cast<std::uint32_t>(c.x.size()), walk);
    for (std::size_t j = 0; j < c.x.size(); ++j)
      c.x[j] += stride * ((j == to ? c.program.region.vertex(j) : 0.0) - c.x[j]);
    if (step % 5 == 4) c.epsilon *= step % 2 == 0 ? 1.5 : 0.7;
    const auto draw = [&] { return selector.select(c.x, c.epsilon, budget, engine).id; };
    if (step % 4 == 0)
      expect(count_draws(c.scores.size(), count, draw), c.law(), step);
    else
      draw();
  }
}

}  // namespace lazygumbel::testing
