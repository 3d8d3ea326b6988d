#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "lazygumbel/core/types.hpp"

namespace lazygumbel {

/// How far a residual bound can be trusted (docs/guarantees.md).
struct Guarantee {
  enum class Kind {
    assumed,     ///< the caller's word: nothing was proved or measured
    calibrated,  ///< holds for a new query with probability >= 1 - alpha (split conformal)
    certified    ///< proved for the computed numbers; an item above it is an index_error
  };
  Kind kind = Kind::assumed;
  double alpha = 0.0;  ///< miss probability of a calibrated bound; 0 otherwise

  static constexpr Guarantee assumed() noexcept { return {}; }
  static constexpr Guarantee certified() noexcept { return {Kind::certified, 0.0}; }
  /// Throws std::invalid_argument unless alpha lies in (0, 1).
  static constexpr Guarantee calibrated(double alpha) {
    if (!(alpha > 0.0 && alpha < 1.0)) detail::throw_invalid("alpha", alpha, "must lie in (0, 1)");
    return {Kind::calibrated, alpha};
  }
  friend constexpr bool operator==(const Guarantee&, const Guarantee&) = default;
};

/// "assumed", "calibrated" or "certified".
constexpr const char* name_of(Guarantee guarantee) noexcept {
  switch (guarantee.kind) {
    case Guarantee::Kind::certified:
      return "certified";
    case Guarantee::Kind::calibrated:
      return "calibrated";
    case Guarantee::Kind::assumed:
      break;
  }
  return "assumed";
}

namespace detail {

/// The weaker of two claims.
constexpr Guarantee weaker(Guarantee a, Guarantee b) noexcept {
  if (a.kind != b.kind) return a.kind < b.kind ? a : b;
  return a.alpha >= b.alpha ? a : b;
}

}  // namespace detail

/// The answer of `MipsIndex::search`: the head S of the softmax and a bound on all the rest.
/// Owned by the caller and reusable: `search` overwrites it and keeps its memory.
struct Retrieval {
  std::vector<item_id> ids;    ///< unique, best first
  std::vector<double> scores;  ///< score(query, ids[i]), not increasing
  /// Upper bound on the score of every item that is not in `ids`; -inf when there is none.
  /// NaN (what `clear` leaves) means that the index makes no claim: the smallest returned score
  /// then stands in, as an assumed bound, and the index must have returned min(k, n) items.
  double residual_bound = std::numeric_limits<double>::quiet_NaN();
  Guarantee guarantee{};

  void clear() noexcept {
    ids.clear();
    scores.clear();
    residual_bound = std::numeric_limits<double>::quiet_NaN();
    guarantee = Guarantee::assumed();
  }
};

}  // namespace lazygumbel
