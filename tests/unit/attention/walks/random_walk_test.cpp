#include <gtest/gtest.h>

#include <lazygumbel/attention/walks/random_walk.hpp>
#include <lazygumbel/index/flat_index.hpp>

#include "laws.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::size_t walk_m = 5, walk_n = 6, walk_d = 3;

/// Row i steps to position i + 1 always: P is a shift, so every walk's part is known.
auto shift_steps() {
  return RowSteps(walk_m, walk_n, [](std::size_t row, std::size_t count, PhiloxEngine&) {
    Draws draws;
    draws.ids.assign(count, static_cast<item_id>(row + 1));
    draws.trace.guarantee = Guarantee::certified();
    return draws;
  });
}

/// All rows step to position 2.
auto sink_steps() {
  return RowSteps(walk_m, walk_n, [](std::size_t, std::size_t count, PhiloxEngine&) {
    Draws draws;
    draws.ids.assign(count, 2);
    return draws;
  });
}

TEST(WalkProduct, CountsOfStartsAndErrorsBelongTogether) {
  // y^_{i+1} = sign(x_i) |x|_1 c_i / t with c_i starts at i.
  Vector<double> x(5);
  x << 1.0, -2.0, 0.0, 4.0, -1.0;
  PhiloxEngine engine(1);
  const WalkEstimate e = walk_product(shift_steps(), x, 1000, engine);
  ASSERT_EQ(e.value.rows(), 6);
  ASSERT_EQ(e.value.cols(), 1);
  EXPECT_EQ(e.walks, 1000U);
  EXPECT_EQ(e.value(0, 0), 0.0);
  EXPECT_EQ(e.value(3, 0), 0.0);  // x_2 = 0 is never started from
  EXPECT_NEAR(e.value.cwiseAbs().sum(), 8.0, 1e-12);
  for (Eigen::Index i = 0; i < 5; ++i) {
    const double count = std::abs(e.value(i + 1, 0)) * 1000.0 / 8.0;
    EXPECT_NEAR(count, std::round(count), 1e-9);
    EXPECT_GE(e.value(i + 1, 0) * x[i], 0.0);
    EXPECT_NEAR(e.value(i + 1, 0), x[i], 5.0 * std::sqrt(8.0 * std::abs(x[i]) / 1000.0) + 1e-12);
    // (|x|_1^2 c / t - y^2) / (t - 1)
    EXPECT_NEAR(e.standard_error[i + 1] * e.standard_error[i + 1],
                (64.0 * count / 1000.0 - e.value(i + 1, 0) * e.value(i + 1, 0)) / 999.0, 1e-12);
  }
  EXPECT_NEAR(e.standard_error_norm * e.standard_error_norm, (64.0 - e.value.squaredNorm()) / 999.0,
              1e-12);
  EXPECT_NEAR(e.standard_error.norm(), e.standard_error_norm, 1e-12);
  EXPECT_EQ(e.trace.guarantee, Guarantee::certified());
}

TEST(WalkProduct, ExactWhereNothingIsRandom) {
  // All of a non-negative x ends at one position: no error, and none reported.
  Vector<double> x(5);
  x << 1.0, 2.0, 0.0, 4.0, 1.0;
  PhiloxEngine engine(2);
  const WalkEstimate e = walk_product(sink_steps(), x, 10, engine);
  EXPECT_NEAR(e.value(2, 0), 8.0, 1e-12);
  EXPECT_NEAR(e.standard_error_norm, 0.0, 1e-7);
  EXPECT_EQ(e.trace.guarantee, Guarantee::assumed());
}

TEST(WalkProduct, ZeroNeedsNoWalk) {
  PhiloxEngine engine(3), untouched(3);
  const WalkEstimate e = walk_product(shift_steps(), Vector<double>::Zero(5), 10, engine);
  EXPECT_EQ(e.value.norm(), 0.0);
  EXPECT_EQ(e.standard_error_norm, 0.0);
  EXPECT_EQ(e.trace.rows_scored, 0U);
  EXPECT_EQ(engine, untouched);
}

TEST(WalkProduct, TinyEntriesCount) {
  // Their squares vanish in double.
  PhiloxEngine engine(18);
  const WalkEstimate e = walk_product(sink_steps(), Vector<double>::Constant(5, 1e-200), 9, engine);
  EXPECT_NEAR(e.value(2, 0) / 5e-200, 1.0, 1e-12);
}

TEST(WalkValueGradient, RowsKeepTheirDirection) {
  const RowMatrix<double> g = gaussian_rows(walk_m, walk_d, 4);
  PhiloxEngine engine(5);
  const WalkEstimate e = walk_value_gradient(shift_steps(), g, 4000, engine);
  const double sum = g.rowwise().norm().sum();
  ASSERT_EQ(e.value.cols(), 3);
  for (Eigen::Index i = 0; i < 5; ++i) {
    const double length = g.row(i).norm(), count = e.value.row(i + 1).norm() / sum * 4000.0;
    EXPECT_NEAR(e.value.row(i + 1).dot(g.row(i)), e.value.row(i + 1).norm() * length, 1e-9);
    EXPECT_NEAR(count / 4000.0, length / sum, 0.05);
    EXPECT_NEAR(e.standard_error[i + 1] * e.standard_error[i + 1],
                (sum * sum * count / 4000.0 - e.value.row(i + 1).squaredNorm()) / 3999.0, 1e-9);
  }
}

TEST(WalkKeyGradient, FactorsAreThoseOfTheEnd) {
  const RowMatrix<double> g = gaussian_rows(walk_m, 2, 6), q = gaussian_rows(walk_m, walk_d, 7),
                          v = gaussian_rows(walk_n, 2, 8);
  const std::vector<double> delta = {0.3, -0.2, 0.0, 1.0, 2.0};
  PhiloxEngine engine(9);
  constexpr double t = 5000.0;
  const WalkEstimate e = walk_key_gradient(shift_steps(), q, -0.5, v, g, delta, 5000, engine);
  const double sum = q.rowwise().norm().sum();
  for (Eigen::Index i = 0; i < 5; ++i) {
    const Vector<double> whole = -0.5 *
                                 (g.row(i).dot(v.row(i + 1)) - delta[static_cast<std::size_t>(i)]) *
                                 q.row(i).transpose();
    const double pi = q.row(i).norm() / sum;
    const double share = e.value.row(i + 1).dot(whole) / whole.squaredNorm();  // count / (t pi)
    EXPECT_LT((e.value.row(i + 1).transpose() - share * whole).norm(), 1e-12);
    EXPECT_NEAR(share, 1.0, 5.0 / std::sqrt(t * pi));
    EXPECT_NEAR(e.standard_error[i + 1] * e.standard_error[i + 1],
                whole.squaredNorm() * (share / pi - share * share) / (t - 1.0), 1e-9);
  }
}

TEST(RandomWalk, DoesNotDependOnThreads) {
  const FlatIndex<float> keys(gaussian_rows<float>(80, 4, 10));
  const RowMatrix<float> queries = gaussian_rows<float>(50, 4, 11),
                         g = gaussian_rows<float>(50, 3, 12);
  const AttentionDraws draws(keys);
  const AttentionSteps steps(draws, queries);
  PhiloxEngine a(13), b(13);
  const WalkEstimate one = walk_value_gradient(steps, g, 700, a, 1),
                     two = walk_value_gradient(steps, g, 700, b, 2);
  EXPECT_EQ(one.value, two.value);
  EXPECT_EQ(one.standard_error, two.standard_error);
  EXPECT_EQ(one.trace.rows_scored, two.trace.rows_scored);
  EXPECT_EQ(a, b);
}

TEST(RandomWalk, RefusesBadInput) {
  const auto steps = shift_steps();
  PhiloxEngine engine(14);
  const auto message = [](auto&& call) { return message_of<std::invalid_argument>(call); };
  Vector<double> x = Vector<double>::Ones(5);
  EXPECT_EQ(message([&] { walk_product(steps, x, 1, engine); }),
            "lazygumbel: walks = 1: must be at least 2");
  EXPECT_EQ(message([&] { walk_product(steps, x.head(4), 9, engine); }),
            "lazygumbel: x.rows() = 4: must equal 5");
  EXPECT_EQ(message([&] { walk_product(steps, RowMatrix<double>::Ones(5, 2), 9, engine); }),
            "lazygumbel: x.cols() = 2: must equal 1");
  x[3] = nan;
  EXPECT_EQ(message([&] { walk_product(steps, x, 9, engine); }),
            "lazygumbel: x(3, 0) = nan: must be finite");
  x[3] = 1e308;
  x[4] = 1e308;
  EXPECT_EQ(message([&] { walk_product(steps, x, 9, engine); }),
            "lazygumbel: the sum of row norms = inf: must be finite");
  const RowMatrix<double> g = gaussian_rows(walk_m, 2, 15), q = gaussian_rows(walk_m, walk_d, 16),
                          v = gaussian_rows(walk_n, 2, 17);
  EXPECT_EQ(message([&] { walk_value_gradient(steps, g.leftCols(0), 9, engine); }),
            "lazygumbel: output_gradient.cols() = 0: must be at least 1");
  std::vector<double> delta(5, 0.0);
  EXPECT_EQ(message([&] { walk_key_gradient(steps, q, nan, v, g, delta, 9, engine); }),
            "lazygumbel: scale = nan: must be finite");
  EXPECT_EQ(message([&] { walk_key_gradient(steps, q, 1.0, v.topRows(2), g, delta, 9, engine); }),
            "lazygumbel: values.rows() = 2: must equal 6");
  EXPECT_EQ(message([&] { walk_key_gradient(steps, q, 1.0, v, q, delta, 9, engine); }),
            "lazygumbel: output_gradient.cols() = 3: must equal 2");
  EXPECT_EQ(message([&] { walk_key_gradient(steps, q.topRows(3), 1.0, v, g, delta, 9, engine); }),
            "lazygumbel: queries.rows() = 3: must equal 5");
  delta[1] = nan;
  EXPECT_EQ(message([&] { walk_key_gradient(steps, q, 1.0, v, g, delta, 9, engine); }),
            "lazygumbel: delta[1] = nan: must be finite");
  delta.pop_back();
  EXPECT_EQ(message([&] { walk_key_gradient(steps, q, 1.0, v, g, delta, 9, engine); }),
            "lazygumbel: delta.size() = 4: must equal 5");
}

}  // namespace
}  // namespace lazygumbel::testing
