#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <lazygumbel/privacy/release/release.hpp>
#include <lazygumbel/privacy/workload/box_workload.hpp>
#include <lazygumbel/privacy/workload/marginal_workload.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "message_of.hpp"
#include "neighbour_relations.hpp"
#include "sum_of.hpp"
#include "workload_checks.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

constexpr auto identity_method = ReleaseMethod::identity, mwem_method = ReleaseMethod::mwem;

Domain domain_4x5() { return domain_of_sizes({4, 5}); }

Histogram table(double n = 5e4) { return Histogram(domain_4x5(), random_counts(20, n, 1)); }

BoxWorkload boxes(std::size_t count = 50) {
  PhiloxEngine engine(3);
  return BoxWorkload::random(domain_4x5(), count, engine);
}

template <Workload W, class Mode = LazyCertified>
Release released(const W& workload, Budget budget, const ReleaseOptions& options = {},
                 std::uint64_t seed = 1, const Mode& mode = {}) {
  NotPrivateEngine engine(seed);
  return release(table(), workload, std::move(budget), engine, options, mode);
}

void expect_spent(const Release& out, double total) {
  EXPECT_EQ(out.result.budget.total(), total);
  EXPECT_LE(out.result.budget.spent(), total);
  EXPECT_GE(out.result.budget.spent(), total * (1.0 - 1e-12));
}

// Whatever the budget and the neighbours: the method that the hint prefers, with public numbers.
TEST(Release, FollowsTheHint) {
  const BoxWorkload workload = boxes();
  std::size_t chosen[2] = {0, 0};
  for (const Neighbours neighbours : {replaced, added})
    for (const double amount : {1e-5, 1e-4, 1e-3, 1e-2, 1.0, 10.0})
      for (const bool zcdp : {false, true}) {
        const auto budget = [&] { return zcdp ? Budget::zcdp(amount) : Budget::pure(amount); };
        ReleaseOptions options{.expected_records = neighbours == added ? 3e4 : 0.0};
        options.mwem.neighbours = neighbours;
        options.mwem.rounds = 2;
        const double records = neighbours == added ? 3e4 : static_cast<double>(table().total());
        const MethodHint hint = method_hint({20, 50, records, neighbours}, budget());
        const Release out = released(workload, budget(), options);
        ASSERT_TRUE(out.hint.has_value());
        EXPECT_EQ(out.hint->identity_error, hint.identity_error);
        EXPECT_EQ(out.hint->mwem_error, hint.mwem_error);
        EXPECT_EQ(out.method, hint.preferred);
        EXPECT_EQ(out.result.history.size(), out.method == mwem_method ? 2U : 0U);
        ++chosen[out.method == mwem_method ? 1 : 0];
        expect_spent(out, amount);
        EXPECT_EQ(&out.table(), &out.result.table);
        EXPECT_NEAR(sum_of(out.table().weights()), out.result.total, 1e-6 * out.result.total);
        if (neighbours == replaced) {
          EXPECT_NEAR(out.result.total, records, 1e-9 * records);
        }
      }
  EXPECT_GT(chosen[0], 2U);
  EXPECT_GT(chosen[1], 2U);
}

TEST(Release, ForcedMethods) {
  const BoxWorkload workload = boxes();
  for (const Neighbours neighbours : {replaced, added})
    for (const ReleaseMethod method : {identity_method, mwem_method}) {
      ReleaseOptions options{.method = method};  // needs no expected_records
      options.mwem.neighbours = neighbours;
      options.mwem.rounds = 3;
      const Release out = released(workload, Budget::pure(1.0), options);
      EXPECT_EQ(out.method, method);
      EXPECT_FALSE(out.hint.has_value());
      EXPECT_EQ(out.result.rounds, method == mwem_method ? 3U : 0U);
      expect_spent(out, 1.0);
    }
}

TEST(Release, EveryModeOfSelection) {
  const BoxWorkload workload = boxes();
  ReleaseOptions options{.method = mwem_method};
  options.mwem.rounds = 3;
  EXPECT_EQ(released(workload, Budget::pure(1.0), options).result.selection, "lazy, certified");
  EXPECT_EQ(released(workload, Budget::pure(1.0), options, 1, FullScan{}).result.selection,
            "full scan");
  EXPECT_EQ(released(workload, Budget::pure(1.0), options, 1, LazyClipped{}).result.selection,
            "lazy, clipped");
}

TEST(Release, GroupsAreMeasuredWhole) {
  const MarginalWorkload workload = MarginalWorkload::all(domain_4x5(), 1);
  for (const Neighbours neighbours : {replaced, added}) {
    ReleaseOptions options{.method = mwem_method};
    options.mwem.neighbours = neighbours;
    const Release out = released(workload, Budget::pure(1.0), options);
    EXPECT_EQ(out.result.selection, "full scan of groups");
    EXPECT_EQ(out.result.rounds, 2U);  // all groups: the budget is ample
    for (const MwemRound& round : out.result.history) EXPECT_TRUE(std::isnan(round.answer));
    expect_spent(out, 1.0);
  }
  EXPECT_EQ(released(workload, Budget::pure(1.0), {.method = identity_method}).method,
            identity_method);
}

TEST(Release, ObservesEachRound) {
  const BoxWorkload workload = boxes();
  const MarginalWorkload groups = MarginalWorkload::all(domain_4x5(), 1);
  ReleaseOptions options{.method = mwem_method};
  options.mwem.rounds = 4;
  NotPrivateEngine engine(1);
  const auto seen = [&](const auto& of, const ReleaseOptions& with) {
    std::vector<std::size_t> rounds;
    release(table(), of, Budget::pure(1.0), engine, with, LazyCertified{},
            [&](const MwemRound& round) { rounds.push_back(round.round); });
    return rounds;
  };
  EXPECT_EQ(seen(workload, options), (std::vector<std::size_t>{1, 2, 3, 4}));
  EXPECT_EQ(seen(groups, options), (std::vector<std::size_t>{1, 2, 3, 4}));
  options.method = identity_method;
  EXPECT_TRUE(seen(workload, options).empty());
}

TEST(Release, SeedsReproduce) {
  const BoxWorkload workload = boxes();
  const MarginalWorkload groups = MarginalWorkload::all(domain_4x5(), 2);
  const auto weights = [&](const auto& of, ReleaseMethod method, std::uint64_t seed) {
    ReleaseOptions options{.method = method};
    options.mwem.rounds = 3;
    const Release out = released(of, Budget::pure(0.1), options, seed);
    return std::vector<double>(out.table().weights().begin(), out.table().weights().end());
  };
  for (const ReleaseMethod method : {identity_method, mwem_method}) {
    EXPECT_EQ(weights(workload, method, 1), weights(workload, method, 1));
    EXPECT_NE(weights(workload, method, 1), weights(workload, method, 2));
    EXPECT_EQ(weights(groups, method, 1), weights(groups, method, 1));
  }
}

// Far more budget than noise needs: the answers are nearly right.
TEST(Release, IsAccurateWithAnAmpleBudget) {
  const BoxWorkload workload = boxes();
  const auto worst = [&](ReleaseMethod method) {
    ReleaseOptions options{.method = method};
    options.mwem.rounds = 40;
    const Release out = released(workload, Budget::pure(1e3), options);
    double largest = 0.0;
    for (const double error : brute_force_scores(workload, table(), out.table().weights(), 1.0))
      largest = std::max(largest, error);
    return largest / static_cast<double>(table().total());
  };
  EXPECT_LT(worst(identity_method), 1e-3);
  EXPECT_LT(worst(mwem_method), 0.02);
}

TEST(Release, DegenerateTables) {
  const BoxWorkload workload = boxes(1);
  const Histogram none(domain_4x5(), std::vector<std::int64_t>(20, 0));
  const Histogram one(domain_of_sizes({1}), {3});
  PhiloxEngine philox(1);
  const BoxWorkload cell = BoxWorkload::random(one.domain(), 1, philox);
  for (const Neighbours neighbours : {replaced, added})
    for (const ReleaseMethod method : {identity_method, mwem_method}) {
      ReleaseOptions options{.method = method};
      options.mwem.neighbours = neighbours;
      NotPrivateEngine engine(1);
      const Release empty = release(none, workload, Budget::pure(1.0), engine, options);
      EXPECT_TRUE(std::isfinite(empty.table().total()));
      const Release single = release(one, cell, Budget::pure(1.0), engine, options);
      EXPECT_EQ(single.table().weights().size(), 1U);
      EXPECT_TRUE(std::isfinite(single.table().total()));
    }
  // The hint is for one record at least, and n = 0 is public here.
  NotPrivateEngine engine(1);
  EXPECT_TRUE(release(none, workload, Budget::pure(1.0), engine).hint.has_value());
}

TEST(Release, Refusals) {
  const BoxWorkload workload = boxes();
  const auto invalid = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  for (const auto& [records, text] :
       {std::pair{0.0, "0"}, {0.5, "0.5"}, {-1.0, "-1"}, {std::nan(""), "nan"}}) {
    ReleaseOptions options{.expected_records = records};
    options.mwem.neighbours = added;
    EXPECT_EQ(invalid([&] { released(workload, Budget::pure(1.0), options); }),
              std::string("lazygumbel: expected_records = ") + text +
                  ": must be a public guess >= 1 when the method is to be chosen under add_remove");
  }
  ReleaseOptions bad{.method = mwem_method};
  bad.mwem.selection_share = 2.0;
  EXPECT_EQ(invalid([&] { released(workload, Budget::pure(1.0), bad); }),
            "lazygumbel: selection_share = 2: must lie in (0, 1)");

  // Whatever the method, chosen or forced.
  const Histogram other(domain_of_sizes({3}), {1, 2, 3});
  for (const std::optional<ReleaseMethod>& method :
       {std::optional<ReleaseMethod>(), std::optional(identity_method),
        std::optional(mwem_method)}) {
    const ReleaseOptions options{.method = method};
    Budget used = Budget::pure(1.0);
    used.spend("something else", 0.25);
    EXPECT_EQ(message_of<budget_error>([&] { released(workload, std::move(used), options); }),
              "lazygumbel: a release needs a budget of its own: this one has spent 0.25");
    Budget whole = Budget::zcdp(1.0);
    whole.spend("something else", 1.0);
    EXPECT_EQ(message_of<budget_error>([&] { released(workload, std::move(whole), options); }),
              "lazygumbel: a release needs a budget of its own: this one has spent 1");
    Budget gone = Budget::pure(1.0);
    const Budget kept = std::move(gone);
    EXPECT_EQ(message_of<budget_error>([&] { released(workload, std::move(gone), options); }),
              "lazygumbel: a release needs a budget of its own: this one was moved from");
    NotPrivateEngine engine(1);
    EXPECT_EQ(invalid([&] { release(other, workload, Budget::pure(1.0), engine, options); }),
              "lazygumbel: table.domain().size() = 3: must equal cells() = 20");
  }
}

}  // namespace
}  // namespace lazygumbel::testing
