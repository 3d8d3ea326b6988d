#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "lazygumbel/core/detail/compiled_abi.hpp"
#include "lazygumbel/core/detail/square_sum.hpp"
#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// Items are numbered 0 .. n-1, n <= 2^32 - 1.
using item_id = std::uint32_t;

/// n x d, one item (or one query) a row, rows contiguous.
template <class Scalar>
using RowMatrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Scalar>
using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

/// A view of an n x d row-major matrix with any distance between rows. Binds to RowMatrix, its
/// blocks and Eigen::Map without a copy; a column-major matrix is copied into a temporary. Eigen
/// takes a distance of 0 for one of d: rows must not all lie in one place.
template <class Scalar>
using MatrixView = Eigen::Ref<const RowMatrix<Scalar>, 0, Eigen::OuterStride<>>;

/// The same view made from a pointer only, so that it can never view a temporary:
/// RowPointer<float>(data, n, d, Eigen::OuterStride<>(d)). What non-owning members hold.
template <class Scalar>
using RowPointer = Eigen::Map<const RowMatrix<Scalar>, 0, Eigen::OuterStride<>>;

/// A view of d contiguous numbers. Binds to vectors and to the rows of a row-major matrix.
template <class Scalar>
using VectorView = Eigen::Ref<const Vector<Scalar>>;

namespace detail {

/// Throws std::invalid_argument unless `matrix` has 1 .. 2^32-1 rows and at least one column.
template <class Scalar>
void require_shape(std::string_view name, const MatrixView<Scalar>& matrix) {
  const std::string parameter(name);
  if (matrix.rows() < 1) throw_invalid(parameter + ".rows()", matrix.rows(), "must be at least 1");
  if (matrix.cols() < 1) throw_invalid(parameter + ".cols()", matrix.cols(), "must be at least 1");
  if (matrix.rows() > static_cast<Eigen::Index>((std::numeric_limits<item_id>::max)()))
    throw_invalid(parameter + ".rows()", matrix.rows(), "must be below 2^32");
}

/// sum_j x_ij^2 of row i in double: not finite when an entry is not, or, of doubles, when it
/// overflows.
template <class Scalar>
double row_square_sum(const MatrixView<Scalar>& matrix, Eigen::Index i) noexcept {
  return square_sum(matrix.data() + i * matrix.outerStride(),
                    static_cast<std::size_t>(matrix.cols()));
}

/// Throws std::invalid_argument, naming the first, unless all entries are finite. O(n d).
template <class Scalar>
void require_finite(std::string_view name, const MatrixView<Scalar>& matrix) {
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    if (std::isfinite(row_square_sum<Scalar>(matrix, i))) continue;
    for (Eigen::Index j = 0; j < matrix.cols(); ++j)
      if (!(Eigen::numext::isfinite)(matrix(i, j)))
        throw_invalid(std::string(name) + "(" + text_of(i) + ", " + text_of(j) + ")", matrix(i, j),
                      "must be finite");
  }
}

/// Throws std::invalid_argument unless `matrix` has 1 .. 2^32-1 rows, at least one column, and
/// finite entries. O(n d).
template <class Scalar>
void require_rows(std::string_view name, const MatrixView<Scalar>& matrix) {
  require_shape<Scalar>(name, matrix);
  require_finite<Scalar>(name, matrix);
}

/// Throws std::invalid_argument unless `query` has `dimension` finite entries. O(d).
template <class Scalar>
void require_query(std::string_view name, const VectorView<Scalar>& query, std::size_t dimension) {
  if (static_cast<std::size_t>(query.size()) != dimension)
    throw_invalid(std::string(name) + ".size()", query.size(),
                  "must equal the index's dimension " + text_of(dimension));
  if (query.allFinite()) return;
  const std::string parameter(name);
  for (Eigen::Index j = 0; j < query.size(); ++j)
    if (!(Eigen::numext::isfinite)(query(j)))
      throw_invalid(parameter + "(" + text_of(j) + ")", query(j), "must be finite");
}

/// |x_i| in double, with more care where squares of doubles would overflow or vanish.
template <class Scalar>
double row_norm(const MatrixView<Scalar>& matrix, Eigen::Index i) {
  const double sum = row_square_sum<Scalar>(matrix, i);
  if constexpr (sizeof(Scalar) > sizeof(float))
    if (!(sum > 1e-280 && sum < 1e300)) return matrix.row(i).stableNorm();
  return std::sqrt(sum);
}

/// max_i |x_i|, or NaN when an entry is not finite or a norm does not fit Scalar. O(n d): one pass
/// that tells whether `require_finite` and `max_row_norm` throw.
template <class Scalar>
double max_row_norm_or_nan(const MatrixView<Scalar>& matrix) {
  double largest = 0.0;
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    const double norm = row_norm<Scalar>(matrix, i);
    if (!(norm <= static_cast<double>((std::numeric_limits<Scalar>::max)())))
      return std::numeric_limits<double>::quiet_NaN();
    largest = norm > largest ? norm : largest;
  }
  return largest;
}

/// max_i |x_i| in double. Throws std::invalid_argument when a norm does not fit Scalar. O(n d).
template <class Scalar>
double max_row_norm(std::string_view name, const MatrixView<Scalar>& matrix) {
  const double largest = max_row_norm_or_nan<Scalar>(matrix);
  if (!std::isnan(largest)) return largest;
  Eigen::Index i = 0;
  double norm = 0.0;
  do norm = row_norm<Scalar>(matrix, i++);
  while (norm <= static_cast<double>((std::numeric_limits<Scalar>::max)()));
  throw_invalid(std::string(name) + ".row(" + text_of(i - 1) + ").norm()", norm, "overflows");
}

/// `require_rows`, then `max_row_norm`, in one pass unless something is wrong.
template <class Scalar>
double require_rows_and_norms(std::string_view name, const MatrixView<Scalar>& matrix) {
  require_shape<Scalar>(name, matrix);
  const double largest = max_row_norm_or_nan<Scalar>(matrix);
  if (!std::isnan(largest)) return largest;
  require_finite<Scalar>(name, matrix);
  return max_row_norm<Scalar>(name, matrix);
}

/// |query| max_norm, an upper bound on every |score|. Throws std::invalid_argument when that
/// overflows Scalar, since a score could then be infinite. O(d).
template <class Scalar>
double require_scores_fit(std::string_view name, const VectorView<Scalar>& query, double max_norm) {
  const double bound = query.template cast<double>().stableNorm() * max_norm;
  if (!(bound <= 0.5 * static_cast<double>((std::numeric_limits<Scalar>::max)())))
    throw_invalid(std::string(name) + ".norm() * max row norm", bound, "scores would overflow");
  return bound;
}

}  // namespace detail
}  // namespace lazygumbel
