#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "lazygumbel/index/flat_index.hpp"
#include "lazygumbel/index/hnsw/hnsw_index.hpp"
#include "lazygumbel/index/ivf/ivf_index.hpp"
#include "lazygumbel/index/quantized/scalar_quantized_index.hpp"
#include "lazygumbel/sampling/detail/cost_model.hpp"

namespace lazygumbel {

/// The indexes that need no optional dependency.
enum class IndexKind : std::uint8_t { flat, scalar_quantized, ivf, hnsw };

/// "flat", "scalar_quantized", "ivf" or "hnsw".
constexpr const char* name_of(IndexKind kind) noexcept {
  switch (kind) {
    case IndexKind::scalar_quantized:
      return "scalar_quantized";
    case IndexKind::ivf:
      return "ivf";
    case IndexKind::hnsw:
      return "hnsw";
    case IndexKind::flat:
      break;
  }
  return "flat";
}

/// What an index costs to build and to draw from, once for each theta, on one thread.
struct IndexCost {
  IndexKind kind = IndexKind::flat;
  double build_seconds = 0.0;
  double seconds_per_draw = 0.0;
  Guarantee::Kind guarantee = Guarantee::Kind::assumed;  ///< the strongest that its draws have
  std::size_t k = 0;  ///< LazySamplerOptions::k of these draws; 0: the default

  double seconds(double queries) const noexcept {
    return build_seconds + queries * seconds_per_draw;
  }
};

namespace detail {

inline void require_queries(double expected_queries) {
  if (!(expected_queries > 0.0 && expected_queries <= (std::numeric_limits<double>::max)()))
    throw_invalid("expected_queries", expected_queries, "must be positive and finite");
}

}  // namespace detail

/// The cost with the smallest build_seconds + expected_queries * seconds_per_draw among those whose
/// guarantee is `needed` or stronger; the first of equals. Throws std::invalid_argument unless
/// 0 < expected_queries < infinity, on a sum that is NaN or negative, and when no cost has the
/// guarantee.
template <std::same_as<double> Real = double>
IndexCost cheapest(std::span<const IndexCost> costs, double expected_queries,
                   Guarantee::Kind needed = Guarantee::Kind::assumed) {
  detail::require_queries(expected_queries);
  const IndexCost* best = nullptr;
  for (const IndexCost& cost : costs) {
    const double seconds = cost.seconds(expected_queries);
    if (!(seconds >= 0.0))
      detail::throw_invalid(std::string("seconds of ") + name_of(cost.kind), seconds,
                            "must not be negative");
    if (cost.guarantee < needed) continue;
    if (best == nullptr || seconds < best->seconds(expected_queries)) best = &cost;
  }
  if (best == nullptr)
    detail::throw_invalid("needed", name_of(Guarantee{needed}), "no index gives this guarantee");
  return *best;
}

struct ChooseIndexOptions {
  /// Rows that codes are measured on, >= 1: cheap, and many, so as to leave the caches.
  std::size_t coded_sample_rows = 65536;
  std::size_t list_sample_rows = 8192;   ///< that inverted lists are measured on, >= 1
  std::size_t graph_sample_rows = 2048;  ///< that a graph is measured on, >= 1
  std::size_t most_thetas = 32;          ///< of the examples, the first ones, >= 1
  /// exp(gap), by which a calibrated gap is taken to multiply an approximate index's proposals, at
  /// least 1. The gap itself is known only after calibrate_gap.
  double calibrated_proposals = 4.0;
};

struct IndexChoice {
  IndexKind kind = IndexKind::flat;
  std::size_t k = 0;              ///< LazySamplerOptions::k
  double expected_seconds = 0.0;  ///< to build it and draw once for each expected query
  std::vector<IndexCost> costs;   ///< of every kind, in the order of IndexKind
};

/// Measures what each IndexKind, with default parameters, will cost over `rows` (n x d) for thetas
/// like `example_thetas` (m x d, temperature included), on one thread: in the order of IndexKind.
///
/// A model, not a promise: within a factor of 2 of what bench/choose_bench.cpp measures on 100,000
/// x 100 and 60,000 x 784 floats, 3 where other programs compete for the processor. Runs on evenly
/// spaced rows are scaled to n by each index's growth:
///
/// | kind | build | draw |
/// |---|---|---|
/// | flat | measured over all rows | measured over all rows |
/// | scalar_quantized | n | scan: n, from two sizes; proposals: constant |
/// | ivf | n^1.5, products counted | search: n, products counted, rows in a scan; proposals |
/// | hnsw | n log n, scattered rows | search: log n, scattered rows; proposals |
///
/// "Scattered rows": times what a row at a random place costs among n rows over what it costs in
/// the sample; "rows in a scan": the same for rows read in order. The proposals of ivf and hnsw are
/// (n - k) exp(U) / Z with U the exact k-th largest score over all n rows, as a search that misses
/// nothing gives, for the better of k = 64 and ceil(sqrt(n)).
///
/// flat and scalar_quantized certify. ivf and hnsw are `assumed`, unless `guarantee` is
/// calibrated(alpha): then calibrate_gap on 2 (ceil(1 / alpha) - 1) thetas, an exhaustive scan and
/// a search each, counts as part of their build, and their proposals are
/// options.calibrated_proposals times as many. Batches, several draws a theta and tuned parameters
/// are not modelled.
///
/// Takes 0.6 s for 100,000 x 100 floats and 2.4 s for 60,000 x 784, a good part of it for the
/// graph; O(n d) for each theta and O(n) memory beside the samples. Times vary from run to run, and
/// the answer with them. Throws std::invalid_argument on rows or thetas that are empty, not finite
/// or of different widths, on bad options, and as each index does.
template <class Scalar>
std::vector<IndexCost> measure_index_costs(const MatrixView<Scalar>& rows,
                                           const MatrixView<Scalar>& example_thetas,
                                           Guarantee guarantee = Guarantee::assumed(),
                                           const ChooseIndexOptions& options = {}) {
  if (options.coded_sample_rows == 0)
    detail::throw_invalid("coded_sample_rows", options.coded_sample_rows, "must be at least 1");
  if (options.list_sample_rows == 0)
    detail::throw_invalid("list_sample_rows", options.list_sample_rows, "must be at least 1");
  if (options.graph_sample_rows == 0)
    detail::throw_invalid("graph_sample_rows", options.graph_sample_rows, "must be at least 1");
  if (options.most_thetas == 0)
    detail::throw_invalid("most_thetas", options.most_thetas, "must be at least 1");
  if (!(options.calibrated_proposals >= 1.0 &&
        options.calibrated_proposals <= (std::numeric_limits<double>::max)()))
    detail::throw_invalid("calibrated_proposals", options.calibrated_proposals,
                          "must be finite and at least 1");
  using Kind = Guarantee::Kind;
  const auto thetas = example_thetas.topRows(
      (std::min)(example_thetas.rows(), static_cast<Eigen::Index>(options.most_thetas)));
  const detail::CostModel<Scalar> model(rows, thetas);
  const bool calibrated = guarantee.kind == Kind::calibrated;
  const double tail = calibrated ? options.calibrated_proposals : 1.0;
  const double scans =
      calibrated ? 2.0 * (std::max)(1.0, std::ceil((1.0 - 1e-12) / guarantee.alpha) - 1.0) : 0.0;
  const detail::PredictedCost flat = model.flat();
  const auto cost = [](IndexKind kind, const detail::PredictedCost& predicted, Kind gives) {
    return IndexCost{kind, predicted.build_seconds, predicted.seconds_per_draw, gives, predicted.k};
  };
  const auto approximate = [&](IndexKind kind, detail::PredictedCost predicted) {
    predicted.build_seconds += scans * (flat.seconds_per_draw + predicted.seconds_per_draw);
    return cost(kind, predicted, calibrated ? Kind::calibrated : Kind::assumed);
  };
  return {cost(IndexKind::flat, flat, Kind::certified),
          cost(IndexKind::scalar_quantized, model.quantized(options.coded_sample_rows),
               Kind::certified),
          approximate(IndexKind::ivf, model.ivf(options.list_sample_rows, tail)),
          approximate(IndexKind::hnsw, model.hnsw(options.graph_sample_rows, tail))};
}

/// The kind of index that is expected to be the first done with being built and drawn from once for
/// each of `expected_queries` thetas like the examples, with `guarantee` or a stronger one:
/// `cheapest` of `measure_index_costs`, with their errors and cost.
template <class Scalar>
IndexChoice choose_index(const MatrixView<Scalar>& rows, const MatrixView<Scalar>& example_thetas,
                         double expected_queries, Guarantee guarantee = Guarantee::assumed(),
                         const ChooseIndexOptions& options = {}) {
  detail::require_queries(expected_queries);
  IndexChoice choice;
  choice.costs = measure_index_costs<Scalar>(rows, example_thetas, guarantee, options);
  const IndexCost best = cheapest(choice.costs, expected_queries, guarantee.kind);
  choice.kind = best.kind;
  choice.k = best.k;
  choice.expected_seconds = best.seconds(expected_queries);
  return choice;
}

/// An index of any IndexKind, in the order of IndexKind; for std::visit.
template <class Scalar>
using AnyIndex = std::variant<FlatIndex<Scalar>, ScalarQuantizedIndex<Scalar>, IvfIndex<Scalar>,
                              HnswIndex<Scalar>>;

/// The index of that kind over `rows` (n x d) with default parameters, built on one thread. flat
/// and scalar_quantized read the caller's rows where they are, which must stay alive and unchanged;
/// ivf and hnsw copy them. Throws as the index does.
template <class Scalar>
AnyIndex<Scalar> build_index(IndexKind kind, const RowPointer<Scalar>& rows) {
  switch (kind) {
    case IndexKind::scalar_quantized:
      return ScalarQuantizedIndex<Scalar>::over(rows);
    case IndexKind::ivf:
      return IvfIndex<Scalar>(rows);
    case IndexKind::hnsw:
      return HnswIndex<Scalar>(rows);
    case IndexKind::flat:
      break;
  }
  return FlatIndex<Scalar>::over(rows);
}

}  // namespace lazygumbel
