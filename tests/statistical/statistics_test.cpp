#include "statistics.hpp"

#include <gtest/gtest.h>

#include <lazygumbel/random/gumbel.hpp>
#include <lazygumbel/random/philox.hpp>

// The tests of the tests. Uniformity of p-values is judged by a Kolmogorov-Smirnov test over 2,000
// of them at 1e-6 (false alarm 1e-6 each): with probability 0.9 it detects p-values whose law is
// off by 0.075 somewhere.

namespace lazygumbel::testing {
namespace {

using Counts = std::vector<std::uint64_t>;

Counts draw_counts(const std::vector<double>& probabilities, std::size_t draws,
                   PhiloxEngine& engine) {
  Counts counts(probabilities.size());
  for (std::size_t i = 0; i < draws; ++i) {
    double u = open_uniform(engine);
    std::size_t cell = 0;
    while (cell + 1 < probabilities.size() && u >= probabilities[cell]) u -= probabilities[cell++];
    ++counts[cell];
  }
  return counts;
}

double uniform_p_value(std::vector<double> p_values) {
  return kolmogorov_smirnov_p_value(std::move(p_values), [](double x) { return x; });
}

// Cells of very different size, so that pooling is at work too: two are expected less than once.
const std::vector<double> uneven = {0.4, 0.3, 0.15, 0.1, 0.04, 0.0095, 0.0004, 0.0001};

TEST(ChiSquare, PValuesAreUniformUnderTheNull) {
  PhiloxEngine engine(11);
  std::vector<double> p_values;
  for (int i = 0; i < 2000; ++i)
    p_values.push_back(chi_square_p_value(draw_counts(uneven, 2500, engine), uneven));
  EXPECT_GT(uniform_p_value(p_values), 1e-6);
  EXPECT_LT(smallest_kolmogorov_distance(2000), 0.075);
}

TEST(ChiSquare, DetectsAsOftenAsItsPowerSays) {
  // A tilt of two cells with a stated power of about one half: the count of rejections in 400
  // trials must be Binomial(400, power) (two-sided, 1e-6), a power wrong by 0.17 is detected.
  const std::vector<double> null(10, 0.1);
  std::vector<double> truth = null;
  truth[0] += 0.0142, truth[1] -= 0.0142;
  const double power = chi_square_power(10000, null, truth);
  EXPECT_GT(power, 0.3);
  EXPECT_LT(power, 0.7);
  PhiloxEngine engine(12);
  std::uint64_t rejected = 0;
  for (int i = 0; i < 400; ++i)
    rejected += chi_square_p_value(draw_counts(truth, 10000, engine), null) < 1e-6;
  EXPECT_GT(binomial_at_least(rejected, 400, power), 5e-7) << rejected << " of 400, " << power;
  EXPECT_GT(binomial_at_most(rejected, 400, power), 5e-7) << rejected << " of 400, " << power;
}

TEST(ChiSquare, SmallestDefectHasPowerNineTenths) {
  const std::size_t cells = 50;
  const double w = smallest_defect(cells, 1e5);
  const std::vector<double> null(cells, 1.0 / cells);
  std::vector<double> truth = null;
  for (std::size_t i = 0; i < cells; ++i) truth[i] *= 1.0 + (i % 2 == 0 ? w : -w);
  EXPECT_NEAR(chi_square_power(1e5, null, truth), 0.9, 1e-6);
}

TEST(ChiSquare, DisjointSupportsAreImpossible) {
  EXPECT_EQ(chi_square_p_value(Counts{0, 0, 100}, std::vector<double>{0.5, 0.5, 0.0}), 0.0);
  EXPECT_LT(two_sample_p_value(Counts{500, 500, 0, 0}, Counts{0, 0, 500, 500}), 1e-100);
  EXPECT_LT(two_sample_p_value(Counts{200, 0}, Counts{0, 200}), 1e-50);
}

TEST(ChiSquare, OneForbiddenDrawIsEnough) {
  EXPECT_EQ(chi_square_p_value(Counts{500000, 499999, 1}, std::vector<double>{0.5, 0.5, 0.0}), 0.0);
}

TEST(ChiSquare, EmptyCellsOfSmallProbabilityArePooled) {
  const std::vector<double> law = {0.5, 0.49999, 5e-6, 5e-6};
  EXPECT_GT(chi_square_p_value(Counts{5000, 5000, 0, 0}, law), 0.5);
}

TEST(ChiSquare, EmptyCellsOfLargeProbabilityAreSeen) {
  const std::vector<double> law = {0.5, 0.45, 0.05};
  EXPECT_LT(chi_square_p_value(Counts{5000, 5000, 0}, law), 1e-50);
}

TEST(ChiSquare, ManyDrawsInPooledCellsAreSeen) {
  std::vector<double> law(1001, 1e-6);
  law[0] = 1.0 - 1000e-6;
  Counts counts(1001);
  counts[0] = 39900;
  for (std::size_t i = 1; i <= 100; ++i) counts[i] = 1;  // 100 where 40 are expected
  EXPECT_LT(chi_square_p_value(counts, law), 1e-15);
}

TEST(ChiSquare, OneCellTestsNothing) {
  EXPECT_EQ(chi_square_p_value(Counts{1000}, std::vector<double>{1.0}), 1.0);
}

TEST(ChiSquare, KnownValue) {
  // (60-50)^2/50 + (40-50)^2/50 = 4 with one degree of freedom.
  EXPECT_NEAR(chi_square_p_value(Counts{60, 40}, std::vector<double>{0.5, 0.5}),
              z_test_p_value(2.0), 1e-14);
}

TEST(ChiSquare, RefusesWhatIsNoLaw) {
  EXPECT_THROW(chi_square_p_value(Counts{1, 2}, std::vector<double>{0.5, 0.4}),
               std::invalid_argument);
  EXPECT_THROW(chi_square_p_value(Counts{1, 2}, std::vector<double>{1.0}), std::invalid_argument);
  EXPECT_THROW(chi_square_p_value(Counts{1, 2}, std::vector<double>{1.5, -0.5}),
               std::invalid_argument);
}

TEST(TwoSample, PValuesAreUniformUnderTheNullWithUnequalSizes) {
  PhiloxEngine engine(13);
  std::vector<double> p_values;
  for (int i = 0; i < 2000; ++i)
    p_values.push_back(
        two_sample_p_value(draw_counts(uneven, 2500, engine), draw_counts(uneven, 5000, engine)));
  EXPECT_GT(uniform_p_value(p_values), 1e-6);
}

TEST(TwoSample, DetectsATilt) {
  PhiloxEngine engine(14);
  std::vector<double> other = uneven;
  other[0] -= 0.03, other[1] += 0.03;
  EXPECT_LT(
      two_sample_p_value(draw_counts(uneven, 50000, engine), draw_counts(other, 50000, engine)),
      1e-6);
}

TEST(KolmogorovSmirnov, PValuesAreUniformUnderTheNull) {
  PhiloxEngine engine(15);
  std::vector<double> p_values;
  for (int i = 0; i < 2000; ++i) {
    std::vector<double> sample(400);
    for (double& x : sample) x = gumbel(engine);
    p_values.push_back(kolmogorov_smirnov_p_value(sample, gumbel_cdf));
  }
  EXPECT_GT(uniform_p_value(p_values), 1e-6);
}

TEST(KolmogorovSmirnov, DetectsAShiftAndDisjointSupports) {
  PhiloxEngine engine(16);
  std::vector<double> sample(100000);
  for (double& x : sample) x = gumbel(engine) + 0.04;  // distance 0.04 / e = 0.0147
  EXPECT_LT(smallest_kolmogorov_distance(100000), 0.0147);
  EXPECT_LT(kolmogorov_smirnov_p_value(sample, gumbel_cdf), 1e-6);
  for (double& x : sample) x = 2.0 + open_uniform(engine);
  EXPECT_LT(kolmogorov_smirnov_p_value(sample, [](double x) { return std::min(x, 1.0); }), 1e-100);
}

TEST(KolmogorovSmirnov, DetectsARepeatedValue) {
  EXPECT_LT(kolmogorov_smirnov_p_value(std::vector<double>(1000, 0.5), [](double x) { return x; }),
            1e-100);
}

TEST(ZTest, KnownValues) {
  EXPECT_NEAR(z_test_p_value(1.959963984540054), 0.05, 1e-12);
  EXPECT_EQ(z_test_p_value(0.0), 1.0);
  EXPECT_EQ(z_test_p_value(3.0), z_test_p_value(-3.0));
}

TEST(Binomial, TailsAddUpToOne) {
  EXPECT_NEAR(binomial_at_least(31, 100, 0.3) + binomial_at_most(30, 100, 0.3), 1.0, 1e-12);
  EXPECT_EQ(binomial_at_least(0, 100, 0.3), 1.0);
  EXPECT_NEAR(binomial_at_most(0, 10, 0.5), 1.0 / 1024.0, 1e-15);
}

}  // namespace
}  // namespace lazygumbel::testing
