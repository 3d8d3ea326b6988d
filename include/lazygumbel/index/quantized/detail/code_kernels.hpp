#pragma once

#include <cstddef>

#include "lazygumbel/core/simd.hpp"

/// \file
/// From integer dot products to bounds. For row i of tile t and a coded query
///   estimate_i = s_i (a D_i + b z_i) + offset o_i,
///   error_i = s_i c e_i + norm_t * slack_norm + slack,
/// and |score(query, i) + offset o_i - estimate_i| <= error_i for the score as `score` computes it
/// (docs/algorithms.md, section 5; o_i: RowCodes::set_offsets, 0 where none were set).

namespace lazygumbel::detail {

class RowCodes;
struct CodedQuery;

/// Rows whose bounds CodeKernels::bounds merges: rows l, 16 + l, 32 + l and 48 + l of a tile.
inline constexpr std::size_t tile_lanes = 16;

/// What CodeKernels::weights says of a tile: its largest estimate, the sum of
/// exp(estimate - largest), and its largest error.
struct TileWeight {
  float largest, sum, error;
};

/// Weights are exp(x) for x <= 0 within this of themselves.
inline constexpr double fast_exp_error = 1e-4;

/// Where the bounds of one query go: tile_lanes numbers a tile, and their largest.
struct BoundSink {
  float* lanes;
  float* largest;
};

/// Scans of tiles first .. last - 1.
struct CodeKernels {
  static constexpr int together = 4;  // queries that `bounds_together` scans for at once

  /// lanes[16 t + l]: an upper bound on the scores of rows l, 16 + l, 32 + l, 48 + l of tile t, of
  /// rows without offsets; for one query.
  void (*bounds)(const RowCodes&, std::size_t first, std::size_t last, const CodedQuery* const*,
                 const BoundSink*);
  void (*bounds_together)(const RowCodes&, std::size_t first, std::size_t last,
                          const CodedQuery* const*, const BoundSink*);
  void (*weights)(const RowCodes&, std::size_t first, std::size_t last, const CodedQuery&,
                  TileWeight*);
  /// One tile's estimates and errors, and, when `weights` is given, exp(estimate - largest) of each
  /// row, 1 of one whose estimate is larger (of the head), 0 of padding.
  void (*tile)(const RowCodes&, std::size_t tile, const CodedQuery&, float* estimates,
               float* errors, float largest, float* weights);

  template <class Set>
  static constexpr CodeKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const CodeKernels& select<CodeKernels>(Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/index/quantized/detail/code_kernels_impl.hpp"
#endif
