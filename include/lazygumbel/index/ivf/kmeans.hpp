#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

/// What `kmeans` is run with.
struct KmeansParameters {
  std::size_t clusters = 16;         ///< 1 .. number of rows
  std::size_t iterations = 8;        ///< of Lloyd's algorithm, >= 1
  std::size_t rows_per_cluster = 0;  ///< trains on at most so many rows a cluster; 0: on all rows
  bool spherical = false;            ///< centroids are scaled to unit length after each iteration
  std::uint64_t seed = 1;            ///< of the sample and the first centroids
  std::size_t threads = 1;           ///< 0 for all; the result does not depend on it
};

namespace detail {

/// Throws std::invalid_argument when a parameter is out of its range for `rows` rows.
inline void require_parameters(const KmeansParameters& p, std::size_t rows) {
  if (p.clusters < 1 || p.clusters > rows)
    throw_invalid("clusters", p.clusters, "must lie in 1 .. rows.rows() = " + text_of(rows));
  if (p.iterations < 1) throw_invalid("iterations", p.iterations, "must be at least 1");
}

/// `count` distinct numbers of 0 .. n-1 in increasing order, one from each of `count` even strata.
inline std::vector<Eigen::Index> stratified_sample(std::size_t n, std::size_t count,
                                                   PhiloxEngine& engine) {
  std::vector<Eigen::Index> chosen(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = i * n / count, end = (i + 1) * n / count;
    chosen[i] = static_cast<Eigen::Index>(
        begin + uniform_index(static_cast<std::uint32_t>(end - begin), engine));
  }
  return chosen;
}

/// A power of two that brings numbers up to `largest` to about 1, so that their squares neither
/// overflow nor vanish together.
template <class Scalar>
Scalar unit_scale(double largest) noexcept {
  if (largest == 0.0) return Scalar{1};
  constexpr int limit = std::numeric_limits<Scalar>::max_exponent - 2;
  return std::ldexp(Scalar{1}, std::clamp(-std::ilogb(largest), -limit, limit));
}

/// Writes for each row of `rows` the number of its nearest centroid, up to rounding, to `nearest`
/// and its squared distance times scale^2 to `distances`. `scale` as from unit_scale.
template <class Scalar>
void assign_nearest(const MatrixView<Scalar>& rows, const MatrixView<Scalar>& centroids,
                    Scalar scale, std::size_t threads, std::span<std::uint32_t> nearest,
                    std::span<Scalar> distances) {
  constexpr Eigen::Index block = 256;
  const RowMatrix<Scalar> scaled = centroids * scale;
  const Vector<Scalar> half_squares = Scalar(0.5) * scaled.rowwise().squaredNorm();
  const auto blocks = static_cast<std::size_t>((rows.rows() + block - 1) / block);
  parallel_for(blocks, threads, [&](std::size_t part) {
    const Eigen::Index first = static_cast<Eigen::Index>(part) * block;
    const RowMatrix<Scalar> some =
        rows.middleRows(first, (std::min)(block, rows.rows() - first)) * scale;
    // |x - c|^2 = |x|^2 - 2 (<x, c> - |c|^2 / 2): the nearest centroid has the largest product.
    Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> products;
    products.noalias() = scaled * some.transpose();
    products.colwise() -= half_squares;
    for (Eigen::Index i = 0; i < some.rows(); ++i) {
      const auto column = products.col(i);
      const Scalar best = column.maxCoeff();
      const Scalar* const at = std::find(column.data(), column.data() + column.size(), best);
      const auto row = static_cast<std::size_t>(first + i);
      nearest[row] = static_cast<std::uint32_t>(at - column.data());
      distances[row] = (std::max)(Scalar{0}, some.row(i).squaredNorm() - 2 * best);
    }
  });
}

/// Gives every empty cluster the row that is farthest from its own centroid, from clusters that
/// keep another one.
template <class Scalar>
void fill_empty_clusters(std::span<std::uint32_t> nearest, std::span<const Scalar> distances,
                         std::vector<std::size_t>& counts) {
  if (std::find(counts.begin(), counts.end(), std::size_t{0}) == counts.end()) return;
  std::vector<std::size_t> farthest(nearest.size());
  std::iota(farthest.begin(), farthest.end(), std::size_t{0});
  std::stable_sort(farthest.begin(), farthest.end(),
                   [&](std::size_t a, std::size_t b) { return distances[a] > distances[b]; });
  auto next = farthest.begin();
  for (std::size_t g = 0; g < counts.size(); ++g) {
    if (counts[g] > 0) continue;
    while (counts[nearest[*next]] < 2) ++next;
    --counts[nearest[*next]];
    nearest[*next++] = static_cast<std::uint32_t>(g);
    counts[g] = 1;
  }
}

/// The means of the clusters, each of at least one row, times `scale`.
template <class Scalar>
RowMatrix<double> cluster_means(const MatrixView<Scalar>& rows,
                                std::span<const std::uint32_t> nearest,
                                std::span<const std::size_t> counts, double scale) {
  RowMatrix<Later<double, Scalar>> means =
      RowMatrix<Later<double, Scalar>>::Zero(static_cast<Eigen::Index>(counts.size()), rows.cols());
  for (Eigen::Index i = 0; i < rows.rows(); ++i)  // in order: the same sums for all threads
    means.row(nearest[static_cast<std::size_t>(i)]) += rows.row(i).template cast<double>() * scale;
  for (std::size_t g = 0; g < counts.size(); ++g)
    means.row(static_cast<Eigen::Index>(g)) /= static_cast<double>(counts[g]);
  return means;
}

}  // namespace detail

/// Centroids c_1 .. c_m (m x d, m = parameters.clusters) that locally minimise
/// sum_i min_g |x_i - c_g|^2, by Lloyd's algorithm from m distinct rows on a stratified sample of
/// the rows; a cluster that runs empty takes the row farthest from its centroid. `spherical` keeps
/// the centroids on the unit sphere, for rows of unit length [Dhillon, Modha, "Concept
/// Decompositions for Large Sparse Text Data Using Clustering", 2001].
///
/// Deterministic for a seed, whatever the number of threads. O(iterations s m d) for a sample of s
/// rows, as matrix products. Throws std::invalid_argument on an empty matrix, NaN, infinity,
/// overflowing norms, or a parameter out of range.
/// Source: Lloyd, "Least Squares Quantization in PCM", IEEE Trans. Inf. Theory 28(2), 1982.
template <class Scalar>
RowMatrix<Scalar> kmeans(const MatrixView<Scalar>& rows, const KmeansParameters& parameters) {
  detail::require_rows<Scalar>("rows", rows);
  const auto n = static_cast<std::size_t>(rows.rows());
  detail::require_parameters(parameters, n);
  PhiloxEngine engine(parameters.seed);
  const std::size_t per_cluster =
      parameters.rows_per_cluster == 0 ? n : (std::min)(parameters.rows_per_cluster, n);
  const std::size_t size = (std::min)(n, per_cluster * parameters.clusters);
  RowMatrix<Scalar> sample = rows(detail::stratified_sample(n, size, engine), Eigen::all);
  const Scalar scale = detail::unit_scale<Scalar>(detail::max_row_norm<Scalar>("rows", sample));
  sample *= scale;

  RowMatrix<Scalar> centroids =
      sample(detail::stratified_sample(size, parameters.clusters, engine), Eigen::all);
  std::vector<std::uint32_t> nearest(size);
  std::vector<Scalar> distances(size);
  for (std::size_t round = 0; round < parameters.iterations; ++round) {
    detail::assign_nearest<Scalar>(sample, centroids, Scalar{1}, parameters.threads, nearest,
                                   distances);
    std::vector<std::size_t> counts(parameters.clusters);
    for (const std::uint32_t g : nearest) ++counts[g];
    detail::fill_empty_clusters<Scalar>(nearest, distances, counts);
    RowMatrix<detail::Later<double, Scalar>> means =
        detail::cluster_means<Scalar>(sample, nearest, counts, 1.0);
    if (parameters.spherical)
      for (auto mean : means.rowwise()) mean.normalize();  // a mean of 0 stays
    centroids = means.template cast<Scalar>();
  }
  if (!parameters.spherical) centroids /= scale;
  return centroids;
}

/// nearest[i] = the number of the centroid closest to row i (Euclidean, up to rounding). The result
/// does not depend on `threads` (0: all). O(n m d) as matrix products. Throws std::invalid_argument
/// on bad matrices or sizes that do not match.
template <class Scalar>
void assign_to_centroids(const MatrixView<Scalar>& rows, const MatrixView<Scalar>& centroids,
                         std::span<std::uint32_t> nearest, std::size_t threads = 1) {
  detail::require_rows<Scalar>("rows", rows);
  detail::require_rows<Scalar>("centroids", centroids);
  if (centroids.cols() != rows.cols())
    detail::throw_invalid("centroids.cols()", centroids.cols(),
                          "must equal rows.cols() = " + detail::text_of(rows.cols()));
  if (nearest.size() != static_cast<std::size_t>(rows.rows()))
    detail::throw_invalid("nearest.size()", nearest.size(),
                          "must equal rows.rows() = " + detail::text_of(rows.rows()));
  const double largest = (std::max)(detail::max_row_norm<Scalar>("rows", rows),
                                    detail::max_row_norm<Scalar>("centroids", centroids));
  std::vector<Scalar> distances(nearest.size());
  detail::assign_nearest<Scalar>(rows, centroids, detail::unit_scale<Scalar>(largest), threads,
                                 nearest, distances);
}

}  // namespace lazygumbel
