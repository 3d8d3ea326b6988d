#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/accounting/costs.hpp>
#include <message_of.hpp>

namespace lazygumbel::testing {
namespace {

constexpr Accountant pure_accountant = Accountant::pure, zcdp_accountant = Accountant::zcdp;

void expect_just_above(double value, double exact) {
  EXPECT_GE(value, exact);
  EXPECT_LE(value, exact * (1.0 + 1e-14));
}

TEST(Costs, GoldenValues) {
  EXPECT_EQ(exponential_mechanism_cost(pure_accountant, 0.3), 0.3);
  expect_just_above(exponential_mechanism_cost(pure_accountant, 0.5, 0.25), 1.0);
  expect_just_above(exponential_mechanism_cost(zcdp_accountant, 2.0), 0.5);
  expect_just_above(exponential_mechanism_cost(zcdp_accountant, 1.0, 0.25), 0.5);
  EXPECT_EQ(laplace_cost(pure_accountant, 0.3), 0.3);
  expect_just_above(laplace_cost(zcdp_accountant, 1.0), 0.46211715726000973);
  expect_just_above(gaussian_cost(zcdp_accountant, 2.0), 2.0);
}

TEST(Costs, FloatingPointDelta) {
  EXPECT_EQ(floating_point_delta(0x1p20, 8), 0x1p-30);
  EXPECT_EQ(floating_point_delta(1, 1), 0x1p-53);
  EXPECT_EQ(floating_point_delta(5, 0), 0.0);
}

TEST(Costs, InversesBuyNoMoreThanIsPaid) {
  for (const Accountant accountant : {pure_accountant, zcdp_accountant})
    for (const double cost : {5e-324, 1e-300, 1e-12, 1e-3, 0.02436, 0.1, 1.0, 7.3, 1e9, 1e300}) {
      const double bought = exponential_mechanism_epsilon(accountant, cost);
      EXPECT_LE(exponential_mechanism_cost(accountant, bought), cost);
      const double laplace = laplace_epsilon(accountant, cost);
      EXPECT_LE(laplace_cost(accountant, laplace), cost);
      if (cost >= 1e-300) {
        EXPECT_GE(exponential_mechanism_cost(accountant, bought), cost * (1.0 - 1e-13)) << cost;
        EXPECT_GE(laplace_cost(accountant, laplace), cost * (1.0 - 1e-13)) << cost;
      }
      for (const double part : {0.01, 0.1, 0.2}) {  // a gap that leaves something to buy
        const double gap = part * (accountant == pure_accountant ? cost : std::sqrt(cost));
        if (!(gap > 0.0)) continue;
        const double with_gap = exponential_mechanism_epsilon(accountant, cost, gap);
        EXPECT_LE(exponential_mechanism_cost(accountant, with_gap, gap), cost);
        EXPECT_LT(with_gap, bought);
      }
    }
  for (const double cost : {5e-324, 1e-300, 1e-12, 0.02436, 1.0, 1e9, 1e300}) {
    EXPECT_LE(gaussian_cost(zcdp_accountant, gaussian_ratio(zcdp_accountant, cost)), cost);
    if (cost >= 1e-300) {
      EXPECT_GE(gaussian_cost(zcdp_accountant, gaussian_ratio(zcdp_accountant, cost)),
                cost * (1.0 - 1e-13));
    }
  }
}

TEST(Costs, RiseWithTheirParameters) {
  for (const Accountant accountant : {pure_accountant, zcdp_accountant}) {
    double before = 0.0;
    for (double epsilon = 1e-9; epsilon < 1e9; epsilon *= 3.0) {
      const double cost = exponential_mechanism_cost(accountant, epsilon);
      EXPECT_GT(cost, before);
      EXPECT_GT(exponential_mechanism_cost(accountant, epsilon, 0.1 * epsilon), cost);
      EXPECT_LE(laplace_cost(accountant, epsilon), epsilon * (1.0 + 1e-14));
      before = cost;
    }
  }
}

// In zCDP a selection costs a quarter of Laplace noise of the same epsilon, which is why it is
// worth its own proof.
TEST(Costs, BoundedRangeIsCheaperThanPure) {
  EXPECT_NEAR(
      laplace_cost(zcdp_accountant, 1e-3) / exponential_mechanism_cost(zcdp_accountant, 1e-3), 4.0,
      1e-6);
}

TEST(Costs, RefuseWhatIsNoParameter) {
  const auto message = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  EXPECT_EQ(message([] { exponential_mechanism_cost(pure_accountant, 0.0); }),
            "lazygumbel: epsilon = 0: must lie in (0, 1e300]");
  EXPECT_EQ(message([] { exponential_mechanism_cost(pure_accountant, 1.0, -0.1); }),
            "lazygumbel: gap = -0.1: must lie in [0, 1e300]");
  EXPECT_EQ(message([] { exponential_mechanism_epsilon(zcdp_accountant, std::nan("")); }),
            "lazygumbel: cost = nan: must lie in (0, 1e300]");
  EXPECT_EQ(message([] { exponential_mechanism_epsilon(pure_accountant, 1.0, 0.5); }),
            "lazygumbel: cost = 1: does not even pay for the gap of 0.5");
  EXPECT_EQ(message([] { exponential_mechanism_epsilon(zcdp_accountant, 0.125, 0.5); }),
            "lazygumbel: cost = 0.125: does not even pay for the gap of 0.5");
  EXPECT_EQ(message([] { laplace_cost(zcdp_accountant, INFINITY); }),
            "lazygumbel: epsilon = inf: must lie in (0, 1e300]");
  EXPECT_EQ(message([] { laplace_epsilon(zcdp_accountant, -1.0); }),
            "lazygumbel: cost = -1: must lie in (0, 1e300]");
  EXPECT_EQ(message([] { gaussian_cost(zcdp_accountant, 0.0); }),
            "lazygumbel: ratio = 0: must lie in (0, 1e300]");
  const char* not_pure = "lazygumbel: accountant = pure: Gaussian noise has no pure epsilon";
  EXPECT_EQ(message([] { gaussian_cost(pure_accountant, 1.0); }), not_pure);
  EXPECT_EQ(message([] { gaussian_ratio(pure_accountant, 1.0); }), not_pure);
}

TEST(Costs, OverflowToInfinityNotToNan) {
  EXPECT_EQ(exponential_mechanism_cost(zcdp_accountant, 1e200), INFINITY);
  EXPECT_EQ(gaussian_cost(zcdp_accountant, 1e200), INFINITY);
  EXPECT_NEAR(laplace_cost(zcdp_accountant, 1e200), 1e200, 1e186);
}

}  // namespace
}  // namespace lazygumbel::testing
