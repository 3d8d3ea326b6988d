#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/lp/detail/compensated_sum.hpp"
#include "lazygumbel/privacy/lp/scaled_simplex.hpp"
#include "lazygumbel/privacy/workload/detail/dot_kernels.hpp"

namespace lazygumbel::detail {

/// The violations C_ij = clip((A_i v_j - b_i) / W, -1, 1) of m constraints at the d vertices of K,
/// rounded to floats and stored by vertex, 4 m d bytes, and the scores -sum_i y_i C_ij. Whatever
/// finite numbers A and b hold, |C_ij| <= 1. PRIVATE. const members are thread-safe.
class VertexScores {
 public:
  /// Preconditions, not checked: A is m x d, b has m entries, all finite, width > 0.
  template <class Scalar>
  VertexScores(const ScaledSimplex& region, const MatrixView<Scalar>& constraints,
               std::span<const double> bounds, double width)
      : constraints_(bounds.size()),
        vertices_(region.dimension()),
        rows_(constraints_ * vertices_),
        dot_(select<DotKernels<float>>(best_simd()).dot) {
    constexpr std::size_t tile_size = 32;
    for (std::size_t top = 0; top < constraints_; top += tile_size)
      for (std::size_t left = 0; left < vertices_; left += tile_size)
        for (std::size_t i = top; i < (std::min)(top + tile_size, constraints_); ++i)
          for (std::size_t j = left; j < (std::min)(left + tile_size, vertices_); ++j) {
            const auto entry = static_cast<double>(
                constraints(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)));
            // One rounding, the same wherever constraint i stands among the others.
            const double violation = std::fma(entry, region.vertex(j), -bounds[i]) / width;
            rows_[j * constraints_ + i] =
                static_cast<float>((std::min)((std::max)(violation, -1.0), 1.0));
          }
  }

  /// d and m.
  std::size_t size() const noexcept { return vertices_; }
  std::size_t constraints() const noexcept { return constraints_; }

  /// C_{., j}. Precondition: j < d.
  std::span<const float> row(std::size_t j) const noexcept {
    return {rows_.data() + j * constraints_, constraints_};
  }

  /// Half of the distance between the largest and the smallest C_ij of a vertex, rounded up: where
  /// the sum of y stays the same, no score moves by more than this times |y' - y|_1.
  template <std::same_as<float> Real = float>
  double half_range(std::size_t j) const {
    if (constraints_ == 0) return 0.0;
    const Eigen::Map<const Eigen::ArrayX<Real>> all(row(j).data(),
                                                    static_cast<Eigen::Index>(constraints_));
    return 0.5 * (static_cast<double>(all.maxCoeff()) - static_cast<double>(all.minCoeff()));
  }

  /// -sum_i y_i C_ij, within 2^-46 of it for weights of sum 1. O(m).
  double score(std::span<const double> weights, std::size_t j) const {
    CompensatedSum sum;
    for (std::size_t first = 0; first < constraints_; first += tile)
      sum.add(tile_dot(weights, j, first));
    return -sum.value();
  }

  /// score() of all vertices, bit for bit, eight at a time so that memory streams. O(m d).
  void scores(std::span<const double> weights, std::span<double> out) const {
    constexpr std::size_t together = 8;
    for (std::size_t left = 0; left < vertices_; left += together) {
      const std::size_t right = (std::min)(left + together, vertices_);
      std::array<CompensatedSum, together> sums{};
      for (std::size_t first = 0; first < constraints_; first += tile)
        for (std::size_t j = left; j < right; ++j) sums[j - left].add(tile_dot(weights, j, first));
      for (std::size_t j = left; j < right; ++j) out[j] = -sums[j - left].value();
    }
  }

 private:
  static constexpr std::size_t tile = 128;

  double tile_dot(std::span<const double> weights, std::size_t j, std::size_t first) const {
    return dot_(rows_.data() + j * constraints_ + first, weights.data() + first,
                (std::min)(tile, constraints_ - first));
  }

  std::size_t constraints_, vertices_;
  std::vector<float> rows_;
  double (*dot_)(const float*, const double*, std::size_t);
};

}  // namespace lazygumbel::detail
