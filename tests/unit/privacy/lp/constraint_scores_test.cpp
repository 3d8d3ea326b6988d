#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/privacy/lp/detail/constraint_scores.hpp>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "indexes.hpp"
#include "linear_programs.hpp"
#include "message_of.hpp"
#include "scalars.hpp"

namespace lazygumbel::testing {
namespace {

template <class Scalar>
class ConstraintScoresOf : public ::testing::Test {};
TYPED_TEST_SUITE(ConstraintScoresOf, Scalars);

// All three ways to a score give one number, bit for bit: a lazy draw mixes them.
TYPED_TEST(ConstraintScoresOf, OneNumberAnItem) {
  using Scalar = TypeParam;
  for (const std::size_t d : {1U, 2U, 3U, 7U, 8U, 33U, 64U, 100U}) {
    const auto program = feasible_program<Scalar>(70, ScaledSimplex::of_total(d), 0.3, 0, 100 + d);
    PhiloxEngine engine(d);
    const std::vector<double> x = random_point(program.region, 0, engine);
    const RowStore<Scalar> rows{RowMatrix<Scalar>(program.rows)};
    const ConstraintScores<Scalar> scores(rows, program.bounds, 1.0);
    EXPECT_EQ(scores.size(), 70U);
    EXPECT_EQ(scores.dimension(), d + 1);
    for (const double scale : {1e-3, 1.0, 1234.5}) {
      const Vector<double> theta = lp_theta_of(x, scale);
      EXPECT_NO_THROW(scores.require_theta(theta));
      EXPECT_EQ(scores.scale_of(theta), scale);
      std::vector<item_id> ids;
      for (item_id id = 70; id-- > 0;) ids.push_back(id);
      std::vector<double> many(70), block(64);
      scores.score_many(theta, ids, many);
      scores.score_block(scores.point_of(theta), scale, 5, block);
      for (item_id id = 0; id < 70; ++id) {
        const double score = scores.score(theta, id);
        EXPECT_EQ(score, many[69 - id]);
        if (id >= 5 && id < 69) {
          EXPECT_EQ(score, block[id - 5]);
        }
        const double exact = scale * (row_product(program.rows, id, x) - scores.bounds()[id]);
        EXPECT_NEAR(score, exact,
                    scale * (static_cast<double>(d) + 4.0) *
                        static_cast<double>(std::numeric_limits<Scalar>::epsilon()));
      }
    }
  }
}

// Rows of a strided view, at addresses of any alignment, score as rows of their own do.
TYPED_TEST(ConstraintScoresOf, WhereARowLiesDoesNotMatter) {
  using Scalar = TypeParam;
  const auto program = feasible_program<Scalar>(9, ScaledSimplex::of_total(37), 0.1, 0, 3);
  RowMatrix<Scalar> wide = RowMatrix<Scalar>::Constant(9, 43, Scalar(1e30));
  wide.middleCols(3, 37) = program.rows;
  const RowStore<Scalar> own{RowMatrix<Scalar>(program.rows)};
  const RowStore<Scalar> view(RowPointer<Scalar>(wide.data() + 3, 9, 37, Eigen::OuterStride<>(43)));
  const ConstraintScores<Scalar> a(own, program.bounds, 1.0), b(view, program.bounds, 1.0);
  PhiloxEngine engine(4);
  const Vector<double> theta = lp_theta_of(random_point(program.region, 0, engine), 77.0);
  for (item_id id = 0; id < 9; ++id) EXPECT_EQ(a.score(theta, id), b.score(theta, id));
}

TEST(ConstraintScores, BoundsAreClipped) {
  const RowStore<double> rows{RowMatrix<double>::Ones(5, 1)};
  const std::vector<double> bounds = {1e300, -1.7e308, 2.0, -2.5, 0.1};
  const ConstraintScores<double> scores(rows, bounds, 2.0);
  EXPECT_EQ(std::vector<double>(scores.bounds().begin(), scores.bounds().end()),
            (std::vector<double>{2.0, -2.0, 2.0, -2.0, 0.1}));
  EXPECT_EQ(scores.rounding(), 0x1p-47);
  const ConstraintScores<double> none(rows, bounds, 0.0);
  for (const double b : none.bounds()) EXPECT_EQ(b, 0.0);
}

// |score - score'| <= s (|b - b'| + 2 rounding), and never more though b is huge.
TYPED_TEST(ConstraintScoresOf, NeighbouringBounds) {
  using Scalar = TypeParam;
  PhiloxEngine engine(5);
  for (int trial = 0; trial < 300; ++trial) {
    const std::size_t d = 1 + uniform_index(40, engine);
    const double unit = std::exp(60.0 * (open_uniform(engine) - 0.5));
    auto program = feasible_program<Scalar>(20, ScaledSimplex::of_total(d), 0.1, 0,
                                            1000 + static_cast<std::uint64_t>(trial));
    program.rows *= static_cast<Scalar>(unit);
    const double limit = static_cast<double>(program.rows.cwiseAbs().maxCoeff()),
                 scale = 1e3 / limit, distance = limit * std::exp(-30.0 * open_uniform(engine));
    std::vector<double> b(20), other(20);
    for (std::size_t i = 0; i < 20; ++i) {
      const double magnitude = trial % 3 == 0 ? 1e300 : 1.5 * limit;
      b[i] = magnitude * (2.0 * open_uniform(engine) - 1.0);
      other[i] = b[i] + (open_uniform(engine) < 0.5 ? distance : -distance);
    }
    const RowStore<Scalar> rows{RowMatrix<Scalar>(program.rows)};
    const ConstraintScores<Scalar> scores(rows, b, limit), others(rows, other, limit);
    const Vector<double> theta = lp_theta_of(random_point(program.region, 0, engine), scale);
    for (item_id id = 0; id < 20; ++id)
      EXPECT_LE(
          std::abs(scores.score(theta, id) - others.score(theta, id)),
          scale * (std::max(distance, std::abs(b[id] - other[id])) + 2.0 * scores.rounding()));
  }
}

TEST(ConstraintScores, Refusals) {
  const RowStore<float> rows{RowMatrix<float>::Ones(2, 2)};
  const std::vector<double> two = {0.0, 0.0};
  const auto refusal = [&](std::vector<double> bounds, double limit) {
    return message_of<std::invalid_argument>([&] { ConstraintScores<float>(rows, bounds, limit); });
  };
  EXPECT_EQ(refusal({1.0}, 1.0),
            "lazygumbel: bounds.size() = 1: must equal the number of constraints 2");
  EXPECT_EQ(refusal({1.0, std::nan("")}, 1.0), "lazygumbel: bounds[1] = nan: must be finite");
  EXPECT_EQ(refusal({-HUGE_VAL, 0.0}, 1.0), "lazygumbel: bounds[0] = -inf: must be finite");
  EXPECT_EQ(refusal(two, -1.0), "lazygumbel: limit = -1: must lie in [0, 1e300]");
  EXPECT_EQ(refusal(two, std::nan("")), "lazygumbel: limit = nan: must lie in [0, 1e300]");

  const ConstraintScores<float> scores(rows, two, 1.0);
  const auto of = [&](std::initializer_list<double> entries) {
    Vector<double> theta(static_cast<Eigen::Index>(entries.size()));
    std::copy(entries.begin(), entries.end(), theta.data());
    return message_of<std::invalid_argument>([&] { scores.require_theta(theta); });
  };
  EXPECT_EQ(of({1.0, -1.0}), "lazygumbel: theta.size() = 2: must equal the index's dimension 3");
  EXPECT_EQ(of({1.0, std::nan(""), -1.0}), "lazygumbel: theta(1) = nan: must be finite");
  EXPECT_EQ(of({1.0, 1.0, std::nan("")}), "lazygumbel: theta(2) = nan: must be finite");
  EXPECT_EQ(of({1.0, 1.0, 0.0}), "lazygumbel: theta's last entry = 0: must be negative");
  EXPECT_EQ(of({1.0, 1.0, 1.0}), "lazygumbel: theta's last entry = 1: must be negative");
  EXPECT_NE(of({1e38, 1e38, -1.0}).find("scores would overflow"), std::string::npos);
  EXPECT_NE(of({1e300, 1e300, -1.0}).find("scores would overflow"), std::string::npos);
}

}  // namespace
}  // namespace lazygumbel::testing
