#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lazygumbel/core/simd.hpp"

namespace lazygumbel::detail {

/// gcc's and clang's vectors of W lanes: arithmetic lane by lane. W is what the instruction set
/// has, since wider ones are taken apart badly. Passed by reference: by value depends on the set.
/// Doubles fill a register with W / 2 lanes, HalfFloats have as many.
template <std::size_t W>
struct Lanes;
template <>
struct Lanes<4> {
  using Floats = float __attribute__((vector_size(16)));
  using Ints = std::int32_t __attribute__((vector_size(16)));
  using Doubles = double __attribute__((vector_size(16)));
  using Longs = std::int64_t __attribute__((vector_size(16)));
  using HalfFloats = float __attribute__((vector_size(8)));
};
template <>
struct Lanes<8> {
  using Floats = float __attribute__((vector_size(32)));
  using Ints = std::int32_t __attribute__((vector_size(32)));
  using Doubles = double __attribute__((vector_size(32)));
  using Longs = std::int64_t __attribute__((vector_size(32)));
  using HalfFloats = float __attribute__((vector_size(16)));
};
template <>
struct Lanes<16> {
  using Floats = float __attribute__((vector_size(64)));
  using Ints = std::int32_t __attribute__((vector_size(64)));
  using Doubles = double __attribute__((vector_size(64)));
  using Longs = std::int64_t __attribute__((vector_size(64)));
  using HalfFloats = float __attribute__((vector_size(32)));
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

}  // namespace lazygumbel::detail
