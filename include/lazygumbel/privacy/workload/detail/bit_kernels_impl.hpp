#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "lazygumbel/core/detail/dispatch.hpp"
#include "lazygumbel/privacy/workload/detail/bit_kernels.hpp"
#ifdef LAZYGUMBEL_X86_KERNELS
#include <immintrin.h>
#endif

namespace lazygumbel::detail {

template <class Set>
struct BitLoops {
  static void tile_sums(const std::uint64_t* tile, std::size_t chunks, const std::int32_t* tables,
                        std::int32_t* sums) {
    for (std::size_t i = 0; i < bit_tile; ++i) {
      const std::uint64_t* const row = tile + row_start(i, chunks);
      std::int32_t sum[4] = {};
      const std::int32_t* table = tables;
      for (std::size_t w = 0; w < 2 * chunks; ++w, table += 256) {
        const std::uint64_t word = row[word_offset(w)];
        for (unsigned nibble = 0; nibble < 16; ++nibble)
          sum[nibble & 3] += table[16 * nibble + (word >> (4 * nibble) & 15)];
      }
      sums[i] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
  }

  static double row_sum(const std::uint64_t* row, const double* weights, std::size_t cells) {
    double sums[4] = {};
    for (std::size_t first = 0; first < cells; first += 64) {
      unsigned turn = 0;
      for (std::uint64_t bits = row[word_offset(first / 64)]; bits != 0; bits &= bits - 1)
        sums[turn++ & 3] += weights[first + static_cast<std::size_t>(std::countr_zero(bits))];
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }
};

#ifdef LAZYGUMBEL_X86_KERNELS

// (Masked forms of instructions that need no mask, since gcc 12 warns of an undefined operand in
// the code of the others.)
template <>
struct BitLoops<Avx512> {
  LAZYGUMBEL_AVX512 static void tile_sums(const std::uint64_t* tile, std::size_t chunks,
                                          const std::int32_t* tables, std::int32_t* sums) {
    constexpr std::size_t groups = bit_tile / 16;
    const std::size_t stream = chunks * line_words;
    __m512i sum[groups];
    LAZYGUMBEL_UNROLL
    for (std::size_t g = 0; g < groups; ++g) sum[g] = _mm512_setzero_si512();
    for (std::size_t c = 0; c < chunks; ++c, tile += line_words) {
      __m512i words[groups][4];  // 32-bit word w of the chunk, of 16 rows
      for (std::size_t g = 0; g < groups; ++g) transpose(tile + 4 * g * stream, stream, words[g]);
      for (std::size_t w = 0; w < 4; ++w) {  // a loop: unrolled, it needs too many registers
        __m512i bits[groups];
        LAZYGUMBEL_UNROLL
        for (std::size_t g = 0; g < groups; ++g) bits[g] = words[g][w];
        LAZYGUMBEL_UNROLL
        for (int nibble = 0; nibble < 8; ++nibble, tables += 16) {
          const __m512i table = _mm512_load_si512(tables);
          LAZYGUMBEL_UNROLL
          for (std::size_t g = 0; g < groups; ++g) {
            sum[g] =
                _mm512_add_epi32(sum[g], _mm512_maskz_permutexvar_epi32(0xffff, bits[g], table));
            bits[g] = _mm512_maskz_srli_epi32(0xffff, bits[g], 4);
          }
        }
      }
    }
    LAZYGUMBEL_UNROLL
    for (std::size_t g = 0; g < groups; ++g) _mm512_storeu_si512(sums + 16 * g, sum[g]);
  }

  LAZYGUMBEL_AVX512 static double row_sum(const std::uint64_t* row, const double* weights,
                                          std::size_t cells) {
    constexpr std::size_t turns = 8;
    __m512d sums[turns];
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < turns; ++i) sums[i] = _mm512_setzero_pd();
    std::size_t first = 0;
    for (; first + 64 <= cells; first += 64) {
      const std::uint64_t bits = row[word_offset(first / 64)];
      LAZYGUMBEL_UNROLL
      for (std::size_t i = 0; i < turns; ++i) {
        const auto mask = static_cast<__mmask8>(bits >> (8 * i));
        sums[i] = _mm512_add_pd(sums[i], _mm512_maskz_loadu_pd(mask, weights + first + 8 * i));
      }
    }
    if (first < cells)
      for (std::uint64_t bits = row[word_offset(first / 64)]; first < cells; first += 8, bits >>= 8)
        sums[0] = _mm512_add_pd(
            sums[0], _mm512_maskz_loadu_pd(static_cast<__mmask8>(bits), weights + first));
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 1; i < turns; ++i) sums[0] = _mm512_add_pd(sums[0], sums[i]);
    alignas(64) double lanes[8];
    _mm512_store_pd(lanes, sums[0]);
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
           ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  }

 private:
  /// words[w], lane i = 32-bit word w of the chunk of row i; fetches the next tile's chunk.
  LAZYGUMBEL_AVX512 LAZYGUMBEL_INLINE static void transpose(const std::uint64_t* chunk,
                                                            std::size_t stream, __m512i* words) {
    __m512i part[4];  // 128-bit lane l of part r: row 4 l + r
    LAZYGUMBEL_UNROLL
    for (std::size_t r = 0; r < 4; ++r) {
      part[r] = _mm512_load_si512(chunk + r * stream);
      LAZYGUMBEL_PREFETCH(chunk + (bit_tile / 4 + r) * stream);
    }
    const __m512i low01 = _mm512_maskz_unpacklo_epi32(0xffff, part[0], part[1]);
    const __m512i low23 = _mm512_maskz_unpacklo_epi32(0xffff, part[2], part[3]);
    const __m512i high01 = _mm512_maskz_unpackhi_epi32(0xffff, part[0], part[1]);
    const __m512i high23 = _mm512_maskz_unpackhi_epi32(0xffff, part[2], part[3]);
    words[0] = _mm512_maskz_unpacklo_epi64(0xff, low01, low23);
    words[1] = _mm512_maskz_unpackhi_epi64(0xff, low01, low23);
    words[2] = _mm512_maskz_unpacklo_epi64(0xff, high01, high23);
    words[3] = _mm512_maskz_unpackhi_epi64(0xff, high01, high23);
  }
};

template <>
struct BitLoops<Avx2> {
  LAZYGUMBEL_AVX2 static void tile_sums(const std::uint64_t* tile, std::size_t chunks,
                                        const std::int32_t* tables, std::int32_t* sums) {
    const std::size_t stream = chunks * line_words;
    for (std::size_t row = 0; row < bit_tile; row += 16)
      group_sums(tile + row / 4 * stream, stream, tables, sums + row);
  }

  LAZYGUMBEL_AVX2 static double row_sum(const std::uint64_t* row, const double* weights,
                                        std::size_t cells) {
    const __m256i each = _mm256_setr_epi64x(1, 2, 4, 8);
    __m256d sums[4] = {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(),
                       _mm256_setzero_pd()};
    for (std::size_t first = 0; first < cells; first += 64) {
      std::uint64_t bits = row[word_offset(first / 64)];
      const std::size_t quads = (std::min)(std::size_t{64}, cells - first + 3) / 4;
      for (std::size_t i = 0; i < quads; ++i, bits >>= 4) {
        const __m256i mask = _mm256_cmpeq_epi64(
            _mm256_and_si256(_mm256_set1_epi64x(static_cast<long long>(bits)), each), each);
        sums[i & 3] = _mm256_add_pd(sums[i & 3], _mm256_maskload_pd(weights + first + 4 * i, mask));
      }
    }
    const __m256d sum =
        _mm256_add_pd(_mm256_add_pd(sums[0], sums[1]), _mm256_add_pd(sums[2], sums[3]));
    const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(sum), _mm256_extractf128_pd(sum, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
  }

 private:
  /// The sums of 16 rows, 8 in a register.
  LAZYGUMBEL_AVX2 static void group_sums(const std::uint64_t* chunk, std::size_t stream,
                                         const std::int32_t* table, std::int32_t* sums) {
    __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    const std::uint64_t* const end = chunk + stream;
    for (; chunk != end; chunk += line_words) {
      __m256i words[2][4];
      LAZYGUMBEL_UNROLL
      for (std::size_t half = 0; half < 2; ++half) transpose(chunk + 4 * half, stream, words[half]);
      for (std::size_t w = 0; w < 4; ++w)
        for (int nibble = 0; nibble < 8; ++nibble, table += 16) {
          const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(table));
          const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(table + 8));
          LAZYGUMBEL_UNROLL
          for (std::size_t half = 0; half < 2; ++half) {
            __m256i& bits = words[half][w];
            const __m256 found = _mm256_blendv_ps(  // by bit 3, moved to the sign
                _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(low, bits)),
                _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(high, bits)),
                _mm256_castsi256_ps(_mm256_slli_epi32(bits, 28)));
            sum[half] = _mm256_add_epi32(sum[half], _mm256_castps_si256(found));
            bits = _mm256_srli_epi32(bits, 4);
          }
        }
    }
    LAZYGUMBEL_UNROLL
    for (std::size_t half = 0; half < 2; ++half)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + 8 * half), sum[half]);
  }

  LAZYGUMBEL_AVX2 LAZYGUMBEL_INLINE static void transpose(const std::uint64_t* chunk,
                                                          std::size_t stream, __m256i* words) {
    __m256i part[4];
    LAZYGUMBEL_UNROLL
    for (std::size_t r = 0; r < 4; ++r)
      part[r] = _mm256_load_si256(reinterpret_cast<const __m256i*>(chunk + r * stream));
    const __m256i low01 = _mm256_unpacklo_epi32(part[0], part[1]);
    const __m256i low23 = _mm256_unpacklo_epi32(part[2], part[3]);
    const __m256i high01 = _mm256_unpackhi_epi32(part[0], part[1]);
    const __m256i high23 = _mm256_unpackhi_epi32(part[2], part[3]);
    words[0] = _mm256_unpacklo_epi64(low01, low23);
    words[1] = _mm256_unpackhi_epi64(low01, low23);
    words[2] = _mm256_unpacklo_epi64(high01, high23);
    words[3] = _mm256_unpackhi_epi64(high01, high23);
  }
};

#endif

template <class Set>
constexpr BitKernels BitKernels::of() noexcept {
  return {BitLoops<Set>::tile_sums, BitLoops<Set>::row_sum};
}

}  // namespace lazygumbel::detail
