#include <gtest/gtest.h>

#include <iostream>

#include "real_heads.hpp"
#include "sub_gen_honesty.hpp"

// Whether reports of a SubGenCache hold where its samples do not show what matters, and on keys of
// a trained model. They are as wide as clusters are: what they cost is printed, and bounded where
// clusters are narrow.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t hiding_runs = 160, telling_runs = 80;

void expect_honest(const SubGenFamily& family, SubGenEstimator estimator,
                   const SubGenCounts& counts) {
  const std::string what = family.name + ", " + name_of(estimator);
  std::cout << what << ": " << text_of(counts.output) << "; log Z " << counts.log_z.outside
            << " outside; stated " << counts.stated << ", actual " << counts.actual << "\n";
  EXPECT_TRUE(reports_hold(counts.output, family.options.error_probability)) << what;
  EXPECT_TRUE(reports_hold(counts.log_z, family.options.error_probability)) << what;
}

TEST(SubGenHonesty, WhatClustersHideIsInTheReports) {
  for (const SubGenFamily& family : hiding_families())
    for (const SubGenEstimator estimator : sub_gen_estimators) {
      const SubGenCounts counts = count_reports(family, estimator, hiding_runs, 3);
      expect_honest(family, estimator, counts);
      EXPECT_TRUE(std::isfinite(counts.stated));
    }
}

TEST(SubGenHonesty, WhereSamplesTell) {
  for (const SubGenFamily& family : telling_families())
    for (const SubGenEstimator estimator : sub_gen_estimators)
      expect_honest(family, estimator, count_reports(family, estimator, telling_runs, 4));
}

// More samples, and narrower clusters, make what is hidden small.
TEST(SubGenHonesty, ReportsShrinkWithTheWidthAndTheSamples) {
  const auto stated = [](double rho, std::size_t t) {
    SubGenFamily family{"", separated_problem(6000, 1, rho, 61), clustered_sub_gen()};
    family.options.samples_per_cluster = t;
    return count_reports(family, SubGenEstimator::centred, 20, 5).stated;
  };
  EXPECT_LT(stated(0.2, 32), 0.3 * stated(0.8, 32));
  EXPECT_LT(stated(0.5, 256), 0.2 * stated(0.5, 32));
  EXPECT_LT(stated(0.2, 256), 0.01);
}

// Every output is a mean of values, so that no error exceeds |o^| + max |v|.
TEST(SubGenHonesty, NoErrorIsLargerThanItCanBe) {
  SubGenFamily family = hiding_families()[3];
  const double largest = static_cast<double>(family.problem.values.rowwise().norm().maxCoeff());
  for (const SubGenEstimator estimator : sub_gen_estimators) {
    family.options.estimator = estimator;
    for (const std::size_t window : {0u, 100u}) {
      family.options.window = window;
      const AttentionOutput out = sub_gen_cache(family.problem, family.options, 1)
                                      .attend(family.problem.queries, unscaled());
      const double norm = static_cast<double>(out.values.row(0).norm());
      EXPECT_LE(static_cast<double>(out.rows[0].error) * norm, 1.000001 * (norm + largest));
      EXPECT_GT(out.rows[0].error, 1.0F);
    }
  }
}

TEST(SubGenHonesty, KeysOfATrainedModel) {
  if (!real_head(0)) GTEST_SKIP() << "transformer-l0-q.npy is not in $LAZYGUMBEL_DATA";
  constexpr Eigen::Index first = 1024, step = 512, tokens = 8192;
  constexpr double scale = 0.125;
  std::vector<HeadsProblem> heads;
  for (std::size_t head = 0; head < 4; ++head) heads.push_back(real_head(head).value());
  SubGenOptions one = one_cluster(256), bounded = one_cluster(32);
  one.window = 256;
  bounded.radius = 4.0;
  bounded.max_clusters = 64;
  AttentionOptions attention;
  attention.scale = scale;
  for (const SubGenEstimator estimator : sub_gen_estimators)
    for (SubGenOptions options : {one, bounded}) {
      options.estimator = estimator;
      options.slots = 1024;
      options.sinks = 4;
      HonestyCount output, log_z;
      std::vector<double> stated;
      for (std::size_t head = 0; head < heads.size(); ++head) {
        const HeadsProblem& all = heads[head];
        PhiloxEngine engine(9, head);
        SubGenCache<float> cache(1, 64, 64, options, engine);
        for (Eigen::Index n = 0; n < tokens;) {
          const Eigen::Index more = n == 0 ? first : step;
          cache.append(all.keys.middleRows(n, more), all.values.middleRows(n, more));
          n += more;
          const AttentionOutput out = cache.attend(all.queries.row(n - 1), attention);
          const Vector<double> scores = scale * (all.keys.topRows(n).cast<double>() *
                                                 all.queries.row(n - 1).cast<double>().transpose());
          const double high = scores.maxCoeff();
          const Vector<double> weights = (scores.array() - high).exp();
          const Vector<double> o = all.values.topRows(n).cast<double>().transpose() * weights /
                                   weights.sum(),
                               found = out.values.row(0).cast<double>().transpose();
          const AttentionRow& row = out.rows[0];
          output.add(
              false, false,
              (found - o).norm() > static_cast<double>(row.error) * found.norm() + 1e-5 * o.norm(),
              false);
          log_z.add(false, false,
                    std::abs(out.log_sum_exp(0, 0) - high - std::log(weights.sum())) >
                        static_cast<double>(row.log_z_error) + 1e-5,
                    false);
          stated.push_back(static_cast<double>(row.error));
        }
      }
      std::cout << name_of(estimator) << ", " << options.max_clusters
                << " clusters at most: " << text_of(output) << "; log Z " << log_z.outside
                << " outside; stated " << median_of(stated) << "\n";
      EXPECT_TRUE(reports_hold(output, options.error_probability)) << name_of(estimator);
      EXPECT_TRUE(reports_hold(log_z, options.error_probability)) << name_of(estimator);
    }
}

}  // namespace
}  // namespace lazygumbel::testing
