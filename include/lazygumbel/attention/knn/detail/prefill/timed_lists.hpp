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
    RowMatrix<Real>& centroids = centroids_;
    centroids = kmeans<Real>(keys.topRows(static_cast<Eigen::Index>(trained)),
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

  /// How far the members and their values reach, for bounds of what no draw met: of every list's
  /// keys before `end`, the largest distance of a key from its centroid - with room for what rounds
  /// in it and in inner products with the centroid - and of a value from centre().
  void reaches(std::size_t end, Eigen::ArrayX<Real>& keys, Eigen::ArrayX<Real>& values) const {
    keys.resize(static_cast<Eigen::Index>(lists_));
    values.resize(static_cast<Eigen::Index>(lists_));
    for (std::size_t g = 0; g < lists_; ++g) {
      const auto at = static_cast<Eigen::Index>(g);
      const std::size_t members = before(g, end);
      keys[at] = members == 0 ? Real{0} : key_reach_[g][members - 1];
      values[at] = members == 0 ? Real{0} : value_reach_[g][members - 1];
    }
  }
  /// The reach of the values of keys 0 .. end - 1.
  double reach(std::size_t end) const {
    return end == 0 ? 0.0 : static_cast<double>(reach_[end - 1]);
  }
  /// The reach of the values of some keys.
  double reach_of(std::span<const item_id> keys) const {
    Real most{0};
    for (const item_id key : keys) most = (std::max)(most, distances_[key]);
    return static_cast<double>(most);
  }
  /// The mean of the values that go with the keys that the centroids were made from.
  const std::vector<double>& center() const noexcept { return center_; }

  /// Measures the reach of keys 0 .. size() - 1. `values`: of the same keys. O(n (d + dv)).
  template <class Values>
  void measure(const MatrixView<Real>& keys, const Values& values) {
    const auto dv = static_cast<std::size_t>(values.cols());
    const auto at = [&](std::size_t i, std::size_t c) {
      return static_cast<double>(
          static_cast<float>(values(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(c))));
    };
    center_.assign(dv, 0.0);
    for (std::size_t i = 0; i < trained_; ++i)
      for (std::size_t c = 0; c < dv; ++c) center_[c] += at(i, c);
    for (double& x : center_) x /= static_cast<double>((std::max)(trained_, std::size_t{1}));
    key_reach_.resize(lists_);
    value_reach_.resize(lists_);
    const auto d = static_cast<Eigen::Index>(d_);
    // 2^-24 (d + 8) for a product of d terms, and as much again for what follows.
    const double rounding = static_cast<double>(d_ + 8) * 0x1p-23;
    std::vector<double> lengths(lists_);
    for (std::size_t g = 0; g < lists_; ++g)
      lengths[g] = std::sqrt(square_sum(centroids_.row(static_cast<Eigen::Index>(g)).data(), d_));
    for (std::size_t i = 0; i < size(); ++i) {
      const std::uint32_t g = list_of_[i];
      const Real* const key = keys.data() + static_cast<std::ptrdiff_t>(i) * keys.outerStride();
      double square = 0.0;
      for (Eigen::Index c = 0; c < d; ++c) {
        const double x = static_cast<double>(key[c]) -
                         static_cast<double>(centroids_(static_cast<Eigen::Index>(g), c));
        square += x * x;
      }
      push(key_reach_[g], std::sqrt(square) * (1.0 + rounding) + rounding * lengths[g]);
      square = 0.0;
      for (std::size_t c = 0; c < dv; ++c)
        square += (at(i, c) - center_[c]) * (at(i, c) - center_[c]);
      distances_.push_back(static_cast<Real>(std::sqrt(square) * (1.0 + 0x1p-20)));
      push(value_reach_[g], static_cast<double>(distances_.back()));
      push(reach_, static_cast<double>(distances_.back()));
    }
  }

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
  /// Appends the largest so far.
  static void push(std::vector<Real>& most, double next) {
    const auto one = static_cast<Real>(next * (1.0 + 0x1p-22));
    most.push_back(most.empty() ? one : (std::max)(most.back(), one));
  }

  const ProductKernels* kernels_;
  std::size_t trained_, d_, lists_ = 0, padded_ = 0;
  CacheLineArray<float> panels_;
  Eigen::ArrayX<Real> half_squares_;
  std::vector<std::vector<item_id>> items_;
  std::vector<std::uint32_t> list_of_;
  std::vector<double> spreads_, center_;
  RowMatrix<Real> centroids_;
  std::vector<std::vector<Real>> key_reach_, value_reach_;  // by list, of its members so far
  std::vector<Real> reach_, distances_;                     // by key
  bool spread_known_ = false;
};

}  // namespace lazygumbel::detail
