#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/release/mwem_options.hpp>
#include <string>
#include <utility>

#include "message_of.hpp"
#include "neighbour_relations.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::require_options;

TEST(MwemOptions, RoundsOfTheAdultTable) {
  const auto pure = mwem_rounds(2'880, 100'000, 48'842, Accountant::pure, 1.0);
  const auto rho = mwem_rounds(2'880, 100'000, 48'842, Accountant::zcdp, 0.02436);
  EXPECT_NEAR(static_cast<double>(pure), 50.0, 1.0);
  EXPECT_NEAR(static_cast<double>(rho), 200.0, 4.0);
}

TEST(MwemOptions, RoundsGrowWithRecordsAndBudget) {
  for (const Accountant accountant : {Accountant::pure, Accountant::zcdp}) {
    EXPECT_LE(mwem_rounds(100, 1'000, 1e3, accountant, 0.1),
              mwem_rounds(100, 1'000, 1e4, accountant, 0.1));
    EXPECT_LE(mwem_rounds(100, 1'000, 1e3, accountant, 0.1),
              mwem_rounds(100, 1'000, 1e3, accountant, 1.0));
    EXPECT_EQ(mwem_rounds(1, 1, 1.0, accountant, 1e-9), 1U);
    EXPECT_EQ(mwem_rounds(1, 1, 1.0, accountant, 1e9), 1'000U);
    EXPECT_EQ(mwem_rounds(100, 10, 1e300, accountant, 1e300), 1'000U);
  }
}

TEST(MwemOptions, RefusalsOfRounds) {
  const auto refusal = [](double total, double budget) {
    return message_of<std::invalid_argument>(
        [&] { mwem_rounds(2, 2, total, Accountant::pure, budget); });
  };
  EXPECT_EQ(refusal(0.0, 1.0), "lazygumbel: total = 0: must lie in (0, 1e300]");
  EXPECT_EQ(refusal(1.0, std::nan("")), "lazygumbel: budget = nan: must lie in (0, 1e300]");
  EXPECT_EQ(refusal(1.0, -1.0), "lazygumbel: budget = -1: must lie in (0, 1e300]");
}

// Noise of sqrt(n) / 4: T = sqrt(n) epsilon / (8 sqrt(2) D) and n rho / (16 D).
TEST(MwemOptions, RoundsOfGroups) {
  const double adult = 48'842;
  EXPECT_EQ(group_mwem_rounds(56, adult, Accountant::pure, 1.0, replaced), 10U);
  EXPECT_EQ(group_mwem_rounds(56, adult, Accountant::pure, 1.0, added), 20U);
  EXPECT_EQ(group_mwem_rounds(56, adult, Accountant::pure, 0.1, replaced), 1U);
  EXPECT_EQ(group_mwem_rounds(56, adult, Accountant::zcdp, 0.02436, replaced), 37U);
  EXPECT_EQ(group_mwem_rounds(100, adult, Accountant::zcdp, 0.02436, added), 74U);
  for (const Accountant accountant : {Accountant::pure, Accountant::zcdp}) {
    EXPECT_EQ(group_mwem_rounds(56, adult, accountant, 1e3, replaced), 56U);  // all groups
    EXPECT_EQ(group_mwem_rounds(1, adult, accountant, 1.0, replaced), 1U);
    EXPECT_EQ(group_mwem_rounds(56, 1.0, accountant, 1e-300, added), 1U);
    EXPECT_EQ(group_mwem_rounds(56, 1e300, accountant, 1e300, added), 56U);
  }
  const auto refusal = [](double total, double budget) {
    return message_of<std::invalid_argument>(
        [&] { group_mwem_rounds(2, total, Accountant::pure, budget, Neighbours::replace_one); });
  };
  EXPECT_EQ(refusal(0.0, 1.0), "lazygumbel: total = 0: must lie in (0, 1e300]");
  EXPECT_EQ(refusal(std::nan(""), 1.0), "lazygumbel: total = nan: must lie in (0, 1e300]");
  EXPECT_EQ(refusal(1.0, HUGE_VAL), "lazygumbel: budget = inf: must lie in (0, 1e300]");
}

TEST(MwemOptions, Refusals) {
  const auto refusal = [](const MwemOptions& options) {
    return message_of<std::invalid_argument>([&] { require_options(options); });
  };
  EXPECT_NO_THROW(require_options(MwemOptions{}));
  for (const auto& [value, text] :
       {std::pair{0.0, "0"}, {1.0, "1"}, {-1.0, "-1"}, {std::nan(""), "nan"}, {HUGE_VAL, "inf"}}) {
    const std::string rest = std::string(" = ") + text + ": must lie in (0, 1)";
    EXPECT_EQ(refusal({.selection_share = value}), "lazygumbel: selection_share" + rest);
    EXPECT_EQ(refusal({.total_share = value}), "lazygumbel: total_share" + rest);
    EXPECT_EQ(refusal({.grid_share = value}), "lazygumbel: grid_share" + rest);
  }
  EXPECT_NO_THROW(require_options(MwemOptions{.rounds = 100'000}));
  EXPECT_EQ(refusal({.rounds = 100'001}), "lazygumbel: rounds = 100001: must be at most 100,000");
}

}  // namespace
}  // namespace lazygumbel::testing
