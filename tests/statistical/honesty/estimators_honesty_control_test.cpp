#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/estimation/detail/head_tail.hpp>
#include <lazygumbel/estimation/detail/ratio_sums.hpp>
#include <lazygumbel/estimation/normal_quantile.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>

#include "estimator_families.hpp"
#include "honesty.hpp"

// The rules that estimators_honesty_test.cpp is there to refuse: errors by the central limit
// theorem alone, of what the draws met, on the same data. Sampling stops when that is below the
// target.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t items = 20'000, estimates = 200;

/// How often E f by such a rule misses a relative target of epsilon while it says that it is met.
template <class Index, class F>
HonestyCount naive_expectations(const Index& index, const Vector<float>& theta, const F& f,
                                double truth, double epsilon, double delta) {
  HonestyCount count;
  for (std::size_t run = 0; run < estimates; ++run) {
    PhiloxEngine engine(3, run);
    const HeadTail<Index> parts(index, theta, default_k(index));
    lazygumbel::detail::RatioSums<> sums;
    const auto column = [&](item_id id) { return Vector<double>::Constant(1, f(id)).eval(); };
    for (std::size_t i = 0; i < parts.head().ids.size(); ++i)
      sums.add_head(parts.head().ids[i], parts.head().scores[i], column(parts.head().ids[i]));
    double error = infinity, value = 0.0;
    for (std::size_t draws = 64; draws <= items / 8; draws *= 2) {
      parts.sample_tail(draws - sums.count(), engine, [&](item_id id, double y, double weight) {
        sums.add_tail(id, y + weight, column(id));
      });
      value = sums.mean()[0];
      error = normal_quantile(1.0 - delta / 2.0) * sums.standard_error()[0];
      if (error <= epsilon * std::abs(value)) break;
    }
    const bool met = error <= epsilon * std::abs(value);
    count.add(met, std::abs(value - truth) > epsilon * std::abs(value),
              std::abs(value - truth) > error, false);
  }
  return count;
}

TEST(EstimatorsHonestyControl, ValuesThatNoDrawMet) {
  const ScalarQuantizedIndex<float> index(gaussian_rows<float>(items, 16, 1));
  const Vector<float> theta = gaussian_query<float>(16, 2) * 0.05F;
  const auto check = [&](const std::vector<double>& values) {
    double sum = 0.0, z = 0.0;
    for (item_id i = 0; i < items; ++i) {
      const double w = std::exp(index.score(theta, i));
      sum += w * values[i];
      z += w;
    }
    return naive_expectations(
        index, theta, [&](item_id id) { return values[id]; }, sum / z, 0.1, 0.1);
  };
  for (const auto& values : {rare_values(items, 200, 1.0), lone_values(items, 40, 100.0)}) {
    const HonestyCount count = check(values);
    EXPECT_FALSE(keeps_its_word(count, 0.1)) << text_of(count);
    EXPECT_FALSE(reports_hold(count, 0.1)) << text_of(count);
  }
  std::vector<double> ordinary(items);
  for (std::size_t i = 0; i < items; ++i) ordinary[i] = 2.0 + std::sin(static_cast<double>(i));
  EXPECT_TRUE(keeps_its_word(check(ordinary), 0.1));
}

TEST(EstimatorsHonestyControl, RowsThatTheirCodesHide) {
  for (const double share : {0.02, 0.04}) {
    const AlignedRows data = aligned_rows(items, 64, 3.0F, 15, share, 11);
    const ScalarQuantizedIndex<float> index(data.rows);
    const double truth = log_sum_exp(std::span<const double>(scores_of(index, data.theta)));
    HonestyCount count;
    for (std::size_t run = 0; run < estimates; ++run) {
      PhiloxEngine engine(3, run);
      const HeadTail<ScalarQuantizedIndex<float>> parts(index, data.theta, default_k(index));
      double head = 0.0, sum = 0.0, squares = 0.0, count_so_far = 0.0, z = 0.0, error = infinity;
      for (const double y : parts.head().scores) head += std::exp(y - truth);
      for (double draws = 64.0; draws <= 2500.0 && error > 0.01; draws *= 1.25) {
        const auto more = static_cast<std::size_t>(draws - count_so_far);
        parts.sample_tail(more, engine, [&](item_id, double y, double weight) {
          const double w = std::exp(y + weight - truth);
          sum += w;
          squares += w * w;
        });
        count_so_far += static_cast<double>(more);
        const double variance = (squares - sum * sum / count_so_far) / (count_so_far - 1.0);
        z = head + sum / count_so_far;
        error = 1.96 * std::sqrt(variance / count_so_far) / z;
      }
      count.add(error <= 0.01, std::abs(z - 1.0) > 0.01 * z, std::abs(z - 1.0) > error * z, false);
    }
    EXPECT_FALSE(keeps_its_word(count, 0.05)) << share << ": " << text_of(count);
    EXPECT_FALSE(reports_hold(count, 0.05)) << share << ": " << text_of(count);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
