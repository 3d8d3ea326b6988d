#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <vector>

#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/exact/detail/exact_blocks.hpp"
#include "lazygumbel/attention/exact/detail/output_rows.hpp"
#include "lazygumbel/core/detail/cache_line.hpp"

namespace lazygumbel::detail {

/// How work on many queries is cut: into tiles of queries, which share the packing of a block of
/// keys, and, where these are few, the keys of a tile into parts. Depends on the shape alone, so
/// that sums have one order whatever the number of threads.
struct BlockedCut {
  std::size_t tile, tiles, parts;

  explicit BlockedCut(const AttentionShape& shape) noexcept {
    constexpr std::size_t rows_together = 768, units = 16;           // for up to 16 threads
    constexpr std::size_t least_keys = 1024, least_pairs = 1 << 13;  // worth a thread's trouble
    const std::size_t m = shape.queries, group = shape.group();
    const std::size_t most = (std::max)(std::size_t{1}, rows_together / group);
    tile = (m + (m + most - 1) / most - 1) / ((m + most - 1) / most);  // all of about one size
    tiles = (m + tile - 1) / tile;
    const std::size_t wanted = (units + shape.kv_heads * tiles - 1) / (shape.kv_heads * tiles);
    const std::size_t least = (std::max)(least_keys, least_pairs / (tile * group));
    parts = (std::min)(std::bit_ceil(wanted),
                       std::bit_floor((std::max)(std::size_t{1}, shape.keys / least)));
  }
};

/// What the parts of the keys gave the rows of each tile, to be added up in their order.
template <std::same_as<float> Real>  // a template: core/detail/later.hpp
class BasicBlockedParts {
 public:
  /// Room for `units` parts, each of at most `rows` rows of `width` floats.
  BasicBlockedParts(std::size_t units, std::size_t rows, std::size_t width)
      : rows_(rows),
        width_(width),
        largest_(units * rows),
        sums_(units * rows),
        values_(units * rows * width) {}

  /// Keeps the state of a part.
  void keep(std::size_t unit, const SoftmaxState& state) {
    const std::size_t at = unit * rows_;
    std::copy(state.largest.begin(), state.largest.end(), largest_.data() + at);
    std::copy(state.sums.begin(), state.sums.end(), sums_.data() + at);
    std::copy(state.values.begin(), state.values.end(), values_.data() + at * width_);
  }

  /// Row `row` of the parts `first` .. + count. Overwrites that of part `first`.
  SoftmaxRow sum(std::size_t first, std::size_t count, std::size_t row) {
    const std::size_t start = first * rows_ + row;
    float largest = largest_[start];
    for (std::size_t part = 1; part < count; ++part)
      largest = (std::max)(largest, largest_[start + part * rows_]);
    double sum = 0.0;
    if (largest > -std::numeric_limits<float>::infinity())
      for (std::size_t part = 0; part < count; ++part) {
        const std::size_t at = start + part * rows_;
        const float weight = std::exp(largest_[at] - largest);
        sum += static_cast<double>(weight) * sums_[at];
        if (part == 0)
          of(start) *= weight;
        else
          of(start) += weight * of(at);
      }
    return {largest, sum, values_.data() + start * width_};
  }

 private:
  Eigen::Map<Eigen::ArrayX<Real>> of(std::size_t at) {
    return {values_.data() + at * width_, static_cast<Eigen::Index>(width_)};
  }

  std::size_t rows_, width_;
  std::vector<Real> largest_;
  std::vector<double> sums_;
  std::vector<Real, UnsetCacheLineAllocator<Real>> values_;
};

using BlockedParts = BasicBlockedParts<float>;

}  // namespace lazygumbel::detail
