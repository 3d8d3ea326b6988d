#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "lazygumbel/core/detail/uint128.hpp"
#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/random/engine.hpp"

namespace lazygumbel {

/// A uniform number of the open interval (0, 1): 64 random bits times 2^-64, truncated to the 53
/// significant bits of a double. Every value is exact, none is 0 or 1; the smallest is 2^-64, so
/// the lower tail keeps full relative accuracy; the largest is 1 - 2^-53. Redraws with
/// probability 2^-64.
template <BitGenerator Engine>
double open_uniform(Engine& engine) {
  std::uint64_t bits;
  do bits = uniform_bits(engine);
  while (bits == 0);
  const int excess = 11 - std::countl_zero(bits);
  if (excess > 0) bits = bits >> excess << excess;
  return static_cast<double>(bits) * 0x1p-64;
}

/// A uniform index of 0 .. count-1, without bias. Throws std::invalid_argument when count == 0.
/// Source: Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29(1), 2019.
template <BitGenerator Engine>
std::uint32_t uniform_index(std::uint32_t count, Engine& engine) {
  if (count == 0) detail::throw_invalid("count", count, "must be at least 1");
  const auto product = [&] { return (uniform_bits(engine) >> 32) * count; };
  std::uint64_t scaled = product();
  if (static_cast<std::uint32_t>(scaled) < count) {
    const std::uint32_t biased = (0u - count) % count;
    while (static_cast<std::uint32_t>(scaled) < biased) scaled = product();
  }
  return static_cast<std::uint32_t>(scaled >> 32);
}

/// A uniform integer of 0 .. bound-1, without bias, for bounds of up to 64 bits. Throws
/// std::invalid_argument when bound == 0. Below 2 words on average, 1 for small bounds.
/// Source: as uniform_index.
template <BitGenerator Engine>
std::uint64_t uniform_below(std::uint64_t bound, Engine& engine) {
  if (bound == 0) detail::throw_invalid("bound", bound, "must be at least 1");
  const auto product = [&] { return detail::uint128{uniform_bits(engine)} * bound; };
  detail::uint128 scaled = product();
  if (static_cast<std::uint64_t>(scaled) < bound) {
    const std::uint64_t biased = (std::uint64_t{0} - bound) % bound;
    while (static_cast<std::uint64_t>(scaled) < biased) scaled = product();
  }
  return static_cast<std::uint64_t>(scaled >> 64);
}

}  // namespace lazygumbel
