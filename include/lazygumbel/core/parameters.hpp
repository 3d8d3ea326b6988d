#pragma once

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// The probability with which an interval must hold its target, in (0, 1).
class Confidence {
 public:
  /// Throws std::invalid_argument outside (0, 1).
  explicit constexpr Confidence(double level) : level_(level) {
    if (!(level > 0.0 && level < 1.0))
      detail::throw_invalid("confidence", level, "must lie in (0, 1)");
  }
  constexpr double level() const noexcept { return level_; }

 private:
  double level_;
};

/// What an error is measured against.
enum class ErrorScale {
  relative,  ///< |error| <= epsilon |estimate|
  absolute   ///< |error| <= epsilon, in the units of the estimated quantity
};

/// An (epsilon, delta) target: the error is within epsilon with probability at least 1 - delta.
class Accuracy {
 public:
  /// Throws std::invalid_argument unless epsilon > 0 is finite and delta lies in (0, 1).
  constexpr Accuracy(double epsilon, double delta, ErrorScale scale = ErrorScale::relative)
      : epsilon_(epsilon), delta_(delta), scale_(scale) {
    if (!(epsilon > 0.0 && epsilon <= 1e300))
      detail::throw_invalid("epsilon", epsilon, "must be positive and finite");
    if (!(delta > 0.0 && delta < 1.0)) detail::throw_invalid("delta", delta, "must lie in (0, 1)");
  }
  constexpr double epsilon() const noexcept { return epsilon_; }
  constexpr double delta() const noexcept { return delta_; }
  constexpr ErrorScale scale() const noexcept { return scale_; }

 private:
  double epsilon_, delta_;
  ErrorScale scale_;
};

}  // namespace lazygumbel
