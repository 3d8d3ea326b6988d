#include <gtest/gtest.h>

#include "long_stream.hpp"

// Negative control of SlidingWindowCache.DoesNotDrift: a running sum in float must not pass for one
// that does not drift, and a sum in double must.

namespace lazygumbel::testing {
namespace {

template <class Sum>
double drift_of_sum() {
  const LongStream stream;
  Sum sums[LongStream::dimension] = {};
  for (std::size_t t = 0; t < LongStream::tokens - LongStream::window; ++t)
    for (std::size_t c = 0; c < LongStream::dimension; ++c)
      sums[c] += static_cast<Sum>(stream.value(t).row(0, 0)[c]);
  Eigen::RowVectorXd old(static_cast<Eigen::Index>(LongStream::dimension));
  for (std::size_t c = 0; c < LongStream::dimension; ++c)
    old[static_cast<Eigen::Index>(c)] = static_cast<double>(sums[c]);
  return drift(stream.output(old), stream.dense_output());
}

TEST(SlidingWindowDriftControl, FloatSumIsFound) {
  EXPECT_GT(drift_of_sum<float>(), 10 * allowed_drift);
}

TEST(SlidingWindowDriftControl, DoubleSumPasses) {
  EXPECT_LT(drift_of_sum<double>(), allowed_drift);
}

}  // namespace
}  // namespace lazygumbel::testing
