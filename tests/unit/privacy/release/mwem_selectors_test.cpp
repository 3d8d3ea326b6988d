#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/privacy/release/detail/mwem_selectors.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <utility>
#include <vector>

#include "message_of.hpp"
#include "workloads.hpp"

// Their laws: tests/statistical/privacy/release/mwem_selection_law_test.cpp.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::MwemSelector;
using lazygumbel::detail::set_query;
using lazygumbel::detail::uncovered_gap_of;
using Dense = DenseWorkload<float>;

struct TableToSelectFrom {
  RowMatrix<float> rows = random_queries<float>(20, 4, 0, 1, 1);
  Dense workload{rows};
  Histogram table = line_table({10, 20, 5, 0});
  ErrorScores<Dense> scores{workload, table};
  FlatIndex<float> flat{rows};
  std::vector<double> weights = {9.0, 9.0, 9.0, 8.0};
  NotPrivateEngine engine{1};
};

TEST(MwemSelectors, QueryOfWeights) {
  Vector<double> query;
  set_query(std::vector<double>{1.5, 0.0}, query);
  ASSERT_EQ(query.size(), 3);
  EXPECT_EQ(query[0], -1.5);
  EXPECT_EQ(query[2], 1.0);
}

template <class Mode>
void expect_mode(const Mode& mode, const std::string& name, Guarantee guarantee) {
  TableToSelectFrom f;
  MwemSelector<Mode, Dense> selector(f.scores, 1.0, mode);
  EXPECT_EQ(selector.name(), name);
  Budget budget = Budget::pure(1e10);
  const auto errors = brute_force_scores(f.workload, f.table, f.weights, 1.0);
  const auto best = std::max_element(errors.begin(), errors.end()) - errors.begin();
  for (int i = 0; i < 20; ++i)  // no noise to speak of: the worst query is found
    EXPECT_EQ(selector.select(f.weights, 1e6, budget, f.engine).id, best);
  EXPECT_EQ(budget.spent(), 2e7);
  const Selection one = selector.select(f.weights, 0.5, budget, f.engine);
  EXPECT_EQ(one.cost, 0.5);
  EXPECT_EQ(one.trace.guarantee, guarantee);
  // Nothing is drawn that is not paid for.
  Budget small = Budget::pure(1.0);
  EXPECT_THROW(selector.select(f.weights, 2.0, small, f.engine), budget_error);
  EXPECT_EQ(small.spent(), 0.0);
  for (const double epsilon : {0.0, -1.0, std::nan("")})
    EXPECT_THROW(selector.select(f.weights, epsilon, small, f.engine), std::invalid_argument);
}

TEST(MwemSelectors, FullScan) { expect_mode(FullScan{}, "full scan", Guarantee::certified()); }

TEST(MwemSelectors, LazyCertified) {
  for (const int bits : {0, 4, 8})
    for (const double budget : {0.0, 1.0, 1e9})
      for (const std::size_t k : {0U, 1U, 20U})
        expect_mode(LazyCertified{{.proposal_budget = budget, .code_bits = bits}, k},
                    "lazy, certified", Guarantee::certified());
}

TEST(MwemSelectors, LazyProposed) {
  TableToSelectFrom f;
  expect_mode(LazyProposed<FlatIndex<float>>{f.flat}, "lazy, proposed by an index",
              Guarantee::assumed());
  expect_mode(LazyProposed<FlatIndex<float>>{f.flat, 3, Gap(0.1, Guarantee::calibrated(0.05))},
              "lazy, proposed by an index", Guarantee::calibrated(0.05));
}

TEST(MwemSelectors, Gaps) {
  TableToSelectFrom f;
  EXPECT_EQ(uncovered_gap_of(FullScan{}), 0.0);
  EXPECT_EQ(uncovered_gap_of(LazyCertified{}), 0.0);
  EXPECT_EQ(uncovered_gap_of(LazyProposed<FlatIndex<float>>{f.flat, 0, 0.5, 0.25}), 0.25);
}

TEST(MwemSelectors, MoreItemsThanThereAreAreRefused) {
  TableToSelectFrom f;
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              MwemSelector<LazyCertified, Dense>(f.scores, 1.0, LazyCertified{{}, 21});
            }),
            "lazygumbel: k = 21: exceeds n = 20");
  using Proposed = LazyProposed<FlatIndex<float>>;
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              MwemSelector<Proposed, Dense>(f.scores, 1.0, Proposed{f.flat, 21});
            }),
            "lazygumbel: k = 21: exceeds n = 20");
}

}  // namespace
}  // namespace lazygumbel::testing
