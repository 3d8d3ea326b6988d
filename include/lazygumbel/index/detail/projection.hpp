#pragma once

#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/uniform.hpp"

/// \file
/// Orthonormal projections of rows to fewer dimensions. Everything that Eigen might split among
/// threads runs inside parallel_for in pieces of fixed size: the same numbers for any threads.

namespace lazygumbel::detail {

/// d x d', orthonormal columns.
template <class Scalar>
using Projection = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

/// An orthonormal basis of a uniformly random subspace: the Q of a Gaussian matrix. O(d d'^2).
template <class Scalar>
Projection<Scalar> random_directions(Eigen::Index dimension, Eigen::Index kept,
                                     std::uint64_t seed) {
  PhiloxEngine engine(seed);
  using Real = Later<double, Scalar>;
  Eigen::MatrixX<Real> gaussian(dimension, kept);
  for (double& entry : gaussian.reshaped()) {  // Box and Muller
    const double radius = std::sqrt(-2.0 * std::log(open_uniform(engine)));
    entry = radius * std::cos(2.0 * std::numbers::pi * open_uniform(engine));
  }
  Projection<Scalar> directions;
  parallel_for(1, 1, [&](std::size_t) {
    const Eigen::HouseholderQR<Eigen::MatrixX<Real>> qr(gaussian);
    const Eigen::MatrixX<Real> basis =
        qr.householderQ() * Eigen::MatrixX<Real>::Identity(dimension, kept);
    directions = basis.template cast<Scalar>();
  });
  return directions;
}

/// The same where there are fewer rows than dimensions: from the eigenvectors u of the rows' inner
/// products, since X^T u is an eigenvector of X^T X. Householder's Q makes them orthonormal and,
/// where the rows span less than `kept` dimensions, completes them. O(n^2 d + n^3).
template <class Scalar>
Projection<Scalar> principal_directions_of_few(const RowMatrix<Later<double, Scalar>>& rows,
                                               Eigen::Index kept) {
  using Real = Later<double, Scalar>;
  Projection<Scalar> directions;
  parallel_for(1, 1, [&](std::size_t) {
    const Eigen::MatrixX<Real> products = rows * rows.transpose();
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixX<Real>> solver(products);  // eigenvalues rise
    const Eigen::Index known = (std::min)(kept, rows.rows());
    Eigen::MatrixX<Real> spanning = Eigen::MatrixX<Real>::Zero(rows.cols(), kept);
    spanning.leftCols(known).noalias() =
        rows.transpose() * solver.eigenvectors().rightCols(known).rowwise().reverse();
    const Eigen::HouseholderQR<Eigen::MatrixX<Real>> qr(spanning);
    const Eigen::MatrixX<Real> basis =
        qr.householderQ() * Eigen::MatrixX<Real>::Identity(rows.cols(), kept);
    directions = basis.template cast<Scalar>();
  });
  return directions;
}

/// The leading eigenvectors of the second moment sum_i x_i x_i^T over at most `sample` evenly
/// spaced rows, divided by `max_norm` first so that no square overflows. O(sample d^2 + d^3),
/// or O(sample^2 d + sample^3) where that is less.
template <class Scalar>
Projection<Scalar> principal_directions(const MatrixView<Scalar>& rows, double max_norm,
                                        std::size_t sample, Eigen::Index kept,
                                        std::size_t threads) {
  using Real = Later<double, Scalar>;
  const Eigen::Index d = rows.cols();
  const auto count =
      static_cast<Eigen::Index>((std::min)(sample, static_cast<std::size_t>(rows.rows())));
  RowMatrix<Real> unit(count, d);
  for (Eigen::Index i = 0; i < count; ++i)
    unit.row(i) =
        rows.row(i * rows.rows() / count).template cast<Real>() / (max_norm > 0.0 ? max_norm : 1.0);
  if (count < d) return principal_directions_of_few<Scalar>(unit, kept);
  Eigen::MatrixX<Real> moment(d, d);
  constexpr Eigen::Index stripe = 64;
  parallel_for(static_cast<std::size_t>((d + stripe - 1) / stripe), threads, [&](std::size_t part) {
    const Eigen::Index first = static_cast<Eigen::Index>(part) * stripe;
    const Eigen::Index width = (std::min)(stripe, d - first);
    moment.middleCols(first, width).noalias() = unit.transpose() * unit.middleCols(first, width);
  });
  Projection<Scalar> directions;
  parallel_for(1, 1, [&](std::size_t) {
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixX<Real>> solver(moment);  // eigenvalues rise
    directions = solver.eigenvectors().rightCols(kept).template cast<Scalar>();
  });
  return directions;
}

/// rows times directions, n x d'.
template <class Scalar>
RowMatrix<Scalar> project_rows(const MatrixView<Scalar>& rows, const Projection<Scalar>& directions,
                               std::size_t threads) {
  constexpr Eigen::Index block = 1024;
  RowMatrix<Scalar> projected(rows.rows(), directions.cols());
  parallel_for(
      static_cast<std::size_t>((rows.rows() + block - 1) / block), threads, [&](std::size_t part) {
        const Eigen::Index first = static_cast<Eigen::Index>(part) * block;
        const Eigen::Index height = (std::min)(block, rows.rows() - first);
        projected.middleRows(first, height).noalias() = rows.middleRows(first, height) * directions;
      });
  return projected;
}

}  // namespace lazygumbel::detail
