#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/privacy/detail/scalar_lp_plan.hpp>
#include <lazygumbel/privacy/sampled_constraint_index.hpp>
#include <string>
#include <vector>

#include "linear_programs.hpp"
#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

static_assert(MipsIndex<SampledConstraintIndex<float>>);

Vector<double> theta_of(const std::vector<double>& x, double scale) {
  Vector<double> theta(static_cast<Eigen::Index>(x.size()) + 1);
  for (std::size_t j = 0; j < x.size(); ++j) theta[static_cast<Eigen::Index>(j)] = scale * x[j];
  theta[theta.size() - 1] = -scale;
  return theta;
}

/// Moves x a share of the way to a random vertex of the standard simplex.
void step_towards_a_vertex(std::vector<double>& x, double stride, PhiloxEngine& engine) {
  const std::size_t to = uniform_index(static_cast<std::uint32_t>(x.size()), engine);
  for (std::size_t j = 0; j < x.size(); ++j) x[j] += stride * ((j == to ? 1.0 : 0.0) - x[j]);
}

// The clipped score by its definition, from full scores alone; no item outside what a search
// returns lies above its bound.
TEST(SampledConstraintIndex, ClipsAsItSays) {
  for (const std::size_t m : {1U, 5U, 63U, 300U, 1500U}) {
    const auto program = feasible_program<double>(m, ScaledSimplex::of_total(6), 0.2, 1, m);
    const RowStore<double> rows{RowMatrix<double>(program.rows)};
    const ConstraintScores<double> scores(rows, program.bounds, 2.0);
    SampledConstraintIndex<double> index(scores, {.sample = std::min<std::size_t>(m, 7)});
    PhiloxEngine engine(m);
    std::vector<double> x(6, 1.0 / 6.0);
    Vector<double> scanned;
    std::size_t scans = 0, clipped_items = 0;
    for (int step = 0; step < 40; ++step) {
      step_towards_a_vertex(x, 0.2, engine);
      const Vector<double> theta = theta_of(x, 12.0);
      index.prepare(theta);
      if (index.scans().exact != scans) scanned = theta, scans = index.scans().exact;
      std::vector<double> expected;
      std::vector<item_id> all;
      for (item_id id = 0; id < m; ++id) {
        all.push_back(id);
        expected.push_back(
            std::min(scores.score(theta, id), std::max(index.level(), scores.score(scanned, id))));
        clipped_items += expected.back() < scores.score(theta, id) ? 1 : 0;
        EXPECT_NEAR(index.score(theta, id), expected[id], 1e-12);
      }
      std::vector<double> many(m);
      index.score_many(theta, all, many);
      for (item_id id = 0; id < m; ++id) EXPECT_EQ(many[id], index.score(theta, id));
      for (const std::size_t k : {std::size_t{1}, std::size_t{3}, m}) {
        Retrieval found;
        std::vector<item_id> sorted;
        search_checked(index, theta, std::min(k, m), found, sorted);
        EXPECT_EQ(found.guarantee, Guarantee::certified());
        for (item_id id = 0; id < m; ++id)
          if (!std::binary_search(sorted.begin(), sorted.end(), id)) {
            EXPECT_LE(many[id], found.residual_bound);
          }
      }
    }
    EXPECT_EQ(scans, 6U) << "steps 1, 2, 4, 8, 16, 32: public times";
    if (m == 1500) {
      EXPECT_GT(clipped_items, 0U) << "nothing is ever clipped";
    }
  }
}

// Neighbours: every clipped score moves by at most the sensitivity of exact ones, scans and levels
// included, along walks of x; and by nearly as much somewhere.
template <class Scalar>
void expect_sensitivity(LpNeighbours neighbours, double distance) {
  double largest = 0.0;
  PhiloxEngine engine(1);
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    const std::size_t m = 1 + uniform_index(200, engine), d = 1 + uniform_index(12, engine);
    const auto region = ScaledSimplex::of_total(d);
    const auto program = feasible_program<Scalar>(m, region, 0.2, trial % 3, trial);
    RowMatrix<Scalar> other = program.rows;
    std::vector<double> bounds = program.bounds;
    const bool matrix = neighbours == LpNeighbours::matrix;
    for (std::size_t i = 0; i < m; ++i) {
      const double change = open_uniform(engine) < 0.5 ? distance : -distance;
      const auto row = static_cast<Eigen::Index>(i);
      if (matrix)
        for (Eigen::Index j = 0; j < other.cols(); ++j) {
          const auto was = static_cast<double>(other(row, j));
          other(row, j) = static_cast<Scalar>(was + change);
          if (std::abs(static_cast<double>(other(row, j)) - was) > distance)
            other(row, j) = std::nextafter(other(row, j), static_cast<Scalar>(was));
        }
      else
        bounds[i] += change * (1.0 - 0x1p-40);
    }
    const RowStore<Scalar> a{RowMatrix<Scalar>(program.rows)}, c{RowMatrix<Scalar>(other)};
    const auto size = lazygumbel::detail::scalar_lp_size(
        a, region, {.neighbours = neighbours, .sensitivity = distance, .width = 2.0});
    const ConstraintScores<Scalar> scores(a, program.bounds, 2.0), others(c, bounds, 2.0);
    SampledConstraintIndex<Scalar> index(scores, {.margin = 0.1}), next(others, {.margin = 0.1});
    std::vector<double> x(d, 1.0 / static_cast<double>(d));
    const double scale = std::exp(8.0 * open_uniform(engine));
    for (int step = 0; step < 20; ++step) {
      step_towards_a_vertex(x, 0.3, engine);
      const Vector<double> theta = theta_of(x, scale);
      index.prepare(theta);
      next.prepare(theta);
      for (item_id id = 0; id < m; ++id) {
        const double moved = std::abs(index.score(theta, id) - next.score(theta, id)) / scale;
        EXPECT_LE(moved, size.sensitivity);
        largest = std::max(largest, moved / size.sensitivity);
      }
    }
  }
  EXPECT_GT(largest, 0.9);
}

TEST(SampledConstraintIndex, SensitivityOfBounds) {
  expect_sensitivity<float>(LpNeighbours::bounds, 0.1);
  expect_sensitivity<float>(LpNeighbours::bounds, 1e-7);
  expect_sensitivity<double>(LpNeighbours::bounds, 0.01);
}

TEST(SampledConstraintIndex, SensitivityOfTheMatrix) {
  expect_sensitivity<float>(LpNeighbours::matrix, 0.1);
  expect_sensitivity<double>(LpNeighbours::matrix, 0.01);
}

TEST(SampledConstraintIndex, Refusals) {
  const RowStore<float> rows{RowMatrix<float>::Ones(4, 2)};
  const std::vector<double> bounds = {0.0, 0.5, 1.0, 2.0};
  const ConstraintScores<float> scores(rows, bounds, 2.0);
  const auto refusal = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  EXPECT_EQ(refusal([&] { SampledConstraintIndex<float>(scores, {.sample = 5}); }),
            "lazygumbel: sample = 5: exceeds m = 4");
  EXPECT_EQ(refusal([&] { SampledConstraintIndex<float>(scores, {.margin = -1.0}); }),
            "lazygumbel: margin = -1: must lie in [0, 100]");
  EXPECT_EQ(refusal([&] { SampledConstraintIndex<float>(scores, {.margin = std::nan("")}); }),
            "lazygumbel: margin = nan: must lie in [0, 100]");
  SampledConstraintIndex<float> index(scores);
  EXPECT_EQ(index.options().sample, 2U);
  EXPECT_EQ(SampledConstraintIndex<float>::kept(4, {}), 4U);
  EXPECT_EQ(SampledConstraintIndex<float>::kept(10'000, {}), 200U);
  Retrieval found;
  const Vector<double> theta = theta_of({0.5, 0.5}, 2.0);
  EXPECT_NE(refusal([&] { index.search(theta, 1, found); }).find("prepare(theta)"),
            std::string::npos);
  index.prepare(theta);
  EXPECT_EQ(refusal([&] { index.search(theta, 0, found); }),
            "lazygumbel: k = 0: must be at least 1");
  EXPECT_NE(refusal([&] {
              index.search(theta_of({0.5, 0.5}, 3.0), 1, found);
            }).find("prepare(theta)"),
            std::string::npos);
}

}  // namespace
}  // namespace lazygumbel::testing
