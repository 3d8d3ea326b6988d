#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/core/types.hpp>
#include <lazygumbel/privacy/lp/scaled_simplex.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <span>
#include <vector>

/// \file
/// Linear programs for the tests of private ones, and what is true of them by brute force.

namespace lazygumbel::testing {

/// Find x in `region` with rows x <= bounds.
template <class Scalar>
struct LinearProgram {
  RowMatrix<Scalar> rows;
  ScaledSimplex region;
  std::vector<double> bounds;
};

/// A_i x, in long double.
template <class Scalar>
double row_product(const RowMatrix<Scalar>& rows, std::size_t i, std::span<const double> x) {
  long double sum = 0.0L;
  for (std::size_t j = 0; j < x.size(); ++j)
    sum +=
        static_cast<long double>(rows(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j))) *
        static_cast<long double>(x[j]);
  return static_cast<double>(sum);
}

/// max_i (A_i x - b_i).
template <class Scalar>
double worst_excess(const LinearProgram<Scalar>& program, std::span<const double> x) {
  double worst = -HUGE_VAL;
  for (std::size_t i = 0; i < program.bounds.size(); ++i)
    worst = std::max(worst, row_product(program.rows, i, x) - program.bounds[i]);
  return worst;
}

/// A point of the region: random weights on all vertices, or on `sparse` > 0 neighbouring ones
/// alone.
inline std::vector<double> random_point(const ScaledSimplex& region, std::size_t sparse,
                                        PhiloxEngine& engine) {
  std::vector<double> weights(region.dimension(), 0.0);
  double sum = 0.0;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    if (sparse > 0 && j >= sparse) break;
    sum += weights[j] = -std::log(open_uniform(engine));
  }
  for (double& w : weights) w /= sum;
  const auto turn = uniform_index(static_cast<std::uint32_t>(weights.size()), engine);
  std::rotate(weights.begin(), weights.begin() + turn, weights.end());
  region.point(weights, weights);
  return weights;
}

/// A program that a random x* meets, half of its constraints with nothing to spare: entries
/// uniform in [-1, 1] / v_j, bounds A x* + slack, slack 0 or up to `room`.
template <class Scalar>
LinearProgram<Scalar> feasible_program(std::size_t m, const ScaledSimplex& region, double room,
                                       std::size_t sparse, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  const std::size_t d = region.dimension();
  LinearProgram<Scalar> program{
      RowMatrix<Scalar>(static_cast<Eigen::Index>(m), static_cast<Eigen::Index>(d)), region, {}};
  const std::vector<double> x = random_point(region, sparse, engine);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < d; ++j)
      program.rows(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) =
          static_cast<Scalar>((2.0 * open_uniform(engine) - 1.0) / region.vertex(j));
    const double slack = open_uniform(engine) < 0.5 ? 0.0 : room * open_uniform(engine);
    program.bounds.push_back(row_product(program.rows, i, x) + slack);
  }
  return program;
}

/// The theta of constraints (A_i, b_i) whose scores are scale * (A_i x - b_i): scale * (x, -1).
inline Vector<double> lp_theta_of(const std::vector<double>& x, double scale) {
  Vector<double> theta(static_cast<Eigen::Index>(x.size()) + 1);
  for (std::size_t j = 0; j < x.size(); ++j) theta[static_cast<Eigen::Index>(j)] = scale * x[j];
  theta[theta.size() - 1] = -scale;
  return theta;
}

}  // namespace lazygumbel::testing
