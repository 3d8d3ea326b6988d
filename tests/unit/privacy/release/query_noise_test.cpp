#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/release/detail/query_noise.hpp>
#include <lazygumbel/random/not_private_engine.hpp>

#include "message_of.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

const IntegerWorkload noise_parities({{1, -1}}, {-1, 1});

TEST(QueryNoise, IntegersStayIntegers) {
  const GridNoise laplace = query_noise(noise_parities, 2.0 + 1e-9, Accountant::pure, 0.5, 0x1p-10);
  EXPECT_EQ(laplace.grid().step(), 1.0);
  EXPECT_EQ(laplace.parameter().value(), 4.0);  // what rounding adds to scores is not in it
  const GridNoise gaussian =
      query_noise(noise_parities, 2.0 + 1e-9, Accountant::zcdp, 0.5, 0x1p-10);
  EXPECT_NEAR(gaussian.parameter().value(), 4.0, 1e-6);
  EXPECT_GE(gaussian.parameter().value(), 4.0);
  NotPrivateEngine engine(1);
  EXPECT_EQ(std::fmod(laplace.answer(7.0, engine), 1.0), 0.0);
  EXPECT_THROW(laplace.answer(0.5, engine), std::invalid_argument);
}

TEST(QueryNoise, FractionsAreRoundedToAGridThatIsCharged) {
  const DenseWorkload<float> workload(random_queries<float>(3, 2, 0, 1, 1));
  for (const double sensitivity : {1.0, 1.5, 0.001, 1e6}) {
    const GridNoise noise = query_noise(workload, sensitivity, Accountant::pure, 0.5, 0x1p-10);
    const double step = noise.grid().step();
    EXPECT_LE(step, sensitivity * 0x1p-10);
    EXPECT_GT(step, sensitivity * 0x1p-11);
    const double scale = noise.parameter().value() * step;  // in units of the answers
    EXPECT_GE(scale, sensitivity / 0.5);
    EXPECT_LE(scale, (sensitivity + step) / 0.5 * (1.0 + 1e-9));
    const GridNoise gaussian = query_noise(workload, sensitivity, Accountant::zcdp, 0.5, 0x1p-10);
    EXPECT_GE(gaussian.standard_deviation(), sensitivity + gaussian.grid().step() - 1e-12);
    EXPECT_LE(gaussian.standard_deviation(), (sensitivity + step) * (1.0 + 1e-9));
  }
}

// Scales of any size and with any low bits: what can be planned can be drawn.
TEST(QueryNoise, NoiseOfAnySizeCanBeDrawn) {
  const DenseWorkload<float> workload(random_queries<float>(3, 2, 0, 1, 1));
  NotPrivateEngine engine(1);
  PhiloxEngine choice(2);
  for (int trial = 0; trial < 300; ++trial) {
    const double cost = std::exp(-25.0 * open_uniform(choice));
    const double sensitivity = 1.0 + open_uniform(choice);
    for (const Accountant accountant : {Accountant::pure, Accountant::zcdp}) {
      const GridNoise fractional = query_noise(workload, sensitivity, accountant, cost, 0x1p-10);
      const GridNoise integral = query_noise(noise_parities, 2.0, accountant, cost, 0x1p-10);
      EXPECT_NO_THROW(fractional.answer(0.5, engine)) << cost;
      EXPECT_NO_THROW(integral.answer(3.0, engine)) << cost;
      if (accountant != Accountant::pure) continue;
      EXPECT_GE(integral.parameter().value(), 2.0 / cost);
    }
  }
}

TEST(QueryNoise, Refusals) {
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { query_noise(noise_parities, 2.0, Accountant::pure, 0.0, 0.1); }),
            "lazygumbel: cost = 0: must lie in (0, 1e300]");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { query_noise(noise_parities, 2.0, Accountant::pure, 1e-17, 0.1); }),
            "lazygumbel: epsilon = 1e-17: the sensitivity, or the scale that it needs, is above "
            "2^52 steps");
}

}  // namespace
}  // namespace lazygumbel::testing
