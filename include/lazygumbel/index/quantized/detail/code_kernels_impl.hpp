#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lazygumbel/core/detail/dispatch.hpp"
#include "lazygumbel/core/detail/lanes.hpp"
#include "lazygumbel/index/quantized/detail/code_dots.hpp"
#include "lazygumbel/index/quantized/detail/code_kernels.hpp"
#include "lazygumbel/index/quantized/detail/coded_query.hpp"
#include "lazygumbel/index/quantized/detail/row_codes.hpp"

namespace lazygumbel::detail {

/// x = exp(x) for x <= 0, within `fast_exp_error` of itself; about 1e-38 from -87 down. 2^f for f
/// in [-1/2, 1/2] by its minimax cubic: whoever draws by these weights knows each as computed, so
/// that closeness matters little and time much.
template <std::size_t W>
LAZYGUMBEL_INLINE void fast_exp(typename Lanes<W>::Floats& x) noexcept {
  using Floats = typename Lanes<W>::Floats;
  using Ints = typename Lanes<W>::Ints;
  constexpr float round = 12582912.0F;  // 3 * 2^22: its sum with x has round(x) in the low bits
  x *= 1.44269504F;
  const Floats least = Floats{} - 126.0F;
  take_larger(x, least);
  const Floats shifted = x + round;
  const Floats f = x - (shifted - round);
  const Floats power = ((f * 0.055171669F + 0.242611122F) * f + 0.693260985F) * f + 0.999928074F;
  Ints exponent, bits;
  std::memcpy(&exponent, &shifted, sizeof exponent);
  std::memcpy(&bits, &power, sizeof bits);
  bits += exponent << 23;
  std::memcpy(&x, &bits, sizeof x);
}

/// The words of W rows, taken apart.
template <std::size_t W>
struct RowWords {
  using Floats = typename Lanes<W>::Floats;
  LAZYGUMBEL_INLINE explicit RowWords(const std::uint32_t* words) noexcept {
    typename Lanes<W>::Ints all;
    load(all, words);
    const typename Lanes<W>::Ints upper = all & static_cast<std::int32_t>(0xffff0000U);
    std::memcpy(&scale, &upper, sizeof scale);
    zero = __builtin_convertvector((all >> 8) & 255, Floats);
    residual = __builtin_convertvector(all & 255, Floats);
  }
  Floats scale, zero, residual;
};

/// Adds the coefficient times the offsets of W rows of a tile, where there are any.
template <std::size_t W>
LAZYGUMBEL_INLINE void add_offsets(typename Lanes<W>::Floats& sum, const float* offsets,
                                   std::size_t first, float coefficient) noexcept {
  if (offsets == nullptr) return;
  typename Lanes<W>::Floats some;
  load(some, offsets + first);
  sum += coefficient * some;
}

LAZYGUMBEL_INLINE float slack_of(const RowCodes& codes, std::size_t tile, const CodedQuery& query) {
  return codes.norm(tile) * query.slack_norm + query.slack;
}

/// The integer dot products of a tile of `codes` with `Queries` queries: never inlined, so that the
/// scans share them.
template <class Set, int Queries>
LAZYGUMBEL_INLINE auto dots_of(const RowCodes& codes) noexcept {
  return codes.bits() == 4 ? CodeDots<Set>::template run<4, Queries>
                           : CodeDots<Set>::template run<8, Queries>;
}

/// (Of rows without offsets: a sum more would be fused here and not there, and a batch of queries
/// would no longer get what each gets alone.)
template <class Set, int Queries>
LAZYGUMBEL_INLINE void scan_bounds(const RowCodes& codes, std::size_t first, std::size_t last,
                                   const CodedQuery* const* queries, const BoundSink* sinks) {
  constexpr std::size_t W = Set::width, parts = tile_lanes / W;
  using Floats = typename Lanes<W>::Floats;
  constexpr int at_once = Queries < 2 ? Queries : 2;  // as many as the registers hold
  static_assert(Queries % at_once == 0);
  const auto run = dots_of<Set, at_once>(codes);
  constexpr auto count = static_cast<std::size_t>(Queries);
  const std::int32_t* words[count];
  for (int q = 0; q < Queries; ++q) words[q] = queries[q]->words.data();
  alignas(64) std::int32_t dots[count][tile_rows];
  for (std::size_t t = first; t < last; ++t) {
    for (int q = 0; q < Queries; q += at_once)
      run(codes.tile(t), codes.groups(), words + q, dots + q);
    Floats largest[count][parts];
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < tile_rows / W; ++i) {
      const RowWords<W> row(codes.words(t) + W * i);
      LAZYGUMBEL_UNROLL
      for (int q = 0; q < Queries; ++q) {
        typename Lanes<W>::Ints dot;
        load(dot, dots[q] + W * i);
        const Floats bound = row.scale * (queries[q]->a * __builtin_convertvector(dot, Floats) +
                                          queries[q]->b * row.zero + queries[q]->c * row.residual);
        if (i < parts)
          largest[q][i] = bound;
        else
          take_larger(largest[q][i % parts], bound);
      }
    }
    LAZYGUMBEL_UNROLL
    for (int q = 0; q < Queries; ++q) {
      const float slack = slack_of(codes, t, *queries[q]);
      float* const lanes = sinks[q].lanes + t * tile_lanes;
      Floats all = largest[q][0] + slack;
      LAZYGUMBEL_UNROLL
      for (std::size_t part = 0; part < parts; ++part) {
        largest[q][part] += slack;
        std::memcpy(lanes + W * part, &largest[q][part], sizeof(Floats));
        take_larger(all, largest[q][part]);
      }
      sinks[q].largest[t] = largest_lane(all);
    }
  }
}

/// Estimates and errors of one tile's rows, W at a time.
template <std::size_t W>
struct RowEstimates {
  using Floats = typename Lanes<W>::Floats;
  LAZYGUMBEL_INLINE RowEstimates(const std::int32_t* dots, const RowCodes& codes, std::size_t tile,
                                 std::size_t first, const CodedQuery& query, float slack) noexcept {
    const RowWords<W> row(codes.words(tile) + first);
    typename Lanes<W>::Ints dot;
    load(dot, dots + first);
    estimate = row.scale * (query.a * __builtin_convertvector(dot, Floats) + query.b * row.zero);
    add_offsets<W>(estimate, codes.offsets(tile), first, query.offset);
    error = row.scale * (query.c * row.residual) + slack;
  }
  Floats estimate, error;
};

template <class Set>
LAZYGUMBEL_INLINE void scan_weights(const RowCodes& codes, std::size_t first, std::size_t last,
                                    const CodedQuery& query, TileWeight* out) {
  constexpr std::size_t W = Set::width, parts = tile_rows / W;
  using Floats = typename Lanes<W>::Floats;
  const auto run = dots_of<Set, 1>(codes);
  const std::int32_t* const words = query.words.data();
  alignas(64) std::int32_t dots[1][tile_rows];
  for (std::size_t t = first; t < last; ++t) {
    run(codes.tile(t), codes.groups(), &words, dots);
    const float slack = slack_of(codes, t, query);
    Floats estimates[parts], high;
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < parts; ++i) {
      const RowEstimates<W> rows(dots[0], codes, t, W * i, query, slack);
      estimates[i] = rows.estimate;
      if (i == 0)
        high = rows.estimate;
      else
        take_larger(high, rows.estimate);
    }
    const float largest = largest_lane(high);
    Floats sum = {};
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < parts; ++i) {
      estimates[i] -= largest;
      fast_exp<W>(estimates[i]);
      if (codes.rows_in(t) < tile_rows)
        for (std::size_t l = 0; l < W; ++l)
          if (W * i + l >= codes.rows_in(t)) estimates[i][l] = 0.0F;  // padding
      sum += estimates[i];
    }
    out[t] = {largest, lane_sum(sum), codes.residual(t) * query.c + slack};
  }
}

template <class Set>
LAZYGUMBEL_INLINE void scan_tile(const RowCodes& codes, std::size_t tile, const CodedQuery& query,
                                 float* estimates, float* errors, float largest, float* weights) {
  constexpr std::size_t W = Set::width;
  const auto run = dots_of<Set, 1>(codes);
  const std::int32_t* const words = query.words.data();
  alignas(64) std::int32_t dots[1][tile_rows];
  run(codes.tile(tile), codes.groups(), &words, dots);
  const float slack = slack_of(codes, tile, query);
  for (std::size_t i = 0; i < tile_rows / W; ++i) {
    const RowEstimates<W> rows(dots[0], codes, tile, W * i, query, slack);
    std::memcpy(estimates + W * i, &rows.estimate, sizeof rows.estimate);
    std::memcpy(errors + W * i, &rows.error, sizeof rows.error);
    if (weights == nullptr) continue;
    const typename Lanes<W>::Floats zero = {};
    typename Lanes<W>::Floats weight = rows.estimate - largest;
    weight = weight < zero ? weight : zero;
    fast_exp<W>(weight);
    std::memcpy(weights + W * i, &weight, sizeof weight);
  }
  if (weights != nullptr)
    for (std::size_t r = codes.rows_in(tile); r < tile_rows; ++r) weights[r] = 0.0F;
}

template <class Set>
constexpr CodeKernels CodeKernels::of() noexcept {
  return {Set::template run<scan_bounds<Set, 1>>, Set::template run<scan_bounds<Set, together>>,
          Set::template run<scan_weights<Set>>, Set::template run<scan_tile<Set>>};
}

}  // namespace lazygumbel::detail
