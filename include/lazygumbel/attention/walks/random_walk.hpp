#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lazygumbel/attention/walks/walk_steps.hpp"
#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/random/categorical.hpp"

/// \file
/// Products with the transpose of attention's P = softmax(scale Q K^T), m x n, by walks of one
/// step: a row i with a probability pi_i of one's choice, a position j ~ P_i., and x_i / pi_i added
/// to entry j. Each walk reads about k + n/k keys, so t walks cost O(t sqrt(n)) rows where the
/// product takes m n.
///
/// Use them where t << m walks do, for errors relative to |x|_1: at equal rows looked at, the head
/// and a uniform tail of every row err far less (docs/attention_estimators.md).

namespace lazygumbel {

/// An estimate of P^T X by random walks.
struct WalkEstimate {
  RowMatrix<double> value;  ///< n x c
  /// Of each row of `value`, in the Euclidean norm: sqrt of an unbiased estimate of
  /// E|value_j - truth_j|^2. 0 for a row that no walk reached, which says nothing about it.
  Vector<double> standard_error;
  /// sqrt of an unbiased estimate of E|value - truth|_F^2.
  double standard_error_norm = 0.0;
  std::size_t walks = 0;
  /// Of all draws together: counts add up, the bound is the largest and the guarantee the weakest.
  /// Where it is not certified, `value` may be biased (see DrawnAttention).
  Trace trace;
};

namespace detail {

/// The mean of t = `walks` walks, started with pi_i = size(i) / sum size: add(i, j, 1 / (t pi_i),
/// value) adds a walk's part, over t, to row j and returns its norm, from which the errors come.
template <WalkSteps Steps, class Size, class Add, BitGenerator Engine>
WalkEstimate walk(const Steps& steps, std::size_t columns, std::size_t walks, const Size& size,
                  const Add& add, Engine& engine, std::size_t threads) {
  if (walks < 2) throw_invalid("walks", walks, "must be at least 2");
  const std::size_t rows = steps.rows(), n = steps.positions();
  using Real = Later<double, Steps>;
  WalkEstimate estimate{
      RowMatrix<Real>::Zero(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(columns)),
      Vector<Real>::Zero(static_cast<Eigen::Index>(n)), 0.0, walks, no_walks()};
  std::vector<double> sizes(rows), logs(rows);
  double sum = 0.0;
  for (std::size_t i = 0; i < rows; ++i) {
    sum += sizes[i] = size(i);
    logs[i] = std::log(sizes[i]);
  }
  if (!std::isfinite(sum)) throw_invalid("the sum of row norms", sum, "must be finite");
  if (sum == 0.0) return estimate;  // the product is 0
  const Categorical law(logs);
  std::vector<std::size_t> starts(walks);
  for (std::size_t& start : starts) start = law(engine);
  std::sort(starts.begin(), starts.end());
  std::vector<item_id> ends(walks);
  estimate.trace =
      steps.draw(std::span<const std::size_t>(starts), std::span<item_id>(ends), engine, threads);
  const double t = static_cast<double>(walks);
  Vector<double>& squares = estimate.standard_error;
  for (std::size_t w = 0; w < walks; ++w) {
    const auto j = static_cast<Eigen::Index>(ends[w]);
    const double norm = add(starts[w], j, sum / (sizes[starts[w]] * t), estimate.value) * t;
    squares[j] += norm * norm;
  }
  double total = 0.0;
  for (Eigen::Index j = 0; j < squares.size(); ++j) {
    // The unbiased sample variance over t; rounding may leave a walk that always ends at j below 0.
    const double variance =
        (std::max)(0.0, (squares[j] / t - estimate.value.row(j).squaredNorm()) / (t - 1.0));
    total += variance;
    squares[j] = std::sqrt(variance);
  }
  estimate.standard_error_norm = std::sqrt(total);
  return estimate;
}

template <class Derived>
void require_matrix(std::string_view name, const Eigen::MatrixBase<Derived>& matrix,
                    std::size_t rows, Eigen::Index columns) {
  const std::string parameter(name);
  if (static_cast<std::size_t>(matrix.rows()) != rows)
    throw_invalid(parameter + ".rows()", matrix.rows(), "must equal " + text_of(rows));
  if (matrix.cols() < 1) throw_invalid(parameter + ".cols()", matrix.cols(), "must be at least 1");
  if (matrix.cols() != columns)
    throw_invalid(parameter + ".cols()", matrix.cols(), "must equal " + text_of(columns));
  for (Eigen::Index i = 0; i < matrix.rows(); ++i)
    for (Eigen::Index c = 0; c < matrix.cols(); ++c)
      if (const auto value = static_cast<double>(matrix(i, c)); !std::isfinite(value))
        throw_invalid(parameter + "(" + text_of(i) + ", " + text_of(c) + ")", value,
                      "must be finite");
}

/// P^T X started with pi_i = |x_i| / sum |x_i|: every walk adds a vector of the same length.
template <WalkSteps Steps, class Derived, BitGenerator Engine>
WalkEstimate walk_from_rows(const Steps& steps, const Eigen::MatrixBase<Derived>& X,
                            std::size_t walks, Engine& engine, std::size_t threads) {
  const auto row = [&](std::size_t i) {
    return X.row(static_cast<Eigen::Index>(i)).template cast<double>();
  };
  return walk(
      steps, static_cast<std::size_t>(X.cols()), walks,
      [&](std::size_t i) { return row(i).stableNorm(); },
      [&](std::size_t i, Eigen::Index j, double weight, RowMatrix<double>& value) {
        value.row(j) += weight * row(i);
        return weight * row(i).stableNorm();
      },
      engine, threads);
}

}  // namespace detail

/// y = P^T x (n x 1) for a signed x of m entries: `walks` = t >= 2 walks start at i ~ |x_i| /
/// |x|_1, step to j ~ P_i., and add sign(x_i) |x|_1 / t to y_j. Unbiased, with
///   Var y^_j = (|x|_1 (P^T |x|)_j - y_j^2) / t,  E|y^ - y|^2 = (|x|_1^2 - |y|^2) / t.
/// Zero without a walk when x is. O(n + m + t log m) and the draws; the same for any number of
/// threads (0: all). Throws std::invalid_argument on an x of the wrong size or that is not finite,
/// and when walks < 2; what a draw throws.
///
/// Source: Haris, "kNN Attention Demystified: A Theoretical Exploration for Scalable Transformers",
/// ICLR 2025, whose walks shift x by its least entry, -M, to make it a law, and subtract a second
/// product, M P^T 1: together (|x + M 1|_1^2 + (n M)^2) / t, less small terms. Signs need neither.
template <WalkSteps Steps, class Derived, BitGenerator Engine>
WalkEstimate walk_product(const Steps& steps, const Eigen::MatrixBase<Derived>& x,
                          std::size_t walks, Engine& engine, std::size_t threads = 1) {
  detail::require_matrix("x", x, steps.rows(), 1);
  return detail::walk_from_rows(steps, x, walks, engine, threads);
}

/// dV = P^T dO (n x dv), all columns from the same walks, given g = dO (m x dv): starts i ~ pi_i =
/// |g_i| / sum |g_i|, adds g_i / (t pi_i) to row j. Unbiased, with
///   E|dV^_j - dV_j|^2 = ((sum_i |g_i|) sum_i P_ij |g_i| - |dV_j|^2) / t,
///   E|dV^ - dV|_F^2 = ((sum_i |g_i|)^2 - |dV|_F^2) / t,
/// the least total of any pi. Otherwise as walk_product; O((n + m + t) dv) more.
template <WalkSteps Steps, class Derived, BitGenerator Engine>
WalkEstimate walk_value_gradient(const Steps& steps,
                                 const Eigen::MatrixBase<Derived>& output_gradient,
                                 std::size_t walks, Engine& engine, std::size_t threads = 1) {
  detail::require_matrix("output_gradient", output_gradient, steps.rows(), output_gradient.cols());
  return detail::walk_from_rows(steps, output_gradient, walks, engine, threads);
}

/// dK = scale dS^T Q (n x d), dS_ij = P_ij (g_i.v_j - delta_i), given g = dO, V and delta_i =
/// g_i.o_i (of the exact output, or of one independent of these walks): starts i ~ pi_i = |q_i| /
/// sum |q_i|, adds scale (g_i.v_j - delta_i) q_i / (t pi_i) to row j. Unbiased, with
///   E|dK^_j - dK_j|^2 = (scale^2 (sum_i |q_i|) sum_i P_ij (g_i.v_j - delta_i)^2 |q_i| - |dK_j|^2)
///   / t
/// and the sum of these in all. `queries` and `scale` are those of `steps`. Otherwise as
/// walk_product; O((n + m + t) (d + dv)) more.
template <WalkSteps Steps, class Queries, class Values, class Gradient, BitGenerator Engine>
WalkEstimate walk_key_gradient(const Steps& steps, const Eigen::MatrixBase<Queries>& queries,
                               double scale, const Eigen::MatrixBase<Values>& values,
                               const Eigen::MatrixBase<Gradient>& output_gradient,
                               std::span<const double> delta, std::size_t walks, Engine& engine,
                               std::size_t threads = 1) {
  if (!std::isfinite(scale)) detail::throw_invalid("scale", scale, "must be finite");
  detail::require_matrix("queries", queries, steps.rows(), queries.cols());
  detail::require_matrix("values", values, steps.positions(), values.cols());
  detail::require_matrix("output_gradient", output_gradient, steps.rows(), values.cols());
  if (delta.size() != steps.rows())
    detail::throw_invalid("delta.size()", delta.size(),
                          "must equal " + detail::text_of(steps.rows()));
  for (std::size_t i = 0; i < delta.size(); ++i)
    if (!std::isfinite(delta[i]))
      detail::throw_invalid("delta[" + detail::text_of(i) + "]", delta[i], "must be finite");
  const auto query = [&](std::size_t i) {
    return queries.row(static_cast<Eigen::Index>(i)).template cast<double>();
  };
  return detail::walk(
      steps, static_cast<std::size_t>(queries.cols()), walks,
      [&](std::size_t i) { return query(i).stableNorm(); },
      [&](std::size_t i, Eigen::Index j, double weight, RowMatrix<double>& value) {
        const double product = output_gradient.row(static_cast<Eigen::Index>(i))
                                   .template cast<double>()
                                   .dot(values.row(j).template cast<double>());
        const double factor = scale * (product - delta[i]) * weight;
        value.row(j) += factor * query(i);
        return std::abs(factor) * query(i).stableNorm();
      },
      engine, threads);
}

}  // namespace lazygumbel
