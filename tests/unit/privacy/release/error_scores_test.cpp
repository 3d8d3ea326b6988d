#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/release/detail/error_scores.hpp>
#include <vector>

#include "message_of.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

TEST(ErrorScores, AreTheErrors) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const std::size_t cells = 3 * seed;
    const DenseWorkload<double> workload(random_queries<double>(20, cells, -2, 1, seed));
    const Histogram table = line_table(random_counts(cells, 1e5, seed));
    const ErrorScores scores(workload, table);
    EXPECT_EQ(scores.size(), 20U);
    EXPECT_EQ(scores.dimension(), cells + 1);
    EXPECT_EQ(scores.total(), static_cast<double>(table.total()));
    const auto weights = random_weights(cells, 1e5, 3.0, seed);
    for (const double scale : {1e-9, 1.0, 1e3}) {
      const Vector<double> theta = theta_of(weights, scale);
      const auto expected = brute_force_scores(workload, table, weights, scale);
      std::vector<item_id> ids;
      std::vector<double> many(20);
      for (item_id j = 0; j < 20; ++j) ids.push_back(j);
      scores.score_many(theta, ids, many);
      for (item_id j = 0; j < 20; ++j) {
        EXPECT_NEAR(scores.score(theta, j), expected[j], 1e-9 * scale * 1e5);
        EXPECT_EQ(scores.score(theta, j), std::abs(scores.signed_score(theta, j)));
        EXPECT_EQ(scores.score(theta, j), many[j]);
      }
    }
  }
}

TEST(ErrorScores, HugeCountsAreExact) {
  const IntegerWorkload workload({{1, 1, 0}, {1, -1, 1}, {0, 0, 0}}, {-1, 1});
  const Histogram table = line_table({(1 << 29) + 1, (1 << 29) - 3, 1});
  const ErrorScores scores(workload, table);
  EXPECT_EQ(scores.private_answers()[0], (1 << 30) - 2);
  EXPECT_EQ(scores.private_answers()[1], 5);
  EXPECT_EQ(scores.private_answers()[2], 0);
  EXPECT_EQ(scores.counts()[0], (1 << 29) + 1);
  const Vector<double> nothing = theta_of(std::vector<double>(3, 0.0), 1.0);
  EXPECT_EQ(scores.score(nothing, 0), (1 << 30) - 2);
}

// The promise behind the sensitivity: scores of neighbours as computed lie D + 2 rounding apart at
// most, in counts, for the same theta.
TEST(ErrorScores, NeighboursAreWithinSensitivityAndRounding) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::size_t cells = 2 + seed * seed;
    const DenseWorkload<float> workload(random_queries<float>(30, cells, -1, 0.7, seed));
    auto counts = random_counts(cells, 1e9, seed);
    const Histogram table = line_table(counts);
    ++counts[seed % cells];
    const Histogram more = line_table(counts);
    --counts[(seed + 1) % cells] < 0 ? ++counts[(seed + 1) % cells] : 0;
    const Histogram moved = line_table(counts);
    const ErrorScores scores(workload, table), of_more(workload, more), of_moved(workload, moved);
    const double total = 3e9;
    const double rounding = scores.rounding(ErrorScores<DenseWorkload<float>>::record_limit, total);
    EXPECT_LT(rounding, 1e-3);
    const auto weights = random_weights(cells, total, 4.0, seed);
    const Vector<double> theta = theta_of(weights, 0.37);
    for (item_id j = 0; j < 30; ++j) {
      EXPECT_LE(std::abs(scores.score(theta, j) - of_more.score(theta, j)) / 0.37,
                1.0 + 2.0 * rounding);
      EXPECT_LE(std::abs(scores.score(theta, j) - of_moved.score(theta, j)) / 0.37,
                static_cast<double>(1.7F) + 2.0 * rounding);
    }
  }
}

TEST(ErrorScores, RoundingIsAFunctionOfPublicNumbers) {
  const DenseWorkload<float> workload(random_queries<float>(3, 5, 0, 1, 1));
  const ErrorScores few(workload, line_table({1, 2, 3, 4, 5}));
  const ErrorScores many(workload, line_table({1, 2, 3, 4, 1 << 29}));
  EXPECT_EQ(few.rounding(1e6, 1e6), many.rounding(1e6, 1e6));
  EXPECT_GT(few.rounding(1e6, 1e6), 0.0);
  EXPECT_LT(few.rounding(1e6, 1e6), few.rounding(1e7, 1e6));
  EXPECT_LT(few.rounding(1e6, 1e6), few.rounding(1e6, 1e12));
}

TEST(ErrorScores, DegenerateShapes) {
  const IntegerWorkload one({{1}}, {0, 1});
  const ErrorScores empty(one, line_table({0}));
  EXPECT_EQ(empty.score(theta_of(std::vector<double>{0.0}, 1.0), 0), 0.0);
  EXPECT_EQ(empty.score(theta_of(std::vector<double>{2.5}, 2.0), 0), 5.0);
}

TEST(ErrorScores, Refusals) {
  const IntegerWorkload workload({{1, 0}}, {0, 1});
  const auto refusal = [&](const Histogram& table) {
    return message_of<std::invalid_argument>([&] { ErrorScores(workload, table); });
  };
  EXPECT_EQ(refusal(line_table({1, 2, 3})),
            "lazygumbel: table.counts().size() = 3: must equal cells() = 2");
}

// n may be private: no number of records is refused, and no record moves an answer by more than it
// may, on either side of 2^30 and up to 2^52.
TEST(ErrorScores, MoreThan2To30RecordsAreClipped) {
  const IntegerWorkload integral({{1, 1, 0}, {1, -1, 1}, {0, 0, -1}}, {-1, 1});
  const std::int64_t huge = (std::int64_t{1} << 51) - 5;
  const ErrorScores clipped(integral, line_table({huge, huge - 3, 7}));
  EXPECT_EQ(clipped.private_answers()[0], 0x1p30);
  EXPECT_EQ(clipped.private_answers()[1], 10.0);
  EXPECT_EQ(clipped.private_answers()[2], -7.0);

  const DenseWorkload<float> dense(random_queries<float>(40, 3, -1, 0.7, 1));
  const double rounding = ErrorScores(dense, line_table({0, 0, 0}))
                              .rounding(ErrorScores<DenseWorkload<float>>::record_limit, 0.0);
  EXPECT_LT(rounding, 1e-4);
  for (const std::int64_t n : {std::int64_t{1} << 30, (std::int64_t{1} << 31) + 5, huge})
    for (std::int64_t less = 0; less < 6; ++less) {
      const std::int64_t half = (n - less) / 2;
      const Histogram table = line_table({half, n - less - half, 0}),
                      more = line_table({half, n - less - half, 1});
      const ErrorScores a(integral, table), b(integral, more);
      const ErrorScores c(dense, table), d(dense, more);
      for (std::size_t j = 0; j < 3; ++j)
        EXPECT_LE(std::abs(a.private_answers()[j] - b.private_answers()[j]), 1.0);
      for (std::size_t j = 0; j < 40; ++j)
        EXPECT_LE(std::abs(c.private_answers()[j] - d.private_answers()[j]), 1.0 + 2.0 * rounding);
    }
}

}  // namespace
}  // namespace lazygumbel::testing
