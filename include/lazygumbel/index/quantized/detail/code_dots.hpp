#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lazygumbel/core/detail/dispatch.hpp"
#include "lazygumbel/index/quantized/detail/code_tiles.hpp"
#ifdef LAZYGUMBEL_X86_KERNELS
#include <immintrin.h>
#elif defined(LAZYGUMBEL_NEON_KERNELS)
#include <arm_neon.h>
#endif

/// \file
/// Integer dot products of one tile (64 rows of codes) with up to a few coded queries
/// (code_tiles.hpp), one struct an instruction set, all equal to the last bit.

namespace lazygumbel::detail {

template <class Set>
struct CodeDots {
  /// out[q][row] for the queries words[0 .. Queries-1]; `tile` is not null even where groups is 0.
  template <int Bits, int Queries>
  [[gnu::noinline]] static void run(const std::uint8_t* tile, std::size_t groups,
                                    const std::int32_t* const* words,
                                    std::int32_t (*out)[tile_rows]) {
    for (int q = 0; q < Queries; ++q) {
      std::int32_t* const sums = out[q];
      std::memset(sums, 0, sizeof(std::int32_t) * tile_rows);
      for (std::size_t g = 0; g < groups; ++g) {
        std::int8_t v[4], w[4] = {};
        std::memcpy(v, words[q] + g * group_words(Bits) + (Bits == 4 ? 1 : 0), 4);
        if constexpr (Bits == 4) std::memcpy(w, words[q] + 2 * g, 4);
        const std::uint8_t* const bytes = tile + g * group_bytes;
        for (std::size_t row = 0; row < tile_rows; ++row) {
          std::int32_t sum = 0;
          for (std::size_t j = 0; j < 4; ++j) {
            const std::int32_t byte = bytes[4 * row + j];
            sum += byte * v[j];
            if constexpr (Bits == 4) sum += 16 * (byte & 15) * w[j];
          }
          sums[row] += sum;
        }
      }
    }
  }
};

#ifdef LAZYGUMBEL_X86_KERNELS

template <>
struct CodeDots<Avx512> {
  template <int Bits, int Queries>
  [[gnu::noinline]] LAZYGUMBEL_AVX512 static void run(const std::uint8_t* tile, std::size_t groups,
                                                      const std::int32_t* const* words,
                                                      std::int32_t (*out)[tile_rows]) {
    constexpr int count = Queries * vectors;
    constexpr int turns = Queries > 1 ? 1 : 2;  // sums used in turn, to hide an addition's latency
    constexpr auto kept = static_cast<std::size_t>(turns * count);
    __m512i low[kept], sum[kept];
    LAZYGUMBEL_UNROLL
    for (int i = 0; i < turns * count; ++i) low[i] = sum[i] = _mm512_setzero_si512();
    std::size_t g = 0;
    for (; g + turns <= groups; g += turns) {
      add<Bits, Queries>(tile, g, words, low, sum);
      if constexpr (turns > 1) add<Bits, Queries>(tile, g + 1, words, low + count, sum + count);
    }
    if (turns > 1 && g < groups) add<Bits, Queries>(tile, g, words, low, sum);
    LAZYGUMBEL_UNROLL
    for (int i = 0; i < count; ++i) {
      if constexpr (turns > 1) {
        sum[i] = _mm512_add_epi32(sum[i], sum[count + i]);
        low[i] = _mm512_add_epi32(low[i], low[count + i]);
      }
      // (The masked shift, since gcc 12 warns of an undefined operand in the plain one's code.)
      if constexpr (Bits == 4)
        sum[i] = _mm512_add_epi32(sum[i], _mm512_maskz_slli_epi32(0xffff, low[i], 4));
      _mm512_storeu_si512(out[i / vectors] + 16 * (i % vectors), sum[i]);
    }
  }

 private:
  static constexpr int vectors = 4;  // of 16 rows

  template <int Bits, int Queries>
  LAZYGUMBEL_AVX512 LAZYGUMBEL_INLINE static void add(const std::uint8_t* tile, std::size_t g,
                                                      const std::int32_t* const* words,
                                                      __m512i* low, __m512i* sum) {
    const __m512i low_half = _mm512_set1_epi8(15);
    LAZYGUMBEL_UNROLL
    for (int i = 0; i < vectors; ++i) {
      const __m512i bytes = _mm512_loadu_si512(tile + g * group_bytes + 64 * i);
      const __m512i halves = _mm512_and_si512(bytes, low_half);
      LAZYGUMBEL_UNROLL
      for (int q = 0; q < Queries; ++q) {
        const int s = q * vectors + i;
        const __m512i v = _mm512_set1_epi32(words[q][group_words(Bits) * (g + 1) - 1]);
        sum[s] = _mm512_dpbusd_epi32(sum[s], bytes, v);
        if constexpr (Bits == 4)
          low[s] = _mm512_dpbusd_epi32(low[s], halves, _mm512_set1_epi32(words[q][2 * g]));
      }
    }
  }
};

template <>
struct CodeDots<Avx2> {
  template <int Bits, int Queries>
  [[gnu::noinline]] LAZYGUMBEL_AVX2 static void run(const std::uint8_t* tile, std::size_t groups,
                                                    const std::int32_t* const* words,
                                                    std::int32_t (*out)[tile_rows]) {
    for (int q = 0; q < Queries; ++q)
      for (int half = 0; half < 2; ++half)
        run_half<Bits>(tile + 128 * half, groups, words[q], out[q] + 32 * half);
  }

 private:
  /// 32 rows. Sums of four products of 16 bits: at most 2 * 127 * 127 + ... < 2^15 each.
  template <int Bits>
  LAZYGUMBEL_AVX2 static void run_half(const std::uint8_t* bytes, std::size_t groups,
                                       const std::int32_t* words, std::int32_t* out) {
    constexpr int vectors = 4;  // of 8 rows
    __m256i sums[vectors];
    LAZYGUMBEL_UNROLL
    for (int i = 0; i < vectors; ++i) sums[i] = _mm256_setzero_si256();
    const __m256i ones = _mm256_set1_epi16(1), twos = _mm256_set1_epi16(2);
    const __m256i sixteens = _mm256_set1_epi16(16);
    const __m256i low_half = _mm256_set1_epi8(15), low_bit = _mm256_set1_epi8(1);
    for (std::size_t g = 0; g < groups; ++g, bytes += group_bytes) {
      LAZYGUMBEL_UNROLL
      for (int i = 0; i < vectors; ++i) {
        const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 32 * i));
        __m256i large, small;
        if constexpr (Bits == 4) {
          const __m256i w = _mm256_set1_epi32(words[2 * g]);
          const __m256i v = _mm256_set1_epi32(words[2 * g + 1]);
          const __m256i low = _mm256_and_si256(all, low_half);
          const __m256i high = _mm256_and_si256(_mm256_srli_epi16(all, 4), low_half);
          large = _mm256_madd_epi16(
              _mm256_add_epi16(_mm256_maddubs_epi16(low, w), _mm256_maddubs_epi16(high, v)),
              sixteens);
          small = _mm256_madd_epi16(_mm256_maddubs_epi16(low, v), ones);
        } else {  // c = 2 (c >> 1) + (c & 1), since c itself would saturate
          const __m256i v = _mm256_set1_epi32(words[g]);
          const __m256i high = _mm256_and_si256(_mm256_srli_epi16(all, 1), _mm256_set1_epi8(127));
          large = _mm256_madd_epi16(_mm256_maddubs_epi16(high, v), twos);
          small = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_and_si256(all, low_bit), v), ones);
        }
        sums[i] = _mm256_add_epi32(sums[i], _mm256_add_epi32(large, small));
      }
    }
    LAZYGUMBEL_UNROLL
    for (int i = 0; i < vectors; ++i)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8 * i), sums[i]);
  }
};

#elif defined(LAZYGUMBEL_NEON_KERNELS)

template <>
struct CodeDots<Neon> {
  template <int Bits, int Queries>
  [[gnu::noinline]] static void run(const std::uint8_t* tile, std::size_t groups,
                                    const std::int32_t* const* words,
                                    std::int32_t (*out)[tile_rows]) {
    for (int q = 0; q < Queries; ++q)
      for (int quarter = 0; quarter < 4; ++quarter)
        run_quarter<Bits>(tile + 64 * quarter, groups, words[q], out[q] + 16 * quarter);
  }

 private:
  /// sum of products of bytes, pairs added: two sums a row.
  static int32x4_t add(int32x4_t sum, int8x8_t a, int8x8_t b, int shift) {
    return vaddq_s32(sum, vshlq_s32(vpaddlq_s16(vmull_s8(a, b)), vdupq_n_s32(shift)));
  }

  /// 16 rows.
  template <int Bits>
  static void run_quarter(const std::uint8_t* bytes, std::size_t groups, const std::int32_t* words,
                          std::int32_t* out) {
    int32x4_t sums[8];  // of two rows each
    for (auto& sum : sums) sum = vdupq_n_s32(0);
    for (std::size_t g = 0; g < groups; ++g, bytes += group_bytes) {
      const int8x8_t v = vreinterpret_s8_s32(vdup_n_s32(words[group_words(Bits) * (g + 1) - 1]));
      const int8x8_t w = vreinterpret_s8_s32(vdup_n_s32(words[group_words(Bits) * g]));
      for (int i = 0; i < 8; ++i) {
        const uint8x8_t all = vld1_u8(bytes + 8 * i);
        if constexpr (Bits == 4) {
          const int8x8_t low = vreinterpret_s8_u8(vand_u8(all, vdup_n_u8(15)));
          const int8x8_t high = vreinterpret_s8_u8(vshr_n_u8(all, 4));
          sums[i] = add(add(add(sums[i], low, w, 4), high, v, 4), low, v, 0);
        } else {
          const int8x8_t high = vreinterpret_s8_u8(vshr_n_u8(all, 1));
          const int8x8_t low = vreinterpret_s8_u8(vand_u8(all, vdup_n_u8(1)));
          sums[i] = add(add(sums[i], high, v, 1), low, v, 0);
        }
      }
    }
    for (int i = 0; i < 4; ++i) vst1q_s32(out + 4 * i, vpaddq_s32(sums[2 * i], sums[2 * i + 1]));
  }
};

#endif

}  // namespace lazygumbel::detail
