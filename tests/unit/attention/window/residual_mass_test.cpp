#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <lazygumbel/attention/window/residual_mass.hpp>
#include <limits>
#include <stdexcept>

#include "attention_inputs.hpp"
#include "largest_difference.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

/// One row of one head: o and log Z.
AttentionOutput output_row(std::initializer_list<float> values, double log_z) {
  AttentionOutput out;
  out.values.resize(1, static_cast<Eigen::Index>(values.size()));
  std::copy(values.begin(), values.end(), out.values.data());
  out.log_sum_exp.setConstant(1, 1, log_z);
  out.rows.resize(1);
  return out;
}

ResidualMass mass_of(double logit, double count, std::initializer_list<double> sum) {
  ResidualMass mass{logit, count, Vector<double>(static_cast<Eigen::Index>(sum.size()))};
  std::copy(sum.begin(), sum.end(), mass.value_sum.data());
  return mass;
}

TEST(ResidualMass, IsNoneAtFirst) {
  const ResidualMass none;
  EXPECT_EQ(none.count, 0.0);
  EXPECT_EQ(none.value_sum.size(), 0);
}

TEST(ResidualMass, IsAttentionToTokensOfOneScore) {  // keys that are 0 have the score 0
  const AttentionInputs<float> inputs(6, 40, 5, 3, 4, 2);
  AttentionInputs<float> flat = inputs;
  flat.keys.topRows(25).setZero();
  const AttentionOutput expected = exact_attention(flat.q(), flat.k(), flat.v());
  AttentionOutput out = exact_attention(flat.q(), flat.k().tokens(25, 15), flat.v().tokens(25, 15));
  const RowMatrix<double> sums = flat.values.topRows(25).cast<double>().colwise().sum();
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t h = 0; h < 4; ++h)
      add_residual({0.0, 25.0, sums.row(0).segment(static_cast<Eigen::Index>(h / 2) * 3, 3)}, i, h,
                   out);
  EXPECT_LT(largest_difference(out.values, expected.values), 1e-6);
  EXPECT_LT(largest_difference(out.log_sum_exp, expected.log_sum_exp), 1e-6);
}

TEST(ResidualMass, OfAnyLogit) {
  for (const double logit : {-1e300, -1e4, -700.0, -3.0, 0.0, 1.5, 700.0, 1e4, 1e300})
    for (const double log_z : {-1e30, -1e4, -3.0, 0.0, 2.0, 1e4, 1e30}) {
      SCOPED_TRACE(std::to_string(logit) + " to " + std::to_string(log_z));
      AttentionOutput out = output_row({1.0F, -2.0F}, log_z);
      add_residual(mass_of(logit, 3.0, {30.0, 60.0}), 0, 0, out);
      const double gap = logit - log_z + std::log(3.0);  // of masses
      const double part = 1.0 / (1.0 + std::exp(-gap));
      EXPECT_NEAR(out.values(0, 0), (1.0 - part) * 1.0 + part * 10.0, 1e-6);
      EXPECT_NEAR(out.values(0, 1), (1.0 - part) * -2.0 + part * 20.0, 2e-6);
      const double high = std::max(log_z, logit + std::log(3.0));
      EXPECT_NEAR(out.log_sum_exp(0, 0), high + std::log1p(std::exp(-std::abs(gap))),
                  1e-12 * std::max(1.0, std::abs(high)));
    }
}

TEST(ResidualMass, OfNoTokensOrNoWeightChangesNothing) {
  for (const double log_z : {-infinity, 0.3}) {
    AttentionOutput out = output_row({0.0F, 0.7F}, log_z);
    const AttentionOutput before = out;
    add_residual(mass_of(5.0, 0.0, {1.0, 2.0}), 0, 0, out);
    add_residual(mass_of(-infinity, 7.0, {1.0, 2.0}), 0, 0, out);
    EXPECT_EQ(out.values, before.values);
    EXPECT_EQ(out.log_sum_exp(0, 0), log_z);
  }
}

TEST(ResidualMass, AloneIsTheMeanValue) {
  for (const double logit : {-1e4, 0.0, 1e4}) {
    AttentionOutput out = output_row({0.0F, 0.0F}, -infinity);
    add_residual(mass_of(logit, 4.0, {2.0, -6.0}), 0, 0, out);
    EXPECT_EQ(out.values(0, 0), 0.5F);
    EXPECT_EQ(out.values(0, 1), -1.5F);
    EXPECT_NEAR(out.log_sum_exp(0, 0), logit + std::log(4.0), 1e-11);
  }
}

TEST(ResidualMass, OfOneTokenAndNoValuesIsASink) {
  const AttentionInputs<float> inputs(3, 9, 4, 2, 2, 1);
  const std::vector<float> sinks{0.5F, 60.0F};
  const AttentionOutput expected =
      exact_attention(inputs.q(), inputs.k(), inputs.v(), {.sink_logits = sinks});
  AttentionOutput out = exact_attention(inputs.q(), inputs.k(), inputs.v());
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t h = 0; h < 2; ++h)
      add_residual({static_cast<double>(sinks[h]), 1.0, {}}, i, h, out);
  EXPECT_LT(largest_difference(out.values, expected.values), 1e-6);
  EXPECT_LT(largest_difference(out.log_sum_exp, expected.log_sum_exp), 1e-12);
}

TEST(ResidualMass, ChangesItsRowAlone) {
  const AttentionInputs<float> inputs(3, 9, 4, 2, 2, 1);
  const AttentionOutput before = exact_attention(inputs.q(), inputs.k(), inputs.v());
  AttentionOutput out = before;
  add_residual(mass_of(1.0, 5.0, {1.0, 2.0}), 1, 1, out);
  for (Eigen::Index i = 0; i < 3; ++i)
    for (Eigen::Index h = 0; h < 2; ++h)
      EXPECT_EQ(out.log_sum_exp(i, h) == before.log_sum_exp(i, h), i != 1 || h != 1);
  out.values.row(1).segment(2, 2) = before.values.row(1).segment(2, 2);
  EXPECT_EQ(out.values, before.values);
}

TEST(ResidualMass, DilutesAReportedError) {
  AttentionOutput out = output_row({3.0F, 4.0F}, 0.0);
  out.rows[0].error = 0.1F;  // |error| = 0.5
  add_residual(mass_of(0.0, 1.0, {9.0, 12.0}), 0, 0, out);
  EXPECT_FLOAT_EQ(out.values(0, 0), 6.0F);
  EXPECT_FLOAT_EQ(out.rows[0].error, 0.025F);  // 0.25 of 10
}

// As an exact output of the same log Z, merged.
TEST(ResidualMass, CountsWhatTheShareOfTheKeysMayBeOff) {
  for (const float error : {0.0F, 0.1F})
    for (const float log_z_error : {0.0F, 0.3F, std::numeric_limits<float>::infinity()}) {
      AttentionOutput out = output_row({3.0F, 4.0F}, 0.2),
                      mass = output_row({2.0F, -6.0F}, 0.7 + std::log(4.0));
      out.rows[0].error = error;
      out.rows[0].log_z_error = log_z_error;
      const AttentionOutput merged = merge(out, mass);
      add_residual(mass_of(0.7, 4.0, {8.0, -24.0}), 0, 0, out);
      EXPECT_NEAR(out.log_sum_exp(0, 0), merged.log_sum_exp(0, 0), 1e-12);
      EXPECT_FLOAT_EQ(out.rows[0].error, merged.rows[0].error);
      EXPECT_FLOAT_EQ(out.rows[0].log_z_error, merged.rows[0].log_z_error);
      EXPECT_EQ(out.rows[0].target_met, merged.rows[0].target_met);
    }
  AttentionOutput alone = output_row({0.0F, 0.0F}, -infinity);
  add_residual(mass_of(0.7, 4.0, {8.0, -24.0}), 0, 0, alone);
  EXPECT_EQ(alone.rows[0].log_z_error, 0.0F);
}

TEST(ResidualMass, ReportsNoErrorThatIsNaN) {
  const float endless = std::numeric_limits<float>::infinity();
  const auto error_of = [](std::initializer_list<float> values, double log_z, float error,
                           const ResidualMass& mass) {
    AttentionOutput out = output_row(values, log_z);
    out.rows[0].error = error;
    add_residual(mass, 0, 0, out);
    return out.rows[0].error;
  };
  const ResidualMass sink{0.0, 1.0, {}}, mean = mass_of(0.0, 2.0, {6.0, 8.0});
  EXPECT_EQ(error_of({0.0F, 0.0F}, 0.0, 0.1F, sink), 0.0F);
  EXPECT_EQ(error_of({0.0F, 0.0F}, 0.0, 0.1F, mean), 0.0F);
  EXPECT_EQ(error_of({3.0F, 4.0F}, -infinity, 0.1F, mean), 0.0F);  // nothing is left of the row
  EXPECT_EQ(error_of({3.0F, 4.0F}, -infinity, 0.1F, sink), 0.0F);
  EXPECT_EQ(error_of({3.0F, 4.0F}, -1e5, 0.1F, mean), 0.0F);
  // Infinite: nothing is known, and nothing becomes known.
  EXPECT_EQ(error_of({0.0F, 0.0F}, 0.0, endless, sink), endless);
  EXPECT_EQ(error_of({0.0F, 0.0F}, 0.0, endless, mean), endless);
  EXPECT_EQ(error_of({3.0F, 4.0F}, 0.0, endless, mean), endless);
  EXPECT_EQ(error_of({3.0F, 4.0F}, -1e5, endless, mean), endless);
  // An output of 0 with an error: there is no relative one.
  EXPECT_EQ(error_of({3.0F, 4.0F}, 0.0, 0.1F, mass_of(0.0, 1.0, {-3.0, -4.0})), endless);
  EXPECT_EQ(error_of({3.0F, 4.0F}, 0.0, 0.0F, mass_of(0.0, 1.0, {-3.0, -4.0})), 0.0F);
}

TEST(ResidualMass, OfTheLargestValues) {
  constexpr double most = (std::numeric_limits<float>::max)();
  for (const double count : {1.0, 3.0, 1e-30, 1e9})
    for (const double log_z : {-infinity, 0.0, 50.0}) {
      AttentionOutput out = output_row({1.0F, -static_cast<float>(most)}, log_z);
      const ResidualMass mass = mass_of(0.0, count, {most * count, -most * count});
      add_residual(mass, 0, 0, out);
      EXPECT_TRUE(out.values.allFinite()) << count << ", " << log_z;
      EXPECT_EQ(out.values(0, 1), -static_cast<float>(most)) << count << ", " << log_z;
    }
}

TEST(ResidualMass, NamesWhatIsWrong) {
  AttentionOutput out = output_row({1.0F, 2.0F}, 0.0);
  const auto says = [&](const ResidualMass& mass, std::size_t i = 0, std::size_t h = 0) {
    return message_of<std::invalid_argument>([&] { add_residual(mass, i, h, out); });
  };
  EXPECT_EQ(says({}, 1), "lazygumbel: query = 1: must be below 1");
  EXPECT_EQ(says({}, 0, 3), "lazygumbel: head = 3: must be below 1");
  EXPECT_EQ(says({nan, 1.0, {}}), "lazygumbel: mass.logit = nan: must be finite or -infinity");
  EXPECT_EQ(says({infinity, 1.0, {}}), "lazygumbel: mass.logit = inf: must be finite or -infinity");
  EXPECT_EQ(says({0.0, -1.0, {}}), "lazygumbel: mass.count = -1: must be at least 0 and finite");
  EXPECT_EQ(says({0.0, nan, {}}), "lazygumbel: mass.count = nan: must be at least 0 and finite");
  EXPECT_EQ(says({0.0, infinity, {}}),
            "lazygumbel: mass.count = inf: must be at least 0 and finite");
  EXPECT_EQ(says(mass_of(0.0, 1.0, {1.0})),
            "lazygumbel: mass.value_sum.size() = 1: must be 0 or the outputs' 2");
  EXPECT_EQ(says(mass_of(0.0, 1.0, {1.0, -infinity})),
            "lazygumbel: mass.value_sum(1) = -inf: must be finite");
  EXPECT_EQ(says(mass_of(0.0, 3.0, {1.0, -1e300})),
            "lazygumbel: mass.value_sum(1) = -1e+300: is more than 3 values of float can sum to");
  EXPECT_EQ(says(mass_of(0.0, 2.0, {7e38, 0.0})),
            "lazygumbel: mass.value_sum(0) = 7e+38: is more than 2 values of float can sum to");
  EXPECT_EQ(out.values(0, 1), 2.0F);
  EXPECT_EQ(out.log_sum_exp(0, 0), 0.0);
}

}  // namespace
}  // namespace lazygumbel::testing
