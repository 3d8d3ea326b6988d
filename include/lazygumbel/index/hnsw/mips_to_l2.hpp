#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "lazygumbel/core/types.hpp"

namespace lazygumbel {

/// The exact reduction of maximum inner product search to nearest neighbours in L2: with M at least
/// every row norm, a row x becomes (x, sqrt(M^2 - |x|^2)) of norm M and a query q becomes (q, 0),
/// so
/// |(q, 0) - (x, .)|^2 = |q|^2 + M^2 - 2 <q, x>: increasing distance is decreasing inner product.
/// As all rows end on one sphere, minus the inner product of the extended vectors orders rows
/// exactly as L2 does, between a query and rows and between two rows alike.
/// Source: Bachrach et al., "Speeding Up the Xbox Recommender System Using a Euclidean
/// Transformation for Inner-Product Spaces", RecSys 2014.
class MipsToL2 {
 public:
  /// `norm_bound` = M >= 0, at most 1e300. Throws std::invalid_argument otherwise.
  explicit MipsToL2(double norm_bound) : norm_bound_(norm_bound) {
    if (!(norm_bound >= 0.0 && norm_bound <= 1e300))
      detail::throw_invalid("norm_bound", norm_bound, "must be finite and not negative");
  }

  double norm_bound() const noexcept { return norm_bound_; }

  /// sqrt(M^2 - |x|^2), the coordinate to append to row x. Throws std::invalid_argument when
  /// |x| > M (1 + 1e-6): such a row needs an index with a larger bound, or its order would be
  /// wrong.
  template <class Row>
  double extra_coordinate(const Row& row) const {
    const double norm = row.template cast<double>().stableNorm();
    if (!(norm <= norm_bound_ * (1.0 + 1e-6)))
      detail::throw_invalid("|row|", norm,
                            "exceeds the index's norm_bound " + detail::text_of(norm_bound_));
    // Not the root of the product, which overflows for norms whose squares do.
    return std::sqrt((std::max)(0.0, norm_bound_ - norm)) * std::sqrt(norm_bound_ + norm);
  }

 private:
  double norm_bound_;
};

}  // namespace lazygumbel
