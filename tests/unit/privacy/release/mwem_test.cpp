#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/privacy/release/mwem.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "message_of.hpp"
#include "neighbour_relations.hpp"
#include "sum_of.hpp"
#include "workloads.hpp"

// The laws: tests/statistical/privacy/release/mwem_*_test.cpp.

namespace lazygumbel::testing {
namespace {

IntegerWorkload prefixes() { return IntegerWorkload({{1, 0, 0}, {1, 1, 0}, {0, 1, 1}}, {0, 1}); }

template <Workload W, class Mode = FullScan>
MwemResult run_mwem(const W& workload, const std::vector<std::int64_t>& counts, Budget budget,
                    const MwemOptions& options, const Mode& mode = {}, std::uint64_t seed = 1) {
  NotPrivateEngine engine(seed);
  return Mwem(workload, options).run(line_table(counts), std::move(budget), engine, mode);
}

TEST(Mwem, ReportsWhatItDid) {
  const IntegerWorkload workload = prefixes();
  NotPrivateEngine engine(1);
  std::size_t observed = 0;
  const MwemResult result = Mwem(workload, {.rounds = 5})
                                .run(line_table({10, 20, 30}), Budget::pure(1.0), engine,
                                     FullScan{}, [&](const MwemRound& round) {
                                       EXPECT_EQ(round.round, ++observed);
                                       EXPECT_EQ(round.rounds, 5U);
                                     });
  EXPECT_EQ(observed, 5U);
  EXPECT_EQ(result.rounds, 5U);
  EXPECT_EQ(result.total, 60.0);
  EXPECT_EQ(result.selection, "full scan");
  EXPECT_EQ(result.guarantee, Guarantee::certified());
  ASSERT_EQ(result.history.size(), 5U);
  EXPECT_EQ(result.history[4].scans.exact, 5U);
  EXPECT_NEAR(sum_of(result.table.weights()), 60.0, 1e-9);
  EXPECT_LE(result.budget.spent(), 1.0);
  EXPECT_GE(result.budget.spent(), 1.0 - 1e-12);
  ASSERT_EQ(result.budget.expenses().size(), 10U);
  EXPECT_EQ(result.budget.expenses()[0].mechanism, "exponential mechanism");
  EXPECT_EQ(result.budget.expenses()[1].mechanism, "noisy answer");
  EXPECT_NEAR(result.noise_deviation, std::sqrt(2.0) * 10.0, 1e-6);
  for (const MwemRound& round : result.history) EXPECT_EQ(std::fmod(round.answer, 1.0), 0.0);
}

TEST(Mwem, AddRemovePaysForTheTotal) {
  const MwemResult result =
      run_mwem(prefixes(), {10, 20, 30}, Budget::zcdp(10.0), {.neighbours = added, .rounds = 3});
  EXPECT_EQ(result.budget.expenses().front().mechanism, "number of records");
  EXPECT_NEAR(result.budget.expenses().front().cost, 0.5, 1e-12);
  EXPECT_NEAR(sum_of(result.table.weights()), result.total, 1e-9);
}

// The scale of the noise may depend on the noisy number of records, which is released, and not on
// the private one.
TEST(Mwem, NoiseTellsNothingOfAPrivateTotal) {
  const DenseWorkload<float> workload(random_queries<float>(5, 4, 0, 1, 1));
  for (const bool zcdp : {false, true}) {
    std::map<double, double> deviation_of_total;
    std::size_t compared = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
      const auto n = static_cast<std::int64_t>(1000 + seed % 2);
      const MwemResult result =
          run_mwem(workload, {n, 0, 1, 2}, zcdp ? Budget::zcdp(10.0) : Budget::pure(10.0),
                   {.neighbours = added, .rounds = 1}, FullScan{}, seed);
      const auto [at, fresh] = deviation_of_total.emplace(result.total, result.noise_deviation);
      EXPECT_EQ(at->second, result.noise_deviation);
      compared += !fresh;
    }
    EXPECT_GT(compared, 200U);
  }
}

TEST(Mwem, AllModesReleaseWithinTheBudget) {
  const auto rows = random_queries<float>(100, 16, 0, 1, 1);
  const DenseWorkload<float> workload(rows);
  const FlatIndex<float> flat(rows);
  const auto counts = random_counts(16, 5e3, 2);
  for (const Neighbours neighbours : {replaced, added})
    for (const bool zcdp : {false, true}) {
      const MwemOptions options = {.neighbours = neighbours, .rounds = 6};
      const auto budget = [&] { return zcdp ? Budget::approximate(1.0, 1e-6) : Budget::pure(1.0); };
      const double total = budget().total();
      for (const MwemResult& result :
           {run_mwem(workload, counts, budget(), options),
            run_mwem(workload, counts, budget(), options, LazyCertified{}),
            run_mwem(workload, counts, budget(), options,
                     LazyProposed<FlatIndex<float>>{flat, 0, 0.01})}) {
        EXPECT_LE(result.budget.spent(), total);
        EXPECT_GE(result.budget.spent(), total * (1.0 - 1e-12));
        EXPECT_NEAR(sum_of(result.table.weights()), result.total, 1e-6);
      }
    }
  EXPECT_EQ(run_mwem(workload, counts, Budget::pure(1), {}, LazyCertified{}).guarantee,
            Guarantee::certified());
  EXPECT_EQ(run_mwem(workload, counts, Budget::pure(1), {}, LazyProposed<FlatIndex<float>>{flat})
                .guarantee,
            Guarantee::assumed());
}

TEST(Mwem, AnUncoveredGapIsCharged) {
  const auto rows = random_queries<float>(10, 4, 0, 1, 1);
  const DenseWorkload<float> workload(rows);
  const FlatIndex<float> flat(rows);
  const LazyProposed<FlatIndex<float>> mode{flat, 3, {}, 0.05};
  const MwemResult result =
      run_mwem(workload, {1, 2, 3, 4}, Budget::pure(1.0), {.rounds = 2}, mode);
  EXPECT_LE(result.budget.spent(), 1.0);
  EXPECT_GE(result.budget.spent(), 1.0 - 1e-12);
  EXPECT_NE(message_of<std::invalid_argument>([&] {
              run_mwem(workload, {1, 2, 3, 4}, Budget::pure(1.0), {.rounds = 20}, mode);
            }).find("does not even pay for the gap of 0.05"),
            std::string::npos);
}

TEST(Mwem, DegenerateShapes) {
  for (const Neighbours neighbours : {replaced, added}) {
    const MwemOptions options = {.neighbours = neighbours};
    const MwemOptions three = {.neighbours = neighbours, .rounds = 3};
    const IntegerWorkload single({{1, 0}}, {0, 1}), cell({{1}, {0}}, {0, 1});
    const IntegerWorkload twins({{1, 0}, {1, 0}, {1, 0}, {0, 0}}, {0, 1});
    for (const double epsilon : {1e9, 1.0, 1e-9}) {
      for (const auto& result :
           {run_mwem(single, {3, 4}, Budget::pure(epsilon), options),
            run_mwem(single, {3, 4}, Budget::pure(epsilon), options, LazyCertified{}),
            run_mwem(cell, {5}, Budget::pure(epsilon), three),
            run_mwem(cell, {5}, Budget::pure(epsilon), three, LazyCertified{}),
            run_mwem(cell, {0}, Budget::pure(epsilon), options),
            run_mwem(twins, {0, 0}, Budget::pure(epsilon), three, LazyCertified{}),
            run_mwem(twins, {(1 << 30) - 2, 1}, Budget::pure(epsilon), three),
            run_mwem(twins, {(1 << 30) - 2, 1}, Budget::zcdp(epsilon), three, LazyCertified{})}) {
        EXPECT_NEAR(sum_of(result.table.weights()) / result.total, 1.0, 1e-9);
        EXPECT_LE(result.budget.spent(), epsilon);
        for (const double w : result.table.weights()) EXPECT_GE(w, 0.0);
      }
    }
  }
}

// At epsilon 1e9 nothing is hidden: the answers are the true ones.
TEST(Mwem, AHugeBudgetFitsTheTable) {
  const IntegerWorkload workload = prefixes();
  const MwemResult result =
      run_mwem(workload, {10, 20, 30}, Budget::pure(1e9), {.rounds = 12, .replay_passes = 200});
  for (const MwemRound& round : result.history) {
    const double truth[] = {10, 30, 50};
    EXPECT_EQ(round.answer, truth[round.query]);
  }
  EXPECT_NEAR(result.table.weights()[0], 10.0, 0.01);
  EXPECT_NEAR(result.table.weights()[1], 20.0, 0.01);
}

TEST(Mwem, ResidualsAreThoseOfTheReleasedTable) {
  const IntegerWorkload workload = prefixes();
  for (const bool average : {false, true}) {
    const MwemResult result = run_mwem(workload, {10, 20, 30}, Budget::pure(2.0),
                                       {.rounds = 8, .replay_passes = 3, .average = average});
    double largest = 0.0, mean = 0.0;
    for (const MwemRound& round : result.history) {
      const double residual =
          std::abs(round.answer - workload.answer(result.table.weights(), round.query));
      largest = std::max(largest, residual);
      mean += residual / 8.0;
    }
    EXPECT_NEAR(result.largest_residual, largest, 1e-9);
    EXPECT_NEAR(result.mean_residual, mean, 1e-9);
  }
}

TEST(Mwem, TheAverageOfOneRoundIsTheLast) {
  const IntegerWorkload workload = prefixes();
  const auto last = run_mwem(workload, {10, 20, 30}, Budget::pure(1.0), {.rounds = 1});
  const auto mean =
      run_mwem(workload, {10, 20, 30}, Budget::pure(1.0), {.rounds = 1, .average = true});
  for (std::size_t x = 0; x < 3; ++x)
    EXPECT_NEAR(last.table.weights()[x], mean.table.weights()[x], 1e-12);
}

TEST(Mwem, AutomaticRoundsAreFromPublicNumbers) {
  const IntegerWorkload workload = prefixes();
  EXPECT_EQ(run_mwem(workload, {1000, 0, 0}, Budget::pure(1.0), {}).rounds,
            mwem_rounds(3, 3, 1000.0, Accountant::pure, 1.0));
  const MwemResult noisy =
      run_mwem(workload, {1000, 0, 0}, Budget::pure(1.0), {.neighbours = added});
  EXPECT_EQ(noisy.rounds, mwem_rounds(3, 3, noisy.total, Accountant::pure, 0.95));
}

// Memory for replay does not grow with the rounds: measured queries are computed again.
TEST(Mwem, QueriesThatAreNotKeptChangeNothing) {
  const MwemOptions keep = {.rounds = 6};
  MwemOptions forget = keep;
  forget.kept_bytes = 0;
  const DenseWorkload<float> dense(random_queries<float>(5, 3, -1, 1, 1));
  const auto expect_same = [&](const auto& workload) {
    const MwemResult a = run_mwem(workload, {10, 20, 30}, Budget::pure(5.0), keep),
                     b = run_mwem(workload, {10, 20, 30}, Budget::pure(5.0), forget);
    for (std::size_t x = 0; x < 3; ++x) EXPECT_EQ(a.table.weights()[x], b.table.weights()[x]);
    EXPECT_EQ(a.largest_residual, b.largest_residual);
  };
  expect_same(prefixes());
  expect_same(dense);
}

// n is private there: a refusal of large tables would tell of it.
TEST(Mwem, AddRemoveRefusesNoNumberOfRecords) {
  const std::int64_t half = std::int64_t{1} << 29;
  const MwemOptions three = {.neighbours = added, .rounds = 3};
  for (const std::int64_t more : {std::int64_t{-1}, std::int64_t{0}, 1000 * half}) {
    const MwemResult result =
        run_mwem(prefixes(), {half, half + more, 0}, Budget::pure(1.0), three, LazyCertified{});
    EXPECT_NEAR(sum_of(result.table.weights()) / result.total, 1.0, 1e-9);
    EXPECT_NEAR(result.budget.spent(), 1.0, 1e-9);
    const DenseWorkload<float> dense(random_queries<float>(5, 3, -1, 1, 1));
    EXPECT_NO_THROW(run_mwem(dense, {half, half + more, 0}, Budget::pure(1.0), three));
  }
}

TEST(Mwem, Refusals) {
  const auto refusal = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  const IntegerWorkload workload = prefixes();
  EXPECT_EQ(refusal([&] { Mwem(workload, {.selection_share = 1.0}); }),
            "lazygumbel: selection_share = 1: must lie in (0, 1)");
  EXPECT_EQ(refusal([&] {
              run_mwem(workload, {1, 2}, Budget::pure(1.0), {});
            }),
            "lazygumbel: table.counts().size() = 2: must equal cells() = 3");
  EXPECT_EQ(refusal([&] {
              run_mwem(workload, {1 << 30, 2, 3}, Budget::pure(1.0), {});
            }),
            "lazygumbel: table.total() = 1073741829: must be below 2^30");
  EXPECT_EQ(refusal([&] {
              run_mwem(workload, {1, 2, 3}, Budget::pure(1.0), {}, LazyCertified{.k = 4});
            }),
            "lazygumbel: k = 4: exceeds n = 3");
  EXPECT_EQ(refusal([&] {
              run_mwem(workload, {1, 2, 3}, Budget::pure(1.0), {},
                       LazyCertified{.index = {.code_bits = 3}});
            }),
            "lazygumbel: code_bits = 3: must be 0, 4 or 8");
  const IntegerWorkload zeros({{0, 0}}, {0, 0}), constant({{1, 1}}, {1, 1});
  for (const Neighbours neighbours : {replaced, added})
    EXPECT_EQ(refusal([&] {
                run_mwem(zeros, {1, 2}, Budget::pure(1.0), {.neighbours = neighbours});
              }),
              "lazygumbel: the workload's sensitivity = 0: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([&] {
              run_mwem(constant, {1, 2}, Budget::pure(1.0), {});
            }),
            "lazygumbel: the workload's sensitivity = 0: must lie in (0, 1e300]");
  EXPECT_NO_THROW(run_mwem(constant, {1, 2}, Budget::pure(1.0), {.neighbours = added}));
  const DenseWorkload<float> dense(random_queries<float>(2, 2, 0, 1, 1));
  EXPECT_EQ(refusal([&] {
              run_mwem(dense, {1, 2}, Budget::pure(1.0), {.neighbours = added, .grid_share = 1e-9});
            }),
            "lazygumbel: the largest answer = 1073741825: must be at most 2^52 steps of the grid: "
            "choose a larger grid_share");
  EXPECT_EQ(refusal([&] {
              run_mwem(workload, {1, 2, 3}, Budget::pure(1e-300), {});
            }).substr(0, 30),
            "lazygumbel: epsilon = 4.999999");
}

TEST(Mwem, WantsABudgetOfItsOwn) {
  const IntegerWorkload workload = prefixes();
  Budget budget = Budget::pure(1.0);
  budget.spend("something else", 0.25);
  EXPECT_EQ(message_of<budget_error>([&] {
              run_mwem(workload, {1, 2, 3}, std::move(budget), {});
            }),
            "lazygumbel: a release needs a budget of its own: this one has spent 0.25");
  for (const Neighbours neighbours : {replaced, added})
    EXPECT_EQ(message_of<budget_error>([&] {
                run_mwem(workload, {1, 2, 3}, std::move(budget), {.neighbours = neighbours});
              }),
              "lazygumbel: a release needs a budget of its own: this one was moved from");
}

}  // namespace
}  // namespace lazygumbel::testing
