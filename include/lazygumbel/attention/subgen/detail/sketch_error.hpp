#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>

#include "lazygumbel/attention/exact/detail/draw_error.hpp"
#include "lazygumbel/attention/subgen/detail/sketch_estimate.hpp"

namespace lazygumbel::detail {

/// sum_j |v_j - c|^2 over all tokens of a sketch.
inline double squares_around(const TokenSums& sums, std::span<const double> c) {
  double own = 0.0, cross = 0.0;
  for (std::size_t i = 0; i < c.size(); ++i) {
    own += c[i] * c[i];
    cross += c[i] * sums.value_sum[i];
  }
  return (std::max)(0.0, sums.squares - 2.0 * cross + static_cast<double>(sums.tokens) * own);
}

/// An upper bound of E |N^ - N|^2 / Z^2 of s slots, |p|^2 being an estimate: of `plain`
/// |V|_F^2 |p|^2 / s, a theorem (|o|^2 / s too much); of the others, where values do not know of
/// the keys, 2 sum_j |v_j - c|^2 |p|^2 / s around their centre c, o or the mean of all values,
/// since at least half of a slot's chance is the uniform one. |p|^2 comes from the clusters, which
/// see lone keys that no slot may hold.
inline double slot_bound(SubGenEstimator estimator, const TokenSums& sums, double p_squared,
                         std::size_t slots, std::span<const double> output) {
  const double each = p_squared / static_cast<double>(slots);
  if (estimator == SubGenEstimator::plain) return sums.squares * each;
  if (estimator == SubGenEstimator::self_normalised)
    return 2.0 * squares_around(sums, output) * each;
  double mean = 0.0;
  for (const double x : sums.value_sum) mean += x * x;
  return 2.0 * (std::max)(0.0, sums.squares - mean / static_cast<double>(sums.tokens)) * each;
}

/// A bound like slot_bound's, whatever values know of keys. For `plain` a theorem; with the others
/// a token adds p_j^2 |v_j - c|^2 / (s pi_j), pi_j = 1 / (2 n) + |v_j|^2 / (2 mu) with mu = sum
/// |v|^2, where |v_j - c|^2 / pi_j is at most 2 (mu + n |c|^2), by (a + b)^2 <= (a^2 / mu + 1 / n)
/// (mu + n b^2), and at most 2 n times the largest |v - c|^2.
inline double worst_slot_bound(SubGenEstimator estimator, const TokenSums& sums, double p_squared,
                               std::size_t slots, std::span<const double> c) {
  const auto n = static_cast<double>(sums.tokens), s = static_cast<double>(slots);
  if (estimator == SubGenEstimator::plain) return sums.squares * p_squared / s;
  double square = 0.0;
  for (const double x : c) square += x * x;
  const double largest = sums.largest + std::sqrt(square);
  return 2.0 * p_squared / s *
         (std::min)(sums.squares + n * square,
                    n * (std::min)(largest * largest, squares_around(sums, c)));
}

/// The 1 - delta quantile of |N^ - o Z^| / Z^ for the output `o` of all tokens, of whose weight the
/// sketch has `share`, given what was left in `work`; `quantile` is the normal one of 1 - delta.
///
/// From the deviations N_b - o Z_b of batches, each over 1 - h_b, h_b its share of all weight: as
/// if the batch had been left out of what it is held against (the jackknife of a ratio), which a
/// sum of few large weights would else make too small. With `centred`, one more sample of each
/// cluster, unlike those that are there: where all weights of a sample are equal, it sees no
/// deviation.
template <std::same_as<double> Real>  // a template: core/detail/later.hpp
Real sketch_error(const SketchRow& row, SubGenEstimator estimator, const TokenSums& sums,
                  std::size_t slots, std::span<const double> o, double share, double quantile,
                  const SketchWork& work) {
  const auto dv = static_cast<Eigen::Index>(o.size());
  const bool stratified = is_stratified(estimator);
  if (row.exact) return 0.0;
  Vector<Real> centre(dv);  // of the values whose sum is estimated
  for (Eigen::Index i = 0; i < dv; ++i) {
    const auto at = static_cast<std::size_t>(i);
    centre[i] = stratified                            ? o[at]
                : estimator == SubGenEstimator::plain ? 0.0
                : estimator == SubGenEstimator::self_normalised
                    ? work.output[at]
                    : sums.value_sum[at] / static_cast<double>(sums.tokens);
  }
  double square = 0.0;
  for (const double x : o) square += x * x;
  // Deviations of the batches, around their mean.
  double seen = 0.0, degrees = 1.0;
  if (row.batches > 1) {
    RowMatrix<Real> rows = work.sums.leftCols(dv).template cast<Real>();
    for (Eigen::Index b = 0; b < rows.rows(); ++b) {
      const double mass = work.masses[static_cast<std::size_t>(b)] * row.scale;
      const double left = (std::max)(0.1, 1.0 - share * work.shares[static_cast<std::size_t>(b)]);
      rows.row(b) = (rows.row(b) * row.scale - mass * centre.transpose()) / left;
    }
    const Eigen::RowVectorX<Real> mean = rows.colwise().mean();
    rows.rowwise() -= mean;
    const RowMatrix<Real> products = rows * rows.transpose();
    const auto m = static_cast<std::size_t>(rows.rows());
    seen = row.variance * products.trace() / static_cast<double>(m - 1);
    if (seen > 0.0 && m > 3)
      // Of the ratio of a chi-square variable and one that is seen from m - 1 deviations.
      degrees = error_degrees(std::span<const double>(products.data(), m * m), m,
                              static_cast<double>(dv)) *
                static_cast<double>(m - 1) / static_cast<double>(m);
  }
  if (stratified) {
    double unseen = work.unseen.squares;  // sum of u |v - o|^2
    for (std::size_t i = 0; i < o.size(); ++i)
      unseen += o[i] * (o[i] * work.unseen.weights - 2.0 * work.unseen.values[i]);
    unseen = (std::max)(0.0, unseen) / (row.normaliser.sum * row.normaliser.sum);
    const HiddenMembers& hidden = row.normaliser.hidden;
    const bool centred = estimator == SubGenEstimator::centred;
    return norm_quantile(degrees, quantile) * std::sqrt(seen + unseen) +
           hidden_part(centred ? hidden.shift : hidden.weight, share) *
               (sums.largest + std::sqrt(square));
  }
  // By the slots' formula too: where few of them carry the weight they do not tell of each other.
  const double p_squared = row.normaliser.squares + row.normaliser.hidden.squares;
  double formula = worst_slot_bound(estimator, sums, p_squared, slots, {centre.data(), o.size()});
  if (estimator == SubGenEstimator::plain)
    for (const double x : work.output) formula -= x * x / static_cast<double>(slots);
  if (static_cast<double>(slots) < 8.0 * p_squared * static_cast<double>(sums.tokens))
    degrees = 1.0;
  const double of_sum = (std::max)(seen, formula);
  const double distance =  // what an error of Z^ moves
      (Eigen::Map<const Vector<Real>>(o.data(), dv) - centre).squaredNorm();
  const double of_normaliser = distance * row.normaliser.variance, both = of_sum + of_normaliser;
  const double of_hidden = hidden_part(row.normaliser.hidden.shift, share) * std::sqrt(distance);
  if (!(both > 0.0) || std::isinf(both)) return both + of_hidden;
  const double all_degrees =
      both * both / (of_sum * of_sum / degrees + of_normaliser * of_normaliser);
  return norm_quantile(all_degrees, quantile) * std::sqrt(both) + of_hidden;
}

/// The error of the log of all weight, of which the sketch has `share`: from the deviations of its
/// samples and what they hide. Z is no smaller than what is kept of it.
inline double sketch_log_error(const SketchRow& row, double share, double quantile) {
  if (row.normaliser.variance == 0.0 && row.normaliser.hidden.shift == 0.0) return 0.0;
  const double off = share * (norm_quantile(1.0, quantile) * std::sqrt(row.normaliser.variance) +
                              row.normaliser.hidden.shift);
  const double kept = -std::log(1.0 - share * (1.0 - row.normaliser.seen));
  return (std::max)(std::log1p(off), off < 1.0 ? (std::min)(-std::log1p(-off), kept) : kept);
}

}  // namespace lazygumbel::detail
