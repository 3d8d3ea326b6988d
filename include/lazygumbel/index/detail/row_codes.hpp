#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lazygumbel/core/detail/cache_line.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/detail/code_dots.hpp"
#include "lazygumbel/index/detail/coded_query.hpp"

namespace lazygumbel::detail {

/// n rows as codes of b = 4 or 8 bits: row x stands as
///   xhat_j = s (c_j - z / 16) with 4 bits, s (c_j - z) with 8,   c_j in 0 .. 2^b - 1,
/// with its residual norm |x - xhat| <= s e residual_unit(), rounded up. s has 8 significant bits,
/// z and e are bytes: one 32-bit word a row, s in its upper half, then z, then e. The step s is the
/// best of a few shares of (max x - min x) / (2^b - 1): with 4 bits and many coordinates, cutting
/// off the extremes pays. Codes lie in tiles of 64 rows (code_dots.hpp); rows that fill up the last
/// tile repeat the last row.
class RowCodes {
 public:
  /// Throws std::invalid_argument unless bits is 4 or 8 and dimension <= max_code_dimension.
  RowCodes(int bits, std::size_t dimension) : bits_(bits), dimension_(dimension) {
    if (bits != 4 && bits != 8) throw_invalid("bits", bits, "must be 4 or 8");
    if (dimension == 0 || dimension > max_code_dimension)
      throw_invalid("dimension", dimension, "must lie in 1 .. " + text_of(max_code_dimension));
    groups_ = (dimension + group_dimensions(bits) - 1) / group_dimensions(bits);
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
  /// Half a step in every coordinate, and 8% for clipping, is 255 of these.
  double residual_unit() const noexcept {
    return 0.54 * std::sqrt(static_cast<double>(dimension_)) / 255.0;
  }
  std::size_t size_in_bytes() const noexcept {
    return codes_.size() + words_.size() * sizeof(std::uint32_t) +
           2 * norms_.size() * sizeof(float);
  }

  void prefetch(std::size_t tile) const noexcept {
    const std::uint8_t* const begin = this->tile(tile);
    for (std::size_t at = 0; at < (std::min)(groups_ * group_bytes, std::size_t{4096}); at += 64)
      LAZYGUMBEL_PREFETCH(begin + at);
  }

  /// Codes further rows, which must be finite and of norm at most 1e30. O(n d).
  template <class Scalar>
  void append(const MatrixView<Scalar>& rows, std::size_t threads);

 private:
  struct Coder;

  int bits_;
  std::size_t dimension_, groups_ = 0, count_ = 0;
  float largest_scale_ = 0.0F;
  std::vector<std::uint8_t, CacheLineAllocator<std::uint8_t>> codes_;
  std::vector<std::uint32_t> words_;
  std::vector<float> norms_, residuals_;
};

/// Codes one row at a time; its arrays are reused.
struct RowCodes::Coder {
  explicit Coder(const RowCodes& codes)
      : bits(codes.bits_),
        levels(codes.bits_ == 4 ? 15.0F : 255.0F),
        zero_unit(codes.bits_ == 4 ? 0.0625F : 1.0F),
        residual_unit(codes.residual_unit()) {}

  /// Leaves the codes in `code`; returns the row's word.
  std::uint32_t operator()(const Eigen::Ref<const Eigen::ArrayXd>& x) {
    norm = 0.0;
    const double low = (std::min)(0.0, x.minCoeff()), high = (std::max)(0.0, x.maxCoeff());
    if (low == high) {
      code.setZero(x.size());
      return 0;
    }
    single = x.cast<float>();
    double best_error = std::numeric_limits<double>::infinity();
    float scale = 0.0F, zero = 0.0F;
    for (const double share : std::span(shares).first(bits == 4 ? shares.size() : 1)) {
      const float s = short_scale(share * (high - low) / static_cast<double>(levels));
      const float z =
          std::round((std::min)(255.0F, static_cast<float>(-share * low) / s / zero_unit));
      quantise(s, z);
      const double steps = std::sqrt(static_cast<double>((shifted - code).square().sum()));
      if (scale > 0.0F && steps > 250.0 * residual_unit) continue;  // e would not fit its byte
      if (steps * static_cast<double>(s) >= best_error) continue;
      best_error = steps * static_cast<double>(s);
      scale = s, zero = z;
    }
    quantise(scale, zero);
    coded =
        static_cast<double>(scale) * (code.cast<double>() - static_cast<double>(zero * zero_unit));
    difference = x - coded;
    const double residual = std::sqrt(difference.square().sum()) * (1.0 + 1e-9);
    const double units = std::ceil(residual / (static_cast<double>(scale) * residual_unit));
    norm = (std::max)({x.matrix().norm() * (1.0 + 1e-9), coded.matrix().norm() * (1.0 + 1e-9),
                       0.5 * static_cast<double>(scale) * static_cast<double>(levels)});
    // Tiny differences, whose squares vanish, still count.
    const bool exact = (difference == 0.0).all();
    const auto e = static_cast<std::uint32_t>((std::max)(units, exact ? 0.0 : 1.0));
    return std::bit_cast<std::uint32_t>(scale) | static_cast<std::uint32_t>(zero) << 8 | e;
  }

  static constexpr std::array shares = {1.0, 0.92, 0.84, 0.76};

  /// The least number of 8 significant bits that is at least x, and at least 2^-100.
  static float short_scale(double x) {
    auto word = std::bit_cast<std::uint32_t>(round_up((std::max)(x, 0x1p-100)));
    if ((word & 0xffff) != 0) word += 0x10000;
    return std::bit_cast<float>(word & 0xffff0000);
  }

  /// code = the nearest levels to shifted = x / s + z. Adding and taking away 3 * 2^22 rounds.
  void quantise(float s, float z) {
    constexpr float round = 12582912.0F;
    shifted = single * (1.0F / s) + z * zero_unit;
    code = ((shifted.max)(0.0F).min)(levels) + round;
    code -= round;
  }

  int bits;
  float levels, zero_unit;
  double residual_unit, norm = 0.0;
  Eigen::ArrayXf single, shifted, code;
  Eigen::ArrayXd coded, difference;
};

template <class Scalar>
void RowCodes::append(const MatrixView<Scalar>& rows, std::size_t threads) {
  const std::size_t first = count_, added = static_cast<std::size_t>(rows.rows());
  const std::size_t all_tiles = (first + added + tile_rows - 1) / tile_rows;
  codes_.resize(all_tiles * groups_ * group_bytes);
  words_.resize(all_tiles * tile_rows);
  norms_.resize(all_tiles, 0.0F);
  residuals_.resize(all_tiles, 0.0F);
  count_ = first + added;
  const std::size_t width = group_dimensions(bits_), first_tile = first / tile_rows;
  parallel_for(all_tiles - first_tile, threads, [&](std::size_t i) {
    const std::size_t tile = first_tile + i;
    std::uint8_t* const bytes = codes_.data() + tile * groups_ * group_bytes;
    Coder coder(*this);
    Eigen::ArrayXd x;
    double norm = static_cast<double>(norms_[tile]);
    for (std::size_t r = 0; r < tile_rows; ++r) {
      const std::size_t row = (std::min)(tile * tile_rows + r, count_ - 1);
      if (row < first) continue;
      if (row == tile * tile_rows + r) {
        x = rows.row(static_cast<Eigen::Index>(row - first)).transpose().template cast<double>();
        words_[row] = coder(x);
        norm = (std::max)(norm, coder.norm);
        const float scale = std::bit_cast<float>(words_[row] & 0xffff0000);
        residuals_[tile] =
            (std::max)(residuals_[tile], scale * static_cast<float>(words_[row] & 255));
      } else {
        words_[tile * tile_rows + r] = words_[row];  // padding
      }
      for (std::size_t j = 0; j < dimension_; ++j) {
        std::uint8_t& byte = bytes[j / width * group_bytes + 4 * r + j % 4];
        const auto code = static_cast<std::uint8_t>(coder.code[static_cast<Eigen::Index>(j)]);
        if (bits_ == 8)
          byte = code;
        else if (j % 8 < 4)
          byte = code;  // the high half follows
        else
          byte = static_cast<std::uint8_t>(byte | code << 4);
      }
    }
    norms_[tile] = round_up(norm) + (std::numeric_limits<float>::min)();
  });
  for (std::size_t row = first; row < count_; ++row)
    largest_scale_ = (std::max)(largest_scale_, std::bit_cast<float>(words_[row] & 0xffff0000));
}

}  // namespace lazygumbel::detail
