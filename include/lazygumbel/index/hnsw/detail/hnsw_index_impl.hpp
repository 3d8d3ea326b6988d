#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <utility>

#include "lazygumbel/index/flat_index.hpp"
#include "lazygumbel/index/hnsw/detail/hnsw_file.hpp"
#include "lazygumbel/index/hnsw/hnsw_index.hpp"
#include "lazygumbel/index/hnsw/mips_to_l2.hpp"
#include "lazygumbel/index/recall.hpp"

/// \file
/// Definitions of HnswIndex: building, searches, files.

namespace lazygumbel {

template <class Scalar>
HnswIndex<Scalar>::HnswIndex(const MatrixView<Scalar>& rows, const HnswParameters& parameters,
                             const Progress& progress)
    : HnswIndex(resolve(rows, parameters), static_cast<std::size_t>(rows.cols()),
                static_cast<std::size_t>(rows.rows())) {
  insert(rows, parameters.threads, progress);
}

template <class Scalar>
void HnswIndex<Scalar>::set_ef(std::size_t ef) {
  if (ef < 1) detail::throw_invalid("ef", ef, "must be at least 1");
  parameters_.ef = ef;
}

template <class Scalar>
void HnswIndex<Scalar>::add(const MatrixView<Scalar>& rows, std::size_t threads,
                            const Progress& progress) {
  detail::require_rows<Scalar>("rows", rows);
  if (static_cast<std::size_t>(rows.cols()) != dimension_)
    detail::throw_invalid("rows.cols()", rows.cols(),
                          "must equal the index's dimension " + detail::text_of(dimension_));
  if (graph_.owns(rows.data()))
    insert(RowMatrix<Scalar>(rows), threads, progress);
  else
    insert(rows, threads, progress);
}

template <class Scalar>
void HnswIndex<Scalar>::search(const VectorView<Scalar>& query, std::size_t k,
                               Retrieval& found) const {
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

template <class Scalar>
std::size_t HnswIndex<Scalar>::size_in_bytes() const noexcept {
  if (size() == 0) return 0;
  const auto& engine = graph_.engine();
  std::size_t bytes = engine.max_elements_ * (engine.size_data_per_element_ + sizeof(void*));
  for (std::size_t i = 0; i < size(); ++i)
    bytes += engine.size_links_per_element_ * static_cast<std::size_t>(engine.element_levels_[i]);
  return bytes + size() * sizeof(item_id);
}

template <class Scalar>
void HnswIndex<Scalar>::save(const std::filesystem::path& path) const {
  if (size() == 0) throw file_error("lazygumbel: nothing to write to " + path.string());
  detail::save_hnsw(path, graph_, {dimension_, max_norm_, parameters_});
}

template <class Scalar>
HnswIndex<Scalar> HnswIndex<Scalar>::load(const std::filesystem::path& path) {
  auto [header, graph] = detail::load_hnsw<Scalar>(path);
  return HnswIndex(header, std::move(graph));
}

template <class Scalar>
void HnswIndex<Scalar>::insert(const MatrixView<Scalar>& rows, std::size_t threads,
                               const Progress& progress) {
  const double norm = detail::max_row_norm<Scalar>("rows", rows);
  const bool reduce = parameters_.geometry == HnswGeometry::l2_reduction;
  const MipsToL2 reduction(parameters_.norm_bound);
  if (reduce && norm > parameters_.norm_bound)  // all rows before the first is inserted
    for (Eigen::Index i = 0; i < rows.rows(); ++i)
      if (const double length = detail::row_norm<Scalar>(rows, i);
          !(length <= parameters_.norm_bound * (1.0 + 1e-6)))
        detail::throw_invalid(
            "rows.row(" + detail::text_of(i) + ").norm()", length,
            "exceeds norm_bound = " + detail::text_of(parameters_.norm_bound) +
                ", by default that of the rows that the index was built from: longer ones need an "
                "index built with a larger norm_bound");
  graph_.expect_norm(reduce ? parameters_.norm_bound : (std::max)(max_norm_, norm));
  graph_.append(static_cast<std::size_t>(rows.rows()), threads, progress,
                [&](std::size_t i, Scalar* out) {
                  const auto source = rows.row(static_cast<Eigen::Index>(i));
                  std::copy_n(source.data(), dimension_, out);
                  if (reduce)
                    out[dimension_] = static_cast<Scalar>(reduction.extra_coordinate(source));
                });
  max_norm_ = (std::max)(max_norm_, norm);
}

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

  // Near 1, where no product overflows or vanishes.
  const Scalar factor = Graph::scale_of(largest);
  const auto every = [&](Eigen::Index wanted) {
    const Eigen::Index step = (std::max)(Eigen::Index{1}, rows.rows() / wanted);
    RowMatrix<Scalar> part((std::min)(wanted, rows.rows() / step), rows.cols());
    for (Eigen::Index i = 0; i < part.rows(); ++i) part.row(i) = rows.row(i * step) * factor;
    return part;
  };
  const RowMatrix<Scalar> sample = every(4000), queries = every(100);
  double smallest = largest;
  for (Eigen::Index i = 0; i < rows.rows(); ++i)
    smallest = (std::min)(smallest, detail::row_norm<Scalar>(rows, i));
  parameters.geometry = HnswGeometry::inner_product;
  if (smallest >= std::sqrt(0.99) * largest) return parameters;

  const auto flat = FlatIndex<Scalar>(sample);
  const auto recall = [&](HnswGeometry geometry) {
    HnswParameters trial = parameters;
    trial.geometry = geometry;
    trial.norm_bound = largest * static_cast<double>(factor);
    return recall_at_k(HnswIndex(sample, trial), flat, queries, 32);
  };
  if (recall(HnswGeometry::l2_reduction) > recall(HnswGeometry::inner_product))
    parameters.geometry = HnswGeometry::l2_reduction;
  return parameters;
}

}  // namespace lazygumbel
