#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lazygumbel/random/uniform.hpp>
#include <numeric>
#include <vector>

#include "prefill_honesty.hpp"
#include "prefill_laws.hpp"

// Negative controls of attention_prefill_test.cpp and of the test that nothing of the future leaks:
// prefills with one mistake each must fail, the right one must pass.

namespace lazygumbel::testing {
namespace {

enum class PrefillMistake { none, tail_includes_the_head, draws_counted_once };

/// The sums of a plan, in double, or with a mistake. Draws counted once are drawn anew, from
/// anywhere in the tail: those from stretches never repeat.
AttentionOutput replay(const HeadsProblem& problem, std::uint64_t seed, PrefillMistake mistake) {
  AttentionTape tape;
  AttentionOutput out = run_prefill(problem, fixed_prefill(), seed, &tape);
  PhiloxEngine engine(seed, 1);
  for (std::size_t query = 0; query < problem.sizes.queries; ++query) {
    const auto row = reference::row_of(problem.q(), problem.k(), AttentionOptions{}, query, 0);
    std::vector<double> counts(problem.sizes.keys, 0.0);
    const std::vector<item_id> certain = certain_keys(tape, query);
    for (const item_id key : certain) counts[key] = 1.0;
    const double weight = 640.0 / 32.0;
    if (mistake == PrefillMistake::draws_counted_once) {
      std::vector<bool> drawn(640, false);
      for (int i = 0; i < 32; ++i) drawn[uniform_index(640, engine)] = true;
      for (std::size_t j = 0; j < 640; ++j)
        if (drawn[j] && counts[j + 4] == 0.0) counts[j + 4] = weight;
    } else {
      for (const auto& segment : tape.segments)
        for (const auto& block : segment.blocks) {
          if (!block.sampled) continue;
          for (std::size_t i = 0; i < block.keys.size(); ++i) {
            const bool excluded =
                std::any_of(block.excluded.begin(), block.excluded.end(), [&](const auto& range) {
                  return tape.order[segment.first + block.rows[range.row]] == query &&
                         range.begin <= i && i < range.end;
                });
            if (!excluded || mistake == PrefillMistake::tail_includes_the_head)
              counts[block.keys[i]] += weight;
          }
        }
    }
    double z = 0.0;
    Eigen::RowVectorXd sums = Eigen::RowVectorXd::Zero(problem.values.cols());
    for (std::size_t j = 0; j < counts.size(); ++j) {
      z += counts[j] * row.probabilities[j];
      sums += counts[j] * row.probabilities[j] *
              problem.values.row(static_cast<Eigen::Index>(j)).cast<double>();
    }
    const auto i = static_cast<Eigen::Index>(query);
    out.log_sum_exp(i, 0) = row.log_sum_exp + std::log(z);
    out.values.row(i) = (sums / z).cast<float>();
  }
  return out;
}

// The test's threshold for one z-score.
double worst_z(PrefillMistake mistake) {
  const AttentionSizes sizes{.queries = 4, .keys = fixed_keys, .d = 8, .dv = 4};
  const HeadsProblem problem = gaussian_problem(sizes, 1.0, 1);
  double worst = 0.0;
  for (const double z :
       prefill_z_scores(reference_attention(problem.q(), problem.k(), problem.v()), 3000,
                        [&](std::uint64_t seed) { return replay(problem, seed, mistake); }))
    worst = (std::max)(worst, std::abs(z));
  return worst;
}

TEST(AttentionPrefillControl, BiasedSumsAreFound) {
  EXPECT_LT(worst_z(PrefillMistake::none), 5.3);
  EXPECT_GT(worst_z(PrefillMistake::tail_includes_the_head), 5.3);
  EXPECT_GT(worst_z(PrefillMistake::draws_counted_once), 5.3);
}

// The factor of a single direction, |a normal number|, is the two-sided quantile.
TEST(AttentionPrefillControl, AOneSidedQuantileIsFound) {
  for (const double delta : {0.3, 0.1, 0.05, 0.01}) {
    const double one_sided = normal_quantile(1.0 - delta);
    EXPECT_LE(factor_misses(1.0, lazygumbel::detail::norm_quantile(1.0, one_sided)), 1.25 * delta);
    EXPECT_GT(factor_misses(1.0, one_sided), 1.25 * delta);
  }
}

TEST(AttentionPrefillControl, ErrorsReportedTooSmallAreFound) {
  KnnAttentionOptions options;
  options.index = KeyIndex::lists;  // however few the queries are
  options.accuracy = std::nullopt;
  options.minimum_keys = 64;
  PrefillCoverage right, halved;
  for (std::size_t p = 0; p < 10; ++p) {
    const AttentionSizes sizes{.queries = 24, .keys = 2000, .d = 32, .dv = 2};
    const HeadsProblem problem = gaussian_problem(sizes, 1.0, 70 + p);
    const auto truth = reference_attention(problem.q(), problem.k(), problem.v());
    for (std::size_t seed = 0; seed < 40; ++seed) {
      AttentionTape tape;
      const AttentionOutput out = run_prefill(problem, options, 100 * p + seed, &tape);
      right.add(out, truth, [](const AttentionRow& row) { return static_cast<double>(row.error); });
      // What is stated counts what no draw met, too; half of what the draws say is not enough.
      const std::vector<double> errors = errors_by_draws_alone(problem, {}, tape, 0.05);
      halved.add(out, truth, [&](const AttentionRow& row) {
        return 0.5 * errors[static_cast<std::size_t>(&row - out.rows.data())];
      });
    }
  }
  EXPECT_GT(right.sampled(), 9000.0);
  EXPECT_LE(right.misses(), 0.05 + 3.0 * right.standard_error());
  EXPECT_GT(halved.misses(), 0.05 + 3.0 * halved.standard_error());
}

// Queries that see one key too many: the test of leaks compares bits.
TEST(AttentionPrefillControl, OneKeyOfTheFutureIsFound) {
  const AttentionSizes sizes{.queries = 600, .keys = 600, .d = 8, .dv = 4};
  const HeadsProblem problem = gaussian_problem(sizes, 1.0, 1);
  HeadsProblem other = problem;
  const std::size_t t = 400;
  other.keys.bottomRows(600 - t - 1) *= -1.0F;
  for (const std::size_t more : {0, 1}) {
    std::vector<std::size_t> lengths(600);
    for (std::size_t i = 0; i < 600; ++i) lengths[i] = (std::min)(i + 1 + more, std::size_t{600});
    KnnAttentionOptions options = fixed_prefill();
    options.attention.mask = AttentionMask::prefix(lengths);
    const AttentionOutput a = run_prefill(problem, options, 1), b = run_prefill(other, options, 1);
    const auto rows = static_cast<Eigen::Index>(t + 1);
    EXPECT_EQ(a.values.topRows(rows) == b.values.topRows(rows), more == 0);
    EXPECT_EQ(a.log_sum_exp.topRows(rows) == b.log_sum_exp.topRows(rows), more == 0);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
