#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// What a bound on the space of a cache grows with.
enum class SpaceRegime : std::uint8_t {
  every_token,  ///< n d: d >= ln n, all tokens must be told apart
  directions,   ///< d e^d: there are more tokens than directions that matter
  window        ///< d W: the tokens of the window must be told apart
};

/// "every_token", "directions" or "window".
constexpr const char* name_of(SpaceRegime regime) noexcept {
  switch (regime) {
    case SpaceRegime::directions:
      return "directions";
    case SpaceRegime::window:
      return "window";
    case SpaceRegime::every_token:
      break;
  }
  return "every_token";
}

/// Bits of one kv head, up to a constant factor.
struct SpaceBound {
  double bits = 0.0;
  SpaceRegime regime = SpaceRegime::every_token;

  double bytes() const noexcept { return bits / 8.0; }
};

/// How the memory that attention to n tokens of d dimensions needs in the worst case grows, of one
/// kv head:
///   d min(n, e^d) bits,  and with a sliding window of W tokens  d min(n, W, e^d).
///
/// The theorems: whatever answers attention queries after each token of a stream, randomised if it
/// likes and with some error, holds Omega(n d) bits when d = Omega(log n), Omega(d e^d) when d is
/// below, and Omega(d W) for a sliding window. (For d below log W the window counts here as no more
/// than the stream of min(n, W) tokens that it answers too.) They speak of the worst stream:
/// clustered keys, say, ask for less. And their constants are not known: here it is 1, so that this
/// is a yardstick for how memory grows, no certificate: neither that a cache of fewer bits errs,
/// nor that one of more bits wastes any.
///
/// O(1). Throws std::invalid_argument when n, d or the window is 0.
/// Source: Haris, Onak, "Compression Barriers in Autoregressive Transformers", COLT 2025 (PMLR 291;
/// arXiv 2502.15955, there "... for Autoregressive Transformers").
inline SpaceBound space_lower_bound(std::size_t n, std::size_t d,
                                    std::optional<std::size_t> window = std::nullopt) {
  if (n == 0) detail::throw_invalid("n", n, "must be at least 1");
  if (d == 0) detail::throw_invalid("d", d, "must be at least 1");
  if (window && *window == 0) detail::throw_invalid("window", *window, "must be at least 1");
  const std::size_t tokens = (std::min)(n, window.value_or(n));
  const auto dimension = static_cast<double>(d);
  const double directions = std::exp(dimension);  // infinity for large d: above every n
  if (directions < static_cast<double>(tokens))
    return {dimension * directions, SpaceRegime::directions};
  return {dimension * static_cast<double>(tokens),
          tokens < n ? SpaceRegime::window : SpaceRegime::every_token};
}

}  // namespace lazygumbel
