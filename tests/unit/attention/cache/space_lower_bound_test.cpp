#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/attention/cache/space_lower_bound.hpp>
#include <limits>
#include <stdexcept>
#include <string>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

TEST(SpaceLowerBound, CountsEveryTokenInHighDimensions) {
  const SpaceBound bound = space_lower_bound(1'000'000, 64);
  EXPECT_DOUBLE_EQ(bound.bits, 64e6);
  EXPECT_DOUBLE_EQ(bound.bytes(), 8e6);
  EXPECT_EQ(bound.regime, SpaceRegime::every_token);
  // The largest sizes: no overflow.
  constexpr std::size_t most = (std::numeric_limits<std::size_t>::max)();
  EXPECT_DOUBLE_EQ(space_lower_bound(most, most).bits, std::ldexp(1.0, 128));
  EXPECT_EQ(space_lower_bound(1, 1).bits, 1.0);
}

TEST(SpaceLowerBound, CountsDirectionsInLowDimensions) {
  const SpaceBound bound = space_lower_bound(1'000'000, 5);
  EXPECT_DOUBLE_EQ(bound.bits, 5.0 * std::exp(5.0));
  EXPECT_EQ(bound.regime, SpaceRegime::directions);
  EXPECT_EQ(space_lower_bound(100'000'000, 5).bits, bound.bits) << "whatever n";
}

TEST(SpaceLowerBound, ChangesRegimeWhereDimensionIsLogarithmOfTokens) {
  // e^10 = 22026.47
  EXPECT_EQ(space_lower_bound(22026, 10).regime, SpaceRegime::every_token);
  EXPECT_EQ(space_lower_bound(22027, 10).regime, SpaceRegime::directions);
  EXPECT_NEAR(space_lower_bound(22026, 10).bits, space_lower_bound(22027, 10).bits, 10.0);
}

TEST(SpaceLowerBound, CountsTheWindow) {
  const SpaceBound bound = space_lower_bound(1'000'000, 64, 256);
  EXPECT_EQ(bound.bits, 64.0 * 256.0);
  EXPECT_EQ(bound.regime, SpaceRegime::window);
  EXPECT_EQ(space_lower_bound(5'000'000, 64, 256).bits, bound.bits);
  for (const std::size_t window : {100, 1000}) {  // all tokens are in it
    EXPECT_EQ(space_lower_bound(100, 64, window).bits, 6400.0);
    EXPECT_EQ(space_lower_bound(100, 64, window).regime, SpaceRegime::every_token);
  }
  EXPECT_EQ(space_lower_bound(1000, 2, 256).regime, SpaceRegime::directions);
  EXPECT_EQ(space_lower_bound(1000, 2, 256).bits, space_lower_bound(1000, 2).bits);
}

TEST(SpaceLowerBound, NeverFallsWithTokensDimensionsOrWindow) {
  double last = 0.0;
  for (std::size_t d = 1; d < 40; ++d) {
    double of_d = 0.0;
    for (std::size_t n = 1; n < (std::size_t{1} << 30); n = n * 3 + 1) {
      double of_n = 0.0;
      for (std::size_t window = 1; window <= n; window *= 4) {
        const double bits = space_lower_bound(n, d, window).bits;
        EXPECT_GE(bits, of_n);
        of_n = bits;
      }
      EXPECT_GE(space_lower_bound(n, d).bits, of_n);
      EXPECT_GE(space_lower_bound(n, d).bits, of_d);
      of_d = space_lower_bound(n, d).bits;
    }
    EXPECT_GE(of_d, last);
    last = of_d;
  }
}

TEST(SpaceLowerBound, NamesRegimes) {
  EXPECT_EQ(std::string(name_of(SpaceRegime::every_token)), "every_token");
  EXPECT_EQ(std::string(name_of(SpaceRegime::directions)), "directions");
  EXPECT_EQ(std::string(name_of(SpaceRegime::window)), "window");
}

TEST(SpaceLowerBound, NamesWhatIsWrong) {
  using Error = std::invalid_argument;
  EXPECT_EQ(message_of<Error>([] { space_lower_bound(0, 1); }),
            "lazygumbel: n = 0: must be at least 1");
  EXPECT_EQ(message_of<Error>([] { space_lower_bound(1, 0); }),
            "lazygumbel: d = 0: must be at least 1");
  EXPECT_EQ(message_of<Error>([] { space_lower_bound(1, 1, 0); }),
            "lazygumbel: window = 0: must be at least 1");
}

}  // namespace
}  // namespace lazygumbel::testing
