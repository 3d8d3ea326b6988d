#include <gtest/gtest.h>

#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <string>

#include "attention_inputs.hpp"
#include "largest_difference.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"
#include "plan_reference.hpp"

namespace lazygumbel::testing {
namespace {

KnnAttentionOptions small_options(const AttentionOptions& attention) {
  KnnAttentionOptions options;
  options.index = KeyIndex::lists;  // however few the queries are
  options.attention = attention;
  options.accuracy = std::nullopt;
  options.tail_samples = 24;
  options.top_k = 24;
  options.sinks = 2;
  options.window = 8;
  options.minimum_keys = 128;
  return options;
}

/// A forward pass and what its gradients need.
template <class T>
struct Sampled {
  const AttentionInputs<T>& inputs;
  KnnAttention<T> attention;
  AttentionTape tape;

  Sampled(const AttentionInputs<T>& inputs_, const KnnAttentionOptions& options,
          std::uint64_t seed = 1)
      : inputs(inputs_),
        attention(inputs_.heads, inputs_.kv_heads, inputs_.q().dimension(), inputs_.v().dimension(),
                  options) {
    PhiloxEngine engine(seed);
    attention.forward(inputs.q(), inputs.k(), inputs.v(), engine, &tape);
  }
  AttentionGradients backward(const AttentionOutput* exact = nullptr) const {
    return attention.backward(inputs.q(), inputs.k(), inputs.v(), tape, inputs.g(), exact);
  }
  AttentionProblem problem() const { return inputs.problem(attention.options().attention); }
  PlannedKeys plan() const { return planned_keys(tape, problem()); }
  AttentionOutput exact() const {
    return exact_attention(inputs.q(), inputs.k(), inputs.v(), attention.options().attention);
  }
};

template <class T>
Sampled(const AttentionInputs<T>&, const KnnAttentionOptions&) -> Sampled<T>;
template <class T>
Sampled(const AttentionInputs<T>&, const KnnAttentionOptions&, std::uint64_t) -> Sampled<T>;

void expect_gradients(const AttentionGradients& out, const ReferenceGradients& reference,
                      double tolerance) {
  EXPECT_LT(relative_error(out.queries, reference.queries), tolerance);
  EXPECT_LT(relative_error(out.keys, reference.keys), tolerance);
  EXPECT_LT(relative_error(out.values, reference.values), tolerance);
  ASSERT_EQ(out.sink_logits.size(), reference.sinks.size());
  EXPECT_LT(relative_error(out.sink_logits, reference.sinks), 3 * tolerance);
}

/// delta and log Z of `output`.
GivenForward given_by(const AttentionOutput& output, const RowMatrix<double>& gradients,
                      std::size_t heads) {
  GivenForward given{output.log_sum_exp, output.log_sum_exp};
  const auto dv = gradients.cols() / static_cast<Eigen::Index>(heads);
  for (Eigen::Index i = 0; i < gradients.rows(); ++i)
    for (Eigen::Index h = 0; h < static_cast<Eigen::Index>(heads); ++h)
      given.deltas(i, h) = gradients.row(i)
                               .segment(h * dv, dv)
                               .dot(output.values.row(i).segment(h * dv, dv).cast<double>());
  return given;
}

TEST(KnnAttentionBackward, ReferenceIsTheDerivativeOfTheSampledForward) {
  const AttentionInputs<float> inputs(300, 300, 4, 3, 3, 1);
  const std::vector<float> sinks{1.0F, -0.5F, 3.0F};
  for (const double softcap : {0.0, 1.5}) {
    const Sampled sampled(
        inputs,
        small_options({.softcap = softcap, .sink_logits = sinks, .mask = AttentionMask::causal()}));
    AttentionProblem p = sampled.problem();
    const PlannedKeys plan = sampled.plan();
    ASSERT_GT(plan.drawn(), 3000U);
    const RowMatrix<double> g = inputs.gradients.cast<double>();
    const ReferenceGradients reference = planned_gradients(p, plan, g);
    const GivenForward exact = given_by(sampled.exact(), g, 3);
    GivenForward mixed = given_by(sampled.tape.output, g, 3);
    mixed.deltas = exact.deltas;
    const ReferenceGradients wrong = planned_gradients(p, plan, g, &mixed);
    PlannedKeys unweighted = plan;
    for (auto& row : unweighted.rows)
      for (auto& key : row) key.log_weight = 0.0;
    const ReferenceGradients forgetful = planned_gradients(p, unweighted, g);
    double off = 0.0, off_forgetful = 0.0, size = 0.0;
    const auto expect_derivative = [&](double& x, double gradient, double other, double third) {
      constexpr double step = 1e-5;
      const double before = x;
      x = before + step;
      const double above = planned_loss(p, plan, g);
      x = before - step;
      const double below = planned_loss(p, plan, g);
      x = before;
      const double derivative = (above - below) / (2 * step);
      EXPECT_NEAR(derivative, gradient, 1e-7);
      off += (derivative - other) * (derivative - other);
      off_forgetful += (derivative - third) * (derivative - third);
      size += derivative * derivative;
    };
    for (Eigen::Index i = 11; i < p.queries.size(); i += 173) {
      expect_derivative(p.queries.data()[i], reference.queries.data()[i], wrong.queries.data()[i],
                        forgetful.queries.data()[i]);
    }
    for (Eigen::Index i = 5; i < p.keys.size(); i += 61)
      expect_derivative(p.keys.data()[i], reference.keys.data()[i], wrong.keys.data()[i],
                        forgetful.keys.data()[i]);
    EXPECT_GT(off, 1e-4 * size);  // delta of the exact forward: 1% off at least
    EXPECT_GT(off_forgetful, 1e-2 * size);
    for (Eigen::Index i = 5; i < p.values.size(); i += 61)
      expect_derivative(p.values.data()[i], reference.values.data()[i], 0.0, 0.0);
    for (std::size_t h = 0; h < sinks.size(); ++h)
      expect_derivative(p.sinks[h], reference.sinks[static_cast<Eigen::Index>(h)], 0.0, 0.0);
  }
}

template <class T>
void expect_planned_gradients(const AttentionInputs<T>& inputs, const KnnAttentionOptions& options,
                              double tolerance = 1e-5) {
  const Sampled<T> sampled(inputs, options);
  const AttentionProblem p = sampled.problem();
  const PlannedKeys plan = sampled.plan();
  ASSERT_GT(plan.drawn(), 1000U);
  const RowMatrix<double> g = inputs.gradients.template cast<double>();
  expect_gradients(sampled.backward(), planned_gradients(p, plan, g), tolerance);
  // The unbiased form but for its control variate, of which the mean is 0.
  const AttentionOutput exact = sampled.exact();
  const GivenForward given = given_by(exact, g, inputs.heads);
  const AttentionGradients unbiased = sampled.backward(&exact);
  const ReferenceGradients reference = planned_gradients(p, plan, g, &given);
  EXPECT_LT(relative_error(unbiased.keys, reference.keys), tolerance);
  EXPECT_LT(relative_error(unbiased.values, reference.values), tolerance);
  EXPECT_LT(relative_error(unbiased.sink_logits, reference.sinks), 3 * tolerance);
  if (p.softcap > 0.0) {
    EXPECT_LT(relative_error(unbiased.queries, reference.queries), tolerance);
  }
}

TEST(KnnAttentionBackward, GradientsOfTheSampledForward) {
  const std::vector<float> sinks{2.0F, -1.0F, 4.0F};
  const AttentionInputs<float> inputs(300, 320, 12, 9, 3, 1);
  expect_planned_gradients(inputs, small_options({}));
  expect_planned_gradients(inputs, small_options({.mask = AttentionMask::causal()}));
  expect_planned_gradients(inputs, small_options({.scale = 0.5, .softcap = 2.0}));
  expect_planned_gradients(inputs,
                           small_options({.sink_logits = sinks, .mask = AttentionMask::causal()}));
  expect_planned_gradients(inputs, small_options({.softcap = 3.0, .sink_logits = sinks}));
  expect_planned_gradients(AttentionInputs<float>(200, 700, 33, 17, 4, 2), small_options({}));
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < 300; ++i) lengths.push_back(i % 7 == 0 ? 0 : (i * 97) % 321);
  expect_planned_gradients(inputs, small_options({.mask = AttentionMask::prefix(lengths)}));
}

TEST(KnnAttentionBackward, StoredAsHalfAndBfloat16) {
  expect_planned_gradients(AttentionInputs<Eigen::half>(300, 300, 16, 16, 3, 1),
                           small_options({.mask = AttentionMask::causal()}));
  expect_planned_gradients(AttentionInputs<Eigen::bfloat16>(100, 300, 7, 5, 4, 2),
                           small_options({.softcap = 3.0}));
}

TEST(KnnAttentionBackward, EveryInstructionSet) {
  const AttentionInputs<float> inputs(110, 290, 20, 12);
  for (const Simd simd : {Simd::portable, Simd::neon, Simd::avx2, Simd::avx512_vnni}) {
    if (!is_supported(simd)) continue;
    SCOPED_TRACE(name_of(simd));
    expect_planned_gradients(inputs, small_options({.simd = simd}));
    expect_planned_gradients(inputs, small_options({.softcap = 2.0, .simd = simd}));
  }
}

TEST(KnnAttentionBackward, TailsThatGrew) {  // two sampled blocks for some rows, and exact rows
  KnnAttentionOptions options = small_options({.scale = 0.02, .mask = AttentionMask::causal()});
  AttentionInputs<float> inputs(2000, 2000, 8, 8);
  inputs.values.array() += 1.0F;
  options.accuracy = Accuracy(0.5, 0.1);
  options.tail_samples = 48;
  const Sampled sampled(inputs, options);
  std::size_t grown = 0;
  for (const AttentionRow& row : sampled.tape.output.rows)
    grown += row.path == AttentionPath::sampled && row.samples > options.tail_samples;
  EXPECT_GT(grown, 20U);
  expect_gradients(
      sampled.backward(),
      planned_gradients(sampled.problem(), sampled.plan(), inputs.gradients.cast<double>()), 1e-5);
}

TEST(KnnAttentionBackward, ExactRowsGiveTheExactGradients) {
  const std::vector<float> sinks{2.0F, -1.0F, 4.0F};
  const AttentionInputs<float> inputs(500, 600, 12, 9, 3, 1);
  for (const double softcap : {0.0, 2.0}) {
    const AttentionOptions attention{
        .softcap = softcap, .sink_logits = sinks, .mask = AttentionMask::causal()};
    const AttentionGradients expected = inputs.backward(attention);
    KnnAttentionOptions few = small_options(attention), strict = few;
    few.minimum_keys = 4096;
    strict.accuracy = Accuracy(1e-6, 0.1);
    for (const KnnAttentionOptions& options : {few, strict}) {
      const Sampled sampled(inputs, options);
      const AttentionOutput exact = sampled.exact();
      for (const AttentionOutput* forward :
           {static_cast<const AttentionOutput*>(nullptr), &exact}) {
        const AttentionGradients out = sampled.backward(forward);
        EXPECT_LT((out.queries - expected.queries).norm(), 1e-5F * expected.queries.norm());
        EXPECT_LT((out.keys - expected.keys).norm(), 1e-5F * expected.keys.norm());
        EXPECT_LT((out.values - expected.values).norm(), 1e-5F * expected.values.norm());
        EXPECT_LT((out.sink_logits - expected.sink_logits).norm(),
                  1e-5 * expected.sink_logits.norm());
        EXPECT_EQ(out.errors.queries, 0.0);
        EXPECT_EQ(out.errors.keys, 0.0);
        EXPECT_EQ(out.errors.values, 0.0);
      }
    }
  }
}

TEST(KnnAttentionBackward, ThreadsDoNotMatter) {
  const AttentionInputs<float> inputs(3000, 3000, 4, 4, 6, 2);
  KnnAttentionOptions options = small_options({.mask = AttentionMask::causal()});
  const Sampled one(inputs, options);
  ASSERT_GT(one.tape.segments.size(), 8U);
  const AttentionGradients expected = one.backward();
  for (const std::size_t threads : {2, 5, 0}) {
    options.attention.threads = threads;
    const AttentionGradients out = Sampled(inputs, options).backward();
    EXPECT_EQ(out.queries, expected.queries);
    EXPECT_EQ(out.keys, expected.keys);
    EXPECT_EQ(out.values, expected.values);
    EXPECT_EQ(out.errors.queries, expected.errors.queries);
    EXPECT_EQ(out.errors.keys, expected.errors.keys);
    EXPECT_EQ(out.errors.values, expected.errors.values);
  }
}

TEST(KnnAttentionBackward, NoQueries) {
  const AttentionInputs<float> inputs(0, 200, 4, 4);
  const Sampled sampled(inputs, small_options({}));
  const AttentionGradients out = sampled.backward();
  EXPECT_EQ(out.queries.rows(), 0);
  EXPECT_EQ(out.keys.rows(), 200);
  EXPECT_EQ(largest_difference(out.keys, 0.0), 0.0);
  EXPECT_EQ(largest_difference(out.values, 0.0), 0.0);
}

TEST(KnnAttentionBackward, RefusesWhatDoesNotFit) {
  const AttentionInputs<float> inputs(150, 200, 4, 6, 2, 1);
  const Sampled sampled(inputs, small_options({}));
  const AttentionOutput exact = sampled.exact();
  const auto message = [&](const AttentionInputs<float>& of, const AttentionTape& tape,
                           const AttentionOutput* forward = nullptr) {
    return message_of<std::invalid_argument>(
        [&] { sampled.attention.backward(of.q(), of.k(), of.v(), tape, of.g(), forward); });
  };
  const AttentionInputs<float> fewer(150, 199, 4, 6, 2, 1), queries(149, 200, 4, 6, 2, 1);
  EXPECT_EQ(message(fewer, sampled.tape),
            "lazygumbel: tape.keys = 200: must equal keys.tokens() = 199");
  EXPECT_EQ(message(queries, sampled.tape),
            "lazygumbel: tape.order.size() = 150: must equal queries.tokens() = 149");
  AttentionInputs<float> bad = inputs;
  bad.gradients(3, 7) = float_nan;
  EXPECT_EQ(message(bad, sampled.tape),
            "lazygumbel: output_gradients(token 3, head 1, 1) = nan: must be finite");
  bad = inputs;
  bad.keys(19, 2) = float_nan;
  EXPECT_EQ(message(bad, sampled.tape),
            "lazygumbel: keys(token 19, head 0, 2) = nan: must be finite");
  bad = inputs;
  bad.gradients = inputs.gradients.leftCols(6);
  EXPECT_NE(message(bad, sampled.tape).find("output_gradients.dimension()"), std::string::npos);
  bad = inputs;
  bad.keys *= 1.5F;
  EXPECT_NE(message(bad, sampled.tape).find("is not of these queries, keys and options"),
            std::string::npos);
  AttentionOutput wrong = exact;
  wrong.values.conservativeResize(149, 12);
  EXPECT_EQ(message(inputs, sampled.tape, &wrong),
            "lazygumbel: exact.values.rows() = 149: must equal queries.tokens() = 150");
  wrong = exact;
  wrong.log_sum_exp(2, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(message(inputs, sampled.tape, &wrong),
            "lazygumbel: exact.log_sum_exp(2, 1) = nan: must be finite or -infinity");
}

TEST(KnnAttentionBackward, RowsThatNoQuerySeesAreNotRead) {
  const AttentionInputs<float> inputs(150, 700, 4, 6, 2, 1);
  const std::vector<std::size_t> lengths(150, 600);
  const KnnAttentionOptions options = small_options({.mask = AttentionMask::prefix(lengths)});
  AttentionInputs<float> changed = inputs;
  changed.keys.bottomRows(100).setConstant(float_nan);
  changed.values.bottomRows(100).setConstant(float_nan);
  const Sampled before(inputs, options), after(changed, options);
  const AttentionGradients expected =
      before.attention.backward(inputs.q(), inputs.k(), inputs.v(), before.tape, inputs.g());
  const AttentionGradients got =
      after.attention.backward(changed.q(), changed.k(), changed.v(), after.tape, changed.g());
  EXPECT_TRUE(got.queries == expected.queries);
  EXPECT_TRUE(got.keys == expected.keys);
  EXPECT_TRUE(got.values == expected.values);
}

TEST(KnnAttentionBackward, RefusesATapeThatWasChanged) {
  const AttentionInputs<float> inputs(150, 200, 4, 6, 2, 1);
  const Sampled sampled(inputs, small_options({}));
  const auto message = [&](auto&& change) {
    AttentionTape tape = sampled.tape;
    change(tape);
    return message_of<std::invalid_argument>(
        [&] { sampled.attention.backward(inputs.q(), inputs.k(), inputs.v(), tape, inputs.g()); });
  };
  EXPECT_NE(message([](AttentionTape& t) { t.segments.pop_back(); }).find("do not cover"),
            std::string::npos);
  EXPECT_NE(message([](AttentionTape& t) { t.segments.push_back(t.segments[0]); }).find("repeats"),
            std::string::npos);
  EXPECT_NE(message([](AttentionTape& t) { t.segments[0].kv_head = 1; }).find("kv head"),
            std::string::npos);
  EXPECT_NE(message([](AttentionTape& t) { t.segments[0].queries = 1000; }).find("queries"),
            std::string::npos);
  EXPECT_NE(
      message([](AttentionTape& t) { t.segments[0].blocks[0].keys[0] = 200; }).find("of keys"),
      std::string::npos);
  EXPECT_NE(
      message([](AttentionTape& t) { t.segments[0].blocks[0].rows[0] = 5000; }).find("other rows"),
      std::string::npos);
  EXPECT_NE(message([](AttentionTape& t) {
              t.segments[0].blocks[0].limits.assign(1, 3);
            }).find("other limits"),
            std::string::npos);
  EXPECT_NE(message([](AttentionTape& t) {
              t.segments[0].blocks[0].excluded.push_back({0, 0, 1U << 20});
            }).find("other ranges"),
            std::string::npos);
  EXPECT_NE(message([](AttentionTape& t) { t.order[0] = t.order[1]; }).find("every query once"),
            std::string::npos);
  EXPECT_NE(message([](AttentionTape& t) {
              for (float& w : t.segments[0].log_weights) w = 0.0F;
            }).find("weights sum to"),
            std::string::npos);
}

}  // namespace
}  // namespace lazygumbel::testing
