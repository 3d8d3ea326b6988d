#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "lazygumbel/attention/exact/detail/product_kernels.hpp"
#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/detail/projection.hpp"
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
  KeyRotation(std::size_t d, std::uint64_t seed) : d_(d), padded_((d + 15) / 16 * 16) {
    const auto size = static_cast<Eigen::Index>(d);
    rows_.setZero(size, static_cast<Eigen::Index>(padded_));
    rows_.leftCols(size) = random_directions<float>(size, size, seed);
    PhiloxEngine engine(seed, 1);  // Householder's signs are not random
    for (Eigen::Index j = 0; j < size; ++j)
      if (uniform_bits(engine) % 2 == 0) rows_.col(j) *= -1.0F;
  }

  /// The one of a dimension and a seed, which all who ask for it share; the last one is kept.
  /// Thread-safe.
  static std::shared_ptr<const KeyRotation> of(std::size_t d, std::uint64_t seed) {
    static std::mutex guard;
    static std::pair<std::uint64_t, std::shared_ptr<const KeyRotation>> last;
    const std::lock_guard lock(guard);
    if (!last.second || last.second->d_ != d || last.first != seed)
      last = {seed, std::make_shared<const KeyRotation>(d, seed)};
    return last.second;
  }

  /// The first d columns of `to` are x R for each row of x. O(d^2) a row. Every row's numbers are
  /// the same whatever rows come with it; instruction sets round differently.
  void rotate(const MatrixView<float>& x, RowMatrix<float>& to, Simd simd) const {
    const ProductKernels& kernels = select<ProductKernels>(simd);
    to.resize(x.rows(), static_cast<Eigen::Index>(padded_));
    kernels.multiply({.m = static_cast<std::size_t>(x.rows()),
                      .n = kernels.pad(d_),
                      .k = d_,
                      .a = x.data(),
                      .a_row = x.outerStride(),
                      .a_col = 1,
                      .b = rows_.data(),
                      .b_row = static_cast<std::ptrdiff_t>(padded_),
                      .b_panel = static_cast<std::ptrdiff_t>(kernels.panel()),
                      .c = to.data(),
                      .c_row = static_cast<std::ptrdiff_t>(padded_),
                      .add = false});
  }

 private:
  std::size_t d_, padded_;
  RowMatrix<float> rows_;  // R, columns of 0 up to whole lanes of any instruction set
};

}  // namespace lazygumbel::detail
