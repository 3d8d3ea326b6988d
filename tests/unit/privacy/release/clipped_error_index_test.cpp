#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <lazygumbel/core/log_sum_exp.hpp>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/privacy/release/detail/clipped_error_index.hpp>
#include <lazygumbel/privacy/workload/box_workload.hpp>
#include <lazygumbel/random/philox.hpp>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "clipped_scores.hpp"
#include "message_of.hpp"
#include "workload_checks.hpp"

// ClippedErrorIndex: the clipped score is what its formula says, its bounds hold, the allowance and
// the choice when to scan are the same for every table, and clipped scores have the sensitivity of
// the answers, rounding as charged. clipped_error_index_control_test.cpp has the mistakes that the
// last test finds out; statistical/clipped_selection_law_test.cpp the law.

namespace lazygumbel::testing {
namespace {

using Options = ClippedErrorIndexOptions;

static_assert(TailIndex<ClippedErrorIndex<DenseWorkload<float>>>);
static_assert(TailIndex<ClippedErrorIndex<BoxWorkload>>);
static_assert(!std::is_constructible_v<ClippedErrorIndex<IntegerWorkload>,
                                       const ErrorScores<IntegerWorkload>&&>);

/// The log intensities of all items, the clips of their scores.
template <Workload W>
std::vector<double> intensities_of(const ClippedErrorIndex<W>& index, const Vector<double>& theta,
                                   std::size_t k = 1) {
  Retrieval found;
  ErrorTail tail;
  index.search_with_tail(theta, k, found, tail, 1);
  std::vector<double> intensities;
  for (item_id j = 0; j < index.size(); ++j) intensities.push_back(tail.log_intensity(j));
  return intensities;
}

/// What happened on the way: tests assert that all of it did.
struct ClippedCases {
  std::size_t clipped = 0, whole = 0, stale = 0, exact = 0, coded = 0;
};

/// A sequence of weights; at every step the formula, the bounds and the retrieval.
template <Workload W>
void check_formula(const W& workload, const Histogram& table, double scale, const Options& options,
                   std::uint64_t seed, ClippedCases& seen) {
  const ErrorScores<W> scores(workload, table);
  ClippedErrorIndex<W> index(scores, options);
  const std::size_t cells = workload.cells(), m = workload.size();
  PhiloxEngine engine(seed);
  const double n = std::max(1.0, scores.total());
  std::vector<double> weights(cells, n / static_cast<double>(cells)), scanned;
  std::vector<double> at_scan;  // s |e_j(A0)|
  std::size_t scans = 0;
  for (int step = 0; step < 10; ++step) {
    const Vector<double> theta = theta_of(weights, scale);
    index.prepare(theta);
    const std::vector<double> exact = brute_force_scores(workload, table, weights, scale);
    const std::size_t made = index.scans().exact + index.scans().coded;
    if (made != scans) {
      scans = made;
      scanned = weights;
      at_scan = exact;
      ASSERT_EQ(index.allowance(), 0.0);
    } else {
      ++seen.stale;
    }
    // U: at most what any query moved times the margin, and at most what any query could.
    const double allowance = index.allowance();
    double moved = 0.0, distance = 0.0;
    std::vector<double> query(cells);
    for (item_id j = 0; j < m; ++j) {
      workload.query(j, query);
      double sum = 0.0;
      for (std::size_t x = 0; x < cells; ++x) sum += query[x] * (weights[x] - scanned[x]);
      moved = std::max(moved, std::abs(sum));
    }
    for (std::size_t x = 0; x < cells; ++x) distance += std::abs(weights[x] - scanned[x]);
    const double tiny = scale * 1e-13 * scores.largest_value() * n;
    ASSERT_LE(allowance, options.largest_drift);
    ASSERT_LE(allowance, scale * options.margin * moved * (1.0 + 1e-9) + options.margin * tiny);
    ASSERT_LE(allowance, scale * scores.largest_value() * distance * (1.0 + 1e-9) + tiny);

    Retrieval found;
    std::vector<item_id> sorted;
    ErrorTail tail;
    search_checked(index, theta, 1 + seed % 40, found, sorted, tail, 1);
    ASSERT_EQ(found.guarantee, Guarantee::certified());
    std::vector<double> intensities, many(m);
    std::vector<item_id> all;
    for (item_id j = 0; j < m; ++j) {
      const double intensity = tail.log_intensity(j), score = index.score(theta, j);
      ASSERT_EQ(score, std::min(scores.score(theta, j), intensity));
      ASSERT_GE(intensity, (at_scan[j] + allowance) * (1.0 - 1e-12) - tiny);
      ASSERT_NEAR(scores.score(theta, j), exact[j], 1e-9 * (exact[j] + scale * n) + tiny);
      if (!std::binary_search(sorted.begin(), sorted.end(), j)) {
        ASSERT_LE(score, found.residual_bound);
      }
      // Exact scans leave bounds that are no larger than need be.
      if (options.code_bits == 0) {
        const double most = *std::max_element(at_scan.begin(), at_scan.end());
        const double loose =
            scale * (2.0 * scan_error(workload, n) + 1e-6 * scores.largest_value());
        ASSERT_LE(intensity, std::max(at_scan[j], most - 699.0) + allowance + loose + 1e-9 * most);
      }
      ++(score < scores.score(theta, j) ? seen.clipped : seen.whole);
      intensities.push_back(intensity);
      all.push_back(j);
    }
    index.score_many(theta, all, many);
    for (item_id j = 0; j < m; ++j) ASSERT_EQ(many[j], index.score(theta, j));
    const double log_sum = log_sum_exp(std::span<const double>(intensities));
    ASSERT_NEAR(tail.log_rate(), log_sum, 1e-9 * (1.0 + std::abs(log_sum)));
    move_weights(weights, std::exp(1.0 - 5.0 * open_uniform(engine)), engine);
  }
  seen.exact += index.scans().exact;
  seen.coded += index.scans().coded;
}

Options random_options(int bits, std::size_t m, PhiloxEngine& engine) {
  Options options{.code_bits = bits};
  options.largest_drift = std::pow(10.0, 2.0 - 4.0 * open_uniform(engine));
  options.sample = uniform_index(3, engine) == 0 ? 0 : 1 + uniform_index(2, engine);
  options.sample = std::min(options.sample, m);
  options.margin = uniform_index(2, engine) == 0 ? 1.0 : 1.5;
  options.seed = uniform_bits(engine);
  return options;
}

template <class Scalar>
void check_dense(int bits, std::uint64_t first_seed) {
  ClippedCases seen;
  for (std::uint64_t seed = first_seed; seed < first_seed + 150; ++seed) {
    PhiloxEngine engine(seed);
    const std::size_t cells = 1 + uniform_index(40, engine), m = 1 + uniform_index(150, engine);
    const double upper = std::pow(10.0, static_cast<double>(seed % 5) - 2.0);
    const double lower = seed % 3 == 0 ? 0.0 : seed % 3 == 1 ? -upper : 0.5 * upper;
    const DenseWorkload<Scalar> workload(random_queries<Scalar>(m, cells, lower, upper, seed));
    const double n = std::pow(10.0, 8.0 * open_uniform(engine));
    const Histogram table = line_table(random_counts(cells, n, seed));
    const double scale = std::pow(10.0, 2.0 * open_uniform(engine)) / (upper * n);
    check_formula(workload, table, scale, random_options(bits, m, engine), seed, seen);
  }
  EXPECT_GT(seen.clipped, 1000U);
  EXPECT_GT(seen.whole, 1000U);
  EXPECT_GT(seen.stale, 100U);
  EXPECT_GT(seen.exact, 20U);
  EXPECT_EQ(seen.coded > 0, bits != 0);
}

TEST(ClippedErrorIndex, FormulaForFloats) { check_dense<float>(0, 1); }
TEST(ClippedErrorIndex, FormulaForFloatsByCodesOf4Bits) { check_dense<float>(4, 201); }
TEST(ClippedErrorIndex, FormulaForFloatsByCodesOf8Bits) { check_dense<float>(8, 401); }
TEST(ClippedErrorIndex, FormulaForDoubles) { check_dense<double>(0, 601); }
TEST(ClippedErrorIndex, FormulaForDoublesByCodesOf4Bits) { check_dense<double>(4, 801); }
TEST(ClippedErrorIndex, FormulaForDoublesByCodesOf8Bits) { check_dense<double>(8, 1001); }

TEST(ClippedErrorIndex, FormulaForBoxes) {
  ClippedCases seen;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    PhiloxEngine engine(seed);
    const Domain domain =
        domain_of_sizes({1 + uniform_index(7, engine), 1 + uniform_index(9, engine)});
    const std::size_t m = 1 + uniform_index(150, engine);
    const BoxWorkload workload = BoxWorkload::random(domain, m, engine);
    const double n = std::pow(10.0, 8.0 * open_uniform(engine));
    const Histogram table(domain, random_counts(domain.size(), n, seed));
    check_formula(workload, table, 30.0 / n, random_options(8, m, engine), seed, seen);
  }
  EXPECT_GT(seen.clipped, 1000U);
  EXPECT_GT(seen.stale, 50U);
  EXPECT_GT(seen.exact, 50U);
  EXPECT_EQ(seen.coded, 0U);
}

TEST(ClippedErrorIndex, DegenerateWorkloads) {
  ClippedCases seen;
  check_formula(IntegerWorkload({{1}}, {0, 1}), line_table({7}), 0.3, {}, 1, seen);
  check_formula(IntegerWorkload({{1}}, {0, 1}), line_table({0}), 0.3, {}, 2, seen);
  check_formula(IntegerWorkload({{1, 0, -1}}, {-1, 1}), line_table({0, 0, 0}), 1e3, {}, 3, seen);
  const DenseWorkload<float> one(RowMatrix<float>::Constant(1, 1, 0.5F));
  for (const int bits : {0, 4, 8})
    check_formula(one, line_table({12}), 0.1, {.code_bits = bits}, 4, seen);
  const DenseWorkload<float> zeros(RowMatrix<float>::Zero(70, 3));
  check_formula(zeros, line_table({5, 0, 1}), 0.1, {}, 5, seen);
  const DenseWorkload<double> equal(RowMatrix<double>::Constant(70, 3, 0.3));
  check_formula(equal, line_table({0, 0, 0}), 0.1, {.code_bits = 4}, 6, seen);
}

// One query is the whole sample: U is known.
TEST(ClippedErrorIndex, AllowanceOfOneQuery) {
  const IntegerWorkload workload({{1, 1, 0}}, {0, 1});
  const ErrorScores scores(workload, line_table({5, 5, 5}));
  ClippedErrorIndex index(scores, {.largest_drift = 2.0, .margin = 1.5});
  const auto allowance_at = [&](const std::vector<double>& weights, double scale) {
    index.prepare(theta_of(weights, scale));
    return index.allowance();
  };
  EXPECT_EQ(allowance_at({5, 5, 5}, 0.5), 0.0);
  EXPECT_NEAR(allowance_at({6, 6, 3}, 0.5), 1.0, 1e-9);   // drift 2 < 1.5 * 2
  EXPECT_NEAR(allowance_at({6, 4, 5}, 0.5), 0.0, 1e-9);   // the query has not moved
  EXPECT_NEAR(allowance_at({8, 3, 4}, 0.5), 0.75, 1e-9);  // 1.5 * 1 < drift 3
  EXPECT_EQ(index.scans().exact, 1U);
  EXPECT_EQ(allowance_at({10, 5, 0}, 0.5), 0.0);  // 2.5 nats are above 2
  EXPECT_EQ(index.scans().exact, 2U);
  EXPECT_NEAR(allowance_at({9, 4, 2}, 0.5), 1.0, 1e-9);
  EXPECT_EQ(allowance_at({9, 4, 2}, 0.25), 0.0);  // another scale
  EXPECT_EQ(index.scans().exact, 3U);
}

/// The same weights over several tables, of very different sizes: everything public must agree.
template <Workload W>
void expect_public(const W& workload, const std::vector<Histogram>& tables, double scale,
                   const Options& options, std::uint64_t seed) {
  std::vector<ErrorScores<W>> scores;
  std::vector<std::unique_ptr<ClippedErrorIndex<W>>> indexes;
  for (const Histogram& table : tables) scores.emplace_back(workload, table);
  for (const auto& of : scores)
    indexes.push_back(std::make_unique<ClippedErrorIndex<W>>(of, options));
  PhiloxEngine engine(seed);
  std::vector<double> weights(workload.cells(), 1e3 / static_cast<double>(workload.cells()));
  for (int step = 0; step < 12; ++step) {
    for (auto& index : indexes) {
      index->prepare(theta_of(weights, scale));
      ASSERT_EQ(index->allowance(), indexes[0]->allowance());
      ASSERT_EQ(index->scans().exact, indexes[0]->scans().exact);
      ASSERT_EQ(index->scans().coded, indexes[0]->scans().coded);
    }
    move_weights(weights, std::exp(1.0 - 5.0 * open_uniform(engine)), engine);
  }
}

template <class Scalar>
void fuzz_public(int bits) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    PhiloxEngine engine(seed);
    const std::size_t cells = 1 + uniform_index(20, engine), m = 1 + uniform_index(80, engine);
    const DenseWorkload<Scalar> workload(random_queries<Scalar>(m, cells, -1, 1, seed));
    std::vector<Histogram> tables;
    for (const double n : {0.0, 20.0, 1e3, 1e9})
      tables.push_back(line_table(random_counts(cells, n, seed + 7)));
    expect_public(workload, tables, 0.05, random_options(bits, m, engine), seed);
  }
}

TEST(ClippedErrorIndex, AllowanceAndScheduleArePublic) {
  for (const int bits : {0, 4, 8}) {
    fuzz_public<float>(bits);
    fuzz_public<double>(bits);
  }
}

// A threshold between what codes leave in doubt for a small and for a large table, if that differs.
TEST(ClippedErrorIndex, ScheduleByCodesIsPublic) {
  const std::size_t cells = 8, m = 40;
  const DenseWorkload<double> workload(random_queries<double>(m, cells, -1, 1, 5));
  const ErrorScores small(workload, line_table(random_counts(cells, 10.0, 1)));
  const ErrorScores large(workload, line_table(random_counts(cells, 1e9, 2)));
  const auto first = random_weights(cells, 1e3, 1.0, 3);
  std::vector<double> second(first);
  second[0] += 1e-6;
  second[1] -= 1e-6;
  const auto doubt_of = [&](const auto& scores) {
    ErrorScanner scanner(scores, 8);
    scanner.exact(first, 1.0);
    scanner.coded(second, 1.0);
    return scanner.code_error();
  };
  EXPECT_EQ(doubt_of(small), doubt_of(large));
  const double between = 0.5 * (doubt_of(small) + doubt_of(large)), scale = 1e6;
  // The first scan is exact, the second follows a change of scale, the codes' doubt near the limit.
  const auto scans_of = [&](const auto& scores) {
    ClippedErrorIndex index(scores, {.largest_drift = 2.0 * scale * between});
    index.prepare(theta_of(first, 2.0 * scale));
    index.prepare(theta_of(second, scale));
    return index.scans().exact;
  };
  EXPECT_EQ(scans_of(small), scans_of(large));
}

/// The largest |score - score'| / (s (D + 2 rounding)) over sequences of weights, and how many
/// scores were clipped on either table.
struct Sensitivity {
  double largest = 0.0;
  std::size_t clipped = 0, compared = 0;
};

template <Workload W>
void compare(const W& workload, const Histogram& table, const Histogram& neighbour,
             Neighbours neighbours, double scale, const Options& options, PhiloxEngine& engine,
             Sensitivity& seen) {
  const ErrorScores<W> scores(workload, table), others(workload, neighbour);
  ClippedErrorIndex<W> index(scores, options), other(others, options);
  const std::size_t cells = workload.cells();
  const double records = std::max(scores.total(), others.total()), total = std::max(1.0, records);
  const double sensitivity =
      lazygumbel::sensitivity(workload.range(), neighbours) + 2.0 * scores.rounding(records, total);
  std::vector<double> weights(cells, total / static_cast<double>(cells));
  for (int step = 0; step < 6; ++step) {
    const Vector<double> theta = theta_of(weights, scale);
    index.prepare(theta);
    other.prepare(theta);
    ASSERT_EQ(index.allowance(), other.allowance());
    for (item_id j = 0; j < workload.size(); ++j) {
      const double a = index.score(theta, j), b = other.score(theta, j);
      seen.largest =
          std::max(seen.largest, static_cast<double>(std::abs(static_cast<long double>(a) - b) /
                                                     (static_cast<long double>(scale) *
                                                      static_cast<long double>(sensitivity))));
      seen.clipped += a < scores.score(theta, j) || b < others.score(theta, j);
      ++seen.compared;
    }
    move_weights(weights, std::exp(1.0 - 4.0 * open_uniform(engine)), engine);
  }
}

template <class Scalar>
Sensitivity fuzz_dense(int bits, Neighbours neighbours, std::uint64_t first_seed,
                       std::size_t largest_cells = 6) {
  Sensitivity seen;
  for (std::uint64_t seed = first_seed; seed < first_seed + 600; ++seed) {
    PhiloxEngine engine(seed);
    const std::size_t cells = 1 + uniform_index(static_cast<std::uint32_t>(largest_cells), engine);
    const std::size_t m = 1 + uniform_index(70, engine);
    // Ranges from [-1, 1] to [10^6, 10^6 + 1], where rounding is all there is.
    const double offset = seed % 4 == 0 ? std::pow(10.0, 6.0 * open_uniform(engine)) : 0.0;
    const DenseWorkload<Scalar> workload(
        random_queries<Scalar>(m, cells, offset - (seed % 2 == 0 ? 0.0 : 1.0), offset + 1.0, seed));
    const double n = std::pow(10.0, (seed % 3 == 0 ? 8.9 : 1.5) * open_uniform(engine));
    const auto [before, after] =
        random_neighbours(cells, static_cast<std::int64_t>(n), neighbours, engine);
    Options options = random_options(bits, m, engine);
    options.margin = 1.0;
    options.sample = 1;
    const double scale = std::pow(10.0, 2.0 * open_uniform(engine)) / (n * (1.0 + offset));
    compare(workload, line_table(before), line_table(after), neighbours, scale, options, engine,
            seen);
  }
  return seen;
}

void expect_sensitivity(const Sensitivity& seen) {
  EXPECT_LE(seen.largest, 1.0);
  EXPECT_GT(seen.largest, 0.9);
  EXPECT_GT(seen.clipped, 2000U);
  EXPECT_GT(seen.compared, 10'000U);
}

constexpr Neighbours both_relations[] = {Neighbours::replace_one, Neighbours::add_remove};

TEST(ClippedErrorIndex, SensitivityForFloats) {
  for (const Neighbours neighbours : both_relations)
    for (const int bits : {0, 4, 8})
      expect_sensitivity(fuzz_dense<float>(bits, neighbours, 10'000));
}

TEST(ClippedErrorIndex, SensitivityForDoubles) {
  for (const Neighbours neighbours : both_relations)
    for (const int bits : {0, 4, 8})
      expect_sensitivity(fuzz_dense<double>(bits, neighbours, 20'000));
}

TEST(ClippedErrorIndex, SensitivityForBoxes) {
  for (const Neighbours neighbours : both_relations) {
    Sensitivity seen;
    for (std::uint64_t seed = 1; seed <= 600; ++seed) {
      PhiloxEngine engine(seed);
      const Domain domain =
          domain_of_sizes({1 + uniform_index(3, engine), 1 + uniform_index(4, engine)});
      const std::size_t m = 1 + uniform_index(40, engine);
      const BoxWorkload workload = BoxWorkload::random(domain, m, engine);
      const double n = std::pow(10.0, (seed % 3 == 0 ? 8.9 : 1.5) * open_uniform(engine));
      const auto [before, after] =
          random_neighbours(domain.size(), static_cast<std::int64_t>(n), neighbours, engine);
      Options options = random_options(0, m, engine);
      options.margin = 1.0;
      options.sample = 1;
      compare(workload, Histogram(domain, before), Histogram(domain, after), neighbours, 10.0 / n,
              options, engine, seen);
    }
    expect_sensitivity(seen);
  }
}

TEST(ClippedErrorIndex, OptionsInForce) {
  const DenseWorkload<float> workload(random_queries<float>(10, 4, 0, 1, 1));
  const ErrorScores scores(workload, line_table({1, 2, 3, 4}));
  EXPECT_EQ(ClippedErrorIndex(scores).options().sample, 4U);
  EXPECT_EQ(ClippedErrorIndex(scores, {.sample = 10}).options().sample, 10U);
  EXPECT_EQ(ClippedErrorIndex(scores).dimension(), 5U);
  EXPECT_EQ(ClippedErrorIndex(scores).size(), 10U);
  EXPECT_EQ(ClippedErrorIndex(scores).allowance(), 0.0);
}

TEST(ClippedErrorIndex, Refusals) {
  const auto refusal = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  const DenseWorkload<float> workload(random_queries<float>(10, 2, 0, 1, 1));
  const ErrorScores scores(workload, line_table({1, 2}));
  const auto made = [&](const Options& options) {
    return refusal([&] { ClippedErrorIndex(scores, options); });
  };
  EXPECT_EQ(made({.code_bits = 5}), "lazygumbel: code_bits = 5: must be 0, 4 or 8");
  for (const auto& [value, text] : {std::pair{0.0, "0"}, {-1.0, "-1"}, {std::nan(""), "nan"}})
    EXPECT_EQ(made({.largest_drift = value}),
              std::string("lazygumbel: largest_drift = ") + text + ": must be positive");
  for (const auto& [value, text] : {std::pair{0.5, "0.5"}, {1e6, "1e+06"}, {std::nan(""), "nan"}})
    EXPECT_EQ(made({.margin = value}),
              std::string("lazygumbel: margin = ") + text + ": must lie in [1, 1e6)");
  EXPECT_EQ(made({.sample = 11}), "lazygumbel: sample = 11: must be at most m = 10");

  ClippedErrorIndex index(scores);
  Retrieval found;
  Vector<double> theta = theta_of(std::vector<double>{1.0, 2.0}, 0.5);
  EXPECT_EQ(refusal([&] { index.search(theta, 1, found); }),
            "lazygumbel: theta's last entry = 0.5: prepare(theta) has to come first");
  index.prepare(theta);
  EXPECT_NO_THROW(index.search(theta, 1, found));
  EXPECT_EQ(refusal([&] { index.search(theta, 0, found); }),
            "lazygumbel: k = 0: must be at least 1");
  theta[2] = 0.25;
  EXPECT_EQ(refusal([&] { index.search(theta, 1, found); }),
            "lazygumbel: theta's last entry = 0.25: prepare(theta) has to come first");
  for (const double last : {0.0, -1.0}) {
    theta[2] = last;
    EXPECT_NE(refusal([&] { index.prepare(theta); }).find("theta's last entry"), std::string::npos);
  }
  theta[2] = std::nan("");
  EXPECT_NE(refusal([&] { index.prepare(theta); }).find("nan"), std::string::npos);
  theta[2] = 1.0;
  theta[0] = HUGE_VAL;
  EXPECT_NE(refusal([&] { index.prepare(theta); }).find("inf"), std::string::npos);
  EXPECT_NE(refusal([&] { index.prepare(Vector<double>::Ones(2)); }).find("3"), std::string::npos);
}

}  // namespace
}  // namespace lazygumbel::testing
