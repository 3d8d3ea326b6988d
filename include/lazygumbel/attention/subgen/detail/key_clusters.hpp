#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "lazygumbel/attention/subgen/detail/row_block.hpp"
#include "lazygumbel/attention/subgen/detail/sketch_kernels.hpp"
#include "lazygumbel/core/detail/make_room.hpp"
#include "lazygumbel/core/storage_scalar.hpp"
#include "lazygumbel/sampling/reservoirs/uniform_reservoir.hpp"

namespace lazygumbel::detail {

/// Online clustering of keys: a key farther than `radius` from every representative becomes one.
/// Two representatives are never nearer, so that their number is at most that of the smallest
/// partition of the keys into sets of diameter `radius`. Of each cluster, a uniform sample of its
/// keys without replacement, with their values where these are kept. The rows of all samples lie
/// one behind the other in the order in which they came to be there.
/// Source: Zandieh, Han, Mirrokni, Karbasi, "SubGen: Token Generation in Sublinear Time and
/// Memory", 2024, algorithm 1.
template <StorageScalar T>
class KeyClusters {
 public:
  struct Cluster {
    explicit Cluster(std::size_t t) : samples(t) {}
    UniformReservoir samples;         ///< of all its keys; seen() is their number
    double radius = 0.0;              ///< no key is farther from the representative
    std::vector<std::uint32_t> rows;  ///< of the samples, by place in the reservoir
  };

  /// `dv` = 0: values are not kept, and no sums of them.
  KeyClusters(std::size_t d, std::size_t dv, bool keeps_sums, std::size_t samples_per_cluster,
              double radius, std::size_t max_clusters, Simd simd)
      : d_(d),
        samples_(samples_per_cluster),
        most_(max_clusters),
        radius_(radius),
        simd_(simd),
        representatives_(compared_width(d)),
        keys_(d),
        values_(dv),
        sums_(keeps_sums ? dv + 1 : 0) {}

  std::size_t dimension() const noexcept { return d_; }
  std::size_t samples_per_cluster() const noexcept { return samples_; }
  const std::vector<Cluster>& clusters() const noexcept { return clusters_; }
  /// d floats.
  const float* representative(std::size_t c) const noexcept { return representatives_.row(c); }
  const RowBlock<T>& keys() const noexcept { return keys_; }
  const RowBlock<T>& values() const noexcept { return values_; }
  bool keeps_values() const noexcept { return values_.width() > 0; }
  /// Where these are kept, for each cluster the sum of all its values, and that of their squared
  /// norms behind it.
  const RowBlock<double>& value_sums() const noexcept { return sums_; }
  /// The cluster of a row, and its place among the samples.
  const std::vector<std::uint32_t>& owners() const noexcept { return owners_; }
  const std::vector<std::uint32_t>& places() const noexcept { return places_; }

  /// Finds the cluster that `key` is to join, and makes room for it: `add` of this key, which has
  /// to follow, cannot throw. When memory runs out, nothing has changed. O(clusters d).
  void prepare(const T* key) {
    widened_.assign(compared_width(d_), 0.0F);
    std::transform(key, key + d_, widened_.begin(), [](T x) { return static_cast<float>(x); });
    nearest_ = nearest();
    if (keys_.rows() == (std::numeric_limits<std::uint32_t>::max)())
      throw std::length_error("lazygumbel: the samples of all clusters are 2^32 keys");
    keys_.make_room();
    values_.make_room();
    make_room(owners_, 1);
    make_room(places_, 1);
    if (joins(nearest_.second)) {
      make_room(clusters_[nearest_.first].rows, 1);
    } else {
      representatives_.make_room();
      sums_.make_room();
      make_room(clusters_, 1);
      spare_.reserve(1);
    }
  }

  /// Adds the key of the last `prepare`. `value` is not looked at where values are not kept.
  template <BitGenerator Engine>
  void add(const T* key, const T* value, Engine& engine) {
    const auto [c, distance] = nearest_;
    const bool near = joins(distance);
    const std::size_t joined = near ? c : open();
    Cluster& cluster = clusters_[joined];
    if (near) cluster.radius = (std::max)(cluster.radius, distance);
    if (sums_.width() > 0) add_value(sums_.row(joined), value);
    keep(joined, cluster.samples.offer(engine), key, value);
  }

  /// Takes over the clusters of `later`: one whose representative a key here could have joined
  /// joins as a whole. Members of such a cluster lie within twice the radius, after k merges of
  /// merged ones within k + 1 radii.
  template <BitGenerator Engine>
  void merge(const KeyClusters& later, Engine& engine) {
    for (std::size_t from = 0; from < later.clusters_.size(); ++from) {
      const Cluster& other = later.clusters_[from];
      const float* const representative = later.representative(from);
      widened_.assign(representative, representative + compared_width(d_));
      const auto [c, distance] = nearest();
      const bool near = joins(distance);
      const std::size_t joined = near ? c : open();
      Cluster& cluster = clusters_[joined];
      cluster.radius = (std::max)(cluster.radius, (near ? distance : 0.0) + other.radius);
      for (std::size_t i = 0; i < sums_.width(); ++i)
        sums_.row(joined)[i] += later.sums_.row(from)[i];
      cluster.samples.merge(other.samples, engine, [&](std::size_t place, std::size_t of_other) {
        const std::uint32_t row = other.rows[of_other];
        keep(joined, place, later.keys_.row(row), later.values_.row(row));
      });
    }
  }

  /// Restores what was written: the clusters, then the rows of their samples by `restore_row`,
  /// until every cluster `is_whole`.
  void restore(const float* representative, double radius, const double* sums,
               UniformReservoir samples) {
    representatives_.push(representative, d_);
    sums_.push(sums, sums_.width());
    clusters_.emplace_back(samples_);
    clusters_.back().samples = std::move(samples);
    clusters_.back().radius = radius;
  }
  bool is_whole(std::size_t c) const noexcept {
    return clusters_[c].rows.size() == clusters_[c].samples.size();
  }
  void restore_row(std::size_t c, const T* key, const T* value) {
    keep(c, clusters_[c].rows.size(), key, value);
  }

  std::size_t size_in_bytes() const noexcept {
    std::size_t bytes = representatives_.size_in_bytes() + sums_.size_in_bytes() +
                        keys_.size_in_bytes() + values_.size_in_bytes() +
                        clusters_.capacity() * sizeof(Cluster) +
                        (owners_.capacity() + places_.capacity()) * sizeof(std::uint32_t) +
                        widened_.capacity() * sizeof(float);
    for (const Cluster& cluster : clusters_)
      bytes += cluster.samples.size_in_bytes() + cluster.rows.capacity() * sizeof(std::uint32_t);
    return bytes;
  }

 private:
  /// The representative nearest to `widened_` and its distance; nothing is near no clusters.
  std::pair<std::size_t, double> nearest() const {
    if (clusters_.empty()) return {0, -1.0};
    NearestRow found;
    select<SketchKernels<T>>(simd_).nearest(representatives_.data(), representatives_.rows(),
                                            representatives_.width(), widened_.data(), found);
    double square = square_to(found.row);
    // Squares that float does not tell apart; 0 of a key that is there is one.
    if (!(found.square > 1e-30F && found.square < (std::numeric_limits<float>::infinity)()) &&
        square > 0.0)
      for (std::size_t c = 0; c < representatives_.rows(); ++c)
        if (const double other = square_to(c); other < square) {
          square = other;
          found.row = c;
        }
    return {found.row, std::sqrt(square)};
  }

  double square_to(std::size_t c) const noexcept {
    const float* const row = representatives_.row(c);
    double square = 0.0;
    for (std::size_t j = 0; j < d_; ++j) {
      const double difference = static_cast<double>(row[j]) - static_cast<double>(widened_[j]);
      square += difference * difference;
    }
    return square;
  }

  void add_value(double* sums, const T* value) const noexcept {
    const std::size_t dv = values_.width();
    for (std::size_t i = 0; i < dv; ++i) {
      const auto x = static_cast<double>(value[i]);
      sums[i] += x;
      sums[dv] += x * x;
    }
  }

  bool joins(double distance) const noexcept {
    return distance >= 0.0 && (distance <= radius_ || clusters_.size() >= most_);
  }

  /// A cluster around `widened_`.
  std::size_t open() {
    representatives_.push(widened_.data(), representatives_.width());
    std::fill_n(sums_.push(), sums_.width(), 0.0);
    clusters_.emplace_back(samples_);
    clusters_.back().rows.swap(spare_);
    return clusters_.size() - 1;
  }

  /// Puts a key at a place of the samples of a cluster.
  void keep(std::size_t c, std::size_t place, const T* key, const T* value) {
    if (place == UniformReservoir::none) return;
    std::vector<std::uint32_t>& rows = clusters_[c].rows;
    if (place < rows.size()) {
      keys_.set(rows[place], key);
      if (keeps_values()) values_.set(rows[place], value);
      return;
    }
    if (keys_.rows() == (std::numeric_limits<std::uint32_t>::max)())
      throw std::length_error("lazygumbel: the samples of all clusters are 2^32 keys");
    rows.push_back(static_cast<std::uint32_t>(keys_.rows()));
    owners_.push_back(static_cast<std::uint32_t>(c));
    places_.push_back(static_cast<std::uint32_t>(place));
    keys_.push(key, d_);
    if (keeps_values()) values_.push(value, values_.width());
  }

  std::size_t d_, samples_, most_;
  double radius_;
  Simd simd_;
  RowBlock<float> representatives_;
  RowBlock<T> keys_, values_;
  RowBlock<double> sums_;
  std::vector<Cluster> clusters_;
  std::vector<std::uint32_t> owners_, places_;
  std::vector<float> widened_;                // the key that is being placed
  std::pair<std::size_t, double> nearest_{};  // to it: cluster, distance
  std::vector<std::uint32_t> spare_;          // of the next cluster: its rows, none
};

}  // namespace lazygumbel::detail
