#include <gtest/gtest.h>

#include <lazygumbel/estimation/bounded_function.hpp>
#include <lazygumbel/estimation/softmax_expectation.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <limits>

#include "laws.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

double halves(item_id id) { return 0.5 * static_cast<double>(id % 5); }

TEST(Bounded, KnowsItsMiddleAndRadius) {
  const auto f = bounded(halves, -1.0, 3.0);
  EXPECT_EQ(f(4), 2.0);
  EXPECT_DOUBLE_EQ(f.centre(), 1.0);
  EXPECT_DOUBLE_EQ(f.radius(), 2.0);
  const auto g = bounded(halves, 2.0);
  EXPECT_DOUBLE_EQ(g.centre(), 0.0);
  EXPECT_DOUBLE_EQ(g.radius(), 2.0);
  EXPECT_DOUBLE_EQ(bounded(halves, 1.0, 1.0).radius(), 0.0);
  const double most = (std::numeric_limits<double>::max)();
  EXPECT_DOUBLE_EQ(bounded(halves, -most, most).radius(), most);
}

TEST(Bounded, RefusesBadBounds) {
  expect_throws<std::invalid_argument>([] { bounded(halves, nan, 1.0); }, {"lowest = nan"});
  expect_throws<std::invalid_argument>([] { bounded(halves, 2.0, 1.0); },
                                       {"largest = 1", "lowest = 2"});
  expect_throws<std::invalid_argument>([] { bounded(halves, 0.0, infinity); }, {"largest = inf"});
  expect_throws<std::invalid_argument>([] { bounded(halves, -1.0); }, {"radius = -1"});
  expect_throws<std::invalid_argument>([] { bounded(halves, nan); }, {"radius = nan"});
}

TEST(Bounded, ValuesOutsideAreFoundOut) {
  const FlatIndex<double> index(gaussian_rows<double>(500, 3, 1));
  const Vector<double> theta = gaussian_query(3, 2);
  const SoftmaxExpectation expectation(index);
  PhiloxEngine engine(3);
  expect_throws<std::invalid_argument>(
      [&] { expectation.estimate(theta, bounded(halves, 0.0, 1.0), 100, engine); },
      {"f(", "exceeds the radius", "0.5"});
  EXPECT_TRUE(
      expectation.estimate(theta, bounded(halves, 0.0, 2.0), 100, engine).trace.covers_unseen);
}

TEST(Bounded, VectorsHaveARadius) {
  const FlatIndex<double> index(gaussian_rows<double>(500, 3, 1));
  const Vector<double> theta = gaussian_query(3, 2);
  const auto f = [](item_id id) {
    return Vector<double>::Constant(2, id % 2 == 0 ? 1.0 : -1.0).eval();
  };
  const SoftmaxExpectation expectation(index);
  PhiloxEngine engine(3);
  const VectorEstimate known = expectation.estimate(theta, bounded(f, 1.5), 100, engine);
  EXPECT_TRUE(known.trace.covers_unseen);
  PhiloxEngine same(3);
  const VectorEstimate other = expectation.estimate(theta, f, 100, same);
  EXPECT_FALSE(other.trace.covers_unseen);
  EXPECT_EQ(known.value, other.value);
  EXPECT_GT(known.error_norm, other.error_norm);
}

}  // namespace
}  // namespace lazygumbel::testing
