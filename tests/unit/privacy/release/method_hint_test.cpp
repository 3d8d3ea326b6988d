#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/release/method_hint.hpp>
#include <string>

#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

constexpr double adult_records = 48842;

MethodHint pure_hint(std::size_t cells, std::size_t queries, double epsilon,
                     double records = adult_records) {
  return method_hint({cells, queries, records}, Accountant::pure, epsilon);
}

void expect_within(double factor, double predicted, double measured) {
  EXPECT_LE(predicted, measured * factor);
  EXPECT_GE(predicted, measured / factor);
}

// Measured on the Adult data, replace_one, boxes. The decisions are what the hint is for.
TEST(MethodHint, AnchorDecisions) {
  EXPECT_EQ(pure_hint(2880, 100000, 1.0).preferred, ReleaseMethod::identity);
  EXPECT_EQ(pure_hint(2880, 100000, 3.0).preferred, ReleaseMethod::identity);
  EXPECT_EQ(pure_hint(2880, 100000, 0.3).preferred, ReleaseMethod::identity);
  for (const double epsilon : {0.03, 0.01, 0.003, 1e-6})
    EXPECT_EQ(pure_hint(2880, 100000, epsilon).preferred, ReleaseMethod::mwem) << epsilon;
  EXPECT_EQ(pure_hint(100800, 100000, 1.0).preferred, ReleaseMethod::mwem);
  EXPECT_EQ(pure_hint(480, 2000, 0.1).preferred, ReleaseMethod::identity);
  EXPECT_EQ(pure_hint(2880, 20000, 0.1).preferred, ReleaseMethod::identity);
  EXPECT_EQ(pure_hint(2880, 2000, 1.0, 5000).preferred, ReleaseMethod::identity);
  EXPECT_EQ(pure_hint(2880, 2000, 0.1, 5000).preferred, ReleaseMethod::mwem);
  // rho = .02436 is (1, 1e-6).
  EXPECT_EQ(method_hint({2880, 10000, adult_records}, Accountant::zcdp, 0.02436).preferred,
            ReleaseMethod::mwem);
  EXPECT_EQ(method_hint({480, 2000, adult_records}, Accountant::zcdp, 0.02436).preferred,
            ReleaseMethod::identity);
}

TEST(MethodHint, AnchorErrorsWithinAFactorOfTwo) {
  expect_within(2, pure_hint(2880, 10000, 1.0).identity_error, .0094);
  expect_within(2, pure_hint(100800, 100000, 1.0).identity_error, .104);
  expect_within(2, pure_hint(2880, 100000, 1.0).mwem_error, .0289);
  expect_within(2, pure_hint(100800, 100000, 1.0).mwem_error, .055);
  expect_within(2, method_hint({2880, 10000, adult_records}, Accountant::zcdp, 0.02436).mwem_error,
                .0090);
  // 2,000 boxes; the best of T = 5 .. 200.
  expect_within(2, pure_hint(2880, 2000, 0.1).identity_error, .0512);
  expect_within(2, pure_hint(2880, 2000, 0.1).mwem_error, .105);
  expect_within(2, pure_hint(2880, 2000, 1.0, 5000).identity_error, .0542);
  expect_within(2, pure_hint(2880, 2000, 1.0, 5000).mwem_error, .0992);
  expect_within(2, pure_hint(480, 2000, 1.0).identity_error, .0018);
  expect_within(2, pure_hint(480, 2000, 1.0).mwem_error, .0251);
  expect_within(2, pure_hint(100800, 500, 1.0).mwem_error, .0289);
  const MethodHint rho = method_hint({2880, 2000, adult_records}, Accountant::zcdp, 0.000321041);
  expect_within(2, rho.identity_error, .0938);
  expect_within(2, rho.mwem_error, .0438);
}

TEST(MethodHint, ErrorsFallWithRecordsAndBudgetAndStayBelowAHalf) {
  for (const Accountant accountant : {Accountant::pure, Accountant::zcdp})
    for (const Neighbours neighbours : {Neighbours::replace_one, Neighbours::add_remove}) {
      MethodHint before{0.5, 0.5};
      for (const double amount : {1e-300, 1e-9, 1e-3, 1.0, 1e3, 1e9, 1e300}) {
        const auto hint = method_hint({2880, 1000, 1000, neighbours}, accountant, amount);
        EXPECT_LE(hint.identity_error, before.identity_error);
        EXPECT_LE(hint.mwem_error, before.mwem_error);
        EXPECT_GE(hint.identity_error, 0.0);
        EXPECT_GE(hint.mwem_error, 0.0);
        before = hint;
        const auto more = method_hint({2880, 1000, 1e6, neighbours}, accountant, amount);
        EXPECT_LE(more.identity_error, hint.identity_error);
        EXPECT_LE(more.mwem_error, hint.mwem_error);
      }
    }
}

TEST(MethodHint, AddRemoveHasHalfTheNoiseUnderPureAndLessUnderZcdp) {
  const auto identity = [](Neighbours neighbours, Accountant accountant) {
    return method_hint({100, 100, 1e9, neighbours}, accountant, 1.0).identity_error;
  };
  EXPECT_NEAR(identity(Neighbours::replace_one, Accountant::pure) /
                  identity(Neighbours::add_remove, Accountant::pure),
              2.0, 1e-6);
  EXPECT_NEAR(identity(Neighbours::replace_one, Accountant::zcdp) /
                  identity(Neighbours::add_remove, Accountant::zcdp),
              std::sqrt(2.0), 1e-6);
}

TEST(MethodHint, OfABudgetIsOfWhatRemains) {
  Budget budget = Budget::approximate(1.0, 1e-6);
  budget.spend("something", budget.share(0.5));
  const PublicNumbers numbers{2880, 10000, adult_records};
  const MethodHint hint = method_hint(numbers, budget);
  const MethodHint expected = method_hint(numbers, Accountant::zcdp, budget.remaining());
  EXPECT_EQ(hint.identity_error, expected.identity_error);
  EXPECT_EQ(hint.mwem_error, expected.mwem_error);
}

TEST(MethodHint, Names) {
  EXPECT_STREQ(name_of(ReleaseMethod::identity), "identity");
  EXPECT_STREQ(name_of(ReleaseMethod::mwem), "mwem");
}

TEST(MethodHint, Refusals) {
  const auto refusal = [](std::size_t cells, std::size_t queries, double records, double amount) {
    return message_of<std::invalid_argument>([&] {
      method_hint({cells, queries, records}, Accountant::pure, amount);
    });
  };
  EXPECT_EQ(refusal(0, 1, 1, 1), "lazygumbel: cells = 0: must be at least 1");
  EXPECT_EQ(refusal(1, 0, 1, 1), "lazygumbel: queries = 0: must be at least 1");
  EXPECT_EQ(refusal(1, 1, 0, 1), "lazygumbel: records = 0: must lie in [1, 1e300]");
  EXPECT_EQ(refusal(1, 1, std::nan(""), 1), "lazygumbel: records = nan: must lie in [1, 1e300]");
  EXPECT_EQ(refusal(1, 1, infinity, 1), "lazygumbel: records = inf: must lie in [1, 1e300]");
  EXPECT_NE(refusal(1, 1, 1, 0).find("amount = 0"), std::string::npos);
  EXPECT_NE(refusal(1, 1, 1, std::nan("")).find("amount = nan"), std::string::npos);
}

}  // namespace
}  // namespace lazygumbel::testing
