#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/exact/detail/product_kernels.hpp"
#include "lazygumbel/attention/exact/detail/stream_kernels.hpp"
#include "lazygumbel/core/detail/cache_line.hpp"

namespace lazygumbel::detail {

/// Rows of queries, and their softmax so far over keys that came one block after another.
template <std::same_as<float> Real>  // a template: core/detail/later.hpp
class BasicSoftmaxState {
 public:
  /// Starts with no key seen. `value_width`: floats of a row of output, padded.
  void start(std::size_t rows, std::size_t value_width) {
    width_ = value_width;
    largest.assign(rows, -std::numeric_limits<float>::infinity());
    sums.assign(rows, 0.0);
    values.assign(rows * value_width, 0.0F);
    lost.assign(rows * value_width, 0.0F);
    checks.assign(rows, 0.0F);
  }
  std::size_t rows() const noexcept { return sums.size(); }
  std::ptrdiff_t stride() const noexcept { return static_cast<std::ptrdiff_t>(width_); }
  float* row(std::size_t r) noexcept { return values.data() + r * width_; }
  const float* row(std::size_t r) const noexcept { return values.data() + r * width_; }
  float* lost_row(std::size_t r) noexcept { return lost.data() + r * width_; }

  /// False when a score or a sum of values is NaN or infinite: what else is here is then wrong.
  bool is_finite() const noexcept {
    const auto finite = [](const auto& numbers) {
      return (Eigen::Map<const Eigen::ArrayX<Real>>(numbers.data(),
                                                    static_cast<Eigen::Index>(numbers.size())) *
              0.0F)
                 .sum() == 0.0F;
    };
    return finite(checks) && finite(values);
  }

  /// Row r has seen no key.
  void reset(std::size_t r) {
    largest[r] = -std::numeric_limits<float>::infinity();
    sums[r] = 0.0;
    std::fill_n(row(r), width_, 0.0F);
    std::fill_n(lost_row(r), width_, 0.0F);
    checks[r] = 0.0F;
  }

  /// Adds what other keys gave the same rows.
  void merge(const BasicSoftmaxState& other) {
    for (std::size_t r = 0; r < rows(); ++r) {
      if (!(other.sums[r] > 0.0)) continue;
      const float high = (std::max)(largest[r], other.largest[r]);
      const float mine = std::exp(largest[r] - high), theirs = std::exp(other.largest[r] - high);
      largest[r] = high;
      sums[r] = sums[r] * static_cast<double>(mine) + other.sums[r] * static_cast<double>(theirs);
      checks[r] += other.checks[r];
      for (std::size_t c = 0; c < width_; ++c) {
        row(r)[c] = mine * row(r)[c] + theirs * other.row(r)[c];
        lost_row(r)[c] = mine * lost_row(r)[c] + theirs * other.lost[r * width_ + c];
      }
    }
  }

  std::vector<Real> largest;
  std::vector<double> sums;
  std::vector<Real, CacheLineAllocator<Real>> values;
  /// What rounding lost of each of the values. Whoever scales those scales these.
  std::vector<Real, CacheLineAllocator<Real>> lost;
  std::vector<Real> checks;  ///< not finite where a score was not

 private:
  std::size_t width_ = 0;
};

using SoftmaxState = BasicSoftmaxState<float>;

/// Attention of rows of queries over runs of keys by matrix products: keys in blocks whose
/// transposed panels and widened values are made once for all rows, rows in tiles whose scores stay
/// in cache. Work memory, to be reused; one thread.
class BlockAttention {
 public:
  template <std::same_as<float> Real = float>
  BlockAttention(const ProductKernels& kernels, std::size_t d, std::size_t dv, float softcap)
      : kernels_(&kernels), d_(d), dv_(dv), width_(kernels.pad(dv)), softcap_(softcap) {
    panels_ = cache_line_array<float>((key_block + kernels.panel()) * d);
    values_ = cache_line_array<float>(key_block * width_);
    scores_ = cache_line_array<float>(row_tile * (key_block + kernels.panel()));
  }

  std::size_t value_width() const noexcept { return width_; }

  /// Adds the keys 0 .. count - 1 to the state of all rows. `queries`: rows of d floats, scaled,
  /// `query_row` apart. Row r sees the first limits[r] keys; nullptr: all. `bias` is added to every
  /// score.
  template <class T>
  void add(const float* queries, std::ptrdiff_t query_row, const T* keys, std::ptrdiff_t key_stride,
           const T* values, std::ptrdiff_t value_stride, std::size_t count,
           const std::size_t* limits, float bias, SoftmaxState& state) {
    const std::size_t rows = state.rows();
    for (std::size_t first = 0; first < count; first += key_block) {
      const std::size_t some = (std::min)(key_block, count - first);
      const auto at = static_cast<std::ptrdiff_t>(first);
      kernels_->pack(keys + at * key_stride, key_stride, some, d_, panels_.get());
      kernels_->widen(values + at * value_stride, value_stride, some, dv_, values_.get(), width_);
      for (std::size_t row = 0; row < rows; row += row_tile) {
        const std::size_t height = (std::min)(row_tile, rows - row);
        std::uint32_t seen[row_tile];
        std::size_t most = some;
        if (limits != nullptr) {
          most = 0;
          for (std::size_t r = 0; r < height; ++r) {
            const std::size_t limit = limits[row + r] > first ? limits[row + r] - first : 0;
            seen[r] = static_cast<std::uint32_t>((std::min)(limit, some));
            most = (std::max)(most, static_cast<std::size_t>(seen[r]));
          }
          if (most == 0) continue;
        }
        tile(queries + static_cast<std::ptrdiff_t>(row) * query_row, query_row, height, most,
             limits != nullptr ? seen : nullptr, bias, row, state);
      }
    }
  }

 private:
  static constexpr std::size_t key_block = 256, row_tile = 96;

  void tile(const float* queries, std::ptrdiff_t query_row, std::size_t height, std::size_t keys,
            const std::uint32_t* limits, float bias, std::size_t row, SoftmaxState& state) {
    const std::size_t panel = kernels_->panel(), columns = kernels_->pad(keys);
    const auto score_row = static_cast<std::ptrdiff_t>(key_block + panel);
    kernels_->multiply({.m = height,
                        .n = columns,
                        .k = d_,
                        .a = queries,
                        .a_row = query_row,
                        .a_col = 1,
                        .b = panels_.get(),
                        .b_row = static_cast<std::ptrdiff_t>(panel),
                        .b_panel = static_cast<std::ptrdiff_t>(panel * d_),
                        .c = scores_.get(),
                        .c_row = score_row,
                        .add = false});
    kernels_->softmax({.rows = height,
                       .keys = keys,
                       .scores = scores_.get(),
                       .score_row = score_row,
                       .limits = limits,
                       .bias = bias,
                       .softcap = softcap_,
                       .largest = state.largest.data() + row,
                       .sums = state.sums.data() + row,
                       .out = state.row(row),
                       .out_row = state.stride(),
                       .dimension = width_,
                       .lost = state.lost_row(row),
                       .checks = state.checks.data() + row});
    kernels_->multiply({.m = height,
                        .n = width_,
                        .k = keys,
                        .a = scores_.get(),
                        .a_row = score_row,
                        .a_col = 1,
                        .b = values_.get(),
                        .b_row = static_cast<std::ptrdiff_t>(width_),
                        .b_panel = static_cast<std::ptrdiff_t>(panel),
                        .c = state.row(row),
                        .c_row = state.stride(),
                        .add = true,
                        .lost = state.lost_row(row)});
  }

  const ProductKernels* kernels_;
  std::size_t d_, dv_, width_;
  float softcap_;
  CacheLineArray<float> panels_, values_, scores_;
};

}  // namespace lazygumbel::detail
