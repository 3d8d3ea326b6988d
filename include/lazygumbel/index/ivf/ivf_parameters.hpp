#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// What IvfIndex is built with.
struct IvfParameters {
  std::size_t lists = 0;       ///< 0: about 4 sqrt(n); never more than n, and none that stays empty
  std::size_t probes = 0;      ///< lists that a search scans; 0: see default_probes
  std::size_t iterations = 4;  ///< of k-means, >= 1
  std::size_t rows_per_list = 64;  ///< k-means trains on at most so many rows a list, >= 1
  std::uint64_t seed = 1;          ///< of k-means
  std::size_t threads = 1;         ///< of the build, 0 for all; the index does not depend on it
};

/// The number of lists for n rows: 4 sqrt(n) rounded, at most n. On 100,000 unit GloVe vectors it
/// reaches a recall of .95 with the fewest products, those with the centroids included.
inline std::size_t default_lists(std::size_t n) noexcept {
  const auto lists = static_cast<std::size_t>(std::lround(4.0 * std::sqrt(static_cast<double>(n))));
  return (std::max)(std::size_t{1}, (std::min)(lists, n));
}

/// The lists probed of `lists`: 7%, at least 8. Recall@64 is about .95 on 100,000 unit GloVe
/// vectors; measure your own with `recall_at_k`.
inline std::size_t default_probes(std::size_t lists) noexcept {
  return (std::min)(lists, (std::max)(std::size_t{8}, (lists * 7 + 99) / 100));
}

namespace detail {

/// Throws std::invalid_argument when a parameter is out of its range.
inline void require_parameters(const IvfParameters& p) {
  if (p.iterations < 1) throw_invalid("iterations", p.iterations, "must be at least 1");
  if (p.rows_per_list < 1) throw_invalid("rows_per_list", p.rows_per_list, "must be at least 1");
}

}  // namespace detail
}  // namespace lazygumbel
