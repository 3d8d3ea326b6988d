#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <lazygumbel/attention/knn/attention_tape.hpp>
#include <vector>

#include "prefill_laws.hpp"

namespace lazygumbel::testing {
namespace {

/// Checks that the outputs are what the tape's plan makes, in double, and its invariants.
void expect_replayed(const HeadsProblem& problem, const KnnAttentionOptions& options) {
  AttentionTape tape;
  const AttentionOutput out = run_prefill(problem, options, 3, &tape);
  const AttentionSizes& sizes = problem.sizes;
  EXPECT_EQ(tape.keys, sizes.keys);
  EXPECT_EQ(tape.order.size(), sizes.queries);
  EXPECT_TRUE(tape.output.values == out.values);
  EXPECT_TRUE(tape.output.log_sum_exp == out.log_sum_exp);
  const std::size_t group = sizes.heads / sizes.kv_heads;
  std::size_t rows = 0;
  for (const auto& segment : tape.segments) {
    const std::size_t count = segment.queries * group;
    rows += count;
    ASSERT_EQ(segment.log_weights.size(), count);
    ASSERT_EQ(segment.log_sums.size(), count);
    for (std::size_t r = 0; r < count; ++r) {
      const std::size_t query = tape.order[segment.first + r / group],
                        head = segment.kv_head * group + r % group;
      const auto row = reference::row_of(problem.q(), problem.k(), options.attention, query, head);
      std::vector<double> counts(row.probabilities.size(), 0.0);
      std::size_t draws = 0;
      for (const auto& block : segment.blocks)
        for (std::size_t at = 0; at < block.rows.size(); ++at) {
          if (block.rows[at] != r) continue;
          std::size_t met = block.limits.empty() ? block.keys.size() : block.limits[at];
          ASSERT_LE(met, block.keys.size());
          draws += block.sampled ? met : 0;
          std::vector<bool> out_of(block.keys.size(), false);
          for (const auto& range : block.excluded)
            if (range.row == at)
              for (std::uint32_t i = range.begin; i < range.end; ++i) out_of[i] = true;
          for (std::size_t i = 0; i < met; ++i) {
            ASSERT_LT(block.keys[i], counts.size()) << "a key that the query does not see";
            if (out_of[i]) continue;
            EXPECT_TRUE(block.sampled || counts[block.keys[i]] == 0.0) << "a key met twice";
            // Draws of a key that is met with certainty must be left out.
            EXPECT_FALSE(block.sampled && counts[block.keys[i]] == 1.0);
            counts[block.keys[i]] +=
                block.sampled ? std::exp(static_cast<double>(segment.log_weights[r])) : 1.0;
          }
        }
      const std::size_t place = query * sizes.heads + head;
      EXPECT_EQ(out.rows[place].samples, draws);
      double z = row.sink;
      Eigen::RowVectorXd sum = Eigen::RowVectorXd::Zero(static_cast<Eigen::Index>(sizes.dv));
      for (std::size_t j = 0; j < counts.size(); ++j) {
        z += counts[j] * row.probabilities[j];
        sum += counts[j] * row.probabilities[j] *
               Eigen::Map<const Eigen::RowVectorXf>(problem.v().row(j, segment.kv_head),
                                                    static_cast<Eigen::Index>(sizes.dv))
                   .cast<double>();
      }
      const double log_sum = row.log_sum_exp + std::log(z);
      EXPECT_NEAR(segment.log_sums[r], log_sum, 1e-5);
      EXPECT_EQ(segment.log_sums[r], out.log_sum_exp.data()[place]);
      const Eigen::Map<const Eigen::RowVectorXf> found(out.values.data() + place * sizes.dv,
                                                       static_cast<Eigen::Index>(sizes.dv));
      EXPECT_LT((found.cast<double>() - sum / z).norm(), 1e-5 * (1.0 + sum.norm() / z));
    }
  }
  EXPECT_EQ(rows, sizes.queries * sizes.heads);  // each in one segment
}

TEST(AttentionTape, ItsPlanMakesTheOutputs) {
  const AttentionSizes sizes{
      .queries = 500, .keys = 700, .heads = 6, .kv_heads = 2, .d = 12, .dv = 5};
  const std::vector<float> sinks(6, 2.0F);
  for (const bool clusters : {false, true})
    for (int budget = 0; budget < 4; ++budget) {
      KnnAttentionOptions options = fixed_prefill();
      options.attention.mask = AttentionMask::causal();
      options.attention.sink_logits = sinks;
      options.tail_samples = 16;
      if (budget > 0) options.accuracy = Accuracy(budget == 1 ? 0.1 : 0.4, 0.1);
      if (budget > 1) options.top_k = 0;
      if (budget == 3) options.attention.softcap = 2.0;
      expect_replayed(clusters ? clustered_problem(sizes, 5, 16) : gaussian_problem(sizes, 1.0, 5),
                      options);
      if (HasFatalFailure()) return;
    }
}

TEST(AttentionTape, IsFilledAnew) {
  const AttentionSizes sizes{.queries = 30, .keys = 700, .d = 8, .dv = 4};
  const HeadsProblem problem = gaussian_problem(sizes, 1.0, 5);
  AttentionTape once, twice;
  run_prefill(problem, fixed_prefill(), 2, &once);
  run_prefill(problem, fixed_prefill(), 1, &twice);
  run_prefill(problem, fixed_prefill(), 2, &twice);
  ASSERT_EQ(once.segments.size(), twice.segments.size());
  for (std::size_t s = 0; s < once.segments.size(); ++s) {
    ASSERT_EQ(once.segments[s].blocks.size(), twice.segments[s].blocks.size());
    for (std::size_t b = 0; b < once.segments[s].blocks.size(); ++b)
      EXPECT_EQ(once.segments[s].blocks[b].keys, twice.segments[s].blocks[b].keys);
    EXPECT_EQ(once.segments[s].log_sums, twice.segments[s].log_sums);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
