#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// In which geometry the graph is built (algorithms: docs/concepts.md, "Inner products and
/// graphs").
enum class HnswGeometry : std::uint32_t {
  inner_product = 0,  ///< edges between rows of large inner product
  l2_reduction = 1,   ///< edges between near rows after MipsToL2
  automatic = 2       ///< whichever has the better recall on a sample of the rows
};

/// What HnswIndex is built with. Source of M and the ef: Malkov, Yashunin, "Efficient and Robust
/// Approximate Nearest Neighbor Search Using Hierarchical Navigable Small World Graphs", 2018.
struct HnswParameters {
  std::size_t M = 24;                 ///< links a row above level 0 (twice that on it), 2 .. 10000
  std::size_t ef_construction = 300;  ///< beam width while building, >= 1
  std::size_t ef = 64;                ///< beam width of a search, >= 1; a search uses max(ef, k)
  std::uint64_t seed = 1;             ///< of the random levels
  HnswGeometry geometry = HnswGeometry::automatic;
  /// l2_reduction only: the largest norm that `add` will ever see; 0 takes that of the first rows.
  double norm_bound = 0.0;
  /// Threads of the build, 0 for all. With 1 the graph is the same every time; with more it depends
  /// on the order in which rows happen to be inserted (the laws drawn from it are as exact).
  std::size_t threads = 1;
};

/// Called as (rows done, rows in all) with growing numbers, the last time with all done, at most
/// about 100 times, never by two threads at once.
using Progress = std::function<void(std::size_t, std::size_t)>;

namespace detail {

/// Throws std::invalid_argument when a parameter is out of its range.
inline void require_parameters(const HnswParameters& p) {
  if (p.M < 2 || p.M > 10000) throw_invalid("M", p.M, "must lie in 2 .. 10000");
  if (p.ef_construction < 1)
    throw_invalid("ef_construction", p.ef_construction, "must be at least 1");
  if (p.ef < 1) throw_invalid("ef", p.ef, "must be at least 1");
  if (!(p.norm_bound >= 0.0 && p.norm_bound <= 1e300))
    throw_invalid("norm_bound", p.norm_bound, "must be finite and not negative");
}

}  // namespace detail
}  // namespace lazygumbel
