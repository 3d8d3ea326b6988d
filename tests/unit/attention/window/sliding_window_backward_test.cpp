#include <gtest/gtest.h>

#include <cstdint>
#include <lazygumbel/attention/window/sliding_window_attention.hpp>
#include <lazygumbel/attention/window/sliding_window_backward.hpp>
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

const double backward_logits[] = {0.0, 1.5, -3.0, -infinity};

template <class T>
AttentionGradients backward(const AttentionInputs<T>& inputs, const SlidingWindowOptions& window,
                            const AttentionOptions& options = {}) {
  AttentionGradients out;
  sliding_window_backward(
      inputs.q(), inputs.k(), inputs.v(), window, options,
      sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), window, options), inputs.g(),
      out);
  return out;
}

template <class T>
void expect_window_gradients(const AttentionInputs<T>& inputs, const SlidingWindowOptions& window,
                             const AttentionOptions& options = {}, double tolerance = 3e-6) {
  SCOPED_TRACE("window " + std::to_string(window.window) + ", logit " +
               std::to_string(window.residual_logit));
  const AttentionGradients out = backward(inputs, window, options);
  const WindowProblem problem{inputs.problem(options), window};
  const WindowProblem::Gradients reference =
      problem.backward(inputs.gradients.template cast<double>());
  // Of the terms that cancel in a window of one token nothing is left: relative to the values'.
  const double floor = 1e-6 * reference.of.values.norm();
  const auto expect = [&](const auto& gradient, const auto& of, const char* what) {
    const double error = (gradient.template cast<double>() - of).norm();
    EXPECT_LT(error, tolerance * of.norm() + floor) << what;
  };
  expect(out.queries, reference.of.queries, "queries");
  expect(out.keys, reference.of.keys, "keys");
  EXPECT_LT(relative_error(out.values, reference.of.values), tolerance);
  ASSERT_EQ(out.sink_logits.size(), reference.of.sinks.size());
  if (out.sink_logits.size() > 0) expect(out.sink_logits, reference.of.sinks, "sinks");
  EXPECT_NEAR(out.residual_logit, reference.residual_logit,
              tolerance * std::abs(reference.residual_logit) + floor);
  EXPECT_EQ(out.errors.queries, 0.0);
}

TEST(SlidingWindowBackward, ReferenceIsTheDerivative) {
  const AttentionInputs<float> inputs(5, 9, 3, 2, 4, 2);
  const std::vector<float> sinks{0.3F, -0.5F, 1.0F, 0.0F};
  for (const double softcap : {0.0, 1.5})
    for (const std::size_t window : {1, 3, 6}) {
      WindowProblem w{inputs.problem({.softcap = softcap, .sink_logits = sinks}), {window, 0.4}};
      const RowMatrix<double> g = inputs.gradients.cast<double>();
      const WindowProblem::Gradients reference = w.backward(g);
      const auto expect_derivative = [&](double& x, double gradient) {
        constexpr double step = 1e-5;
        const double before = x;
        x = before + step;
        const double above = w.loss(g);
        x = before - step;
        const double below = w.loss(g);
        x = before;
        EXPECT_NEAR((above - below) / (2 * step), gradient, 1e-8);
      };
      AttentionProblem& p = w.problem;
      for (Eigen::Index i = 0; i < p.queries.size(); ++i)
        expect_derivative(p.queries.data()[i], reference.of.queries.data()[i]);
      for (Eigen::Index i = 0; i < p.keys.size(); ++i)
        expect_derivative(p.keys.data()[i], reference.of.keys.data()[i]);
      for (Eigen::Index i = 0; i < p.values.size(); ++i)
        expect_derivative(p.values.data()[i], reference.of.values.data()[i]);
      for (std::size_t h = 0; h < sinks.size(); ++h)
        expect_derivative(p.sinks[h], reference.of.sinks[static_cast<Eigen::Index>(h)]);
      expect_derivative(w.window.residual_logit, reference.residual_logit);
    }
}

TEST(SlidingWindowBackward, IsTheDerivativeOfTheForward) {  // differences of the float forward
  AttentionInputs<float> inputs(6, 12, 3, 2, 2, 1);
  const SlidingWindowOptions window{4, 0.25};
  const AttentionGradients out = backward(inputs, window);
  const auto loss = [&](const SlidingWindowOptions& of) {
    return sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), of)
        .values.cast<double>()
        .cwiseProduct(inputs.gradients.cast<double>())
        .sum();
  };
  const auto expect_derivative = [&](float& x, float gradient) {
    constexpr float step = 0x1p-7F;
    const float before = x;
    x = before + step;
    const double above = loss(window);
    x = before - step;
    const double below = loss(window);
    x = before;
    EXPECT_NEAR((above - below) / (2.0 * static_cast<double>(step)), gradient, 2e-3);
  };
  for (Eigen::Index i = 0; i < inputs.queries.size(); ++i)
    expect_derivative(inputs.queries.data()[i], out.queries.data()[i]);
  for (Eigen::Index i = 0; i < inputs.keys.size(); ++i)
    expect_derivative(inputs.keys.data()[i], out.keys.data()[i]);
  for (Eigen::Index i = 0; i < inputs.values.size(); ++i)
    expect_derivative(inputs.values.data()[i], out.values.data()[i]);
  EXPECT_NEAR((loss({4, 0.26}) - loss({4, 0.24})) / 0.02, out.residual_logit, 1e-3);
}

// What windows ask of the kernels: rows, and rows of gradients, in reversed order.
TEST(SlidingWindowBackward, KernelsReadAndWriteBackwards) {
  constexpr std::size_t m = 110, n = 600, d = 16, dv = 32;  // whole registers: no padding
  const AttentionInputs<float> inputs(m, n, d, dv);
  const RowMatrix<float> keys = inputs.keys.colwise().reverse(),
                         values = inputs.values.colwise().reverse();
  std::vector<std::uint32_t> limits(m);
  for (std::uint32_t r = 0; r < m; ++r) limits[r] = r % 9 == 0 ? 0 : (r * 389) % (n + 1);
  const std::vector<float> shifts(m, 9.0F), factors(m, 1.0F), deltas(m, 0.5F);
  struct Result {
    RowMatrix<float> queries = RowMatrix<float>::Zero(m, d), keys = RowMatrix<float>::Zero(n, d),
                     values = RowMatrix<float>::Zero(n, dv);
    std::vector<double> masses = std::vector<double>(m);
  };
  for (const Simd simd : supported_simds()) {
    const auto run = [&](const RowMatrix<float>& k, const RowMatrix<float>& v, bool reversed) {
      Result out;
      lazygumbel::detail::BackwardBlocks blocks(simd, d, dv, 0.0F);
      const std::ptrdiff_t sign = reversed ? -1 : 1;
      const Eigen::Index at = reversed ? n - 1 : 0;
      blocks.add(
          {.count = m,
           .queries = inputs.queries.data(),
           .gradients = inputs.gradients.data(),
           .shifts = shifts.data(),
           .factors = factors.data(),
           .deltas = deltas.data(),
           .query_gradients = out.queries.data(),
           .masses = out.masses.data()},
          limits.data(),
          lazygumbel::detail::BackwardKeys<float>{.keys = k.row(at).data(),
                                                  .key_stride = sign * 16,
                                                  .values = v.row(at).data(),
                                                  .value_stride = sign * 32,
                                                  .count = n,
                                                  .key_gradients = out.keys.row(at).data(),
                                                  .key_gradient_stride = sign * 16,
                                                  .value_gradients = out.values.row(at).data(),
                                                  .value_gradient_stride = sign * 32});
      return out;
    };
    const Result forwards = run(keys, values, false),
                 backwards = run(inputs.keys, inputs.values, true);
    EXPECT_EQ(forwards.queries, backwards.queries);
    EXPECT_EQ(forwards.keys, backwards.keys.colwise().reverse());
    EXPECT_EQ(forwards.values, backwards.values.colwise().reverse());
    EXPECT_EQ(forwards.masses, backwards.masses);
    EXPECT_GT(forwards.keys.norm(), 0.0F);
  }
}

TEST(SlidingWindowBackward, EveryWindowAndLogit) {
  AttentionInputs<float> inputs(61, 83, 9, 7, 2, 1);
  inputs.values.array() += 1.0F;
  for (const double logit : backward_logits)
    for (const std::size_t window :
         {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{60}, std::size_t{61},
          std::size_t{82}, std::size_t{83}, std::size_t{84}, std::size_t{1000},
          (std::numeric_limits<std::size_t>::max)()})
      expect_window_gradients(inputs, {window, logit});
}

TEST(SlidingWindowBackward, EveryGroupAndNumberOfQueries) {
  for (const std::size_t group : {1, 3, 4})
    for (const std::size_t m : {1, 2, 17, 40}) {
      SCOPED_TRACE(std::to_string(m) + " queries, group " + std::to_string(group));
      const AttentionInputs<float> inputs(m, 40, 8, 6, 2 * group, 2);
      for (const std::size_t window : {1, 5, 39, 40})
        expect_window_gradients(inputs, {window, 0.5});
    }
}

TEST(SlidingWindowBackward, ManyTilesRunsAndRounds) {
  // 1024 / 300 = 3 tokens a tile, so that a window has many.
  expect_window_gradients(AttentionInputs<float>(30, 60, 3, 2, 300, 1), {25, 0.0}, {}, 1e-5);
  expect_window_gradients(AttentionInputs<float>(1500, 1500, 4, 3, 2, 1), {700, 0.0});
  expect_window_gradients(AttentionInputs<float>(1200, 1300, 3, 4), {5, -1.0});
  expect_window_gradients(AttentionInputs<float>(1300, 1400, 4, 4), {1100, 0.5});
  expect_window_gradients(AttentionInputs<float>(1100, 1300, 4, 4), {300, -infinity});
  expect_window_gradients(AttentionInputs<float>(40, 20000, 3, 4), {33, -8.0});
}

TEST(SlidingWindowBackward, ScaleSoftcapAndSinks) {
  const AttentionInputs<float> inputs(50, 70, 24, 16, 4, 2);
  const std::vector<float> sinks{2.0F, -std::numeric_limits<float>::infinity(), 5.0F, -3.0F};
  for (const double logit : backward_logits) {
    expect_window_gradients(inputs, {20, logit}, {.scale = -0.3});
    expect_window_gradients(inputs, {20, logit}, {.scale = 0.0});
    expect_window_gradients(inputs, {20, logit}, {.softcap = 0.7}, 1e-5);
    expect_window_gradients(inputs, {20, logit}, {.sink_logits = sinks});
    expect_window_gradients(inputs, {20, logit}, {.softcap = 2.0, .sink_logits = sinks}, 1e-5);
  }
}

TEST(SlidingWindowBackward, StoredAsHalfAndBfloat16) {
  expect_window_gradients(AttentionInputs<Eigen::half>(70, 90, 40, 20, 4, 2), {31, 0.5});
  expect_window_gradients(AttentionInputs<Eigen::bfloat16>(70, 90, 40, 20, 3, 1), {31, 0.5});
}

TEST(SlidingWindowBackward, EveryInstructionSet) {
  const AttentionInputs<float> inputs(110, 290, 40, 20);
  for (const Simd simd : supported_simds())
    for (const std::size_t window : {1, 37, 100, 280})
      expect_window_gradients(inputs, {window, 1.0}, {.simd = simd});
}

TEST(SlidingWindowBackward, LargeLogits) {
  const AttentionInputs<float> inputs(40, 60, 4, 8);
  for (const double logit : {-1e4, 1e4, 10000.0625, 1e8 - 0.5}) {
    SCOPED_TRACE(logit);
    const AttentionGradients out = backward(inputs, {10, logit});
    const WindowProblem problem{inputs.problem({}), {10, logit}};
    const WindowProblem::Gradients reference = problem.backward(inputs.gradients.cast<double>());
    EXPECT_LT(relative_error(out.values, reference.of.values), 1e-6);
    EXPECT_LT(relative_error(out.queries, reference.of.queries), 3e-6);
    EXPECT_LT(relative_error(out.keys, reference.of.keys), 3e-6);
    EXPECT_NEAR(out.residual_logit, reference.residual_logit, 1e-4);
  }
}

TEST(SlidingWindowBackward, NoValuesNoGradientOfScores) {
  AttentionInputs<float> inputs(40, 60, 4, 8);
  inputs.values.setZero();
  const AttentionGradients out = backward(inputs, {7, 0.5});
  EXPECT_EQ(largest_difference(out.queries, 0.0), 0.0);
  EXPECT_EQ(largest_difference(out.keys, 0.0), 0.0);
  EXPECT_EQ(out.residual_logit, 0.0);
  EXPECT_GT(out.values.row(0).norm(), 0.0F);  // before every window
}

TEST(SlidingWindowBackward, KeysInNoWindowHaveNone) {
  const AttentionInputs<float> inputs(10, 60, 4, 8);
  const AttentionGradients plain = backward(inputs, {7, -infinity}),
                           unmasked = backward(inputs, {7, 0.0});
  EXPECT_EQ(largest_difference(plain.keys.topRows(44), 0.0), 0.0);
  EXPECT_EQ(largest_difference(plain.values.topRows(44), 0.0), 0.0);
  EXPECT_EQ(plain.residual_logit, 0.0);
  EXPECT_EQ(largest_difference(unmasked.keys.topRows(44), 0.0), 0.0);
  for (Eigen::Index j = 1; j < 43; ++j) EXPECT_EQ(unmasked.values.row(j), unmasked.values.row(0));
  EXPECT_GT(unmasked.values.row(0).norm(), 0.0F);
}

TEST(SlidingWindowBackward, WindowOfAllIsCausalAttention) {
  const AttentionInputs<float> inputs(30, 30, 6, 5, 2, 1);
  const AttentionGradients out = backward(inputs, {30}),
                           causal = inputs.backward({.mask = AttentionMask::causal()});
  EXPECT_LT(relative_error(out.queries, causal.queries.cast<double>()), 1e-6);
  EXPECT_LT(relative_error(out.keys, causal.keys.cast<double>()), 1e-6);
  EXPECT_LT(relative_error(out.values, causal.values.cast<double>()), 1e-6);
}

TEST(SlidingWindowBackward, ThreadsDoNotMatter) {
  for (const std::size_t window : {3, 500}) {
    const AttentionInputs<float> inputs(1600, 1700, 4, 4, 4, 2);
    const AttentionGradients one = backward(inputs, {window, 0.25});
    for (const std::size_t threads : {2, 64, 0}) {
      const AttentionGradients out = backward(inputs, {window, 0.25}, {.threads = threads});
      EXPECT_EQ(out.queries, one.queries);
      EXPECT_EQ(out.keys, one.keys);
      EXPECT_EQ(out.values, one.values);
      EXPECT_EQ(out.residual_logit, one.residual_logit);
    }
  }
}

template <class T>
void expect_strides_do_not_matter_backward() {
  for (const std::size_t m : {2, 90}) {
    const AttentionInputs<T> inputs(m, 100, 6, 5, 4, 2);
    for (const SlidingWindowOptions& window : {SlidingWindowOptions{9, 0.5}, {64, -infinity}}) {
      const AttentionOutput forward =
          sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), window);
      const AttentionGradients expected = backward(inputs, window);
      for (const bool reversed : {false, true}) {
        const ScatteredRows<float> q(inputs.q(), reversed), g(inputs.g(), !reversed);
        const ScatteredRows<T> k(inputs.k(), reversed), v(inputs.v(), !reversed);
        AttentionGradients out;
        sliding_window_backward(q.view(), k.view(), v.view(), window, {}, forward, g.view(), out);
        EXPECT_EQ(out.queries, expected.queries) << m << reversed;
        EXPECT_EQ(out.keys, expected.keys) << m << reversed;
        EXPECT_EQ(out.values, expected.values) << m << reversed;
        EXPECT_EQ(out.residual_logit, expected.residual_logit) << m << reversed;
      }
    }
  }
}

TEST(SlidingWindowBackward, StridesDoNotMatter) {
  expect_strides_do_not_matter_backward<float>();
  expect_strides_do_not_matter_backward<Eigen::half>();
}

TEST(SlidingWindowBackward, OneMatrixAndReusedMemory) {
  const AttentionInputs<float> inputs(20, 30, 6, 5, 4, 2);
  const SlidingWindowOptions window{9, 0.5};
  const AttentionGradients expected = backward(inputs, window);
  AttentionGradients out;
  out.queries.setConstant(3, 3, float_nan);
  out.keys.setConstant(40, 99, float_nan);
  out.residual_logit = 7.0;
  sliding_window_backward(inputs.q(), inputs.k(), inputs.v(), window, {},
                          sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), window),
                          inputs.gradients, out);
  EXPECT_EQ(out.queries, expected.queries);
  EXPECT_EQ(out.keys, expected.keys);
  EXPECT_EQ(out.values, expected.values);
  EXPECT_EQ(out.residual_logit, expected.residual_logit);
  exact_attention_backward(inputs.q(), inputs.k(), inputs.v(), {},
                           exact_attention(inputs.q(), inputs.k(), inputs.v()), inputs.g(), out);
  EXPECT_EQ(out.residual_logit, 0.0);  // another attention has none
}

TEST(SlidingWindowBackward, NoQueries) {
  const AttentionGradients out = backward(AttentionInputs<float>(0, 9, 4, 3), {2});
  EXPECT_EQ(out.queries.rows(), 0);
  EXPECT_EQ(out.values.rows(), 9);
  EXPECT_EQ(largest_difference(out.values, 0.0), 0.0);
}

TEST(SlidingWindowBackward, RefusesWhatDoesNotFit) {
  const AttentionInputs<float> inputs(12, 20, 4, 6, 2, 1);
  const AttentionOutput forward =
      sliding_window_attention(inputs.q(), inputs.k(), inputs.v(), {5, 0.0});
  AttentionGradients out;
  const auto says = [&](const SlidingWindowOptions& window, const AttentionOptions& options = {},
                        const AttentionInputs<float>* other = nullptr) {
    const AttentionInputs<float>& of = other != nullptr ? *other : inputs;
    return message_of<std::invalid_argument>([&] {
      sliding_window_backward(of.q(), of.k(), of.v(), window, options, forward, of.g(), out);
    });
  };
  EXPECT_EQ(says({0}), "lazygumbel: window = 0: must be at least 1");
  EXPECT_EQ(says({5, infinity}),
            "lazygumbel: residual_logit = inf: must be at most 1e8, or -infinity for none");
  EXPECT_EQ(says({5, 0.0}, {.mask = AttentionMask::causal()}),
            "lazygumbel: mask = not full: must be full: a sliding window is causal by itself");
  const AttentionInputs<float> few(11, 20, 4, 6, 2, 1), long_queries(21, 20, 4, 6, 2, 1);
  EXPECT_EQ(says({5, 0.0}, {}, &few),
            "lazygumbel: forward.values.rows() = 12: must equal queries.tokens() = 11");
  EXPECT_EQ(says({5, 0.0}, {}, &long_queries),
            "lazygumbel: queries.tokens() = 21: exceeds keys.tokens() = 20 under a sliding window");
  for (const double logit : {2.0, 1e4, 1e8})  // the forward's was 0
    EXPECT_NE(says({5, logit}).find("is not of these queries, keys and options"),
              std::string::npos);
  AttentionInputs<float> bad = inputs;
  bad.keys(19, 2) = float_nan;
  EXPECT_EQ(says({5, 0.0}, {}, &bad),
            "lazygumbel: keys(token 19, head 0, 2) = nan: must be finite");
  bad = inputs;
  bad.values(0, 1) = static_cast<float>(infinity);
  EXPECT_EQ(says({5, 0.0}, {}, &bad),
            "lazygumbel: values(token 0, head 0, 1) = inf: must be finite");
  bad = inputs;
  bad.queries(3, 5) = float_nan;
  EXPECT_EQ(says({5, 0.0}, {}, &bad),
            "lazygumbel: queries(token 3, head 1, 1) = nan: must be finite");
  bad = inputs;
  bad.gradients(11, 11) = float_nan;
  EXPECT_EQ(says({5, 0.0}, {}, &bad),
            "lazygumbel: output_gradients(token 11, head 1, 5) = nan: must be finite");
}

// Keys before all windows, and without a residual mass values, as the forward.
TEST(SlidingWindowBackward, RowsThatAreInNoWindowAreNotRead) {
  for (const std::size_t m : {0, 3, 40})
    for (const double logit : {0.0, -infinity}) {
      const AttentionInputs<float> inputs(m, 100, 4, 6, 2, 1);
      const SlidingWindowOptions window{5, logit};
      const AttentionGradients before = backward(inputs, window);
      AttentionInputs<float> changed = inputs;
      const auto first = static_cast<Eigen::Index>(100 - m - (m > 0 ? 4 : 0));
      changed.keys.topRows(first).setConstant(float_nan);
      if (logit == -infinity || m == 0) changed.values.topRows(first).setConstant(float_nan);
      const AttentionGradients after = backward(changed, window);
      EXPECT_TRUE(after.queries == before.queries);
      EXPECT_TRUE(after.keys == before.keys);
      EXPECT_TRUE(after.values == before.values);
    }
}

}  // namespace
}  // namespace lazygumbel::testing
