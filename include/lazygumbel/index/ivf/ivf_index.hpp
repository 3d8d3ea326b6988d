#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/fwd.hpp"
#include "lazygumbel/index/ivf/detail/grouped_tail.hpp"
#include "lazygumbel/index/ivf/detail/inverted_lists.hpp"
#include "lazygumbel/index/ivf/detail/list_proposals.hpp"
#include "lazygumbel/index/ivf/ivf_parameters.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/tail.hpp"

namespace lazygumbel {

namespace detail {
struct ListPlan;
template <class Scalar>
class Candidates;
}  // namespace detail

/// Inverted file index: k-means lists, of which a search scans those that promise the largest
/// scores. Quick to build, best for batches (thousands of queries at once), which share the lists
/// as matrix products. Approximate; a retrieval's bound is certified when the bounds of all lists
/// left out allow it and otherwise its smallest score, `assumed`. `certified()` gives the same
/// index with certified bounds for every list, for exact draws; `search_with_proposals` serves
/// estimators.
///
/// List g has a centroid c_g and a radius r_g, so its scores are at most <q, c_g> + |q| r_g. Lists
/// are ranked by <q, c_g> + 1.5 |q| s_g, where s_g is the spread of the list in one direction:
/// about where its upper rows score. Copies the rows. const members are thread-safe; `add`,
/// `set_probes` and moves are not, against anything. Moved from, an index has size and dimension 0,
/// and searches and additions throw.
/// Source: Sivic, Zisserman, "Video Google: A Text Retrieval Approach to Object Matching in
/// Videos", ICCV 2003; Jegou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search",
/// IEEE TPAMI 33(1), 2011.
template <class Scalar>
class IvfIndex {
 public:
  using scalar_type = Scalar;
  using proposals_type = ListProposals;
  static constexpr bool is_exact = false;
  /// Of a batch: as many as share one pass over the lists.
  static constexpr std::size_t queries_together = 4096;

  /// Builds the lists over `rows` (n x d). Throws std::invalid_argument on an empty matrix, NaN,
  /// infinity, norms above a quarter of the largest Scalar, or a parameter out of range.
  /// O(n lists d) as matrix products; the index is the same for any number of threads.
  explicit IvfIndex(const MatrixView<Scalar>& rows, const IvfParameters& parameters = {});

  std::size_t size() const noexcept { return lists_.size(); }
  std::size_t dimension() const noexcept { return lists_.dimension(); }
  std::size_t lists() const noexcept { return lists_.lists(); }
  /// What the index was built with, and the probes in use (0: automatic).
  const IvfParameters& parameters() const noexcept { return parameters_; }

  /// Lists that a search scans (more when these hold fewer than k items).
  std::size_t probes() const noexcept {
    return parameters_.probes == 0 ? default_probes(lists())
                                   : (std::min)(parameters_.probes, lists());
  }
  /// More is slower and misses less; 0 is default_probes(lists()), lists() or more is exhaustive.
  void set_probes(std::size_t probes) noexcept { parameters_.probes = probes; }

  /// Appends rows, which may be rows of this index, as items size() .. size() + rows.rows() - 1,
  /// each to the list of the nearest centroid; lists of more than four times the mean size are
  /// split. Throws std::invalid_argument, leaving the index as it was, as the constructor does.
  void add(const MatrixView<Scalar>& rows, std::size_t threads = 1);

  /// Splits lists whose radius exceeds `widest` times the median, such as those of two clusters in
  /// one, into at most twice as many lists: their bounds become tighter. Of `add`, not thread-safe.
  void split_wide_lists(double widest);

  /// The stored row of item `id`, d numbers.
  Eigen::Map<const Vector<Scalar>> row(item_id id) const noexcept { return lists_.row(id); }

  /// <query, x_id>, computed in Scalar. Precondition, not checked: id < size(). O(d).
  double score(const VectorView<Scalar>& query, item_id id) const noexcept {
    return static_cast<double>(lists_.row(id).dot(query));
  }

  /// score() of each id, prefetching rows ahead.
  void score_many(const VectorView<Scalar>& query, std::span<const item_id> ids,
                  std::span<double> scores) const noexcept {
    constexpr std::size_t ahead = 4;
    for (std::size_t i = 0; i < (std::min)(ahead, ids.size()); ++i) lists_.prefetch(ids[i]);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i + ahead < ids.size()) lists_.prefetch(ids[i + ahead]);
      scores[i] = score(query, ids[i]);
    }
  }

  /// min(k, n) items near the top. Throws as FlatIndex does. O((lists + scanned rows) d).
  void search(const VectorView<Scalar>& query, std::size_t k, Retrieval& found) const;

  /// One search per row of `queries` (m x d) into retrievals[0 .. m-1]. Multiplies each list with
  /// all queries that probe it: the more queries, the better. The answers are those of `search`
  /// unless two lists compete for the last probe with equal promise up to rounding, and do not
  /// depend on `threads`.
  void search_batch(const MatrixView<Scalar>& queries, std::size_t k,
                    std::span<Retrieval> retrievals, std::size_t threads = 1) const;

  /// `search`, and leaves proposals for the items outside the head: those of the scanned
  /// lists by their scores, the others by <q, c_g> + |q|^2 s_g^2, the logarithm of the root mean
  /// square of exp(score) in a list whose scores are normal.
  void search_with_proposals(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                             ListProposals& proposals) const;

  /// This index with certified bounds: a TailIndex. Valid while this index stays where and as it
  /// is.
  CertifiedIvfView<Scalar> certified() const& noexcept { return CertifiedIvfView<Scalar>(*this); }
  CertifiedIvfView<Scalar> certified() const&& = delete;

  /// Bytes held: rows, ids, places and centroids, with the lists' room to grow.
  std::size_t size_in_bytes() const noexcept { return lists_.size_in_bytes(); }

  /// Writes the index to `path` with a checksum. The file appears whole or not at all; an older
  /// file at `path` survives a failure. Throws file_error. Little-endian machines only.
  void save(const std::filesystem::path& path) const;

  /// Reads what `save` wrote. Throws file_error on a missing, truncated, corrupted or foreign file,
  /// or one of another Scalar or format version. Radii are computed from the rows, never read.
  static IvfIndex load(const std::filesystem::path& path);

 private:
  friend class CertifiedIvfView<Scalar>;
  using Lists = detail::InvertedLists<Scalar>;
  using QueryScale = typename Lists::QueryScale;
  using Plan = detail::ListPlan;
  using Candidates = detail::Candidates<Scalar>;

  static constexpr std::size_t block_queries = 64;  // multiplied with the centroids together

  IvfIndex(const IvfParameters& parameters, Lists&& lists)
      : parameters_(parameters), lists_(std::move(lists)) {}

  Vector<Scalar> centroid_scores(const VectorView<Scalar>& query) const;
  Plan make_plan(const QueryScale& scale, const VectorView<Scalar>& centroid_scores,
                 std::size_t k) const;

  void search_group(const MatrixView<Scalar>& queries, std::size_t begin, std::size_t k,
                    std::span<Retrieval> retrievals) const;

  /// Fills in the k best candidates and, when the lists left out allow it, a certified bound;
  /// returns that bound on the scanned items.
  double report(const VectorView<Scalar>& query, double left_out_bound, const QueryScale& scale,
                Candidates& best, Retrieval& found) const;

  IvfParameters parameters_;
  Lists lists_;
};

/// IvfIndex with certified bounds: every list that is left out keeps the bound of its ball, so that
/// draws are exact whatever the search misses. What that costs depends on |query|: where
/// exp(|query| radius) is small against Z / N, little; otherwise the search scans nearly all lists,
/// and FlatIndex is faster.
/// Refers to the index, which must stay where and as it is; cheap to copy. Thread-safe.
template <class Scalar>
class CertifiedIvfView {
 public:
  using scalar_type = Scalar;
  using tail_type = GroupedTail;
  static constexpr bool is_exact = false;

  explicit CertifiedIvfView(const IvfIndex<Scalar>& index) noexcept : index_(&index) {}

  std::size_t size() const noexcept { return index_->size(); }
  std::size_t dimension() const noexcept { return index_->dimension(); }
  double score(const VectorView<Scalar>& query, item_id id) const noexcept {
    return index_->score(query, id);
  }
  void score_many(const VectorView<Scalar>& query, std::span<const item_id> ids,
                  std::span<double> scores) const noexcept {
    index_->score_many(query, ids, scores);
  }

  /// search_with_tail for one draw, without the tail.
  void search(const VectorView<Scalar>& query, std::size_t k, Retrieval& found) const {
    GroupedTail tail;
    search_with_tail(query, k, found, tail, 1);
  }

  /// The best k items of the scanned lists, the bound of each list in `tail`, and the largest of
  /// them as certified residual bound. Beyond the index's probes a list is scanned when its rows
  /// are expected to cost more as proposals: draws exp(bound) / Z > the price of a row read in
  /// order over that of a proposal. Throws std::invalid_argument as `search` does and when draws
  /// == 0.
  void search_with_tail(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                        GroupedTail& tail, std::size_t draws) const;

 private:
  static constexpr double rows_per_proposal = 8.0;  // rows scanned in the time of one proposal

  const IvfIndex<Scalar>* index_;
};

static_assert(BatchMipsIndex<IvfIndex<float>> && BatchMipsIndex<IvfIndex<double>>);
static_assert(ProposingIndex<IvfIndex<float>> && ProposingIndex<IvfIndex<double>>);
static_assert(TailIndex<CertifiedIvfView<float>> && TailIndex<CertifiedIvfView<double>>);

}  // namespace lazygumbel

#ifdef LAZYGUMBEL_COMPILED
namespace lazygumbel {
extern template class IvfIndex<float>;
extern template class IvfIndex<double>;
extern template class CertifiedIvfView<float>;
extern template class CertifiedIvfView<double>;
}  // namespace lazygumbel
#else
#include "lazygumbel/index/ivf/detail/ivf_index_impl.hpp"
#endif
