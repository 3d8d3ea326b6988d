#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>

namespace lazygumbel::detail {

/// A sum of doubles with a second double for what its roundings lost [Ogita, Rump, Oishi, "Accurate
/// Sum and Dot Product", SIAM J. Sci. Comput. 26 (2005), Algorithm 4.4]: of n terms it is off by at
/// most 2^-53 of itself and n^2 2^-106 of the sum of magnitudes.
struct CompensatedSum {
  double high = 0.0, low = 0.0;

  void add(double x) noexcept {
    const double sum = high + x, part = sum - high;
    low += (high - (sum - part)) + (x - part);
    high = sum;
  }
  double value() const noexcept { return high + low; }
};

/// Calls visit(first, count) for the blocks of 0 .. size-1, in order; each call returns a block's
/// sum. The relative error of the total, of terms >= 0, does not grow with `size`: it is that of
/// the blocks.
template <class Visit>
double sum_of_blocks(Eigen::Index size, Visit&& visit) {
  constexpr Eigen::Index block = 1024;
  CompensatedSum sum;
  for (Eigen::Index first = 0; first < size; first += block)
    sum.add(visit(first, (std::min)(block, size - first)));
  return sum.value();
}

}  // namespace lazygumbel::detail
