#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"

/// \file
/// The two loops that attention over blocks of keys is made of: products of small matrices whose
/// columns are packed in panels, and the running softmax between them. One struct an instruction
/// set.

namespace lazygumbel::detail {

/// C (m x n) = A B, or C += A B where `add`. Entry (i, l) of A (m x k) is at a[i a_row + l a_col].
/// B and C have n columns, a multiple of the lanes' width. B lies in panels of `panel` columns (2
/// widths), one `b_panel` floats after the other, rows of a panel `b_row` apart: for a row-major
/// matrix, b_row is its stride and b_panel = panel.
struct Product {
  std::size_t m, n, k;
  const float* a;
  std::ptrdiff_t a_row, a_col;
  const float* b;
  std::ptrdiff_t b_row, b_panel;
  float* c;
  std::ptrdiff_t c_row;
  bool add;
  /// With `add`: what rounding lost of each entry of C so far, rows `c_row` apart, taken into
  /// account (Kahan), so that errors do not grow with the number of products; nullptr: it is not.
  float* lost = nullptr;
};

/// Rows of scores of one block of keys, and what is known of each row's softmax so far: its largest
/// score, the sum of e^(score - largest) and the weighted sum of values. Takes the block's scores
/// in: turns them into weights e^(score - largest), with rows of `out` and sums scaled where the
/// largest score rose; the weights times values are then still to be added to `out`.
struct SoftmaxRows {
  std::size_t rows, keys;  ///< keys: a multiple of the lanes' width fits in a row of scores
  float* scores;
  std::ptrdiff_t score_row;
  const std::uint32_t* limits;  ///< keys that each row sees; nullptr: all
  float bias;                   ///< added to every score, after the cap
  float softcap;                ///< 0: none
  float* largest;               ///< one a row, -inf at first
  double* sums;
  float* out;  ///< rows of `dimension` floats
  std::ptrdiff_t out_row;
  std::size_t dimension;  ///< of `out`, a multiple of the lanes' width
  float* lost = nullptr;  ///< rows as `out`, scaled with it; nullptr: none
  /// One a row: the sum of all scores that it sees, before cap and bias, is added, which is not
  /// finite where a score is not (and would else pass for no weight); nullptr: none.
  float* checks = nullptr;
};

template <class Isa>
LAZYGUMBEL_INLINE void scale_row(float* row, std::size_t dimension,
                                 const typename Isa::Floats& scale) {
  for (std::size_t c = 0; c < dimension; c += Isa::width) {
    typename Isa::Floats x;
    std::memcpy(&x, row + c, sizeof x);
    x *= scale;
    std::memcpy(row + c, &x, sizeof x);
  }
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

template <class Isa, int Rows, int Vectors>
LAZYGUMBEL_INLINE void product_tile(const Product& p, const float* a, const float* b, float* c) {
  using Floats = typename Isa::Floats;
  constexpr std::size_t W = Isa::width;
  Floats sums[static_cast<std::size_t>(Rows * Vectors)];
  LAZYGUMBEL_UNROLL
  for (int i = 0; i < Rows * Vectors; ++i) {
    sums[i] = Floats{};
    if (p.add && p.lost == nullptr)
      std::memcpy(&sums[i],
                  c + (i / Vectors) * p.c_row + static_cast<std::ptrdiff_t>(W) * (i % Vectors),
                  sizeof(Floats));
  }
  for (std::size_t l = 0; l < p.k; ++l, a += p.a_col, b += p.b_row) {
    Floats columns[static_cast<std::size_t>(Vectors)];
    LAZYGUMBEL_UNROLL
    for (int v = 0; v < Vectors; ++v)
      std::memcpy(&columns[v], b + static_cast<std::ptrdiff_t>(W) * v, sizeof(Floats));
    LAZYGUMBEL_UNROLL
    for (int i = 0; i < Rows; ++i) {
      const float factor = a[i * p.a_row];
      LAZYGUMBEL_UNROLL
      for (int v = 0; v < Vectors; ++v) sums[i * Vectors + v] += factor * columns[v];
    }
  }
  LAZYGUMBEL_UNROLL
  for (int i = 0; i < Rows; ++i) {
    LAZYGUMBEL_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      float* const to = c + i * p.c_row + static_cast<std::ptrdiff_t>(W) * v;
      if (p.lost == nullptr)
        std::memcpy(to, &sums[i * Vectors + v], sizeof(Floats));
      else
        add_compensated(sums[i * Vectors + v], to, p.lost + (to - p.c));
    }
  }
}

/// All rows of one panel, `Rows` at a time and what is left in smaller tiles.
template <class Isa, int Rows, int Vectors>
LAZYGUMBEL_INLINE void product_panel(const Product& p, std::size_t row, const float* b, float* c) {
  for (; row + Rows <= p.m; row += Rows) {
    const auto at = static_cast<std::ptrdiff_t>(row);
    product_tile<Isa, Rows, Vectors>(p, p.a + at * p.a_row, b, c + at * p.c_row);
  }
  if constexpr (Rows > 1) product_panel<Isa, Rows / 2, Vectors>(p, row, b, c);
}

template <class Isa>
LAZYGUMBEL_INLINE void product(const Product& p) {
  constexpr std::size_t W = Isa::width;
  std::size_t column = 0;
  const float* b = p.b;
  for (; column + 2 * W <= p.n; column += 2 * W, b += p.b_panel)
    product_panel<Isa, Isa::rows, 2>(p, 0, b, p.c + column);
  if (column < p.n) product_panel<Isa, Isa::rows, 1>(p, 0, b, p.c + column);
}

template <class Isa>
LAZYGUMBEL_INLINE void softmax_rows(const SoftmaxRows& block) {
  using Floats = typename Isa::Floats;
  constexpr std::size_t W = Isa::width;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const std::size_t padded = (block.keys + W - 1) / W * W;
  const float inverse = block.softcap > 0.0F ? 1.0F / block.softcap : 0.0F;
  for (std::size_t r = 0; r < block.rows; ++r) {
    float* const scores = block.scores + static_cast<std::ptrdiff_t>(r) * block.score_row;
    std::size_t limit = block.keys;
    if (block.limits != nullptr && block.limits[r] < limit) limit = block.limits[r];
    const std::size_t seen = (limit + W - 1) / W * W;
    for (std::size_t j = limit; j < seen; ++j) scores[j] = 0.0F;
    for (std::size_t j = seen; j < padded; ++j) scores[j] = -infinity;
    Floats high = Floats{} - infinity, check = {};
    for (std::size_t j = 0; j < limit; j += W) {
      Floats x;
      std::memcpy(&x, scores + j, sizeof x);
      check += x;
      if (block.softcap > 0.0F) {  // what was left out stays at -inf
        Floats capped = x;
        lanes_cap<W>(capped, block.softcap, inverse);
        x = x > -infinity ? capped : x;
      }
      x += block.bias;
      std::memcpy(scores + j, &x, sizeof x);
      if (j + W > limit) {
        for (std::size_t l = limit - j; l < W; ++l) scores[j + l] = -infinity;
        std::memcpy(&x, scores + j, sizeof x);
      }
      take_larger(high, x);
    }
    if (block.checks != nullptr) block.checks[r] += lane_sum(check);
    const float before = block.largest[r], found = largest_lane(high);
    const float largest = found > before ? found : before;
    if (!(largest > -infinity)) {  // nothing that counts so far
      for (std::size_t j = 0; j < padded; ++j) scores[j] = 0.0F;
      continue;
    }
    if (found > before) {
      block.largest[r] = found;
      Floats scale = Floats{} + (before - found);
      lanes_exp<W>(scale);
      block.sums[r] *= static_cast<double>(scale[0]);
      const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(r) * block.out_row;
      scale_row<Isa>(block.out + at, block.dimension, scale);
      if (block.lost != nullptr) scale_row<Isa>(block.lost + at, block.dimension, scale);
    }
    Floats sum = {};
    for (std::size_t j = 0; j < padded; j += W) {
      Floats x;
      std::memcpy(&x, scores + j, sizeof x);
      x -= largest;
      lanes_exp<W>(x);
      sum += x;
      std::memcpy(scores + j, &x, sizeof x);
    }
    block.sums[r] += static_cast<double>(lane_sum(sum));
  }
}

/// panels (d x 2W floats each, enough of them) = the transpose of `count` rows of d numbers, which
/// are widened and multiplied by `scale`; columns beyond the rows are 0.
template <class Isa, class T>
LAZYGUMBEL_INLINE void pack_columns(const T* rows, std::ptrdiff_t stride, std::size_t count,
                                    std::size_t d, float* panels) {
  constexpr std::size_t W = Isa::width, panel = 2 * W;
  using Floats = typename Isa::Floats;
  for (std::size_t first = 0; first < count; first += panel, panels += panel * d) {
    const std::size_t some = count - first < panel ? count - first : panel;
    if (some < panel) std::memset(panels, 0, sizeof(float) * panel * d);
    for (std::size_t r = 0; r < some; ++r) {
      const T* const row = rows + static_cast<std::ptrdiff_t>(first + r) * stride;
      std::size_t j = 0;
      for (; j + W <= d; j += W) {
        Floats x;
        Isa::load(x, row + j);
        LAZYGUMBEL_UNROLL
        for (std::size_t l = 0; l < W; ++l) panels[(j + l) * panel + r] = x[l];
      }
      for (; j < d; ++j) panels[j * panel + r] = static_cast<float>(row[j]);
    }
  }
}

/// out (count rows of `padded` floats) = rows of d numbers, widened; 0 behind each.
template <class Isa, class T>
LAZYGUMBEL_INLINE void widen_rows(const T* rows, std::ptrdiff_t stride, std::size_t count,
                                  std::size_t d, float* out, std::size_t padded) {
  constexpr std::size_t W = Isa::width;
  using Floats = typename Isa::Floats;
  for (std::size_t r = 0; r < count; ++r, out += padded) {
    const T* const row = rows + static_cast<std::ptrdiff_t>(r) * stride;
    std::size_t j = 0;
    for (; j + W <= d; j += W) {
      Floats x;
      Isa::load(x, row + j);
      std::memcpy(out + j, &x, sizeof x);
    }
    for (; j < d; ++j) out[j] = static_cast<float>(row[j]);
    for (; j < padded; ++j) out[j] = 0.0F;
  }
}

/// The loops of one instruction set, as pointers to functions.
struct ProductKernels {
  std::size_t width;  ///< lanes: columns of products come in multiples of it
  std::size_t panel() const noexcept { return 2 * width; }
  std::size_t pad(std::size_t columns) const noexcept {
    return (columns + width - 1) / width * width;
  }

  void (*multiply)(const Product&);
  void (*softmax)(const SoftmaxRows&);
  void (*pack_float)(const float*, std::ptrdiff_t, std::size_t, std::size_t, float*);
  void (*pack_half)(const Eigen::half*, std::ptrdiff_t, std::size_t, std::size_t, float*);
  void (*pack_bfloat16)(const Eigen::bfloat16*, std::ptrdiff_t, std::size_t, std::size_t, float*);
  void (*widen_float)(const float*, std::ptrdiff_t, std::size_t, std::size_t, float*, std::size_t);
  void (*widen_half)(const Eigen::half*, std::ptrdiff_t, std::size_t, std::size_t, float*,
                     std::size_t);
  void (*widen_bfloat16)(const Eigen::bfloat16*, std::ptrdiff_t, std::size_t, std::size_t, float*,
                         std::size_t);

  /// pack_columns: panels of the transposed rows.
  void pack(const float* rows, std::ptrdiff_t stride, std::size_t count, std::size_t d,
            float* panels) const {
    pack_float(rows, stride, count, d, panels);
  }
  void pack(const Eigen::half* rows, std::ptrdiff_t stride, std::size_t count, std::size_t d,
            float* panels) const {
    pack_half(rows, stride, count, d, panels);
  }
  void pack(const Eigen::bfloat16* rows, std::ptrdiff_t stride, std::size_t count, std::size_t d,
            float* panels) const {
    pack_bfloat16(rows, stride, count, d, panels);
  }
  /// widen_rows: rows as floats, padded.
  void widen(const float* rows, std::ptrdiff_t stride, std::size_t count, std::size_t d, float* out,
             std::size_t padded) const {
    widen_float(rows, stride, count, d, out, padded);
  }
  void widen(const Eigen::half* rows, std::ptrdiff_t stride, std::size_t count, std::size_t d,
             float* out, std::size_t padded) const {
    widen_half(rows, stride, count, d, out, padded);
  }
  void widen(const Eigen::bfloat16* rows, std::ptrdiff_t stride, std::size_t count, std::size_t d,
             float* out, std::size_t padded) const {
    widen_bfloat16(rows, stride, count, d, out, padded);
  }
};

// The functions that carry an instruction set, once for each. Nothing but calls, which are inlined.
#define LAZYGUMBEL_PRODUCT_KERNELS(Name, Isa, attributes)                                  \
  struct Name {                                                                            \
    attributes static void multiply(const Product& p) { product<Isa>(p); }                 \
    attributes static void softmax(const SoftmaxRows& block) { softmax_rows<Isa>(block); } \
    template <class T>                                                                     \
    attributes static void pack(const T* rows, std::ptrdiff_t stride, std::size_t count,   \
                                std::size_t d, float* panels) {                            \
      pack_columns<Isa, T>(rows, stride, count, d, panels);                                \
    }                                                                                      \
    template <class T>                                                                     \
    attributes static void widen(const T* rows, std::ptrdiff_t stride, std::size_t count,  \
                                 std::size_t d, float* out, std::size_t padded) {          \
      widen_rows<Isa, T>(rows, stride, count, d, out, padded);                             \
    }                                                                                      \
    static constexpr ProductKernels table = {                                              \
        Isa::width,   multiply,           softmax,                                         \
        pack<float>,  pack<Eigen::half>,  pack<Eigen::bfloat16>,                           \
        widen<float>, widen<Eigen::half>, widen<Eigen::bfloat16>};                         \
  }

LAZYGUMBEL_PRODUCT_KERNELS(PortableProducts, PortableLanes, );
#ifdef LAZYGUMBEL_X86_KERNELS
LAZYGUMBEL_PRODUCT_KERNELS(Avx2Products, Avx2Lanes, LAZYGUMBEL_AVX2);
LAZYGUMBEL_PRODUCT_KERNELS(Avx512Products, Avx512Lanes, LAZYGUMBEL_AVX512);
#endif
#undef LAZYGUMBEL_PRODUCT_KERNELS

/// The kernels of `simd`, which must be supported. (NEON's are the portable ones, in its
/// registers.)
inline const ProductKernels& product_kernels(Simd simd) noexcept {
#ifdef LAZYGUMBEL_X86_KERNELS
  if (simd == Simd::avx512_vnni) return Avx512Products::table;
  if (simd == Simd::avx2) return Avx2Products::table;
#endif
  static_cast<void>(simd);
  return PortableProducts::table;
}

}  // namespace lazygumbel::detail
