#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <numeric>
#include <utility>
#include <vector>

#include "laws.hpp"

/// \file
/// Hostile data for estimators: values that few draws meet, and rows that their codes hide.

namespace lazygumbel::testing {

/// 0, but for `count` items far apart, of value `value`.
inline std::vector<double> rare_values(std::size_t n, std::size_t count, double value) {
  std::vector<double> values(n, 0.0);
  for (std::size_t j = 0; j < count; ++j) values[(j * (n / count) + 7) % n] = value;
  return values;
}

/// 1, and `value` for `count` items.
inline std::vector<double> lone_values(std::size_t n, std::size_t count, double value) {
  std::vector<double> values = rare_values(n, count, value - 1.0);
  for (double& v : values) v += 1.0;
  return values;
}

/// Pareto with tail index `index`: P(v > x) = x^-index.
inline std::vector<double> pareto_values(std::size_t n, double index, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  std::vector<double> values(n);
  for (double& v : values) v = std::pow(open_uniform(engine), -1.0 / index);
  return values;
}

/// Rows that four bits hold all but exactly, except for `hidden` of them, far apart, which have
/// about `share` of Z: their residuals point along theta.
struct AlignedRows {
  RowMatrix<float> rows;
  Vector<float> theta;
};

/// What the codes make of the rows of an index: the middle of the bounds for the unit vectors.
inline RowMatrix<float> decoded_rows(const ScalarQuantizedIndex<float>& index) {
  RowMatrix<float> decoded(index.rows().rows(), index.rows().cols());
  std::vector<float> lower(index.size()), upper(index.size());
  for (Eigen::Index j = 0; j < decoded.cols(); ++j) {
    index.score_bounds(Vector<float>::Unit(decoded.cols(), j), lower, upper);
    for (Eigen::Index i = 0; i < decoded.rows(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      decoded(i, j) = 0.5F * (lower[at] + upper[at]);
    }
  }
  return decoded;
}

inline AlignedRows aligned_rows(std::size_t n, std::size_t d, float length, std::size_t hidden,
                                double share, std::uint64_t seed) {
  AlignedRows data;
  data.theta = gaussian_query<float>(d, seed);
  data.theta *= length / data.theta.norm();
  const ScalarQuantizedIndex<float> index(gaussian_rows<float>(n, d, seed + 1));
  data.rows = decoded_rows(index);
  LogSumExp sum;
  for (Eigen::Index i = 0; i < data.rows.rows(); ++i)
    sum.add(static_cast<double>(data.rows.row(i).dot(data.theta)));
  const double wanted = sum.value() + std::log(share / static_cast<double>(hidden));
  // Some of them moved along theta by several parts of their residuals' lengths; the best hidden of
  // those that weigh what is wanted.
  constexpr Eigen::Index tried = 4096, parts = 5;
  RowMatrix<float> moved(tried * parts, data.rows.cols());
  for (Eigen::Index i = 0; i < tried; ++i) {
    const float residual = (index.rows().row(i) - data.rows.row(i)).norm();
    for (Eigen::Index p = 0; p < parts; ++p)
      moved.row(parts * i + p) = data.rows.row(i) + (0.3F + 0.15F * static_cast<float>(p)) *
                                                        residual / length * data.theta.transpose();
  }
  const ScalarQuantizedIndex<float> variants(moved);
  std::vector<float> lower(variants.size()), upper(variants.size());
  variants.score_bounds(data.theta, lower, upper);
  std::vector<std::pair<double, Eigen::Index>> ranked;
  for (Eigen::Index i = 0; i < moved.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const auto score = static_cast<double>(moved.row(i).dot(data.theta));
    if (std::abs(score - wanted) < 0.7)
      ranked.emplace_back(0.5 * static_cast<double>(lower[at] + upper[at]) - score, i);
  }
  std::sort(ranked.begin(), ranked.end());
  for (std::size_t i = 0; i < std::min(hidden, ranked.size()); ++i)
    data.rows.row(static_cast<Eigen::Index>(i * (n / hidden))) = moved.row(ranked[i].second);
  return data;
}

}  // namespace lazygumbel::testing
