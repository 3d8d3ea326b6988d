#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// Replaces `values` v by the nearest weights with a given total, in the Euclidean sense:
///
///   argmin { |w - v|_2 : w >= 0, sum w = total },   which is   w_i = max(v_i - tau, 0)
///
/// with the one tau for which the sum is right. The order of the values is kept; equal values stay
/// equal. The sum is `total` up to a few units in the last place for each positive weight. total =
/// 0 gives zeros.
///
/// Throws std::invalid_argument without values, on a value that is not finite, and unless
/// total >= 0 and n total is finite. O(n) on average: halves what is undecided around its median.
/// O(n) memory.
///
/// Sources: M. Held, P. Wolfe, H. Crowder, "Validation of subgradient optimization", Mathematical
/// Programming 6 (1974), for tau; J. Duchi, S. Shalev-Shwartz, Y. Singer, T. Chandra, "Efficient
/// Projections onto the l1-Ball for Learning in High Dimensions", ICML 2008, figure 2, for the
/// search with pivots (theirs random); L. Condat, "Fast projection onto the simplex and the l1
/// ball", Mathematical Programming 158 (2016), compares the algorithms.
template <std::same_as<double> Real = double>
void project_to_simplex(std::span<double> values, double total) {
  constexpr double largest = (std::numeric_limits<double>::max)();
  if (values.empty()) detail::throw_invalid("values.size()", values.size(), "must be at least 1");
  if (!(total >= 0.0 && total <= largest / static_cast<double>(values.size())))
    detail::throw_invalid("total", total,
                          "must be finite and not negative, and must not overflow when summed");
  double top = -largest;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(std::abs(values[i]) <= largest))
      detail::throw_invalid("values[" + detail::text_of(i) + "]", values[i], "must be finite");
    top = (std::max)(top, values[i]);
  }

  // Counted down from the largest, so that a common offset costs no digits: tau lies in
  // [-total, 0), and what lies at -total or below is 0 whatever the others are.
  std::vector<double> undecided;
  for (double& value : values) {
    value -= top;
    if (value > -total) undecided.push_back(value);
  }
  if (undecided.empty()) {  // total == 0
    std::fill(values.begin(), values.end(), 0.0);
    return;
  }

  // The positive weights are the k largest for the largest k with v_(k) > (v_(1) + ... + v_(k) -
  // total) / k. `sum` and `count` are of those known to be among them.
  double sum = 0.0, count = 0.0;
  auto first = undecided.begin(), last = undecided.end();
  while (first != last) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, std::greater<>());
    double upper = 0.0;
    const double pivot = *middle;
    for (auto i = first; i != middle; ++i) upper += *i;
    upper += pivot;
    const double upper_count = count + static_cast<double>(middle - first + 1);
    if (sum + upper - upper_count * pivot < total) {
      sum += upper;
      count = upper_count;
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  const double tau = (sum - total) / count;
  for (double& value : values) value = (std::max)(value - tau, 0.0);
}

}  // namespace lazygumbel
