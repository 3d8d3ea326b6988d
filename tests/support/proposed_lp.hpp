#pragma once

#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/lp/detail/lp_selectors.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <vector>

#include "laws.hpp"
#include "mwem_selection.hpp"
#include "sampled_clipping.hpp"

namespace lazygumbel::testing {

/// 80 constraints, right-hand sides, a point and epsilon, for the law of selection by a proposer.
struct ProposedLpCase {
  static constexpr std::size_t m = 80, d = 6;
  static constexpr double limit = 1.0, sensitivity = 0.1;
  double epsilon = 0.0;
  RowMatrix<double> matrix;
  std::vector<double> bounds, x;

  /// `scale`: of scores, in nats. `far`, unless 0: every third b, the others near the limit, so
  /// that what is clipped matters.
  static ProposedLpCase make(double scale, std::uint64_t seed, double far = 0.0) {
    ProposedLpCase c{
        2.0 * sensitivity * scale, uniform_rows<double>(m, d, seed),
        far == 0.0 ? uniform_bounds(m, -0.1, 0.3, seed) : uniform_bounds(m, 0.6, 0.9, seed),
        simplex_walk(d, 2, 3.0, seed)[1]};
    for (std::size_t i = 0; far != 0.0 && i < m; i += 3) c.bounds[i] = far;
    return c;
  }

  double scale() const { return epsilon / (2.0 * sensitivity); }

  /// s (A_i x - b_i), b clipped to the limit.
  std::vector<double> scores() const {
    std::vector<double> scores(m);
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < d; ++j)
        scores[i] += matrix(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) * x[j];
      scores[i] = scale() * (scores[i] - std::max(-limit, std::min(limit, bounds[i])));
    }
    return scores;
  }
  std::vector<double> law() const { return softmax(scores()); }

  /// (A_i, b_i), or A_i alone.
  RowMatrix<float> proposed(bool with_bounds) const {
    RowMatrix<float> rows(matrix.rows(), matrix.cols() + (with_bounds ? 1 : 0));
    rows.leftCols(matrix.cols()) = matrix.cast<float>();
    for (Eigen::Index i = 0; with_bounds && i < rows.rows(); ++i)
      rows(i, matrix.cols()) = static_cast<float>(bounds[static_cast<std::size_t>(i)]);
    return rows;
  }

  /// Draws by the mode itself.
  template <class Proposer>
  Counter draws(const LazyProposed<Proposer>& mode, std::size_t count, std::uint64_t seed) const {
    const RowStore<double> rows{RowMatrix<double>(matrix)};
    const ConstraintScores<double> constraint_scores(rows, bounds, limit);
    lazygumbel::detail::LpSelector<LazyProposed<Proposer>, double> selector(constraint_scores,
                                                                            sensitivity, mode);
    NotPrivateEngine engine(seed);
    Budget budget = Budget::pure(1e12);
    return count_draws(m, count, [&] { return selector.select(x, epsilon, budget, engine).id; });
  }

  /// How far an item outside the head of k exceeds the bound, in nats.
  template <MipsIndex Proposer>
  double miss(const Proposer& proposer, std::size_t k) const {
    const RowStore<double> rows{RowMatrix<double>(matrix)};
    const ConstraintScores<double> constraint_scores(rows, bounds, limit);
    return miss_gap(ProposedConstraintIndex<double, Proposer>(constraint_scores, proposer),
                    lp_theta(x, scale()), k);
  }
};

}  // namespace lazygumbel::testing
