#pragma once

#include <cmath>
#include <cstddef>
#include <lazygumbel/index/ivf/detail/inverted_lists.hpp>

namespace lazygumbel::testing {

/// How many rows score above their list's bound, by InvertedLists' own bounds after the radii were
/// multiplied by `factor`. Each row is tried with the query that is worst for it, along x - c_g,
/// `length` long; its score is computed in Scalar and, in long double, exactly enough.
template <class Scalar>
std::size_t rows_above_their_bound(const lazygumbel::detail::InvertedLists<Scalar>& lists,
                                   double length, double factor = 1.0) {
  std::size_t above = 0;
  for (std::size_t g = 0; g < lists.lists(); ++g) {
    const auto rows = lists.rows(g);
    const auto at = static_cast<Eigen::Index>(g);
    const Vector<Scalar> centroid = lists.centroids().row(at).transpose();
    for (Eigen::Index i = 0; i < rows.rows(); ++i) {
      Vector<double> direction =
          rows.row(i).transpose().template cast<double>() - centroid.template cast<double>();
      direction.stableNormalize();
      const Vector<Scalar> query = (length * direction).template cast<Scalar>();
      const auto scale = lists.require_query("query", query, 1);
      const Vector<Scalar> centroid_scores = lists.centroids() * query;
      const double bound = lists.bounds(scale, centroid_scores)[at] -
                           (1.0 - factor) * scale.norm * lists.radii()[at];
      long double exact = 0.0L;
      for (Eigen::Index j = 0; j < query.size(); ++j)
        exact += static_cast<long double>(query[j]) * static_cast<long double>(rows(i, j));
      const auto computed = static_cast<double>(rows.row(i).dot(query));
      if (computed > bound || exact > static_cast<long double>(bound)) ++above;
    }
  }
  return above;
}

}  // namespace lazygumbel::testing
