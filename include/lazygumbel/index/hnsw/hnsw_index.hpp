#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/fwd.hpp"
#include "lazygumbel/index/flat_index.hpp"
#include "lazygumbel/index/hnsw/detail/hnsw_file.hpp"
#include "lazygumbel/index/hnsw/detail/hnsw_graph.hpp"
#include "lazygumbel/index/hnsw/mips_to_l2.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/recall.hpp"

namespace lazygumbel {

/// Graph index (hnswlib) for maximum inner product: fast, approximate, proves nothing. A
/// retrieval's bound is its smallest score, `assumed`: give the sampler a gap, or measure the
/// clipped mass (docs/guarantees.md). Scores are always recomputed as true inner products.
///
/// Copies the rows (n (4 d + 8 M + 12) bytes for float, plus the upper levels). const members are
/// thread-safe; `add`, `set_ef` and moves are not, against anything.
template <class Scalar>
class HnswIndex {
 public:
  using scalar_type = Scalar;
  static constexpr bool is_exact = false;

  /// Builds the graph over `rows` (n x d). Throws std::invalid_argument on an empty matrix, NaN,
  /// infinity, overflowing norms, or a parameter out of range. About O(n ef_construction log n) row
  /// products. `progress` is called from the building threads; what it throws ends the build.
  explicit HnswIndex(const MatrixView<Scalar>& rows, const HnswParameters& parameters = {},
                     const Progress& progress = {})
      : HnswIndex(resolve(rows, parameters), static_cast<std::size_t>(rows.cols()),
                  static_cast<std::size_t>(rows.rows())) {
    insert(rows, parameters.threads, progress);
  }

  std::size_t size() const noexcept { return graph_.size(); }
  std::size_t dimension() const noexcept { return dimension_; }
  /// What the index was built with; `geometry` is the one in use, never `automatic`.
  const HnswParameters& parameters() const noexcept { return parameters_; }
  std::size_t ef() const noexcept { return parameters_.ef; }

  /// Beam width of later searches: more is slower and misses less. Throws when ef == 0.
  void set_ef(std::size_t ef) {
    if (ef < 1) detail::throw_invalid("ef", ef, "must be at least 1");
    parameters_.ef = ef;
  }

  /// Appends rows as items size() .. size() + rows.rows() - 1. Throws std::invalid_argument,
  /// leaving the index as it was, on bad rows and, under l2_reduction, on a row longer than the
  /// norm_bound. When `progress` throws, the rows inserted until then, the first ones, stay.
  void add(const MatrixView<Scalar>& rows, std::size_t threads = 1, const Progress& progress = {}) {
    detail::require_rows<Scalar>("rows", rows);
    if (static_cast<std::size_t>(rows.cols()) != dimension_)
      detail::throw_invalid("rows.cols()", rows.cols(),
                            "must equal the index's dimension " + detail::text_of(dimension_));
    insert(rows, threads, progress);
  }

  /// <query, x_id>, computed in Scalar. Precondition, not checked: id < size(). O(d).
  double score(const VectorView<Scalar>& query, item_id id) const noexcept {
    return static_cast<double>(row(id).dot(query));
  }

  /// score() of each id, prefetching rows ahead.
  void score_many(const VectorView<Scalar>& query, std::span<const item_id> ids,
                  std::span<double> scores) const noexcept {
    constexpr std::size_t ahead = 4;
    for (std::size_t i = 0; i < (std::min)(ahead, ids.size()); ++i)
      graph_.prefetch(graph_.place(ids[i]));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i + ahead < ids.size()) graph_.prefetch(graph_.place(ids[i + ahead]));
      scores[i] = score(query, ids[i]);
    }
  }

  /// The stored row of item `id`, d numbers.
  Eigen::Map<const Vector<Scalar>> row(item_id id) const noexcept {
    return {graph_.stored(graph_.place(id)).data(), static_cast<Eigen::Index>(dimension_)};
  }

  /// At most k items near the top; fewer when the graph reaches no more. Throws as FlatIndex does.
  void search(const VectorView<Scalar>& query, std::size_t k, Retrieval& found) const {
    detail::require_query<Scalar>("query", query, dimension_);
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
    detail::require_scores_fit<Scalar>("query", query, max_norm_);
    found.clear();
    if (graph_.width() == dimension_) {
      graph_.search(query, ef(), (std::min)(k, size()), found.ids);
    } else {  // the reduction's extra coordinate
      Vector<Scalar> extended(query.size() + 1);
      extended << query, Scalar{0};
      graph_.search(extended, ef(), (std::min)(k, size()), found.ids);
    }
    rescore(*this, query, found);
    found.residual_bound =
        found.scores.empty() ? std::numeric_limits<double>::quiet_NaN() : found.scores.back();
  }

  /// Bytes held: rows, links of level 0 and label map; the upper levels add about 1 / M of the
  /// links.
  std::size_t size_in_bytes() const noexcept {
    const auto& engine = graph_.engine();
    std::size_t bytes = engine.max_elements_ * (engine.size_data_per_element_ + sizeof(void*));
    for (std::size_t i = 0; i < size(); ++i)
      bytes += engine.size_links_per_element_ * static_cast<std::size_t>(engine.element_levels_[i]);
    return bytes + size() * sizeof(item_id);
  }

  /// Writes the index to `path`: a header (format version, scalar type, dimension, count,
  /// parameters, norm bound), rows and links, and a checksum. The file appears whole or not at all;
  /// an older file at `path` survives a failure. Throws file_error. Little-endian machines only.
  void save(const std::filesystem::path& path) const {
    detail::save_hnsw(path, graph_, {dimension_, max_norm_, parameters_});
  }

  /// Reads what `save` wrote. Throws file_error on a missing, truncated, corrupted or foreign file,
  /// or one of another Scalar or format version; every number is checked before it is used. Rows
  /// added later draw fresh levels from the seed.
  static HnswIndex load(const std::filesystem::path& path) {
    auto [header, graph] = detail::load_hnsw<Scalar>(path);
    return HnswIndex(header, std::move(graph));
  }

 private:
  using Graph = detail::HnswGraph<Scalar>;

  HnswIndex(const HnswParameters& parameters, std::size_t dimension, std::size_t capacity)
      : dimension_(dimension),
        parameters_(parameters),
        graph_(dimension + (parameters.geometry == HnswGeometry::l2_reduction ? 1 : 0), capacity,
               parameters) {}

  HnswIndex(const detail::HnswHeader& header, Graph&& graph)
      : dimension_(header.dimension),
        max_norm_(header.max_norm),
        parameters_(header.parameters),
        graph_(std::move(graph)) {}

  /// The parameters with `automatic` and the default norm bound replaced by what these rows ask
  /// for.
  static HnswParameters resolve(const MatrixView<Scalar>& rows, HnswParameters parameters);

  void insert(const MatrixView<Scalar>& rows, std::size_t threads, const Progress& progress) {
    const double norm = detail::max_row_norm<Scalar>("rows", rows);
    const bool reduce = parameters_.geometry == HnswGeometry::l2_reduction;
    const MipsToL2 reduction(parameters_.norm_bound);
    if (reduce)  // all rows before the first is inserted
      for (Eigen::Index i = 0; i < rows.rows(); ++i) reduction.extra_coordinate(rows.row(i));
    max_norm_ = (std::max)(max_norm_, norm);
    graph_.append(static_cast<std::size_t>(rows.rows()), threads, progress,
                  [&](std::size_t i, Scalar* out) {
                    const auto source = rows.row(static_cast<Eigen::Index>(i));
                    std::copy_n(source.data(), dimension_, out);
                    if (reduce)
                      out[dimension_] = static_cast<Scalar>(reduction.extra_coordinate(source));
                  });
  }

  std::size_t dimension_;
  double max_norm_ = 0.0;
  HnswParameters parameters_;
  Graph graph_;
};

/// Builds both geometries over at most 4,000 evenly spaced rows and compares their recall@32 on at
/// most 100 of them as queries; equal norms need no trial, since both geometries then agree.
template <class Scalar>
HnswParameters HnswIndex<Scalar>::resolve(const MatrixView<Scalar>& rows,
                                          HnswParameters parameters) {
  detail::require_parameters(parameters);
  detail::require_rows<Scalar>("rows", rows);
  const double largest = detail::max_row_norm<Scalar>("rows", rows);
  if (parameters.norm_bound == 0.0) parameters.norm_bound = largest;
  if (parameters.geometry != HnswGeometry::automatic) return parameters;

  const auto every = [&](Eigen::Index wanted) {
    const Eigen::Index step = (std::max)(Eigen::Index{1}, rows.rows() / wanted);
    RowMatrix<Scalar> part((std::min)(wanted, rows.rows() / step), rows.cols());
    for (Eigen::Index i = 0; i < part.rows(); ++i) part.row(i) = rows.row(i * step);
    return part;
  };
  const RowMatrix<Scalar> sample = every(4000), queries = every(100);
  const double smallest = static_cast<double>(rows.rowwise().squaredNorm().minCoeff());
  parameters.geometry = HnswGeometry::inner_product;
  if (smallest >= 0.99 * largest * largest) return parameters;

  const auto flat = FlatIndex<Scalar>(sample);
  const auto recall = [&](HnswGeometry geometry) {
    HnswParameters trial = parameters;
    trial.geometry = geometry;
    trial.norm_bound = largest;
    return recall_at_k(HnswIndex(sample, trial), flat, queries, 32);
  };
  if (recall(HnswGeometry::l2_reduction) > recall(HnswGeometry::inner_product))
    parameters.geometry = HnswGeometry::l2_reduction;
  return parameters;
}

static_assert(MipsIndex<HnswIndex<float>> && MipsIndex<HnswIndex<double>>);

}  // namespace lazygumbel
