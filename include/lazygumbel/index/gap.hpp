#pragma once

#include <limits>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/index/retrieval.hpp"

namespace lazygumbel {

/// A margin in natural-log units that is added to a retrieval's residual bound U, and how far the
/// sum U + value can be trusted. A plain number converts to an assumed gap; `calibrate_gap` makes
/// calibrated ones.
struct Gap {
  double value = 0.0;
  Guarantee guarantee{};

  constexpr Gap() = default;
  /// Throws std::invalid_argument when `gap` is negative, NaN or infinite.
  constexpr Gap(double gap, Guarantee claim = Guarantee::assumed())  // NOLINT: implicit on purpose
      : value(gap), guarantee(claim) {
    if (!(gap >= 0.0 && gap <= (std::numeric_limits<double>::max)()))
      detail::throw_invalid("gap", gap, "must be finite and not negative");
  }
  friend constexpr bool operator==(const Gap&, const Gap&) = default;
};

/// What can be said of `bound` + gap.value, where `bound` is the guarantee of the residual bound
/// alone: the stronger of the two claims (certified, then calibrated with the smaller alpha, then
/// assumed), since a margin that is not negative weakens neither.
constexpr Guarantee guarantee_of_sum(Guarantee bound, const Gap& gap) noexcept {
  const Guarantee& claim = gap.guarantee;
  if (bound.kind != claim.kind) return bound.kind > claim.kind ? bound : claim;
  return bound.alpha <= claim.alpha ? bound : claim;
}

}  // namespace lazygumbel
