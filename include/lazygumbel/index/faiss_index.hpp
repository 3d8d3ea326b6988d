#pragma once

#include <faiss/Index.h>
#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissException.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/index/detail/row_store.hpp"
#include "lazygumbel/index/mips_index.hpp"

namespace lazygumbel {

/// Any faiss::Index (component faiss, target lazygumbel::faiss) with METRIC_INNER_PRODUCT or
/// METRIC_L2, and the rows that it was filled with, in order. FAISS proposes ids; its distances are
/// ignored and scores are recomputed from the rows, exactly as FlatIndex::score does. With
/// METRIC_L2 the candidates are the nearest rows, which are the rows of largest inner product only
/// where norms are equal: else append MipsToL2's coordinate, or use METRIC_INNER_PRODUCT.
///
/// Certified for faiss::IndexFlat and IndexFlatIP with METRIC_INNER_PRODUCT that hold the very
/// rows: FAISS's value of an inner product and `score` differ by at most s = 2 g |q| max|x|
/// (FlatIndex), so an item left out scores at most s above FAISS's smallest value returned, which
/// is at most s above the smallest score: U = smallest score + 2 s. All else, quantised, graph or
/// inverted-list, is assumed, U = smallest score. So is a flat index under L2: what its distances
/// prove, <q, x> <=
/// (|q|^2 + max|x|^2 - D_k) / 2, is too high by (max|x|^2 - |x_k|^2) / 2 to be of use.
///
/// FAISS pads with -1 where it finds too little: an IndexIVF whose probed lists hold fewer than k,
/// a thin graph. The pads are dropped and the fewer items returned, still with U = smallest score.
///
/// const members are thread-safe as far as FAISS's `search` is: flat, HNSW, IVF and PQ indexes may
/// be searched from many threads (their global statistics counters are then off), but not while
/// nprobe, efSearch or the index are changed. With OpenMP every search runs on the calling thread
/// alone (a BLAS with threads of its own is not held back); without, FAISS's own setting rules.
class FaissIndex {
 public:
  using scalar_type = float;
  static constexpr bool is_exact = false;  // certifies() knows about this one

  /// Owns `rows` (n x d) and refers to `index`, which must outlive it. Throws std::invalid_argument
  /// on rows as FlatIndex does, and on an index that is untrained, of another metric, or that has
  /// another number of vectors or dimensions than `rows`.
  FaissIndex(const faiss::Index& index, RowMatrix<float> rows)
      : FaissIndex(refer_to(index), RowStore<float>(std::move(rows))) {}
  FaissIndex(const faiss::Index&&, RowMatrix<float>) = delete;

  /// Owns both; a std::unique_ptr converts. Throws std::invalid_argument on a null pointer too.
  FaissIndex(std::shared_ptr<const faiss::Index> index, RowMatrix<float> rows)
      : FaissIndex(std::move(index), RowStore<float>(std::move(rows))) {}

  /// Reads the caller's rows where they are: no copy, they must stay alive and unchanged. The rows
  /// that a faiss::IndexFlat stores will do: RowPointer<float>(flat.get_xb(), n, d, d).
  static FaissIndex over(const faiss::Index& index, const RowPointer<float>& rows) {
    return FaissIndex(refer_to(index), RowStore<float>(rows));
  }
  static FaissIndex over(const faiss::Index&&, const RowPointer<float>&) = delete;
  static FaissIndex over(std::shared_ptr<const faiss::Index> index, const RowPointer<float>& rows) {
    return FaissIndex(std::move(index), RowStore<float>(rows));
  }

  std::size_t size() const noexcept { return rows_.size(); }
  std::size_t dimension() const noexcept { return rows_.dimension(); }
  const faiss::Index& index() const noexcept { return *index_; }
  /// Whether retrievals carry a certified bound.
  bool certifies() const noexcept { return certifies_; }

  /// <query, x_id>, computed in float. Precondition, not checked: id < size(). O(d).
  double score(const VectorView<float>& query, item_id id) const noexcept {
    return static_cast<double>(rows_.row(id).dot(query));
  }

  /// score() of each id, prefetching rows ahead.
  void score_many(const VectorView<float>& query, std::span<const item_id> ids,
                  std::span<double> scores) const noexcept {
    rows_.score_many(query, ids, scores);
  }

  /// At most k items, as FAISS finds them. Throws std::invalid_argument as FlatIndex does;
  /// index_error when FAISS finds nothing, throws, or returns an id that is no row (an IndexIDMap
  /// must map to row numbers), and when the index has grown since.
  void search(const VectorView<float>& query, std::size_t k, Retrieval& found) const {
    const double slack = rows_.require_query("query", query, k);
    const std::size_t width = (std::min)(k, size());
    std::vector<std::int64_t> labels(width);
    parallel_for(1, 1, [&](std::size_t) { propose(query.data(), 1, width, labels); });
    report(query, labels, slack, found);
  }

  /// One search per row of `queries` (m x d) into retrievals[0 .. m-1]: FAISS's batch search, 64
  /// queries at a time, on up to `threads` threads (0: all).
  void search_batch(const MatrixView<float>& queries, std::size_t k,
                    std::span<Retrieval> retrievals, std::size_t threads = 1) const {
    constexpr std::size_t group = 64;
    const auto count = static_cast<std::size_t>(queries.rows());
    if (retrievals.size() != count)
      detail::throw_invalid("retrievals.size()", retrievals.size(), "must equal queries.rows()");
    std::vector<double> slack;
    for (std::size_t j = 0; j < count; ++j)
      slack.push_back(rows_.require_query("queries.row(" + detail::text_of(j) + ")",
                                          queries.row(static_cast<Eigen::Index>(j)).transpose(),
                                          k));
    const std::size_t width = (std::min)(k, size());
    parallel_for((count + group - 1) / group, threads, [&](std::size_t part) {
      const std::size_t begin = part * group, end = (std::min)(count, begin + group);
      const RowMatrix<float> compact = queries.middleRows(static_cast<Eigen::Index>(begin),
                                                          static_cast<Eigen::Index>(end - begin));
      std::vector<std::int64_t> labels((end - begin) * width);
      propose(compact.data(), end - begin, width, labels);
      for (std::size_t j = begin; j < end; ++j)
        report(queries.row(static_cast<Eigen::Index>(j)).transpose(),
               std::span(labels).subspan((j - begin) * width, width), slack[j], retrievals[j]);
    });
  }

 private:
  FaissIndex(std::shared_ptr<const faiss::Index> index, RowStore<float>&& rows)
      : index_(std::move(index)), rows_(std::move(rows)) {
    if (!index_) detail::throw_invalid("index", "null", "must point to a faiss::Index");
    if (index_->metric_type != faiss::METRIC_INNER_PRODUCT &&
        index_->metric_type != faiss::METRIC_L2)
      detail::throw_invalid("index.metric_type", static_cast<int>(index_->metric_type),
                            "must be METRIC_INNER_PRODUCT or METRIC_L2");
    if (!index_->is_trained)
      detail::throw_invalid("index.is_trained", false, "train and fill the index first");
    if (index_->ntotal != static_cast<std::int64_t>(size()))
      detail::throw_invalid("index.ntotal", index_->ntotal,
                            "must equal rows.rows() = " + detail::text_of(size()));
    if (index_->d != static_cast<std::int64_t>(dimension()))
      detail::throw_invalid("index.d", index_->d,
                            "must equal rows.cols() = " + detail::text_of(dimension()));
    certifies_ = holds_the_rows();
  }

  /// A pointer that owns nothing.
  static std::shared_ptr<const faiss::Index> refer_to(const faiss::Index& index) {
    return {std::shared_ptr<void>(), &index};
  }

  /// Whether FAISS scans these rows, all of them, for the largest inner products. Not so of classes
  /// derived from these, which may search otherwise.
  bool holds_the_rows() const {
    const faiss::Index& index = *index_;
    if (index.metric_type != faiss::METRIC_INNER_PRODUCT ||
        (typeid(index) != typeid(faiss::IndexFlat) && typeid(index) != typeid(faiss::IndexFlatIP)))
      return false;
    const float* const stored = static_cast<const faiss::IndexFlat&>(index).get_xb();
    for (std::size_t i = 0; i < size(); ++i) {
      const auto row = rows_.row(static_cast<item_id>(i));
      if (!std::equal(row.data(), row.data() + dimension(), stored + i * dimension())) return false;
    }
    return true;
  }

  /// labels (count x width): the ids that FAISS finds, padded with -1. Runs inside parallel_for,
  /// where the OpenMP loops of FAISS get one thread.
  void propose(const float* queries, std::size_t count, std::size_t width,
               std::vector<std::int64_t>& labels) const {
    if (index_->ntotal != static_cast<std::int64_t>(size()))
      detail::throw_index_error("the faiss::Index has " + detail::text_of(index_->ntotal) +
                                " vectors, the rows are " + detail::text_of(size()));
    std::vector<float> distances(labels.size());
    try {
      index_->search(static_cast<std::int64_t>(count), queries, static_cast<std::int64_t>(width),
                     distances.data(), labels.data());
    } catch (const faiss::FaissException& error) {
      detail::throw_index_error(std::string("FAISS: ") + error.what());
    }
  }

  void report(const VectorView<float>& query, std::span<const std::int64_t> labels, double slack,
              Retrieval& found) const {
    found.clear();
    for (const std::int64_t label : labels) {
      if (label == -1) continue;
      if (label < 0 || label >= static_cast<std::int64_t>(size()))
        detail::throw_index_error("FAISS returned id " + detail::text_of(label) +
                                  ", the rows are 0 .. " + detail::text_of(size() - 1));
      found.ids.push_back(static_cast<item_id>(label));
    }
    if (found.ids.empty())
      detail::throw_index_error(
          "FAISS found no item: an IndexIVF needs a larger nprobe, a graph a larger efSearch");
    rescore(*this, query, found);
    const bool all = found.ids.size() == size();
    found.residual_bound = all ? -std::numeric_limits<double>::infinity()
                               : found.scores.back() + (certifies_ ? 2.0 * slack : 0.0);
    if (all || certifies_) found.guarantee = Guarantee::certified();
  }

  std::shared_ptr<const faiss::Index> index_;
  RowStore<float> rows_;
  bool certifies_ = false;
};

static_assert(BatchMipsIndex<FaissIndex>);

}  // namespace lazygumbel
