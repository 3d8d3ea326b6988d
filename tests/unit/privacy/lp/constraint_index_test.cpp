#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/privacy/lp/detail/constraint_index.hpp>
#include <limits>
#include <string>
#include <vector>

#include "item_process.hpp"
#include "linear_programs.hpp"
#include "message_of.hpp"
#include "scalars.hpp"

// The promise of ConstraintIndex: whatever rows, bounds, points, scales and kinds of scan, no score
// as computed lies above the log intensity of its item, and none outside the head above the
// residual bound.

namespace lazygumbel::testing {
namespace {

static_assert(TailIndex<ConstraintIndex<float>>);
static_assert(TailIndex<ConstraintIndex<double>>);

/// Checks one search for a prepared theta by brute force, and returns by how much the closest
/// bound lies above its score.
template <class Scalar>
double expect_certified_constraints(const ConstraintIndex<Scalar>& index,
                                    const Vector<double>& theta, std::size_t k,
                                    std::size_t proposals, std::uint64_t seed,
                                    const std::string& what) {
  Retrieval found;
  std::vector<item_id> sorted;
  ConstraintTail tail;
  search_checked(index, theta, k, found, sorted, tail, 1);
  EXPECT_EQ(found.guarantee, Guarantee::certified()) << what;
  EXPECT_FALSE(std::isnan(tail.log_rate())) << what;
  double closest = std::numeric_limits<double>::infinity();
  std::vector<double> scores;
  double log_sum = -std::numeric_limits<double>::infinity();
  for (item_id id = 0; id < index.size(); ++id) {
    scores.push_back(index.score(theta, id));
    if (std::binary_search(sorted.begin(), sorted.end(), id)) continue;
    EXPECT_LE(scores[id], found.residual_bound) << what << ", item " << id;
    log_sum = log_add_exp(log_sum, scores[id]);
  }
  if (found.ids.size() == index.size()) return closest;
  EXPECT_GE(tail.log_rate(), log_sum - 1e-12 * (1.0 + std::abs(log_sum))) << what;
  PhiloxEngine engine(seed);
  for (std::size_t i = 0; i < proposals; ++i) {
    const Proposal proposal = tail.propose(engine);
    EXPECT_LT(proposal.id, index.size()) << what;
    if (proposal.id >= index.size()) break;
    EXPECT_FALSE(std::binary_search(sorted.begin(), sorted.end(), proposal.id)) << what;
    EXPECT_LE(scores[proposal.id], proposal.log_intensity) << what << ", item " << proposal.id;
    closest = std::min(closest, proposal.log_intensity - scores[proposal.id]);
  }
  return closest;
}

/// Rows of one kind: random ones, ones that share most of themselves, sparse ones, copies, zeros.
template <class Scalar>
LinearProgram<Scalar> some_program(int kind, std::size_t m, std::size_t d, double unit,
                                   std::uint64_t seed) {
  auto program = feasible_program<Scalar>(m, ScaledSimplex::of_total(d), 0.3, kind % 3, seed);
  PhiloxEngine engine(seed + 1);
  const RowMatrix<Scalar> random = program.rows;
  if (kind == 1)
    for (Eigen::Index i = 0; i < random.rows(); ++i)
      program.rows.row(i) = random.row(0) + Scalar(0.05) * (random.row(i) - random.row(0));
  if (kind == 2) program.rows = (random.array().abs() > Scalar(0.8)).select(random, Scalar(0));
  if (kind == 3)
    for (Eigen::Index i = 0; i < random.rows(); ++i) program.rows.row(i) = random.row(i % 3);
  if (kind == 4) program.rows = random.cwiseSign();
  if (kind == 5) program.rows.setZero();
  program.rows *= static_cast<Scalar>(unit);
  for (std::size_t i = 0; i < m; ++i)
    program.bounds[i] =
        unit *
        (open_uniform(engine) < 0.1 ? 3.0 * (2.0 * open_uniform(engine) - 1.0) : program.bounds[i]);
  if (m > 4) program.bounds[4] = 1e300;
  return program;
}

/// A walk of x as Hedge makes it, with small steps, jumps to vertices and scales that change.
template <class Scalar>
ScanCounts expect_walk(int kind, std::size_t m, std::size_t d, double unit, double spread,
                       const CertifiedScanOptions& options, std::uint64_t seed,
                       std::size_t proposals = 300) {
  const auto program = some_program<Scalar>(kind, m, d, unit, seed);
  const RowStore<Scalar> rows{RowMatrix<Scalar>(program.rows)};
  const ConstraintScores<Scalar> scores(rows, program.bounds, unit);
  ConstraintIndex<Scalar> index(scores, options);
  EXPECT_EQ(index.size(), m);
  EXPECT_EQ(index.dimension(), d + 1);
  PhiloxEngine engine(seed + 2);
  std::vector<double> logs(d, 0.0), x(d);
  double scale = spread / unit;
  for (int step = 0; step < 30; ++step) {
    const std::uint32_t move = uniform_index(10, engine);
    const double size = move == 0 ? 10.0 : move < 5 ? 0.3 : 0.01;
    for (double& log : logs) log += size * (2.0 * open_uniform(engine) - 1.0);
    if (move == 9) scale *= std::exp(2.0 * open_uniform(engine) - 1.0);
    double sum = 0.0;
    const double high = *std::max_element(logs.begin(), logs.end());
    for (std::size_t j = 0; j < d; ++j) sum += x[j] = std::exp(logs[j] - high);
    for (double& value : x) value /= sum;
    const Vector<double> theta = lp_theta_of(x, scale);
    index.prepare(theta);
    const std::string what = "kind " + std::to_string(kind) + ", m " + std::to_string(m) + ", d " +
                             std::to_string(d) + ", step " + std::to_string(step) + ", unit " +
                             std::to_string(std::log10(unit));
    const std::size_t k = 1 + uniform_index(20, engine);
    expect_certified_constraints(index, theta, std::min(k, m), proposals, seed + 100, what);
    if (move == 5) index.note_proposals(1'000'000);
  }
  return index.scans();
}

template <class Scalar>
class ConstraintIndexOf : public ::testing::Test {};
TYPED_TEST_SUITE(ConstraintIndexOf, Scalars);

TYPED_TEST(ConstraintIndexOf, BoundsEveryScoreAlongWalks) {
  for (int kind = 0; kind < 6; ++kind)
    for (const std::size_t m : {1U, 2U, 15U, 17U, 63U, 64U, 65U, 130U, 513U})
      for (const std::size_t d : {1U, 2U, 9U, 40U})
        expect_walk<TypeParam>(kind, m, d, 1.0, 20.0, {}, 1000 * m + d);
}

// Budgets that never scan again if it can be helped, and that always do; both numbers of bits;
// spreads from nothing to so much that codes do not help.
TYPED_TEST(ConstraintIndexOf, EveryBudgetBitsAndSpread) {
  for (int kind = 0; kind < 6; ++kind)
    for (const int bits : {4, 8})
      for (const double spread : {1e-6, 1.0, 1e3, 1e6, 1e12}) {
        std::vector<ScanCounts> scans;
        for (const double budget : {1e-9, 1.0, 1e300})
          scans.push_back(expect_walk<TypeParam>(
              kind, 100, 11, 1.0, spread, {.proposal_budget = budget, .code_bits = bits}, 7));
        EXPECT_GE(scans[0].coded, scans[2].coded);
        if (spread <= 1.0) {
          EXPECT_EQ(scans[2].exact, 1U);
        }
      }
}

TYPED_TEST(ConstraintIndexOf, HugeAndTinyUnits) {
  for (int kind = 0; kind < 6; ++kind)
    for (const double unit : {1e-31, 1e-30, 1e-20, 1e-5, 1e5, 1e20, 1e29})
      for (const double spread : {1.0, 100.0})
        expect_walk<TypeParam>(kind, 70, 5, unit, spread, {}, 8);
}

// Items are proposed as often as their intensities say, the head's that found no room among them.
TEST(ConstraintIndex, ProposesAsItStates) {
  const auto program = some_program<float>(0, 70, 6, 1.0, 9);
  const RowStore<float> rows{RowMatrix<float>(program.rows)};
  const ConstraintScores<float> scores(rows, program.bounds, 1.0);
  ConstraintIndex<float> index(scores, {.proposal_budget = 1e300});
  PhiloxEngine engine(10);
  for (const double drift : {0.0, 0.05}) {
    const std::vector<double> start(6, 1.0 / 6.0);
    std::vector<double> x = random_point(program.region, 0, engine);
    for (std::size_t j = 0; j < 6; ++j) x[j] = start[j] + drift * (x[j] - start[j]);
    index.prepare(lp_theta_of(start, 3.0));
    index.prepare(lp_theta_of(x, 3.0));
    for (const std::size_t k : {1U, 50U}) {
      Retrieval found;
      ConstraintTail tail;
      index.search_with_tail(lp_theta_of(x, 3.0), k, found, tail, 1);
      expect_item_process(tail, 70, 200'000, 11, "k " + std::to_string(k));
    }
  }
  EXPECT_EQ(index.scans().coded, 1U);
}

// Small steps are served by one scan, and by no pass over the rows.
TEST(ConstraintIndex, SmallStepsAreFree) {
  const auto program = some_program<float>(0, 5000, 20, 1.0, 12);
  const RowStore<float> rows{RowMatrix<float>(program.rows)};
  const ConstraintScores<float> scores(rows, program.bounds, 1.0);
  ConstraintIndex<float> index(scores);
  std::vector<double> x(20, 0.05);
  for (int step = 0; step < 50; ++step) {
    x[0] += 1e-5;
    x[1] -= 1e-5;
    index.prepare(lp_theta_of(x, 20.0));
  }
  EXPECT_EQ(index.scans().exact, 1U);
  EXPECT_EQ(index.scans().coded, 1U);
  EXPECT_GT(index.size_in_bytes(), 5000U * 10U);
}

TEST(ConstraintIndex, Refusals) {
  const RowStore<float> rows{RowMatrix<float>::Ones(3, 2)};
  const std::vector<double> bounds = {0.0, 0.5, 1.0};
  const ConstraintScores<float> scores(rows, bounds, 1.0);
  const auto refusal = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  EXPECT_EQ(refusal([&] { ConstraintIndex<float>(scores, {.proposal_budget = -1.0}); }),
            "lazygumbel: proposal_budget = -1: must not be negative");
  EXPECT_EQ(refusal([&] { ConstraintIndex<float>(scores, {.proposal_budget = std::nan("")}); }),
            "lazygumbel: proposal_budget = nan: must not be negative");
  for (const int bits : {0, 3, 16})
    EXPECT_NE(refusal([&] { ConstraintIndex<float>(scores, {.code_bits = bits}); }),
              "(nothing was thrown)");
  const RowStore<double> large{RowMatrix<double>::Constant(3, 2, 1e31)};
  const ConstraintScores<double> large_scores(large, bounds, 1.0);
  const ConstraintScores<float> far(rows, bounds, 1e37);
  EXPECT_EQ(refusal([&] { ConstraintIndex<float> index(far); }),
            "lazygumbel: limit = 1e+37: must be at most 1e36");
  EXPECT_NE(
      refusal([&] { ConstraintIndex<double> index(large_scores); }).find(": must be at most 1e30"),
      std::string::npos);
  ConstraintIndex<float> index(scores);
  Retrieval found;
  const Vector<double> theta = lp_theta_of({0.5, 0.5}, 2.0);
  EXPECT_NE(
      refusal([&] { index.search(theta, 1, found); }).find("prepare(theta) has to come first"),
      std::string::npos);
  Vector<double> nan = theta;
  nan[0] = std::nan("");
  EXPECT_EQ(refusal([&] { index.prepare(nan); }), "lazygumbel: theta(0) = nan: must be finite");
  index.prepare(theta);
  EXPECT_EQ(refusal([&] { index.search(nan, 1, found); }),
            "lazygumbel: theta(0) = nan: must be finite");
  EXPECT_EQ(refusal([&] { index.search(theta, 0, found); }),
            "lazygumbel: k = 0: must be at least 1");
  EXPECT_NE(refusal([&] {
              index.search(lp_theta_of({0.5, 0.5}, 3.0), 1, found);
            }).find("prepare(theta) has to come first"),
            std::string::npos);
  const RowStore<double> tiny_rows{RowMatrix<double>::Constant(3, 2, 1e-45)};
  const ConstraintScores<double> tiny(tiny_rows, bounds, 1e-45);
  ConstraintIndex<double> of_tiny(tiny);
  EXPECT_EQ(refusal([&] {
              of_tiny.prepare(lp_theta_of({0.5, 0.5}, 1e46));
            }),
            "lazygumbel: theta's last entry = -1e+46: scores would overflow");
  EXPECT_EQ(refusal([&] { index.prepare(lp_theta_of({1.0}, 1.0)); }),
            "lazygumbel: theta.size() = 2: must equal the index's dimension 3");
}

}  // namespace
}  // namespace lazygumbel::testing
