#include <gtest/gtest.h>

#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <lazygumbel/attention/exact/exact_attention_backward.hpp>
#include <string>
#include <vector>

#include "attention_inputs.hpp"
#include "largest_difference.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"
#include "simds.hpp"

namespace lazygumbel::testing {
namespace {

template <class T>
void expect_exact_gradients(const AttentionInputs<T>& inputs, const AttentionOptions& options,
                            double tolerance = 3e-6) {
  const AttentionGradients out = inputs.backward(options);
  const ReferenceGradients reference =
      reference_gradients(inputs.problem(options), inputs.gradients.template cast<double>());
  EXPECT_LT(relative_error(out.queries, reference.queries), tolerance);
  EXPECT_LT(relative_error(out.keys, reference.keys), tolerance);
  EXPECT_LT(relative_error(out.values, reference.values), tolerance);
  ASSERT_EQ(out.sink_logits.size(), reference.sinks.size());
  EXPECT_LT(relative_error(out.sink_logits, reference.sinks), 3 * tolerance);
  EXPECT_EQ(out.errors.queries, 0.0);
}

TEST(ExactBackward, ReferenceIsTheDerivative) {
  const AttentionInputs<float> inputs(5, 7, 3, 2, 4, 2);
  const std::vector<float> sinks{0.3F, -0.5F, 1.0F, 0.0F};
  for (const double softcap : {0.0, 1.5}) {
    AttentionProblem p =
        inputs.problem({.softcap = softcap, .sink_logits = sinks, .mask = AttentionMask::causal()});
    const RowMatrix<double> g = inputs.gradients.cast<double>();
    const ReferenceGradients reference = reference_gradients(p, g);
    const auto expect_derivative = [&](double& x, double gradient) {
      constexpr double step = 1e-5;
      const double before = x;
      x = before + step;
      const double above = attention_loss(p, g);
      x = before - step;
      const double below = attention_loss(p, g);
      x = before;
      EXPECT_NEAR((above - below) / (2 * step), gradient, 1e-8);
    };
    for (Eigen::Index i = 0; i < p.queries.size(); ++i)
      expect_derivative(p.queries.data()[i], reference.queries.data()[i]);
    for (Eigen::Index i = 0; i < p.keys.size(); ++i)
      expect_derivative(p.keys.data()[i], reference.keys.data()[i]);
    for (Eigen::Index i = 0; i < p.values.size(); ++i)
      expect_derivative(p.values.data()[i], reference.values.data()[i]);
    for (std::size_t h = 0; h < sinks.size(); ++h)
      expect_derivative(p.sinks[h], reference.sinks[static_cast<Eigen::Index>(h)]);
  }
}

TEST(ExactBackward, AnyShape) {
  struct Shape {
    std::size_t m, n, d, dv, heads, kv_heads;
  };
  for (const Shape& s :
       {Shape{1, 1, 1, 1, 1, 1}, Shape{1, 300, 64, 64, 2, 1}, Shape{3, 17, 7, 5, 1, 1},
        Shape{97, 257, 16, 48, 1, 1}, Shape{40, 530, 33, 1, 6, 2}, Shape{200, 100, 1, 33, 3, 1},
        Shape{130, 260, 80, 72, 4, 4}}) {
    SCOPED_TRACE(std::to_string(s.m) + " x " + std::to_string(s.n));
    const AttentionInputs<float> inputs(s.m, s.n, s.d, s.dv, s.heads, s.kv_heads);
    expect_exact_gradients(inputs, {});
    if (s.m <= s.n) expect_exact_gradients(inputs, {.mask = AttentionMask::causal()});
  }
}

TEST(ExactBackward, PartsOfQueriesAndKeys) {  // 3 a side
  const AttentionInputs<float> inputs(1600, 1700, 8, 8);
  expect_exact_gradients(inputs, {.mask = AttentionMask::causal(), .threads = 2});
  expect_exact_gradients(AttentionInputs<float>(70, 1900, 4, 4, 24, 2), {.threads = 2});
}

TEST(ExactBackward, PrefixMask) {
  const AttentionInputs<float> inputs(60, 300, 12, 10, 2, 1);
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < 60; ++i) lengths.push_back(i % 7 == 0 ? 0 : (i * 97) % 301);
  expect_exact_gradients(inputs, {.mask = AttentionMask::prefix(lengths)});
}

TEST(ExactBackward, ScaleSoftcapAndSinks) {
  const AttentionInputs<float> inputs(50, 120, 24, 16, 4, 2);
  const std::vector<float> sinks{2.0F, -float_infinity, 5.0F, -3.0F};
  expect_exact_gradients(inputs, {.scale = -0.3});
  expect_exact_gradients(inputs, {.scale = 1.0});
  expect_exact_gradients(inputs, {.softcap = 0.7}, 1e-5);
  expect_exact_gradients(inputs, {.scale = 1.0, .softcap = 20.0}, 1e-5);
  expect_exact_gradients(inputs, {.sink_logits = sinks});
  expect_exact_gradients(
      inputs, {.softcap = 2.0, .sink_logits = sinks, .mask = AttentionMask::causal()}, 1e-5);
  const AttentionGradients flat = inputs.backward({.scale = 0.0});
  EXPECT_EQ(flat.queries.norm(), 0.0F);
  EXPECT_EQ(flat.keys.norm(), 0.0F);
  EXPECT_GT(flat.values.norm(), 0.0F);
}

TEST(ExactBackward, StoredAsHalfAndBfloat16) {
  expect_exact_gradients(AttentionInputs<Eigen::half>(70, 300, 40, 20, 4, 2),
                         {.mask = AttentionMask::causal()});
  expect_exact_gradients(AttentionInputs<Eigen::bfloat16>(70, 300, 40, 20, 4, 2), {.softcap = 3.0},
                         1e-5);
}

TEST(ExactBackward, EveryInstructionSet) {
  const AttentionInputs<float> inputs(110, 290, 40, 20);
  for (const Simd simd : {Simd::portable, Simd::neon, Simd::avx2, Simd::avx512_vnni}) {
    if (!is_supported(simd)) continue;
    SCOPED_TRACE(name_of(simd));
    expect_exact_gradients(inputs, {.mask = AttentionMask::causal(), .simd = simd});
    expect_exact_gradients(inputs, {.softcap = 2.0, .simd = simd}, 1e-5);
    expect_exact_gradients(AttentionInputs<Eigen::half>(30, 40, 9, 11), {.simd = simd});
  }
}

TEST(ExactBackward, ThreadsDoNotMatter) {
  const AttentionInputs<float> inputs(2100, 2200, 4, 4, 2, 1);
  const AttentionGradients one = inputs.backward({.mask = AttentionMask::causal()});
  for (const std::size_t threads : {2, 5, 0}) {
    AttentionGradients out;
    const AttentionOptions options{.mask = AttentionMask::causal(), .threads = threads};
    exact_attention_backward(
        inputs.q(), inputs.k(), inputs.v(), options,
        exact_attention(inputs.q(), inputs.k(), inputs.v(), {.mask = AttentionMask::causal()}),
        inputs.g(), out);
    EXPECT_EQ(out.queries, one.queries);
    EXPECT_EQ(out.keys, one.keys);
    EXPECT_EQ(out.values, one.values);
  }
}

TEST(ExactBackward, StridesOneMatrixAndReusedMemory) {
  const std::size_t m = 20, n = 30, d = 6, heads = 4, kv_heads = 2;
  const AttentionInputs<float> inputs(m, n, d, d, heads, kv_heads);
  const AttentionGradients expected = inputs.backward({});
  // Head after head, and rows wider than they need to be.
  const auto head_first = [](const RowMatrix<float>& rows, std::size_t of) {
    const auto width = rows.cols() / static_cast<Eigen::Index>(of);
    RowMatrix<float> out = RowMatrix<float>::Constant(rows.rows() * static_cast<Eigen::Index>(of),
                                                      width + 3, float_nan);
    for (Eigen::Index h = 0; h < static_cast<Eigen::Index>(of); ++h)
      out.block(h * rows.rows(), 0, rows.rows(), width) = rows.middleCols(h * width, width);
    return out;
  };
  const RowMatrix<float> q = head_first(inputs.queries, heads),
                         g = head_first(inputs.gradients, heads),
                         k = head_first(inputs.keys, kv_heads),
                         v = head_first(inputs.values, kv_heads);
  const auto view = [&](const RowMatrix<float>& rows, std::size_t tokens, std::size_t of) {
    return HeadsView<float>(rows.data(), tokens, of, d, rows.cols(),
                            static_cast<std::ptrdiff_t>(tokens) * rows.cols());
  };
  const HeadsView<float> qs = view(q, m, heads), gs = view(g, m, heads), ks = view(k, n, kv_heads),
                         vs = view(v, n, kv_heads);
  AttentionGradients out;
  out.queries.setConstant(3, 3, float_nan);
  out.keys.setConstant(40, 99, float_nan);
  out.sink_logits.setConstant(5, 1.0);
  out.errors.keys = 0.5;
  const AttentionOutput forward = exact_attention(qs, ks, vs);
  exact_attention_backward(qs, ks, vs, {}, forward, gs, out);
  EXPECT_EQ(out.queries, expected.queries);
  EXPECT_EQ(out.keys, expected.keys);
  EXPECT_EQ(out.values, expected.values);
  EXPECT_EQ(out.sink_logits.size(), 0);
  EXPECT_EQ(out.errors.keys, 0.0);
  exact_attention_backward(inputs.q(), inputs.k(), inputs.v(), {}, forward, inputs.gradients, out);
  EXPECT_EQ(out.keys, expected.keys);
}

TEST(ExactBackward, QueriesThatSeeNothing) {
  const AttentionInputs<float> inputs(3, 20, 4, 4);
  const std::vector<std::size_t> none{0, 0, 0};
  const std::vector<float> sink{1.0F};
  for (const bool with_sink : {false, true}) {
    AttentionOptions options{.mask = AttentionMask::prefix(none)};
    if (with_sink) options.sink_logits = sink;
    const AttentionGradients out = inputs.backward(options);
    EXPECT_EQ(largest_difference(out.queries, 0.0), 0.0);
    EXPECT_EQ(largest_difference(out.keys, 0.0), 0.0);
    EXPECT_EQ(largest_difference(out.values, 0.0), 0.0);
    if (with_sink) {
      EXPECT_EQ(out.sink_logits[0], 0.0);
    }
  }
  const AttentionInputs<float> no_queries(0, 20, 4, 4);
  const AttentionGradients out = no_queries.backward({});
  EXPECT_EQ(out.queries.rows(), 0);
  EXPECT_EQ(out.keys.rows(), 20);
  EXPECT_EQ(largest_difference(out.keys, 0.0), 0.0);
}

TEST(ExactBackward, LargeScoresLoseNothingToTheShift) {
  // Integers: scores near 4096 are exact, log Z in float would be off by 1e-4.
  AttentionInputs<float> inputs(40, 60, 4, 8);
  for (Eigen::Index i = 0; i < 40; ++i)
    inputs.queries.row(i) << 64.0F, static_cast<float>(i % 3), 1.0F, static_cast<float>(i % 2);
  for (Eigen::Index j = 0; j < 60; ++j)
    inputs.keys.row(j) << 64.0F, static_cast<float>(j % 2), static_cast<float>(j % 3), 1.0F;
  const AttentionGradients out = inputs.backward({.scale = 1.0});
  const ReferenceGradients reference =
      reference_gradients(inputs.problem({.scale = 1.0}), inputs.gradients.cast<double>());
  EXPECT_LT(relative_error(out.values, reference.values), 1e-6);
  EXPECT_LT(relative_error(out.keys, reference.keys), 1e-6);
  // (The first coordinate of the keys, 64, cancels in the queries' gradient: to 64 roundings.)
  EXPECT_LT(relative_error(out.queries.rightCols(3), reference.queries.rightCols(3)), 1e-6);
  EXPECT_LT(largest_difference(out.queries.col(0), 0.0), 1e-4);
}

TEST(ExactBackward, LongSums) {  // flat attention, gradients and values with a mean
  AttentionInputs<float> inputs(1800, 1800, 4, 4);
  inputs.values.array() += 1.0F;
  inputs.gradients.array() += 1.0F;
  expect_exact_gradients(inputs, {.scale = 0.1}, 1e-5);
}

TEST(ExactBackward, PartsOfTheKeysFromMergedOutputs) {
  const AttentionInputs<float> inputs(30, 90, 8, 6, 2, 1);
  const std::vector<float> sinks{0.5F, 1.0F};
  const AttentionOptions with{.sink_logits = sinks}, without{};
  const AttentionGradients whole = inputs.backward(with);
  const auto k1 = inputs.k().tokens(0, 50), k2 = inputs.k().tokens(50, 40),
             v1 = inputs.v().tokens(0, 50), v2 = inputs.v().tokens(50, 40);
  const AttentionOutput forward = merge(exact_attention(inputs.q(), k1, v1, with),
                                        exact_attention(inputs.q(), k2, v2, without));
  AttentionGradients a, b;
  exact_attention_backward(inputs.q(), k1, v1, with, forward, inputs.g(), a);
  exact_attention_backward(inputs.q(), k2, v2, without, forward, inputs.g(), b);
  EXPECT_LT((a.queries + b.queries - whole.queries).norm(), 3e-6F * whole.queries.norm());
  EXPECT_LT((a.keys - whole.keys.topRows(50)).norm(), 3e-6F * whole.keys.norm());
  EXPECT_LT((b.values - whole.values.bottomRows(40)).norm(), 3e-6F * whole.values.norm());
  EXPECT_LT((a.sink_logits - whole.sink_logits).norm(), 3e-6 * whole.sink_logits.norm());
}

TEST(ExactBackward, RefusesWhatDoesNotFit) {
  const AttentionInputs<float> inputs(12, 20, 4, 6, 2, 1);
  const AttentionOutput forward = exact_attention(inputs.q(), inputs.k(), inputs.v());
  AttentionGradients out;
  const auto message = [&](const AttentionOutput& of, const HeadsView<float>& gradients,
                           const AttentionOptions& options = {}) {
    return message_of<std::invalid_argument>([&] {
      exact_attention_backward(inputs.q(), inputs.k(), inputs.v(), options, of, gradients, out);
    });
  };
  EXPECT_EQ(message(forward, inputs.g().tokens(0, 11)),
            "lazygumbel: output_gradients.tokens() = 11: must equal queries.tokens() = 12");
  EXPECT_EQ(message(forward, {inputs.gradients, 1}),
            "lazygumbel: output_gradients.heads() = 1: must equal queries.heads() = 2");
  EXPECT_EQ(message(forward, inputs.q()),
            "lazygumbel: output_gradients.dimension() = 4: must equal values.dimension() = 6");
  EXPECT_EQ(message(forward, inputs.g(), {.softcap = -1.0}),
            "lazygumbel: softcap = -1: must be at least 0 and finite");
  AttentionOutput wrong = forward;
  wrong.values.conservativeResize(11, 12);
  EXPECT_EQ(message(wrong, inputs.g()),
            "lazygumbel: forward.values.rows() = 11: must equal queries.tokens() = 12");
  wrong.values.conservativeResize(12, 11);
  EXPECT_EQ(message(wrong, inputs.g()),
            "lazygumbel: forward.values.cols() = 11: must equal queries.heads() * "
            "values.dimension() = 12");
  wrong = forward;
  wrong.log_sum_exp.conservativeResize(11, 2);
  EXPECT_EQ(message(wrong, inputs.g()),
            "lazygumbel: forward.log_sum_exp.rows() = 11: must equal queries.tokens() = 12");
  wrong.log_sum_exp.conservativeResize(12, 1);
  EXPECT_EQ(message(wrong, inputs.g()),
            "lazygumbel: forward.log_sum_exp.cols() = 1: must equal queries.heads() = 2");
}

TEST(ExactBackward, RefusesWhatIsNotFinite) {
  const AttentionInputs<float> good(12, 20, 4, 6, 2, 1);
  const AttentionOutput forward = exact_attention(good.q(), good.k(), good.v());
  const auto message = [](const AttentionInputs<float>& inputs, const AttentionOutput& of) {
    AttentionGradients out;
    return message_of<std::invalid_argument>([&] {
      exact_attention_backward(inputs.q(), inputs.k(), inputs.v(), {}, of, inputs.g(), out);
    });
  };
  AttentionInputs<float> bad = good;
  bad.queries(3, 5) = float_nan;
  EXPECT_EQ(message(bad, forward), "lazygumbel: queries(token 3, head 1, 1) = nan: must be finite");
  bad = good;
  bad.keys(19, 2) = float_infinity;
  EXPECT_EQ(message(bad, forward), "lazygumbel: keys(token 19, head 0, 2) = inf: must be finite");
  bad = good;
  bad.values(0, 0) = -float_infinity;
  EXPECT_EQ(message(bad, forward), "lazygumbel: values(token 0, head 0, 0) = -inf: must be finite");
  bad = good;
  bad.gradients(11, 11) = float_nan;
  EXPECT_EQ(message(bad, forward),
            "lazygumbel: output_gradients(token 11, head 1, 5) = nan: must be finite");
  AttentionOutput wrong = forward;
  wrong.values(1, 7) = float_nan;
  EXPECT_EQ(message(good, wrong),
            "lazygumbel: forward.values(token 1, head 1, 1) = nan: must be finite");
  wrong = forward;
  wrong.log_sum_exp(2, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(message(good, wrong),
            "lazygumbel: forward.log_sum_exp(2, 1) = nan: must be finite or -infinity");
  bad = good;
  bad.gradients *= 1e38F;
  EXPECT_NE(message(bad, forward).find("output_gradients"), std::string::npos);
  EXPECT_NE(message(bad, forward).find("gradients overflow"), std::string::npos);
}

// The forward does not read them either.
TEST(ExactBackward, RowsThatNoQuerySeesAreNotRead) {
  const AttentionInputs<float> inputs(30, 600, 6, 5, 4, 2);
  for (const std::size_t longest : {0, 31, 300}) {
    std::vector<std::size_t> lengths(30, longest / 2);
    lengths[17] = longest;
    lengths[7] = 0;
    for (const Simd simd : supported_simds()) {
      const AttentionOptions options{.mask = AttentionMask::prefix(lengths), .simd = simd};
      const AttentionGradients before = inputs.backward(options);
      AttentionInputs<float> changed = inputs;
      const auto unseen = static_cast<Eigen::Index>(600 - longest);
      changed.keys.bottomRows(unseen).setConstant(float_nan);
      changed.values.bottomRows(unseen).setConstant(float_infinity);
      const AttentionGradients after = changed.backward(options);
      EXPECT_TRUE(after.queries == before.queries);
      EXPECT_TRUE(after.keys == before.keys);
      EXPECT_TRUE(after.values == before.values);
    }
  }
}

TEST(ExactBackward, RefusesTheForwardOfAnother) {
  const AttentionInputs<float> inputs(12, 20, 4, 6);
  AttentionGradients out;
  for (const double scale : {0.01, 4.0, 1e6}) {
    const AttentionOutput other =
        exact_attention(inputs.q(), inputs.k(), inputs.v(), {.scale = -scale});
    EXPECT_NE(message_of<std::invalid_argument>([&] {
                exact_attention_backward(inputs.q(), inputs.k(), inputs.v(), {.scale = scale + 3},
                                         other, inputs.g(), out);
              }).find("is not of these queries, keys and options"),
              std::string::npos)
        << scale;
  }
}

}  // namespace
}  // namespace lazygumbel::testing
