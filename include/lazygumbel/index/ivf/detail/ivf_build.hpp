#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/ivf/detail/inverted_lists.hpp"
#include "lazygumbel/index/ivf/ivf_parameters.hpp"
#include "lazygumbel/index/ivf/kmeans.hpp"

namespace lazygumbel::detail {

/// Throws unless the rows can be appended to the lists; returns the largest norm.
template <class Scalar>
double require_addition(const InvertedLists<Scalar>& lists, const MatrixView<Scalar>& rows) {
  require_rows<Scalar>("rows", rows);
  if (static_cast<std::size_t>(rows.cols()) != lists.dimension())
    throw_invalid("rows.cols()", rows.cols(),
                  "must equal the index's dimension " + text_of(lists.dimension()));
  const std::size_t total = lists.size() + static_cast<std::size_t>(rows.rows());
  if (total > (std::numeric_limits<item_id>::max)())
    throw_invalid("size() + rows.rows()", total, "must be below 2^32");
  const double norm = max_row_norm<Scalar>("rows", rows);
  if (norm > 0.25 * static_cast<double>((std::numeric_limits<Scalar>::max)()))
    throw_invalid("max row norm", norm, "distances would overflow");
  return norm;
}

/// Splits lists until none holds more than four times the mean. Halves have an eighth of the rows
/// at least, so that rows which are all equally far from each other do not leave one by one. When
/// memory runs out, lists are left long.
template <class Scalar>
void split_long_lists(InvertedLists<Scalar>& lists, std::uint64_t seed) try {
  const auto too_long = [&](std::size_t g) {
    const std::size_t mean = (lists.size() + lists.lists() - 1) / lists.lists();
    return lists.directory().items(g).size() > 4 * mean;
  };
  for (std::size_t g = 0; g < lists.lists(); ++g)  // new lists come last: their turn comes, too
    while (too_long(g)) lists.split(g, seed, lists.directory().items(g).size() / 8);
} catch (const std::bad_alloc&) {
}

/// Splits lists whose radius exceeds `widest` times the median of all until there are none, or
/// twice as many lists.
template <class Scalar>
void split_wide_lists(InvertedLists<Scalar>& lists, double widest, std::uint64_t seed) {
  const auto before = lists.radii();
  std::vector<double> radii(before.data(), before.data() + before.size());
  const auto middle = radii.begin() + static_cast<std::ptrdiff_t>(radii.size() / 2);
  std::nth_element(radii.begin(), middle, radii.end());
  const std::size_t most = 2 * lists.lists();
  for (std::size_t g = 0; g < lists.lists(); ++g)  // new lists come last: their turn comes, too
    while (lists.lists() < most && lists.directory().items(g).size() > 1 &&
           lists.radii()[static_cast<Eigen::Index>(g)] > widest * *middle)
      lists.split(g, seed);
}

template <class Scalar>
void append_rows(InvertedLists<Scalar>& lists, const MatrixView<Scalar>& rows, std::uint64_t seed,
                 std::size_t threads) {
  const double norm = require_addition<Scalar>(lists, rows);
  std::vector<std::uint32_t> nearest(static_cast<std::size_t>(rows.rows()));
  assign_to_centroids<Scalar>(rows, lists.centroids(), nearest, threads);
  lists.append(rows, nearest, norm, threads);
  split_long_lists(lists, seed);
}

/// The lists of k-means, with the means of all their rows as centroids, without empty ones.
template <class Scalar>
InvertedLists<Scalar> build_lists(const MatrixView<Scalar>& rows, const IvfParameters& parameters) {
  require_parameters(parameters);
  InvertedLists<Scalar> lists(static_cast<std::size_t>(rows.cols()));
  const double norm = require_addition<Scalar>(lists, rows);
  const auto n = static_cast<std::size_t>(rows.rows());
  KmeansParameters clustering;
  clustering.clusters = parameters.lists == 0 ? default_lists(n) : (std::min)(parameters.lists, n);
  clustering.iterations = parameters.iterations;
  clustering.rows_per_cluster = parameters.rows_per_list;
  clustering.seed = parameters.seed;
  clustering.threads = parameters.threads;
  std::vector<std::uint32_t> nearest(n);
  assign_to_centroids<Scalar>(rows, kmeans<Scalar>(rows, clustering), nearest, parameters.threads);

  std::vector<std::size_t> counts(clustering.clusters);
  for (const std::uint32_t g : nearest) ++counts[g];
  std::vector<std::uint32_t> number(counts.size());
  for (std::size_t g = 1; g < counts.size(); ++g)
    number[g] = number[g - 1] + (counts[g - 1] > 0 ? 1 : 0);
  for (std::uint32_t& g : nearest) g = number[g];
  std::erase(counts, std::size_t{0});
  const RowMatrix<Scalar> means = InvertedLists<Scalar>::list_means(rows, nearest, counts);
  for (Eigen::Index g = 0; g < means.rows(); ++g) lists.open(means.row(g).data());
  lists.append(rows, nearest, norm, parameters.threads);
  split_long_lists(lists, parameters.seed);
  return lists;
}

}  // namespace lazygumbel::detail
