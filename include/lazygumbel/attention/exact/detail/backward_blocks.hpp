#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lazygumbel/attention/exact/detail/attention_plan.hpp"
#include "lazygumbel/attention/exact/detail/gradient_kernels.hpp"
#include "lazygumbel/attention/exact/detail/product_kernels.hpp"
#include "lazygumbel/core/detail/cache_line.hpp"

namespace lazygumbel::detail {

/// Rows of queries q_r, scaled, with the gradients g_r of their outputs. Rows of both are padded
/// with 0 to the lanes' width (`ProductKernels::pad`). The weight of key j is
///   p_rj = factor_r e^(cap(<q_r, k_j>) - shift_r).
struct BackwardRows {
  std::size_t count;
  const float* queries;    ///< rows of pad(d) floats
  const float* gradients;  ///< rows of pad(dv) floats
  const float *shifts, *factors, *deltas;
  float* query_gradients;     ///< rows of pad(d): sum_j ds_rj k_j is added, not scaled
  double* masses;             ///< sum_j p_rj is added
  double* squares = nullptr;  ///< with BackwardKeys::squares: sum_j ds_rj^2 squares_j is added
  std::size_t first = 0;      ///< position of row 0 in BackwardKeys::excluded
};

/// A run of keys and values, and where their gradients are added.
template <class T>
struct BackwardKeys {
  const T* keys;
  std::ptrdiff_t key_stride;
  const T* values;
  std::ptrdiff_t value_stride;
  std::size_t count;
  float* key_gradients;  ///< rows of d floats: sum_r ds_rj q_r is added
  std::ptrdiff_t key_gradient_stride;
  float* value_gradients;  ///< rows of dv floats: sum_r p_rj g_r is added
  std::ptrdiff_t value_gradient_stride;
  const float* center = nullptr;   ///< d floats: query gradients get sum_j ds_rj (k_j - center)
  const float* squares = nullptr;  ///< one a key
  std::span<const PlanBlock::Range> excluded{};  ///< pairs that do not meet
  std::size_t first = 0;                         ///< position of key 0 in `excluded`
};

/// Gradients of attention by matrix products: with dp = g.v and ds = p (dp - delta) cap'(s), five
/// products for each block of keys and tile of rows, whose scores stay in cache. Sums in float: of
/// all rows of one call for a key, of all keys between two resets of `query_gradients` for a query.
/// Work memory, to be reused; one thread.
class BackwardBlocks {
 public:
  template <std::same_as<float> Real = float>
  BackwardBlocks(Simd simd, std::size_t d, std::size_t dv, float softcap)
      : kernels_(&select<ProductKernels>(simd)),
        gradients_(&select<GradientKernels>(simd)),
        d_(d),
        dv_(dv),
        query_width_(kernels_->pad(d)),
        value_width_(kernels_->pad(dv)),
        score_row_(key_block + kernels_->panel()),
        softcap_(softcap) {
    key_panels_ = cache_line_array<float>(score_row_ * d);
    value_panels_ = cache_line_array<float>(score_row_ * dv);
    keys_ = cache_line_array<float>(key_block * query_width_);
    key_sums_ = cache_line_array<float>(key_block * query_width_);
    value_sums_ = cache_line_array<float>(key_block * value_width_);
    scores_ = cache_line_array<float>(row_tile * score_row_);
    products_ = cache_line_array<float>(row_tile * score_row_);
  }

  /// Floats of a padded row of queries, of values.
  std::size_t query_width() const noexcept { return query_width_; }
  std::size_t value_width() const noexcept { return value_width_; }

  /// Adds what the keys, and the rows, contribute to each other's gradients. Row r sees the keys
  /// before limits[r]; nullptr: all.
  template <class T>
  void add(const BackwardRows& rows, const std::uint32_t* limits, const BackwardKeys<T>& run) {
    for (std::size_t first = 0; first < run.count; first += key_block) {
      const std::size_t some = (std::min)(key_block, run.count - first);
      std::size_t reach = some;  // keys of the block that any row sees
      if (limits != nullptr) {
        reach = 0;
        for (std::size_t r = 0; r < rows.count; ++r)
          reach = (std::max)(reach, seen_of(limits[r], first, some));
      }
      if (reach == 0) continue;
      const auto at = static_cast<std::ptrdiff_t>(first);
      const T* const keys = run.keys + at * run.key_stride;
      const T* const values = run.values + at * run.value_stride;
      kernels_->pack(keys, run.key_stride, reach, d_, key_panels_.get());
      kernels_->pack(values, run.value_stride, reach, dv_, value_panels_.get());
      kernels_->widen(keys, run.key_stride, reach, d_, keys_.get(), query_width_);
      if (run.center != nullptr) subtract(run.center, reach);
      std::fill_n(key_sums_.get(), reach * query_width_, 0.0F);
      std::fill_n(value_sums_.get(), reach * value_width_, 0.0F);
      for (std::size_t row = 0; row < rows.count; row += row_tile) {
        const std::size_t height = (std::min)(row_tile, rows.count - row);
        std::uint32_t seen[row_tile];
        std::size_t most = reach;
        if (limits != nullptr) {
          most = 0;
          for (std::size_t r = 0; r < height; ++r) {
            const std::size_t limit = seen_of(limits[row + r], first, reach);
            seen[r] = static_cast<std::uint32_t>(limit);
            most = (std::max)(most, limit);
          }
          if (most == 0) continue;
        }
        tile(rows, row, height, first, most, limits != nullptr ? seen : nullptr, run);
      }
      add_sums(key_sums_.get(), query_width_, d_, reach,
               run.key_gradients + at * run.key_gradient_stride, run.key_gradient_stride);
      add_sums(value_sums_.get(), value_width_, dv_, reach,
               run.value_gradients + at * run.value_gradient_stride, run.value_gradient_stride);
    }
  }

 private:
  static constexpr std::size_t key_block = 256, row_tile = 96;

  /// How many keys of the block first .. + count a row sees that sees `limit`.
  static std::size_t seen_of(std::size_t limit, std::size_t first, std::size_t count) noexcept {
    return limit > first ? (std::min)(limit - first, count) : 0;
  }

  void subtract(const float* center, std::size_t count) noexcept {
    for (std::size_t j = 0; j < count; ++j)
      for (std::size_t c = 0; c < d_; ++c) keys_[j * query_width_ + c] -= center[c];
  }

  static void add_sums(const float* sums, std::size_t width, std::size_t columns, std::size_t count,
                       float* to, std::ptrdiff_t stride) noexcept {
    for (std::size_t j = 0; j < count; ++j, sums += width, to += stride)
      for (std::size_t c = 0; c < columns; ++c) to[c] += sums[c];
  }

  /// c = rows of a (m x k) times the panels of k-vectors: scores or products of a tile.
  void against_panels(std::size_t m, std::size_t keys, std::size_t k, const float* a,
                      std::size_t a_row, const float* panels, float* c) const {
    const std::size_t panel = kernels_->panel();
    kernels_->multiply({.m = m,
                        .n = kernels_->pad(keys),
                        .k = k,
                        .a = a,
                        .a_row = static_cast<std::ptrdiff_t>(a_row),
                        .a_col = 1,
                        .b = panels,
                        .b_row = static_cast<std::ptrdiff_t>(panel),
                        .b_panel = static_cast<std::ptrdiff_t>(panel * k),
                        .c = c,
                        .c_row = static_cast<std::ptrdiff_t>(score_row_),
                        .add = false});
  }

  /// c += weights (a tile, or its transpose) times k rows of b, `width` floats each.
  void weigh(std::size_t m, std::size_t k, const float* weights, bool transposed, const float* b,
             std::size_t width, float* c) const {
    const auto row = static_cast<std::ptrdiff_t>(score_row_);
    kernels_->multiply({.m = m,
                        .n = width,
                        .k = k,
                        .a = weights,
                        .a_row = transposed ? 1 : row,
                        .a_col = transposed ? row : 1,
                        .b = b,
                        .b_row = static_cast<std::ptrdiff_t>(width),
                        .b_panel = static_cast<std::ptrdiff_t>(kernels_->panel()),
                        .c = c,
                        .c_row = static_cast<std::ptrdiff_t>(width),
                        .add = true});
  }

  template <class T>
  void tile(const BackwardRows& rows, std::size_t row, std::size_t height, std::size_t first,
            std::size_t keys, const std::uint32_t* limits, const BackwardKeys<T>& run) {
    const float* const queries = rows.queries + row * query_width_;
    const float* const gradients = rows.gradients + row * value_width_;
    against_panels(height, keys, d_, queries, query_width_, key_panels_.get(), scores_.get());
    against_panels(height, keys, dv_, gradients, value_width_, value_panels_.get(),
                   products_.get());
    if (!run.excluded.empty())
      exclude(run.excluded, rows.first + row, height, run.first + first, keys, scores_.get(),
              score_row_);
    gradients_->rows({.rows = height,
                      .keys = keys,
                      .scores = scores_.get(),
                      .products = products_.get(),
                      .row = static_cast<std::ptrdiff_t>(score_row_),
                      .limits = limits,
                      .softcap = softcap_,
                      .shifts = rows.shifts + row,
                      .factors = rows.factors + row,
                      .deltas = rows.deltas + row,
                      .masses = rows.masses + row});
    if (run.squares != nullptr) add_squares(height, keys, run.squares + first, rows.squares + row);
    weigh(keys, height, scores_.get(), true, gradients, value_width_, value_sums_.get());
    weigh(keys, height, products_.get(), true, queries, query_width_, key_sums_.get());
    weigh(height, keys, products_.get(), false, keys_.get(), query_width_,
          rows.query_gradients + row * query_width_);
  }

  template <std::same_as<float> Real = float>
  void add_squares(std::size_t height, std::size_t keys, const float* squares, double* to) const {
    using Values = Eigen::Map<const Eigen::ArrayX<Real>>;
    const auto count = static_cast<Eigen::Index>(keys);
    for (std::size_t r = 0; r < height; ++r)
      to[r] += static_cast<double>(
          (Values(products_.get() + r * score_row_, count).square() * Values(squares, count))
              .sum());
  }

  const ProductKernels* kernels_;
  const GradientKernels* gradients_;
  std::size_t d_, dv_, query_width_, value_width_, score_row_;
  float softcap_;
  CacheLineArray<float> key_panels_, value_panels_, keys_, key_sums_, value_sums_, scores_,
      products_;
};

}  // namespace lazygumbel::detail
