#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/attention/subgen/sub_gen_options.hpp>
#include <stdexcept>
#include <string>

#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

SubGenOptions good() {
  SubGenOptions options;
  options.radius = 1.0;
  return options;
}

template <class Change>
std::string complaint(Change&& change) {
  SubGenOptions options = good();
  change(options);
  return message_of<std::invalid_argument>([&] { lazygumbel::detail::require_sub_gen(options); });
}

TEST(SubGenOptions, TheRadiusHasToBeChosen) {
  EXPECT_EQ(complaint([](SubGenOptions& o) { o = {}; }),
            "lazygumbel: radius = nan: must be at least 0");
  EXPECT_NO_THROW(lazygumbel::detail::require_sub_gen(good()));
}

TEST(SubGenOptions, WhatIsOutOfRangeIsNamed) {
  EXPECT_EQ(complaint([](SubGenOptions& o) { o.radius = -0.5; }),
            "lazygumbel: radius = -0.5: must be at least 0");
  EXPECT_EQ(complaint([](SubGenOptions& o) { o.samples_per_cluster = 3; }),
            "lazygumbel: samples_per_cluster = 3: must be at least 4");
  EXPECT_EQ(complaint([](SubGenOptions& o) {
              o.slots = 7;
              o.estimator = SubGenEstimator::plain;
            }),
            "lazygumbel: slots = 7: must be at least 8");
  EXPECT_EQ(complaint([](SubGenOptions& o) { o.max_clusters = 0; }),
            "lazygumbel: max_clusters = 0: must be from 1 to 2^32 - 1");
  EXPECT_EQ(complaint([](SubGenOptions& o) { o.estimator = static_cast<SubGenEstimator>(5); }),
            "lazygumbel: estimator = 5: is none of the five");
  for (const double wrong : {0.0, 1.0, -1.0, 2.0, nan, infinity})
    EXPECT_NE(complaint([&](SubGenOptions& o) {
                o.error_probability = wrong;
              }).find("must lie in (0, 1)"),
              std::string::npos)
        << wrong;
}

TEST(SubGenOptions, ZeroAndInfinityAreRadii) {
  for (const double radius : {0.0, infinity}) {
    SubGenOptions options = good();
    options.radius = radius;
    EXPECT_NO_THROW(lazygumbel::detail::require_sub_gen(options));
  }
}

TEST(SubGenOptions, EstimatorsHaveNames) {
  EXPECT_STREQ(name_of(SubGenEstimator::plain), "plain");
  EXPECT_STREQ(name_of(SubGenEstimator::self_normalised), "self_normalised");
  EXPECT_STREQ(name_of(SubGenEstimator::mean_shifted), "mean_shifted");
  EXPECT_STREQ(name_of(SubGenEstimator::stratified), "stratified");
  EXPECT_STREQ(name_of(SubGenEstimator::centred), "centred");
}

}  // namespace
}  // namespace lazygumbel::testing
