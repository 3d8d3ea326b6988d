#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// A fraction numerator / denominator >= 0: the parameter of a law that is to be exact. Not
/// reduced.
class Ratio {
 public:
  /// Throws std::invalid_argument when the denominator is 0.
  constexpr Ratio(std::uint64_t numerator, std::uint64_t denominator = 1)
      : numerator_(numerator), denominator_(denominator) {
    if (denominator == 0) detail::throw_invalid("denominator", denominator, "must be at least 1");
  }

  constexpr std::uint64_t numerator() const noexcept { return numerator_; }
  constexpr std::uint64_t denominator() const noexcept { return denominator_; }

  /// The nearest double but for two roundings.
  constexpr double value() const noexcept {
    return static_cast<double>(numerator_) / static_cast<double>(denominator_);
  }

  /// The same numerator and denominator: 1/2 and 2/4 differ.
  friend constexpr bool operator==(const Ratio&, const Ratio&) = default;

 private:
  std::uint64_t numerator_, denominator_;
};

/// The smallest multiple of 2^-b that is at least x, with b = `denominator_bits`, or x itself where
/// x is above 2^(52 - b) and so a fraction of fewer bits: never below x, and above it by less than
/// 2^-b. A scale of noise that is rounded this way only ever grows. The result is reduced.
/// Throws std::invalid_argument unless 0 < x <= 2^62 and 0 <= denominator_bits <= 32. O(1).
inline Ratio ratio_at_least(double x, int denominator_bits = 20) {
  if (!(x > 0.0 && x <= 0x1p62)) detail::throw_invalid("x", x, "must lie in (0, 2^62]");
  if (denominator_bits < 0 || denominator_bits > 32)
    detail::throw_invalid("denominator_bits", denominator_bits, "must lie in 0 .. 32");
  // x = m 2^(e - 52) with an integer m < 2^53, so 2^(52 - e) is all the denominator that x can use.
  const int needed = 52 - std::ilogb(x);
  const int bits = needed < 0 ? 0 : needed < denominator_bits ? needed : denominator_bits;
  const auto numerator = static_cast<std::uint64_t>(std::ceil(std::ldexp(x, bits)));
  const int zeros = std::countr_zero(numerator);
  const int shift = zeros < bits ? zeros : bits;
  return {numerator >> shift, std::uint64_t{1} << (bits - shift)};
}

}  // namespace lazygumbel
