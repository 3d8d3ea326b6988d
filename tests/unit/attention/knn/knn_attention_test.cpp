#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "attention_checks.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"

// KnnAttention::forward: that it is exact where it says so, and what no draw may change. The laws
// of its draws are in tests/statistical/attention/knn/attention_prefill_test.cpp.

namespace lazygumbel::testing {
namespace {

/// Samples from 200 visible keys on.
KnnAttentionOptions early(const AttentionMask& mask = AttentionMask::causal()) {
  KnnAttentionOptions options;
  options.index = KeyIndex::lists;  // however few the queries are
  options.attention.mask = mask;
  options.accuracy = Accuracy(0.2, 0.1);
  options.tail_samples = 16;
  options.sinks = 3;
  options.window = 8;
  options.minimum_keys = 200;
  return options;
}

KnnAttentionOptions fixed(const AttentionMask& mask = AttentionMask::causal()) {
  KnnAttentionOptions options = early(mask);
  options.accuracy = std::nullopt;
  return options;
}

template <class T = float>
AttentionOutput forward(const AttentionSizes& sizes, const KnnAttentionOptions& options,
                        const HeadsView<float>& queries, const HeadsView<T>& keys,
                        const HeadsView<T>& values, std::uint64_t seed = 1,
                        AttentionTape* tape = nullptr) {
  const KnnAttention<T> attention(sizes.heads, sizes.kv_heads, sizes.d, sizes.dv, options);
  PhiloxEngine engine(seed);
  return attention.forward(queries, keys, values, engine, tape);
}

AttentionOutput forward(const HeadsProblem& problem, const KnnAttentionOptions& options,
                        std::uint64_t seed = 1, AttentionTape* tape = nullptr) {
  return forward(problem.sizes, options, problem.q(), problem.k(), problem.v(), seed, tape);
}

AttentionSizes sizes_of(std::size_t m, std::size_t n, std::size_t heads = 1,
                        std::size_t kv_heads = 1) {
  return {.queries = m, .keys = n, .heads = heads, .kv_heads = kv_heads, .d = 20, .dv = 12};
}

std::size_t rows_by(const AttentionOutput& out, AttentionPath path) {
  return static_cast<std::size_t>(std::count_if(
      out.rows.begin(), out.rows.end(), [&](const AttentionRow& row) { return row.path == path; }));
}

bool same_row(const AttentionOutput& a, const AttentionOutput& b, std::size_t i) {
  const auto row = static_cast<Eigen::Index>(i);
  const std::size_t heads = static_cast<std::size_t>(a.log_sum_exp.cols());
  for (std::size_t h = 0; h < heads; ++h) {
    const AttentionRow &x = a.rows[i * heads + h], &y = b.rows[i * heads + h];
    if (x.keys_touched != y.keys_touched || x.samples != y.samples || x.error != y.error ||
        x.path != y.path || x.target_met != y.target_met)
      return false;
  }
  return a.values.row(row) == b.values.row(row) && a.log_sum_exp.row(row) == b.log_sum_exp.row(row);
}

void expect_identical(const AttentionOutput& a, const AttentionOutput& b, const std::string& what) {
  ASSERT_EQ(a.values.rows(), b.values.rows()) << what;
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.values.rows()); ++i)
    ASSERT_TRUE(same_row(a, b, i)) << what << ", query " << i;
}

/// Rows that are exact against the reference; others must say what they are. Returns the mean, over
/// the others, of their error over the error that they report, or 10 where it is larger.
double check_rows(const AttentionOutput& out, const ReferenceAttention& reference,
                  const AttentionOptions& options, std::size_t keys, const std::string& what,
                  double tolerance = 5e-6) {
  const Eigen::Index heads = out.log_sum_exp.cols(), dv = out.values.cols() / heads;
  const auto m = static_cast<std::size_t>(out.values.rows());
  double sum = 0.0, sampled = 0.0;
  for (Eigen::Index i = 0; i < out.values.rows(); ++i)
    for (Eigen::Index h = 0; h < heads; ++h) {
      const AttentionRow& row = out.rows[static_cast<std::size_t>(i * heads + h)];
      const std::size_t seen = options.mask.visible(static_cast<std::size_t>(i), m, keys);
      const auto found = out.values.row(i).segment(h * dv, dv).cast<double>();
      const auto wanted = reference.values.row(i).segment(h * dv, dv);
      const double error = (found - wanted).norm();
      EXPECT_LE(row.keys_touched, seen) << what << ", query " << i;
      EXPECT_TRUE(row.target_met) << what << ", query " << i;
      if (row.path == AttentionPath::exact) {
        EXPECT_EQ(row.keys_touched, seen) << what << ", query " << i;
        EXPECT_EQ(row.samples, 0u) << what << ", query " << i;
        EXPECT_EQ(row.error, 0.0F) << what << ", query " << i;
        EXPECT_LE(error, tolerance * (1.0 + wanted.norm())) << what << ", query " << i;
        if (reference.log_sum_exp(i, h) == -std::numeric_limits<double>::infinity())
          EXPECT_EQ(out.log_sum_exp(i, h), reference.log_sum_exp(i, h)) << what;
        else
          EXPECT_NEAR(out.log_sum_exp(i, h), reference.log_sum_exp(i, h), tolerance) << what;
      } else {
        EXPECT_EQ(row.path, AttentionPath::sampled) << what;
        EXPECT_GE(row.samples, 16u) << what;
        EXPECT_GT(row.error, 0.0F) << what;
        sum += (std::min)(10.0, error / (static_cast<double>(row.error) * found.norm()));
        ++sampled;
      }
    }
  return sampled > 0.0 ? sum / sampled : 0.0;
}

TEST(KnnAttention, ShapesMustFit) {
  const AttentionSizes sizes = sizes_of(4, 9, 4, 2);
  const HeadsProblem problem = gaussian_problem(sizes, 1.0, 1);
  const KnnAttention<> attention(4, 2, 20, 12);
  PhiloxEngine engine(1);
  const auto message = [&](const HeadsView<float>& q, const HeadsView<float>& k,
                           const HeadsView<float>& v) {
    return message_of<std::invalid_argument>([&] { attention.forward(q, k, v, engine); });
  };
  EXPECT_EQ(message(problem.q(), problem.k(), problem.v()), "(nothing was thrown)");
  EXPECT_EQ(message({problem.queries, 2}, problem.k(), problem.v()),
            "lazygumbel: queries.heads() = 2: must be 4");
  EXPECT_EQ(message(problem.q(), {problem.keys, 1}, problem.v()),
            "lazygumbel: keys.heads() = 1: must be 2");
  EXPECT_EQ(message(problem.q(), {problem.keys.leftCols(20), 2}, problem.v()),
            "lazygumbel: keys.dimension() = 10: must be 20");
  EXPECT_EQ(message(problem.q(), problem.k(), {problem.values.leftCols(6), 2}),
            "lazygumbel: values.dimension() = 3: must be 12");
  EXPECT_EQ(message(problem.q(), problem.k(), problem.v().tokens(0, 8)),
            "lazygumbel: values.tokens() = 8: must equal keys.tokens() = 9");
  EXPECT_EQ(message({problem.queries.leftCols(40), 4}, problem.k(), problem.v()),
            "lazygumbel: keys.dimension() = 20: must equal queries.dimension() = 10");
}

TEST(KnnAttention, OptionsMustBeInRange) {
  const HeadsProblem problem = gaussian_problem(sizes_of(10, 9), 1.0, 1);
  const auto message = [&](const KnnAttentionOptions& options) {
    return message_of<std::invalid_argument>([&] { forward(problem, options); });
  };
  EXPECT_EQ(message({.attention = {.mask = AttentionMask::causal()}}),
            "lazygumbel: queries.tokens() = 10: exceeds keys.tokens() = 9 under a causal mask");
  EXPECT_EQ(message({.tail_samples = 3}), "lazygumbel: tail_samples = 3: must be at least 16");
  EXPECT_EQ(message({.attention = {.softcap = -1.0}}),
            "lazygumbel: softcap = -1: must be at least 0 and finite");
  const std::vector<std::size_t> lengths(10, 10);
  EXPECT_EQ(message({.attention = {.mask = AttentionMask::prefix(lengths)}}),
            "lazygumbel: mask: lengths[0] = 10: exceeds keys.tokens() = 9");
}

TEST(KnnAttention, NamesWhatIsNotFinite) {
  const HeadsProblem good = gaussian_problem(sizes_of(4, 9, 2, 2), 1.0, 1);
  const auto message = [&](const HeadsProblem& problem) {
    return message_of<std::invalid_argument>([&] { forward(problem, {}); });
  };
  HeadsProblem bad = good;
  bad.queries(2, 21) = float_nan;
  EXPECT_EQ(message(bad), "lazygumbel: queries(token 2, head 1, 1) = nan: must be finite");
  bad = good;
  bad.keys(8, 3) = float_infinity;
  EXPECT_EQ(message(bad), "lazygumbel: keys(token 8, head 0, 3) = inf: must be finite");
  bad = good;
  bad.values(0, 12) = -float_infinity;
  EXPECT_EQ(message(bad), "lazygumbel: values(token 0, head 1, 0) = -inf: must be finite");
}

TEST(KnnAttention, RefusesScoresThatOverflow) {
  for (const std::size_t m : {2, 300}) {
    HeadsProblem problem = gaussian_problem(sizes_of(m, 300), 1.0, 1);
    problem.queries *= 1e25F;
    problem.keys *= 1e25F;
    for (const KnnAttentionOptions& options : {early(), fixed(), KnnAttentionOptions{}})
      EXPECT_EQ(message_of<std::invalid_argument>([&] { forward(problem, options); }),
                "lazygumbel: scale * <query, key> = inf or nan: scores or sums overflow float");
  }
}

TEST(KnnAttention, RowsThatNoQuerySeesAreNotRead) {
  HeadsProblem problem = gaussian_problem(sizes_of(2, 300), 1.0, 1);
  problem.keys.bottomRows(10).setConstant(float_nan);
  problem.values.bottomRows(10).setConstant(float_nan);
  const std::vector<std::size_t> lengths = {290, 250};
  EXPECT_TRUE(forward(problem, early(AttentionMask::prefix(lengths))).values.allFinite());
}

TEST(KnnAttention, NoQueriesAndNoKeys) {
  const HeadsProblem none = gaussian_problem(sizes_of(0, 300, 2, 2), 1.0, 1);
  AttentionTape tape;
  forward(gaussian_problem(sizes_of(300, 300, 2, 2), 1.0, 1), early(), 1, &tape);
  const AttentionOutput out = forward(none, early(), 1, &tape);
  EXPECT_EQ(out.values.rows(), 0);
  EXPECT_EQ(out.rows.size(), 0u);
  EXPECT_TRUE(tape.segments.empty());  // not those of the pass before
  EXPECT_TRUE(tape.order.empty());
  EXPECT_EQ(tape.keys, 300u);
  EXPECT_EQ(tape.output.values.rows(), 0);

  const HeadsProblem blind = gaussian_problem(sizes_of(5, 0, 2, 2), 1.0, 1);
  for (const bool with_sinks : {false, true}) {
    const std::vector<float> sinks = {0.5F, -1.0F};
    KnnAttentionOptions options = early(AttentionMask::full());
    if (with_sinks) options.attention.sink_logits = sinks;
    const AttentionOutput zero = forward(blind, options);
    EXPECT_TRUE((zero.values.array() == 0.0F).all());
    for (Eigen::Index h = 0; h < 2; ++h)
      EXPECT_EQ(zero.log_sum_exp(3, h),
                with_sinks ? static_cast<double>(sinks[static_cast<std::size_t>(h)])
                           : -std::numeric_limits<double>::infinity());
    EXPECT_EQ(zero.rows[7].keys_touched, 0u);
    EXPECT_EQ(zero.rows[7].path, AttentionPath::exact);
  }
}

TEST(KnnAttention, FewQueriesDoNotPayForLists) {
  const HeadsProblem problem = clustered_problem(sizes_of(40, 3000, 2, 2), 9);
  KnnAttentionOptions options = fixed(AttentionMask::full());
  const auto exact_rows = [&](KeyIndex index) {
    options.index = index;
    std::size_t count = 0;
    for (const AttentionRow& row : forward(problem, options).rows)
      count += row.path == AttentionPath::exact;
    return count;
  };
  EXPECT_EQ(exact_rows(KeyIndex::automatic), 80u);
  EXPECT_EQ(exact_rows(KeyIndex::lists), 0u);
}

// Float sums of other orders, so not bit for bit.
TEST(KnnAttention, FewKeysAreExactAttention) {
  const HeadsProblem problem = gaussian_problem(sizes_of(300, 700, 6, 2), 2.0, 4);
  const std::vector<float> sinks(6, 1.0F);
  KnnAttentionOptions options;
  options.index = KeyIndex::lists;  // however few the queries are
  options.attention = {.softcap = 5.0, .sink_logits = sinks, .mask = AttentionMask::causal()};
  const AttentionOutput out = forward(problem, options);
  const AttentionOutput exact =
      exact_attention(problem.q(), problem.k(), problem.v(), options.attention);
  EXPECT_LT(largest_difference(out.values, exact.values), 2e-6);
  EXPECT_LT(largest_difference(out.log_sum_exp, exact.log_sum_exp), 2e-6);
  for (std::size_t i = 0; i < out.rows.size(); ++i) {
    EXPECT_EQ(out.rows[i].keys_touched, exact.rows[i].keys_touched);
    EXPECT_EQ(out.rows[i].path, AttentionPath::exact);
    EXPECT_EQ(out.rows[i].error, 0.0F);
  }
}

// Few draws, shared by neighbours: their errors are about what they report. The laws of many are
// tested elsewhere.
TEST(KnnAttention, MasksHeadsCapsAndSinks) {
  const std::size_t n = 900;
  for (const auto& [heads, kv_heads] : {std::pair<std::size_t, std::size_t>{1, 1}, {6, 2}, {8, 1}})
    for (int variant = 0; variant < 8; ++variant) {
      const bool clusters = variant % 2 == 1;
      const std::size_t m = variant % 4 < 2 ? 260 : 61;
      const HeadsProblem problem =
          clusters ? clustered_problem(sizes_of(m, n, heads, kv_heads), heads, 16)
                   : gaussian_problem(sizes_of(m, n, heads, kv_heads), 1.0, heads);
      std::vector<std::size_t> lengths(m);  // unsorted, some 0
      for (std::size_t i = 0; i < m; ++i) lengths[i] = i % 7 == 3 ? 0 : i * 7919 % (n + 1);
      const std::vector<float> sinks(heads, 2.5F);
      const AttentionMask masks[] = {AttentionMask::full(), AttentionMask::causal(),
                                     AttentionMask::prefix(lengths)};
      for (int mask = 0; mask < 3; ++mask) {
        const std::string what = "heads " + std::to_string(heads) + ", variant " +
                                 std::to_string(variant) + ", mask " + std::to_string(mask);
        KnnAttentionOptions options = variant < 6 ? early(masks[mask]) : fixed(masks[mask]);
        if (variant % 3 == 1) options.attention.softcap = 3.0;
        if (variant % 3 == 2) options.attention.sink_logits = sinks;
        const AttentionOutput out = forward(problem, options);
        const ReferenceAttention reference =
            reference_attention(problem.q(), problem.k(), problem.v(), options.attention);
        EXPECT_LT(check_rows(out, reference, options.attention, n, what), 2.0) << what;
        EXPECT_TRUE(variant < 6 || rows_by(out, AttentionPath::sampled) > 0) << what;
      }
    }
}

template <class T>
void expect_stored(const char* what) {
  const HeadsProblem problem = gaussian_problem(sizes_of(300, 500, 2, 1), 1.0, 2);
  const RowMatrix<T> keys = stored_as<T>(problem.keys), values = stored_as<T>(problem.values);
  for (const KnnAttentionOptions& options : {early(), fixed()}) {
    const AttentionOutput out =
        forward<T>(problem.sizes, options, problem.q(), {keys, 1}, {values, 1});
    const ReferenceAttention reference =
        reference_attention<T>(problem.q(), {keys, 1}, {values, 1}, options.attention);
    EXPECT_LT(check_rows(out, reference, options.attention, 500, what), 2.0) << what;
    // The numbers that were stored, as floats, give the same bits (but for the errors' last ones).
    const RowMatrix<float> wide_keys = keys.template cast<float>(),
                           wide_values = values.template cast<float>();
    const AttentionOutput wide =
        forward(problem.sizes, options, problem.q(), {wide_keys, 1}, {wide_values, 1});
    EXPECT_TRUE(out.values == wide.values) << what;
    EXPECT_TRUE(out.log_sum_exp == wide.log_sum_exp) << what;
    for (std::size_t i = 0; i < out.rows.size(); ++i)
      EXPECT_TRUE(out.rows[i].error == wide.rows[i].error ||
                  std::abs(out.rows[i].error / wide.rows[i].error - 1.0F) < 1e-4F)
          << what;
  }
}

TEST(KnnAttention, HalfAndBfloat16) {
  expect_stored<Eigen::half>("half");
  expect_stored<Eigen::bfloat16>("bfloat16");
}

TEST(KnnAttention, StridedViews) {
  const HeadsProblem problem = clustered_problem(sizes_of(400, 400, 4, 2), 3, 16);
  // Head after head, rows with gaps between them.
  const auto scattered = [](const HeadsView<float>& view, std::vector<float>& store) {
    const std::size_t row = view.dimension() + 5, head = row * view.tokens() + 11;
    store.assign(head * view.heads(), float_nan);
    for (std::size_t i = 0; i < view.tokens(); ++i)
      for (std::size_t h = 0; h < view.heads(); ++h)
        std::copy_n(view.row(i, h), view.dimension(), store.data() + h * head + i * row);
    return HeadsView<float>(store.data(), view.tokens(), view.heads(), view.dimension(),
                            static_cast<std::ptrdiff_t>(row), static_cast<std::ptrdiff_t>(head));
  };
  std::vector<float> q, k, v;
  for (const KnnAttentionOptions& options : {early(), fixed()})
    expect_identical(forward(problem, options),
                     forward(problem.sizes, options, scattered(problem.q(), q),
                             scattered(problem.k(), k), scattered(problem.v(), v)),
                     "strided");
}

TEST(KnnAttention, TheSameForAnyNumberOfThreads) {
  const HeadsProblem problem = clustered_problem(sizes_of(1500, 1500, 6, 2), 5, 16);
  for (KnnAttentionOptions options : {early(), fixed()}) {
    const AttentionOutput one = forward(problem, options);
    EXPECT_GT(rows_by(one, AttentionPath::sampled), 0u);
    for (const std::size_t threads : {2, 5, 0}) {
      options.attention.threads = threads;
      expect_identical(one, forward(problem, options), std::to_string(threads) + " threads");
    }
  }
}

TEST(KnnAttention, TheSeedIsTheEnginesNext) {
  const HeadsProblem problem = clustered_problem(sizes_of(300, 600), 6, 16);
  expect_identical(forward(problem, fixed(), 7), forward(problem, fixed(), 7), "one seed");
  EXPECT_FALSE(forward(problem, fixed(), 7).values == forward(problem, fixed(), 8).values);
  const KnnAttention<> attention(1, 1, 20, 12, fixed());
  PhiloxEngine engine(7), other(7);
  attention.forward(problem.q(), problem.k(), problem.v(), engine);
  other.discard(1);
  EXPECT_EQ(engine, other);  // one number, whatever there was to do
}

// Keys and values behind what a query sees, and queries that see more, change no bit of its row.
TEST(KnnAttention, NothingOfTheFutureLeaks) {
  const std::size_t n = 1100;
  const std::size_t times[] = {100, 230, 455, 500, 701, 830, 1000, 1098};
  std::size_t next = 0;  // three for each setting: each meets six or seven of them
  for (const auto& [heads, kv_heads] : {std::pair<std::size_t, std::size_t>{1, 1}, {3, 1}, {4, 2}})
    for (const bool clusters : {false, true})
      for (int budget = 0; budget < 3; ++budget) {
        const AttentionSizes sizes = sizes_of(n, n, heads, kv_heads);
        const HeadsProblem problem =
            clusters ? clustered_problem(sizes, 8, 24) : gaussian_problem(sizes, 1.0, 8);
        KnnAttentionOptions options = budget == 0 ? fixed() : early();
        if (budget == 2) options.accuracy = Accuracy(0.45, 0.1);
        const AttentionOutput out = forward(problem, options);
        std::vector<std::size_t> lengths(n);
        for (std::size_t i = 0; i < n; ++i) lengths[i] = i * 7919 % (n + 1);
        KnnAttentionOptions prefix = options;
        prefix.attention.mask = AttentionMask::prefix(lengths);
        const AttentionOutput prefix_out = forward(problem, prefix);
        for (int some = 0; some < 3; ++some) {
          const std::size_t t = times[next++ % std::size(times)];
          HeadsProblem other = problem;
          const HeadsProblem noise = gaussian_problem(sizes, 3.0, 1000 + t);
          const auto rest = static_cast<Eigen::Index>(n - t - 1);
          other.queries.bottomRows(rest) = 2.0F * noise.queries.bottomRows(rest);
          other.keys.bottomRows(rest) = 2.0F * noise.keys.bottomRows(rest);
          other.values.bottomRows(rest) = 5.0F * noise.values.bottomRows(rest);
          const AttentionOutput changed = forward(other, options);
          const std::string what = "heads " + std::to_string(heads) + ", clusters " +
                                   std::to_string(clusters) + ", budget " + std::to_string(budget) +
                                   ", t " + std::to_string(t);
          for (std::size_t i = 0; i <= t; ++i)
            ASSERT_TRUE(same_row(out, changed, i)) << what << ", query " << i;
          EXPECT_FALSE(same_row(out, changed, t + 1)) << what;
          // The same by length: queries that see at most t + 1 keys are left as they are.
          other.queries = problem.queries;
          for (std::size_t i = 0; i < n; ++i)
            if (lengths[i] > t + 1)
              other.queries.row(static_cast<Eigen::Index>(i)) =
                  noise.queries.row(static_cast<Eigen::Index>(i));
          const AttentionOutput by_length = forward(other, prefix);
          for (std::size_t i = 0; i < n; ++i)
            ASSERT_TRUE(lengths[i] > t + 1 || same_row(prefix_out, by_length, i))
                << what << ", length " << lengths[i] << ", query " << i;
        }
      }
}

TEST(KnnAttention, MoreCertainKeysThanThereAreIsExact) {
  const HeadsProblem problem = gaussian_problem(sizes_of(40, 500, 2, 1), 1.0, 9);
  constexpr std::size_t all = (std::numeric_limits<std::size_t>::max)();
  const auto exact = [&](const char* what, const KnnAttentionOptions& options) {
    const AttentionOutput out = forward(problem, options);
    const ReferenceAttention reference =
        reference_attention(problem.q(), problem.k(), problem.v(), options.attention);
    check_rows(out, reference, options.attention, 500, what);
    EXPECT_EQ(rows_by(out, AttentionPath::exact), out.rows.size()) << what;
  };
  for (const std::size_t many : {std::size_t{500}, std::size_t{600}, all / 4 + 1, all - 1, all}) {
    for (KnnAttentionOptions options : {early(), fixed()}) {
      options.window = many;
      exact("window", options);
      options.window = 8;
      options.sinks = many;
      exact("sinks", options);
      options.window = many;
      exact("both", options);
      options.window = options.sinks = 8;
      options.tail_samples = many;
      exact("tail", options);
      options.tail_samples = 16;
      options.top_k = many;
      exact("top_k", options);
      options.sample_tail = false;
      exact("top_k alone", options);
    }
  }
}

TEST(KnnAttention, TopKIsReachedWhateverIsLeft) {
  const HeadsProblem problem = gaussian_problem(sizes_of(40, 2000), 0.1, 9);
  KnnAttentionOptions options = fixed();
  options.top_k = 300;
  for (const bool sample_tail : {true, false}) {
    options.sample_tail = sample_tail;
    const AttentionOutput out = forward(problem, options);
    for (const AttentionRow& row : out.rows) {
      EXPECT_GE(row.keys_touched, 300u + 3u + 8u + row.samples);
      EXPECT_LT(row.keys_touched, 1000u);
    }
  }
}

TEST(KnnAttention, TheTopAlonePromisesNothing) {
  const HeadsProblem problem = clustered_problem(sizes_of(300, 900), 9, 16);
  for (KnnAttentionOptions options : {early(), fixed()}) {
    options.sample_tail = false;
    options.top_k = 60;
    const AttentionOutput out = forward(problem, options);
    EXPECT_EQ(rows_by(out, AttentionPath::top_only), out.rows.size());
    const ReferenceAttention reference =
        reference_attention(problem.q(), problem.k(), problem.v(), options.attention);
    for (std::size_t i = 0; i < out.rows.size(); ++i) {
      EXPECT_EQ(out.rows[i].samples, 0u);
      EXPECT_EQ(out.rows[i].error, float_infinity);
      EXPECT_EQ(out.rows[i].log_z_error, float_infinity);
      EXPECT_EQ(out.rows[i].target_met, !options.accuracy.has_value());
      const auto row = static_cast<Eigen::Index>(i);
      EXPECT_LT(out.log_sum_exp(row, 0), reference.log_sum_exp(row, 0) + 1e-5);  // a part of Z
    }
  }
}

TEST(KnnAttention, KeysAllEqual) {
  HeadsProblem problem = gaussian_problem(sizes_of(300, 900), 1.0, 10);
  problem.keys.setOnes();
  for (const KnnAttentionOptions& options : {early(), fixed()}) {
    const AttentionOutput out = forward(problem, options);
    const ReferenceAttention reference =
        reference_attention(problem.q(), problem.k(), problem.v(), options.attention);
    EXPECT_LT(check_rows(out, reference, options.attention, 900, "equal"), 2.0);
    // Every draw has the weight 1 / N: Z^ is Z.
    EXPECT_LT(largest_difference(out.log_sum_exp, reference.log_sum_exp), 1e-4);
  }
}

TEST(KnnAttention, AZeroQueryIsTheMeanOfTheValues) {
  HeadsProblem problem = gaussian_problem(sizes_of(300, 900), 1.0, 11);
  problem.queries.setZero();
  const AttentionOutput out = forward(problem, fixed());
  const ReferenceAttention reference =
      reference_attention(problem.q(), problem.k(), problem.v(), fixed().attention);
  EXPECT_LT(check_rows(out, reference, fixed().attention, 900, "zero"), 2.0);
  EXPECT_NEAR(out.log_sum_exp(299, 0), std::log(900.0), 0.6);
}

TEST(KnnAttention, LargeScores) {
  HeadsProblem problem = clustered_problem(sizes_of(300, 900), 12, 16);
  for (const float factor : {1e3F, -1e3F}) {  // of 9
    HeadsProblem large = problem;
    large.queries *= factor;
    for (const KnnAttentionOptions& options : {early(), fixed()}) {
      const AttentionOutput out = forward(large, options);
      EXPECT_TRUE(out.values.allFinite());
      EXPECT_TRUE(out.log_sum_exp.allFinite());
      const ReferenceAttention reference =
          reference_attention(large.q(), large.k(), large.v(), options.attention);
      // The sum is within its keys' scores, of which float knows 2^-22.
      for (Eigen::Index i = 0; i < out.log_sum_exp.rows(); ++i)
        EXPECT_LT(out.log_sum_exp(i, 0), reference.log_sum_exp(i, 0) + 5.0);
    }
  }
}

// Float squares of the values lie beyond what float holds, or cancel: no error may then come out
// as 0.
TEST(KnnAttention, ErrorsOfValuesFarFromOne) {
  const HeadsProblem problem = gaussian_problem(sizes_of(100, 900), 1.0, 13, 0.0);
  for (const float size : {1e-30F, 1e-20F, 1.0F, 1e17F, 1e25F})
    for (const KnnAttentionOptions& options : {early(), fixed()}) {
      HeadsProblem other = problem;
      other.values *= size;
      const AttentionOutput out = forward(other, options);
      const ReferenceAttention reference =
          reference_attention(other.q(), other.k(), other.v(), options.attention);
      for (std::size_t i = 0; i < out.rows.size(); ++i) {
        if (out.rows[i].path == AttentionPath::exact) continue;
        const auto row = static_cast<Eigen::Index>(i);
        const double error =
            (out.values.row(row).cast<double>() - reference.values.row(row)).norm() /
            out.values.row(row).cast<double>().norm();
        EXPECT_LT(error, 8.0 * static_cast<double>(out.rows[i].error)) << size << ", query " << i;
      }
    }
  HeadsProblem shifted = problem;
  shifted.values.array() += 3e4F;
  KnnAttentionOptions options = early();
  options.accuracy = Accuracy(0.01, 0.1, ErrorScale::absolute);
  const AttentionOutput out = forward(shifted, options);
  EXPECT_EQ(rows_by(out, AttentionPath::exact), out.rows.size());
}

TEST(KnnAttention, ShardsMerge) {
  const HeadsProblem problem = gaussian_problem(sizes_of(50, 1000, 2, 1), 1.0, 14);
  KnnAttentionOptions options = fixed(AttentionMask::full());
  options.tail_samples = 100;
  const AttentionOutput a = forward(problem.sizes, options, problem.q(), problem.k().tokens(0, 600),
                                    problem.v().tokens(0, 600)),
                        b = exact_attention(problem.q(), problem.k().tokens(600, 400),
                                            problem.v().tokens(600, 400), {});
  EXPECT_EQ(rows_by(a, AttentionPath::sampled), a.rows.size());
  const AttentionOutput both = merge(a, b);
  const ReferenceAttention reference =
      reference_attention(problem.q(), problem.k(), problem.v(), options.attention);
  for (Eigen::Index i = 0; i < 50; ++i)
    for (Eigen::Index h = 0; h < 2; ++h) {
      const AttentionRow& row = both.rows[static_cast<std::size_t>(2 * i + h)];
      EXPECT_EQ(row.path, AttentionPath::sampled);
      EXPECT_EQ(row.samples, 100u);
      const auto found = both.values.row(i).segment(12 * h, 12).cast<double>();
      const double error = (found - reference.values.row(i).segment(12 * h, 12)).norm();
      EXPECT_LT(error, 5.0 * static_cast<double>(row.error) * found.norm());
      EXPECT_NEAR(both.log_sum_exp(i, h), reference.log_sum_exp(i, h), 0.5);
    }
}

}  // namespace
}  // namespace lazygumbel::testing
