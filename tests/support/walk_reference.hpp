#pragma once

#include <cstddef>
#include <lazygumbel/attention/walks/random_walk.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <span>
#include <string>
#include <vector>

#include "laws.hpp"

/// \file
/// Walks against the dense P: repeated estimates, their z-scores and mean squared errors.

namespace lazygumbel::testing {

/// softmax(scale Q K^T), row by row.
inline RowMatrix<double> dense_attention(const RowMatrix<double>& queries,
                                         const RowMatrix<double>& keys, double scale) {
  RowMatrix<double> p = scale * queries * keys.transpose();
  for (Eigen::Index i = 0; i < p.rows(); ++i) {
    p.row(i) = (p.row(i).array() - p.row(i).maxCoeff()).exp().matrix();
    p.row(i) /= p.row(i).sum();
  }
  return p;
}

/// Attention of 30 queries over 40 keys, flat enough that every position is reached; x, the output
/// gradient and the queries have one heavy row, so that both ways to step are taken.
struct WalkProblem {
  static constexpr std::size_t m = 30, n = 40, d = 4, dv = 3;
  static constexpr double scale = 0.4;
  RowMatrix<double> keys = gaussian_rows(n, d, 1), queries = heavy(gaussian_rows(m, d, 2), 2.0);
  RowMatrix<double> values = gaussian_rows(n, dv, 3),
                    gradient = heavy(gaussian_rows(m, dv, 4), 20.0);
  RowMatrix<double> x = heavy(gaussian_rows(m, 1, 5), 20.0);
  RowMatrix<double> p = dense_attention(queries, keys, scale);
  FlatIndex<double> index{keys};
  AttentionDraws<FlatIndex<double>> draws{index, {.scale = scale, .sampler = {.k = 6}}};
  AttentionSteps<FlatIndex<double>> steps{draws, queries};

  WalkProblem() = default;
  WalkProblem(const WalkProblem&) = delete;
  WalkProblem& operator=(const WalkProblem&) = delete;

  /// g_i.v_j - delta_i, m x n.
  RowMatrix<double> centred() const {
    const RowMatrix<double> products = gradient * values.transpose();
    return products.colwise() - delta_vector();
  }
  Vector<double> delta_vector() const {
    return p.cwiseProduct(gradient * values.transpose()).rowwise().sum();
  }
  std::vector<double> delta() const {
    const Vector<double> vector = delta_vector();
    return {vector.begin(), vector.end()};
  }

  static RowMatrix<double> heavy(RowMatrix<double> rows, double factor) {
    rows.row(7) *= factor;
    return rows;
  }
};

/// `runs` estimates, estimate(engine) -> WalkEstimate with engine r of the seed.
struct WalkRuns {
  std::vector<RowMatrix<double>> values;
  std::vector<Vector<double>> squared_standard_errors;
  std::vector<double> squared_norms;  // of standard_error_norm

  template <class MakeEstimate>
  WalkRuns(std::size_t runs, std::uint64_t seed, const MakeEstimate& make) {
    for (std::size_t r = 0; r < runs; ++r) {
      PhiloxEngine engine(seed, r);
      const WalkEstimate e = make(engine);
      values.push_back(e.value);
      squared_standard_errors.push_back(e.standard_error.cwiseAbs2());
      squared_norms.push_back(e.standard_error_norm * e.standard_error_norm);
    }
  }

  /// The z-score farthest from 0 of f(run) against expected(j, c) over all entries.
  template <class F, class Expected>
  double worst_z(Eigen::Index rows, Eigen::Index columns, const F& f,
                 const Expected& expected) const {
    double worst = 0.0;
    std::vector<double> sample(values.size());
    for (Eigen::Index j = 0; j < rows; ++j)
      for (Eigen::Index c = 0; c < columns; ++c) {
        for (std::size_t r = 0; r < sample.size(); ++r) sample[r] = f(r, j, c);
        const double z = z_of_mean(sample, expected(j, c));
        if (!(std::abs(z) <= std::abs(worst))) worst = z;
      }
    return worst;
  }

  double z_of_values(const RowMatrix<double>& truth) const {
    return worst_z(
        truth.rows(), truth.cols(),
        [&](std::size_t r, Eigen::Index j, Eigen::Index c) { return values[r](j, c); },
        [&](Eigen::Index j, Eigen::Index c) { return truth(j, c); });
  }
  /// Of |value_j - truth_j|^2 against `expected`.
  double z_of_errors(const RowMatrix<double>& truth, const Vector<double>& expected) const {
    return worst_z(
        truth.rows(), 1,
        [&](std::size_t r, Eigen::Index j, Eigen::Index) {
          return (values[r].row(j) - truth.row(j)).squaredNorm();
        },
        [&](Eigen::Index j, Eigen::Index) { return expected[j]; });
  }
  double z_of_standard_errors(const Vector<double>& expected) const {
    return worst_z(
        expected.size(), 1,
        [&](std::size_t r, Eigen::Index j, Eigen::Index) { return squared_standard_errors[r][j]; },
        [&](Eigen::Index j, Eigen::Index) { return expected[j]; });
  }
  double z_of_total(const RowMatrix<double>& truth, double expected) const {
    return worst_z(
        1, 1,
        [&](std::size_t r, Eigen::Index, Eigen::Index) {
          return (values[r] - truth).squaredNorm();
        },
        [&](Eigen::Index, Eigen::Index) { return expected; });
  }
  /// The relative error of the total's formula that z_of_total finds with probability 0.9 at p <
  /// 1e-6: 4.9 + 1.3 standard errors.
  double smallest_defect_of_total(const RowMatrix<double>& truth) const {
    std::vector<double> errors;
    for (const auto& value : values) errors.push_back((value - truth).squaredNorm());
    const auto [mean, variance] = mean_and_variance(errors);
    return 6.2 * std::sqrt(variance / static_cast<double>(errors.size())) / mean;
  }
  double mean_squared_error(const RowMatrix<double>& truth) const {
    double sum = 0.0;
    for (const auto& value : values) sum += (value - truth).squaredNorm();
    return sum / static_cast<double>(values.size());
  }
};

}  // namespace lazygumbel::testing
