#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <lazygumbel/privacy/release/detail/error_scanner.hpp>
#include <lazygumbel/privacy/workload/box_workload.hpp>
#include <string>
#include <vector>

#include "clipped_scores.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"
#include "workload_checks.hpp"

// ErrorScanner: its bounds hold, are no larger than need be, have the sensitivity of the answers,
// and what it says in public is public.

namespace lazygumbel::testing {
namespace {

/// |e_j| <= bound_j for the exact errors, and bound_j <= |e_j| + `loose`.
void expect_bounds(const ErrorBounds& bounds, const std::vector<double>& errors, double loose) {
  std::size_t below = 0, above = 0;
  for (item_id j = 0; j < errors.size(); ++j) {
    below += !(bounds.bound(j) >= errors[j]);
    above += !(bounds.bound(j) <= errors[j] * (1.0 + 1e-12) + loose);
  }
  EXPECT_EQ(below, 0U);
  EXPECT_EQ(above, 0U) << "with " << loose;
}

/// 2^-22 counts times the largest value are for tables of up to 2^30 records.
template <Workload W>
double loose_of(const W& workload, const ErrorScores<W>& scores, double l1) {
  return 2.0 * scan_error(workload, l1) + 0x1p-20 * scores.largest_value();
}

template <class Scalar>
void check_scanner(int bits, std::uint64_t first_seed) {
  for (std::uint64_t seed = first_seed; seed < first_seed + 60; ++seed) {
    PhiloxEngine engine(seed);
    const std::size_t cells = 1 + uniform_index(seed % 10 == 0 ? 3000 : 60, engine);
    const std::size_t m = 1 + uniform_index(150, engine);
    const double upper = std::pow(10.0, static_cast<double>(seed % 5) - 2.0);
    const double lower = seed % 3 == 0 ? 0.0 : seed % 3 == 1 ? -upper : 0.5 * upper;
    const DenseWorkload<Scalar> workload(random_queries<Scalar>(m, cells, lower, upper, seed));
    const double n = std::pow(10.0, 8.5 * open_uniform(engine));
    const Histogram table = line_table(random_counts(cells, n, seed));
    const ErrorScores scores(workload, table);
    ErrorScanner scanner(scores, bits);
    ASSERT_EQ(scanner.has_codes(), bits != 0);
    auto weights = random_weights(cells, n, seed % 2 == 0 ? 1.0 : 20.0, seed + 1);
    for (int step = 0; step < 6; ++step) {
      const auto errors = brute_force_scores(workload, table, weights, 1.0);
      const double loose = loose_of(workload, scores, n);
      expect_bounds(*scanner.exact_aside(weights, 1.0), errors, loose);
      if (bits != 0) {
        const auto coded = scanner.coded(weights, 1.0);
        // A code's interval never says less than that no query has values beyond its range.
        double distance = 0.0;
        for (const double w : weights) distance += std::abs(w) * 2.0;
        expect_bounds(
            *coded, errors,
            loose + 1e-2 * scores.largest_value() * n + 2.0 * scores.largest_value() * distance);
        EXPECT_GE(scanner.code_error(), 0.0);
      }
      if (step % 2 == 1) expect_bounds(*scanner.exact(weights, 1.0), errors, loose);
      move_weights(weights, std::exp(1.0 - 5.0 * open_uniform(engine)), engine);
    }
    EXPECT_EQ(scanner.counts().exact, 3U);
    EXPECT_EQ(scanner.counts().coded, bits != 0 ? 6U : 0U);
  }
}

TEST(ErrorScanner, BoundsForFloats) {
  for (const int bits : {0, 4, 8}) check_scanner<float>(bits, 100 + static_cast<unsigned>(bits));
}

TEST(ErrorScanner, BoundsForDoubles) {
  for (const int bits : {0, 4, 8}) check_scanner<double>(bits, 300 + static_cast<unsigned>(bits));
}

TEST(ErrorScanner, BoundsForBoxes) {
  const Domain domain = domain_of_sizes({5, 7});
  PhiloxEngine engine(1);
  const BoxWorkload workload = BoxWorkload::random(domain, 130, engine);
  const Histogram table(domain, random_counts(35, 1e6, 2));
  const ErrorScores scores(workload, table);
  ErrorScanner scanner(scores, 8);
  EXPECT_FALSE(scanner.has_codes());
  auto weights = random_weights(35, 1e6, 3.0, 3);
  for (int step = 0; step < 5; ++step) {
    const auto errors = brute_force_scores(workload, table, weights, 1.0);
    const double loose = loose_of(workload, scores, 1e6);
    expect_bounds(*scanner.exact(weights, 1.0), errors, loose);
    expect_bounds(*scanner.exact_aside(weights, 1.0), errors, loose);
    move_weights(weights, 0.1, engine);
  }
  EXPECT_EQ(scanner.counts().exact, 5U);
  EXPECT_EQ(scanner.counts().coded, 0U);
  // Without codes a coded scan is an exact one.
  expect_bounds(*scanner.coded(weights, 1.0), brute_force_scores(workload, table, weights, 1.0),
                loose_of(workload, scores, 1e6));
  EXPECT_EQ(scanner.counts().exact, 6U);
}

// Codes of 4 bits over many cells leave intervals of about |q| |A|, up to sqrt(|X|) times the most
// that an answer can be. What no answer can reach is cut off, so that no bound, and no rounding of
// it, is larger than those that the sensitivity is charged for.
TEST(ErrorScanner, CodedBoundsStayWithinReach) {
  const std::size_t cells = 20'000, m = 70;
  RowMatrix<double> rows = random_queries<double>(m, cells, -1, 1, 1);
  for (Eigen::Index x = 1; x < rows.cols(); ++x)
    if (x % 3 != 0) rows(5, x) = 0.03;  // between two codes
  const DenseWorkload<double> workload(rows);
  const Histogram table = line_table(random_counts(cells, 1e6, 2));
  const ErrorScores scores(workload, table);
  ErrorScanner scanner(scores, 4);
  std::vector<double> weights(cells, 0.0);
  weights[7] = 1e6;  // all in one cell: |A| is as large as it can be
  const auto bounds = scanner.coded(weights, 1.0);
  const auto errors = brute_force_scores(workload, table, weights, 1.0);
  const auto answers = scores.private_answers();
  std::size_t below = 0, above = 0;
  for (item_id j = 0; j < m; ++j) {
    below += !(bounds->bound(j) >= errors[j]);
    above += !(bounds->bound(j) <= (std::abs(answers[j]) + 1e6) * (1.0 + 1e-6));
  }
  EXPECT_EQ(below, 0U);
  EXPECT_EQ(above, 0U);
}

// An exact scan becomes the base of coded ones, one aside does not.
TEST(ErrorScanner, TheBaseOfCodedScans) {
  const std::size_t cells = 30;
  const DenseWorkload<float> workload(random_queries<float>(90, cells, -1, 1, 1));
  const ErrorScores scores(workload, line_table(random_counts(cells, 1e5, 2)));
  ErrorScanner scanner(scores, 8);
  const auto weights = random_weights(cells, 1e5, 2.0, 3);
  auto near = weights;
  near[0] += 1.0;
  scanner.coded(near, 1.0);
  const double far_error = scanner.code_error();
  scanner.exact_aside(weights, 1.0);
  scanner.coded(near, 1.0);
  EXPECT_EQ(scanner.code_error(), far_error);
  scanner.exact(weights, 1.0);
  scanner.coded(near, 1.0);
  EXPECT_LT(scanner.code_error(), 1e-2 * far_error);
}

// For the same weights, what a scan says in public, and what its bounds exceed the errors by, is
// the same for every table.
TEST(ErrorScanner, CodeErrorIsPublic) {
  for (const int bits : {4, 8})
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      PhiloxEngine engine(seed);
      const std::size_t cells = 1 + uniform_index(30, engine), m = 1 + uniform_index(90, engine);
      const DenseWorkload<double> workload(random_queries<double>(m, cells, -1, 1, seed));
      const ErrorScores none(workload, line_table(std::vector<std::int64_t>(cells, 0)));
      const ErrorScores many(workload, line_table(random_counts(cells, 1e9, seed)));
      ErrorScanner left(none, bits), right(many, bits);
      auto weights = random_weights(cells, 1e3, 2.0, seed);
      for (int step = 0; step < 6; ++step) {
        left.coded(weights, 1.0);
        right.coded(weights, 1.0);
        ASSERT_EQ(left.code_error(), right.code_error());
        if (step % 3 == 0) {
          left.exact(weights, 1.0);
          right.exact(weights, 1.0);
        }
        move_weights(weights, std::exp(-10.0 * open_uniform(engine)), engine);
      }
    }
}

template <Workload W>
double largest_difference(const W& workload, const Histogram& table, const Histogram& neighbour,
                          Neighbours neighbours, int bits, PhiloxEngine& engine) {
  const ErrorScores<W> scores(workload, table), others(workload, neighbour);
  ErrorScanner<W> scanner(scores, bits), other(others, bits);
  const double records = std::max({1.0, scores.total(), others.total()});
  const double sensitivity = lazygumbel::sensitivity(workload.range(), neighbours) +
                             2.0 * scores.rounding(records, records);
  std::vector<double> weights(workload.cells(), records / static_cast<double>(workload.cells()));
  double largest = 0.0;
  for (int step = 0; step < 4; ++step) {
    const bool by_codes = step % 2 == 0 && scanner.has_codes();
    const auto a = by_codes ? scanner.coded(weights, 1.0) : scanner.exact(weights, 1.0);
    const auto b = by_codes ? other.coded(weights, 1.0) : other.exact(weights, 1.0);
    for (item_id j = 0; j < workload.size(); ++j)
      largest = std::max(largest, std::abs(a->bound(j) - b->bound(j)) / sensitivity);
    move_weights(weights, 0.3, engine);
  }
  return largest;
}

TEST(ErrorScanner, BoundsHaveTheSensitivityOfAnswers) {
  for (const Neighbours neighbours : {Neighbours::replace_one, Neighbours::add_remove})
    for (const int bits : {0, 4, 8}) {
      double largest = 0.0;
      for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        PhiloxEngine engine(seed);
        const std::size_t cells = 1 + uniform_index(8, engine), m = 1 + uniform_index(70, engine);
        const double n = std::pow(10.0, 8.9 * open_uniform(engine));
        const auto [before, after] =
            random_neighbours(cells, static_cast<std::int64_t>(n), neighbours, engine);
        const auto a = line_table(before), b = line_table(after);
        const DenseWorkload<float> floats(random_queries<float>(m, cells, -1, 1, seed));
        const DenseWorkload<double> doubles(random_queries<double>(m, cells, 1e6, 1e6 + 1, seed));
        largest = std::max({largest, largest_difference(floats, a, b, neighbours, bits, engine),
                            largest_difference(doubles, a, b, neighbours, bits, engine)});
      }
      EXPECT_LE(largest, 1.0);
      EXPECT_GT(largest, 0.9);
    }
}

TEST(ErrorScanner, DegenerateWorkloads) {
  for (const int bits : {0, 4, 8}) {
    const DenseWorkload<float> one(RowMatrix<float>::Constant(1, 1, 1.0F));
    const ErrorScores none(one, line_table({0}));
    ErrorScanner scanner(none, bits);
    EXPECT_NEAR(scanner.exact({0.0}, 1.0)->bound(0), 0.0, 1e-6);
    EXPECT_NEAR(scanner.exact({3.0}, 1.0)->bound(0), 3.0, 1e-4);
    if (bits == 0) continue;
    EXPECT_NEAR(scanner.coded({3.0}, 1.0)->bound(0), 3.0, 1e-3);
    EXPECT_NEAR(scanner.coded({0.0}, 1.0)->bound(0), 0.0, 1e-1);
    EXPECT_GE(scanner.coded({3.0}, 1.0)->bound(0), 3.0);
  }
}

TEST(ErrorScanner, Refusals) {
  const DenseWorkload<float> workload(random_queries<float>(10, 2, 0, 1, 1));
  const ErrorScores scores(workload, line_table({1, 2}));
  for (const int bits : {-1, 1, 5, 16})
    EXPECT_EQ(message_of<std::invalid_argument>([&] { ErrorScanner(scores, bits); }),
              "lazygumbel: code_bits = " + std::to_string(bits) + ": must be 0, 4 or 8");
  // Whatever the workload.
  const IntegerWorkload integers({{1, 0}}, {0, 1});
  const ErrorScores plain(integers, line_table({1, 2}));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { ErrorScanner(plain, 7); }),
            "lazygumbel: code_bits = 7: must be 0, 4 or 8");
}

TEST(ErrorTail, HeadAndIntensities) {
  for (const std::size_t m : {1U, 2U, 64U, 65U, 66U, 300U}) {
    const auto values = random_weights(m, 100.0, 2.0, m);
    const auto bounds = std::make_shared<const ErrorBounds>(std::vector<double>{0.0}, 1.5,
                                                            QueryRange{0, 1}, values);
    const ErrorTail tail(bounds, 0.25);
    EXPECT_EQ(tail.log_rate(), bounds->log_sum() + 0.25);
    std::vector<double> sorted(values);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (const std::size_t k : {1U, 5U, 64U, 65U, 1000U}) {
      Retrieval found;
      tail.head(k, found);
      const std::size_t count = std::min({k, m, std::size_t{64}});
      ASSERT_EQ(found.ids.size(), count);
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(values[found.ids[i]], sorted[i]);
      if (count == m)
        EXPECT_EQ(found.residual_bound, -infinity);
      else
        EXPECT_NEAR(found.residual_bound, 1.5 * sorted[count] + 0.25, 1e-12 * 150.0);
      EXPECT_EQ(found.guarantee, Guarantee::certified());
    }
    PhiloxEngine engine(m);
    for (int draw = 0; draw < 20; ++draw) {
      const Proposal proposal = tail.propose(engine);
      ASSERT_LT(proposal.id, m);
      EXPECT_EQ(proposal.log_intensity, tail.log_intensity(proposal.id));
      EXPECT_TRUE(tail.may_exceed(proposal.id, infinity));
    }
  }
}

}  // namespace
}  // namespace lazygumbel::testing
