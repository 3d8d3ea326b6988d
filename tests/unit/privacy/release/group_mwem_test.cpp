#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/release/group_mwem.hpp>
#include <lazygumbel/privacy/workload/marginal_workload.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "message_of.hpp"
#include "neighbour_relations.hpp"
#include "sum_of.hpp"

// The law of the choice and audits: tests/statistical/privacy/release/group_mwem_law_test.cpp.

namespace lazygumbel::testing {
namespace {

Domain domain_2x3x4() {
  return Domain({Attribute::integers("a", 0, 1), Attribute::integers("b", 0, 2),
                 Attribute::integers("c", 0, 3)});
}

Histogram uneven(std::int64_t n) {
  std::vector<std::int64_t> counts(24);
  for (std::size_t x = 0; x < 24; ++x) counts[x] = n * static_cast<std::int64_t>(x * x % 17) / 200;
  return Histogram(domain_2x3x4(), counts);
}

MwemResult run_group_mwem(const MarginalWorkload& workload, const Histogram& table, Budget budget,
                          const MwemOptions& options, std::uint64_t seed = 1) {
  NotPrivateEngine engine(seed);
  return GroupMwem(workload, options).run(table, std::move(budget), engine);
}

TEST(GroupMwem, ReportsWhatItDid) {
  const MarginalWorkload workload = MarginalWorkload::all(domain_2x3x4(), 2);
  for (const Neighbours neighbours : {replaced, added})
    for (const bool zcdp : {false, true}) {
      const auto budget = zcdp ? Budget::approximate(1.0, 1e-6) : Budget::pure(1.0);
      const MwemResult result = run_group_mwem(
          workload, uneven(1000), zcdp ? Budget::zcdp(budget.total()) : Budget::pure(1.0),
          {.neighbours = neighbours, .rounds = 4});
      EXPECT_EQ(result.rounds, 4U);
      EXPECT_EQ(result.selection, "full scan of groups");
      EXPECT_EQ(result.guarantee, Guarantee::certified());
      EXPECT_LE(result.budget.spent(), budget.total());
      EXPECT_GE(result.budget.spent(), budget.total() * (1.0 - 1e-12));
      EXPECT_NEAR(sum_of(result.table.weights()) / result.total, 1.0, 1e-9);
      for (const MwemRound& round : result.history) {
        EXPECT_LT(round.query, workload.groups());
        EXPECT_TRUE(std::isnan(round.answer));
      }
    }
}

TEST(GroupMwem, NoiseIsThatOfTheSensitivity) {
  const MarginalWorkload workload = MarginalWorkload::all(domain_2x3x4(), 1);
  const auto deviation = [&](Neighbours neighbours, Budget budget) {
    return run_group_mwem(workload, uneven(1000), std::move(budget),
                          {.neighbours = neighbours, .rounds = 1, .total_share = 0.5})
        .noise_deviation;
  };
  EXPECT_NEAR(deviation(replaced, Budget::pure(1.0)), std::sqrt(2.0) * 2.0 / 0.5, 1e-6);
  EXPECT_NEAR(deviation(added, Budget::pure(1.0)), std::sqrt(2.0) / 0.25, 1e-6);
  EXPECT_NEAR(deviation(replaced, Budget::zcdp(1.0)), std::sqrt(2.0 / (2.0 * 0.5)), 1e-6);
  EXPECT_NEAR(deviation(added, Budget::zcdp(1.0)), std::sqrt(1.0 / (2.0 * 0.25)), 1e-6);
}

TEST(GroupMwem, AHugeBudgetFitsTheMarginals) {
  const MarginalWorkload workload = MarginalWorkload::all(domain_2x3x4(), 2);
  const Histogram table = uneven(1000);
  const MwemResult result =
      run_group_mwem(workload, table, Budget::pure(1e9), {.rounds = 12, .replay_passes = 200});
  const std::vector<double> counts(table.counts().begin(), table.counts().end());
  std::vector<double> truth(workload.size()), fitted(workload.size());
  workload.answers(counts, truth);
  workload.answers(result.table.weights(), fitted);
  for (std::size_t j = 0; j < truth.size(); ++j) EXPECT_NEAR(fitted[j], truth[j], 2.0);
  EXPECT_LT(result.largest_residual, 2.0);
}

TEST(GroupMwem, ResidualsAreThoseOfTheReleasedTable) {
  // One group, measured without noise: the residuals are the errors of the table.
  const MarginalWorkload workload(domain_2x3x4(), {{0, 1}});
  const Histogram table = uneven(1000);
  const std::vector<double> counts(table.counts().begin(), table.counts().end());
  for (const bool average : {false, true}) {
    const MwemResult result = run_group_mwem(workload, table, Budget::pure(1e9),
                                             {.rounds = 3, .replay_passes = 0, .average = average});
    std::vector<double> truth(6), fitted(6);
    workload.answers(counts, truth);
    workload.answers(result.table.weights(), fitted);
    double largest = 0.0, mean = 0.0;
    for (std::size_t c = 0; c < 6; ++c) {
      largest = std::max(largest, std::abs(truth[c] - fitted[c]));
      mean += std::abs(truth[c] - fitted[c]) / 6.0;
    }
    EXPECT_NEAR(result.largest_residual, largest, 1e-9);
    EXPECT_NEAR(result.mean_residual, mean, 1e-9);
  }
}

TEST(GroupMwem, DegenerateShapes) {
  const Domain one({Attribute::integers("a", 5, 5)});
  const MarginalWorkload single(one, {{0}});
  for (const Neighbours neighbours : {replaced, added})
    for (const double epsilon : {1e9, 1.0, 1e-9}) {
      for (const std::int64_t n : {std::int64_t{0}, std::int64_t{7}, (std::int64_t{1} << 30) - 1}) {
        const MwemResult result = run_group_mwem(single, Histogram(one, {n}), Budget::pure(epsilon),
                                                 {.neighbours = neighbours, .rounds = 2});
        EXPECT_NEAR(result.table.weights()[0] / result.total, 1.0, 1e-9);
      }
      const MarginalWorkload twice(domain_2x3x4(), {{1}, {1}, {0, 1, 2}});
      const MwemResult result = run_group_mwem(twice, uneven(0), Budget::zcdp(epsilon),
                                               {.neighbours = neighbours, .rounds = 5});
      for (const double w : result.table.weights()) EXPECT_GE(w, 0.0);
      EXPECT_LE(result.budget.spent(), epsilon);
    }
}

// n is private there: a refusal of large tables would tell of it.
TEST(GroupMwem, AddRemoveRefusesNoNumberOfRecords) {
  const MarginalWorkload workload = MarginalWorkload::all(domain_2x3x4(), 2);
  for (const std::int64_t n :
       {(std::int64_t{1} << 30) - 1, std::int64_t{1} << 30, std::int64_t{1} << 50}) {
    std::vector<std::int64_t> counts(24, 0);
    counts[3] = n;
    const MwemResult result = run_group_mwem(workload, Histogram(domain_2x3x4(), counts),
                                             Budget::pure(1.0), {.neighbours = added, .rounds = 2});
    EXPECT_NEAR(result.total / static_cast<double>(n), 1.0, 1e-6);
    EXPECT_NEAR(result.budget.spent(), 1.0, 1e-9);
  }
}

TEST(GroupMwem, Refusals) {
  const auto refusal = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  const MarginalWorkload workload = MarginalWorkload::all(domain_2x3x4(), 1);
  EXPECT_EQ(refusal([&] { GroupMwem(workload, {.grid_share = 2.0}); }),
            "lazygumbel: grid_share = 2: must lie in (0, 1)");
  const Domain other({Attribute::integers("a", 0, 1)});
  EXPECT_EQ(refusal([&] {
              run_group_mwem(workload, Histogram(other, {1, 2}), Budget::pure(1.0), {});
            }),
            "lazygumbel: table.domain().size() = 2: must equal cells() = 24");
  std::vector<std::int64_t> counts(24, 0);
  counts[3] = std::int64_t{1} << 30;
  EXPECT_EQ(refusal([&] {
              run_group_mwem(workload, Histogram(domain_2x3x4(), counts), Budget::pure(1.0), {});
            }),
            "lazygumbel: table.total() = 1073741824: must be below 2^30");
  Budget budget = Budget::pure(1.0);
  budget.spend("something else", 0.25);
  EXPECT_EQ(message_of<budget_error>(
                [&] { run_group_mwem(workload, uneven(10), std::move(budget), {}); }),
            "lazygumbel: a release needs a budget of its own: this one has spent 0.25");
}

}  // namespace
}  // namespace lazygumbel::testing
