#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lazygumbel/attention/exact/detail/attention_plan.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/core/detail/later.hpp"

namespace lazygumbel::detail {

/// One row of a segment for `draw_influence`.
struct InfluenceRow {
  std::uint32_t row;
  const float *query, *gradient;  ///< the query scaled
  double log_z, delta, softcap;
  const float* center;
  bool centered;  ///< whether the mean's square is taken off `plain`
};

/// Sums over a row's l draws of |x_t|^2, less l |mean x|^2.
struct Influence {
  double plain = 0.0;  ///< x_t = ds_t (k_t - center)
  double full = 0.0;   ///< with what a draw does through Z^ and o^, which it is part of, too
};

/// How the draws move a query's self-normalised gradient, to first order. With the uncapped weight
/// of the score's slope c_t, K = sum_j p_j c_j k_j and F = sum_j ds_j k_j,
///   x_t = p_t (<g, v_t> - delta) (c_t k_t - K) - p_t F.
/// O(keys of the row's blocks d).
template <StorageScalar T>
Influence draw_influence(const PlanSegment& segment, const InfluenceRow& row,
                         const RowPointer<T>& keys, const RowPointer<T>& values) {
  using Real = Later<double, T>;
  struct Term {
    item_id key;
    double weight, slope, product;  // p, c, <g, v> - delta
  };
  struct Drawn {
    double draws;
    std::vector<Term> terms;
  };
  const Eigen::Map<const Eigen::RowVectorX<Later<float, T>>> q(row.query, keys.cols()),
      g(row.gradient, values.cols()), center(row.center, keys.cols());
  const auto key = [&](item_id j) {
    return keys.row(static_cast<Eigen::Index>(j)).template cast<float>();
  };
  Eigen::RowVectorX<Real> mean = Eigen::RowVectorX<Real>::Zero(keys.cols()), gradient = mean;
  std::vector<Drawn> drawn;
  Influence sum;
  for (const PlanBlock& block : segment.blocks) {
    const auto found = std::lower_bound(block.rows.begin(), block.rows.end(), row.row);
    if (found == block.rows.end() || *found != row.row) continue;
    const auto at = static_cast<std::size_t>(found - block.rows.begin());
    std::vector<bool> out(block.keys.size());
    for (const PlanBlock::Range& range : block.excluded)
      if (range.row == at) std::fill(out.begin() + range.begin, out.begin() + range.end, true);
    const std::size_t limit = block.limits.empty()
                                  ? block.keys.size()
                                  : (std::min)(block.keys.size(), std::size_t{block.limits[at]});
    if (block.sampled) drawn.push_back({static_cast<double>(block.keys.size()), {}});
    for (std::size_t j = 0; j < limit; ++j) {
      if (out[j]) continue;
      auto score = static_cast<double>(key(block.keys[j]).dot(q));
      double slope = 1.0;
      if (row.softcap > 0.0) {
        const double tanh = std::tanh(score / row.softcap);
        score = row.softcap * tanh;
        slope = 1.0 - tanh * tanh;
      }
      if (block.sampled) score += static_cast<double>(segment.log_weights[row.row]);
      const double weight = std::exp(score - row.log_z);
      const double product =
          static_cast<double>(
              values.row(static_cast<Eigen::Index>(block.keys[j])).template cast<float>().dot(g)) -
          row.delta;
      mean += weight * slope * key(block.keys[j]).template cast<Real>();
      gradient += weight * slope * product * key(block.keys[j]).template cast<Real>();
      if (block.sampled) drawn.back().terms.push_back({block.keys[j], weight, slope, product});
    }
  }
  for (const auto& [draws, terms] : drawn) {
    Eigen::RowVectorX<Real> plain = Eigen::RowVectorX<Real>::Zero(keys.cols()), full = plain;
    for (const Term& term : terms) {
      const Eigen::RowVectorX<Real> k = key(term.key).template cast<Real>();
      const Eigen::RowVectorX<Real> x =
          term.weight * term.slope * term.product * (k - center.template cast<Real>());
      const Eigen::RowVectorX<Real> y =
          term.weight * (term.product * (term.slope * k - mean) - gradient);
      sum.plain += x.squaredNorm();
      sum.full += y.squaredNorm();
      plain += x;
      full += y;
    }
    if (row.centered) sum.plain -= plain.squaredNorm() / draws;
    sum.full -= full.squaredNorm() / draws;
  }
  return sum;
}

}  // namespace lazygumbel::detail
