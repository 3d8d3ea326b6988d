#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/index/detail/projection.hpp"
#include "lazygumbel/index/detail/row_store.hpp"
#include "lazygumbel/index/mips_index.hpp"

namespace lazygumbel {

/// Which d' directions a ProjectedIndex keeps.
enum class ProjectionKind : std::uint32_t {
  random = 0,  ///< a uniformly random subspace [Johnson, Lindenstrauss 1984]; needs no rows
  pca = 1      ///< principal directions: the least squared error of the rows themselves
};

struct ProjectionOptions {
  std::size_t dimension = 64;  ///< d', 1 .. d
  ProjectionKind kind = ProjectionKind::pca;
  double factor = 4.0;          ///< ceil(factor k) candidates are rescored for k items; >= 1
  std::uint64_t seed = 1;       ///< of random directions
  std::size_t sample = 10'000;  ///< rows, evenly spaced, that principal directions are found from
  std::size_t threads = 1;      ///< that project the rows, 0 for all; the index is the same for any
};

/// High-dimensional rows behind an index of their projections: `Inner`, built over the n x d'
/// matrix X P with orthonormal columns P, proposes ceil(factor k) candidates for P^T q, which are
/// rescored with the rows themselves. It proves nothing: a retrieval claims no bound (the k-th
/// score stands in, assumed) unless it holds all n items. Faster to build and to search than Inner
/// over the rows where d is large and d' directions carry the order of the scores.
///
/// The error of a projected score, <q, x> - <P^T q, P^T x> = <q, (I - P P^T) x>, has the least mean
/// square over isotropic queries when P spans the leading eigenvectors of the uncentred second
/// moment of the rows: unlike distances, inner products change when the mean is taken out. (Their
/// order does not, the mean's share being the same for all items; keeping it costs one direction.)
///
/// Memory: n d' + d d' numbers and what Inner adds; rows as in FlatIndex. search: O(d d' + inner
/// search + factor k d). const members are thread-safe when Inner's are.
template <MipsIndex Inner>
class ProjectedIndex {
 public:
  using scalar_type = typename Inner::scalar_type;
  using Scalar = scalar_type;
  static constexpr bool is_exact = false;

  /// Inner(X P), for `build`: any callable that makes an Inner from a RowMatrix<Scalar> that it may
  /// keep (or copy, but not view: the matrix is a temporary).
  struct Build {
    Inner operator()(RowMatrix<Scalar>&& projected) const { return Inner(std::move(projected)); }
  };

  /// Owns `rows` (n x d; move it in to avoid the copy). Throws std::invalid_argument on rows as
  /// FlatIndex does, on options out of range, and when `build` returns an index of another size.
  template <class BuildInner = Build>
  explicit ProjectedIndex(RowMatrix<Scalar> rows, const ProjectionOptions& options = {},
                          BuildInner&& build = {})
      : ProjectedIndex(RowStore<Scalar>(std::move(rows)), options, build) {}

  /// Reads the caller's rows where they are: no copy, they must stay alive and unchanged.
  template <class BuildInner = Build>
  static ProjectedIndex over(const RowPointer<Scalar>& rows, const ProjectionOptions& options = {},
                             BuildInner&& build = {}) {
    return ProjectedIndex(RowStore<Scalar>(rows), options, build);
  }

  std::size_t size() const noexcept { return rows_.size(); }
  std::size_t dimension() const noexcept { return rows_.dimension(); }
  const ProjectionOptions& options() const noexcept { return options_; }
  const Inner& inner() const noexcept { return inner_; }
  /// P, d x d'.
  const auto& projection() const noexcept { return projection_; }

  /// Candidates per item of later searches. Throws unless finite and >= 1; not thread-safe.
  void set_factor(double factor) {
    require_factor(factor);
    options_.factor = factor;
  }

  /// Beam width of the inner index, where it has one.
  std::size_t ef() const requires requires(const Inner& inner) { inner.ef(); }
  { return inner_.ef(); }
  void set_ef(std::size_t ef) requires requires(Inner& inner) { inner.set_ef(ef); }
  { inner_.set_ef(ef); }

  /// <query, x_id>, computed in Scalar. Precondition, not checked: id < size(). O(d).
  double score(const VectorView<Scalar>& query, item_id id) const noexcept {
    return static_cast<double>(rows_.row(id).dot(query));
  }

  /// score() of each id, prefetching rows ahead.
  void score_many(const VectorView<Scalar>& query, std::span<const item_id> ids,
                  std::span<double> scores) const noexcept {
    rows_.score_many(query, ids, scores);
  }

  /// The k best of the inner index's candidates. Throws as FlatIndex does, and index_error when the
  /// inner index breaks its contract.
  void search(const VectorView<Scalar>& query, std::size_t k, Retrieval& found) const {
    rows_.require_query("query", query, k);
    const Vector<Scalar> projected = projection_.transpose() * query;
    std::vector<item_id> sorted;
    search_checked(inner_, projected, candidates(k), found, sorted);
    keep_best(query, k, found);
  }

  /// One search per row of `queries` (m x d) into retrievals[0 .. m-1]: queries are projected by
  /// GEMM, 64 at a time, and go to the inner index's batch search where it has one.
  void search_batch(const MatrixView<Scalar>& queries, std::size_t k,
                    std::span<Retrieval> retrievals, std::size_t threads = 1) const {
    constexpr std::size_t group = 64;
    const auto count = static_cast<std::size_t>(queries.rows());
    if (retrievals.size() != count)
      detail::throw_invalid("retrievals.size()", retrievals.size(), "must equal queries.rows()");
    for (std::size_t j = 0; j < count; ++j)
      rows_.require_query("queries.row(" + detail::text_of(j) + ")",
                          queries.row(static_cast<Eigen::Index>(j)).transpose(), k);
    parallel_for((count + group - 1) / group, threads, [&](std::size_t part) {
      const std::size_t begin = part * group, end = (std::min)(count, begin + group);
      search_group(queries.middleRows(static_cast<Eigen::Index>(begin),
                                      static_cast<Eigen::Index>(end - begin)),
                   k, retrievals.subspan(begin, end - begin));
    });
  }

 private:
  template <class BuildInner>
  ProjectedIndex(RowStore<Scalar>&& rows, const ProjectionOptions& options, BuildInner& build)
      : rows_(std::move(rows)),
        options_(options),
        projection_(directions(rows_, options_)),
        inner_(build(detail::project_rows<Scalar>(rows_.matrix(), projection_, options_.threads))) {
    if (inner_.size() != size())
      detail::throw_invalid("inner.size()", inner_.size(),
                            "must equal rows.rows() = " + detail::text_of(size()));
    if (inner_.dimension() != options_.dimension)
      detail::throw_invalid("inner.dimension()", inner_.dimension(),
                            "must equal dimension = " + detail::text_of(options_.dimension));
  }

  static void require_factor(double factor) {
    if (!(factor >= 1.0 && factor <= (std::numeric_limits<double>::max)()))
      detail::throw_invalid("factor", factor, "must be finite and at least 1");
  }

  static detail::Projection<Scalar> directions(const RowStore<Scalar>& rows,
                                               const ProjectionOptions& options) {
    if (options.dimension < 1 || options.dimension > rows.dimension())
      detail::throw_invalid("dimension", options.dimension,
                            "must lie in 1 .. d = " + detail::text_of(rows.dimension()));
    require_factor(options.factor);
    if (options.sample < 1) detail::throw_invalid("sample", options.sample, "must be at least 1");
    const auto kept = static_cast<Eigen::Index>(options.dimension);
    if (options.kind == ProjectionKind::random)
      return detail::random_directions<Scalar>(static_cast<Eigen::Index>(rows.dimension()), kept,
                                               options.seed);
    return detail::principal_directions<Scalar>(rows.matrix(), rows.max_norm(), options.sample,
                                                kept, options.threads);
  }

  /// min(n, ceil(factor k)).
  std::size_t candidates(std::size_t k) const noexcept {
    const double wanted = std::ceil(options_.factor * static_cast<double>(k));
    return wanted < static_cast<double>(size()) ? static_cast<std::size_t>(wanted) : size();
  }

  void search_group(const MatrixView<Scalar>& queries, std::size_t k,
                    std::span<Retrieval> retrievals) const {
    const RowMatrix<Scalar> projected = queries * projection_;
    if constexpr (BatchMipsIndex<Inner>) inner_.search_batch(projected, candidates(k), retrievals);
    std::vector<item_id> sorted;
    for (std::size_t j = 0; j < retrievals.size(); ++j) {
      const auto row = static_cast<Eigen::Index>(j);
      if constexpr (BatchMipsIndex<Inner>)
        detail::require_retrieval(inner_, projected.row(row).transpose(), candidates(k),
                                  retrievals[j], sorted);
      else
        search_checked(inner_, projected.row(row).transpose(), candidates(k), retrievals[j],
                       sorted);
      keep_best(queries.row(row).transpose(), k, retrievals[j]);
    }
  }

  /// Turns the inner index's answer into this one's.
  void keep_best(const VectorView<Scalar>& query, std::size_t k, Retrieval& found) const {
    rescore(*this, query, found);
    found.ids.resize((std::min)(k, found.ids.size()));
    found.scores.resize(found.ids.size());
    const bool all = found.ids.size() == size();
    found.residual_bound =
        all ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    found.guarantee = all ? Guarantee::certified() : Guarantee::assumed();
  }

  RowStore<Scalar> rows_;
  ProjectionOptions options_;
  detail::Projection<Scalar> projection_;
  Inner inner_;
};

}  // namespace lazygumbel
