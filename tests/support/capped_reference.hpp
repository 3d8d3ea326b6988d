#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <vector>

namespace lazygumbel::testing {

/// The projection of weights exp(log_weights) onto { 0 <= y_i <= 1/s, sum y = 1 } by sorting, in
/// long double: the fewest k largest are capped for which the next is not.
inline std::vector<double> capped_by_sorting(const std::vector<double>& log_weights, double s) {
  constexpr double nothing = -std::numeric_limits<double>::infinity();
  std::vector<double> sorted;
  for (const double log : log_weights)
    if (log > nothing) sorted.push_back(log);
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  std::vector<double> y(log_weights.size());
  const auto cap = 1.0L / static_cast<long double>(s);
  if (static_cast<double>(sorted.size()) <= s) {
    for (std::size_t i = 0; i < y.size(); ++i)
      y[i] = log_weights[i] > nothing ? static_cast<double>(cap) : 0.0;
    return y;
  }
  // rest[k] = sum over i >= k of exp(sorted_i - sorted_k)
  std::vector<long double> rest(sorted.size() + 1, 0.0L);
  for (std::size_t k = sorted.size(); k-- > 0;) {
    const double next = k + 1 < sorted.size() ? sorted[k + 1] : sorted[k];
    rest[k] = 1.0L + rest[k + 1] * std::exp(static_cast<long double>(next) - sorted[k]);
  }
  std::size_t k = 0;
  while ((1.0L - static_cast<long double>(k) * cap) / rest[k] > cap) ++k;
  const long double largest = (1.0L - static_cast<long double>(k) * cap) / rest[k];
  for (std::size_t i = 0; i < y.size(); ++i)
    y[i] = static_cast<double>(std::min(
        cap, largest * std::exp(std::min(11000.0L, static_cast<long double>(log_weights[i]) -
                                                       static_cast<long double>(sorted[k])))));
  for (std::size_t i = 0; i < y.size(); ++i)
    if (k > 0 && log_weights[i] >= sorted[k - 1]) y[i] = static_cast<double>(cap);
  return y;
}

}  // namespace lazygumbel::testing
