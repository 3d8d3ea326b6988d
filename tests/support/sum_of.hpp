#pragma once

#include <numeric>
#include <span>

namespace lazygumbel::testing {

inline double sum_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace lazygumbel::testing
