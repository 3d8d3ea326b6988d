#include <gtest/gtest.h>

#include <forgetful_index.hpp>
#include <gap_coverage.hpp>
#include <laws.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>

// Split conformal gaps: P(a new query breaks U + gap) <= alpha over calibration and new query
// together. Each repetition draws m + 1 fresh queries, calibrates on m and tries the last: misses
// are independent, and Binomial(repetitions, p) with p <= alpha; with continuous gaps p is exactly
// floor((m + 1) alpha) / (m + 1). A test refuses (and false alarm) at p < 1e-6; with 10,000
// repetitions it finds, with probability 0.9, a miss rate of 0.12 where 0.1 is allowed.

namespace lazygumbel::testing {
namespace {

constexpr std::uint64_t gap_repetitions = 10'000;

RowMatrix<double> draw_queries(std::size_t count, std::uint64_t repetition) {
  return gaussian_rows(count, 3, 1'000 + repetition);
}

template <MipsIndex Index>
auto calibrated(const Index& index, double alpha, std::size_t k) {
  return [&index, alpha, k](const auto& queries) {
    return calibrate_gap(index, queries, alpha, k).gap.value;
  };
}

TEST(GapCoverage, IsExactForContinuousGaps) {
  const ForgetfulIndex index(gaussian_rows(40, 3, 1), 0.2, true);
  struct Case {
    std::size_t m;
    double alpha, miss_rate;
  };
  for (const auto& [m, alpha, miss_rate] :
       {Case{9, 0.1, 1.0 / 10}, Case{19, 0.1, 2.0 / 20}, Case{25, 0.1, 2.0 / 26},
        Case{38, 0.05, 1.0 / 39}, Case{10, 0.3, 3.0 / 11}}) {
    const Coverage coverage = gap_coverage(index, m, 4, gap_repetitions, draw_queries,
                                           calibrated(index, alpha, 4), same_source);
    EXPECT_GE(coverage.p_value_at_most(miss_rate), law_threshold) << m << " " << alpha;
    EXPECT_GE(coverage.p_value_at_least(miss_rate), law_threshold) << m << " " << alpha;
    EXPECT_LE(miss_rate, alpha);
    EXPECT_GE(miss_rate, alpha - 1.0 / (static_cast<double>(m) + 1.0));
  }
}

TEST(GapCoverage, HoldsWithTies) {
  // Most queries miss nothing: their gaps tie at 0.
  const ForgetfulIndex index(gaussian_rows(40, 3, 2), 0.06);
  const Coverage coverage = gap_coverage(index, 19, 2, gap_repetitions, draw_queries,
                                         calibrated(index, 0.1, 2), same_source);
  EXPECT_GE(coverage.p_value_at_most(0.1), law_threshold) << coverage.miss_rate();
}

TEST(GapCoverage, HoldsForAThinGraph) {
  HnswParameters thin;
  thin.geometry = HnswGeometry::inner_product;
  thin.M = 2;
  thin.ef_construction = 4;
  thin.ef = 2;
  const HnswIndex<double> index(gaussian_rows(5'000, 16, 3), thin);
  const auto draw = [](std::size_t count, std::uint64_t r) { return gaussian_rows(count, 16, r); };
  const Coverage coverage =
      gap_coverage(index, 19, 2, 500, draw, calibrated(index, 0.1, 2), same_source);
  EXPECT_GE(coverage.p_value_at_most(0.1), law_threshold) << coverage.miss_rate();
  EXPECT_GT(coverage.misses, 0U);  // or the test would say nothing
}

TEST(GapCoverage, IsLostWhereQueriesChange) {
  // A temperature four times lower stretches every score and every miss by four: the promise does
  // not carry over, and is not meant to.
  const ForgetfulIndex index(gaussian_rows(40, 3, 4), 0.2, true);
  const Coverage coverage =
      gap_coverage(index, 19, 4, 2'000, draw_queries, calibrated(index, 0.1, 4),
                   [](const Vector<double>& query) { return Vector<double>(4.0 * query); });
  EXPECT_LT(coverage.p_value_at_most(0.4), law_threshold) << coverage.miss_rate();
}

}  // namespace
}  // namespace lazygumbel::testing
