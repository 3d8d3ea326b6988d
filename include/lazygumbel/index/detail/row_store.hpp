#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "lazygumbel/core/types.hpp"

namespace lazygumbel {

/// n rows of d finite numbers, owned or viewed, with the largest norm. Movable, not copyable; owned
/// rows can grow.
template <class Scalar>
class RowStore {
 public:
  using Rows = RowPointer<Scalar>;

  /// Owns the rows. Throws std::invalid_argument as `require_rows` does, and when a norm overflows.
  explicit RowStore(RowMatrix<Scalar>&& rows) : owned_(std::move(rows)) { attach(owned_); }

  /// Views the caller's rows. Throws std::invalid_argument as the constructor above does, and on a
  /// distance of 0 between rows, which Eigen's views would take for one of d.
  explicit RowStore(const Rows& rows) {
    if (rows.outerStride() == 0 && rows.rows() > 1)
      detail::throw_invalid("rows.outerStride()", 0, "must not be 0");
    attach(rows);
  }

  /// Leaves no rows, of dimension 0, behind.
  RowStore(RowStore&& other) noexcept { swap(other); }
  RowStore& operator=(RowStore&& other) noexcept {
    RowStore taken(std::move(other));
    swap(taken);
    return *this;
  }

  std::size_t size() const noexcept { return static_cast<std::size_t>(count_); }
  std::size_t dimension() const noexcept { return static_cast<std::size_t>(dimension_); }
  double max_norm() const noexcept { return max_norm_; }

  Rows matrix() const noexcept {
    return Rows(data_, count_, dimension_, Eigen::OuterStride<>(stride_));
  }

  /// Rows first .. first + at_most - 1, fewer at the end.
  Rows block(std::size_t first, std::size_t at_most) const noexcept {
    const auto begin = static_cast<Eigen::Index>(first);
    return Rows(data_ + begin * stride_,
                (std::min)(static_cast<Eigen::Index>(at_most), count_ - begin), dimension_,
                Eigen::OuterStride<>(stride_));
  }

  Eigen::Map<const Vector<Scalar>> row(item_id id) const noexcept {
    return Eigen::Map<const Vector<Scalar>>(data_ + static_cast<Eigen::Index>(id) * stride_,
                                            dimension_);
  }

  /// Copies `rows` behind those that are there, in amortised O(d) a row. Throws
  /// std::invalid_argument, changing nothing, as the constructor does, on another number of
  /// columns, on more than 2^32 - 1 rows in all, and when rows are viewed. May be given rows of its
  /// own.
  void append(const MatrixView<Scalar>& rows) {
    detail::require_shape<Scalar>("rows", rows);
    double norm = detail::max_row_norm_or_nan<Scalar>(rows);
    if (std::isnan(norm)) detail::require_finite<Scalar>("rows", rows);
    if (rows.cols() != dimension_)
      detail::throw_invalid("rows.cols()", rows.cols(),
                            "must equal the index's dimension " + detail::text_of(dimension_));
    if (owned_.size() == 0)
      detail::throw_invalid("rows", "views of the caller's", "only an index that owns rows grows");
    if (rows.rows() > static_cast<Eigen::Index>((std::numeric_limits<item_id>::max)()) - count_)
      detail::throw_invalid("rows.rows()", rows.rows(),
                            "with the index's " + detail::text_of(count_) + " passes 2^32 - 1");
    if (std::isnan(norm)) norm = detail::max_row_norm<Scalar>("rows", rows);
    const Eigen::Index wanted = count_ + rows.rows();
    if (wanted > owned_.rows()) {  // `rows` may be rows of this store: they stay until copied
      RowMatrix<Scalar> larger((std::max)(wanted, owned_.rows() + owned_.rows() / 2), dimension_);
      larger.topRows(count_) = owned_.topRows(count_);
      larger.middleRows(count_, rows.rows()) = rows;
      owned_.swap(larger);
    } else {
      owned_.middleRows(count_, rows.rows()) = rows;
    }
    data_ = owned_.data();
    count_ = wanted;
    max_norm_ = (std::max)(max_norm_, norm);
  }

  /// Takes back what was appended since there were `count` rows, of norm `max_norm` at most.
  void take_back(std::size_t count, double max_norm) noexcept {
    count_ = static_cast<Eigen::Index>(count);
    max_norm_ = max_norm;
  }

  /// scores[i] = <query, row(ids[i])>, prefetching rows ahead.
  void score_many(const VectorView<Scalar>& query, std::span<const item_id> ids,
                  std::span<double> scores) const noexcept {
    constexpr std::size_t ahead = 4;
    for (std::size_t i = 0; i < (std::min)(ahead, ids.size()); ++i) prefetch(ids[i]);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i + ahead < ids.size()) prefetch(ids[i + ahead]);
      scores[i] = static_cast<double>(row(ids[i]).dot(query));
    }
  }

  void prefetch(item_id id) const noexcept {
    const auto* const begin =
        reinterpret_cast<const char*>(data_ + static_cast<Eigen::Index>(id) * stride_);
    const std::size_t bytes = (std::min)(dimension() * sizeof(Scalar), std::size_t{1024});
    for (std::size_t at = 0; at < bytes; at += 64) LAZYGUMBEL_PREFETCH(begin + at);
  }

  /// Throws std::invalid_argument on a bad query or k == 0. Returns the largest difference that two
  /// evaluations of one inner product of this query, in any order, can have: 2 g |query| max|x|.
  double require_query(std::string_view name, const VectorView<Scalar>& query,
                       std::size_t k) const {
    detail::require_query<Scalar>(name, query, dimension());
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
    const double scale = detail::require_scores_fit<Scalar>(name, query, max_norm_);
    const double roundings = static_cast<double>(dimension_) * 0.5 *
                             static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    return 2.0 * roundings / (1.0 - roundings) * scale * (1.0 + 1e-12) +
           static_cast<double>(dimension_) *
               static_cast<double>((std::numeric_limits<Scalar>::min)());
  }

 private:
  void swap(RowStore& other) noexcept {
    owned_.swap(other.owned_);
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    std::swap(dimension_, other.dimension_);
    std::swap(stride_, other.stride_);
    std::swap(max_norm_, other.max_norm_);
  }

  void attach(const MatrixView<Scalar>& rows) {
    max_norm_ = detail::require_rows_and_norms<Scalar>("rows", rows);
    data_ = rows.data();
    count_ = rows.rows();
    dimension_ = rows.cols();
    stride_ = rows.outerStride();
  }

  RowMatrix<Scalar> owned_;
  const Scalar* data_ = nullptr;
  Eigen::Index count_ = 0, dimension_ = 0, stride_ = 0;
  double max_norm_ = 0.0;
};

}  // namespace lazygumbel
