#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <lazygumbel/attention/exact/detail/blocked_parts.hpp>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "attention_checks.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

TEST(LargestDifference, CountsNaNAndInfinities) {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  const Eigen::MatrixXd zero = Eigen::MatrixXd::Zero(5, 7);
  for (const bool other : {false, true})
    for (Eigen::Index at = 0; at < zero.size(); ++at) {
      Eigen::MatrixXd matrix = zero;
      matrix(0, 0) = 3.0;
      matrix.data()[at] = none;
      EXPECT_TRUE(
          std::isnan(other ? largest_difference(zero, matrix) : largest_difference(matrix, zero)));
      EXPECT_TRUE(std::isnan(largest_difference(matrix, matrix)));
      EXPECT_TRUE(std::isnan(largest_difference(matrix.cast<float>(), 0.0)));
      matrix.data()[at] = -infinite;
      EXPECT_EQ(largest_difference(matrix, zero), infinite);
      EXPECT_EQ(largest_difference(matrix, -matrix), infinite);
      EXPECT_EQ(largest_difference(matrix, matrix), 0.0);
      matrix.data()[at] = -4.0;
      EXPECT_EQ(largest_difference(matrix, zero), 4.0);
    }
  EXPECT_EQ(largest_difference(zero, zero.topRows(4)), infinite);
  EXPECT_EQ(largest_difference(zero.topRows(0), 1.0), 0.0);
}

// Few queries are streamed, 19 are multiplied in blocks; odd sizes leave tails of every length.
TEST(ExactAttention, IsTheReferenceAtAllSizes) {
  const std::size_t ds[] = {1, 3, 15, 16, 17, 64, 100, 128, 200};
  const std::size_t dvs[] = {3, 200, 1, 17, 64, 15, 128, 100, 16};
  std::uint64_t seed = 1;
  for (std::size_t i = 0; i < std::size(ds); ++i)
    for (const std::size_t n : {1, 2, 15, 31, 32, 33, 255, 256, 257, 1000})
      for (const std::size_t m : {1, 5, 19}) {
        const AttentionSizes sizes{.queries = m, .keys = n, .d = ds[i], .dv = dvs[i]};
        expect_exact_all(gaussian_problem(sizes, 1.0, ++seed), {}, text_of(sizes));
        if (HasFatalFailure()) return;
      }
}

TEST(ExactAttention, QueriesOneToEightAndJustBeyond) {
  for (std::size_t m = 1; m <= 10; ++m) {
    const AttentionSizes sizes{
        .queries = m, .keys = 700, .heads = 2, .kv_heads = 2, .d = 20, .dv = 12};
    const HeadsProblem problem = gaussian_problem(sizes, 2.0, m);
    expect_exact_all(problem, {}, text_of(sizes));
    expect_exact_all(problem, {.mask = AttentionMask::causal()}, "causal, " + text_of(sizes));
    if (HasFatalFailure()) return;
  }
}

TEST(ExactAttention, ManyTilesOfQueries) {
  const AttentionSizes sizes{
      .queries = 401, .keys = 530, .heads = 5, .kv_heads = 1, .d = 9, .dv = 7};
  std::vector<std::size_t> lengths(sizes.queries);
  for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = i * 7919 % 531;
  const HeadsProblem problem = gaussian_problem(sizes, 1.5, 3);
  expect_exact_all(problem, {}, "full");
  expect_exact_all(problem, {.mask = AttentionMask::causal()}, "causal");
  expect_exact_all(problem, {.mask = AttentionMask::prefix(lengths)}, "prefix");
}

TEST(ExactAttention, AnyRatioOfHeads) {
  for (std::size_t ratio = 1; ratio <= 12; ++ratio)
    for (const std::size_t kv_heads : {1, 3})
      for (const std::size_t m : {1, 2, 30}) {
        const AttentionSizes sizes{.queries = m,
                                   .keys = 97,
                                   .heads = ratio * kv_heads,
                                   .kv_heads = kv_heads,
                                   .d = 24,
                                   .dv = 10};
        const HeadsProblem problem = gaussian_problem(sizes, 1.0, ratio);
        expect_exact_all(problem, {.mask = AttentionMask::causal()}, text_of(sizes));
        if (HasFatalFailure()) return;
      }
}

TEST(ExactAttention, MasksSinksCapsAndScalesTogether) {
  const std::vector<float> sinks = {0.5F, -float_infinity, 3.0F, -80.0F, 200.0F, 0.0F};
  std::uint64_t seed = 50;
  for (const std::size_t m : {1, 2, 45}) {
    const AttentionSizes sizes{
        .queries = m, .keys = 270, .heads = 6, .kv_heads = 2, .d = 18, .dv = 21};
    std::vector<std::size_t> lengths(m);
    for (std::size_t i = 0; i < m; ++i) lengths[i] = i % 4 == 0 ? 0 : i * 6;
    lengths.back() = m == 1 ? 0 : 270;
    const HeadsProblem problem = gaussian_problem(sizes, 2.0, ++seed);
    for (const AttentionMask& mask :
         {AttentionMask::full(), AttentionMask::causal(), AttentionMask::prefix(lengths)})
      for (const bool with_sinks : {false, true})
        for (const double softcap : {0.0, 0.5, 3.0, 30.0, 1e5})
          for (const double scale : {0.25, -0.25, 0.0, 2.0}) {
            AttentionOptions options{.scale = scale, .softcap = softcap, .mask = mask};
            if (with_sinks) options.sink_logits = sinks;
            expect_exact_stored<float>(problem, options,
                                       text_of(sizes) + ", cap " + std::to_string(softcap) +
                                           ", scale " + std::to_string(scale));
            if (HasFatalFailure()) return;
          }
  }
}

TEST(ExactAttention, QueriesThatSeeNothing) {
  const std::vector<float> sinks = {1.5F, -float_infinity};
  for (const std::size_t m : {2, 20}) {
    const AttentionSizes sizes{
        .queries = m, .keys = 40, .heads = 2, .kv_heads = 1, .d = 5, .dv = 3};
    const std::vector<std::size_t> lengths(m, 0);
    const HeadsProblem problem = gaussian_problem(sizes, 1.0, 7);
    AttentionOptions options{.mask = AttentionMask::prefix(lengths)};
    const AttentionOutput bare = exact_attention(problem.q(), problem.k(), problem.v(), options);
    EXPECT_TRUE((bare.values.array() == 0.0F).all());
    EXPECT_TRUE((bare.log_sum_exp.array() == -std::numeric_limits<double>::infinity()).all());
    options.sink_logits = sinks;
    const AttentionOutput out = exact_attention(problem.q(), problem.k(), problem.v(), options);
    EXPECT_TRUE((out.values.array() == 0.0F).all());
    EXPECT_TRUE((out.log_sum_exp.col(0).array() == 1.5).all());
    EXPECT_TRUE((out.log_sum_exp.col(1).array() == -std::numeric_limits<double>::infinity()).all());
    EXPECT_EQ(out.rows[0].keys_touched, 0U);
  }
}

TEST(ExactAttention, NoQueriesAndNoKeys) {
  const RowMatrix<float> some = RowMatrix<float>::Ones(20, 4);
  const HeadsView<float> none(nullptr, 0, 2, 2, 4, 2);
  const AttentionOutput empty =
      exact_attention(none, HeadsView<float>(some, 2), HeadsView<float>(some, 2).tokens(0, 20));
  EXPECT_EQ(empty.values.rows(), 0);
  EXPECT_EQ(empty.values.cols(), 4);
  EXPECT_EQ(empty.log_sum_exp.rows(), 0);
  EXPECT_TRUE(empty.rows.empty());
  for (const std::size_t m : {1, 20}) {
    const AttentionOutput out = exact_attention(HeadsView<float>(some, 2).tokens(0, m), none, none);
    EXPECT_TRUE((out.values.array() == 0.0F).all());
    EXPECT_EQ(out.values.rows(), static_cast<Eigen::Index>(m));
    EXPECT_TRUE((out.log_sum_exp.array() == -std::numeric_limits<double>::infinity()).all());
  }
}

// Few tiles over many keys: parts of the keys, of which some queries see none.
TEST(ExactAttention, PartsOfTheKeys) {
  const std::vector<float> sinks = {
      0.5F, -float_infinity, 3.0F, -80.0F, 20.0F, 0.0F, 1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F};
  for (const auto& [m, n, heads] :
       {std::array<std::size_t, 3>{1, 4099, 12}, {9, 2500, 1}, {5, 3000, 12}, {40, 2100, 3}}) {
    const AttentionSizes sizes{
        .queries = m, .keys = n, .heads = heads, .kv_heads = 1, .d = 12, .dv = 9};
    std::vector<std::size_t> lengths(m, n - 1);
    for (std::size_t i = 0; i + 1 < m; ++i) lengths[i] = i % 3 == 0 ? 0 : i * 997 % n;
    const HeadsProblem problem = gaussian_problem(sizes, 2.0, n);
    for (const AttentionMask& mask :
         {AttentionMask::full(), AttentionMask::causal(), AttentionMask::prefix(lengths)}) {
      AttentionOptions options{.mask = mask};
      expect_exact_all(problem, options, text_of(sizes));
      options.softcap = 3.0;
      options.sink_logits = std::span(sinks).first(heads);
      expect_exact_all(problem, options, "sinks, " + text_of(sizes));
      if (HasFatalFailure()) return;
    }
  }
}

// With units dealt to whoever is free, the larger of two threads' shares is at most 1 / 1.8.
TEST(ExactAttention, TwoThreadsShareEveryShape) {
  for (const std::size_t keys : {8192, 65536})
    for (std::size_t m = 1; m <= 768; ++m)
      for (std::size_t heads = 1; heads <= 128; heads += heads < 16 ? 1 : 7) {
        if (m * heads <= lazygumbel::detail::streamed_queries) continue;
        const lazygumbel::detail::AttentionShape shape{
            .queries = m, .keys = keys, .heads = heads, .kv_heads = 1};
        const lazygumbel::detail::BlockedCut cut(shape);
        std::size_t shares[2] = {0, 0};  // queries times parts
        for (std::size_t tile = cut.tiles; tile-- > 0;)
          for (std::size_t part = 0; part < cut.parts; ++part)
            shares[shares[0] > shares[1] ? 1 : 0] += std::min(cut.tile, m - tile * cut.tile);
        ASSERT_EQ(shares[0] + shares[1], m * cut.parts);
        ASSERT_LE(1.8 * static_cast<double>(std::max(shares[0], shares[1])),
                  static_cast<double>(m * cut.parts))
            << "m " << m << ", heads " << heads << ", keys " << keys;
      }
}

// Nor do parts of the keys or tiles of the queries depend on the threads.
TEST(ExactAttention, ThreadsChangeNothing) {
  for (const auto& [m, n, heads] : {std::array<std::size_t, 3>{1, 9000, 2},
                                    {2, 40, 2},
                                    {400, 410, 4},
                                    {9, 5000, 2},
                                    {1, 9000, 34},
                                    {90, 3000, 34},
                                    {700, 2100, 2}}) {
    const AttentionSizes sizes{
        .queries = m, .keys = n, .heads = heads, .kv_heads = 2, .d = 12, .dv = 9};
    const HeadsProblem problem = gaussian_problem(sizes, 2.0, n);
    AttentionOptions options{.mask = AttentionMask::causal()};
    const AttentionOutput one = exact_attention(problem.q(), problem.k(), problem.v(), options);
    for (const std::size_t threads : {2, 5, 0}) {
      options.threads = threads;
      expect_same(exact_attention(problem.q(), problem.k(), problem.v(), options), one,
                  text_of(sizes) + ", threads " + std::to_string(threads));
    }
  }
}

// The gaps hold NaN: a load that strays into them shows.
TEST(ExactAttention, ReadsViewsOfEveryLayout) {
  constexpr std::size_t n = 75, heads = 3, d = 19, dv = 13;
  for (const std::size_t m : {2, 40}) {
    const AttentionSizes sizes{
        .queries = m, .keys = n, .heads = 2 * heads, .kv_heads = heads, .d = d, .dv = dv};
    const HeadsProblem problem = gaussian_problem(sizes, 1.0, 11);
    AttentionOptions options{.mask = AttentionMask::causal()};
    const AttentionOutput expected =
        exact_attention(problem.q(), problem.k(), problem.v(), options);
    const auto copy = [](const HeadsView<float>& from, std::vector<float>& to, std::ptrdiff_t start,
                         std::ptrdiff_t token_stride, std::ptrdiff_t head_stride) {
      to.assign(60000, float_nan);
      for (std::size_t i = 0; i < from.tokens(); ++i)
        for (std::size_t h = 0; h < from.heads(); ++h)
          std::copy_n(from.row(i, h), from.dimension(),
                      to.data() + start + static_cast<std::ptrdiff_t>(i) * token_stride +
                          static_cast<std::ptrdiff_t>(h) * head_stride);
      return HeadsView<float>(to.data() + start, from.tokens(), from.heads(), from.dimension(),
                              token_stride, head_stride);
    };
    std::vector<float> q, k, v;
    // One head after the other; tokens far apart; heads and tokens in reverse order.
    const HeadsView<float> apart_k = copy(problem.k(), k, 1, d, d * n + 5);
    expect_same(exact_attention(copy(problem.q(), q, 3, d + 1, (d + 1) * m), apart_k,
                                copy(problem.v(), v, 2, dv + 3, (dv + 3) * n), options),
                expected, "apart");
    const HeadsView<float> wide_k = copy(problem.k(), k, 7, 150, 41);
    expect_same(exact_attention(copy(problem.q(), q, 0, 1000, 30), wide_k,
                                copy(problem.v(), v, 5, 200, 29), options),
                expected, "wide");
    const HeadsView<float> reversed_k = copy(problem.k(), k, 50000, -100, -20);
    expect_same(
        exact_attention(problem.q(), reversed_k, copy(problem.v(), v, 50001, -90, 17), options),
        expected, "reversed");
  }
}

TEST(ExactAttention, ReadsBlocksOfLargerMatrices) {
  RowMatrix<Eigen::half> rows = RowMatrix<Eigen::half>::Constant(90, 100, Eigen::half(float_nan));
  const AttentionSizes sizes{
      .queries = 12, .keys = 60, .heads = 2, .kv_heads = 2, .d = 17, .dv = 8};
  const HeadsProblem problem = gaussian_problem(sizes, 1.0, 13);
  rows.block(10, 5, 60, 34) = stored_as<Eigen::half>(problem.keys);
  rows.block(10, 50, 60, 16) = stored_as<Eigen::half>(problem.values);
  const HeadsView<Eigen::half> keys(rows.block(10, 5, 60, 34), 2),
      values(rows.block(10, 50, 60, 16), 2);
  expect_exact(problem.q(), keys, values, {}, "blocks");
  expect_exact(problem.q().tokens(3, 4), keys.tokens(20, 31), values.tokens(20, 31), {}, "tokens");
}

TEST(ExactAttention, LargeScores) {
  for (const std::size_t m : {2, 20})
    for (const double largest : {100.0, 1e3, 1e4}) {
      const AttentionSizes sizes{.queries = m, .keys = 600, .d = 16, .dv = 10};
      const HeadsProblem problem = gaussian_problem(sizes, largest / 4.0, m);
      expect_exact_all(problem, {}, "peaked");
      // All near one large score, of either sign: differences of a few that must survive.
      HeadsProblem level = gaussian_problem(sizes, 1.0, m);
      level.keys.col(0).setConstant(32.0F);
      level.queries.col(0).setConstant(static_cast<float>(largest / 32.0));
      expect_exact_all(level, {.scale = 1.0}, "level");
      expect_exact_all(level, {.scale = -1.0}, "level, negative");
    }
}

// The largest score comes last, so that all sums are rescaled again and again; or first.
TEST(ExactAttention, RisingAndFallingScores) {
  for (const std::size_t m : {1, 12})
    for (const double step : {0.01, 0.5, 40.0}) {
      const AttentionSizes sizes{.queries = m, .keys = 2000, .d = 2, .dv = 5};
      HeadsProblem problem = gaussian_problem(sizes, 1.0, 5);
      problem.queries.setConstant(1.0F);
      for (Eigen::Index j = 0; j < problem.keys.rows(); ++j)
        problem.keys.row(j).setConstant(static_cast<float>(step * static_cast<double>(j) / 2.0));
      expect_exact_stored<float>(problem, {.scale = 1.0}, "rising");
      expect_exact_stored<float>(problem, {.scale = -1.0}, "falling");
    }
}

// Changed keys and values that a query does not see change nothing, bit for bit.
TEST(ExactAttention, NothingLeaksFromUnseenKeys) {
  for (const std::size_t m : {3, 50}) {
    const AttentionSizes sizes{
        .queries = m, .keys = 300, .heads = 2, .kv_heads = 1, .d = 8, .dv = 9};
    std::vector<std::size_t> lengths(m);
    for (std::size_t i = 0; i < m; ++i) lengths[i] = i * 131 % 290;
    const HeadsProblem problem = gaussian_problem(sizes, 1.0, 21);
    for (const AttentionMask& mask : {AttentionMask::causal(), AttentionMask::prefix(lengths)})
      for (const Simd simd : supported_simds()) {
        const AttentionOptions options{.mask = mask, .simd = simd};
        const AttentionOutput before =
            exact_attention(problem.q(), problem.k(), problem.v(), options);
        for (std::size_t i = 0; i < m; ++i) {
          HeadsProblem changed = problem;
          const auto seen = static_cast<Eigen::Index>(mask.visible(i, m, sizes.keys));
          changed.keys.bottomRows(300 - seen).setConstant(40.0F);
          changed.values.bottomRows(300 - seen).setConstant(-1e30F);
          const AttentionOutput after =
              exact_attention(changed.q(), changed.k(), changed.v(), options);
          const auto row = static_cast<Eigen::Index>(i);
          ASSERT_TRUE(before.values.row(row) == after.values.row(row)) << i;
          ASSERT_TRUE(before.log_sum_exp.row(row) == after.log_sum_exp.row(row)) << i;
        }
      }
  }
}

TEST(ExactAttention, ReusesItsOutput) {
  AttentionOutput out;
  for (const std::size_t m : {30, 2, 11}) {
    const AttentionSizes sizes{
        .queries = m, .keys = 50 + m, .heads = 3, .kv_heads = 1, .d = 6, .dv = m};
    const HeadsProblem problem = gaussian_problem(sizes, 1.0, m);
    if (m == 11)
      for (AttentionRow& row : out.rows) row = {1, 2, 3.0F, AttentionPath::sampled, false};
    const AttentionOptions options{.mask = AttentionMask::causal()};
    exact_attention(problem.q(), problem.k(), problem.v(), options, out);
    expect_same(out, exact_attention(problem.q(), problem.k(), problem.v(), options), "reused");
    ASSERT_EQ(out.rows.size(), 3 * m);
    for (std::size_t r = 0; r < out.rows.size(); ++r) {
      EXPECT_EQ(out.rows[r].keys_touched, 50 + r / 3 + 1);
      EXPECT_EQ(out.rows[r].samples, 0U);
      EXPECT_EQ(out.rows[r].error, 0.0F);
      EXPECT_EQ(out.rows[r].path, AttentionPath::exact);
      EXPECT_TRUE(out.rows[r].target_met);
    }
  }
}

// What is not finite is named wherever it is; in the first, the last and middle rows, whatever
// instruction set and path.
template <class T>
void expect_named(std::size_t m) {
  const AttentionSizes sizes{
      .queries = m, .keys = 290, .heads = 4, .kv_heads = 2, .d = 19, .dv = 21};
  const HeadsProblem problem = gaussian_problem(sizes, 1.0, 31);
  RowMatrix<float> q = problem.queries;
  RowMatrix<T> k = stored_as<T>(problem.keys), v = stored_as<T>(problem.values);
  for (const Simd simd : supported_simds())
    for (const double softcap : {0.0, 5.0})
      for (const float bad : {float_nan, float_infinity, -float_infinity}) {
        const AttentionOptions options{
            .softcap = softcap, .mask = AttentionMask::causal(), .simd = simd};
        const auto message = [&](auto& matrix, Eigen::Index row, Eigen::Index column) {
          const auto kept = matrix(row, column);
          matrix(row, column) = static_cast<std::decay_t<decltype(kept)>>(bad);
          const std::string text = message_of<std::invalid_argument>([&] {
            exact_attention(HeadsView<float>(q, 4), HeadsView<T>(k, 2), HeadsView<T>(v, 2),
                            options);
          });
          matrix(row, column) = kept;
          return text;
        };
        const std::string end =
            " = " + std::string(lazygumbel::detail::text_of(bad)) + ": must be finite";
        const auto last = static_cast<Eigen::Index>(m) - 1;
        ASSERT_EQ(message(q, 0, 0), "lazygumbel: queries(token 0, head 0, 0)" + end);
        ASSERT_EQ(message(q, last, 75),
                  "lazygumbel: queries(token " + std::to_string(last) + ", head 3, 18)" + end);
        for (const Eigen::Index token : {0, 17, 289}) {  // the last is seen by the last query only
          const std::string at = "(token " + std::to_string(token);
          ASSERT_EQ(message(k, token, 0), "lazygumbel: keys" + at + ", head 0, 0)" + end);
          ASSERT_EQ(message(k, token, 37), "lazygumbel: keys" + at + ", head 1, 18)" + end);
          ASSERT_EQ(message(v, token, 1), "lazygumbel: values" + at + ", head 0, 1)" + end);
          ASSERT_EQ(message(v, token, 41), "lazygumbel: values" + at + ", head 1, 20)" + end);
        }
      }
}
TEST(ExactAttention, NamesWhatIsNotFinite) {
  for (const std::size_t m : {1, 2, 25}) {
    expect_named<float>(m);
    expect_named<Eigen::half>(m);
    expect_named<Eigen::bfloat16>(m);
  }
}

// Of many such rows, met by several threads, the first.
TEST(ExactAttention, NamesTheFirstOnAllThreads) {
  for (const std::size_t m : {1, 900}) {
    HeadsProblem problem = gaussian_problem({.queries = m, .keys = 9000, .d = 3, .dv = 2}, 1.0, 3);
    problem.values.bottomRows(6000).setConstant(float_nan);
    problem.keys.bottomRows(4000).setConstant(float_infinity);
    for (const std::size_t threads : {2, 5})
      EXPECT_EQ(message_of<std::invalid_argument>([&] {
                  exact_attention(problem.q(), problem.k(), problem.v(), {.threads = threads});
                }),
                "lazygumbel: keys(token 5000, head 0, 0) = inf: must be finite");
  }
}

// A key whose weight is 0 to float, too: -inf and NaN must not pass for it.
TEST(ExactAttention, RefusesScoresThatOverflow) {
  const std::string message =
      "lazygumbel: scale * <query, key> = inf or nan: scores or sums overflow float";
  for (const Simd simd : supported_simds())
    for (const std::size_t m : {1, 20}) {
      const AttentionSizes sizes{.queries = m, .keys = 40, .d = 2, .dv = 3};
      const auto text = [&](const HeadsProblem& problem, AttentionOptions options) {
        options.simd = simd;
        return message_of<std::invalid_argument>(
            [&] { exact_attention(problem.q(), problem.k(), problem.v(), options); });
      };
      for (const double softcap : {0.0, 10.0}) {
        const AttentionOptions options{.scale = 1.0, .softcap = softcap};
        for (const Eigen::Index token : {0, 21, 39}) {
          HeadsProblem problem = gaussian_problem(sizes, 1.0, 1);
          problem.queries.setConstant(1e20F);
          problem.keys *= 1e-20F;
          problem.keys.row(token) << 1e20F, 1e20F;
          EXPECT_EQ(text(problem, options), message) << "inf";
          problem.keys.row(token) *= -1.0F;
          EXPECT_EQ(text(problem, options), message) << "-inf";
          problem.keys.row(token) << -1e20F, 1e20F;
          EXPECT_EQ(text(problem, options), message) << "nan";
        }
      }
      const HeadsProblem fine = gaussian_problem(sizes, 1.0, 2);
      EXPECT_EQ(text(fine, {.scale = 1e300}), message);
      HeadsProblem values = fine;
      values.values.setConstant(3e38F);
      EXPECT_EQ(text(values, {}), message);
    }
}

// A scale that no float holds, where the scores are fine.
TEST(ExactAttention, ScalesBeyondFloat) {
  for (const std::size_t m : {1, 20}) {
    HeadsProblem problem = gaussian_problem({.queries = m, .keys = 50, .d = 7, .dv = 3}, 1.0, 3);
    problem.queries *= 1e25F;
    problem.keys *= 1e25F;
    expect_exact_stored<float>(problem, {.scale = 1e-50}, "small");
    problem.queries *= 1e-37F;
    problem.queries *= 1e-25F;
    EXPECT_TRUE(problem.queries.isZero());
    problem.queries.setConstant(1e-30F);
    problem.keys *= 1e-35F;
    expect_exact_stored<float>(problem, {.scale = 1e40}, "large");
  }
}

TEST(ExactAttention, RowsThatNoQuerySeesAreNotRead) {
  for (const std::size_t m : {2, 30}) {
    HeadsProblem problem = gaussian_problem({.queries = m, .keys = 100, .d = 6, .dv = 5}, 1.0, 3);
    std::vector<std::size_t> lengths(m, 31);
    lengths.back() = 77;
    for (const Simd simd : supported_simds()) {
      const AttentionOptions options{.mask = AttentionMask::prefix(lengths), .simd = simd};
      const AttentionOutput before =
          exact_attention(problem.q(), problem.k(), problem.v(), options);
      HeadsProblem changed = problem;
      changed.keys.bottomRows(23).setConstant(float_nan);
      changed.values.bottomRows(23).setConstant(float_infinity);
      expect_same(exact_attention(changed.q(), changed.k(), changed.v(), options), before,
                  "unseen");
    }
  }
}

TEST(ExactAttention, RefusesWhatDoesNotFit) {
  const RowMatrix<float> rows = RowMatrix<float>::Ones(12, 12);
  const HeadsView<float> one(rows, 1), two(rows, 2);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { exact_attention(one, two, two); }),
            "lazygumbel: keys.dimension() = 6: must equal queries.dimension() = 12");
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { exact_attention(one, one, one, {.softcap = -1.0}); }),
      "lazygumbel: softcap = -1: must be at least 0 and finite");
}

TEST(ExactAttention, MergesShards) {
  const std::vector<float> sinks = {0.5F, 4.0F, -float_infinity, 1.0F};
  for (const std::size_t m : {2, 30}) {
    const AttentionSizes sizes{
        .queries = m, .keys = 333, .heads = 4, .kv_heads = 2, .d = 10, .dv = 11};
    const HeadsProblem problem = gaussian_problem(sizes, 2.0, 17);
    for (const bool with_sinks : {false, true})
      for (const std::size_t cut : {0, 1, 100, 332, 333}) {
        AttentionOptions options;
        const HeadsView<float> k = problem.k(), v = problem.v();
        const AttentionOutput b =
            exact_attention(problem.q(), k.tokens(cut, 333 - cut), v.tokens(cut, 333 - cut));
        if (with_sinks) options.sink_logits = sinks;
        const AttentionOutput a =
            exact_attention(problem.q(), k.tokens(0, cut), v.tokens(0, cut), options);
        const ReferenceAttention whole = reference_attention(problem.q(), k, v, options);
        const double bound = score_bound(problem.q(), k, options);
        expect_near(merge(a, b), whole, bound, "a, b");
        expect_near(merge(b, a), whole, bound, "b, a");
        EXPECT_EQ(merge(a, b).rows[0].keys_touched, 333U);
      }
  }
}

}  // namespace
}  // namespace lazygumbel::testing
