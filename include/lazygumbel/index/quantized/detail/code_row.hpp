#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lazygumbel/core/detail/lanes.hpp"
#include "lazygumbel/core/detail/square_sum.hpp"
#include "lazygumbel/core/simd.hpp"
#ifdef LAZYGUMBEL_X86_KERNELS
#include <immintrin.h>
#endif

/// \file
/// The loops that code one row, in integers and exact products only, so that every instruction set
/// gives the same codes and sums to the last bit, with fused multiply-adds or without. A row is n
/// floats, and zeros up to a multiple of `coding_block`.
///
/// With step s and zero point z' (z with 8 bits, z / 16 with 4), coordinate x in steps is
///   k = trunc(x fl(2^16 / s)) + 2^16 z',   |k - 2^16 (x / s + z')| < 1 + 2^-23 * 2^16 |x| / s,
/// the code c is k / 2^16 rounded and kept within 0 .. 2^b - 1, and what it leaves out
///   r = k - 2^16 c with 8 bits, (k - 2^16 c) / 8 rounded with 4.
/// |x| / s <= 255 with 8 bits, so that k < 2^25; c is kept within its range only where it is half a
/// step outside, so that |r| < 2^15 + 8. With 4 bits the shares of row_coder.hpp cut off less than
/// 4.8 steps: |r| < 4.8 * 2^13 + 2^12 < 2^15.4. So r^2 < 2^31, and its halves of 16 bits are added
/// apart: at most 50,048 / 4 of less than 2^16 in a lane.

namespace lazygumbel::detail {

/// Coordinates that the kernels take at a time, a multiple of what each wants.
inline constexpr std::size_t coding_block = 64;

/// The least and the largest entry, or 0, and the sum of squares in the order of SquareSum.
struct RowSurvey {
  float low, high;
  double squares;
};

struct CodeStep {
  float inverse;      ///< 2^16 / s
  std::int32_t zero;  ///< 2^16 z'
};

struct CodeSums {
  std::int64_t left_out;  ///< sum r^2: of (2^-16 s)^2 with 8 bits, (2^-13 s)^2 with 4
  std::int64_t coded;     ///< sum t^2, t = c - z with 8 bits, 16 c - z with 4; of `write` only
};

/// c, t and r of numbers k, plain or in lanes.
template <int Bits, class Ints>
struct CodedSteps {
  LAZYGUMBEL_INLINE CodedSteps(const Ints& k, std::int32_t zero) noexcept {
    const Ints none = k - k, top = none + (Bits == 4 ? 15 : 255);
    code = (k + 32768) >> 16;
    take_larger(code, none);
    take_smaller(code, top);
    coded = Bits == 4 ? (code << 4) - (zero >> 12) : code - (zero >> 16);
    left_out = k - (code << 16);
    if constexpr (Bits == 4) left_out = (left_out + 4) >> 3;
  }
  Ints code, coded, left_out;
};

/// What the loops below need of an instruction set beside lanes: codes of 4 * width coordinates, an
/// int each, to bytes.
struct PortableBytes {
  static constexpr std::size_t width = 4;
  LAZYGUMBEL_INLINE static void write(const Lanes<4>::Ints* codes, std::uint8_t* out) noexcept {
#ifdef LAZYGUMBEL_X86_KERNELS
    __m128i all[4];
    std::memcpy(all, codes, sizeof all);
    const __m128i bytes =
        _mm_packus_epi16(_mm_packs_epi32(all[0], all[1]), _mm_packs_epi32(all[2], all[3]));
    std::memcpy(out, &bytes, sizeof bytes);
#else
    std::int32_t all[16];
    std::memcpy(all, codes, sizeof all);
    for (std::size_t j = 0; j < 16; ++j) out[j] = static_cast<std::uint8_t>(all[j]);
#endif
  }
};

#ifdef LAZYGUMBEL_X86_KERNELS
struct Avx2Bytes {
  static constexpr std::size_t width = 8;
  LAZYGUMBEL_AVX2 static void write(const Lanes<8>::Ints* codes, std::uint8_t* out) noexcept {
    __m256i all[4];
    std::memcpy(all, codes, sizeof all);
    const __m256i bytes =
        _mm256_packus_epi16(_mm256_packs_epi32(all[0], all[1]), _mm256_packs_epi32(all[2], all[3]));
    // Packing works on halves: words 0 2 4 6 lie in the lower one.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(bytes, order));
  }
};

struct Avx512Bytes {
  static constexpr std::size_t width = 16;
  LAZYGUMBEL_AVX512 static void write(const Lanes<16>::Ints* codes, std::uint8_t* out) noexcept {
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      __m512i all;
      std::memcpy(&all, codes + i, sizeof all);
      // (Masked, since gcc 12 warns of an undefined operand in the plain one's code.)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 16 * i),
                       _mm512_maskz_cvtepi32_epi8(0xffff, all));
    }
  }
};
#endif

/// out = x in float, for n doubles; tells whether nothing was lost.
template <std::size_t W>
LAZYGUMBEL_INLINE bool narrow_row(const double* x, std::size_t n, float* out) noexcept {
  using Doubles = typename Lanes<W>::Doubles;
  using HalfFloats = typename Lanes<W>::HalfFloats;
  typename Lanes<W>::Longs lost = {};
  std::size_t j = 0;
  for (; j + W / 2 <= n; j += W / 2) {
    Doubles some;
    load(some, x + j);
    const HalfFloats narrow = __builtin_convertvector(some, HalfFloats);
    lost |= __builtin_convertvector(narrow, Doubles) != some;
    std::memcpy(out + j, &narrow, sizeof narrow);
  }
  bool any = false;
  for (std::size_t l = 0; l < W / 2; ++l) any |= lost[l] != 0;
  for (; j < n; ++j) {
    out[j] = static_cast<float>(x[j]);
    any |= static_cast<double>(out[j]) != x[j];
  }
  return !any;
}

template <std::size_t W>
LAZYGUMBEL_INLINE void survey_row(const float* x, std::size_t count, RowSurvey& survey) noexcept {
  constexpr std::size_t lanes = SquareSum<W>::lanes, parts = lanes / W;
  using Floats = typename Lanes<W>::Floats;
  Floats low[parts] = {}, high[parts] = {};
  SquareSum<W> squares;
  for (std::size_t j = 0; j < count; j += lanes) {
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < parts; ++i) {
      Floats some;
      load(some, x + j + W * i);
      take_smaller(low[i], some);
      take_larger(high[i], some);
    }
    squares.add(x + j);
  }
  survey = {0.0F, 0.0F, squares.total()};
  for (std::size_t i = 0; i < parts; ++i)
    for (std::size_t l = 0; l < W; ++l) {
      take_smaller(survey.low, static_cast<float>(low[i][l]));
      take_larger(survey.high, static_cast<float>(high[i][l]));
    }
}

/// Codes `count` coordinates, a multiple of coding_block; writes a byte each if `Write`.
template <class Bytes, int Bits, bool Write>
LAZYGUMBEL_INLINE void code_row(const float* x, std::size_t count, CodeStep step,
                                std::uint8_t* codes, CodeSums& sums) noexcept {
  constexpr std::size_t W = Bytes::width;
  using Floats = typename Lanes<W>::Floats;
  using Ints = typename Lanes<W>::Ints;
  Ints low = {}, high = {}, coded = {};
  for (std::size_t j = 0; j < count; j += 4 * W) {
    Ints bytes[4];
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      Floats some;
      load(some, x + j + W * i);
      some *= step.inverse;
      const Ints k = __builtin_convertvector(some, Ints) + step.zero;
      const CodedSteps<Bits, Ints> steps(k, step.zero);
      const Ints square = steps.left_out * steps.left_out;
      low += square & 0xffff;
      high += square >> 16;
      if constexpr (Write) {
        coded += steps.coded * steps.coded;
        bytes[i] = steps.code;
      }
    }
    if constexpr (Write) Bytes::write(bytes, codes + j);
  }
  sums = {0, 0};
  for (std::size_t l = 0; l < W; ++l) {
    sums.left_out += low[l] + 65536 * static_cast<std::int64_t>(high[l]);
    sums.coded += coded[l];
  }
}

/// The loops of one instruction set and number of bits, as pointers to functions.
struct CodingKernels {
  bool (*narrow)(const double* x, std::size_t n, float* out);
  void (*survey)(const float* x, std::size_t count, RowSurvey&);
  void (*measure)(const float* x, std::size_t count, const CodeStep&, CodeSums&);
  void (*write)(const float* x, std::size_t count, const CodeStep&, std::uint8_t* codes, CodeSums&);
};

// The functions that carry an instruction set, once for each. Nothing but calls, which are inlined.
#define LAZYGUMBEL_CODING_KERNELS(Name, Bytes, attributes)                                  \
  template <int Bits>                                                                       \
  struct Name {                                                                             \
    attributes static bool narrow(const double* x, std::size_t n, float* out) {             \
      return narrow_row<Bytes::width>(x, n, out);                                           \
    }                                                                                       \
    attributes static void survey(const float* x, std::size_t count, RowSurvey& out) {      \
      survey_row<Bytes::width>(x, count, out);                                              \
    }                                                                                       \
    attributes static void measure(const float* x, std::size_t count, const CodeStep& step, \
                                   CodeSums& sums) {                                        \
      code_row<Bytes, Bits, false>(x, count, step, nullptr, sums);                          \
    }                                                                                       \
    attributes static void write(const float* x, std::size_t count, const CodeStep& step,   \
                                 std::uint8_t* codes, CodeSums& sums) {                     \
      code_row<Bytes, Bits, true>(x, count, step, codes, sums);                             \
    }                                                                                       \
    static constexpr CodingKernels table = {narrow, survey, measure, write};                \
  }

LAZYGUMBEL_CODING_KERNELS(PortableCoding, PortableBytes, );
#ifdef LAZYGUMBEL_X86_KERNELS
LAZYGUMBEL_CODING_KERNELS(Avx2Coding, Avx2Bytes, LAZYGUMBEL_AVX2);
LAZYGUMBEL_CODING_KERNELS(Avx512Coding, Avx512Bytes, LAZYGUMBEL_AVX512);
#endif
#undef LAZYGUMBEL_CODING_KERNELS

/// The kernels of `simd`, which must be supported. (NEON's are the portable ones, in its
/// registers.)
inline const CodingKernels& coding_kernels(Simd simd, int bits) noexcept {
#ifdef LAZYGUMBEL_X86_KERNELS
  if (simd == Simd::avx512_vnni) return bits == 4 ? Avx512Coding<4>::table : Avx512Coding<8>::table;
  if (simd == Simd::avx2) return bits == 4 ? Avx2Coding<4>::table : Avx2Coding<8>::table;
#endif
  static_cast<void>(simd);
  return bits == 4 ? PortableCoding<4>::table : PortableCoding<8>::table;
}

}  // namespace lazygumbel::detail
