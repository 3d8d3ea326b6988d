#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "lazygumbel/attention/knn/detail/decode/gather_kernels.hpp"
#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel::detail {

/// A rotation drawn uniformly, before keys are coded: products with a rotated query are what they
/// were, but what the codes leave out of a key is in a direction that no query was made for. Let r
/// be the residual of the rotated key Rk. Given Rk, the part of Rq orthogonal to it is uniform in
/// direction, so that <Rq, r> is, but for the part along the key, sub-Gaussian with parameter
/// |q|^2 |r|^2 / (d - 1), whatever k and q are, as long as they do not depend on R.
class KeyRotation {
 public:
  /// Precondition: d > 0. O(d^3).
  KeyRotation(std::size_t d, std::uint64_t seed)
      : rows_(static_cast<Eigen::Index>(d), static_cast<Eigen::Index>(d)) {
    PhiloxEngine engine(seed);
    RowMatrix<double> rows(rows_.rows(), rows_.cols());
    for (Eigen::Index i = 0; i < rows.rows(); ++i) {
      auto row = rows.row(i);
      for (double length = 0.0; !(length > 1e-3);) {  // again where rounding would show
        for (double& x : row) x = normal(engine);
        const double before = row.norm();
        for (int pass = 0; pass < 2; ++pass)
          for (Eigen::Index j = 0; j < i; ++j) row -= row.dot(rows.row(j)) * rows.row(j);
        length = row.norm() / before;
      }
      row /= row.norm();
    }
    rows_ = rows.cast<float>();
    ids_.resize(d);
    std::iota(ids_.begin(), ids_.end(), item_id{0});
  }

  /// to = x R of d numbers x, the same with every instruction set.
  void rotate(const float* x, float* to, Simd simd) const {
    const std::size_t d = ids_.size();
    std::fill_n(to, d, 0.0F);
    select<GatherKernels<float>>(simd).values(
        {rows_.data(), static_cast<std::ptrdiff_t>(d), d, ids_.data(), d}, x, to);
  }

 private:
  static double normal(PhiloxEngine& engine) {
    constexpr double full_turn = 6.283185307179586;
    const double length = std::sqrt(-2.0 * std::log(open_uniform(engine)));
    return length * std::cos(full_turn * open_uniform(engine));
  }

  RowMatrix<float> rows_;
  std::vector<item_id> ids_;
};

}  // namespace lazygumbel::detail
