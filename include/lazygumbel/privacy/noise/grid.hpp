#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// The numbers k g, k an integer: where noisy answers live, so that an answer and its noise add up
/// without rounding and the low bits of a release say nothing. The step g is a power of two, so x /
/// g and k g are exact.
class Grid {
 public:
  /// Cells lie in -2^52 .. 2^52, so an answer plus noise fits 64 bits.
  static constexpr double cell_limit = 0x1p52;

  /// Throws std::invalid_argument unless `step` is a power of two in [2^-500, 2^500].
  explicit Grid(double step = 1.0) : step_(step) {
    int exponent = 0;
    if (!(step >= 0x1p-500 && step <= 0x1p500) || std::frexp(step, &exponent) != 0.5)
      detail::throw_invalid("step", step, "must be a power of two from 2^-500 to 2^500");
  }

  double step() const noexcept { return step_; }

  /// round(x / g), half away from zero. |cell_of(x) - cell_of(y)| <= floor(|x - y| / g) + 1.
  /// Throws std::invalid_argument unless |x / g| <= 2^52. An answer outside is one that the public
  /// description of the data does not allow.
  std::int64_t cell_of(double x) const {
    const double cell = x / step_;
    if (!(std::abs(cell) <= cell_limit))
      detail::throw_invalid("x", x, "must be a number within 2^52 steps of the grid");
    return static_cast<std::int64_t>(std::round(cell));
  }

  /// k g. Exact for |k| <= 2^53.
  double value_of(std::int64_t cell) const noexcept { return static_cast<double>(cell) * step_; }

  /// True when x = k g with |k| <= 2^52.
  bool contains(double x) const noexcept {
    const double cell = x / step_;
    return std::abs(cell) <= cell_limit && cell == std::round(cell);
  }

 private:
  double step_;
};

}  // namespace lazygumbel
