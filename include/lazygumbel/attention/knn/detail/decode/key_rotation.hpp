#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

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
          row -= (row * rows.topRows(i).transpose()) * rows.topRows(i);
        length = row.norm() / before;
      }
      row /= row.norm();
    }
    rows_ = rows.cast<float>();
  }

  /// The one of a dimension and a seed, which all who ask for it share; the last one is kept.
  /// Thread-safe.
  static std::shared_ptr<const KeyRotation> of(std::size_t d, std::uint64_t seed) {
    static std::mutex guard;
    static std::shared_ptr<const KeyRotation> last;
    static std::uint64_t last_seed = 0;
    const std::lock_guard lock(guard);
    if (!last || last->dimension() != d || last_seed != seed) {
      last = std::make_shared<const KeyRotation>(d, seed);
      last_seed = seed;
    }
    return last;
  }

  std::size_t dimension() const noexcept { return static_cast<std::size_t>(rows_.rows()); }

  /// to = x R for every row x, O(d^2) a row: matrix products of 64 rows at a time, so that what
  /// becomes of a row does not depend on those that come with it, if they come by 64. The same with
  /// every Simd, since Eigen's products are what the program was compiled for.
  void rotate(const MatrixView<float>& x, RowMatrix<float>& to) const {
    constexpr Eigen::Index together = 64;
    to.resize(x.rows(), rows_.cols());
    for (Eigen::Index i = 0; i < x.rows(); i += together) {
      const Eigen::Index count = (std::min)(together, x.rows() - i);
      to.middleRows(i, count).noalias() = x.middleRows(i, count) * rows_;
    }
  }

 private:
  static double normal(PhiloxEngine& engine) {
    constexpr double full_turn = 6.283185307179586;
    const double length = std::sqrt(-2.0 * std::log(open_uniform(engine)));
    return length * std::cos(full_turn * open_uniform(engine));
  }

  RowMatrix<float> rows_;
};

}  // namespace lazygumbel::detail
