#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/core/types.hpp>
#include <lazygumbel/privacy/lp/constraint_lp_bounds.hpp>
#include <lazygumbel/privacy/lp/detail/capped_projection.hpp>
#include <lazygumbel/privacy/lp/detail/constraint_dual.hpp>
#include <lazygumbel/privacy/lp/detail/vertex_scores.hpp>
#include <lazygumbel/privacy/lp/scaled_simplex.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <span>
#include <utility>
#include <vector>

namespace lazygumbel::testing {

/// Constraints A x <= b, m x d, as rows that come and go.
struct TestLp {
  std::vector<std::vector<double>> rows;
  std::vector<double> bounds;
  std::size_t d = 0;

  RowMatrix<double> matrix() const {
    RowMatrix<double> all(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(d));
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (std::size_t j = 0; j < d; ++j)
        all(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = rows[i][j];
    return all;
  }

  void add(std::vector<double> row, double bound) {
    rows.push_back(std::move(row));
    bounds.push_back(bound);
  }
};

/// Violations at the vertices of the standard simplex, of width 1.
inline lazygumbel::detail::VertexScores scores_of(const TestLp& lp) {
  const RowMatrix<double> matrix = lp.matrix();
  return {ScaledSimplex::of_total(lp.d), MatrixView<double>(matrix), lp.bounds, 1.0};
}

/// A row of entries in [-1, 1]: uniform, -1 and 1 only, or all the same.
inline std::vector<double> random_row(std::size_t d, std::uint32_t kind, PhiloxEngine& engine) {
  std::vector<double> row(d);
  const double same = 2.0 * open_uniform(engine) - 1.0;
  for (double& a : row) {
    a = 2.0 * open_uniform(engine) - 1.0;
    if (kind == 1) a = a < 0.0 ? -1.0 : 1.0;
    if (kind == 2) a = same;
  }
  return row;
}

/// An LP that some point of the standard simplex meets, with |A_ij - b_i| <= 1.
inline TestLp feasible_lp(std::size_t m, std::size_t d, PhiloxEngine& engine) {
  TestLp lp;
  lp.d = d;
  std::vector<double> hidden(d);
  double sum = 0.0;
  for (double& x : hidden) sum += x = -std::log(open_uniform(engine));
  for (std::size_t i = 0; i < m; ++i) {
    std::vector<double> row = random_row(d, 0, engine);
    double met = 0.0;
    for (std::size_t j = 0; j < d; ++j) {
      row[j] *= 0.5;
      met += row[j] * hidden[j] / sum;
    }
    lp.add(std::move(row), met);
  }
  return lp;
}

/// A wrong dual: the projected y takes the place of the weights.
class OverwrittenDual {
 public:
  OverwrittenDual(std::size_t m, double density, double rate)
      : rate_(rate), projection_(density), logs_(m, 0.0), weights_(m, 0.0) {
    projection_.project(logs_, weights_);
  }
  std::span<const double> weights() const { return weights_; }
  void add(std::span<const float> violations) {
    for (std::size_t i = 0; i < logs_.size(); ++i)
      logs_[i] = std::log(weights_[i]) + rate_ * static_cast<double>(violations[i]);
    projection_.project(logs_, weights_);
  }

 private:
  double rate_;
  CappedProjection projection_;
  std::vector<double> logs_, weights_;
};

}  // namespace lazygumbel::testing
