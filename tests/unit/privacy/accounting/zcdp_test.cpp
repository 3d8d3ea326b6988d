#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/accounting/zcdp.hpp>
#include <limits>
#include <message_of.hpp>
#include <vector>

namespace lazygumbel::testing {
namespace {

/// `value` is at least `exact`, and above it by at most `tolerance` of it.
void expect_hardly_above(double value, double exact, double tolerance = 1e-9) {
  EXPECT_GE(value, exact * (1.0 - 1e-15));  // `exact` itself is a rounded number
  EXPECT_LE(value, exact * (1.0 + tolerance));
}

// The minimum over alpha, computed with 60 digits (mpmath).
TEST(Zcdp, GoldenDeltas) {
  expect_hardly_above(zcdp_delta(0.02436, 1.0), 1.0018604494839353117e-6);
  expect_hardly_above(zcdp_delta(0.5, 1.0), 0.24684633078294448707);
  expect_hardly_above(zcdp_delta(1.0, 0.0), 0.73038859685571212076);
  expect_hardly_above(zcdp_delta(1e-12, 1e-5), 1.0118514828864176274e-18);
  expect_hardly_above(zcdp_delta(1000.0, 1500.0), 3.8429220776812675219e-28);
  expect_hardly_above(zcdp_delta(0.1, 0.05), 0.24360542916126734428);
  expect_hardly_above(zcdp_delta(10.0, 50.0), 6.2682549187297816441e-19);
  expect_hardly_above(zcdp_delta(1e9, 1e9), 0.99999990520006287337);
  expect_hardly_above(zcdp_delta(1e9, 1.001e9), 2.6577357691426852604e-109, 1e-2);
}

TEST(Zcdp, GoldenRhos) {
  const auto expect_rounded_down = [](double value, double exact) {
    EXPECT_LE(value, exact * (1.0 + 1e-15));
    EXPECT_GE(value, exact * (1.0 - 1e-9));
  };
  EXPECT_NEAR(zcdp_rho(1.0, 1e-6), 0.02436, 5e-6) << "the published figure";
  expect_rounded_down(zcdp_rho(1.0, 1e-6), 0.024355970359538372796);
  expect_rounded_down(zcdp_rho(0.1, 1e-9), 0.0001771384471850208845);
  expect_rounded_down(zcdp_rho(10.0, 1e-6), 1.5392787638667285106);
  expect_rounded_down(zcdp_rho(1.0, 1e-300), 0.00036600255143892074856);
  expect_rounded_down(zcdp_rho(1000.0, 1e-6), 793.66417956392453749);
  expect_rounded_down(zcdp_rho(0.001, 1e-6), 6.5493061789009654148e-8);
  expect_rounded_down(zcdp_rho(1e9, 1e-6), 999764958.87684878142);
  expect_rounded_down(zcdp_rho(0.0, 1e-3), 1.3591415299845881375e-6);
}

TEST(Zcdp, GoldenEpsilons) {
  expect_hardly_above(zcdp_epsilon(0.5, 1e-6), 5.2215344445301690534);
  expect_hardly_above(zcdp_epsilon(1000.0, 1e-6), 1231.8793230918424238);
  expect_hardly_above(zcdp_epsilon(0.1, 1e-300), 16.657208614522022477);
  expect_hardly_above(zcdp_epsilon(0.02436, 1e-6), 1.0000885864328572556);
  EXPECT_EQ(zcdp_epsilon(1e-12, 1e-6), 0.0) << "so little reveals nothing beyond delta";
  EXPECT_EQ(zcdp_epsilon(0.1, 0.9), 0.0);
}

// The textbook bound is weaker everywhere.
TEST(Zcdp, ImprovesOnTheSimpleBound) {
  for (const double rho : {1e-12, 1e-6, 0.02436, 1.0, 30.0, 1e3})
    for (const double delta : {1e-300, 1e-30, 1e-6, 0.1})
      EXPECT_LE(zcdp_epsilon(rho, delta), rho + 2.0 * std::sqrt(rho * -std::log(delta)));
}

TEST(Zcdp, IsMonotone) {
  for (const double rho : {1e-12, 1e-3, 1.0, 1e3}) {
    double before = 2.0;
    for (double epsilon = 0.0; epsilon < 4.0 * rho + 1.0; epsilon += 0.1 * (rho + 0.1)) {
      const double delta = zcdp_delta(rho, epsilon);
      EXPECT_GE(delta, 0.0);
      EXPECT_LE(delta, 1.0);
      EXPECT_LE(delta, before * (1.0 + 1e-9)) << rho << " " << epsilon;
      EXPECT_LE(delta, zcdp_delta(2.0 * rho, epsilon) * (1.0 + 1e-9));
      before = delta;
    }
  }
}

// Back and forth never gains anything: each function rounds to the safe side.
TEST(Zcdp, RoundTripsAreSafe) {
  for (const double epsilon : {1e-6, 1e-3, 0.1, 1.0, 7.0, 1e3, 1e9})
    for (const double delta : {1e-300, 1e-100, 1e-9, 1e-6, 0.01, 0.9, 1.0 - 1e-9}) {
      const double rho = zcdp_rho(epsilon, delta);
      EXPECT_GT(rho, 0.0);
      EXPECT_LE(zcdp_delta(rho, epsilon), delta * (1.0 + 1e-12)) << epsilon << " " << delta;
      EXPECT_LE(zcdp_epsilon(rho, delta), epsilon) << epsilon << " " << delta;
      EXPECT_GT(zcdp_delta(rho * 1.001, epsilon), delta) << epsilon << " " << delta;
    }
}

TEST(Zcdp, ExtremesStayNumbers) {
  EXPECT_EQ(zcdp_delta(0.0, 0.0), 0.0);
  EXPECT_EQ(zcdp_delta(0.0, 1.0), 0.0);
  EXPECT_EQ(zcdp_epsilon(0.0, 1e-300), 0.0);
  EXPECT_EQ(zcdp_epsilon(5.0, 1.0), 0.0);
  EXPECT_EQ(zcdp_delta(1e-12, 1.0), std::numeric_limits<double>::denorm_min())
      << "e^-250000000 is not nothing";
  const double tiny = std::numeric_limits<double>::denorm_min();
  for (const double rho : {tiny, 1e-300, 1e-12, 1.0, 1e12, 1e150, 1e300}) {
    for (const double epsilon : {0.0, tiny, 1e-12, 1.0, 1e12, 1e150, 1e300}) {
      const double delta = zcdp_delta(rho, epsilon);
      EXPECT_TRUE(delta > 0.0 && delta <= 1.0) << rho << " " << epsilon;
    }
    for (const double delta : {tiny, 1e-300, 1e-12, 0.5, 1.0}) {
      const double epsilon = zcdp_epsilon(rho, delta);
      EXPECT_TRUE(epsilon >= 0.0 && epsilon < 2e300) << rho << " " << delta;
    }
  }
  for (const double epsilon : {0.0, tiny, 1e-300, 1e12, 1e300})
    for (const double delta : {tiny, 1e-300, 0.5, 1.0 - 0x1p-53})
      EXPECT_TRUE(std::isfinite(zcdp_rho(epsilon, delta))) << epsilon << " " << delta;
}

TEST(Zcdp, RefusesWhatIsNoParameter) {
  const auto message = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  EXPECT_EQ(message([] { zcdp_delta(-1.0, 1.0); }), "lazygumbel: rho = -1: must lie in [0, 1e300]");
  EXPECT_EQ(message([] { zcdp_delta(1.0, std::nan("")); }),
            "lazygumbel: epsilon = nan: must lie in [0, 1e300]");
  EXPECT_EQ(message([] { zcdp_epsilon(INFINITY, 0.1); }),
            "lazygumbel: rho = inf: must lie in [0, 1e300]");
  EXPECT_EQ(message([] { zcdp_epsilon(1.0, 0.0); }), "lazygumbel: delta = 0: must lie in (0, 1]");
  EXPECT_EQ(message([] { zcdp_epsilon(1.0, 1.5); }), "lazygumbel: delta = 1.5: must lie in (0, 1]");
  EXPECT_EQ(message([] { zcdp_rho(1.0, 1.0); }), "lazygumbel: delta = 1: must lie in (0, 1)");
  EXPECT_EQ(message([] { zcdp_rho(-2.0, 0.1); }),
            "lazygumbel: epsilon = -2: must lie in [0, 1e300]");
}

// D_alpha / alpha of two laws on the integers, in nats.
double renyi_per_alpha(const std::vector<double>& p, const std::vector<double>& q, double alpha) {
  double sum = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] * std::pow(p[i] / q[i], alpha - 1.0);
  return std::log(sum) / (alpha - 1.0) / alpha;
}

// Discrete Laplace noise of scale 1 / epsilon on an answer that moves by 1: its rho is what is
// stated, and more than what the continuous law would be charged.
TEST(ZcdpOfPure, IsWhatDiscreteLaplaceCosts) {
  for (const double epsilon : {0.1, 0.5, 1.0, 2.0}) {
    std::vector<double> p, q;
    for (int z = -300; z <= 300; ++z) {
      p.push_back(std::exp(-epsilon * std::abs(z)));
      q.push_back(std::exp(-epsilon * std::abs(z - 1)));
    }
    double sum = 0.0;
    for (const double x : p) sum += x;
    for (double& x : p) x /= sum;
    for (double& x : q) x /= sum;
    const double rho = zcdp_of_pure(epsilon);
    for (const double alpha : {1.001, 1.1, 2.0, 10.0, 60.0})
      EXPECT_LE(renyi_per_alpha(p, q, alpha), rho) << epsilon << " " << alpha;
    EXPECT_NEAR(renyi_per_alpha(p, q, 1.0001), rho, 2e-4 * rho);
    EXPECT_GT(renyi_per_alpha(p, q, 1.0001), epsilon + std::exp(-epsilon) - 1.0);
    EXPECT_LE(rho, 0.5 * epsilon * epsilon);
  }
}

TEST(ZcdpOfPure, Limits) {
  EXPECT_EQ(zcdp_of_pure(0.0), 0.0);
  EXPECT_NEAR(zcdp_of_pure(1e-8), 0.5e-16, 1e-30);
  EXPECT_NEAR(zcdp_of_pure(1e9), 1e9, 1e-3);
  EXPECT_GT(zcdp_of_pure(1e-300), 0.0);
  EXPECT_EQ(message_of<std::invalid_argument>([] { zcdp_of_pure(-1.0); }),
            "lazygumbel: epsilon = -1: must lie in [0, 1e300]");
}

}  // namespace
}  // namespace lazygumbel::testing
