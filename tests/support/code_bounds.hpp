#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "indexes.hpp"

/// \file
/// Whether the score bounds of coded rows hold, and the rows and queries that come nearest to
/// breaking them. Shared by the test and its negative control.

namespace lazygumbel::testing {

/// What `BoundCheck` saw.
struct BoundReport {
  std::size_t pairs = 0;       ///< of a row and a query
  std::size_t broken = 0;      ///< with a score outside its bounds
  std::size_t refused = 0;     ///< queries that were refused as too long
  double largest_ratio = 0.0;  ///< |score - estimate| / error, over all pairs
};

/// <q, x_i> for all rows in long double: for float rows every product is exact and the sum within
/// d 2^-64 of the sum of their magnitudes, a millionth of what `score` may round; for double rows
/// within 2 d 2^-64, a thousandth.
template <class Scalar>
std::vector<long double> long_scores(const RowMatrix<Scalar>& rows, const Vector<Scalar>& query) {
  std::vector<long double> scores(static_cast<std::size_t>(rows.rows()), 0.0L);
  for (Eigen::Index i = 0; i < rows.rows(); ++i)
    for (Eigen::Index j = 0; j < rows.cols(); ++j)
      scores[static_cast<std::size_t>(i)] +=
          static_cast<long double>(rows(i, j)) * static_cast<long double>(query[j]);
  return scores;
}

/// Holds the bounds of one query against the true scores and those that `score` computes. The
/// errors (half the distance of the bounds) are first multiplied by `factor`: 1 is the claim, less
/// must be found out.
template <class Scalar>
void check_bounds(const ScalarQuantizedIndex<Scalar>& index, const Vector<Scalar>& query,
                  const std::vector<long double>& truth, BoundReport& report, double factor = 1.0) {
  std::vector<float> lower(index.size()), upper(index.size());
  index.score_bounds(query, lower, upper);
  for (item_id i = 0; i < index.size(); ++i) {
    const long double low = static_cast<long double>(lower[i]),
                      high = static_cast<long double>(upper[i]);
    const long double estimate = 0.5L * (low + high), error = 0.5L * (high - low);
    ++report.pairs;
    if (!(error >= 0.0L) || !std::isfinite(upper[i]) || !std::isfinite(lower[i])) ++report.broken;
    for (const long double y : {truth[i], static_cast<long double>(index.score(query, i))}) {
      const bool holds = factor == 1.0
                             ? low <= y && y <= high
                             : std::abs(y - estimate) <= static_cast<long double>(factor) * error;
      if (!holds) ++report.broken;
      if (error > 0.0L)
        report.largest_ratio =
            (std::max)(report.largest_ratio, static_cast<double>(std::abs(y - estimate) / error));
    }
  }
}

/// The rows that the codes stand for, taken apart byte by byte.
template <class Scalar>
RowMatrix<double> decoded_rows(int bits, const RowMatrix<Scalar>& rows) {
  namespace code = lazygumbel::detail;
  code::RowCodes codes(bits, static_cast<std::size_t>(rows.cols()));
  codes.template append<Scalar>(rows, 1);
  RowMatrix<double> decoded(rows.rows(), rows.cols());
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    const auto tile = static_cast<std::size_t>(i) / code::tile_rows;
    const auto r = static_cast<std::size_t>(i) % code::tile_rows;
    const std::uint32_t word = codes.words(tile)[r];
    const auto scale = static_cast<double>(std::bit_cast<float>(word & 0xffff0000U));
    const double zero = static_cast<double>(word >> 8 & 255U) / (bits == 4 ? 16.0 : 1.0);
    for (Eigen::Index j = 0; j < rows.cols(); ++j) {
      const auto at = static_cast<std::size_t>(j);
      const std::uint8_t byte =
          codes.tile(tile)[at / code::group_dimensions(bits) * code::group_bytes + 4 * r + at % 4];
      const int level = bits == 8 ? byte : at % 8 < 4 ? byte & 15 : byte >> 4;
      decoded(i, j) = scale * (level - zero);
    }
  }
  return decoded;
}

/// The query that is worst for row i, `length` long: along what its codes leave out.
template <class Scalar>
Vector<Scalar> worst_query(const RowMatrix<Scalar>& rows, const RowMatrix<double>& decoded,
                           Eigen::Index i, double length) {
  Vector<double> direction =
      rows.row(i).transpose().template cast<double>() - decoded.row(i).transpose();
  direction.stableNormalize();
  return (length * direction).template cast<Scalar>();
}

/// Rows whose codes leave out as much as codes can: one coordinate spans all levels, the others lie
/// close to the middle between two.
template <class Scalar>
RowMatrix<Scalar> half_step_rows(std::size_t n, std::size_t d, int bits, std::uint64_t seed) {
  RowMatrix<Scalar> rows = gaussian_rows<Scalar>(n, d, seed) * Scalar(1e-4);
  const auto levels = static_cast<Scalar>(bits == 4 ? 15 : 255);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    for (Eigen::Index j = 0; j < rows.cols(); ++j)
      rows(i, j) += rows(i, j) > 0 ? Scalar(1.48) : Scalar(1.52);
    rows(i, 0) = levels;
  }
  return rows;
}

/// A query whose own coding leaves out as much as it can, and rows along what is left out, which
/// are coded without any loss: zeros and the highest level.
template <class Scalar>
Vector<Scalar> half_step_query(std::size_t d, int bits) {
  Vector<Scalar> query =
      Vector<Scalar>::Constant(static_cast<Eigen::Index>(d), static_cast<Scalar>(0.49));
  query[0] = static_cast<Scalar>(bits == 4 ? 118 : 127);
  return query;
}

template <class Scalar>
RowMatrix<Scalar> lossless_rows(std::size_t n, std::size_t d, int bits) {
  RowMatrix<Scalar> rows(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(d));
  rows.setConstant(static_cast<Scalar>(bits == 4 ? 15 : 255));
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    rows(i, 0) = 0;
    for (Eigen::Index j = 1; j < rows.cols(); ++j)
      if ((i + j) % (i + 2) == 0) rows(i, j) = 0;  // row 0 loses half, later rows less
  }
  return rows;
}

}  // namespace lazygumbel::testing
