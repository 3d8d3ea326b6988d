#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/privacy/noise/grid.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <message_of.hpp>

namespace lazygumbel::testing {
namespace {

TEST(Grid, RoundsToItsCells) {
  const Grid unit, quarter(0.25), four(4.0);
  EXPECT_EQ(unit.step(), 1.0);
  EXPECT_EQ(unit.cell_of(2.5), 3);
  EXPECT_EQ(unit.cell_of(-2.5), -3);
  EXPECT_EQ(unit.cell_of(2.4999), 2);
  EXPECT_EQ(unit.cell_of(-0.0), 0);
  EXPECT_EQ(quarter.cell_of(0.3), 1);
  EXPECT_EQ(quarter.value_of(-3), -0.75);
  EXPECT_EQ(four.cell_of(5.9), 1);
  EXPECT_EQ(unit.cell_of(0x1p52), std::int64_t{1} << 52);
  EXPECT_TRUE(quarter.contains(-7.75));
  EXPECT_FALSE(quarter.contains(0.3));
  EXPECT_FALSE(unit.contains(0x1p53));
  EXPECT_FALSE(unit.contains(std::nan("")));
  EXPECT_FALSE(unit.contains(INFINITY));
}

TEST(Grid, RoundingMovesADifferenceByLessThanAStep) {
  lazygumbel::PhiloxEngine engine(1);
  const Grid grid(0.125);
  for (int i = 0; i < 200000; ++i) {
    const double x = 10.0 * lazygumbel::open_uniform(engine) - 5.0;
    const double y = x + 2.0 * lazygumbel::open_uniform(engine) - 1.0;
    ASSERT_LE(std::abs(static_cast<double>(grid.cell_of(x) - grid.cell_of(y))),
              std::floor(std::abs(x - y) / 0.125) + 1.0);
  }
}

TEST(Grid, RefusesOtherSteps) {
  const auto refused = [](double step) {
    return message_of<std::invalid_argument>([&] { Grid grid(step); });
  };
  EXPECT_EQ(refused(0.0), "lazygumbel: step = 0: must be a power of two from 2^-500 to 2^500");
  EXPECT_EQ(refused(0.1), "lazygumbel: step = 0.1: must be a power of two from 2^-500 to 2^500");
  EXPECT_EQ(refused(-1.0), "lazygumbel: step = -1: must be a power of two from 2^-500 to 2^500");
  EXPECT_EQ(refused(3.0), "lazygumbel: step = 3: must be a power of two from 2^-500 to 2^500");
  EXPECT_EQ(refused(INFINITY),
            "lazygumbel: step = inf: must be a power of two from 2^-500 to 2^500");
  EXPECT_EQ(refused(std::nan("")),
            "lazygumbel: step = nan: must be a power of two from 2^-500 to 2^500");
  EXPECT_EQ(refused(0x1p-500), "(nothing was thrown)");
}

TEST(Grid, RefusesAnswersBeyondItsCells) {
  const Grid grid;
  for (const double x : {0x1.0000000000001p52, -1e300, double{INFINITY}, std::nan("")})
    EXPECT_THROW(grid.cell_of(x), std::invalid_argument) << x;
  EXPECT_EQ(message_of<std::invalid_argument>([&] { grid.cell_of(-1e300); }),
            "lazygumbel: x = -1e+300: must be a number within 2^52 steps of the grid");
}

}  // namespace
}  // namespace lazygumbel::testing
