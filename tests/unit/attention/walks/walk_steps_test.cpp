#include <gtest/gtest.h>

#include <lazygumbel/attention/walks/walk_steps.hpp>
#include <lazygumbel/index/flat_index.hpp>

#include "laws.hpp"
#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::size_t steps_m = 12, steps_n = 40, steps_d = 4;

struct StepsProblem {
  FlatIndex<double> keys{gaussian_rows(steps_n, steps_d, 1)};
  RowMatrix<double> queries = gaussian_rows(steps_m, steps_d, 2);
  AttentionDraws<FlatIndex<double>> draws{keys};
};
static_assert(WalkSteps<AttentionSteps<FlatIndex<double>>>);

// Row 3 often enough to be searched once, the others in a batch.
std::vector<std::size_t> starts_with_a_run() {
  std::vector<std::size_t> starts = {0, 2, 2};
  starts.insert(starts.end(), 20, 3);
  starts.insert(starts.end(), {5, 11});
  return starts;
}

TEST(AttentionSteps, DoNotDependOnThreads) {
  const StepsProblem p;
  const AttentionSteps steps(p.draws, p.queries);
  EXPECT_EQ(steps.rows(), steps_m);
  EXPECT_EQ(steps.positions(), steps_n);
  const auto starts = starts_with_a_run();
  std::vector<item_id> one(starts.size(), 99), two(starts.size(), 99);
  PhiloxEngine a(3), b(3);
  const Trace trace = steps.draw(starts, one, a, 1);
  steps.draw(starts, two, b, 2);
  EXPECT_EQ(one, two);
  EXPECT_EQ(a, b);
  for (const item_id id : one) EXPECT_LT(id, steps_n);
  // All scores for the run, one search for each of the five others.
  EXPECT_EQ(trace.exhaustive_scans, 1U);
  EXPECT_EQ(trace.head_size, 5 * default_k(p.keys));
  EXPECT_EQ(trace.guarantee, Guarantee::certified());
  EXPECT_EQ(trace.violations, 0U);
  EXPECT_GE(trace.rows_scored, trace.head_size);
  EXPECT_GT(trace.residual_bound, -10.0);
}

TEST(AttentionSteps, RepeatedRowsAreDrawnIndependently) {
  const StepsProblem p;
  const AttentionSteps steps(p.draws, p.queries);
  PhiloxEngine engine(4);
  for (const std::size_t repeats : {std::size_t{7}, std::size_t{40}}) {  // batch, run
    const std::vector<std::size_t> starts(repeats, 1);
    std::vector<item_id> ends(repeats);
    steps.draw(starts, ends, engine, 1);
    EXPECT_GT(*std::max_element(ends.begin(), ends.end()),
              *std::min_element(ends.begin(), ends.end()));
  }
}

TEST(AttentionSteps, ViewTheQueries) {
  StepsProblem p;
  RowMatrix<double> wide = gaussian_rows(steps_m, 2 * steps_d, 5);
  const AttentionSteps steps(p.draws, wide.rightCols(steps_d));
  wide.rightCols(steps_d) = p.queries;
  const AttentionSteps plain(p.draws, p.queries);
  const auto starts = starts_with_a_run();
  std::vector<item_id> a(starts.size()), b(starts.size());
  PhiloxEngine first(6), second(6);
  steps.draw(starts, a, first, 1);
  plain.draw(starts, b, second, 1);
  EXPECT_EQ(a, b);
}

TEST(AttentionSteps, WeakestGuarantee) {
  const StepsProblem p;
  const MinimalIndex assumed(p.keys.rows());
  const AttentionDraws draws(assumed);
  const AttentionSteps steps(draws, p.queries);
  const std::vector<std::size_t> starts = {1, 4};
  std::vector<item_id> ends(2);
  PhiloxEngine engine(7);
  EXPECT_EQ(steps.draw(starts, ends, engine, 1).guarantee, Guarantee::assumed());
}

TEST(AttentionSteps, RefusesBadQueries) {
  StepsProblem p;
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { AttentionSteps(p.draws, p.queries.leftCols(3)); }),
      "lazygumbel: queries.cols() = 3: must equal the index's dimension 4");
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { AttentionSteps(p.draws, p.queries.topRows(0)); }),
      "lazygumbel: queries.rows() = 0: must be at least 1");
  p.queries(2, 1) = std::numeric_limits<double>::infinity();
  EXPECT_EQ(message_of<std::invalid_argument>([&] { AttentionSteps(p.draws, p.queries); }),
            "lazygumbel: queries(2, 1) = inf: must be finite");
}

TEST(RowSteps, AskOnceForARow) {
  std::vector<std::size_t> counts(steps_m, 0);
  const RowSteps steps(
      steps_m, steps_n, [&](std::size_t row, std::size_t count, PhiloxEngine& engine) {
        counts[row] += count;
        Draws draws;
        for (std::size_t i = 0; i < count; ++i)  // positions 0 .. row, as under a causal mask
          draws.ids.push_back(uniform_index(static_cast<std::uint32_t>(row + 1), engine));
        draws.trace = {.head_size = 2, .proposals = count, .guarantee = Guarantee::certified()};
        return draws;
      });
  static_assert(WalkSteps<decltype(steps)>);
  const auto starts = starts_with_a_run();
  std::vector<item_id> ends(starts.size());
  PhiloxEngine engine(8);
  const Trace trace = steps.draw(starts, ends, engine, 1);
  EXPECT_EQ(counts[2], 2U);
  EXPECT_EQ(counts[3], 20U);
  EXPECT_EQ(trace.head_size, 2U * 5U);
  EXPECT_EQ(trace.proposals, starts.size());
  for (std::size_t w = 0; w < starts.size(); ++w) EXPECT_LE(ends[w], starts[w]);
}

TEST(RowSteps, RefusesBrokenDraws) {
  PhiloxEngine engine(9);
  const std::vector<std::size_t> starts = {1, 1};
  std::vector<item_id> ends(2);
  const RowSteps few(steps_m, steps_n, [](std::size_t, std::size_t, PhiloxEngine&) {
    return Draws{{0}, {}, {}};
  });
  EXPECT_EQ(message_of<index_error>([&] { few.draw(starts, ends, engine, 1); }),
            "lazygumbel: 1 positions drawn for row 1, not 2");
  const RowSteps far(steps_m, steps_n, [](std::size_t, std::size_t, PhiloxEngine&) {
    return Draws{{0, steps_n}, {}, {}};
  });
  EXPECT_EQ(message_of<index_error>([&] { far.draw(starts, ends, engine, 1); }),
            "lazygumbel: position 40 drawn for row 1 of 40");
}

}  // namespace
}  // namespace lazygumbel::testing
