#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "lazygumbel/core/detail/dispatch.hpp"
#include "lazygumbel/core/detail/lanes.hpp"
#include "lazygumbel/core/types.hpp"
#ifdef LAZYGUMBEL_X86_KERNELS
#include <immintrin.h>
#endif

/// \file
/// Loads of stored numbers into float lanes, and the exponential of the attention kernels.

namespace lazygumbel::detail {

template <std::size_t W>
LAZYGUMBEL_INLINE void load_bfloat16(typename Lanes<W>::Floats& to,
                                     const Eigen::bfloat16* from) noexcept {
  typename Lanes<W>::Shorts some;
  std::memcpy(&some, from, sizeof some);
  const typename Lanes<W>::Ints wide = __builtin_convertvector(some, typename Lanes<W>::Ints) << 16;
  std::memcpy(&to, &wide, sizeof to);
}

/// Half precision.
template <class Set>
struct HalfLanes {
  LAZYGUMBEL_INLINE static void load(typename Set::Floats& to, const Eigen::half* from) noexcept {
    for (std::size_t l = 0; l < Set::width; ++l) to[l] = static_cast<float>(from[l]);
  }
};

#ifdef LAZYGUMBEL_X86_KERNELS
// (Not always_inline: gcc would refuse it in the generic loops, before these are inlined.)
template <>
struct HalfLanes<Avx2> {
  LAZYGUMBEL_AVX2 static void load(Avx2::Floats& to, const Eigen::half* from) noexcept {
    const __m256 wide = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    std::memcpy(&to, &wide, sizeof to);
  }
};

template <>
struct HalfLanes<Avx512> {
  LAZYGUMBEL_AVX512 static void load(Avx512::Floats& to, const Eigen::half* from) noexcept {
    // (Masked, since gcc 12 warns of an undefined operand in the plain one's code.)
    const __m512 wide =
        _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    std::memcpy(&to, &wide, sizeof to);
  }
};
#endif

/// One register of stored numbers.
template <class Set, class T>
LAZYGUMBEL_INLINE void load_stored(typename Set::Floats& to, const T* from) noexcept {
  if constexpr (std::is_same_v<T, float>)
    std::memcpy(&to, from, sizeof to);
  else if constexpr (std::is_same_v<T, Eigen::half>)
    HalfLanes<Set>::load(to, from);
  else
    load_bfloat16<Set::width>(to, from);
}

/// to += x, where `lost` is how much too large rounding has made `to` so far.
template <class Floats>
LAZYGUMBEL_INLINE void add_compensated(const Floats& x, float* to, float* lost) {
  Floats total, excess;
  std::memcpy(&total, to, sizeof total);
  std::memcpy(&excess, lost, sizeof excess);
  const Floats rest = x - excess;
  const Floats sum = total + rest;
  excess = (sum - total) - rest;
  std::memcpy(to, &sum, sizeof sum);
  std::memcpy(lost, &excess, sizeof excess);
}

/// x = exp(x) for x <= 88, to 3e-7 of itself; 0 below -87. 2^n e^r, |r| <= log(2) / 2, e^r by seven
/// terms of its series.
template <std::size_t W>
LAZYGUMBEL_INLINE void lanes_exp(typename Lanes<W>::Floats& x) noexcept {
  using Floats = typename Lanes<W>::Floats;
  using Ints = typename Lanes<W>::Ints;
  constexpr float round = 12582912.0F;  // 3 * 2^22: its sum with y has round(y) in the low bits
  const Floats least = Floats{} - 87.0F;
  const Ints kept = x >= least;
  take_larger(x, least);
  const Floats shifted = x * 1.44269504F + round;
  const Floats n = shifted - round;
  const Floats r = (x - n * 0x1.62e4p-1F) - n * 1.42860677e-6F;  // log 2 in two parts
  Floats power = r * (1.0F / 720.0F) + (1.0F / 120.0F);
  power = power * r + (1.0F / 24.0F);
  power = power * r + (1.0F / 6.0F);
  power = power * r + 0.5F;
  power = power * r + 1.0F;
  power = power * r + 1.0F;
  Ints exponent, bits;
  std::memcpy(&exponent, &shifted, sizeof exponent);
  std::memcpy(&bits, &power, sizeof bits);
  bits = (bits + (exponent << 23)) & kept;
  std::memcpy(&x, &bits, sizeof x);
}

/// x = cap tanh(x / cap), `inverse` = 1 / cap. tanh y = sign(y) (1 - 2 / (1 + e^(2 |y|))); |y| is
/// cut off at 10, where the float nearest to tanh is 1.
template <std::size_t W>
LAZYGUMBEL_INLINE void lanes_cap(typename Lanes<W>::Floats& x, float cap, float inverse) noexcept {
  using Floats = typename Lanes<W>::Floats;
  const Floats zero = {}, ten = zero + 10.0F;
  const Floats y = x * inverse;
  Floats size = y < zero ? -y : y;
  // Near 0 the difference would cancel: y - y^3 / 3 + 2 y^5 / 15.
  const Floats square = size * size;
  const Floats small =
      size * (1.0F - square * (0.333333333F - square * (0.133333333F - square * 0.053968254F)));
  take_smaller(size, ten);
  Floats power = size + size;
  lanes_exp<W>(power);
  const Floats large = 1.0F - 2.0F / (power + 1.0F);
  const Floats tanh = size < 0.25F ? small : large;
  x = cap * (y < zero ? -tanh : tanh);
}

}  // namespace lazygumbel::detail
