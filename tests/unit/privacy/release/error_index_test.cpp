#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <lazygumbel/core/log_sum_exp.hpp>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/privacy/release/detail/error_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <string>
#include <vector>

#include "message_of.hpp"
#include "workloads.hpp"

// The promise of ErrorIndex: whatever table, workload, weights, scale and kind of scan, no score as
// computed, and no exact one, lies above the log intensity of its item, and none outside the head
// above the residual bound.

namespace lazygumbel::testing {
namespace {

static_assert(TailIndex<ErrorIndex<DenseWorkload<float>>>);
static_assert(TailIndex<ErrorIndex<IntegerWorkload>>);

template <Workload W>
void expect_certified_errors(const ErrorIndex<W>& index, const W& workload, const Histogram& table,
                             const std::vector<double>& weights, double scale, std::size_t k) {
  const auto exact = brute_force_scores(workload, table, weights, scale);
  const Vector<double> theta = theta_of(weights, scale);
  Retrieval found;
  std::vector<item_id> sorted;
  ErrorTail tail;
  search_checked(index, theta, k, found, sorted, tail, 1);
  ASSERT_EQ(found.ids.size(), std::min({k, index.size(), ErrorBounds::head_capacity}));
  std::vector<double> intensities;
  std::size_t above = 0, above_residual = 0;
  for (item_id j = 0; j < index.size(); ++j) {
    intensities.push_back(tail.log_intensity(j));
    const double score = index.score(theta, j);
    above += !(std::max(score, exact[j]) <= tail.log_intensity(j));
    if (!std::binary_search(sorted.begin(), sorted.end(), j))
      above_residual += !(score <= found.residual_bound);
  }
  EXPECT_EQ(above, 0U) << "scale " << scale;
  EXPECT_EQ(above_residual, 0U) << "scale " << scale;
  const double log_sum = log_sum_exp(std::span<const double>(intensities));
  EXPECT_NEAR(tail.log_rate(), log_sum, 1e-9 * (1.0 + std::abs(log_sum)));
  EXPECT_EQ(found.guarantee, Guarantee::certified());
}

/// A sequence of weights as a fit would give, small moves and large, and some that no fit would.
template <Workload W>
ScanCounts expect_promises(const W& workload, const Histogram& table, double budget, int bits,
                           double scale, std::uint64_t seed) {
  const ErrorScores<W> scores(workload, table);
  ErrorIndex<W> index(scores, {.proposal_budget = budget, .code_bits = bits});
  const std::size_t cells = workload.cells();
  const double n = std::max(1.0, scores.total());
  PhiloxEngine engine(seed);
  std::vector<double> weights(cells, n / static_cast<double>(cells));
  const auto check = [&](double at_scale) {
    index.prepare(theta_of(weights, at_scale));
    expect_certified_errors(index, workload, table, weights, at_scale, 1 + seed % 40);
  };
  for (int step = 0; step < 12; ++step) {
    check(scale);
    const double size = step % 4 == 3 ? 2.0 : std::exp(-12.0 * open_uniform(engine));
    double sum = 0.0;
    for (double& w : weights) sum += w *= std::exp(size * (open_uniform(engine) - 0.5));
    for (double& w : weights) w *= n / sum;
  }
  check(scale * 1.7);  // another scale: nothing that was prepared applies
  weights.assign(cells, 0.0);
  check(scale);
  for (std::size_t x = 0; x < cells; ++x) weights[x] = x % 2 == 0 ? 3.0 * n : -5.0 * n;
  check(scale);
  for (double& w : weights) w *= 1.0 + 1e-12;
  check(scale);
  // Not prepared for: slow, but as certain.
  weights[0] += 0.3 * n;
  expect_certified_errors(index, workload, table, weights, scale, 7);
  return index.scans();
}

template <class Scalar>
void fuzz(int bits, std::uint64_t first_seed) {
  ScanCounts scans;
  std::uint64_t seed = first_seed;
  for (const std::size_t cells : {1U, 2U, 9U, 70U, 500U})
    for (const std::size_t m : {1U, 3U, 64U, 65U, 200U})
      for (const double scale : {1e-9, 1e-3, 0.05, 1e3}) {
        ++seed;
        const double upper = std::pow(10.0, static_cast<double>(seed % 5) - 2.0);
        const double lower = seed % 3 == 0 ? 0.0 : seed % 3 == 1 ? -upper : 0.5 * upper;
        const DenseWorkload<Scalar> workload(random_queries<Scalar>(m, cells, lower, upper, seed));
        const double n = std::pow(10.0, static_cast<double>(seed % 7) * 1.5);  // 1 .. 1e9
        const Histogram table = line_table(random_counts(cells, n, seed));
        const double budget =
            seed % 4 == 0 ? 0.0 : std::pow(1e4, static_cast<double>(seed % 4) - 1);
        const ScanCounts made = expect_promises(workload, table, budget, bits, scale, seed);
        scans.exact += made.exact;
        scans.coded += made.coded;
      }
  EXPECT_GT(scans.exact, 0U);
  EXPECT_EQ(scans.coded > 0, bits != 0);
}

TEST(ErrorIndex, PromiseForFloats) { fuzz<float>(0, 100); }
TEST(ErrorIndex, PromiseForFloatsByCodesOf4Bits) { fuzz<float>(4, 300); }
TEST(ErrorIndex, PromiseForFloatsByCodesOf8Bits) { fuzz<float>(8, 500); }
TEST(ErrorIndex, PromiseForDoubles) { fuzz<double>(0, 700); }
TEST(ErrorIndex, PromiseForDoublesByCodesOf4Bits) { fuzz<double>(4, 900); }
TEST(ErrorIndex, PromiseForDoublesByCodesOf8Bits) { fuzz<double>(8, 1100); }

TEST(ErrorIndex, PromiseForIntegers) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::size_t cells = 3 * seed;
    PhiloxEngine engine(seed);
    std::vector<std::vector<int>> rows(30 * seed, std::vector<int>(cells));
    for (auto& row : rows)
      for (int& q : row) q = static_cast<int>(uniform_index(3, engine)) - 1;
    rows[0].assign(cells, 0);
    rows[1] = rows[2];
    const IntegerWorkload workload(rows, {-1, 1});
    const Histogram table = line_table(random_counts(cells, 1.07e9, seed));
    expect_promises(workload, table, seed % 2 == 0 ? 0.0 : 1e6, 8, 1e-6, seed);
  }
}

TEST(ErrorIndex, DegenerateWorkloads) {
  const DenseWorkload<float> zeros(RowMatrix<float>::Zero(70, 3));
  expect_promises(zeros, line_table({5, 0, 1}), 0.0, 8, 0.1, 1);
  const DenseWorkload<float> equal(RowMatrix<float>::Constant(70, 3, 0.3F));
  expect_promises(equal, line_table({5, 0, 1}), 0.0, 4, 0.1, 2);
  expect_promises(equal, line_table({0, 0, 0}), 0.0, 8, 0.1, 3);
  expect_promises(IntegerWorkload({{1}}, {0, 1}), line_table({(1 << 30) - 1}), 0.0, 8, 1e3, 4);
  const DenseWorkload<double> tiny(RowMatrix<double>::Constant(3, 2, 1e-300));
  expect_promises(tiny, line_table({5, 7}), 0.0, 8, 1.0, 5);
  const DenseWorkload<double> huge(random_queries<double>(80, 4, -1e20, 1e20, 6));
  expect_promises(huge, line_table({5, 7, 0, 100}), 0.0, 4, 1e-18, 6);
}

// Which scan is made when: stale bounds within the budget, codes, answers.
TEST(ErrorIndex, ChoosesScansByTheBudget) {
  const std::size_t cells = 50;
  const DenseWorkload<float> workload(random_queries<float>(3000, cells, 0, 1, 1));
  const Histogram table = line_table(random_counts(cells, 1e4, 2));
  const ErrorScores scores(workload, table);
  const auto weights = random_weights(cells, 1e4, 2.0, 3);
  const Vector<double> theta = theta_of(weights, 1e-3);

  ErrorIndex always(scores, {.proposal_budget = 1.0, .code_bits = 0});
  for (std::size_t step = 1; step <= 3; ++step) {
    always.prepare(theta);
    EXPECT_EQ(always.scans().exact, step);
  }
  ErrorIndex coded(scores, {.proposal_budget = 1e3, .code_bits = 8});
  coded.prepare(theta);
  coded.prepare(theta);
  EXPECT_EQ(coded.scans().coded, 1U);
  EXPECT_EQ(coded.scans().exact, 0U);
  coded.note_proposals(4000);
  coded.prepare(theta);
  EXPECT_EQ(coded.scans().coded, 1U);
  coded.note_proposals(4001);  // far more than were expected: the bounds are dropped
  coded.prepare(theta);
  EXPECT_EQ(coded.scans().coded, 2U);
  ErrorIndex stale(scores, {.proposal_budget = 1e9, .code_bits = 0});
  stale.prepare(theta);
  stale.prepare(theta_of(random_weights(cells, 1e4, 2.0, 4), 1e-3));
  EXPECT_EQ(stale.scans().exact, 1U);
  stale.prepare(theta_of(weights, 2e-3));  // another scale
  EXPECT_EQ(stale.scans().exact, 2U);
}

TEST(ErrorIndex, OptionsInForce) {
  const DenseWorkload<float> workload(random_queries<float>(10, 4, 0, 1, 1));
  const ErrorScores scores(workload, line_table({1, 2, 3, 4}));
  EXPECT_GE(ErrorIndex(scores).options().proposal_budget, 16.0);
  EXPECT_EQ(ErrorIndex(scores, {.proposal_budget = 5.0}).options().proposal_budget, 5.0);
  EXPECT_EQ(ErrorIndex(scores).dimension(), 5U);
}

// Codes end at 50,000 cells; the index does not.
TEST(ErrorIndex, ManyCells) {
  const std::size_t cells = 60'000;
  const DenseWorkload<float> workload(random_queries<float>(4, cells, 0, 1, 1));
  const Histogram table = line_table(random_counts(cells, 1e6, 2));
  const ScanCounts scans = expect_promises(workload, table, 0.0, 8, 1e-3, 3);
  EXPECT_EQ(scans.coded, 0U);
}

TEST(ErrorIndex, Refusals) {
  const auto refusal = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  const DenseWorkload<float> workload(random_queries<float>(10, 2, 0, 1, 1));
  const ErrorScores scores(workload, line_table({1, 2}));
  EXPECT_EQ(refusal([&] { ErrorIndex(scores, {.proposal_budget = -1.0}); }),
            "lazygumbel: proposal_budget = -1: must not be negative");
  EXPECT_EQ(refusal([&] { ErrorIndex(scores, {.proposal_budget = std::nan("")}); }),
            "lazygumbel: proposal_budget = nan: must not be negative");
  EXPECT_EQ(refusal([&] { ErrorIndex(scores, {.code_bits = 5}); }),
            "lazygumbel: code_bits = 5: must be 0, 4 or 8");
  ErrorIndex index(scores);
  Retrieval found;
  Vector<double> theta = theta_of(std::vector<double>{1.0, 2.0}, 0.5);
  EXPECT_EQ(refusal([&] { index.search(theta, 0, found); }),
            "lazygumbel: k = 0: must be at least 1");
  theta[2] = 0.0;
  EXPECT_EQ(refusal([&] { index.prepare(theta); }),
            "lazygumbel: theta's last entry = 0: must be positive");
  EXPECT_EQ(refusal([&] { index.search(theta, 1, found); }),
            "lazygumbel: theta's last entry = 0: must be positive");
  theta[2] = -1.0;
  EXPECT_EQ(refusal([&] { index.prepare(theta); }),
            "lazygumbel: theta's last entry = -1: must be positive");
  theta[2] = std::nan("");
  EXPECT_NE(refusal([&] { index.prepare(theta); }).find("nan"), std::string::npos);
  theta[2] = 1.0;
  theta[0] = HUGE_VAL;
  EXPECT_NE(refusal([&] { index.prepare(theta); }).find("inf"), std::string::npos);
  EXPECT_NE(refusal([&] { index.prepare(Vector<double>::Ones(2)); }).find("3"), std::string::npos);
  EXPECT_EQ(index.scans().exact + index.scans().coded, 0U);
}

}  // namespace
}  // namespace lazygumbel::testing
