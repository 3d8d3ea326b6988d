#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "lazygumbel/core/detail/dispatch.hpp"
#include "lazygumbel/privacy/workload/detail/box_kernels.hpp"
#ifdef LAZYGUMBEL_X86_KERNELS
#include <immintrin.h>
#endif

namespace lazygumbel::detail {

// What the compiler vectorises by itself, for whatever function it ends up in.

LAZYGUMBEL_INLINE void sum_rows_loop(const double* const* rows, std::size_t count,
                                     std::size_t length, double* out) {
  for (std::size_t j = 0; j < length; j += 8) {
    double sum[8] = {};
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t lane = 0; lane < 8; ++lane) sum[lane] += rows[i][j + lane];
    for (std::size_t lane = 0; lane < 8; ++lane) out[j + lane] = sum[lane];
  }
}

LAZYGUMBEL_INLINE void build_tables_loop(const double* matrix, std::size_t rows, std::size_t length,
                                         double* tables) {
  for (std::size_t first = 0; first < 8 * set_bytes(rows); first += 4, tables += 16 * length) {
    for (std::size_t j = 0; j < length; ++j) tables[j] = 0.0;
    for (unsigned set = 1; set < 16; ++set) {
      const double* const rest = tables + (set & (set - 1)) * length;
      const std::size_t row = first + static_cast<std::size_t>(std::countr_zero(set));
      double* const sum = tables + set * length;
      if (row >= rows) break;  // no set holds this row or a later one
      const double* const added = matrix + row * length;
      for (std::size_t j = 0; j < length; j += 8)
        for (std::size_t lane = 0; lane < 8; ++lane)
          sum[j + lane] = rest[j + lane] + added[j + lane];
    }
  }
}

template <class Set>
struct BoxLoops {
  static void sum_rows(const double* const* rows, std::size_t count, std::size_t length,
                       double* out) {
    sum_rows_loop(rows, count, length, out);
  }

  static void build_tables(const double* matrix, std::size_t rows, std::size_t length,
                           double* tables) {
    build_tables_loop(matrix, rows, length, tables);
  }

  static void sum_boxes(const double* tables, const MatrixBoxes& boxes, double* out) {
    const std::size_t length = 8 * boxes.column_bytes;
    const std::uint8_t* set = boxes.sets;
    for (std::size_t box = 0; box < boxes.count; ++box) {
      const std::uint8_t* const columns = set + boxes.row_bytes;
      double total = 0.0;
      for (std::size_t c = 0; c < boxes.column_bytes; ++c) {
        double sum[8] = {};
        const double* table = tables + 8 * c;
        for (std::size_t r = 0; r < boxes.row_bytes; ++r, table += 32 * length) {
          const double* const low = table + (set[r] & 15) * length;
          const double* const high = table + (16 + (set[r] >> 4)) * length;
          for (std::size_t lane = 0; lane < 8; ++lane) sum[lane] += low[lane] + high[lane];
        }
        for (std::size_t lane = 0; lane < 8; ++lane) {  // without branches: 0 where not in the set
          const std::uint64_t all_or_none = 0 - (std::uint64_t{columns[c]} >> lane & 1);
          sum[lane] = std::bit_cast<double>(std::bit_cast<std::uint64_t>(sum[lane]) & all_or_none);
        }
        total += ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
      }
      out[boxes.ids[box]] = total;
      set = columns + boxes.column_bytes;
    }
  }

  static double sum_box(const double* matrix, std::size_t stride, const std::uint8_t* row_set,
                        std::size_t row_bytes, const std::uint8_t* column_set,
                        std::size_t column_bytes) {
    double sums[4] = {};
    for (std::size_t r = 0; r < row_bytes; ++r)
      for (unsigned rows = row_set[r]; rows != 0; rows &= rows - 1) {
        const double* const row =
            matrix + (8 * r + static_cast<std::size_t>(std::countr_zero(rows))) * stride;
        unsigned turn = 0;
        for (std::size_t c = 0; c < column_bytes; ++c)
          for (unsigned columns = column_set[c]; columns != 0; columns &= columns - 1)
            sums[turn++ & 3] += row[8 * c + static_cast<std::size_t>(std::countr_zero(columns))];
      }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }
};

#ifdef LAZYGUMBEL_X86_KERNELS

template <>
struct BoxLoops<Avx512> {
  LAZYGUMBEL_AVX512 static void sum_rows(const double* const* rows, std::size_t count,
                                         std::size_t length, double* out) {
    std::size_t j = 0;
    for (; j + 8 * widest <= length; j += 8 * widest) sum_block<widest>(rows, count, j, out + j);
    for (; j < length; j += 8) sum_block<1>(rows, count, j, out + j);
  }

  LAZYGUMBEL_AVX512 static void build_tables(const double* matrix, std::size_t rows,
                                             std::size_t length, double* tables) {
    for (std::size_t first = 0; first < 8 * set_bytes(rows); first += 4, tables += 16 * length)
      for (std::size_t j = 0; j < length; j += 8) {
        __m512d added[4], sums[16];
        for (std::size_t row = 0; row < 4; ++row)
          added[row] = first + row < rows ? _mm512_load_pd(matrix + (first + row) * length + j)
                                          : _mm512_setzero_pd();
        sums[0] = _mm512_setzero_pd();
        LAZYGUMBEL_UNROLL
        for (unsigned set = 1; set < 16; ++set)
          sums[set] = _mm512_add_pd(sums[set & (set - 1)], added[std::countr_zero(set)]);
        LAZYGUMBEL_UNROLL
        for (unsigned set = 0; set < 16; ++set)
          _mm512_store_pd(tables + set * length + j, sums[set]);
      }
  }

  LAZYGUMBEL_AVX512 static void sum_boxes(const double* tables, const MatrixBoxes& boxes,
                                          double* out) {
    switch (boxes.column_bytes) {
      case 1:
        return sum_narrow<1>(tables, boxes, out);
      case 2:
        return sum_narrow<2>(tables, boxes, out);
      case 3:
        return sum_narrow<3>(tables, boxes, out);
      case 4:
        return sum_narrow<4>(tables, boxes, out);
      default:
        break;
    }
    const std::size_t length = 8 * boxes.column_bytes;
    const std::uint8_t* set = boxes.sets;
    for (std::size_t box = 0; box < boxes.count; ++box) {
      const std::uint8_t* const columns = set + boxes.row_bytes;
      __m512d total = _mm512_setzero_pd();
      std::size_t c = 0;
      for (; c + widest <= boxes.column_bytes; c += widest)
        total = _mm512_add_pd(
            total, from_tables<widest>(tables + 8 * c, length, set, boxes.row_bytes, columns + c));
      for (; c < boxes.column_bytes; ++c)
        total = _mm512_add_pd(
            total, from_tables<1>(tables + 8 * c, length, set, boxes.row_bytes, columns + c));
      out[boxes.ids[box]] = sum_lanes(total);
      set = columns + boxes.column_bytes;
    }
  }

  LAZYGUMBEL_AVX512 static double sum_box(const double* matrix, std::size_t stride,
                                          const std::uint8_t* row_set, std::size_t row_bytes,
                                          const std::uint8_t* column_set,
                                          std::size_t column_bytes) {
    __m512d total = _mm512_setzero_pd();
    std::size_t c = 0;
    for (; c + widest <= column_bytes; c += widest)
      total = _mm512_add_pd(
          total, from_rows<widest>(matrix + 8 * c, stride, row_set, row_bytes, column_set + c));
    switch (column_bytes - c) {
      case 1:
        total = _mm512_add_pd(
            total, from_rows<1>(matrix + 8 * c, stride, row_set, row_bytes, column_set + c));
        break;
      case 2:
        total = _mm512_add_pd(
            total, from_rows<2>(matrix + 8 * c, stride, row_set, row_bytes, column_set + c));
        break;
      case 3:
        total = _mm512_add_pd(
            total, from_rows<3>(matrix + 8 * c, stride, row_set, row_bytes, column_set + c));
        break;
      default:
        break;
    }
    return sum_lanes(total);
  }

 private:
  static constexpr std::size_t widest = 4;  // vectors of 8 columns at a time

  // (Masked, since gcc 12 warns of an undefined operand in the plain ones and in reduce_add.)
  LAZYGUMBEL_AVX512 LAZYGUMBEL_INLINE static double sum_lanes(__m512d sum) {
    const __m256d half = _mm256_add_pd(_mm512_maskz_extractf64x4_pd(0xff, sum, 0),
                                       _mm512_maskz_extractf64x4_pd(0xff, sum, 1));
    const __m128d quarter =
        _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
    return _mm_cvtsd_f64(_mm_add_sd(quarter, _mm_unpackhi_pd(quarter, quarter)));
  }

  template <std::size_t Vectors>
  LAZYGUMBEL_AVX512 LAZYGUMBEL_INLINE static void sum_block(const double* const* rows,
                                                            std::size_t count, std::size_t at,
                                                            double* out) {
    __m512d sum[Vectors];
    LAZYGUMBEL_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) sum[v] = _mm512_setzero_pd();
    for (std::size_t i = 0; i < count; ++i) {
      LAZYGUMBEL_UNROLL
      for (std::size_t v = 0; v < Vectors; ++v)
        sum[v] = _mm512_add_pd(sum[v], _mm512_load_pd(rows[i] + at + 8 * v));
    }
    LAZYGUMBEL_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) _mm512_store_pd(out + 8 * v, sum[v]);
  }

  template <std::size_t Vectors>
  LAZYGUMBEL_AVX512 LAZYGUMBEL_INLINE static __m512d from_tables(const double* table,
                                                                 std::size_t length,
                                                                 const std::uint8_t* rows,
                                                                 std::size_t row_bytes,
                                                                 const std::uint8_t* columns) {
    __m512d sum[Vectors];
    LAZYGUMBEL_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) sum[v] = _mm512_setzero_pd();
    for (std::size_t r = 0; r < row_bytes; ++r, table += 32 * length) {
      const double* const low = table + (rows[r] & 15) * length;
      const double* const high = table + (16 + (rows[r] >> 4)) * length;
      LAZYGUMBEL_UNROLL
      for (std::size_t v = 0; v < Vectors; ++v)
        sum[v] = _mm512_add_pd(
            sum[v], _mm512_add_pd(_mm512_load_pd(low + 8 * v), _mm512_load_pd(high + 8 * v)));
    }
    __m512d total = _mm512_maskz_mov_pd(columns[0], sum[0]);
    LAZYGUMBEL_UNROLL
    for (std::size_t v = 1; v < Vectors; ++v)
      total = _mm512_mask_add_pd(total, columns[v], total, sum[v]);
    return total;
  }

  template <std::size_t Vectors>
  LAZYGUMBEL_AVX512 static void sum_narrow(const double* tables, const MatrixBoxes& boxes,
                                           double* out) {
    const std::uint8_t* set = boxes.sets;
    for (std::size_t box = 0; box < boxes.count; ++box, set += boxes.row_bytes + Vectors)
      out[boxes.ids[box]] = sum_lanes(
          from_tables<Vectors>(tables, 8 * Vectors, set, boxes.row_bytes, set + boxes.row_bytes));
  }

  template <std::size_t Vectors>
  LAZYGUMBEL_AVX512 LAZYGUMBEL_INLINE static __m512d from_rows(const double* matrix,
                                                               std::size_t stride,
                                                               const std::uint8_t* row_set,
                                                               std::size_t row_bytes,
                                                               const std::uint8_t* columns) {
    __m512d sum[Vectors];
    LAZYGUMBEL_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) sum[v] = _mm512_setzero_pd();
    for (std::size_t r = 0; r < row_bytes; ++r)
      for (unsigned rows = row_set[r]; rows != 0; rows &= rows - 1) {
        const double* const row =
            matrix + (8 * r + static_cast<std::size_t>(std::countr_zero(rows))) * stride;
        LAZYGUMBEL_UNROLL
        for (std::size_t v = 0; v < Vectors; ++v)
          sum[v] = _mm512_add_pd(sum[v], _mm512_maskz_loadu_pd(columns[v], row + 8 * v));
      }
    LAZYGUMBEL_UNROLL
    for (std::size_t v = 1; v < Vectors; ++v) sum[0] = _mm512_add_pd(sum[0], sum[v]);
    return sum[0];
  }
};

template <>
struct BoxLoops<Avx2> {
  LAZYGUMBEL_AVX2 static void sum_rows(const double* const* rows, std::size_t count,
                                       std::size_t length, double* out) {
    for (std::size_t j = 0; j < length; j += 8) {
      __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
      for (std::size_t i = 0; i < count; ++i) {
        low = _mm256_add_pd(low, _mm256_load_pd(rows[i] + j));
        high = _mm256_add_pd(high, _mm256_load_pd(rows[i] + j + 4));
      }
      _mm256_store_pd(out + j, low);
      _mm256_store_pd(out + j + 4, high);
    }
  }

  LAZYGUMBEL_AVX2 static void build_tables(const double* matrix, std::size_t rows,
                                           std::size_t length, double* tables) {
    build_tables_loop(matrix, rows, length, tables);
  }

  LAZYGUMBEL_AVX2 static void sum_boxes(const double* tables, const MatrixBoxes& boxes,
                                        double* out) {
    const std::size_t length = 8 * boxes.column_bytes;
    const std::uint8_t* set = boxes.sets;
    for (std::size_t box = 0; box < boxes.count; ++box) {
      const std::uint8_t* const columns = set + boxes.row_bytes;
      __m256d total = _mm256_setzero_pd();
      for (std::size_t c = 0; c < boxes.column_bytes; ++c) {
        __m256d left = _mm256_setzero_pd(), right = _mm256_setzero_pd();
        const double* table = tables + 8 * c;
        for (std::size_t r = 0; r < boxes.row_bytes; ++r, table += 32 * length) {
          const double* const low = table + (set[r] & 15) * length;
          const double* const high = table + (16 + (set[r] >> 4)) * length;
          left = _mm256_add_pd(left, _mm256_add_pd(_mm256_load_pd(low), _mm256_load_pd(high)));
          right = _mm256_add_pd(right,
                                _mm256_add_pd(_mm256_load_pd(low + 4), _mm256_load_pd(high + 4)));
        }
        left = _mm256_and_pd(left, _mm256_castsi256_pd(lanes(columns[c])));
        right = _mm256_and_pd(right, _mm256_castsi256_pd(lanes(columns[c] >> 4)));
        total = _mm256_add_pd(total, _mm256_add_pd(left, right));
      }
      out[boxes.ids[box]] = sum_lanes(total);
      set = columns + boxes.column_bytes;
    }
  }

  LAZYGUMBEL_AVX2 static double sum_box(const double* matrix, std::size_t stride,
                                        const std::uint8_t* row_set, std::size_t row_bytes,
                                        const std::uint8_t* column_set, std::size_t column_bytes) {
    __m256d left = _mm256_setzero_pd(), right = _mm256_setzero_pd();
    for (std::size_t c = 0; c < column_bytes; ++c) {
      const __m256i left_lanes = lanes(column_set[c]), right_lanes = lanes(column_set[c] >> 4);
      for (std::size_t r = 0; r < row_bytes; ++r)
        for (unsigned rows = row_set[r]; rows != 0; rows &= rows - 1) {
          const double* const row =
              matrix + 8 * c + (8 * r + static_cast<std::size_t>(std::countr_zero(rows))) * stride;
          left = _mm256_add_pd(left, _mm256_maskload_pd(row, left_lanes));
          // Masked reads never fault, but the address itself must not run past the matrix.
          if (column_set[c] > 15)
            right = _mm256_add_pd(right, _mm256_maskload_pd(row + 4, right_lanes));
        }
    }
    return sum_lanes(_mm256_add_pd(left, right));
  }

 private:
  /// All ones in the lanes of the low four bits.
  LAZYGUMBEL_AVX2 LAZYGUMBEL_INLINE static __m256i lanes(unsigned bits) {
    const __m256i each = _mm256_setr_epi64x(1, 2, 4, 8);
    return _mm256_cmpeq_epi64(
        _mm256_and_si256(_mm256_set1_epi64x(static_cast<long long>(bits)), each), each);
  }

  LAZYGUMBEL_AVX2 LAZYGUMBEL_INLINE static double sum_lanes(__m256d sum) {
    const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(sum), _mm256_extractf128_pd(sum, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
  }
};

#endif

template <class Set>
constexpr BoxKernels BoxKernels::of() noexcept {
  return {BoxLoops<Set>::sum_rows, BoxLoops<Set>::build_tables, BoxLoops<Set>::sum_boxes,
          BoxLoops<Set>::sum_box};
}

}  // namespace lazygumbel::detail
