#include <gtest/gtest.h>

#include "sub_gen_honesty.hpp"

// What subgen_honesty_test.cpp must reject: reports that take what samples of wide clusters show
// for all that there is.

namespace lazygumbel::testing {
namespace {

void expect_rejected(const SubGenFamily& family,
                     std::initializer_list<SubGenEstimator> estimators) {
  for (const SubGenEstimator estimator : estimators) {
    const SubGenCounts counts = count_trusting_reports(family, estimator, 250, 3);
    EXPECT_FALSE(reports_hold(counts.output, family.options.error_probability))
        << family.name << ", " << name_of(estimator) << ": " << text_of(counts.output);
  }
}

TEST(SubGenHonestyControl, ReportsThatTrustTheirSamples) {
  using enum SubGenEstimator;
  const std::vector<SubGenFamily> families = hiding_families();
  const auto family = [&](const std::string& name) {
    for (const SubGenFamily& one : families)
      if (one.name == name) return one;
    throw std::invalid_argument(name);
  };
  expect_rejected(family("wide cluster, scores of deviation 3.5"), {stratified, centred});
  expect_rejected(family("a needle in a wide cluster"),
                  {plain, self_normalised, mean_shifted, stratified, centred});
  expect_rejected(family("one heavy key in 30"), {plain, stratified, centred});
  expect_rejected(family("one large value in 75"), {stratified});
}

TEST(SubGenHonestyControl, ErrorsOfLogZThatTrustTheirSamples) {
  for (const SubGenFamily& family : hiding_families()) {
    if (family.name != "wide cluster, scores of deviation 3.5" &&
        family.name != "a needle in a wide cluster")
      continue;
    const SubGenCounts counts = count_trusting_reports(family, SubGenEstimator::centred, 250, 3);
    EXPECT_FALSE(reports_hold(counts.log_z, family.options.error_probability)) << family.name;
  }
}

}  // namespace
}  // namespace lazygumbel::testing
