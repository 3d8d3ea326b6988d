#include <gtest/gtest.h>

#include <lazygumbel/attention/window/sliding_window_attention.hpp>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "attention_checks.hpp"
#include "attention_inputs.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"
#include "window_reference.hpp"

namespace lazygumbel::testing {
namespace {

std::string text(const SlidingWindowOptions& window) {
  return "window " + std::to_string(window.window) + ", logit " +
         std::to_string(window.residual_logit);
}

template <class T>
void expect_window_attention(const AttentionInputs<T>& inputs, const SlidingWindowOptions& window,
                             const AttentionOptions& options = {}, double floor = 2e-6) {
  const std::string what = text(window);
  const AttentionOutput out =
      sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), window, options);
  expect_near(out, WindowProblem{inputs.problem(options), window}.forward(),
              score_bound(inputs.q(), inputs.k(), options), what, floor);
  const std::size_t m = inputs.q().tokens(), n = inputs.k().tokens();
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t h = 0; h < inputs.heads; ++h) {
      const AttentionRow& row = out.rows[i * inputs.heads + h];
      ASSERT_EQ(row.keys_touched, std::min(window.window, n - m + i + 1)) << what;
      ASSERT_EQ(row.error, 0.0F);
      ASSERT_EQ(row.samples, 0u);
      ASSERT_EQ(row.path, AttentionPath::exact);
    }
}

const double forward_logits[] = {0.0, 1.5, -3.0, -infinity};

// What windows ask of the kernels: rows in reversed order, and limits that do not rise.
TEST(SlidingWindowAttention, KernelsReadBackwards) {
  constexpr std::size_t m = 110, n = 600, d = 19, dv = 21;  // several blocks of keys, of rows
  const AttentionInputs<Eigen::half> inputs(m, n, d, dv);
  const RowMatrix<Eigen::half> keys = inputs.keys.colwise().reverse(),
                               values = inputs.values.colwise().reverse();
  std::vector<std::size_t> limits(m);
  for (std::size_t r = 0; r < m; ++r) limits[r] = r % 9 == 0 ? 0 : (r * 389) % (n + 1);
  for (const Simd simd : supported_simds()) {
    const auto attend = [&](const Eigen::half* k, std::ptrdiff_t key_stride, const Eigen::half* v,
                            std::ptrdiff_t value_stride) {
      lazygumbel::detail::BlockAttention attention(
          lazygumbel::detail::select<lazygumbel::detail::ProductKernels>(simd), d, dv, 0.0F);
      lazygumbel::detail::SoftmaxState state;
      state.start(m, attention.value_width());
      attention.add(inputs.queries.data(), d, k, key_stride, v, value_stride, n, limits.data(),
                    0.0F, state);
      return state;
    };
    const lazygumbel::detail::SoftmaxState forwards = attend(keys.data(), d, values.data(), dv),
                                           backwards = attend(inputs.keys.row(n - 1).data(), -19,
                                                              inputs.values.row(n - 1).data(), -21);
    EXPECT_EQ(forwards.largest, backwards.largest);
    EXPECT_EQ(forwards.sums, backwards.sums);
    EXPECT_TRUE(forwards.values == backwards.values);
    EXPECT_EQ(forwards.sums[9], 0.0);
  }
}

TEST(SlidingWindowAttention, EveryWindowAndLogit) {
  AttentionInputs<float> inputs(61, 83, 9, 7, 2, 1);
  inputs.values.array() += 1.0F;
  for (const double logit : forward_logits)
    for (const std::size_t window :
         {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{60}, std::size_t{61},
          std::size_t{82}, std::size_t{83}, std::size_t{84}, std::size_t{1000},
          (std::numeric_limits<std::size_t>::max)()})
      expect_window_attention(inputs, {window, logit});
}

TEST(SlidingWindowAttention, EveryGroupAndFewQueries) {
  for (const std::size_t group : {1, 3, 4, 11})
    for (const std::size_t m : {1, 2, 3, 8, 9, 30}) {
      AttentionInputs<float> inputs(m, 40, 8, 6, 2 * group, 2);
      inputs.values.array() += 1.0F;
      SCOPED_TRACE(std::to_string(m) + " queries, group " + std::to_string(group));
      for (const std::size_t window : {1, 5, 39, 40, 64})
        expect_window_attention(inputs, {window, 0.5});
    }
}

TEST(SlidingWindowAttention, ManyTilesAndRuns) {  // also of sums: more than 8192 rows at once
  expect_window_attention(AttentionInputs<float>(1500, 1500, 4, 3, 2, 1), {700, 0.0});
  expect_window_attention(AttentionInputs<float>(2000, 2100, 3, 4), {5, -1.0});
  expect_window_attention(AttentionInputs<float>(1100, 1300, 4, 4), {300, -infinity});
  expect_window_attention(AttentionInputs<float>(40, 20000, 3, 4), {33, -8.0});
  expect_window_attention(AttentionInputs<float>(1, 20000, 3, 4), {5000, -8.0});
}

TEST(SlidingWindowAttention, ScaleSoftcapAndSinks) {
  const AttentionInputs<float> inputs(50, 70, 24, 16, 4, 2);
  const std::vector<float> sinks{2.0F, -std::numeric_limits<float>::infinity(), 5.0F, -3.0F};
  for (const double logit : forward_logits) {
    expect_window_attention(inputs, {20, logit}, {.scale = -0.3});
    expect_window_attention(inputs, {20, logit}, {.scale = 0.0});
    expect_window_attention(inputs, {20, logit}, {.softcap = 0.7});
    expect_window_attention(inputs, {20, logit}, {.sink_logits = sinks});
    expect_window_attention(inputs, {20, logit}, {.softcap = 2.0, .sink_logits = sinks});
    expect_window_attention(AttentionInputs<float>(1, 30, 24, 16, 4, 2), {20, logit},
                            {.softcap = 2.0, .sink_logits = sinks});
  }
}

TEST(SlidingWindowAttention, StoredAsHalfAndBfloat16) {
  const auto with = [](auto stored) {
    using T = decltype(stored);
    for (const std::size_t m : {3, 70}) {
      AttentionInputs<T> inputs(m, 90, 40, 20, 3, 1);
      inputs.values = (inputs.values.template cast<float>().array() + 1.0F).template cast<T>();
      for (const double logit : forward_logits) expect_window_attention(inputs, {31, logit});
    }
  };
  with(Eigen::half());
  with(Eigen::bfloat16());
}

TEST(SlidingWindowAttention, EveryInstructionSet) {
  const AttentionInputs<float> inputs(110, 290, 40, 20);
  for (const Simd simd : supported_simds())
    for (const std::size_t window : {1, 37, 100, 280})
      expect_window_attention(inputs, {window, 1.0}, {.simd = simd});
}

TEST(SlidingWindowAttention, LargeScores) {
  AttentionInputs<float> inputs(40, 60, 4, 8);
  for (const float size : {1e4F, -1e4F}) {
    inputs.queries.setConstant(50.0F);
    inputs.keys.setConstant(size / 200.0F);
    for (Eigen::Index j = 0; j < 60; ++j) inputs.keys(j, 0) += static_cast<float>(j % 3) / 64.0F;
    for (const double logit : {-1e4, 0.0, 1e4, 10000.75, 1e8 - 0.5, -1e300, -infinity})
      expect_window_attention(inputs, {10, logit}, {.scale = 1.0});
  }
}

TEST(SlidingWindowAttention, EqualKeysAndZeroValues) {
  AttentionInputs<float> inputs(20, 33, 4, 8);
  inputs.keys.rowwise() = inputs.keys.row(0).eval();
  expect_window_attention(inputs, {10, 0.0});
  expect_window_attention(inputs, {10, -infinity});
  inputs.values.setZero();
  const AttentionOutput out =
      sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), {10, 0.0});
  EXPECT_EQ(largest_difference(out.values, 0.0), 0.0);
}

TEST(SlidingWindowAttention, ConstantValuesComeBack) {
  AttentionInputs<float> inputs(300, 400, 6, 5);
  inputs.values.setConstant(3.0F);
  for (const double logit : forward_logits) {
    const AttentionOutput out =
        sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), {17, logit});
    EXPECT_LT(largest_difference(out.values, 3.0), 2e-6);
  }
}

TEST(SlidingWindowAttention, WindowOfAllIsCausalAttention) {
  const AttentionInputs<float> inputs(30, 30, 6, 5, 2, 1);
  const AttentionOutput out = sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), {30});
  const ReferenceAttention causal =
      reference_attention(inputs.q(), inputs.k(), inputs.v(), {.mask = AttentionMask::causal()});
  expect_near(out, causal, score_bound(inputs.q(), inputs.k(), {}), "all");
}

TEST(SlidingWindowAttention, ThreadsDoNotMatter) {
  for (const std::size_t m : {2, 1000}) {
    const AttentionInputs<float> inputs(m, 20000, 4, 4, 4, 2);
    const AttentionOutput one =
        sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), {50, 0.25});
    for (const std::size_t threads : {2, 64, 0})
      expect_same(sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), {50, 0.25},
                                           {.threads = threads}),
                  one, "threads");
  }
}

template <class T>
void expect_strides_do_not_matter_forward() {
  for (const std::size_t m : {2, 25, 90}) {
    const AttentionInputs<T> inputs(m, 100, 6, 5, 4, 2);
    // The memory of an output of another shape.
    AttentionOutput out =
        sliding_window_attention(inputs.q().tokens(0, 1), inputs.k(), inputs.v(), {3});
    for (const SlidingWindowOptions& window : {SlidingWindowOptions{9, 0.5}, {64, -infinity}})
      for (const bool reversed : {false, true}) {
        const ScatteredRows<float> q(inputs.q(), reversed);
        const ScatteredRows<T> k(inputs.k(), reversed), v(inputs.v(), !reversed);
        sliding_window_attention(q.view(), k.view(), v.view(), window, {}, out);
        expect_same(out, sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), window),
                    text(window) + (reversed ? ", reversed" : ""));
      }
  }
}

TEST(SlidingWindowAttention, StridesAndReusedMemory) {
  expect_strides_do_not_matter_forward<float>();
  expect_strides_do_not_matter_forward<Eigen::half>();
}

TEST(SlidingWindowAttention, NoQueries) {
  const AttentionInputs<float> inputs(0, 9, 4, 3);
  EXPECT_EQ(sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), {2}).values.rows(), 0);
  const AttentionInputs<float> nothing(0, 0, 4, 3);
  EXPECT_EQ(sliding_window_attention(nothing.q(), nothing.k(), nothing.v(), {2}).values.rows(), 0);
}

TEST(SlidingWindowAttention, ReadsWhatCounts) {
  for (const std::size_t m : {2, 30}) {
    AttentionInputs<float> inputs(m, 60, 4, 3);
    const auto says = [&](double logit) {
      return message_of<std::invalid_argument>([&] {
        sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), {5, logit});
      });
    };
    inputs.keys.topRows(60 - static_cast<Eigen::Index>(m) - 4).setConstant(float_nan);
    EXPECT_EQ(says(0.0), "(nothing was thrown)");
    inputs.values.topRows(60 - static_cast<Eigen::Index>(m) - 4).setConstant(float_nan);
    EXPECT_EQ(says(-infinity), "(nothing was thrown)");
    inputs.keys.setZero();
    EXPECT_EQ(says(0.0), "lazygumbel: values(token 0, head 0, 0) = nan: must be finite");
    inputs.values.setZero();
    // The oldest token that some window has.
    inputs.keys(60 - static_cast<Eigen::Index>(m) - 4, 1) = float_nan;
    EXPECT_EQ(says(-infinity), "lazygumbel: keys(token " + std::to_string(56 - m) +
                                   ", head 0, 1) = nan: must be finite");
    inputs.keys.setZero();
    inputs.keys(59, 1) = static_cast<float>(infinity);
    EXPECT_EQ(says(-infinity), "lazygumbel: keys(token 59, head 0, 1) = inf: must be finite");
    inputs.keys.setZero();
    inputs.values(55, 2) = float_nan;
    EXPECT_EQ(says(-infinity), "lazygumbel: values(token 55, head 0, 2) = nan: must be finite");
    inputs.values.setZero();
    inputs.queries(1, 2) = float_nan;
    EXPECT_EQ(says(-infinity), "lazygumbel: queries(token 1, head 0, 2) = nan: must be finite");
  }
}

TEST(SlidingWindowAttention, NamesOnlyWhatIsRead) {
  for (const std::size_t m : {2, 30}) {
    const auto unread = static_cast<Eigen::Index>(56 - m);  // rows before every window
    AttentionInputs<float> inputs(m, 60, 4, 3);
    inputs.keys.topRows(unread).setConstant(float_nan);
    const auto says = [&](double logit) {
      return message_of<std::invalid_argument>([&] {
        sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), {5, logit});
      });
    };
    inputs.values(58, 1) = float_nan;  // keys that are not read are NaN, too
    EXPECT_EQ(says(0.5), "lazygumbel: values(token 58, head 0, 1) = nan: must be finite");
    EXPECT_EQ(says(-infinity), "lazygumbel: values(token 58, head 0, 1) = nan: must be finite");
    inputs.values.topRows(unread).setConstant(float_nan);
    EXPECT_EQ(says(0.5), "lazygumbel: values(token 0, head 0, 0) = nan: must be finite");
    EXPECT_EQ(says(-infinity), "lazygumbel: values(token 58, head 0, 1) = nan: must be finite");
    inputs.values(58, 1) = 0.0F;
    inputs.keys(59, 2) = float_nan;
    EXPECT_EQ(says(-infinity), "lazygumbel: keys(token 59, head 0, 2) = nan: must be finite");
    inputs.keys.row(59).setConstant(3e38F);
    inputs.queries.setOnes();
    EXPECT_EQ(says(-infinity),
              "lazygumbel: scale * <query, key> = inf or nan: scores or sums overflow float");
  }
}

TEST(SlidingWindowAttention, RefusesWhatDoesNotFit) {
  const AttentionInputs<float> inputs(12, 11, 4, 6, 2, 1), good(5, 11, 4, 6, 2, 1);
  const auto says = [](const AttentionInputs<float>& of, const SlidingWindowOptions& window,
                       const AttentionOptions& options = {}) {
    return message_of<std::invalid_argument>(
        [&] { sliding_window_attention(of.q(), of.k(), of.v(), window, options); });
  };
  EXPECT_EQ(says(inputs, {3, 0.0}),
            "lazygumbel: queries.tokens() = 12: exceeds keys.tokens() = 11 under a sliding window");
  EXPECT_EQ(says(good, {0}), "lazygumbel: window = 0: must be at least 1");
  EXPECT_EQ(says(good, {3, infinity}),
            "lazygumbel: residual_logit = inf: must be at most 1e8, or -infinity for none");
  EXPECT_EQ(says(good, {3, 0.0}, {.mask = AttentionMask::causal()}),
            "lazygumbel: mask = not full: must be full: a sliding window is causal by itself");
  EXPECT_EQ(says(good, {3, 0.0}, {.softcap = -1.0}),
            "lazygumbel: softcap = -1: must be at least 0 and finite");
}

}  // namespace
}  // namespace lazygumbel::testing
