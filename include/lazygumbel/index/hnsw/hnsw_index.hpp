#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/fwd.hpp"
#include "lazygumbel/index/hnsw/detail/hnsw_file.hpp"
#include "lazygumbel/index/hnsw/detail/hnsw_graph.hpp"
#include "lazygumbel/index/mips_index.hpp"

namespace lazygumbel {

/// Graph index (hnswlib) for maximum inner product: fast, approximate, proves nothing. A
/// retrieval's bound is its smallest score, `assumed`: give the sampler a gap, or measure the
/// clipped mass (docs/guarantees.md). Scores are always recomputed as true inner products.
///
/// Copies the rows (n (4 d + 8 M + 12) bytes for float, plus the upper levels). const members are
/// thread-safe; `add`, `set_ef` and moves are not, against anything. Moved from, an index has size
/// and dimension 0, and searches and additions throw.
template <class Scalar>
class HnswIndex {
 public:
  using scalar_type = Scalar;
  static constexpr bool is_exact = false;

  /// Builds the graph over `rows` (n x d). Throws std::invalid_argument on an empty matrix, NaN,
  /// infinity, overflowing norms, or a parameter out of range. About O(n ef_construction log n) row
  /// products. `progress` is called from the building threads; what it throws ends the build.
  explicit HnswIndex(const MatrixView<Scalar>& rows, const HnswParameters& parameters = {},
                     const Progress& progress = {});

  HnswIndex(HnswIndex&& other) noexcept
      : dimension_(std::exchange(other.dimension_, 0)),
        max_norm_(other.max_norm_),
        parameters_(other.parameters_),
        graph_(std::move(other.graph_)) {}
  HnswIndex& operator=(HnswIndex&& other) noexcept {
    const std::size_t dimension = std::exchange(other.dimension_, 0);  // `other` may be this
    dimension_ = dimension;
    max_norm_ = other.max_norm_;
    parameters_ = other.parameters_;
    if (this != &other) graph_ = std::move(other.graph_);
    return *this;
  }

  std::size_t size() const noexcept { return graph_.size(); }
  std::size_t dimension() const noexcept { return dimension_; }
  /// What the index was built with; `geometry` is the one in use, never `automatic`.
  const HnswParameters& parameters() const noexcept { return parameters_; }
  std::size_t ef() const noexcept { return parameters_.ef; }

  /// Beam width of later searches: more is slower and misses less. Throws when ef == 0.
  void set_ef(std::size_t ef);

  /// Appends rows, which may be rows of this index, as items size() .. size() + rows.rows() - 1, at
  /// the cost of inserting them alone. Throws std::invalid_argument on bad rows and, under
  /// l2_reduction, on a row longer than the norm_bound; std::bad_alloc; what `progress` throws. The
  /// index then has the rows that it had; links to those that were begun lead to their neighbours.
  void add(const MatrixView<Scalar>& rows, std::size_t threads = 1, const Progress& progress = {});

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
  void search(const VectorView<Scalar>& query, std::size_t k, Retrieval& found) const;

  /// Bytes held: rows, links of level 0 and label map; the upper levels add about 1 / M of the
  /// links.
  std::size_t size_in_bytes() const noexcept;

  /// Writes the index to `path`: a header (format version, scalar type, dimension, count,
  /// parameters, norm bound), rows and links, and a checksum. The file appears whole or not at all;
  /// an older file at `path` survives a failure. Throws file_error. Little-endian machines only.
  void save(const std::filesystem::path& path) const;

  /// Reads what `save` wrote. Throws file_error on a missing, truncated, corrupted or foreign file,
  /// or one of another Scalar or format version; every number is checked before memory is taken for
  /// it, and nodes get room for as many links as the file has for one of them. Rows added later
  /// draw fresh levels from the seed.
  static HnswIndex load(const std::filesystem::path& path);

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

  void insert(const MatrixView<Scalar>& rows, std::size_t threads, const Progress& progress);

  std::size_t dimension_;
  double max_norm_ = 0.0;
  HnswParameters parameters_;
  Graph graph_;
};

static_assert(MipsIndex<HnswIndex<float>> && MipsIndex<HnswIndex<double>>);

}  // namespace lazygumbel

#ifdef LAZYGUMBEL_COMPILED
namespace lazygumbel {
extern template class HnswIndex<float>;
extern template class HnswIndex<double>;
}  // namespace lazygumbel
#else
#include "lazygumbel/index/hnsw/detail/hnsw_index_impl.hpp"
#endif
