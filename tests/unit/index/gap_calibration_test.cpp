#include <gtest/gtest.h>

#include <cmath>
#include <forgetful_index.hpp>
#include <indexes.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/gap_calibration.hpp>
#include <message_of.hpp>
#include <score_index.hpp>
#include <vector>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

/// Item 1 is hidden: for the query t and k = 2 the head is {0, 2} and the gap 3 t - t = 2 t.
ScoreIndex missing_one() { return ScoreIndex({5, 3, 1, 0, -1}).hide({1}); }

/// Queries 1, 2, ..., m, shuffled by a stride that has no divisor in common with m.
RowMatrix<double> queries_up_to(Eigen::Index m, Eigen::Index stride = 1) {
  RowMatrix<double> queries(m, 1);
  for (Eigen::Index j = 0; j < m; ++j) queries(j, 0) = static_cast<double>(j * stride % m + 1);
  return queries;
}

TEST(GapCalibration, IsTheRankOfTheDefinition) {
  const ScoreIndex index = missing_one();
  struct Case {
    Eigen::Index m;
    double alpha;
    double gap;  // 2 ceil((m + 1)(1 - alpha)), by hand
  };
  for (const auto& [m, alpha, gap] : {Case{9, 0.1, 18}, Case{19, 0.1, 36}, Case{25, 0.1, 48},
                                      Case{99, 0.01, 198}, Case{199, 0.01, 396}, Case{3, 0.25, 6},
                                      Case{1, 0.5, 2}, Case{9, 0.5, 10}, Case{9, 0.3, 14}}) {
    const GapCalibration answer = calibrate_gap(index, queries_up_to(m, 7), alpha, 2);
    EXPECT_EQ(answer.gap.value, gap) << m << " " << alpha;
    EXPECT_EQ(answer.gap.guarantee, Guarantee::calibrated(alpha));
    EXPECT_EQ(answer.k, 2U);
    EXPECT_EQ(answer.queries, static_cast<std::size_t>(m));
    EXPECT_EQ(answer.alpha, alpha);
    EXPECT_EQ(answer.broken, 1.0);
    EXPECT_EQ(answer.largest_gap, 2.0 * static_cast<double>(m));
  }
}

TEST(GapCalibration, RoundingOfAlphaCostsNoRank) {
  // 1 / m as a double may lie below 1 / m; m - 1 queries must do all the same, m - 2 must not.
  const ScoreIndex index = missing_one();
  for (Eigen::Index m = 2; m <= 300; ++m) {
    const double alpha = 1.0 / static_cast<double>(m);
    EXPECT_EQ(calibrate_gap(index, queries_up_to(m - 1), alpha, 2).gap.value,
              2.0 * static_cast<double>(m - 1))
        << m;
    if (m > 2) {
      EXPECT_THROW(calibrate_gap(index, queries_up_to(m - 2), alpha, 2), std::invalid_argument)
          << m;
    }
  }
}

TEST(GapCalibration, CountsTheQueriesThatBrokeTheBound) {
  // The stated bound is the score of item 1 less 1.5: each query needs exactly 1.5.
  const ScoreIndex index = missing_one().state_bound(-1.5, Guarantee::assumed());
  const GapCalibration all = calibrate_gap(index, queries_up_to(9), 0.1, 2);
  EXPECT_EQ(all.gap.value, 1.5);
  EXPECT_EQ(all.broken, 1.0);
  // An index that misses 30% of the time at k = 1.
  const ForgetfulIndex forgetful(gaussian_rows(40, 3, 1), 0.3);
  const GapCalibration some = calibrate_gap(forgetful, gaussian_rows(400, 3, 2), 0.05, 1);
  EXPECT_NEAR(some.broken, 0.3, 0.12);  // 5 standard deviations
  EXPECT_GT(some.gap.value, 0.0);
  EXPECT_GT(some.largest_gap, some.gap.value);
  // Most queries miss nothing, and alpha allows for the others.
  EXPECT_EQ(calibrate_gap(forgetful, gaussian_rows(400, 3, 2), 0.5, 1).gap.value, 0.0);
}

TEST(GapCalibration, CoversEveryScoreAsComputed) {
  // U + g >= y in floating point, for scores and bounds of very different sizes.
  for (const double y : {1.0, 1e-30, 0.1, 1e10 / 3.0})
    for (const double u : {-1e-20, 0.3 * y, y - 1e-9 * y, -1.0 / 3.0, -7e8 / 9.0}) {
      const ScoreIndex index = ScoreIndex({u, y}).hide({1});
      const GapCalibration answer = calibrate_gap(index, queries_up_to(1), 0.5, 1);
      EXPECT_GE(u + answer.gap.value, y);
      EXPECT_LE(answer.gap.value, std::nextafter(y - u, infinity));
    }
}

TEST(GapCalibration, OfAnExactIndexIsZero) {
  const RowMatrix<double> rows = gaussian_rows(300, 4, 3), queries = gaussian_rows(30, 4, 4);
  const FlatIndex<double> certified{RowMatrix<double>(rows)};
  for (const std::size_t k : {1, 17, 300}) {
    for (const GapCalibration& answer : {calibrate_gap(certified, queries, 0.1, k),
                                         calibrate_gap(MinimalIndex(rows), queries, 0.1, k)}) {
      EXPECT_EQ(answer.gap, Gap(0.0, Guarantee::calibrated(0.1)));
      EXPECT_EQ(answer.broken, 0.0);
      EXPECT_EQ(answer.largest_gap, 0.0);
    }
  }
}

TEST(GapCalibration, DoesNotDependOnThreads) {
  const ForgetfulIndex index(gaussian_rows(60, 3, 5), 0.2);
  const RowMatrix<double> queries = gaussian_rows(101, 3, 6);
  const GapCalibration one = calibrate_gap(index, queries, 0.1, 4);
  for (const std::size_t threads : {0, 2, 5}) {
    const GapCalibration many = calibrate_gap(index, queries, 0.1, 4, threads);
    EXPECT_EQ(many.gap, one.gap);
    EXPECT_EQ(many.broken, one.broken);
    EXPECT_EQ(many.largest_gap, one.largest_gap);
  }
}

TEST(GapCalibration, RefusesTooFewQueriesAndSaysHowMany) {
  const ScoreIndex index = missing_one();
  const auto refusal = [&](Eigen::Index m, double alpha, std::size_t k = 2) {
    return message_of<std::invalid_argument>(
        [&] { calibrate_gap(index, queries_up_to(m), alpha, k); });
  };
  EXPECT_EQ(refusal(8, 0.1), "lazygumbel: queries.rows() = 8: alpha = 0.1 needs at least 9");
  EXPECT_EQ(refusal(98, 0.01), "lazygumbel: queries.rows() = 98: alpha = 0.01 needs at least 99");
  EXPECT_EQ(refusal(2, 0.3), "lazygumbel: queries.rows() = 2: alpha = 0.3 needs at least 3");
  EXPECT_EQ(refusal(0, 0.1), "lazygumbel: queries.rows() = 0: must be at least 1");
  EXPECT_EQ(refusal(9, 1.0), "lazygumbel: alpha = 1: must lie in (0, 1)");
  EXPECT_EQ(refusal(9, 0.0), "lazygumbel: alpha = 0: must lie in (0, 1)");
  EXPECT_EQ(refusal(9, std::nan("")), "lazygumbel: alpha = nan: must lie in (0, 1)");
  EXPECT_EQ(refusal(9, 0.1, 0), "lazygumbel: k = 0: must be at least 1");
  EXPECT_EQ(refusal(9, 0.1, 6), "lazygumbel: k = 6: exceeds n = 5");
}

TEST(GapCalibration, RefusesQueriesThatAreNone) {
  RowMatrix<double> queries = queries_up_to(9);
  queries(4, 0) = std::nan("");
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { calibrate_gap(missing_one(), queries, 0.1, 2); }),
      "lazygumbel: queries(4, 0) = nan: must be finite");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { calibrate_gap(missing_one(), gaussian_rows(9, 2, 1), 0.1, 2); }),
            "lazygumbel: query.size() = 2: must equal the index's dimension 1");
}

TEST(GapCalibration, OfABrokenIndexIsAnIndexError) {
  const RowMatrix<double> rows = gaussian_rows(30, 3, 8), queries = gaussian_rows(9, 3, 9);
  for (const Fault fault : {Fault::duplicate_id, Fault::fewer_without_bound, Fault::unsorted})
    EXPECT_THROW(calibrate_gap(HostileIndex(rows, fault), queries, 0.1, 5), index_error);
  const std::string broken = message_of<index_error>(
      [&] { calibrate_gap(HostileIndex(rows, Fault::low_certified_bound), queries, 0.1, 5); });
  EXPECT_NE(broken.find("above the certified bound"), std::string::npos) << broken;
  struct NoNumber : ScoreIndex {
    using ScoreIndex::ScoreIndex;
    double score(const VectorView<double>& query, item_id id) const {
      return id == 2 ? std::nan("") : ScoreIndex::score(query, id);
    }
  };
  const NoNumber no_number({5, 3, 0, 1});
  EXPECT_EQ(message_of<index_error>([&] { calibrate_gap(no_number, queries_up_to(1), 0.5, 2); }),
            "lazygumbel: score(query, 2) is nan");
}

TEST(GapCalibration, MasksAreNeverAboveABound) {
  // Exact but for masks: the heads end in -inf and so do all that are left out.
  std::vector<bool> masked(30, true);
  masked[3] = masked[7] = false;
  const MaskedIndex index(gaussian_rows(30, 3, 10), masked);
  EXPECT_EQ(calibrate_gap(index, gaussian_rows(9, 3, 11), 0.1, 5).gap.value, 0.0);
  // A head that ends in a mask while an item with a score is left out: no finite gap helps.
  const ScoreIndex lost = ScoreIndex({5, 3, -infinity}).hide({1});
  EXPECT_EQ(message_of<index_error>([&] { calibrate_gap(lost, queries_up_to(3), 0.5, 2); }),
            "lazygumbel: no finite gap covers 2 of 3 queries: their heads end in masked items, "
            "others are left out");
}

}  // namespace
}  // namespace lazygumbel::testing
