#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "lazygumbel/index/quantized/detail/code_tiles.hpp"
#include "lazygumbel/index/quantized/detail/coded_query.hpp"
#include "lazygumbel/index/quantized/detail/coding_kernels.hpp"

namespace lazygumbel::detail {

/// Codes rows, one at a time, as row_codes.hpp tells, with its own memory. The codes do not depend
/// on the instruction set.
///
/// The residual norm is certified, though measured in whole parts of a step (coding_kernels.hpp).
/// Let h be 2^16 with 8 bits, 2^13 with 4. Then r_j / h is (x_j - xhat_j) / s but for
///   (1 + 2^-23 * 2^16 |x_j| / s) / 2^16, and 1/2 / 2^13 more with 4 bits,
/// so that, norms being norms, |x - xhat| / s <= |r| / h + sqrt(d) p + 2^-23 |x| / s with p = 2^-16
/// or 5 * 2^-16. That is 2% or 4% of the unit in which e counts. Double rows are coded as floats,
/// which adds 2^-24 |x| and what lies below the least float. Only where every r_j is next to
/// nothing is x compared with xhat itself, which is exact in float.
class RowCoder {
 public:
  RowCoder(int bits, std::size_t dimension, double residual_unit, Simd simd)
      : bits_(bits),
        dimension_(dimension),
        count_((dimension + coding_block - 1) / coding_block * coding_block),
        unit_(residual_unit),
        root_(std::sqrt(static_cast<double>(dimension))),
        kernels_(&select<CodingKernels>(simd)),
        x_(count_, 0.0F),
        codes_(rows_together * stride()) {}

  /// Rows that are coded before they go into their tile together.
  static constexpr std::size_t rows_together = 16;

  /// Codes x, of `dimension` numbers, as row `at` of those together. Returns the row's word.
  template <class Scalar>
  std::uint32_t code(const Scalar* x, std::size_t at) {
    bool single = true;
    if constexpr (std::is_same_v<Scalar, float>)
      std::memcpy(x_.data(), x, dimension_ * sizeof(float));
    else
      single = kernels_->narrow(x, dimension_, x_.data());
    return code(single, row(at));
  }

  /// At least |x|, |xhat| and s (2^b - 1) / 2 of the row coded last.
  double norm() const noexcept { return norm_; }

  /// Row `to` of those together becomes what row `from` is.
  void copy(std::size_t from, std::size_t to) noexcept {
    if (from != to) std::memcpy(row(to), row(from), count_);
  }

  /// Puts rows begin .. end-1 of those together into a tile, of which `out` is the first one's word
  /// in the first group.
  void put(std::size_t begin, std::size_t end, std::size_t groups, std::uint8_t* out) const {
    const bool all = begin == 0 && end == rows_together;  // then the compiler knows the count
    const auto put = [&]<int Bits>() {
      if (all)
        put_rows<Bits>(0, rows_together, groups, out);
      else
        put_rows<Bits>(begin, end, groups, out);
    };
    bits_ == 4 ? put.template operator()<4>() : put.template operator()<8>();
  }

 private:
  static constexpr std::array shares = {1.0, 0.92, 0.84, 0.76};

  /// Not a power of two, which would make rows compete for the same lines of a cache.
  std::size_t stride() const noexcept { return count_ + coding_block * (1 + count_ % 128 / 64); }
  std::uint8_t* row(std::size_t at) noexcept { return codes_.data() + at * stride(); }

  /// The least number of 8 significant bits that is at least x, and at least 2^-100.
  static float short_scale(double x) {
    auto word = std::bit_cast<std::uint32_t>(round_up((std::max)(x, 0x1p-100)));
    if ((word & 0xffff) != 0) word += 0x10000;
    return std::bit_cast<float>(word & 0xffff0000);
  }

  struct Grid {
    Grid() = default;
    Grid(int bits, const RowSurvey& survey, double share) {
      const double levels = bits == 4 ? 15.0 : 255.0, low = static_cast<double>(survey.low);
      scale = short_scale(share * (static_cast<double>(survey.high) - low) / levels);
      const double z = -share * low / static_cast<double>(scale) * (bits == 4 ? 16.0 : 1.0);
      zero = static_cast<std::uint32_t>(std::lround((std::min)(255.0, z)));
      step = {65536.0F / scale, static_cast<std::int32_t>(zero << (bits == 4 ? 12 : 16))};
    }
    float scale = 0.0F;
    std::uint32_t zero = 0;
    CodeStep step{};
  };

  std::uint32_t code(bool single, std::uint8_t* codes) {
    RowSurvey survey;
    kernels_->survey(x_.data(), count_, survey);
    double length = std::sqrt(survey.squares) * (1.0 + 1e-9);
    double lost = 0.0;  // at least |x - x in float|
    if (!single) length += lost = length * (0x1p-24 * (1.0 + 1e-6)) + root_ * 0x1p-150;
    norm_ = length;
    if (!(survey.low < survey.high) && single) {
      std::memset(codes, 0, count_);
      return 0;
    }
    const double loss = length * (0x1p-23 * (1.0 + 1e-5)) + lost;
    Grid grid(bits_, survey, 1.0);
    if (bits_ == 4) grid = best_grid(survey, loss, grid);
    CodeSums sums;
    kernels_->write(bits_, x_.data(), count_, grid.step, codes, sums);
    take_away_padding(grid, sums);
    std::memset(codes + dimension_, 0, count_ - dimension_);
    const auto scale = static_cast<double>(grid.scale);
    norm_ = (std::max)({norm_,
                        std::sqrt(static_cast<double>(sums.coded)) * scale *
                            ((1.0 + 1e-9) / (bits_ == 4 ? 16.0 : 1.0)),
                        0.5 * scale * (bits_ == 4 ? 15.0 : 255.0)});
    // Where nothing is left out, |r_j| <= 3. Tiny differences still count.
    const bool exact =
        single && sums.left_out <= 9 * static_cast<std::int64_t>(dimension_) && equals(grid, codes);
    const double units = std::ceil(steps(sums, loss / scale) / unit_);
    const auto e = exact ? 0U : static_cast<std::uint32_t>((std::max)(units, 1.0));
    return std::bit_cast<std::uint32_t>(grid.scale) | grid.zero << 8 | e;
  }

  Grid best_grid(const RowSurvey& survey, double loss, const Grid& whole) const {
    Grid best = whole;
    double least = std::numeric_limits<double>::infinity();
    for (const double share : shares) {
      const Grid grid(bits_, survey, share);
      CodeSums sums;
      kernels_->measure(bits_, x_.data(), count_, grid.step, sums);
      take_away_padding(grid, sums);
      const auto scale = static_cast<double>(grid.scale);
      const double left_out = steps(sums, loss / scale);
      if (share < 1.0 && left_out > 250.0 * unit_) continue;  // e would not fit its byte
      if (left_out * scale >= least) break;  // what is left out falls, then rises with the share
      least = left_out * scale;
      best = grid;
    }
    return best;
  }

  /// At least |x - xhat| / s.
  double steps(const CodeSums& sums, double loss) const {
    const double part = bits_ == 4 ? 0x1p-13 : 0x1p-16, rounding = bits_ == 4 ? 0x5p-16 : 0x1p-16;
    return (std::sqrt(static_cast<double>(sums.left_out)) * part + root_ * rounding + loss) *
           (1.0 + 1e-9);
  }

  /// The zeros behind the row were coded too.
  void take_away_padding(const Grid& grid, CodeSums& sums) const {
    const auto padding = static_cast<std::int64_t>(count_ - dimension_);
    const auto take = [&](std::int64_t left_out, std::int64_t coded) {
      sums.left_out -= padding * left_out * left_out;
      sums.coded -= padding * coded * coded;
    };
    if (bits_ == 4) {
      const CodedSteps<4, std::int32_t> zero(grid.step.zero, grid.step.zero);
      take(zero.left_out, zero.coded);
    } else {
      const CodedSteps<8, std::int32_t> zero(grid.step.zero, grid.step.zero);
      take(zero.left_out, zero.coded);
    }
  }

  /// Whether x is xhat: s (16 c - z) / 16 has at most 16 significant bits.
  bool equals(const Grid& grid, const std::uint8_t* codes) const {
    const int factor = bits_ == 4 ? 16 : 1, zero = static_cast<int>(grid.zero);
    const float unit = grid.scale / static_cast<float>(factor);
    for (std::size_t j = 0; j < dimension_; ++j)
      if (x_[j] != unit * static_cast<float>(factor * codes[j] - zero)) return false;
    return true;
  }

  template <int Bits>
  LAZYGUMBEL_INLINE void put_rows(std::size_t begin, std::size_t end, std::size_t groups,
                                  std::uint8_t* out) const {
    const std::size_t stride = this->stride();
    for (std::size_t g = 0; g < groups; ++g, out += group_bytes) {
      const std::uint8_t* from = codes_.data() + begin * stride + g * group_dimensions(Bits);
      LAZYGUMBEL_UNROLL
      for (std::size_t r = begin; r < end; ++r, from += stride) {
        std::uint32_t word;
        std::memcpy(&word, from, 4);
        if constexpr (Bits == 4) {
          std::uint32_t upper;
          std::memcpy(&upper, from + 4, 4);
          word |= upper << 4;
        }
        std::memcpy(out + 4 * r, &word, 4);
      }
    }
  }

  int bits_;
  std::size_t dimension_, count_;
  double unit_, root_, norm_ = 0.0;
  const CodingKernels* kernels_;
  std::vector<float> x_;
  std::vector<std::uint8_t> codes_;
};

}  // namespace lazygumbel::detail
