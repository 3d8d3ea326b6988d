#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <lazygumbel/privacy/lp/detail/constraint_scores.hpp>
#include <lazygumbel/privacy/lp/detail/scalar_lp_plan.hpp>
#include <vector>

#include "linear_programs.hpp"

// The sensitivity that private linear programs state holds of the scores as they are computed,
// rounding included: |score - score'| / s <= D on random neighbours, among them the worst, where
// every bound, or every entry, moves by the whole distance. Nothing is random but the programs:
// there are no false alarms. Power: distances are as small as 1e-12 of the width, where rounding is
// most of D; the largest ratio seen is asserted to be above 0.9 where rounding plays no part, and
// without the allowance for rounding the bound is asserted to break.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::scalar_lp_size;

struct Seen {
  double largest = 0.0;    ///< |score - score'| / (s D)
  double unrounded = 0.0;  ///< the same over the sensitivity without its allowance for rounding
};

/// A vertex, a corner of few vertices or any point.
std::vector<double> some_point(const ScaledSimplex& region, PhiloxEngine& engine) {
  return random_point(region, uniform_index(4, engine), engine);
}

ScaledSimplex some_region(std::size_t d, PhiloxEngine& engine) {
  std::vector<double> objective;
  for (std::size_t j = 0; j < d; ++j) objective.push_back(std::exp(4.0 * open_uniform(engine)));
  return ScaledSimplex::of_objective(objective, std::exp(20.0 * (open_uniform(engine) - 0.5)));
}

template <class Scalar>
Seen bounds_fuzz(int trials, double least_distance) {
  PhiloxEngine engine(1);
  Seen seen;
  for (int trial = 0; trial < trials; ++trial) {
    constexpr std::size_t m = 12;
    const ScaledSimplex region = some_region(1 + uniform_index(60, engine), engine);
    const auto program =
        feasible_program<Scalar>(m, region, 0.5, 0, 100 + static_cast<std::uint64_t>(trial));
    const double distance = std::exp(std::log(least_distance) * open_uniform(engine));
    const RowStore<Scalar> rows{RowMatrix<Scalar>(program.rows)};
    const auto size = scalar_lp_size(rows, region, {.sensitivity = distance});
    std::vector<double> b(m), other(m);
    for (std::size_t i = 0; i < m; ++i) {
      const std::uint32_t kind = uniform_index(4, engine);
      const double reach = kind == 0 ? 1e300 : kind == 1 ? 3.0 : kind == 2 ? 1.0 : distance;
      b[i] = reach * (2.0 * open_uniform(engine) - 1.0);
      other[i] = b[i] + (open_uniform(engine) < 0.5 ? distance : -distance);
      // Neighbours in real numbers: the sum above was rounded.
      if (std::abs(static_cast<long double>(other[i]) - static_cast<long double>(b[i])) > distance)
        other[i] = std::nextafter(other[i], b[i]);
    }
    const ConstraintScores<Scalar> scores(rows, b, size.width), others(rows, other, size.width);
    const double scale = std::exp(20.0 * (open_uniform(engine) - 0.5)) / size.sensitivity;
    if (!(scale * region.radius() * rows.max_norm() < 1e38)) continue;
    const Vector<double> theta = lp_theta_of(some_point(region, engine), scale);
    for (item_id id = 0; id < m; ++id) {
      const double moved = std::abs(scores.score(theta, id) - others.score(theta, id)) / scale;
      EXPECT_LE(moved, size.sensitivity);
      seen.largest = std::max(seen.largest, moved / size.sensitivity);
      seen.unrounded = std::max(seen.unrounded, moved / distance);
    }
  }
  return seen;
}

TEST(ScalarLpSensitivity, NeighbouringBounds) {
  const Seen floats = bounds_fuzz<float>(3000, 1e-4), doubles = bounds_fuzz<double>(3000, 1e-4);
  EXPECT_GT(floats.largest, 0.9);
  EXPECT_GT(doubles.largest, 0.9);
  EXPECT_GT(bounds_fuzz<double>(3000, 1e-14).unrounded, 1.0 + 1e-6);
  EXPECT_GT(bounds_fuzz<float>(3000, 1e-14).unrounded, 1.0 + 1e-6);
}

/// Entries of a matrix as the mechanism clips them.
template <class Scalar>
RowMatrix<Scalar> clipped(RowMatrix<Scalar> rows, const ScaledSimplex& region, double width) {
  for (Eigen::Index j = 0; j < rows.cols(); ++j) {
    const auto limit = static_cast<Scalar>(width / region.vertex(static_cast<std::size_t>(j)));
    rows.col(j) = rows.col(j).cwiseMin(limit).cwiseMax(-limit).eval();
  }
  return rows;
}

template <class Scalar>
Seen matrix_fuzz(int trials, double least_distance) {
  PhiloxEngine engine(2);
  Seen seen;
  for (int trial = 0; trial < trials; ++trial) {
    constexpr std::size_t m = 12;
    const std::size_t d = 1 + uniform_index(60, engine);
    const ScaledSimplex region =
        trial % 2 == 0 ? ScaledSimplex::of_total(d) : some_region(d, engine);
    const auto program =
        feasible_program<Scalar>(m, region, 0.5, 0, 9000 + static_cast<std::uint64_t>(trial));
    const double distance =
        std::exp(std::log(least_distance) * open_uniform(engine)) / region.radius();
    const double width = trial % 5 == 0 ? 0.5 : 1.0;  // some entries are clipped
    const auto size = scalar_lp_size(
        RowStore<Scalar>{RowMatrix<Scalar>(program.rows)}, region,
        {.neighbours = LpNeighbours::matrix, .sensitivity = distance, .width = width});
    RowMatrix<Scalar> other = program.rows;
    for (Eigen::Index i = 0; i < other.rows(); ++i) {
      const std::uint32_t kind = uniform_index(3, engine);  // all up, all down, any way
      for (Eigen::Index j = 0; j < other.cols(); ++j) {
        const bool up = kind == 0 || (kind == 2 && open_uniform(engine) < 0.5);
        const auto was = static_cast<long double>(other(i, j));
        auto now = static_cast<Scalar>(was + (up ? distance : -distance));
        if (std::abs(static_cast<long double>(now) - was) > distance)
          now = std::nextafter(now, other(i, j));
        other(i, j) = now;
      }
    }
    const RowStore<Scalar> a{clipped<Scalar>(program.rows, region, width)},
        c{clipped<Scalar>(other, region, width)};
    const ConstraintScores<Scalar> scores(a, program.bounds, width),
        others(c, program.bounds, width);
    const double scale = std::exp(20.0 * (open_uniform(engine) - 0.5)) / size.sensitivity;
    if (!(scale * region.radius() * a.max_norm() < 1e38)) continue;
    const Vector<double> theta = lp_theta_of(some_point(region, engine), scale);
    for (item_id id = 0; id < m; ++id) {
      const double moved = std::abs(scores.score(theta, id) - others.score(theta, id)) / scale;
      EXPECT_LE(moved, size.sensitivity);
      seen.largest = std::max(seen.largest, moved / size.sensitivity);
      seen.unrounded = std::max(seen.unrounded, moved / (distance * region.radius()));
    }
  }
  return seen;
}

TEST(ScalarLpSensitivity, NeighbouringMatrices) {
  const Seen floats = matrix_fuzz<float>(3000, 1e-2), doubles = matrix_fuzz<double>(3000, 1e-2);
  EXPECT_GT(floats.largest, 0.9);
  EXPECT_GT(doubles.largest, 0.9);
  EXPECT_GT(matrix_fuzz<float>(3000, 1e-9).unrounded, 1.0 + 1e-3);
  EXPECT_GT(matrix_fuzz<double>(3000, 1e-16).unrounded, 1.0 + 1e-3);
}

}  // namespace
}  // namespace lazygumbel::testing
