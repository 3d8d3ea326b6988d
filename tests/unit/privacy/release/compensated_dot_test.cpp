#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/release/detail/compensated_dot.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <vector>

namespace lazygumbel::testing {
namespace {

TEST(CompensatedDot, KeepsWhatPlainSumsLose) {
  EXPECT_EQ(lazygumbel::detail::compensated_dot({}, {}), 0.0);
  const std::vector<double> a = {1.0, 1.0 + 0x1p-52, -1.0}, b = {0x1p60, 1.0 - 0x1p-53, 0x1p60};
  EXPECT_EQ(lazygumbel::detail::compensated_dot(a, b), 1.0 + 0x1p-53 - 0x1p-105);
}

// Each product is followed by its opposite but for a multiple of 2^-24: the exact answer is small.
TEST(CompensatedDot, IsExactWhereTheAnswerIsADouble) {
  PhiloxEngine engine(1);
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<double> query, counts;
    double exact = 0.0;
    for (int x = 0; x < 250; ++x) {
      const double q = std::ldexp(static_cast<double>(uniform_index(1U << 24, engine)), -24);
      const auto h = static_cast<double>(uniform_bits(engine) >> 24);
      const auto left = static_cast<double>(uniform_index(100, engine));
      query.insert(query.end(), {q, -q});
      counts.insert(counts.end(), {h + left, h});
      exact += q * left;
    }
    EXPECT_EQ(lazygumbel::detail::compensated_dot(query, counts), exact);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
