#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lazygumbel/attention/exact/detail/product_kernels.hpp"
#include "lazygumbel/core/detail/cache_line.hpp"
#include "lazygumbel/index/ivf/kmeans.hpp"

namespace lazygumbel::detail {

/// k-means lists of keys, each list in order of time, so that a prefix of the keys is a prefix of
/// every list. Centroids are made from the first keys and never moved by later ones: what a query
/// finds depends on no key that it may not see.
template <std::same_as<float> Real>
class TimedLists {
 public:
  /// The centroids of keys 0 .. trained - 1 of `keys` (widened). O(lists^2 d).
  TimedLists(const MatrixView<Real>& keys, std::size_t trained, std::size_t lists,
             const ProductKernels& kernels)
      : kernels_(&kernels), trained_(trained), d_(static_cast<std::size_t>(keys.cols())) {
    const RowMatrix<Real> centroids =
        kmeans<Real>(keys.topRows(static_cast<Eigen::Index>(trained)),
                     {.clusters = lists, .iterations = 3, .rows_per_cluster = 16});
    lists_ = lists;
    padded_ = kernels.pad(lists);
    panels_ = cache_line_array<float>((lists + kernels.panel()) * d_);
    kernels.pack(centroids.data(), static_cast<std::ptrdiff_t>(d_), lists, d_, panels_.get());
    half_squares_ = 0.5F * centroids.rowwise().squaredNorm();
    items_.resize(lists);
    spreads_.assign(lists, 0.0);
  }

  std::size_t lists() const noexcept { return lists_; }
  std::size_t trained() const noexcept { return trained_; }
  /// Floats of a row of scores: the lists, and room behind them.
  std::size_t padded() const noexcept { return padded_; }
  std::span<const item_id> items(std::size_t list) const noexcept { return items_[list]; }
  /// The keys begin .. end - 1 of every list.
  void count(std::size_t begin, std::size_t end, Eigen::ArrayXf& counts) const {
    counts.resize(static_cast<Eigen::Index>(lists_));
    for (std::size_t g = 0; g < lists_; ++g)
      counts[static_cast<Eigen::Index>(g)] = static_cast<float>(before(g, end) - before(g, begin));
  }
  /// The keys of a list that come before `key`.
  std::size_t before(std::size_t list, std::size_t key) const {
    const auto& items = items_[list];
    return static_cast<std::size_t>(
        std::lower_bound(items.begin(), items.end(), static_cast<item_id>(key)) - items.begin());
  }
  std::uint32_t list_of(item_id key) const noexcept { return list_of_[key]; }
  std::size_t size() const noexcept { return list_of_.size(); }
  /// Mean square of a key's distance from the centroid in one direction, over the keys that the
  /// centroids were made from.
  double spread(std::size_t list) const noexcept { return spreads_[list]; }

  /// scores (rows x padded()) = the inner products of rows of d floats with the centroids.
  void score(const float* rows, std::ptrdiff_t stride, std::size_t count, float* scores) const {
    kernels_->multiply({.m = count,
                        .n = padded_,
                        .k = d_,
                        .a = rows,
                        .a_row = stride,
                        .a_col = 1,
                        .b = panels_.get(),
                        .b_row = static_cast<std::ptrdiff_t>(kernels_->panel()),
                        .b_panel = static_cast<std::ptrdiff_t>(kernels_->panel() * d_),
                        .c = scores,
                        .c_row = static_cast<std::ptrdiff_t>(padded_),
                        .add = false});
  }

  /// Puts keys size() .. count - 1 into the lists of their nearest centroids. O(lists d) a key.
  void extend(const MatrixView<Real>& keys, std::size_t count) {
    constexpr std::size_t block = 96;
    std::vector<float> scores(block * padded_);
    list_of_.reserve(count);
    for (std::size_t first = list_of_.size(); first < count; first += block) {
      const std::size_t some = (std::min)(block, count - first);
      const float* const rows =
          keys.data() + static_cast<std::ptrdiff_t>(first) * keys.outerStride();
      score(rows, keys.outerStride(), some, scores.data());
      for (std::size_t i = 0; i < some; ++i) {
        Eigen::Map<Eigen::ArrayX<Real>> row(scores.data() + i * padded_,
                                            static_cast<Eigen::Index>(lists_));
        row -= half_squares_;
        auto nearest = static_cast<std::uint32_t>(
            std::find(row.data(), row.data() + lists_, row.maxCoeff()) - row.data());
        if (nearest == lists_) nearest = 0;  // squares that overflow: any list will do
        const auto id = static_cast<item_id>(first + i);
        items_[nearest].push_back(id);
        list_of_.push_back(nearest);
        if (id < trained_)
          spreads_[nearest] += (std::max)(
              0.0,
              square_sum(keys.data() + static_cast<std::ptrdiff_t>(id) * keys.outerStride(), d_) -
                  2.0 * static_cast<double>(row[nearest]));
      }
    }
    if (spread_known_) return;
    for (std::size_t g = 0; g < lists_; ++g) {
      const auto end = std::lower_bound(items_[g].begin(), items_[g].end(), trained_);
      const auto members = static_cast<double>(end - items_[g].begin());
      spreads_[g] /= (std::max)(1.0, members) * static_cast<double>(d_);
    }
    spread_known_ = true;
  }

 private:
  const ProductKernels* kernels_;
  std::size_t trained_, d_, lists_ = 0, padded_ = 0;
  CacheLineArray<float> panels_;
  Eigen::ArrayX<Real> half_squares_;
  std::vector<std::vector<item_id>> items_;
  std::vector<std::uint32_t> list_of_;
  std::vector<double> spreads_;
  bool spread_known_ = false;
};

}  // namespace lazygumbel::detail
