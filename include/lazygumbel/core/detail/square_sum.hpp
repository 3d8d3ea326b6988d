#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>

#include "lazygumbel/core/detail/lanes.hpp"

namespace lazygumbel::detail {

/// sum x_j^2 in double, number j going to lane j mod 16, so that every instruction set adds in the
/// same order. The squares of floats are exact in double, with fused multiply-adds or without, and
/// neither overflow nor underflow: the sum of n is the same everywhere, within n 2^-53 of itself,
/// and finite exactly when all x_j are.
template <std::size_t W>
class SquareSum {
 public:
  static constexpr std::size_t lanes = 16;

  /// Sixteen more numbers.
  LAZYGUMBEL_INLINE void add(const float* x) noexcept {
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < parts; ++i) {
      typename Lanes<W>::HalfFloats some;
      load(some, x + i * part_lanes);
      const Doubles wide = __builtin_convertvector(some, Doubles);
      sums_[i] += wide * wide;
    }
  }
  LAZYGUMBEL_INLINE void add(const double* x) noexcept {
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < parts; ++i) {
      Doubles some;
      load(some, x + i * part_lanes);
      sums_[i] += some * some;
    }
  }

  LAZYGUMBEL_INLINE double total() const noexcept {
    double all[lanes];
    std::memcpy(all, sums_, sizeof all);
    LAZYGUMBEL_UNROLL
    for (std::size_t half = lanes / 2; half > 0; half /= 2)
      for (std::size_t l = 0; l < half; ++l) all[l] += all[half + l];
    return all[0];
  }

 private:
  using Doubles = typename Lanes<W>::Doubles;
  static constexpr std::size_t part_lanes = W / 2, parts = lanes / part_lanes;
  Doubles sums_[parts] = {};
};

template <class Scalar>
double square_sum(const Scalar* x, std::size_t n) noexcept {
  constexpr std::size_t lanes = SquareSum<4>::lanes;  // SSE2 and NEON keep up with memory
  SquareSum<4> sum;
  std::size_t j = 0;
  for (; j + lanes <= n; j += lanes) sum.add(x + j);
  if (j < n) {
    Scalar rest[lanes] = {};
    std::memcpy(rest, x + j, (n - j) * sizeof(Scalar));
    sum.add(rest);
  }
  return sum.total();
}

}  // namespace lazygumbel::detail
