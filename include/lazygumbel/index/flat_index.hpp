#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/fwd.hpp"
#include "lazygumbel/index/detail/row_store.hpp"
#include "lazygumbel/index/detail/top_k.hpp"
#include "lazygumbel/index/mips_index.hpp"

namespace lazygumbel {

/// Exhaustive scan: the exact k largest inner products, with a certified bound on the rest.
///
/// The scan reads each row once, in order: at memory speed, where Eigen's GEMV takes two to three
/// times as long (bench/results/README.md). Batches use GEMM, which may round differently from
/// `score`. Any evaluation of a dot product in any order is within g |q|.|x|, g = d u / (1 - d u),
/// u the unit roundoff [Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section
/// 3.1], so the k-th scanned score plus 2 g |q| max|x| bounds the *computed* score of every item
/// that is not returned.
///
/// search: O(n d); search_batch: O(n d) a query at GEMM speed. const members are thread-safe. Moved
/// from, an index has size and dimension 0, and searches throw.
template <class Scalar>
class FlatIndex {
 public:
  using scalar_type = Scalar;
  static constexpr bool is_exact = true;

  /// Owns `rows` (n x d; move it in to avoid the copy). Throws std::invalid_argument on an empty
  /// matrix, NaN, infinity, or rows whose norm overflows.
  explicit FlatIndex(RowMatrix<Scalar> rows) : rows_(std::move(rows)) {}

  /// Reads the caller's rows where they are: no copy, they must stay alive and unchanged.
  static FlatIndex over(const RowPointer<Scalar>& rows) {
    return FlatIndex(RowStore<Scalar>(rows));
  }

  std::size_t size() const noexcept { return rows_.size(); }
  std::size_t dimension() const noexcept { return rows_.dimension(); }
  /// The rows, n x d.
  auto rows() const noexcept { return rows_.matrix(); }

  /// <query, x_id>, computed in Scalar. Precondition, not checked: id < size(). O(d).
  double score(const VectorView<Scalar>& query, item_id id) const noexcept {
    return static_cast<double>(rows_.row(id).dot(query));
  }

  /// score() of each id, prefetching rows ahead.
  void score_many(const VectorView<Scalar>& query, std::span<const item_id> ids,
                  std::span<double> scores) const noexcept {
    rows_.score_many(query, ids, scores);
  }

  /// The k best of all n; fewer only when k > n. Throws std::invalid_argument on a query of the
  /// wrong dimension, with NaN or infinity, or so long that scores overflow, and on k == 0.
  void search(const VectorView<Scalar>& query, std::size_t k, Retrieval& found) const;

  /// A search as above that leaves all n scores, too, in the order of their ids.
  void search_scored(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                     std::vector<double>& scores) const;

  /// One search per row of `queries` (m x d) into retrievals[0 .. m-1], scores by GEMM.
  void search_batch(const MatrixView<Scalar>& queries, std::size_t k,
                    std::span<Retrieval> retrievals, std::size_t threads = 1) const;

 private:
  static constexpr std::size_t block_rows = 1024;  // x 64 queries of float: 256 KiB of scores

  explicit FlatIndex(RowStore<Scalar> rows) : rows_(std::move(rows)) {}

  template <class Visit>
  void scan(const VectorView<Scalar>& query, std::size_t k, Retrieval& found, Visit&& visit) const;

  static void collect(const Eigen::Ref<const Vector<Scalar>>& scores, std::size_t first,
                      TopK<Scalar>& best);

  /// `begin`: the number of the group's first query in the batch, for messages.
  void search_group(const MatrixView<Scalar>& queries, std::size_t begin, std::size_t k,
                    std::span<Retrieval> retrievals) const;

  void report(const VectorView<Scalar>& query, TopK<Scalar>& best, double slack,
              Retrieval& found) const;

  RowStore<Scalar> rows_;
};

static_assert(BatchMipsIndex<FlatIndex<float>> && BatchMipsIndex<FlatIndex<double>>);

}  // namespace lazygumbel

#ifdef LAZYGUMBEL_COMPILED
namespace lazygumbel {
extern template class FlatIndex<float>;
extern template class FlatIndex<double>;
}  // namespace lazygumbel
#else
#include "lazygumbel/index/detail/flat_index_impl.hpp"
#endif
