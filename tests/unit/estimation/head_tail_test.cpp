#include <gtest/gtest.h>

#include <lazygumbel/estimation/detail/head_tail.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/random/philox.hpp>

#include "laws.hpp"
#include "non_finite.hpp"
#include "score_index.hpp"

namespace lazygumbel::testing {
namespace {

TEST(HeadTail, SplitsTheItems) {
  const ScoreIndex index({0.5, 3.0, 1.0, 2.0, -1.0, 0.0});
  const HeadTail<ScoreIndex> parts(index, unit_query(), 2);
  EXPECT_EQ(parts.head().ids, (std::vector<item_id>{1, 3}));
  EXPECT_FALSE(parts.tail_is_empty());
  EXPECT_EQ(parts.trace().head_size, 2U);
  EXPECT_EQ(parts.trace().guarantee, Guarantee::assumed());
}

TEST(HeadTail, TailIsSampledUniformlyWithItsScores) {
  // 4 items, 100,000 draws in uneven blocks; chi-square at 1e-6, an rms error of 2.2% is detected.
  EXPECT_LT(smallest_defect(4, 100'000), 0.022);
  const ScoreIndex index({0.5, 3.0, 1.0, 2.0, -1.0, 0.0});
  const HeadTail<ScoreIndex> parts(index, unit_query(), 2);
  PhiloxEngine engine(1);
  Counter counter(6);
  for (int i = 0; i < 1000; ++i)
    for (const std::size_t count : {1U, 32U, 67U})
      parts.sample_tail(count, engine, [&](item_id id, double y, double) {
        counter.add(id);
        EXPECT_EQ(y, index.score(unit_query(), id));
      });
  expect_law(counter, {0.25, 0.0, 0.25, 0.0, 0.25, 0.25}, "tail");
}

TEST(HeadTail, ScanVisitsEveryItemOnceInOrder) {
  const FlatIndex<float> index(gaussian_rows<float>(5000, 3, 1));
  const Vector<float> theta = gaussian_query<float>(3, 2);
  const HeadTail<FlatIndex<float>> parts(index, theta, 10);
  item_id next = 0;
  parts.scan([&](item_id id, double y) {
    EXPECT_EQ(id, next++);
    EXPECT_NEAR(y, index.score(theta, id), 1e-5);
  });
  EXPECT_EQ(next, 5000U);
}

TEST(HeadTail, KnowsWhenNothingIsLeft) {
  const ScoreIndex index({0.5, 3.0, 1.0});
  EXPECT_TRUE((HeadTail<ScoreIndex>(index, unit_query(), 3).tail_is_empty()));
  // A certified bound of -inf: all of the rest is masked. An assumed one proves nothing.
  ScoreIndex masked({0.5, -infinity, 1.0, -infinity});
  masked.state_bound(0.0, Guarantee::certified());
  EXPECT_TRUE((HeadTail<ScoreIndex>(masked, unit_query(), 2).tail_is_empty()));
  masked.state_bound(0.0, Guarantee::assumed());
  EXPECT_FALSE((HeadTail<ScoreIndex>(masked, unit_query(), 2).tail_is_empty()));
}

TEST(HeadTail, TailScoresThatAreNotNumbersAreTheIndexsError) {
  struct BadTail {
    using scalar_type = double;
    double bad;
    std::size_t size() const { return 10; }
    std::size_t dimension() const { return 1; }
    double score(const VectorView<double>&, item_id id) const { return id == 0 ? 0.0 : bad; }
    void search(const VectorView<double>&, std::size_t, Retrieval& found) const {
      found.clear();
      found.ids = {0};
      found.scores = {0.0};
    }
  };
  for (const double bad : {infinity, std::numeric_limits<double>::quiet_NaN()}) {
    const BadTail index{bad};
    const HeadTail<BadTail> parts(index, unit_query(), 1);
    PhiloxEngine engine(1);
    expect_throws<index_error>(
        [&] { parts.sample_tail(3, engine, [](item_id, double, double) {}); }, {"score(theta, "});
    expect_throws<index_error>([&] { parts.scan([](item_id, double) {}); }, {"score(theta, 1)"});
  }
}

TEST(HeadTail, ACertifiedBoundThatIsWrongIsTheIndexsError) {
  ScoreIndex index({0.5, 3.0, 1.0, 2.0, -1.0, 0.0});
  index.state_bound(-0.5, Guarantee::certified());
  const HeadTail<ScoreIndex> parts(index, unit_query(), 2);
  PhiloxEngine engine(1);
  expect_throws<index_error>(
      [&] { parts.sample_tail(100, engine, [](item_id, double, double) {}); },
      {"certified the bound 0.5", "item 2 scores 1"});
}

TEST(HeadTail, ResolvesOptions) {
  using lazygumbel::detail::resolve_options;
  const ScoreIndex index(std::vector<double>(500, 0.0)), one({0.0}), none({});
  EXPECT_EQ(resolve_options({}, index), 23U);
  EXPECT_EQ(resolve_options({.k = 500}, index), 500U);
  EXPECT_EQ(resolve_options({}, one), 1U);
  expect_throws<std::invalid_argument>([&] { resolve_options({.k = 501}, index); },
                                       {"k = 501", "n = 500"});
  expect_throws<std::invalid_argument>([&] { resolve_options({}, none); }, {"index.size() = 0"});
  for (const double bad : {0.0, 1.0, -0.5, std::nan("")})
    expect_throws<std::invalid_argument>([&] { resolve_options({.confidence = bad}, index); },
                                         {"confidence = "});
}

}  // namespace
}  // namespace lazygumbel::testing
