#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>

#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/fwd.hpp"
#include "lazygumbel/index/detail/row_store.hpp"
#include "lazygumbel/privacy/workload/detail/dot_kernels.hpp"
#include "lazygumbel/privacy/workload/workload.hpp"

namespace lazygumbel {

/// m linear queries given as the rows of an m x |X| matrix, values of both signs allowed. For
/// queries without structure: anything that a box, a marginal or a bit can say is faster there.
///
/// Answers are summed in doubles: `answers` reads each row once, at memory speed, O(m |X|);
/// `answer` is O(|X|). const members are thread-safe.
template <class Scalar>
class DenseWorkload {
 public:
  static constexpr bool integral = false;
  /// What a scattered `answer` costs, in units of its share of `answers`.
  static constexpr double answer_cost = 2.0;

  /// Owns `rows` (move it in to avoid the copy). Throws std::invalid_argument on an empty matrix,
  /// NaN and infinity, and on an instruction set that this machine lacks.
  explicit DenseWorkload(RowMatrix<Scalar> rows, Simd simd = best_simd())
      : DenseWorkload(RowStore<Scalar>(std::move(rows)), simd) {}

  /// Reads the caller's rows where they are: no copy, they must stay alive and unchanged.
  static DenseWorkload over(const RowPointer<Scalar>& rows, Simd simd = best_simd()) {
    return DenseWorkload(RowStore<Scalar>(rows), simd);
  }

  std::size_t size() const noexcept { return rows_.size(); }
  std::size_t cells() const noexcept { return rows_.dimension(); }
  /// The least and the largest entry of the matrix (the queries are public).
  QueryRange range() const noexcept { return range_; }
  RowPointer<Scalar> rows() const noexcept { return rows_.matrix(); }

  void answers(std::span<const double> weights, std::span<double> out) const {
    detail::require_answer_spans(weights, cells(), out, size());
    for (std::size_t j = 0; j < out.size(); ++j)
      out[j] = dot_(rows_.row(static_cast<item_id>(j)).data(), weights.data(), cells());
  }

  /// `answers` in Scalar, summed in doubles every 256 terms: for floats at memory speed.
  void scan(std::span<const double> weights, std::span<double> out) const {
    detail::require_answer_spans(weights, cells(), out, size());
    const Vector<Scalar> narrow =
        Eigen::Map<const Eigen::VectorXd>(weights.data(), static_cast<Eigen::Index>(cells()))
            .template cast<Scalar>();
    for (std::size_t j = 0; j < out.size(); ++j) {
      const auto row = rows_.row(static_cast<item_id>(j));
      double sum = 0.0;
      for (Eigen::Index at = 0; at < row.size(); at += chunk) {
        const Eigen::Index width = (std::min)(chunk, row.size() - at);
        sum += static_cast<double>(row.segment(at, width).dot(narrow.segment(at, width)));
      }
      out[j] = sum;
    }
  }

  double scan_error(double l1) const noexcept {
    const double u = 0.5 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    // Weights as cast, and products, may vanish below the least normal number.
    const double vanished =
        static_cast<double>(cells()) * static_cast<double>((std::numeric_limits<Scalar>::min)());
    return answers_error(l1) +
           1.001 * (largest_value() * ((static_cast<double>(chunk) + 2.0) * u * l1 + vanished) +
                    vanished);
  }

  double answer(std::span<const double> weights, item_id id) const {
    return dot_(rows_.row(id).data(), weights.data(), cells());
  }

  void prefetch(item_id id) const noexcept { rows_.prefetch(id); }

  void query(item_id id, std::span<double> out) const {
    const auto row = rows_.row(id);
    for (std::size_t x = 0; x < out.size(); ++x)
      out[x] = static_cast<double>(row[static_cast<Eigen::Index>(x)]);
  }

  double answers_error(double l1) const noexcept {
    return detail::summation_error(cells(), largest_value() * l1);
  }

 private:
  static constexpr Eigen::Index chunk = 256;

  double largest_value() const noexcept {
    return (std::max)(std::abs(range_.lower), std::abs(range_.upper));
  }

  DenseWorkload(RowStore<Scalar>&& rows, Simd simd) : rows_(std::move(rows)) {
    if (!is_supported(simd))
      detail::throw_invalid("simd", name_of(simd), "is not supported by this machine");
    dot_ = detail::select<detail::DotKernels<Scalar>>(simd).dot;
    range_ = {static_cast<double>(rows_.matrix().minCoeff()),
              static_cast<double>(rows_.matrix().maxCoeff())};
  }

  RowStore<Scalar> rows_;
  QueryRange range_;
  double (*dot_)(const Scalar*, const double*, std::size_t) = nullptr;
};

static_assert(Workload<DenseWorkload<float>> && Workload<DenseWorkload<double>>);

}  // namespace lazygumbel
