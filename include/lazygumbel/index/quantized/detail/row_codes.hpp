#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/cache_line.hpp"
#include "lazygumbel/core/detail/pool.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/quantized/detail/code_tiles.hpp"
#include "lazygumbel/index/quantized/detail/coded_query.hpp"
#include "lazygumbel/index/quantized/detail/row_coder.hpp"

namespace lazygumbel::detail {

/// n rows as codes of b = 4 or 8 bits: row x stands as
///   xhat_j = s (c_j - z / 16) with 4 bits, s (c_j - z) with 8,   c_j in 0 .. 2^b - 1,
/// with its residual norm |x - xhat| <= s e residual_unit(), rounded up. s has 8 significant bits,
/// z and e are bytes: one 32-bit word a row, s in its upper half, then z, then e. The step s is the
/// best of a few shares of (max x - min x) / (2^b - 1): with 4 bits and many coordinates, cutting
/// off the extremes pays. Codes lie in tiles of 64 rows (code_tiles.hpp); rows that fill up the
/// last tile repeat the last row.
class RowCodes {
 public:
  /// Throws std::invalid_argument unless bits is 4 or 8 and dimension <= max_code_dimension.
  RowCodes(int bits, std::size_t dimension) : bits_(bits), dimension_(dimension) {
    if (bits != 4 && bits != 8) throw_invalid("bits", bits, "must be 4 or 8");
    if (dimension == 0 || dimension > max_code_dimension)
      throw_invalid("dimension", dimension, "must lie in 1 .. " + text_of(max_code_dimension));
    groups_ = (dimension + group_dimensions(bits) - 1) / group_dimensions(bits);
  }
  RowCodes(const RowCodes&) = default;
  RowCodes& operator=(const RowCodes&) = default;
  /// Leaves no rows behind.
  RowCodes(RowCodes&& other) noexcept : RowCodes(other.bits_, other.dimension_) { swap(other); }
  RowCodes& operator=(RowCodes&& other) noexcept {
    RowCodes taken(std::move(other));
    swap(taken);
    return *this;
  }

  int bits() const noexcept { return bits_; }
  std::size_t dimension() const noexcept { return dimension_; }
  std::size_t size() const noexcept { return count_; }
  std::size_t tiles() const noexcept { return (count_ + tile_rows - 1) / tile_rows; }
  std::size_t groups() const noexcept { return groups_; }
  /// Rows of a tile that are rows, not padding.
  std::size_t rows_in(std::size_t tile) const noexcept {
    return (std::min)(tile_rows, count_ - tile * tile_rows);
  }
  const std::uint8_t* tile(std::size_t tile) const noexcept {
    return codes_.data() + tile * groups_ * group_bytes;
  }
  /// The words of a tile's rows.
  const std::uint32_t* words(std::size_t tile) const noexcept {
    return words_.data() + tile * tile_rows;
  }
  /// At least |x|, |xhat| and s (2^b - 1) / 2 of every row of the tile.
  float norm(std::size_t tile) const noexcept { return norms_[tile]; }
  /// The largest s e of the tile's rows.
  float residual(std::size_t tile) const noexcept { return residuals_[tile]; }
  float largest_scale() const noexcept { return largest_scale_; }
  /// A number beside each row of the tile, which CodedQuery::offset multiplies; nullptr: none.
  const float* offsets(std::size_t tile) const noexcept {
    return offsets_.empty() ? nullptr : offsets_.data() + tile * tile_rows;
  }
  /// Half a step in every coordinate, and 8% for clipping, is 255 of these.
  double residual_unit() const noexcept {
    return 0.54 * std::sqrt(static_cast<double>(dimension_)) / 255.0;
  }
  std::size_t size_in_bytes() const noexcept {
    return codes_.size() + words_.size() * sizeof(std::uint32_t) +
           (2 * norms_.size() + offsets_.size()) * sizeof(float);
  }

  /// Gives every row a number, rounded to float, until rows are appended. Precondition: one a row,
  /// each fits a float.
  void set_offsets(std::span<const double> offsets) {
    offsets_.assign(tiles() * tile_rows, static_cast<float>(offsets.back()));
    for (std::size_t i = 0; i < offsets.size(); ++i) offsets_[i] = static_cast<float>(offsets[i]);
  }

  void prefetch(std::size_t tile) const noexcept {
    const std::uint8_t* const begin = this->tile(tile);
    for (std::size_t at = 0; at < (std::min)(groups_ * group_bytes, std::size_t{4096}); at += 64)
      LAZYGUMBEL_PREFETCH(begin + at);
  }

  /// Codes further rows, which must be finite and of norm at most 1e30, with the kernels of `simd`,
  /// which must be supported; the codes do not depend on it. When memory runs out, nothing has
  /// changed. Amortised O(d) a row.
  template <class Scalar>
  void append(const MatrixView<Scalar>& rows, std::size_t threads, Simd simd = best_simd());

 private:
  void swap(RowCodes& other) noexcept {
    std::swap(bits_, other.bits_);
    std::swap(dimension_, other.dimension_);
    std::swap(groups_, other.groups_);
    std::swap(count_, other.count_);
    std::swap(largest_scale_, other.largest_scale_);
    codes_.swap(other.codes_);
    words_.swap(other.words_);
    norms_.swap(other.norms_);
    residuals_.swap(other.residuals_);
    offsets_.swap(other.offsets_);
  }

  /// Codes the rows of a tile that are `rows`, of which the first is row `first`, and pads it.
  template <class Scalar>
  void code_tile(std::size_t tile, std::size_t first, const MatrixView<Scalar>& rows,
                 RowCoder& coder);

  int bits_;
  std::size_t dimension_, groups_ = 0, count_ = 0;
  float largest_scale_ = 0.0F;
  std::vector<std::uint8_t, UnsetCacheLineAllocator<std::uint8_t>> codes_;
  std::vector<std::uint32_t, CacheLineAllocator<std::uint32_t>> words_;
  std::vector<float> norms_, residuals_;
  std::vector<float, CacheLineAllocator<float>> offsets_;
};

template <class Scalar>
void RowCodes::append(const MatrixView<Scalar>& rows, std::size_t threads, Simd simd) {
  const std::size_t first = count_, added = static_cast<std::size_t>(rows.rows());
  if (added == 0) return;
  const std::size_t all_tiles = (first + added + tile_rows - 1) / tile_rows;
  const std::size_t first_tile = first / tile_rows, changed = all_tiles - first_tile;
  const auto make = [&] { return RowCoder(bits_, dimension_, residual_unit(), simd); };
  Pool<RowCoder> coders;
  coders.fill(usable_threads(threads, changed), make);
  const auto grow = [](auto& numbers, std::size_t size) {
    if (size > numbers.capacity()) numbers.reserve((std::max)(size, 2 * numbers.capacity()));
  };
  grow(codes_, all_tiles * groups_ * group_bytes);
  grow(words_, all_tiles * tile_rows);
  grow(norms_, all_tiles);
  grow(residuals_, all_tiles);
  // No allocation from here on.
  codes_.resize(all_tiles * groups_ * group_bytes);
  words_.resize(all_tiles * tile_rows);
  norms_.resize(all_tiles, 0.0F);
  residuals_.resize(all_tiles, 0.0F);
  offsets_.clear();
  count_ = first + added;
  parallel_for(changed, threads, [&](std::size_t i) {
    coders.borrow(make,
                  [&](RowCoder& coder) { code_tile<Scalar>(first_tile + i, first, rows, coder); });
  });
  for (std::size_t row = first; row < count_; ++row)
    largest_scale_ = (std::max)(largest_scale_, std::bit_cast<float>(words_[row] & 0xffff0000));
}

template <class Scalar>
void RowCodes::code_tile(std::size_t tile, std::size_t first, const MatrixView<Scalar>& rows,
                         RowCoder& coder) {
  constexpr std::size_t together = RowCoder::rows_together;
  static_assert(tile_rows % together == 0);
  const std::size_t begin = tile * tile_rows;  // the row that the tile starts with
  std::uint8_t* const codes = codes_.data() + tile * groups_ * group_bytes;
  double norm = static_cast<double>(norms_[tile]);
  float residual = residuals_[tile];
  std::size_t at = first > begin ? first - begin : 0;
  while (at < tile_rows) {
    const std::size_t block = at / together * together, from = at - block;
    for (; at < block + together; ++at) {
      std::uint32_t& word = words_[begin + at];
      if (begin + at < count_) {
        const auto row = static_cast<Eigen::Index>(begin + at - first);
        word = coder.code(rows.data() + row * rows.outerStride(), at % together);
        norm = (std::max)(norm, coder.norm());
        residual = (std::max)(
            residual, std::bit_cast<float>(word & 0xffff0000) * static_cast<float>(word & 255));
      } else {  // padding
        word = words_[begin + at - 1];
        coder.copy((at - 1) % together, at % together);
      }
    }
    coder.put(from, together, groups_, codes + 4 * block);
  }
  residuals_[tile] = residual;
  norms_[tile] = round_up(norm) + (std::numeric_limits<float>::min)();
}

}  // namespace lazygumbel::detail
