#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/sampling/envelope.hpp>

#include "laws.hpp"
#include "non_finite.hpp"
#include "score_index.hpp"

namespace lazygumbel::testing {
namespace {

const std::vector<double> envelope_scores = {0.5, 3.0, 1.0, 2.0, -1.0, 0.0};

TEST(Envelope, KnowsItsHeadAndBound) {
  const ScoreIndex index(envelope_scores);
  Envelope envelope(index);
  envelope.assign(unit_query(), 2, 0.25);
  EXPECT_EQ(envelope.head().ids, (std::vector<item_id>{1, 3}));
  EXPECT_DOUBLE_EQ(envelope.residual_bound(), 2.25);
  EXPECT_DOUBLE_EQ(envelope.log_tail_bound(), std::log(4.0) + 2.25);
  EXPECT_NEAR(envelope.log_head(), std::log(std::exp(3.0) + std::exp(2.0)), 1e-14);
  EXPECT_EQ(envelope.tail().size(), 4U);
  EXPECT_EQ(envelope.theta(), unit_query());
  EXPECT_EQ(&envelope.index(), &index);
  const Trace trace = envelope.trace();
  EXPECT_EQ(trace.head_size, 2U);
  EXPECT_EQ(trace.rows_scored, 2U);
  EXPECT_EQ(trace.proposals, 0U);
  EXPECT_DOUBLE_EQ(trace.residual_bound, 2.25);
  EXPECT_EQ(trace.guarantee, Guarantee::assumed());
}

TEST(Envelope, FullHeadIsCertifiedAndProposesNothing) {
  const ScoreIndex index(envelope_scores);
  Envelope envelope(index);
  envelope.assign(unit_query(), 6, 5.0);
  EXPECT_EQ(envelope.residual_bound(), -infinity);
  EXPECT_EQ(envelope.log_tail_bound(), -infinity);
  PhiloxEngine engine(1);
  Trace trace = envelope.trace();
  for (int i = 0; i < 1000; ++i) envelope.sample(engine, trace);
  EXPECT_EQ(trace.proposals, 0U);
  EXPECT_EQ(trace.rows_scored, 6U);
  EXPECT_EQ(trace.guarantee, Guarantee::certified());
}

TEST(Envelope, CountsAddUpInTheTrace) {
  const ScoreIndex index(envelope_scores);
  Envelope envelope(index);
  envelope.assign(unit_query(), 1, 0.0);
  PhiloxEngine engine(2);
  Trace trace = envelope.trace();
  // Copies, since one race past six proposals would leave no further one to count.
  for (int i = 0; i < 2000; ++i) Envelope(envelope).sample(engine, trace);
  // Proposals before the head's arrival: at most L / Z_S = 5 a draw on average, at least one in
  // ten.
  EXPECT_GT(trace.proposals, 200U);
  EXPECT_LT(trace.proposals, 2000U * 6U);
  EXPECT_GE(trace.rows_scored, trace.proposals);
  EXPECT_EQ(trace.violations, 0U);
}

TEST(Envelope, ScoresAllItemsOnceAProposalWentPastThem) {
  const ScoreIndex index(envelope_scores);
  Envelope envelope(index);
  envelope.assign(unit_query(), 1, 30.0);
  PhiloxEngine engine(3);
  Trace trace = envelope.trace();
  EXPECT_FALSE(envelope.knows_all());
  envelope.sample(engine, trace);
  EXPECT_TRUE(envelope.knows_all());
  EXPECT_EQ(trace.exhaustive_scans, 1U);
  const std::size_t rows = trace.rows_scored;
  for (int i = 0; i < 1000; ++i) envelope.sample(engine, trace);
  EXPECT_EQ(trace.rows_scored, rows);
  envelope.score_all(trace);
  EXPECT_EQ(trace.rows_scored, rows);
  const Envelope copy(envelope);  // forgets them
  EXPECT_FALSE(copy.knows_all());
  envelope.assign(unit_query(), 1);
  EXPECT_FALSE(envelope.knows_all());
}

TEST(Envelope, ScoresAllItemsWhereAsked) {
  const ScoreIndex index(envelope_scores);
  Envelope envelope(index);
  envelope.assign_exhaustively(unit_query());
  EXPECT_TRUE(envelope.knows_all());
  Trace trace = envelope.trace();
  EXPECT_EQ(trace.rows_scored, 6U);
  EXPECT_EQ(trace.exhaustive_scans, 1U);
  EXPECT_EQ(trace.guarantee, Guarantee::certified());
  EXPECT_EQ(trace.residual_bound, -infinity);
  PhiloxEngine engine(4);
  for (int i = 0; i < 100; ++i) EXPECT_LT(envelope.sample(engine, trace).id, 6U);
  EXPECT_EQ(envelope.sample_without_replacement(6, engine).ids.size(), 6U);
  EXPECT_EQ(trace.rows_scored, 6U);
  const Vector<double> long_query = Vector<double>::Ones(2);
  expect_throws<std::invalid_argument>([&] { envelope.assign_exhaustively(long_query); },
                                       {".size() = 2", "dimension 1"});
}

TEST(Envelope, KnownScoresAreClippedAtABrokenBound) {
  ScoreIndex index(envelope_scores);
  index.state_bound(-1.5, Guarantee::assumed());  // head 3, bound .5: items of 2 and 1 above
  Envelope envelope(index);
  envelope.assign(unit_query(), 1);
  Trace trace = envelope.trace();
  envelope.score_all(trace);
  EXPECT_EQ(trace.violations, 2U);
  EXPECT_EQ(trace.guarantee, Guarantee::assumed());
}

TEST(Envelope, TakesOverARetrievalAndGivesBackMemory) {
  const ScoreIndex index(envelope_scores);
  Envelope envelope(index);
  Retrieval found;
  index.search(unit_query(), 2, found);
  envelope.assign(unit_query(), 2, 0.0, found);
  EXPECT_EQ(envelope.head().ids, (std::vector<item_id>{1, 3}));
  EXPECT_TRUE(found.ids.empty());
  found.ids = {1, 1};
  found.scores = {3.0, 3.0};
  EXPECT_THROW(envelope.assign(unit_query(), 2, 0.0, found), index_error);
}

TEST(Envelope, RefusesBadArguments) {
  const ScoreIndex index(envelope_scores);
  Envelope envelope(index);
  Vector<double> bad = unit_query();
  bad[0] = nan;
  expect_throws<std::invalid_argument>([&] { envelope.assign(bad, 2); }, {"(0) = ", "nan"});
  bad[0] = infinity;
  expect_throws<std::invalid_argument>([&] { envelope.assign(bad, 2); }, {"(0) = ", "inf"});
  const Vector<double> long_query = Vector<double>::Ones(2);
  expect_throws<std::invalid_argument>([&] { envelope.assign(long_query, 2); },
                                       {".size() = 2", "dimension 1"});
  expect_throws<std::invalid_argument>([&] { envelope.assign(unit_query(), 0); }, {"k = 0"});
  expect_throws<std::invalid_argument>([&] { envelope.assign(unit_query(), 2, -1.0); },
                                       {"gap = -1"});
  expect_throws<std::invalid_argument>([&] { envelope.assign(unit_query(), 2, nan); },
                                       {"gap = nan"});
  expect_throws<std::invalid_argument>([&] { envelope.assign(unit_query(), 2, infinity); },
                                       {"gap = inf"});
  envelope.assign(unit_query(), 2);
  PhiloxEngine engine(1);
  expect_throws<std::invalid_argument>([&] { envelope.sample_without_replacement(0, engine); },
                                       {"K = 0"});
  expect_throws<std::invalid_argument>([&] { envelope.sample_without_replacement(7, engine); },
                                       {"K = 7", "n = 6"});
}

TEST(Envelope, AllMaskedIsAnError) {
  const ScoreIndex index(std::vector<double>(10, -infinity));
  PhiloxEngine engine(1);
  for (const std::size_t k : {std::size_t{3}, std::size_t{10}}) {
    Envelope envelope(index);
    envelope.assign(unit_query(), k);
    Trace trace = envelope.trace();
    expect_throws<std::invalid_argument>([&] { envelope.sample(engine, trace); }, {"masked"});
    expect_throws<std::invalid_argument>([&] { envelope.sample_without_replacement(1, engine); },
                                         {"K = 1", "only 0 items are unmasked"});
  }
  // The same where the bound is finite, so that the race has to find out by itself.
  ScoreIndex hidden(std::vector<double>(10, -infinity));
  struct Claims {
    using scalar_type = double;
    std::size_t size() const { return 10; }
    std::size_t dimension() const { return 1; }
    double score(const VectorView<double>&, item_id) const { return -infinity; }
    void search(const VectorView<double>&, std::size_t, Retrieval& found) const {
      found.clear();
      found.residual_bound = 1.0;
    }
  };
  const Claims claims;
  Envelope envelope(claims);
  envelope.assign(unit_query(), 3);
  Trace trace = envelope.trace();
  expect_throws<std::invalid_argument>([&] { envelope.sample(engine, trace); }, {"masked"});
}

TEST(Envelope, RanksOnlyUnmaskedItems) {
  std::vector<double> masked = envelope_scores;
  masked[1] = masked[4] = -infinity;
  const ScoreIndex index(masked);
  Envelope envelope(index);
  PhiloxEngine engine(1);
  for (const std::size_t k : {std::size_t{1}, std::size_t{6}}) {
    envelope.assign(unit_query(), k);
    EXPECT_EQ(envelope.sample_without_replacement(4, engine).ids.size(), 4U);
    expect_throws<std::invalid_argument>([&] { envelope.sample_without_replacement(5, engine); },
                                         {"K = 5", "only 4 items are unmasked"});
  }
}

// An index whose scores outside the head are NaN or +inf.
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

TEST(Envelope, TailScoresThatAreNotNumbersAreTheIndexsError) {
  for (const double bad : {infinity, std::numeric_limits<double>::quiet_NaN()}) {
    const BadTail index{bad};
    Envelope envelope(index);
    envelope.assign(unit_query(), 1);
    PhiloxEngine engine(1);
    Trace trace = envelope.trace();
    const auto many = [&] {
      for (int i = 0; i < 1000; ++i) envelope.sample(engine, trace);
    };
    expect_throws<index_error>(many, {"score(theta, "});
    expect_throws<index_error>([&] { envelope.sample_without_replacement(10, engine); },
                               {"score(theta, "});
    envelope.assign(unit_query(), 1, 600.0);  // the scan, too
    expect_throws<index_error>(many, {"score(theta, "});
    expect_throws<index_error>([&] { envelope.score_all(trace); }, {"score(theta, "});
    expect_throws<index_error>([&] { envelope.assign_exhaustively(unit_query()); },
                               {"score(theta, "});
  }
}

TEST(Envelope, CertifiedBoundThatIsWrongIsAnErrorAtTheOffendingProposal) {
  std::vector<double> tall = envelope_scores;
  ScoreIndex index(tall);
  index.state_bound(-0.5, Guarantee::certified());
  Envelope envelope(index);
  envelope.assign(unit_query(), 2);
  PhiloxEngine engine(1);
  Trace trace = envelope.trace();
  expect_throws<index_error>(
      [&] {
        for (int i = 0; i < 1000; ++i) envelope.sample(engine, trace);
      },
      {"certified the bound 0.5", "item 2 scores 1"});
  EXPECT_EQ(trace.violations, 0U);
  // Assumed or calibrated: counted instead.
  for (const Guarantee guarantee : {Guarantee::assumed(), Guarantee::calibrated(0.1)}) {
    index.state_bound(-0.5, guarantee);
    envelope.assign(unit_query(), 2);
    trace = envelope.trace();
    for (int i = 0; i < 1000; ++i) envelope.sample(engine, trace);
    EXPECT_GT(trace.violations, 0U);
    EXPECT_EQ(trace.guarantee, guarantee);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
