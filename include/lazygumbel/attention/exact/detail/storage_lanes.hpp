#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/core/detail/lanes.hpp"
#ifdef LAZYGUMBEL_X86_KERNELS
#include <immintrin.h>
#endif

/// \file
/// Loads of stored numbers into float lanes, and the exponential of the attention kernels; one
/// struct an instruction set.

namespace lazygumbel::detail {

template <std::size_t W>
LAZYGUMBEL_INLINE void load_bfloat16(typename Lanes<W>::Floats& to,
                                     const Eigen::bfloat16* from) noexcept {
  typename Lanes<W>::Shorts some;
  std::memcpy(&some, from, sizeof some);
  const typename Lanes<W>::Ints wide = __builtin_convertvector(some, typename Lanes<W>::Ints) << 16;
  std::memcpy(&to, &wide, sizeof to);
}

struct PortableLanes {
  static constexpr std::size_t width = 4;
  static constexpr int rows = 4;  // of a tile of products: with two registers each, all that fit
  using Floats = Lanes<4>::Floats;
  LAZYGUMBEL_INLINE static void load(Floats& to, const float* from) noexcept {
    std::memcpy(&to, from, sizeof to);
  }
  LAZYGUMBEL_INLINE static void load(Floats& to, const Eigen::half* from) noexcept {
    for (std::size_t l = 0; l < width; ++l) to[l] = static_cast<float>(from[l]);
  }
  LAZYGUMBEL_INLINE static void load(Floats& to, const Eigen::bfloat16* from) noexcept {
    load_bfloat16<width>(to, from);
  }
};

#ifdef LAZYGUMBEL_X86_KERNELS
struct Avx2Lanes {
  static constexpr std::size_t width = 8;
  static constexpr int rows = 6;
  using Floats = Lanes<8>::Floats;
  LAZYGUMBEL_INLINE static void load(Floats& to, const float* from) noexcept {
    std::memcpy(&to, from, sizeof to);
  }
  // (Not always_inline: gcc would refuse it in the generic loops, before these are inlined.)
  LAZYGUMBEL_AVX2 static void load(Floats& to, const Eigen::half* from) noexcept {
    const __m256 wide = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    std::memcpy(&to, &wide, sizeof to);
  }
  LAZYGUMBEL_INLINE static void load(Floats& to, const Eigen::bfloat16* from) noexcept {
    load_bfloat16<width>(to, from);
  }
};

struct Avx512Lanes {
  static constexpr std::size_t width = 16;
  static constexpr int rows = 12;
  using Floats = Lanes<16>::Floats;
  LAZYGUMBEL_INLINE static void load(Floats& to, const float* from) noexcept {
    std::memcpy(&to, from, sizeof to);
  }
  LAZYGUMBEL_AVX512 static void load(Floats& to, const Eigen::half* from) noexcept {
    // (Masked, since gcc 12 warns of an undefined operand in the plain one's code.)
    const __m512 wide =
        _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    std::memcpy(&to, &wide, sizeof to);
  }
  LAZYGUMBEL_INLINE static void load(Floats& to, const Eigen::bfloat16* from) noexcept {
    load_bfloat16<width>(to, from);
  }
};
#endif

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
