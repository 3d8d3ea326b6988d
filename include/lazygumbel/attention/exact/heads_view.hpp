#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

#include "lazygumbel/core/storage_scalar.hpp"
#include "lazygumbel/core/types.hpp"

namespace lazygumbel {

/// A view of the queries, keys or values of several heads: `tokens` x `heads` rows of `dimension`
/// contiguous numbers, row (i, h) at data + i token_stride + h head_stride. Covers one matrix a
/// head, heads side by side in a token's row, and one head's tokens after the other's. Owns
/// nothing.
template <StorageScalar T>
class HeadsView {
 public:
  using scalar_type = T;

  /// Throws std::invalid_argument when there are tokens or heads but no dimension or no data, and
  /// when two tokens lie in one place.
  HeadsView(const T* data, std::size_t tokens, std::size_t heads, std::size_t dimension,
            std::ptrdiff_t token_stride, std::ptrdiff_t head_stride)
      : data_(data),
        tokens_(tokens),
        heads_(heads),
        dimension_(dimension),
        token_stride_(token_stride),
        head_stride_(head_stride) {
    if (heads == 0) detail::throw_invalid("heads", heads, "must be at least 1");
    if (dimension == 0) detail::throw_invalid("dimension", dimension, "must be at least 1");
    if (data == nullptr && tokens > 0) detail::throw_invalid("data", "nullptr", "has tokens");
    if (token_stride == 0 && tokens > 1)  // Eigen's views would take it for `dimension`
      detail::throw_invalid("token_stride", 0, "must not be 0");
  }

  /// The rows of a row-major matrix, its blocks or maps: n x (heads d), heads side by side. Views
  /// the matrix, which must stay. Throws std::invalid_argument when the columns are not a multiple
  /// of `heads` or not contiguous.
  template <class Derived>
  requires(bool(Derived::IsRowMajor) && (int(Derived::Flags) & int(Eigen::DirectAccessBit)) != 0 &&
           std::same_as<typename Derived::Scalar, T>)
      HeadsView(const Eigen::MatrixBase<Derived>& rows, std::size_t heads = 1)  // NOLINT: implicit
      : HeadsView(
            rows.derived().data(), static_cast<std::size_t>(rows.rows()), heads,
            split(static_cast<std::size_t>(rows.cols()), heads), rows.derived().outerStride(),
            static_cast<std::ptrdiff_t>(split(static_cast<std::size_t>(rows.cols()), heads))) {
    if (rows.derived().innerStride() != 1)
      detail::throw_invalid("innerStride()", rows.derived().innerStride(), "must be 1");
  }

  std::size_t tokens() const noexcept { return tokens_; }
  std::size_t heads() const noexcept { return heads_; }
  std::size_t dimension() const noexcept { return dimension_; }
  std::ptrdiff_t token_stride() const noexcept { return token_stride_; }
  std::ptrdiff_t head_stride() const noexcept { return head_stride_; }

  /// Row (token, head). Precondition: both in range.
  const T* row(std::size_t token, std::size_t head) const noexcept {
    return data_ + static_cast<std::ptrdiff_t>(token) * token_stride_ +
           static_cast<std::ptrdiff_t>(head) * head_stride_;
  }

  /// All tokens of one head, tokens x dimension.
  RowPointer<T> head(std::size_t head) const noexcept {
    return {data_ + static_cast<std::ptrdiff_t>(head) * head_stride_,
            static_cast<Eigen::Index>(tokens_), static_cast<Eigen::Index>(dimension_),
            Eigen::OuterStride<>(token_stride_)};
  }

  /// Tokens first .. first + count - 1. Precondition: they exist.
  HeadsView tokens(std::size_t first, std::size_t count) const {
    return {data_ + static_cast<std::ptrdiff_t>(first) * token_stride_,
            count,
            heads_,
            dimension_,
            token_stride_,
            head_stride_};
  }

 private:
  static std::size_t split(std::size_t columns, std::size_t heads) {
    if (heads == 0 || columns % heads != 0)
      detail::throw_invalid("heads", heads,
                            "must divide the " + detail::text_of(columns) + " columns");
    return columns / heads;
  }

  const T* data_;
  std::size_t tokens_, heads_, dimension_;
  std::ptrdiff_t token_stride_, head_stride_;
};

namespace detail {

/// Throws std::invalid_argument, naming the first entry that is not finite, from token `first` on.
/// O(tokens heads d).
template <StorageScalar T>
void require_finite(std::string_view name, const HeadsView<T>& view, std::size_t first = 0) {
  for (std::size_t i = first; i < view.tokens(); ++i)
    for (std::size_t h = 0; h < view.heads(); ++h) {
      const Eigen::Map<const Vector<T>> row(view.row(i, h),
                                            static_cast<Eigen::Index>(view.dimension()));
      if (std::isfinite(row.template cast<float>().cwiseAbs().maxCoeff()) &&
          std::isfinite(row.template cast<float>().sum() * 0.0F))
        continue;
      for (Eigen::Index j = 0; j < row.size(); ++j)
        if (!std::isfinite(static_cast<float>(row[j])))
          throw_invalid(std::string(name) + "(token " + text_of(i) + ", head " + text_of(h) + ", " +
                            text_of(j) + ")",
                        static_cast<float>(row[j]), "must be finite");
    }
}

}  // namespace detail
}  // namespace lazygumbel
