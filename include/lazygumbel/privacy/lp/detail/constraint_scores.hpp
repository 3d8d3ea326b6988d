#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/detail/row_store.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"

namespace lazygumbel {

/// The scores that a scalar-private linear program selects by, as inner products: item i is
/// (A_i, b_i) in R^(d+1), a query is theta = s (x, -1), s > 0, and
///   score(theta, i) = s A_i x - s b_i.
/// s A_i x is computed in Scalar, always by the same dot product of the same rounded query: where A
/// and x are public that is a public number, however it is rounded, and only the subtraction, in
/// double, can tell neighbours apart by more than |b_i - b'_i|: by `rounding()` at most, with b
/// clipped to [-limit, limit], limit >= max |A_i x|. Clipping is exact for the program: a b_i above
/// the limit is met by every x, and one below -limit by none.
///
/// PRIVATE: it holds b. Refers to the rows, which must outlive it. const members are thread-safe.
template <class Scalar>
class ConstraintScores {
  using Real = detail::Later<double, Scalar>;

 public:
  using scalar_type = double;

  /// Throws std::invalid_argument unless there is one finite bound a row, and limit lies in
  /// [0, 1e300].
  ConstraintScores(const RowStore<Scalar>& rows, std::span<const double> bounds, double limit)
      : rows_(&rows), limit_(limit) {
    detail::require_not_negative("limit", limit);
    if (bounds.size() != rows.size())
      detail::throw_invalid("bounds.size()", bounds.size(),
                            "must equal the number of constraints " + detail::text_of(rows.size()));
    bounds_.reserve(bounds.size());
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      if (!std::isfinite(bounds[i]))
        detail::throw_invalid("bounds[" + detail::text_of(i) + "]", bounds[i], "must be finite");
      bounds_.push_back((std::max)(-limit, (std::min)(limit, bounds[i])));
    }
  }
  ConstraintScores(const RowStore<Scalar>&&, std::span<const double>, double) = delete;

  const RowStore<Scalar>& rows() const noexcept { return *rows_; }
  std::size_t size() const noexcept { return rows_->size(); }
  /// Of theta: d + 1.
  std::size_t dimension() const noexcept { return rows_->dimension() + 1; }
  /// b, clipped to [-limit(), limit()].
  std::span<const double> bounds() const noexcept { return bounds_; }
  double limit() const noexcept { return limit_; }

  /// By how much the roundings of s b_i, of the subtraction, and of what bounds and samplers do
  /// with the score may move it, in units of b: a public number.
  double rounding() const noexcept { return 0x1p-48 * limit_; }

  /// Throws std::invalid_argument unless theta is s (x, -1) with s > 0, all finite, and scores that
  /// fit Scalar.
  void require_theta(const VectorView<Real>& theta) const {
    detail::require_query<double>("theta", theta, dimension());
    if (!(scale_of(theta) > 0.0))
      detail::throw_invalid("theta's last entry", theta[theta.size() - 1], "must be negative");
    detail::require_scores_fit<Scalar>("theta", point_of(theta), rows_->max_norm());
  }
  double scale_of(const VectorView<Real>& theta) const { return -theta[theta.size() - 1]; }
  /// s x as the rows are multiplied with it.
  Vector<Scalar> point_of(const VectorView<Real>& theta) const {
    return theta.head(theta.size() - 1).template cast<Scalar>();
  }

  /// Precondition, not checked: id < size(). O(d).
  double score(const VectorView<Real>& theta, item_id id) const {
    return score_at(point_of(theta), scale_of(theta), id);
  }

  /// score() of each id, prefetching rows ahead.
  void score_many(const VectorView<Real>& theta, std::span<const item_id> ids,
                  std::span<double> scores) const {
    const double scale = scale_of(theta);
    rows_->score_many(point_of(theta), ids, scores);
    for (std::size_t i = 0; i < ids.size(); ++i) scores[i] -= scale * bounds_[ids[i]];
  }

  /// score() of the items first, first + 1, ...
  void score_block(const Vector<Scalar>& point, double scale, std::size_t first,
                   std::span<double> scores) const {
    for (std::size_t i = 0; i < scores.size(); ++i)
      scores[i] = score_at(point, scale, static_cast<item_id>(first + i));
  }

 private:
  double score_at(const Vector<Scalar>& point, double scale, item_id id) const {
    return static_cast<double>(rows_->row(id).dot(point)) - scale * bounds_[id];
  }

  const RowStore<Scalar>* rows_;
  double limit_;
  std::vector<double> bounds_;
};

}  // namespace lazygumbel
