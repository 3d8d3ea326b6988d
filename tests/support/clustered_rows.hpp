#pragma once

#include <cstddef>
#include <cstdint>
#include <lazygumbel/core/types.hpp>

#include "indexes.hpp"

namespace lazygumbel::testing {

/// n x d rows around `clusters` standard normal centres, with `spread` times standard normal noise;
/// row i belongs to cluster i % clusters.
template <class Scalar = double>
RowMatrix<Scalar> clustered_rows(std::size_t n, std::size_t d, std::size_t clusters, double spread,
                                 std::uint64_t seed) {
  const RowMatrix<Scalar> centres = gaussian_rows<Scalar>(clusters, d, seed);
  RowMatrix<Scalar> rows = gaussian_rows<Scalar>(n, d, seed + 1) * static_cast<Scalar>(spread);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) += centres.row(i % centres.rows());
  return rows;
}

}  // namespace lazygumbel::testing
