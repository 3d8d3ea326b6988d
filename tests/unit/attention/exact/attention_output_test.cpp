#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <lazygumbel/attention/exact/attention_output.hpp>
#include <limits>
#include <stdexcept>

#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

/// One query of one head.
AttentionOutput row(float x, float y, double log_sum_exp, const AttentionRow& about = {}) {
  AttentionOutput out;
  out.values.resize(1, 2);
  out.values << x, y;
  out.log_sum_exp.setConstant(1, 1, log_sum_exp);
  out.rows = {about};
  return out;
}

TEST(AttentionOutput, NamesOfPaths) {
  EXPECT_STREQ(name_of(AttentionPath::exact), "exact");
  EXPECT_STREQ(name_of(AttentionPath::sampled), "sampled");
  EXPECT_STREQ(name_of(AttentionPath::top_only), "top_only");
}

TEST(AttentionOutput, MergeWeighsByTheSums) {
  const AttentionOutput out =
      merge(row(1.0F, 10.0F, std::log(1.0)), row(5.0F, 30.0F, std::log(3.0)));
  EXPECT_FLOAT_EQ(out.values(0, 0), 4.0F);
  EXPECT_FLOAT_EQ(out.values(0, 1), 25.0F);
  EXPECT_DOUBLE_EQ(out.log_sum_exp(0, 0), std::log(4.0));
}

TEST(AttentionOutput, MergeOfFarApartAndLargeSums) {
  for (const double shift : {-1e4, 0.0, 1e4, 1e300}) {
    const AttentionOutput out = merge(row(1.0F, 2.0F, shift), row(3.0F, 4.0F, shift));
    EXPECT_FLOAT_EQ(out.values(0, 0), 2.0F);
    EXPECT_DOUBLE_EQ(out.log_sum_exp(0, 0), shift + std::log(2.0));
  }
  const AttentionOutput out = merge(row(1.0F, 2.0F, 0.0), row(3.0F, 4.0F, 1e4));
  EXPECT_EQ(out.values(0, 0), 3.0F);
  EXPECT_EQ(out.log_sum_exp(0, 0), 1e4);
}

TEST(AttentionOutput, MergeWithNothing) {
  const AttentionOutput none = row(0.0F, 0.0F, -infinity), some = row(3.0F, 4.0F, -2.0);
  for (const AttentionOutput& out : {merge(none, some), merge(some, none)}) {
    EXPECT_EQ(out.values(0, 1), 4.0F);
    EXPECT_EQ(out.log_sum_exp(0, 0), -2.0);
  }
  const AttentionOutput out = merge(none, none);
  EXPECT_EQ(out.values(0, 0), 0.0F);
  EXPECT_EQ(out.log_sum_exp(0, 0), -infinity);
}

TEST(AttentionOutput, MergeOfWhatRowsRestOn) {
  const AttentionRow a{10, 0, 0.0F, AttentionPath::exact, true};
  const AttentionRow b{20, 5, 0.1F, AttentionPath::sampled, false};
  const AttentionRow c{30, 0, 0.0F, AttentionPath::top_only, true};
  const AttentionOutput out = merge(row(3.0F, 4.0F, 0.0, a), row(3.0F, 4.0F, 0.0, b));
  EXPECT_EQ(out.rows[0].keys_touched, 30U);
  EXPECT_EQ(out.rows[0].samples, 5U);
  EXPECT_FLOAT_EQ(out.rows[0].error, 0.05F);
  EXPECT_EQ(out.rows[0].path, AttentionPath::sampled);
  EXPECT_FALSE(out.rows[0].target_met);
  // The least of the two: a biased part makes the whole biased, in whatever order.
  for (const AttentionOutput& both : {merge(row(1.0F, 1.0F, 0.0, b), row(1.0F, 1.0F, 0.0, c)),
                                      merge(row(1.0F, 1.0F, 0.0, c), row(1.0F, 1.0F, 0.0, b))})
    EXPECT_EQ(both.rows[0].path, AttentionPath::top_only);
}

TEST(AttentionOutput, MergeReportsNoErrorThatIsNaN) {
  const float endless = std::numeric_limits<float>::infinity();
  const auto with = [](float error) { return AttentionRow{.error = error}; };
  const auto error_of = [](const AttentionOutput& a, const AttentionOutput& b) {
    const float one = merge(a, b).rows[0].error, other = merge(b, a).rows[0].error;
    EXPECT_EQ(one, other);
    return one;
  };
  const AttentionOutput exact = row(3.0F, 4.0F, 0.0), none = row(0.0F, 0.0F, -infinity);
  EXPECT_EQ(error_of(exact, row(0.0F, 0.0F, 0.0, with(0.1F))), 0.0F);
  EXPECT_EQ(error_of(exact, row(3.0F, 4.0F, -1e5, with(0.1F))), 0.0F);
  EXPECT_EQ(error_of(none, row(0.0F, 0.0F, -infinity, with(0.1F))), 0.1F);
  EXPECT_EQ(error_of(none, row(0.0F, 0.0F, 0.0, with(0.1F))), 0.0F);
  // Infinite: nothing is known of a part, nor of the whole.
  EXPECT_EQ(error_of(exact, row(0.0F, 0.0F, 0.0, with(endless))), endless);
  EXPECT_EQ(error_of(exact, row(3.0F, 4.0F, -1e5, with(endless))), endless);
  EXPECT_EQ(error_of(exact, row(0.0F, 0.0F, -infinity, with(endless))), endless);
  EXPECT_EQ(error_of(none, row(0.0F, 0.0F, -infinity, with(endless))), endless);
  // Outputs that cancel: there is no relative error.
  EXPECT_EQ(error_of(exact, row(-3.0F, -4.0F, 0.0, with(0.1F))), endless);
  EXPECT_EQ(error_of(exact, row(-3.0F, -4.0F, 0.0)), 0.0F);
}

// o = w_a o_a + w_b o_b with (3, 0) and (0, 4) at weights 1/2, whose distance is 5 and norm 2.5.
TEST(AttentionOutput, MergeCountsWhatSharesMayBeOff) {
  const auto with = [](float log_z_error, float error = 0.0F) {
    return AttentionRow{.error = error, .log_z_error = log_z_error};
  };
  const auto merged = [](const AttentionRow& a, const AttentionRow& b) {
    const AttentionOutput one = merge(row(3.0F, 0.0F, 0.0, a), row(0.0F, 4.0F, 0.0, b)),
                          other = merge(row(0.0F, 4.0F, 0.0, b), row(3.0F, 0.0F, 0.0, a));
    EXPECT_FLOAT_EQ(one.rows[0].error, other.rows[0].error);
    EXPECT_FLOAT_EQ(one.rows[0].log_z_error, other.rows[0].log_z_error);
    return one.rows[0];
  };
  const float endless = std::numeric_limits<float>::infinity();
  // To first order w_a w_b |o_a - o_b| (e_a + e_b) = 1.25 (e_a + e_b).
  EXPECT_NEAR(merged(with(0.001F), with(0.0F)).error, 0.0005, 1e-6);
  EXPECT_NEAR(merged(with(0.001F), with(0.002F)).error, 0.0015, 1e-5);
  EXPECT_NEAR(merged(with(0.001F), with(0.002F)).log_z_error, 0.0015, 1e-5);
  // Exactly: the odds are e^-e or e^e instead of 1.
  const double off = 1.0 / (1.0 + std::exp(-1.5)) - 0.5;
  EXPECT_NEAR(merged(with(0.5F), with(1.0F)).error, off * 5.0 / 2.5, 1e-6);
  EXPECT_NEAR(merged(with(0.5F), with(1.0F)).log_z_error,
              std::log(0.5 * std::exp(0.5) + 0.5 * std::exp(1.0)), 1e-6);
  // Errors of the parts: theirs, and what they add to the distance.
  EXPECT_NEAR(merged(with(0.5F, 0.1F), with(1.0F)).error, (0.5 * 0.3 + off * 5.3) / 2.5, 1e-6);
  // Unknown shares: anything between the two outputs.
  EXPECT_NEAR(merged(with(endless), with(0.0F)).error, 0.5 * 5.0 / 2.5, 1e-6);
  EXPECT_EQ(merged(with(endless), with(0.1F)).log_z_error, endless);
  EXPECT_EQ(merged(with(endless, endless), with(0.1F)).error, endless);
  EXPECT_EQ(merged(with(0.0F), with(0.0F)).error, 0.0F);
  EXPECT_EQ(merged(with(0.0F), with(0.0F)).log_z_error, 0.0F);
  // Equal outputs do not depend on shares.
  const AttentionRow half = with(0.5F);
  EXPECT_EQ(merge(row(3.0F, 4.0F, 0.0, half), row(3.0F, 4.0F, 1.0, half)).rows[0].error, 0.0F);
}

TEST(AttentionOutput, MergeWithSharesOfNothing) {
  const float endless = std::numeric_limits<float>::infinity();
  const AttentionRow unsure{.log_z_error = 0.5F}, unknown{.log_z_error = endless};
  const AttentionOutput some = row(3.0F, 4.0F, 0.0, unsure);
  for (const double none : {-1e5, -infinity}) {
    // What has no weight has none after a factor either, unless nothing is known of it.
    AttentionOutput out = merge(some, row(0.0F, 0.0F, none, unsure));
    EXPECT_EQ(out.rows[0].error, 0.0F);
    EXPECT_FLOAT_EQ(out.rows[0].log_z_error, 0.5F);
    out = merge(some, row(0.0F, 0.0F, none, unknown));
    EXPECT_FLOAT_EQ(out.rows[0].error, 1.0F);
    EXPECT_EQ(out.rows[0].log_z_error, endless);
  }
  const AttentionOutput nothing = row(0.0F, 0.0F, -infinity, unsure);
  EXPECT_EQ(merge(nothing, nothing).rows[0].log_z_error, 0.5F);
}

TEST(AttentionOutput, ASumMeetsWhatItsPartsMet) {
  const auto met = [](const AttentionOutput& a, const AttentionOutput& b) {
    EXPECT_EQ(merge(a, b).rows[0].target_met, merge(b, a).rows[0].target_met);
    return merge(a, b).rows[0].target_met;
  };
  const AttentionRow exact{}, sampled{.error = 0.1F}, unsure{.error = 0.1F, .log_z_error = 0.1F},
      missed{.target_met = false};
  EXPECT_TRUE(met(row(3.0F, 4.0F, 0.0, exact), row(-2.0F, 1.0F, 1.0, exact)));
  EXPECT_TRUE(met(row(3.0F, 4.0F, 0.0, sampled), row(3.0F, 4.0F, 1.0, exact)));
  EXPECT_TRUE(met(row(3.0F, 4.0F, 0.0, sampled), row(3.0F, 4.0F, 1.0, sampled)));
  EXPECT_TRUE(met(row(3.0F, 4.0F, 0.0, unsure), row(0.0F, 0.0F, -infinity, exact)));
  EXPECT_FALSE(met(row(3.0F, 4.0F, 0.0, sampled), row(-2.5F, -4.0F, 0.0, sampled)));
  EXPECT_FALSE(met(row(3.0F, 4.0F, 0.0, unsure), row(-4.0F, 3.0F, 0.0, unsure)));
  EXPECT_FALSE(met(row(3.0F, 4.0F, 0.0, exact), row(3.0F, 4.0F, 0.0, missed)));
}

TEST(AttentionOutput, MergeOfNoQueries) {
  AttentionOutput empty;
  empty.values.resize(0, 6);
  empty.log_sum_exp.resize(0, 2);
  EXPECT_EQ(merge(empty, empty).values.cols(), 6);
}

TEST(AttentionOutput, MergeRefusesOtherShapes) {
  const AttentionOutput one = row(1.0F, 2.0F, 0.0);
  AttentionOutput other = one;
  other.values.resize(1, 3);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { merge(one, other); }),
            "lazygumbel: b = 1 x 3: must have the shape of a");
  other = one;
  other.log_sum_exp.resize(1, 2);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { merge(one, other); }),
            "lazygumbel: b = 1 x 2: must have the shape of a");
  other = one;
  other.rows.clear();
  EXPECT_EQ(message_of<std::invalid_argument>([&] { merge(one, other); }),
            "lazygumbel: b = 1 x 2: must have the shape of a");
}

}  // namespace
}  // namespace lazygumbel::testing
