#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/lp/constraint_lp_options.hpp>
#include <limits>
#include <stdexcept>
#include <string>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

std::string options_refusal(const ConstraintLpOptions& options) {
  return message_of<std::invalid_argument>([&] { lazygumbel::detail::require_options(options); });
}

constexpr const char* is_accepted = "(nothing was thrown)";

TEST(ConstraintLpOptions, Accepts) {
  EXPECT_EQ(options_refusal({.width = 1.0, .accuracy = 0.1}), is_accepted);
  EXPECT_EQ(options_refusal({.width = 1e-300, .rounds = 1, .density = 1.0}), is_accepted);
  EXPECT_EQ(options_refusal({.neighbours = Neighbours::add_remove,
                             .width = 1.0,
                             .rounds = 10,
                             .density = 2.5,
                             .constraints = 3}),
            is_accepted);
}

TEST(ConstraintLpOptions, NeedsAWidth) {
  for (const double width : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    EXPECT_NE(options_refusal({.width = width, .accuracy = 0.1}).find("width = "),
              std::string::npos);
}

TEST(ConstraintLpOptions, NeedsAnAccuracyOrBothParameters) {
  EXPECT_EQ(options_refusal({.width = 1.0}),
            "lazygumbel: rounds = 0: must lie in [1, 10^7] where no accuracy is given");
  EXPECT_EQ(options_refusal({.width = 1.0, .rounds = 5}),
            "lazygumbel: density = 0: must lie in [1, m] where no accuracy is given");
  EXPECT_EQ(options_refusal({.width = 1.0, .density = 5.0}),
            "lazygumbel: rounds = 0: must lie in [1, 10^7] where no accuracy is given");
  EXPECT_EQ(options_refusal({.width = 1.0, .accuracy = 0.1, .rounds = 5}),
            "lazygumbel: rounds = 5: must be 0 where an accuracy is given");
  EXPECT_EQ(options_refusal({.width = 1.0, .accuracy = 0.1, .density = 5.0}),
            "lazygumbel: density = 5: must be 0 where an accuracy is given");
  EXPECT_EQ(options_refusal({.width = 1.0, .accuracy = -0.1}),
            "lazygumbel: accuracy = -0.1: must lie in (0, 1e300]");
  EXPECT_EQ(options_refusal({.width = 1.0, .accuracy = std::nan("")}),
            "lazygumbel: accuracy = nan: must lie in (0, 1e300]");
  EXPECT_EQ(options_refusal({.width = 1.0, .rounds = 5, .density = 0.5}),
            "lazygumbel: density = 0.5: must lie in [1, m] where no accuracy is given");
}

TEST(ConstraintLpOptions, BetaAndThePublicBound) {
  for (const double beta : {0.0, 1.0, -1.0, std::nan("")})
    EXPECT_NE(options_refusal({.width = 1.0, .accuracy = 0.1, .failure_probability = beta})
                  .find("failure_probability = "),
              std::string::npos);
  EXPECT_EQ(options_refusal({.neighbours = Neighbours::add_remove, .width = 1.0, .accuracy = 0.1}),
            "lazygumbel: constraints = 0: must be a public bound, in [1, 2^53], on their number "
            "under add_remove");
  EXPECT_EQ(options_refusal({.width = 1.0, .accuracy = 0.1, .constraints = 7}),
            "lazygumbel: constraints = 7: must be 0 under replace_one, where their number is "
            "public");
  EXPECT_EQ(options_refusal({.neighbours = Neighbours::add_remove,
                             .width = 1.0,
                             .rounds = 5,
                             .density = 8.0,
                             .constraints = 7}),
            "lazygumbel: density = 8: must be at most constraints = 7");
}

}  // namespace
}  // namespace lazygumbel::testing
