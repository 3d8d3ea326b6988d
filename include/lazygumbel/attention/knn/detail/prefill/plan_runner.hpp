#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "lazygumbel/attention/exact/detail/attention_plan.hpp"
#include "lazygumbel/attention/exact/detail/exact_blocks.hpp"

namespace lazygumbel::detail {

/// Sums of squared weights over each row's draws, for the variance: of w^2 v, w^2 |v|^2 and w^2, in
/// this order in a row, with w = e^(score - largest) as in SoftmaxState.
using DrawMoments = SoftmaxState;

/// Runs blocks of a plan over one kv head: gathers rows and keys, multiplies, adds to the rows'
/// states. Work memory, to be reused; one thread.
template <StorageScalar T>
class PlanRunner {
 public:
  PlanRunner(const ProductKernels& kernels, std::size_t d, std::size_t dv, float softcap)
      : kernels_(&kernels),
        d_(d),
        dv_(dv),
        width_(kernels.pad(dv)),
        moment_width_(kernels.pad(dv + 2)),
        softcap_(softcap) {
    const std::size_t panel = kernels.panel();
    keys_.resize(key_block * d);
    values_.resize(key_block * dv);
    panels_ = cache_line_array<float>((key_block + panel) * d);
    wide_ = cache_line_array<float>(key_block * moment_width_);
    scores_ = cache_line_array<float>(row_tile * score_row);
  }

  std::size_t value_width() const noexcept { return width_; }
  std::size_t moment_width() const noexcept { return moment_width_; }

  /// Adds the block to the states of its rows: row r of the plan is row r of `state` and its scaled
  /// query at queries + r d. With `moments`, the squares too.
  void run(const PlanBlock& block, const float* queries, const T* keys, std::ptrdiff_t key_stride,
           const T* values, std::ptrdiff_t value_stride, SoftmaxState& state,
           DrawMoments* moments = nullptr) {
    const std::size_t rows = block.rows.size();
    gathered_.resize(rows * d_);
    for (std::size_t r = 0; r < rows; ++r)
      std::copy_n(queries + static_cast<std::size_t>(block.rows[r]) * d_, d_,
                  gathered_.data() + r * d_);
    local_.start(rows, width_);
    if (moments != nullptr) squares_.start(rows, moment_width_);
    for (std::size_t first = 0; first < block.keys.size(); first += key_block) {
      const std::size_t count = (std::min)(key_block, block.keys.size() - first);
      gather(block.keys.data() + first, count, keys, key_stride, values, value_stride,
             moments != nullptr);
      for (std::size_t row = 0; row < rows; row += row_tile)
        tile(block, first, count, row, (std::min)(row_tile, rows - row), moments != nullptr);
    }
    scatter(block.rows, local_, 1.0F, state);
    if (moments != nullptr) scatter(block.rows, squares_, 2.0F, *moments);
  }

 private:
  static constexpr std::size_t key_block = 256, row_tile = 96;
  static constexpr std::size_t score_row = key_block + 32;  // the widest panel behind

  void gather(const item_id* ids, std::size_t count, const T* keys, std::ptrdiff_t key_stride,
              const T* values, std::ptrdiff_t value_stride, bool with_squares) {
    constexpr std::size_t ahead = 8;
    for (std::size_t i = 0; i < count; ++i) {
      if (i + ahead < count) {
        prefetch(keys + static_cast<std::ptrdiff_t>(ids[i + ahead]) * key_stride, d_);
        prefetch(values + static_cast<std::ptrdiff_t>(ids[i + ahead]) * value_stride, dv_);
      }
      std::copy_n(keys + static_cast<std::ptrdiff_t>(ids[i]) * key_stride, d_,
                  keys_.data() + i * d_);
      std::copy_n(values + static_cast<std::ptrdiff_t>(ids[i]) * value_stride, dv_,
                  values_.data() + i * dv_);
    }
    kernels_->pack(keys_.data(), static_cast<std::ptrdiff_t>(d_), count, d_, panels_.get());
    value_row_ = with_squares ? moment_width_ : width_;
    kernels_->widen(values_.data(), static_cast<std::ptrdiff_t>(dv_), count, dv_, wide_.get(),
                    value_row_);
    if (!with_squares) return;
    for (std::size_t i = 0; i < count; ++i) {
      float* const row = wide_.get() + i * value_row_;
      row[dv_] = static_cast<float>(square_sum(row, dv_));
      row[dv_ + 1] = 1.0F;
    }
  }

  static void prefetch(const T* row, std::size_t length) {
    for (std::size_t j = 0; j < length; j += 64 / sizeof(T)) LAZYGUMBEL_PREFETCH(row + j);
  }

  void tile(const PlanBlock& block, std::size_t first, std::size_t count, std::size_t row,
            std::size_t height, bool with_squares) {
    std::uint32_t seen[row_tile];
    std::size_t most = count;
    if (!block.limits.empty()) {
      most = 0;
      for (std::size_t r = 0; r < height; ++r) {
        const std::size_t limit = block.limits[row + r];
        seen[r] = static_cast<std::uint32_t>((std::min)(count, limit > first ? limit - first : 0));
        most = (std::max)(most, static_cast<std::size_t>(seen[r]));
      }
      if (most == 0) return;
    }
    const auto panel = static_cast<std::ptrdiff_t>(kernels_->panel());
    kernels_->multiply({.m = height,
                        .n = kernels_->pad(most),
                        .k = d_,
                        .a = gathered_.data() + row * d_,
                        .a_row = static_cast<std::ptrdiff_t>(d_),
                        .a_col = 1,
                        .b = panels_.get(),
                        .b_row = panel,
                        .b_panel = panel * static_cast<std::ptrdiff_t>(d_),
                        .c = scores_.get(),
                        .c_row = score_row,
                        .add = false});
    exclude(block.excluded, row, height, first, count, scores_.get(), score_row);
    float before[row_tile];
    std::copy_n(local_.largest.data() + row, height, before);
    kernels_->softmax({.rows = height,
                       .keys = most,
                       .scores = scores_.get(),
                       .score_row = score_row,
                       .limits = block.limits.empty() ? nullptr : seen,
                       .bias = 0.0F,
                       .softcap = softcap_,
                       .largest = local_.largest.data() + row,
                       .sums = local_.sums.data() + row,
                       .out = local_.row(row),
                       .out_row = local_.stride(),
                       .dimension = width_});
    add_values(height, most, width_, local_.row(row), local_.stride());
    if (!with_squares) return;
    for (std::size_t r = 0; r < height; ++r) {
      float* const scores = scores_.get() + r * score_row;
      for (std::size_t j = 0; j < most; ++j) scores[j] *= scores[j];
      const float now = local_.largest[row + r];
      if (now > before[r]) {
        const float factor = std::exp(2.0F * (before[r] - now));
        for (std::size_t c = 0; c < moment_width_; ++c) squares_.row(row + r)[c] *= factor;
      }
      squares_.largest[row + r] = now;
    }
    add_values(height, most, moment_width_, squares_.row(row), squares_.stride());
  }

  void add_values(std::size_t height, std::size_t keys, std::size_t columns, float* out,
                  std::ptrdiff_t out_row) {
    kernels_->multiply({.m = height,
                        .n = columns,
                        .k = keys,
                        .a = scores_.get(),
                        .a_row = score_row,
                        .a_col = 1,
                        .b = wide_.get(),
                        .b_row = static_cast<std::ptrdiff_t>(value_row_),
                        .b_panel = static_cast<std::ptrdiff_t>(kernels_->panel()),
                        .c = out,
                        .c_row = out_row,
                        .add = true});
  }

  /// Adds local rows, sums of w^power, to the states of the plan's rows.
  static void scatter(const std::vector<std::uint32_t>& rows, const SoftmaxState& local,
                      float power, SoftmaxState& state) {
    const std::size_t width = static_cast<std::size_t>(local.stride());
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::size_t to = rows[r];
      const float mine = local.largest[r];
      if (!(mine > -std::numeric_limits<float>::infinity())) continue;
      const float high = (std::max)(mine, state.largest[to]);
      const float keep = std::exp(power * (state.largest[to] - high));
      const float take = std::exp(power * (mine - high));
      state.largest[to] = high;
      state.sums[to] =
          state.sums[to] * static_cast<double>(keep) + local.sums[r] * static_cast<double>(take);
      float* const out = state.row(to);
      const float* const in = local.row(r);
      float* const lost = state.lost_row(to);
      for (std::size_t c = 0; c < width; ++c) {
        out[c] = keep * out[c] + take * in[c];
        lost[c] *= keep;
      }
    }
  }

  const ProductKernels* kernels_;
  std::size_t d_, dv_, width_, moment_width_, value_row_ = 0;
  float softcap_;
  std::vector<T, CacheLineAllocator<T>> keys_, values_;
  CacheLineArray<float> panels_, wide_, scores_;
  std::vector<float> gathered_;
  SoftmaxState local_;
  DrawMoments squares_;
};

}  // namespace lazygumbel::detail
