#include <gtest/gtest.h>

#include "walk_reference.hpp"

// Negative controls of random_walk_law_test.cpp: walks with one mistake must fail its z-tests
// (5,000 estimates of 60 walks, p < 1e-6), the same hand-written walk without a mistake must pass.
// And the shifted walk: right, but with the variance that its formula says, many times that of
// signs.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t walk_runs = 5000, walks_a_run = 60;
constexpr double walk_t = walks_a_run;

enum class WalkMistake { none, no_signs, uniform_starts, wrong_row };

WalkRuns walks_by_hand(const WalkProblem& q, WalkMistake mistake) {
  std::vector<double> logs;
  for (Eigen::Index i = 0; i < q.x.rows(); ++i)
    logs.push_back(mistake == WalkMistake::uniform_starts ? 0.0 : std::log(std::abs(q.x(i, 0))));
  const Categorical law(logs);
  const double norm = q.x.cwiseAbs().sum();
  return {walk_runs, 1, [&, law](PhiloxEngine& engine) {
            WalkEstimate e;
            e.value.setZero(WalkProblem::n, 1);
            e.standard_error.setZero(WalkProblem::n);
            for (std::size_t w = 0; w < walks_a_run; ++w) {
              const auto i = static_cast<Eigen::Index>(law(engine));
              const auto row = mistake == WalkMistake::wrong_row ? (i + 1) % q.x.rows() : i;
              const item_id j = q.draws.sample(q.queries.row(row).transpose(), 1, engine).ids[0];
              const bool negative = mistake != WalkMistake::no_signs && q.x(i, 0) < 0.0;
              e.value(static_cast<Eigen::Index>(j), 0) += (negative ? -norm : norm) / walk_t;
            }
            return e;
          }};
}

TEST(RandomWalkControl, MistakesAreRejected) {
  const WalkProblem q;
  const RowMatrix<double> truth = q.p.transpose() * q.x;
  EXPECT_GE(z_test_p_value(walks_by_hand(q, WalkMistake::none).z_of_values(truth)), law_threshold);
  for (const WalkMistake mistake :
       {WalkMistake::no_signs, WalkMistake::uniform_starts, WalkMistake::wrong_row})
    EXPECT_LT(z_test_p_value(walks_by_hand(q, mistake).z_of_values(truth)), law_threshold)
        << static_cast<int>(mistake);
}

TEST(RandomWalkControl, VarianceWithoutTheSquareOfTheTruthIsRejected) {
  // E|y^ - y|^2 is not |x|_1^2 / t where y is large: all of x > 0 on one flat row.
  const WalkProblem q;
  const RowMatrix<double> x = q.x.cwiseAbs(), truth = q.p.transpose() * x;
  const double norm = x.sum();
  const WalkRuns sample(
      walk_runs, 2, [&](auto& engine) { return walk_product(q.steps, x, walks_a_run, engine); });
  EXPECT_GE(z_test_p_value(sample.z_of_total(truth, (norm * norm - truth.squaredNorm()) / walk_t)),
            law_threshold);
  EXPECT_LT(z_test_p_value(sample.z_of_total(truth, norm * norm / walk_t)), law_threshold);
}

TEST(RandomWalkControl, KeyGradientWithoutDeltaIsRejected) {
  const WalkProblem q;
  const RowMatrix<double> truth =
      WalkProblem::scale * q.p.cwiseProduct(q.centred()).transpose() * q.queries;
  const std::vector<double> none(WalkProblem::m, 0.0);
  const WalkRuns sample(walk_runs, 3, [&](auto& engine) {
    return walk_key_gradient(q.steps, q.queries, WalkProblem::scale, q.values, q.gradient, none,
                             walks_a_run, engine);
  });
  EXPECT_LT(z_test_p_value(sample.z_of_values(truth)), law_threshold);
}

TEST(RandomWalkControl, ShiftedWalkHasItsLargerVariance) {
  // x + M, M = -min x, less M P^T 1, each by t walks: unbiased, with
  // (|x + M 1|_1^2 - |P^T (x + M 1)|^2 + (m M)^2 - |M P^T 1|^2) / t.
  const WalkProblem q;
  const RowMatrix<double> x = gaussian_rows(WalkProblem::m, 1, 6), truth = q.p.transpose() * x;
  const double shift = -x.minCoeff();
  ASSERT_GT(shift, 0.0);
  const RowMatrix<double> ones = RowMatrix<double>::Constant(x.rows(), 1, shift), up = x + ones;
  const auto variance = [&](const RowMatrix<double>& z) {
    const double norm = z.cwiseAbs().sum();
    return (norm * norm - (q.p.transpose() * z).squaredNorm()) / walk_t;
  };
  const WalkRuns shifted(walk_runs, 4, [&](auto& engine) {
    WalkEstimate e = walk_product(q.steps, up, walks_a_run, engine);
    e.value -= walk_product(q.steps, ones, walks_a_run, engine).value;
    return e;
  });
  const WalkRuns with_signs(
      walk_runs, 5, [&](auto& engine) { return walk_product(q.steps, x, walks_a_run, engine); });
  EXPECT_GE(z_test_p_value(shifted.z_of_values(truth)), law_threshold);
  EXPECT_GE(z_test_p_value(shifted.z_of_total(truth, variance(up) + variance(ones))),
            law_threshold);
  EXPECT_LT(z_test_p_value(shifted.z_of_total(truth, variance(x))), law_threshold);
  EXPECT_GE(z_test_p_value(with_signs.z_of_total(truth, variance(x))), law_threshold);
  EXPECT_GT(shifted.mean_squared_error(truth), 10.0 * with_signs.mean_squared_error(truth));
}

}  // namespace
}  // namespace lazygumbel::testing
