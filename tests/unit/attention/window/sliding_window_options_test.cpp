#include <gtest/gtest.h>

#include <lazygumbel/attention/window/sliding_window_options.hpp>
#include <limits>
#include <stdexcept>

#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

TEST(SlidingWindowOptions, PlainWindowAtFirst) {
  const SlidingWindowOptions options;
  EXPECT_EQ(options.window, 4096u);
  EXPECT_EQ(options.residual_logit, -infinity);
  EXPECT_EQ(options, (SlidingWindowOptions{.window = 4096}));
  EXPECT_NE(options, (SlidingWindowOptions{.window = 4095}));
  EXPECT_NE(options, (SlidingWindowOptions{.residual_logit = 0.0}));
}

TEST(SlidingWindowOptions, Range) {
  const auto says = [](std::size_t window, double logit) {
    return message_of<std::invalid_argument>([&] {
      lazygumbel::detail::require_sliding_window({window, logit});
    });
  };
  const char* const none = "(nothing was thrown)";
  EXPECT_EQ(says(1, 0.0), none);
  EXPECT_EQ(says((std::numeric_limits<std::size_t>::max)(), -1e300), none);
  EXPECT_EQ(says(3, -infinity), none);
  EXPECT_EQ(says(3, 1e8), none);
  EXPECT_EQ(says(0, 0.0), "lazygumbel: window = 0: must be at least 1");
  const std::string must = ": must be at most 1e8, or -infinity for none";
  EXPECT_EQ(says(3, infinity), "lazygumbel: residual_logit = inf" + must);
  EXPECT_EQ(says(3, 2e8), "lazygumbel: residual_logit = 2e+08" + must);
  EXPECT_EQ(says(3, std::numeric_limits<double>::quiet_NaN()),
            "lazygumbel: residual_logit = nan" + must);
}

}  // namespace
}  // namespace lazygumbel::testing
