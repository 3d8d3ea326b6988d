#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lazygumbel/core/simd.hpp"

namespace lazygumbel::detail {

/// gcc's and clang's vectors of W lanes: arithmetic lane by lane. W is what the instruction set
/// has, since wider ones are taken apart badly. Passed by reference: by value depends on the set.
/// Doubles fill a register with W / 2 lanes, HalfFloats have as many. W Shorts
/// fill half a register.
template <std::size_t W>
struct Lanes;
template <>
struct Lanes<4> {
  using Floats = float __attribute__((vector_size(16)));
  using Ints = std::int32_t __attribute__((vector_size(16)));
  using Doubles = double __attribute__((vector_size(16)));
  using Longs = std::int64_t __attribute__((vector_size(16)));
  using HalfFloats = float __attribute__((vector_size(8)));
  using Shorts = std::uint16_t __attribute__((vector_size(8)));
};
template <>
struct Lanes<8> {
  using Floats = float __attribute__((vector_size(32)));
  using Ints = std::int32_t __attribute__((vector_size(32)));
  using Doubles = double __attribute__((vector_size(32)));
  using Longs = std::int64_t __attribute__((vector_size(32)));
  using HalfFloats = float __attribute__((vector_size(16)));
  using Shorts = std::uint16_t __attribute__((vector_size(16)));
};
template <>
struct Lanes<16> {
  using Floats = float __attribute__((vector_size(64)));
  using Ints = std::int32_t __attribute__((vector_size(64)));
  using Doubles = double __attribute__((vector_size(64)));
  using Longs = std::int64_t __attribute__((vector_size(64)));
  using HalfFloats = float __attribute__((vector_size(32)));
  using Shorts = std::uint16_t __attribute__((vector_size(32)));
};

template <class To, class From>
LAZYGUMBEL_INLINE void load(To& to, const From* from) noexcept {
  std::memcpy(&to, from, sizeof(To));
}

/// Lane by lane.
template <class Vector>
LAZYGUMBEL_INLINE void take_larger(Vector& a, const Vector& b) noexcept {
  a = a > b ? a : b;
}
template <class Vector>
LAZYGUMBEL_INLINE void take_smaller(Vector& a, const Vector& b) noexcept {
  a = a < b ? a : b;
}

/// The largest lane and the sum of the lanes, in trees: one by one they cost their latency.
template <class Floats>
LAZYGUMBEL_INLINE float largest_lane(const Floats& lanes) noexcept {
  if constexpr (sizeof(Floats) > 16) {
    typename Lanes<sizeof(Floats) / 8>::Floats halves[2];
    load(halves, reinterpret_cast<const float*>(&lanes));
    take_larger(halves[0], halves[1]);
    return largest_lane(halves[0]);
  } else {
    const float even = lanes[0] > lanes[2] ? lanes[0] : lanes[2];
    const float odd = lanes[1] > lanes[3] ? lanes[1] : lanes[3];
    return even > odd ? even : odd;
  }
}

template <class Floats>
LAZYGUMBEL_INLINE float lane_sum(const Floats& lanes) noexcept {
  if constexpr (sizeof(Floats) > 16) {
    typename Lanes<sizeof(Floats) / 8>::Floats halves[2];
    load(halves, reinterpret_cast<const float*>(&lanes));
    halves[0] += halves[1];
    return lane_sum(halves[0]);
  } else {
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
  }
}

}  // namespace lazygumbel::detail
