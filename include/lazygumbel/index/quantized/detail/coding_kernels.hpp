#pragma once

#include <cstddef>
#include <cstdint>

#include "lazygumbel/core/simd.hpp"

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
    code = code > none ? code : none;
    code = code < top ? code : top;
    coded = Bits == 4 ? (code << 4) - (zero >> 12) : code - (zero >> 16);
    left_out = k - (code << 16);
    if constexpr (Bits == 4) left_out = (left_out + 4) >> 3;
  }
  Ints code, coded, left_out;
};

/// Of `count` numbers, a multiple of coding_block, and codes of `bits` = 4 or 8.
struct CodingKernels {
  /// out = x in float, for n doubles; tells whether nothing was lost.
  bool (*narrow)(const double* x, std::size_t n, float* out);
  void (*survey)(const float* x, std::size_t count, RowSurvey&);
  /// What codes leave out.
  void (*measure)(int bits, const float* x, std::size_t count, const CodeStep&, CodeSums&);
  /// The same, and writes the codes, a byte each.
  void (*write)(int bits, const float* x, std::size_t count, const CodeStep&, std::uint8_t* codes,
                CodeSums&);

  template <class Set>
  static constexpr CodingKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const CodingKernels& select<CodingKernels>(Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/index/quantized/detail/coding_kernels_impl.hpp"
#endif
