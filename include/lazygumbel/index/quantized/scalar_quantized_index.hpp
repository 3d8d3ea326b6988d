#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/fwd.hpp"
#include "lazygumbel/index/detail/row_store.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/quantized/detail/code_kernels.hpp"
#include "lazygumbel/index/quantized/detail/row_codes.hpp"
#include "lazygumbel/index/quantized/quantized_tail.hpp"

namespace lazygumbel {

struct ScalarQuantizedParameters {
  int bits = 4;             ///< of a code, 4 or 8: 8 reads twice as much and errs a sixteenth
  std::size_t threads = 1;  ///< that code rows; 0: all
  Simd simd = best_simd();  ///< instruction set of the scans; all give the same integers
};

/// Exact draws with proof from a scan of coded rows: no graph, no recall, no assumption. Each row
/// is stored as codes of 4 (or 8) bits beside the row itself, with its own step and the norm r_i of
/// what the codes leave out. For a query q, coded as qhat with residual norm r_q, Cauchy-Schwarz
/// gives for every item
///   |<q, x_i> - est_i| <= |q| r_i + r_q |xhat_i|,   est_i = <qhat, xhat_i>,
/// and a scan of the codes, integer dot products, gives all n bounds at an eighth (a quarter) of
/// the rows' memory traffic. The bound is enlarged by every rounding, that of `score` included
/// (docs/algorithms.md, section 5), so it is certified for the numbers computed.
///
/// A search returns the k items of largest upper bound, rescored: not always the k best. The bound
/// of every other item reaches the sampler through `search_with_tail` and estimators through
/// `search_with_proposals`.
///
/// Coding: O(n d), about 0.4 microseconds a row of 100. Search: O(n d / 64) multiply instructions
/// plus O(k d). Memory beside the rows: n (d / 2 + 5) bytes with 4 bits. const members are
/// thread-safe; `add` and moves are not, against anything. Moved from, an index has
/// size and dimension 0, and searches and additions throw; tails that were made before must not be
/// used with either.
template <class Scalar>
class ScalarQuantizedIndex {
 public:
  using scalar_type = Scalar;
  using tail_type = QuantizedTail;
  using proposals_type = QuantizedProposals;
  static constexpr bool is_exact = false;
  /// The tail is so well bounded that a large head does not pay.
  static constexpr std::size_t preferred_k = 4;
  /// Of a batch: so few that what a scan leaves of each stays in cache.
  static constexpr std::size_t queries_together = 8;

  /// Owns `rows` (n x d; move it in to avoid the copy). Throws std::invalid_argument on an empty
  /// matrix, NaN, infinity, norms above 1e30, more than 50,000 columns, bits other than 4 and 8, or
  /// an instruction set that this machine lacks.
  explicit ScalarQuantizedIndex(RowMatrix<Scalar> rows,
                                const ScalarQuantizedParameters& parameters = {})
      : ScalarQuantizedIndex(RowStore<Scalar>(std::move(rows)), parameters) {}

  /// Reads the caller's rows where they are: no copy, they must stay alive and unchanged.
  static ScalarQuantizedIndex over(const RowPointer<Scalar>& rows,
                                   const ScalarQuantizedParameters& parameters = {}) {
    return ScalarQuantizedIndex(RowStore<Scalar>(rows), parameters);
  }

  std::size_t size() const noexcept { return rows_.size(); }
  std::size_t dimension() const noexcept { return rows_.dimension(); }
  auto rows() const noexcept { return rows_.matrix(); }
  const ScalarQuantizedParameters& parameters() const noexcept { return parameters_; }
  /// Bytes of the codes; the rows are not counted.
  std::size_t size_in_bytes() const noexcept { return codes_.size_in_bytes(); }

  /// Appends rows (copied; they may be rows of this index) as items size() .. size() + rows.rows() -
  /// 1. Amortised O(d) a row. Throws, leaving the index as it was, std::invalid_argument on bad rows
  /// and when the index views rows of the caller's, and std::bad_alloc.
  void add(const MatrixView<Scalar>& rows);

  /// <query, x_id>, computed in Scalar. Precondition, not checked: id < size(). O(d).
  double score(const VectorView<Scalar>& query, item_id id) const noexcept {
    return static_cast<double>(rows_.row(id).dot(query));
  }

  /// score() of each id, prefetching rows ahead.
  void score_many(const VectorView<Scalar>& query, std::span<const item_id> ids,
                  std::span<double> scores) const noexcept {
    rows_.score_many(query, ids, scores);
  }

  /// A certified upper bound on score(query, id) for each id of a tile of 64 rows is what a search
  /// is made of; this gives both bounds of all items, for tests and for users who want them:
  /// lower[i] <= score(query, i) <= upper[i].
  void score_bounds(const VectorView<Scalar>& query, std::span<float> lower,
                    std::span<float> upper) const;

  /// The same for the sum of several queries' scores, given as the rows of `queries`, each coded by
  /// itself: lower[i] <= sum_p score(queries_p, i) <= upper[i] but for the roundings of that sum. A
  /// query with a few large entries is bounded far better as the sum of its coarse part and the
  /// rest, and a further part costs little, since each tile of codes is then in cache. Throws
  /// std::invalid_argument as `search` does, on spans of other lengths and on no query.
  void score_bounds_of_sum(const MatrixView<Scalar>& queries, std::span<float> lower,
                           std::span<float> upper) const;

  /// The k items with the largest upper bounds, rescored, and a certified bound on the rest. Throws
  /// std::invalid_argument on a query of the wrong dimension, with NaN or infinity, or so long that
  /// scores overflow (or beyond about 1e35 / sqrt(d), whatever the rows), and on k == 0.
  void search(const VectorView<Scalar>& query, std::size_t k, Retrieval& found) const;

  /// The same, and what the scan tells of the rest: see QuantizedTail. For many `draws` the head is
  /// made of the tiles with the largest sums of estimate and error: k items of large bounds, not
  /// always the k largest.
  void search_with_tail(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                        QuantizedTail& tail, std::size_t draws) const;

  /// The head for many draws, and proposals for estimators: see QuantizedProposals.
  void search_with_proposals(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                             QuantizedProposals& proposals) const;

  /// search_with_tail for each row of `queries`, for one draw each: a few tiles at a time stay in
  /// cache for all queries.
  void search_batch_with_tail(const MatrixView<Scalar>& queries, std::size_t k,
                              std::span<Retrieval> retrievals,
                              std::span<QuantizedTail> tails) const;

  /// One search per row of `queries` (m x d) into retrievals[0 .. m-1].
  void search_batch(const MatrixView<Scalar>& queries, std::size_t k,
                    std::span<Retrieval> retrievals) const;

  /// Writes the rows and the parameters to `path`; the codes are made again by `load`, which costs
  /// less than to check them. The file appears whole or not at all. Throws file_error.
  void save(const std::filesystem::path& path) const;

  /// Reads what `save` wrote. Throws file_error on a missing, truncated, corrupted or foreign file,
  /// or one of another Scalar or format version.
  static ScalarQuantizedIndex load(const std::filesystem::path& path, std::size_t threads = 1);

 private:
  static constexpr std::array<char, 8> magic = {'L', 'Z', 'G', 'S', 'Q', 'I', 'X', '1'};
  static constexpr std::uint32_t file_version = 1;
  /// The sums of exp(bound) cost about a third of a scan; a draw saves about a microsecond by them.
  static constexpr std::size_t draws_that_pay_for_sums = 16;

  ScalarQuantizedIndex(RowStore<Scalar> rows, const ScalarQuantizedParameters& parameters);

  static void require_norms(double largest, const char* name);

  static void require_k(std::size_t k);

  detail::CodedQuery code(const VectorView<Scalar>& query, std::string_view name) const;

  void code(const VectorView<Scalar>& query, std::string_view name,
            detail::CodedQuery& coded) const;

  void start(const VectorView<Scalar>& query, std::string_view name, QuantizedTail& tail) const;

  static std::vector<item_id> sorted_ids(const Retrieval& found);

  void bounded_head(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                    QuantizedTail& tail) const;

  void weighted_head(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                     const detail::WeightedCodes& weights) const;

  /// The k rows of largest bound, given a bound for each tile: they lie in the k tiles of largest
  /// bound, up to ties.
  template <class TileBound>
  void select(const VectorView<Scalar>& query, const detail::CodedQuery& coded, std::size_t k,
              TileBound&& tile_bound, Retrieval& found) const;

  RowStore<Scalar> rows_;
  ScalarQuantizedParameters parameters_;
  detail::RowCodes codes_;
  const detail::CodeKernels* kernels_ = nullptr;
};

static_assert(BatchMipsIndex<ScalarQuantizedIndex<float>> &&
              TailIndex<ScalarQuantizedIndex<float>> &&
              ProposingIndex<ScalarQuantizedIndex<double>>);

}  // namespace lazygumbel

#ifdef LAZYGUMBEL_COMPILED
namespace lazygumbel {
extern template class ScalarQuantizedIndex<float>;
extern template class ScalarQuantizedIndex<double>;
}  // namespace lazygumbel
#else
#include "lazygumbel/index/quantized/detail/scalar_quantized_index_impl.hpp"
#endif
