#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lazygumbel/core/detail/dispatch.hpp"
#include "lazygumbel/core/detail/lanes.hpp"
#include "lazygumbel/core/detail/square_sum.hpp"
#include "lazygumbel/index/quantized/detail/coding_kernels.hpp"
#ifdef LAZYGUMBEL_X86_KERNELS
#include <immintrin.h>
#endif

namespace lazygumbel::detail {

/// Codes of 4 * width coordinates, an int each, to bytes.
template <class Set>
struct CodeBytes {
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
template <>
struct CodeBytes<Avx2> {
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

template <>
struct CodeBytes<Avx512> {
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
template <class Set>
LAZYGUMBEL_INLINE bool narrow_row(const double* x, std::size_t n, float* out) {
  constexpr std::size_t W = Set::width;
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

template <class Set>
LAZYGUMBEL_INLINE void survey_row(const float* x, std::size_t count, RowSurvey& survey) {
  constexpr std::size_t W = Set::width, lanes = SquareSum<W>::lanes, parts = lanes / W;
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
template <class Set, int Bits, bool Write>
LAZYGUMBEL_INLINE void code_row(const float* x, std::size_t count, CodeStep step,
                                std::uint8_t* codes, CodeSums& sums) {
  constexpr std::size_t W = Set::width;
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
    if constexpr (Write) CodeBytes<Set>::write(bytes, codes + j);
  }
  sums = {0, 0};
  for (std::size_t l = 0; l < W; ++l) {
    sums.left_out += low[l] + 65536 * static_cast<std::int64_t>(high[l]);
    sums.coded += coded[l];
  }
}

template <class Set>
LAZYGUMBEL_INLINE void measure_row(int bits, const float* x, std::size_t count,
                                   const CodeStep& step, CodeSums& sums) {
  bits == 4 ? code_row<Set, 4, false>(x, count, step, nullptr, sums)
            : code_row<Set, 8, false>(x, count, step, nullptr, sums);
}

template <class Set>
LAZYGUMBEL_INLINE void write_row(int bits, const float* x, std::size_t count, const CodeStep& step,
                                 std::uint8_t* codes, CodeSums& sums) {
  bits == 4 ? code_row<Set, 4, true>(x, count, step, codes, sums)
            : code_row<Set, 8, true>(x, count, step, codes, sums);
}

template <class Set>
constexpr CodingKernels CodingKernels::of() noexcept {
  return {Set::template run<narrow_row<Set>>, Set::template run<survey_row<Set>>,
          Set::template run<measure_row<Set>>, Set::template run<write_row<Set>>};
}

}  // namespace lazygumbel::detail
