#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <vector>

/// \file
/// The discrete laws of privacy/noise/discrete_noise.hpp as distribution functions, and cells for a
/// chi-square test at any scale.

namespace lazygumbel::testing {

/// P(Z <= z).
using DiscreteCdf = std::function<double(std::int64_t)>;

/// P(z) proportional to exp(-|z| / scale).
inline DiscreteCdf discrete_laplace_cdf(double scale) {
  return [scale](std::int64_t z) {
    const double both = 1.0 + std::exp(-1.0 / scale);
    return z < 0 ? std::exp(static_cast<double>(z) / scale) / both
                 : 1.0 - std::exp(-(static_cast<double>(z) + 1.0) / scale) / both;
  };
}

/// P(z) proportional to exp(-z^2 / (2 sigma^2)): summed up to sigma = 1e4; above, the normal law at
/// z + 1/2, which differs from it by less than 1 / sigma^2.
inline DiscreteCdf discrete_gaussian_cdf(double sigma) {
  if (sigma > 1e4)
    return [sigma](std::int64_t z) {
      return 0.5 * std::erfc(-(static_cast<double>(z) + 0.5) / (sigma * std::sqrt(2.0)));
    };
  const auto reach = static_cast<std::int64_t>(std::ceil(14.0 * sigma)) + 2;
  std::vector<double> sums;
  double sum = 0.0;
  for (std::int64_t z = -reach; z <= reach; ++z) {
    const double x = static_cast<double>(z) / sigma;
    sums.push_back(sum += std::exp(-0.5 * x * x));
  }
  return [sums, reach](std::int64_t z) {
    if (z < -reach) return 0.0;
    return sums[static_cast<std::size_t>(std::min(z, reach) + reach)] / sums.back();
  };
}

/// The integers cut into (-infinity, end_0], (end_0, end_1], ..., (end_last, infinity).
class IntegerCells {
 public:
  /// Ends a quarter of `scale` apart out to 5 scales, and 0 a cell of its own.
  explicit IntegerCells(double scale) : ends_{-1, 0} {
    for (int quarter = -20; quarter <= 20; ++quarter)
      ends_.push_back(static_cast<std::int64_t>(std::floor(0.25 * quarter * scale)));
    std::sort(ends_.begin(), ends_.end());
    ends_.erase(std::unique(ends_.begin(), ends_.end()), ends_.end());
  }

  std::size_t size() const { return ends_.size() + 1; }

  std::size_t cell_of(std::int64_t z) const {
    return static_cast<std::size_t>(std::lower_bound(ends_.begin(), ends_.end(), z) -
                                    ends_.begin());
  }

  std::vector<double> probabilities(const DiscreteCdf& cdf) const {
    std::vector<double> p;
    double below = 0.0;
    for (const std::int64_t end : ends_) {
      const double up_to = cdf(end);
      p.push_back(std::max(0.0, up_to - below));
      below = up_to;
    }
    p.push_back(std::max(0.0, 1.0 - below));
    return p;
  }

 private:
  std::vector<std::int64_t> ends_;
};

/// The cell counts of `draws` integers.
template <class Draw>
std::vector<std::uint64_t> count_integers(const IntegerCells& cells, std::uint64_t draws,
                                          Draw&& draw) {
  std::vector<std::uint64_t> counts(cells.size());
  for (std::uint64_t i = 0; i < draws; ++i) ++counts[cells.cell_of(draw())];
  return counts;
}

}  // namespace lazygumbel::testing
