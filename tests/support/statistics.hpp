#pragma once

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_chi_squared.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <numeric>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

/// \file
/// Goodness-of-fit tests as p-values, and the power that they have. Every function returns the
/// probability, under the null law, of data at least as far off as those seen; tests/statistical/
/// statistics_test.cpp tests the tests.

namespace lazygumbel::testing {

/// Cells expected fewer times than this are pooled. At a p-value of 1e-6 the chi-square law is then
/// right to within a small factor even when one such cell makes the whole difference.
inline constexpr double smallest_expected_count = 25.0;

namespace detail {

/// P(chi-square with `degrees` > statistic), accurate far into the tail. No degrees: nothing
/// tested.
inline double chi_square_tail(double statistic, double degrees) {
  if (degrees < 1.0) return 1.0;
  return statistic > 0.0 ? boost::math::gamma_q(0.5 * degrees, 0.5 * statistic) : 1.0;
}

/// The cells in falling order of `weight`, cut into groups: each large cell alone, the small ones
/// pooled (with the last large one when the pool itself stays small).
inline std::vector<std::vector<std::size_t>> pooled_cells(const std::vector<double>& weight) {
  std::vector<std::size_t> order(weight.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return weight[a] > weight[b]; });
  std::vector<std::vector<std::size_t>> groups;
  std::vector<std::size_t> pool;
  double pooled = 0.0;
  for (const std::size_t cell : order) {
    if (weight[cell] >= smallest_expected_count) {
      groups.push_back({cell});
    } else {
      pool.push_back(cell);
      pooled += weight[cell];
      if (pooled >= smallest_expected_count) {
        groups.push_back(std::exchange(pool, {}));
        pooled = 0.0;
      }
    }
  }
  if (!pool.empty() && groups.empty()) groups.push_back({});
  if (!pool.empty()) groups.back().insert(groups.back().end(), pool.begin(), pool.end());
  return groups;
}

}  // namespace detail

/// Pearson's chi-square test of `counts` against cell probabilities that sum to 1 (to 1e-6). A
/// count in a cell of probability 0 is impossible: the answer is then 0. Throws
/// std::invalid_argument when the sizes differ or the probabilities are not a law.
inline double chi_square_p_value(std::span<const std::uint64_t> counts,
                                 std::span<const double> probabilities) {
  if (counts.size() != probabilities.size()) throw std::invalid_argument("sizes differ");
  double total = 0.0, sum = 0.0;
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (!(probabilities[i] >= 0.0)) throw std::invalid_argument("negative probability");
    if (probabilities[i] == 0.0 && counts[i] > 0) return 0.0;
    n += counts[i];
    sum += probabilities[i];
  }
  total = static_cast<double>(n);
  if (!(std::abs(sum - 1.0) < 1e-6)) throw std::invalid_argument("probabilities do not sum to 1");
  std::vector<double> expected;
  for (const double p : probabilities) expected.push_back(total * p);
  double statistic = 0.0;
  const auto groups = detail::pooled_cells(expected);
  for (const auto& group : groups) {
    double seen = 0.0, wanted = 0.0;
    for (const std::size_t cell : group)
      seen += static_cast<double>(counts[cell]), wanted += expected[cell];
    if (wanted > 0.0) statistic += (seen - wanted) * (seen - wanted) / wanted;
  }
  return detail::chi_square_tail(statistic, static_cast<double>(groups.size()) - 1.0);
}

/// Chi-square test that two samples (their cell counts) come from one law, whatever it is.
inline double two_sample_p_value(std::span<const std::uint64_t> a,
                                 std::span<const std::uint64_t> b) {
  if (a.size() != b.size()) throw std::invalid_argument("sizes differ");
  const auto sum = [](std::span<const std::uint64_t> x) {
    return static_cast<double>(std::accumulate(x.begin(), x.end(), std::uint64_t{0}));
  };
  const double n = sum(a), m = sum(b);
  if (n == 0.0 || m == 0.0) throw std::invalid_argument("an empty sample");
  std::vector<double> smaller;  // the smaller of the two expected counts
  for (std::size_t i = 0; i < a.size(); ++i)
    smaller.push_back(static_cast<double>(a[i] + b[i]) * std::min(n, m) / (n + m));
  double statistic = 0.0;
  const auto groups = detail::pooled_cells(smaller);
  for (const auto& group : groups) {
    double x = 0.0, y = 0.0;
    for (const std::size_t cell : group)
      x += static_cast<double>(a[cell]), y += static_cast<double>(b[cell]);
    const double difference = std::sqrt(m / n) * x - std::sqrt(n / m) * y;
    if (x + y > 0.0) statistic += difference * difference / (x + y);
  }
  return detail::chi_square_tail(statistic, static_cast<double>(groups.size()) - 1.0);
}

/// One-sample Kolmogorov-Smirnov test of `sample` (any order) against a continuous cdf.
/// Limit law with Stephens' (1970) correction for finite samples; meant for 100 or more values.
template <class Cdf>
double kolmogorov_smirnov_p_value(std::vector<double> sample, Cdf&& cdf) {
  if (sample.empty()) throw std::invalid_argument("an empty sample");
  std::sort(sample.begin(), sample.end());
  const double n = static_cast<double>(sample.size());
  double distance = 0.0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double f = cdf(sample[i]);
    if (!(f >= 0.0 && f <= 1.0)) throw std::invalid_argument("cdf outside [0, 1]");
    distance = std::max(
        {distance, f - static_cast<double>(i) / n, (static_cast<double>(i) + 1.0) / n - f});
  }
  const double x = (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)) * distance;
  if (x < 0.2) return 1.0;  // below 1e-12 away from 1, where the series converges slowly
  double tail = 0.0;
  for (int k = 1; k <= 100; ++k) tail += (k % 2 == 1 ? 2.0 : -2.0) * std::exp(-2.0 * k * k * x * x);
  return std::clamp(tail, 0.0, 1.0);
}

/// P(|standard normal| > |z|).
inline double z_test_p_value(double z) { return std::erfc(std::abs(z) / std::numbers::sqrt2); }

/// P(Binomial(trials, p) >= successes): small when there are too many.
inline double binomial_at_least(std::uint64_t successes, std::uint64_t trials, double p) {
  if (successes == 0) return 1.0;
  const boost::math::binomial_distribution<double> law(static_cast<double>(trials), p);
  return boost::math::cdf(boost::math::complement(law, static_cast<double>(successes) - 1.0));
}

/// P(Binomial(trials, p) <= successes): small when there are too few.
inline double binomial_at_most(std::uint64_t successes, std::uint64_t trials, double p) {
  const boost::math::binomial_distribution<double> law(static_cast<double>(trials), p);
  return boost::math::cdf(law, static_cast<double>(successes));
}

/// Mean and unbiased variance.
inline std::pair<double, double> mean_and_variance(std::span<const double> values) {
  double mean = 0.0, squares = 0.0, count = 0.0;
  for (const double x : values) {
    const double delta = x - mean;
    mean += delta / (count += 1.0);
    squares += delta * (x - mean);
  }
  return {mean, squares / (count - 1.0)};
}

/// z-score of the mean of independent values against `expected`.
inline double z_of_mean(std::span<const double> values, double expected) {
  const auto [mean, variance] = mean_and_variance(values);
  return (mean - expected) / std::sqrt(variance / static_cast<double>(values.size()));
}

// Power of the chi-square test.

/// The power of the chi-square test with `draws` draws and rejection below `threshold` when the
/// law is `truth` instead of `null` (both over the same cells): P(noncentral chi-square with
/// noncentrality draws sum (truth - null)^2 / null > critical value). Cells are not pooled here.
inline double chi_square_power(double draws, std::span<const double> null,
                               std::span<const double> truth, double threshold = 1e-6) {
  double noncentrality = 0.0, degrees = -1.0;
  for (std::size_t i = 0; i < null.size(); ++i) {
    if (null[i] == 0.0) {
      if (truth[i] > 0.0) return 1.0;
      continue;
    }
    degrees += 1.0;
    noncentrality += draws * (truth[i] - null[i]) * (truth[i] - null[i]) / null[i];
  }
  if (degrees < 1.0) return threshold;
  const double critical = boost::math::quantile(
      boost::math::complement(boost::math::chi_squared_distribution<double>(degrees), threshold));
  if (noncentrality > 20.0 * (critical + degrees)) return 1.0;
  return boost::math::cdf(boost::math::complement(
      boost::math::non_central_chi_squared_distribution<double>(degrees, noncentrality), critical));
}

/// The smallest w = sqrt(sum_i (q_i - p_i)^2 / p_i), the root mean square relative error of the
/// cell probabilities, that the test over `cells` cells rejects with probability `power`. The total
/// variation distance of such a law is at most w / 2.
inline double smallest_defect(std::size_t cells, double draws, double threshold = 1e-6,
                              double power = 0.9) {
  const double degrees = static_cast<double>(cells) - 1.0;
  const double critical = boost::math::quantile(
      boost::math::complement(boost::math::chi_squared_distribution<double>(degrees), threshold));
  double low = 0.0, high = 4.0 * (critical + degrees);
  for (int step = 0; step < 60; ++step) {
    const double middle = 0.5 * (low + high);
    const boost::math::non_central_chi_squared_distribution<double> law(degrees, middle);
    (boost::math::cdf(boost::math::complement(law, critical)) < power ? low : high) = middle;
  }
  return std::sqrt(high / draws);
}

/// The smallest Kolmogorov distance that `draws` values reveal with probability at least 0.9 at
/// p < `threshold`: critical distance plus the 0.9 quantile of one cdf value's own noise (<= 0.5 /
/// sqrt n).
inline double smallest_kolmogorov_distance(double draws, double threshold = 1e-6) {
  return (std::sqrt(0.5 * std::log(2.0 / threshold)) + 1.2816 * 0.5) / std::sqrt(draws);
}

}  // namespace lazygumbel::testing
