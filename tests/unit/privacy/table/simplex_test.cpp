#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <lazygumbel/privacy/table/simplex.hpp>
#include <lazygumbel/random/gumbel.hpp>
#include <lazygumbel/random/philox.hpp>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "message_of.hpp"
#include "non_finite.hpp"
#include "sum_of.hpp"

namespace lazygumbel::testing {
namespace {

using Values = std::vector<double>;

Values simplex_projection(Values v, double total) {
  project_to_simplex(v, total);
  return v;
}

/// The textbook algorithm: sort, then take the largest support that is consistent.
Values by_sorting(Values v, double total) {
  Values sorted = v;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  long double sum = 0.0L, tau = 0.0L;
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    sum += sorted[k];
    const long double candidate = (sum - total) / static_cast<long double>(k + 1);
    if (static_cast<long double>(sorted[k]) > candidate) tau = candidate;
  }
  for (double& x : v) x = static_cast<double>(std::max(x - tau, 0.0L));
  return v;
}

/// w is the projection of v if and only if w >= 0 has the sum `total` and there is a tau with
/// v_i - w_i = tau where w_i > 0 and v_i <= tau where w_i = 0.
void expect_kkt(const Values& v, const Values& w, double total, double tolerance) {
  double low = std::numeric_limits<double>::infinity(), high = -low, zero = -low;
  for (std::size_t i = 0; i < v.size(); ++i) {
    ASSERT_GE(w[i], 0.0);
    if (w[i] > 0.0) {
      low = std::min(low, v[i] - w[i]);
      high = std::max(high, v[i] - w[i]);
    } else {
      zero = std::max(zero, v[i]);
    }
  }
  ASSERT_LE(high - low, tolerance);
  ASSERT_LE(zero, low + tolerance);
  ASSERT_NEAR(sum_of(w), total, tolerance * static_cast<double>(v.size()));
}

TEST(Simplex, KnownProjections) {
  EXPECT_EQ(simplex_projection({3, 1, -1}, 2), (Values{2, 0, 0}));
  EXPECT_EQ(simplex_projection({3, 2, -1}, 2), (Values{1.5, 0.5, 0}));
  EXPECT_EQ(simplex_projection({0, 0, 0, 0}, 2), (Values{0.5, 0.5, 0.5, 0.5}));
  EXPECT_EQ(simplex_projection({1, 2, 3}, 9), (Values{2, 3, 4}));
  EXPECT_EQ(simplex_projection({-7}, 3), (Values{3}));
  EXPECT_EQ(simplex_projection({1, 5, 5}, 2), (Values{0, 1, 1}));
  EXPECT_EQ(simplex_projection({0.25, 0.75}, 1), (Values{0.25, 0.75}))
      << "a point of the simplex stays";
  EXPECT_EQ(simplex_projection({4, -2, 1}, 0), (Values{0, 0, 0}));
  EXPECT_EQ(simplex_projection({-2, -2}, 0), (Values{0, 0}));
}

TEST(Simplex, FulfilsTheConditionsOfOptimality) {
  PhiloxEngine engine(1);
  for (int trial = 0; trial < 2000; ++trial) {
    const std::size_t n = 1 + uniform_index(40, engine);
    const double scale = std::exp(10.0 * open_uniform(engine) - 5.0);
    const double total = std::exp(10.0 * open_uniform(engine) - 5.0);
    Values v(n);
    for (double& x : v) {
      x = scale * (open_uniform(engine) < 0.5 ? -1 : 1) * standard_exponential(engine);
      if (trial % 3 == 0) x = std::round(x);  // many ties
      if (trial % 5 == 0) x += 1e3;
    }
    const Values w = simplex_projection(v, total);
    const double tolerance = 1e-14 * (total + 1e3 + 10 * scale);
    ASSERT_NO_FATAL_FAILURE(expect_kkt(v, w, total, tolerance)) << trial;
    const Values expected = by_sorting(v, total);
    for (std::size_t i = 0; i < n; ++i) ASSERT_NEAR(w[i], expected[i], tolerance * 10) << trial;
  }
}

TEST(Simplex, ManyValues) {
  PhiloxEngine engine(2);
  Values v(200000);
  for (double& x : v) x = 2.0 * (standard_exponential(engine) - standard_exponential(engine));
  for (std::size_t i = 0; i < 1000; ++i) v[i * 7] += 50;
  const Values w = simplex_projection(v, 50000);
  expect_kkt(v, w, 50000, 1e-10);
  EXPECT_NEAR(sum_of(w), 50000, 1e-6);
  const Values expected = by_sorting(v, 50000);
  for (std::size_t i = 0; i < v.size(); ++i) ASSERT_NEAR(w[i], expected[i], 1e-9);
}

TEST(Simplex, ACommonOffsetChangesNothing) {
  const Values v{3, 2, -1, 2.5};
  Values shifted = v;
  for (double& x : shifted) x += 0x1p50;
  EXPECT_EQ(simplex_projection(shifted, 2), simplex_projection(v, 2));
}

TEST(Simplex, ExtremeValues) {
  const double huge = std::numeric_limits<double>::max();
  EXPECT_EQ(simplex_projection({huge, -huge}, 1), (Values{1, 0}));
  EXPECT_EQ(simplex_projection({-huge, -huge}, 1), (Values{0.5, 0.5}));
  EXPECT_EQ(simplex_projection({0, 0}, 5e-324)[0], simplex_projection({0, 0}, 5e-324)[1]);
  EXPECT_EQ(simplex_projection({1, 0}, 5e-324), (Values{5e-324, 0}));
  EXPECT_EQ(simplex_projection({1, -1}, huge / 2), (Values{huge / 4, huge / 4}));
  EXPECT_EQ(simplex_projection({huge / 4, -huge / 4, -huge / 8}, huge / 3)[1], 0);
}

TEST(Simplex, Refusals) {
  EXPECT_EQ(refusal([] { simplex_projection({}, 1); }),
            "lazygumbel: values.size() = 0: must be at least 1");
  EXPECT_EQ(
      refusal([] { simplex_projection({1}, -1); }),
      "lazygumbel: total = -1: must be finite and not negative, and must not overflow when summed");
  EXPECT_EQ(refusal([] { simplex_projection({1}, std::nan("")); }),
            "lazygumbel: total = nan: must be finite and not negative, and must not overflow when "
            "summed");
  EXPECT_EQ(refusal([] { simplex_projection({1}, infinity); }),
            "lazygumbel: total = inf: must be finite and not negative, and must not overflow when "
            "summed");
  EXPECT_EQ(refusal([] {
              simplex_projection({1, infinity}, 1);
            }),
            "lazygumbel: values[1] = inf: must be finite");
  EXPECT_EQ(refusal([] {
              simplex_projection({std::nan(""), 1}, 1);
            }),
            "lazygumbel: values[0] = nan: must be finite");
}

}  // namespace
}  // namespace lazygumbel::testing
