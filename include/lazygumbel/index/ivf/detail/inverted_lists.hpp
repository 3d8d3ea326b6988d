#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/ivf/detail/list_directory.hpp"
#include "lazygumbel/index/ivf/kmeans.hpp"

namespace lazygumbel::detail {

/// The rows of an IVF index, list by list, each list with a centroid, the radius of a ball around
/// it that holds all its rows, and their spread.
template <class Scalar>
class InvertedLists {
 public:
  using Rows = Eigen::Map<const RowMatrix<Scalar>>;
  using Row = Eigen::Map<const Vector<Scalar>>;
  using Real = Later<double, Scalar>;
  using Numbers = Eigen::Map<const Eigen::ArrayX<Real>>;

  /// What is known of a query's scores before any row is read.
  struct QueryScale {
    double norm = 0.0;     ///< |query|, rounded up
    double largest = 0.0;  ///< no computed |score| exceeds it
    double slack = 0.0;    ///< see `bounds`
  };

  explicit InvertedLists(std::size_t dimension) : dimension_(dimension) {}
  InvertedLists(const InvertedLists&) = default;
  InvertedLists& operator=(const InvertedLists&) = default;
  /// Leaves no lists, of dimension 0, behind.
  InvertedLists(InvertedLists&& other) noexcept : InvertedLists(0) { swap(other); }
  InvertedLists& operator=(InvertedLists&& other) noexcept {
    InvertedLists taken(std::move(other));
    swap(taken);
    return *this;
  }

  std::size_t size() const noexcept { return directory_.size(); }
  std::size_t dimension() const noexcept { return dimension_; }
  std::size_t lists() const noexcept { return rows_.size(); }
  const ListDirectory& directory() const noexcept { return directory_; }

  Rows rows(std::size_t list) const noexcept {
    return Rows(rows_[list].data(), static_cast<Eigen::Index>(directory_.items(list).size()),
                columns());
  }
  Row row(item_id id) const noexcept {
    const auto [list, slot] = directory_.place(id);
    return Row(rows_[list].data() + slot * dimension_, columns());
  }
  /// One centroid a list, lists() x d.
  Rows centroids() const noexcept {
    return Rows(centroids_.data(), static_cast<Eigen::Index>(lists()), columns());
  }
  /// For each list, at least |x - centroid| for each of its rows x.
  Numbers radii() const noexcept { return numbers(radii_); }
  /// For each list, the root mean square of <u, x - centroid> over its rows x and all unit vectors
  /// u; at most the radius.
  Numbers deviations() const noexcept { return numbers(deviations_); }

  void prefetch(item_id id) const noexcept {
    const auto* const begin = reinterpret_cast<const char*>(row(id).data());
    const std::size_t bytes = (std::min)(dimension_ * sizeof(Scalar), std::size_t{1024});
    for (std::size_t at = 0; at < bytes; at += 64) LAZYGUMBEL_PREFETCH(begin + at);
  }

  /// Throws std::invalid_argument on a bad query or k == 0.
  QueryScale require_query(std::string_view name, const VectorView<Scalar>& query,
                           std::size_t k) const {
    detail::require_query<Scalar>(name, query, dimension_);
    if (k == 0) throw_invalid("k", k, "must be at least 1");
    const double scale = require_scores_fit<Scalar>(name, query, max_norm_) * (1.0 + 1e-12);
    // Products with a row and with its centroid, each within g |query| max_norm of the exact one,
    // g = d u / (1 - d u) [FlatIndex]; 16 more roundings for the arithmetic of `bounds`.
    const double roundings = (static_cast<double>(dimension_) + 16.0) * 0.5 *
                             static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    const double slack = 2.0 * roundings / (1.0 - roundings) * scale +
                         2.0 * static_cast<double>(dimension_) *
                             static_cast<double>((std::numeric_limits<Scalar>::min)());
    return {query.template cast<Real>().stableNorm() * (1.0 + 1e-12), scale + slack, slack};
  }

  /// For each list an upper bound on the *computed* scores of its rows, given those of the
  /// centroids: <q, x> = <q, c> + <q, x - c> <= <q, c> + |q| radius, and the rounding of both.
  Eigen::ArrayX<Real> bounds(const QueryScale& query,
                             const VectorView<Scalar>& centroid_scores) const {
    const Eigen::ArrayX<Real> balls =
        centroid_scores.template cast<Real>().array() + (query.norm * radii() + query.slack);
    return (balls.min)(query.largest);
  }

  /// Opens a list with this centroid, d numbers. O(d). When memory runs out, nothing has changed.
  void open(const Scalar* centroid) {
    const double norm = Row(centroid, columns()).template cast<Real>().stableNorm();
    make_room(centroids_, dimension_);
    make_room(rows_, 1);
    for (auto* const numbers : {&radii_, &deviations_, &root_squares_}) make_room(*numbers, 1);
    directory_.open();
    rows_.emplace_back();
    centroids_.insert(centroids_.end(), centroid, centroid + dimension_);
    for (auto* const numbers : {&radii_, &deviations_, &root_squares_}) numbers->push_back(0.0);
    max_norm_ = (std::max)(max_norm_, norm);
  }

  /// Appends rows as items size() .. ; row i goes to list `nearest[i]`. `norm`: the largest row's,
  /// at most a quarter of the largest Scalar, so that distances cannot overflow.
  /// When memory runs out, nothing has changed.
  void append(const MatrixView<Scalar>& rows, std::span<const std::uint32_t> nearest, double norm,
              std::size_t threads) {
    const std::vector<double> distances = distances_to_centroids(rows, nearest, threads);
    std::vector<std::size_t> counts(lists());
    for (const std::uint32_t list : nearest) ++counts[list];
    for (std::size_t list = 0; list < lists(); ++list) make_room_in(list, counts[list]);
    const std::size_t first = size();
    directory_.grow(nearest.size());
    for (std::size_t i = 0; i < nearest.size(); ++i)
      put(nearest[i], static_cast<item_id>(first + i),
          rows.row(static_cast<Eigen::Index>(i)).data(), distances[i]);
    for (std::size_t list = 0; list < lists(); ++list)
      if (counts[list] > 0) refresh(list);
    max_norm_ = (std::max)(max_norm_, norm);
  }

  /// Fills the last list, still empty, with these items; read(span) writes the next row.
  template <class Read>
  void adopt(std::span<const item_id> items, Read&& read) {
    const std::size_t list = lists() - 1;
    make_room_in(list, items.size());
    std::vector<Scalar> row(dimension_);
    for (const item_id id : items) {
      read(std::span<Scalar>(row));
      if (id >= size()) directory_.grow(id + std::size_t{1} - size());
      put(list, id, row.data(), distance(row.data(), list));
      max_norm_ =
          (std::max)(max_norm_, Row(row.data(), columns()).template cast<Real>().stableNorm());
    }
    refresh(list);
  }

  /// Whether `row` lies in the lists' own memory, which moves when they grow. O(lists).
  bool owns(const Scalar* row) const noexcept {
    return std::any_of(rows_.begin(), rows_.end(), [&](const std::vector<Scalar>& list) {
      return !std::less<>()(row, list.data()) && std::less<>()(row, list.data() + list.size());
    });
  }

  /// Splits a list of at least two rows by 2-means, so that each half has at least `smallest` of
  /// them, at most half of all: rows that lie farthest to its side go to the smaller one. When
  /// memory runs out, nothing has changed.
  void split(std::size_t list, std::uint64_t seed, std::size_t smallest = 1) {
    const Rows all = rows(list);
    const std::vector<std::uint32_t> side = sides(all, seed, smallest);
    const auto right = static_cast<std::size_t>(std::count(side.begin(), side.end(), 1U));
    const std::size_t counts[] = {side.size() - right, right};
    const RowMatrix<Scalar> means = list_means(all, side, counts);
    std::vector<Scalar> rows_of[2];
    std::vector<item_id> items_of[2];
    for (const int s : {0, 1}) {
      rows_of[s].reserve(counts[s] * dimension_);
      items_of[s].reserve(counts[s]);
    }
    const double norm = means.row(0).template cast<Real>().stableNorm();
    open(means.row(1).data());

    const std::size_t places[] = {list, lists() - 1};
    const std::vector<Scalar> old_rows = std::exchange(rows_[list], std::move(rows_of[0]));
    rows_.back() = std::move(rows_of[1]);
    const std::vector<item_id> old_items = directory_.release(list, std::move(items_of[0]));
    directory_.release(places[1], std::move(items_of[1]));
    radii_[list] = root_squares_[list] = 0.0;
    std::copy_n(means.row(0).data(), dimension_,
                centroids_.begin() + static_cast<std::ptrdiff_t>(list * dimension_));
    for (std::size_t i = 0; i < side.size(); ++i) {
      const Scalar* const row = old_rows.data() + i * dimension_;
      put(places[side[i]], old_items[i], row, distance(row, places[side[i]]));
    }
    refresh(places[0]);
    refresh(places[1]);
    max_norm_ = (std::max)(max_norm_, norm);
  }

  /// The centroids of lists that hold the rows as `nearest` says: their means.
  static RowMatrix<Scalar> list_means(const MatrixView<Scalar>& rows,
                                      std::span<const std::uint32_t> nearest,
                                      std::span<const std::size_t> counts) {
    const double scale = unit_scale<double>(max_row_norm<Scalar>("rows", rows));
    return (cluster_means<Scalar>(rows, nearest, counts, scale) / scale).template cast<Scalar>();
  }

  std::size_t size_in_bytes() const noexcept {
    std::size_t bytes = directory_.size_in_bytes() + centroids_.capacity() * sizeof(Scalar) +
                        3 * radii_.capacity() * sizeof(double);
    for (const auto& rows : rows_) bytes += sizeof rows + rows.capacity() * sizeof(Scalar);
    return bytes;
  }

 private:
  void swap(InvertedLists& other) noexcept {
    std::swap(dimension_, other.dimension_);
    std::swap(max_norm_, other.max_norm_);
    rows_.swap(other.rows_);
    centroids_.swap(other.centroids_);
    radii_.swap(other.radii_);
    deviations_.swap(other.deviations_);
    root_squares_.swap(other.root_squares_);
    std::swap(directory_, other.directory_);
  }

  /// 0 or 1 for each row: the nearer of two means, but for rows that make up `smallest`.
  static std::vector<std::uint32_t> sides(const Rows& all, std::uint64_t seed,
                                          std::size_t smallest) {
    KmeansParameters two;
    two.clusters = 2;
    two.seed = seed;
    const RowMatrix<Scalar> seeds = kmeans<Scalar>(all, two);
    std::vector<std::uint32_t> side(static_cast<std::size_t>(all.rows()));
    assign_to_centroids<Scalar>(all, seeds, side);
    const auto right = static_cast<std::size_t>(std::count(side.begin(), side.end(), 1U));
    const std::size_t least = (std::max)(std::size_t{1}, (std::min)(smallest, side.size() / 2));
    if (right >= least && right + least <= side.size()) return side;

    const Vector<double> apart =
        (seeds.row(1).template cast<double>() - seeds.row(0).template cast<double>()).transpose();
    const double length = apart.stableNorm();
    const Vector<Scalar> direction =
        (apart / (length > 0.0 ? length : 1.0)).template cast<Scalar>();
    const Vector<Scalar> along = all * direction;
    std::vector<Eigen::Index> order(side.size());
    std::iota(order.begin(), order.end(), Eigen::Index{0});
    std::sort(order.begin(), order.end(), [&](Eigen::Index a, Eigen::Index b) {
      return along[a] != along[b] ? along[a] < along[b] : a < b;
    });
    const std::size_t end = right < least ? side.size() - least : least;  // of side 0
    for (std::size_t i = 0; i < order.size(); ++i)
      side[static_cast<std::size_t>(order[i])] = i < end ? 0 : 1;
    return side;
  }

  Eigen::Index columns() const noexcept { return static_cast<Eigen::Index>(dimension_); }

  Numbers numbers(const std::vector<double>& values) const noexcept {
    return Numbers(values.data(), static_cast<Eigen::Index>(values.size()));
  }

  /// |row - centroid|, rounded up: relative errors of at most 2^-53 for each difference and square,
  /// (d + 4) 2^-53 for the sum and its root, and what underflows.
  double distance(const Scalar* row, std::size_t list) const noexcept {
    const Scalar* const centroid = centroids_.data() + list * dimension_;
    const auto difference = [&](std::size_t c) {
      return std::abs(static_cast<double>(row[c]) - static_cast<double>(centroid[c]));
    };
    double unit = 1.0;  // squares of differences of doubles may be out of range
    if constexpr (sizeof(Scalar) >= sizeof(double)) {
      double largest = 0.0;
      for (std::size_t c = 0; c < dimension_; ++c) largest = (std::max)(largest, difference(c));
      if (largest > 0.0) unit = std::ldexp(1.0, std::ilogb(largest));
    }
    double sum = 0.0;
    for (std::size_t c = 0; c < dimension_; ++c) {
      const double scaled = difference(c) / unit;
      sum += scaled * scaled;
    }
    const double computed = unit * std::sqrt(sum);
    return computed * (1.0 + (static_cast<double>(dimension_) + 16.0) * 0x1p-52) +
           (std::numeric_limits<double>::min)();
  }

  std::vector<double> distances_to_centroids(const MatrixView<Scalar>& rows,
                                             std::span<const std::uint32_t> nearest,
                                             std::size_t threads) const {
    constexpr std::size_t block = 1024;
    std::vector<double> distances(nearest.size());
    parallel_for((nearest.size() + block - 1) / block, threads, [&](std::size_t part) {
      for (std::size_t i = part * block; i < (std::min)(nearest.size(), (part + 1) * block); ++i)
        distances[i] = distance(rows.row(static_cast<Eigen::Index>(i)).data(), nearest[i]);
    });
    return distances;
  }

  void make_room_in(std::size_t list, std::size_t added) {
    if (added == 0) return;
    make_room(rows_[list], added * dimension_);
    directory_.make_room_in(list, added);
  }

  void put(std::size_t list, item_id id, const Scalar* row, double distance) {
    rows_[list].insert(rows_[list].end(), row, row + dimension_);
    radii_[list] = (std::max)(radii_[list], distance);
    root_squares_[list] = std::hypot(root_squares_[list], distance);
    directory_.append(list, id);
  }

  void refresh(std::size_t list) noexcept {
    const double values =
        static_cast<double>(directory_.items(list).size()) * static_cast<double>(dimension_);
    deviations_[list] = (std::min)(root_squares_[list] / std::sqrt(values), radii_[list]);
  }

  std::size_t dimension_;
  double max_norm_ = 0.0;  // of rows and centroids
  std::vector<std::vector<Scalar>> rows_;
  std::vector<Scalar> centroids_;
  std::vector<double> radii_, deviations_;
  std::vector<double> root_squares_;  // roots of the sums of squared distances from the centroids
  ListDirectory directory_;
};

}  // namespace lazygumbel::detail
