#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/accounting/detail/rounding.hpp>
#include <limits>
#include <message_of.hpp>

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::accepted_below;

TEST(AcceptedBelow, KeepsAGuessThatIsAccepted) {
  EXPECT_EQ(accepted_below(3.0, [](double) { return true; }), 3.0);
}

TEST(AcceptedBelow, StaysNearTheLargestThatIsAccepted) {
  for (const double gap : {0x1p-53, 1e-12, 1e-3, 0.5}) {
    const double limit = 1.0 - gap;
    const double found = accepted_below(1.0, [&](double x) { return x <= limit; });
    EXPECT_LE(found, limit);
    EXPECT_GE(found, 1.0 - 4.0 * gap) << gap;
  }
}

TEST(AcceptedBelow, EndsAtZero) {
  int calls = 0;
  const auto never = [&](double) { return ++calls, false; };
  EXPECT_EQ(accepted_below(1.0, never), 0.0);
  EXPECT_LT(calls, 60);
  EXPECT_EQ(accepted_below(1e300, never), 0.0);
  EXPECT_EQ(accepted_below(std::numeric_limits<double>::denorm_min(), never), 0.0);
  EXPECT_EQ(accepted_below(0.0, never), 0.0);
  EXPECT_EQ(accepted_below(-1.0, never), 0.0);
}

TEST(Rounding, RefusesWhatIsNoAmount) {
  const auto positive = [](double x) {
    return message_of<std::invalid_argument>([&] { lazygumbel::detail::require_positive("x", x); });
  };
  EXPECT_EQ(positive(0.0), "lazygumbel: x = 0: must lie in (0, 1e300]");
  EXPECT_EQ(positive(std::nan("")), "lazygumbel: x = nan: must lie in (0, 1e300]");
  EXPECT_EQ(positive(1e301), "lazygumbel: x = 1e+301: must lie in (0, 1e300]");
  EXPECT_EQ(positive(1e300), "(nothing was thrown)");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [] { lazygumbel::detail::require_not_negative("x", -1.0); }),
            "lazygumbel: x = -1: must lie in [0, 1e300]");
}

}  // namespace
}  // namespace lazygumbel::testing
