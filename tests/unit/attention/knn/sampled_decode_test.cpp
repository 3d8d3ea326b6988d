#include <gtest/gtest.h>

#include <lazygumbel/attention/knn/detail/decode/sampled_decode.hpp>
#include <limits>
#include <stdexcept>
#include <string>

#include "decode_problems.hpp"
#include "message_of.hpp"
#include "scalars.hpp"
#include "simds.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::SampledDecoder;

constexpr std::size_t key_dimension = 32, value_dimension = 24;

/// Keys, values and one token's queries of several heads, scaled so that logits have deviation 2.
template <class T>
struct Step {
  Step(std::size_t n, std::size_t of_queries, std::size_t of_keys, std::uint64_t seed = 1)
      : heads(of_queries),
        kv_heads(of_keys),
        keys(gaussian_rows<float>(n, key_dimension * of_keys, seed).template cast<T>()),
        values((gaussian_rows<float>(n, value_dimension * of_keys, seed + 1).array() + 1.0F)
                   .matrix()
                   .template cast<T>()),
        queries(gaussian_rows<float>(1, key_dimension * of_queries, seed + 2)),
        cache(of_keys, key_dimension, value_dimension) {
    options.attention.scale = 2.0 / std::sqrt(static_cast<double>(key_dimension));
    options.minimum_keys = 0;
    options.accuracy = Accuracy(0.1, 0.05);
    cache.append({keys, kv_heads}, {values, kv_heads});
  }
  AttentionOutput decode(std::uint64_t seed = 3) {
    SampledDecoder<T> decoder(options, heads, kv_heads, key_dimension, value_dimension);
    PhiloxEngine engine(seed);
    AttentionOutput out;
    decoder.decode(cache, {queries, heads}, engine, out);
    return out;
  }
  AttentionOutput exact() const {
    return exact_attention<T>({queries, heads}, cache.keys(), cache.values(), options.attention);
  }

  std::size_t heads, kv_heads;
  RowMatrix<T> keys, values;
  RowMatrix<float> queries;
  KeyValueCache<T> cache;
  KnnAttentionOptions options;
};

/// |o^ - o| / |o| of each head, the largest.
double error(const AttentionOutput& a, const AttentionOutput& exact) {
  double largest = 0.0;
  for (Eigen::Index h = 0; h < exact.log_sum_exp.cols(); ++h) {
    const auto width = static_cast<Eigen::Index>(value_dimension);
    const auto truth = exact.values.row(0).segment(h * width, width);
    largest = std::max(
        largest, static_cast<double>((a.values.row(0).segment(h * width, width) - truth).norm() /
                                     truth.norm()));
    EXPECT_NEAR(a.log_sum_exp(0, h), exact.log_sum_exp(0, h), 0.3);
  }
  return largest;
}

void expect_equal_output(const AttentionOutput& a, const AttentionOutput& b) {
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.log_sum_exp, b.log_sum_exp);
  for (std::size_t h = 0; h < a.rows.size(); ++h) {
    EXPECT_EQ(a.rows[h].keys_touched, b.rows[h].keys_touched);
    EXPECT_EQ(a.rows[h].error, b.rows[h].error);
  }
}

template <class T>
class SampledDecoderOf : public ::testing::Test {};
TYPED_TEST_SUITE(SampledDecoderOf, CacheScalars);

TYPED_TEST(SampledDecoderOf, IsNearExactAttentionForEveryGrouping) {
  for (const std::size_t group : {1, 3, 8})
    for (const int bits : {4, 8}) {
      Step<TypeParam> step(9000, 2 * group, 2);
      step.options.bits = bits;
      step.options.accuracy = std::nullopt;
      const AttentionOutput out = step.decode();
      EXPECT_LT(error(out, step.exact()), 0.2);
      for (const AttentionRow& row : out.rows) {
        EXPECT_EQ(row.path, AttentionPath::sampled);
        EXPECT_EQ(row.samples, 256u);
        EXPECT_GE(row.keys_touched, 256u + 68u);
        EXPECT_LT(row.keys_touched, 900u);
        EXPECT_GT(row.error, 0.0F);
        EXPECT_TRUE(row.target_met);
      }
    }
}

TYPED_TEST(SampledDecoderOf, EqualsItselfHoweverTokensCame) {
  Step<TypeParam> step(1000, 2, 1);
  SampledDecoder<TypeParam> decoder(step.options, 2, 1, key_dimension, value_dimension);
  KeyValueCache<TypeParam> cache(1, key_dimension, value_dimension);
  for (Eigen::Index i = 0; i < 1000; ++i) {
    cache.append(step.keys.row(i), step.values.row(i));
    if (i % 3 != 0) decoder.append(cache);
  }
  PhiloxEngine engine(3);
  AttentionOutput out;
  decoder.decode(cache, {step.queries, 2}, engine, out);
  expect_equal_output(out, step.decode());
}

// Codes of rotated keys round differently, and so other keys are drawn.
TEST(SampledDecoder, InstructionSetsDifferByNoMoreThanTheirErrors) {
  Step<float> step(6000, 16, 1);
  const AttentionOutput exact = step.exact(), portable = [&] {
    step.options.attention.simd = Simd::portable;
    return step.decode();
  }();
  for (const Simd simd : supported_simds()) {
    step.options.attention.simd = simd;
    EXPECT_LT(error(step.exact(), exact), 1e-5) << name_of(simd);
    const AttentionOutput out = step.decode();
    for (Eigen::Index h = 0; h < 16; ++h) {
      const auto width = static_cast<Eigen::Index>(value_dimension);
      const auto a = portable.values.row(0).segment(h * width, width),
                 b = out.values.row(0).segment(h * width, width);
      const auto at = static_cast<std::size_t>(h);
      EXPECT_LE((a - b).norm(), portable.rows[at].error * a.norm() + out.rows[at].error * b.norm())
          << name_of(simd) << ", head " << h;
    }
  }
}

TEST(SampledDecoder, DoesNotDependOnThreads) {
  Step<float> step(6000, 6, 3);
  const AttentionOutput one = step.decode();
  step.options.attention.threads = 2;
  expect_equal_output(one, step.decode());
  step.options.attention.threads = 5;
  expect_equal_output(one, step.decode());
}

TEST(SampledDecoder, RunsWithEveryInstructionSet) {
  for (const Simd simd : {Simd::portable, Simd::neon, Simd::avx2, Simd::avx512_vnni}) {
    if (!is_supported(simd)) continue;
    Step<float> step(5000, 2, 1);
    step.options.attention.simd = simd;
    EXPECT_LT(error(step.decode(), step.exact()), 0.15) << name_of(simd);
    step.options.attention.softcap = 3.0;
    EXPECT_LT(error(step.decode(), step.exact()), 0.15) << name_of(simd);
  }
}

TEST(SampledDecoder, TakesScaleCapAndSinks) {
  Step<float> step(8000, 3, 1);
  const std::vector<float> sinks = {-std::numeric_limits<float>::infinity(), 9.0F, 30.0F};
  step.options.attention.sink_logits = sinks;
  for (const double cap : {0.0, 2.0})
    for (const double scale : {0.3, -0.3}) {
      step.options.attention.scale = scale;
      step.options.attention.softcap = cap;
      const AttentionOutput out = step.decode(), exact = step.exact();
      EXPECT_LT(error(out, exact), 0.15) << cap << " " << scale;
      EXPECT_NEAR(out.log_sum_exp(0, 2), 30.0, 1e-3);
    }
}

TEST(SampledDecoder, MergesShards) {
  Step<float> left(6000, 2, 1, 1), right(6000, 2, 1, 50);
  right.queries = left.queries;
  Step<float> both(0, 2, 1);
  both.cache.append(left.keys, left.values);
  both.cache.append(right.keys, right.values);
  both.queries = left.queries;
  EXPECT_LT(error(merge(left.decode(4), right.decode(5)), both.exact()), 0.15);
}

TEST(SampledDecoder, IsExactWhereFewKeysAreVisible) {
  for (const std::size_t n : {0, 1, 2, 60, 100, 131, 383}) {
    Step<float> step(n, 2, 1);
    const AttentionOutput out = step.decode(), exact = step.exact();
    expect_equal_output(out, exact);
    EXPECT_EQ(out.rows[0].path, AttentionPath::exact);
  }
  Step<float> step(3000, 2, 1);
  step.options.minimum_keys = 4096;
  expect_equal_output(step.decode(), step.exact());
  step.options.minimum_keys = 0;
  step.options.window = 5000;
  expect_equal_output(step.decode(), step.exact());
  step.options.window = 64;
  step.options.sinks = 5000;
  expect_equal_output(step.decode(), step.exact());
}

TEST(SampledDecoder, IsExactWhenAllKeysAreCertain) {
  Step<float> step(1000, 1, 1);
  step.options.sample_tail = false;
  step.options.top_k = 5000;
  const AttentionOutput out = step.decode(), exact = step.exact();
  EXPECT_LT(error(out, exact), 1e-5);
  EXPECT_EQ(out.rows[0].path, AttentionPath::top_only);
  EXPECT_EQ(out.rows[0].keys_touched, 1000u);
}

TEST(SampledDecoder, WorksWithoutWindowAndSinks) {
  Step<float> step(4096, 2, 1);
  step.options.window = step.options.sinks = 0;
  EXPECT_LT(error(step.decode(), step.exact()), 0.15);
  step.options.top_k = 3;
  EXPECT_LT(error(step.decode(), step.exact()), 0.15);
}

TEST(SampledDecoder, TakesAtMostTopK) {
  Step<float> step(20000, 1, 1);
  step.options.attention.scale = 4.0 / std::sqrt(static_cast<double>(key_dimension));
  step.options.accuracy = std::nullopt;
  step.options.window = step.options.sinks = 0;
  const std::size_t window = 20000 % 64;
  const std::size_t all = step.decode().rows[0].keys_touched;
  EXPECT_GT(all, 256u + window + 10u);
  step.options.top_k = 10;
  EXPECT_EQ(step.decode().rows[0].keys_touched, 256u + window + 10u);
  step.options.sample_tail = false;
  const AttentionRow row = step.decode().rows[0];
  EXPECT_EQ(row.log_z_error, std::numeric_limits<float>::infinity());
  EXPECT_EQ(row.keys_touched, window + 10u);
  EXPECT_EQ(row.samples, 0u);
}

// Of each path, what it says of log Z; proved errors are wider.
TEST(SampledDecoder, StatesWhatItDoesNotKnowOfZ) {
  Step<float> step(6000, 1, 1);
  step.options.accuracy = std::nullopt;
  const AttentionOutput exact = step.exact();
  EXPECT_EQ(exact.rows[0].log_z_error, 0.0F);
  float before = 0.0F;
  for (const Interval interval : {Interval::normal, Interval::empirical_bernstein}) {
    step.options.interval = interval;
    const AttentionOutput out = step.decode();
    EXPECT_EQ(out.rows[0].path, AttentionPath::sampled);
    EXPECT_GT(out.rows[0].log_z_error, before);
    EXPECT_LT(std::abs(out.log_sum_exp(0, 0) - exact.log_sum_exp(0, 0)),
              static_cast<double>(out.rows[0].log_z_error));
    before = out.rows[0].log_z_error;
  }
}

// Values without a mean under flat weights: no sample does.
TEST(SampledDecoder, GivesUpWhereDrawsDoNotPay) {
  Step<float> step(6000, 2, 2);
  step.values.array() -= 1.0F;
  step.cache = KeyValueCache<float>(2, key_dimension, value_dimension);
  step.cache.append({step.keys, 2}, {step.values, 2});
  step.options.attention.scale = 0.1;
  step.options.accuracy = Accuracy(0.01, 0.1);
  SampledDecoder<float> decoder(step.options, 2, 2, key_dimension, value_dimension);
  PhiloxEngine engine(3);
  AttentionOutput out;
  for (int i = 0; i < 20; ++i) {
    decoder.decode(step.cache, {step.queries, 2}, engine, out);
    for (const AttentionRow& row : out.rows) EXPECT_EQ(row.path, AttentionPath::exact);
  }
  EXPECT_LT(error(out, step.exact()), 1e-6);
}

TEST(SampledDecoder, WaitsLongerEachTime) {
  lazygumbel::detail::Patience patience;
  EXPECT_FALSE(patience.waits());
  for (const int wait : {8, 16, 32, 64, 128, 128}) {
    patience.failed();
    int waited = 0;
    while (patience.waits()) ++waited;
    EXPECT_EQ(waited, wait);
  }
  patience.succeeded();
  patience.failed();
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(patience.waits());
  EXPECT_FALSE(patience.waits());
}

TEST(SampledDecoder, KeepsConstantValues) {
  Step<float> step(5000, 1, 1);
  step.values.setConstant(3.5F);
  step.cache = KeyValueCache<float>(1, key_dimension, value_dimension);
  step.cache.append(step.keys, step.values);
  const AttentionOutput out = step.decode();
  for (Eigen::Index c = 0; c < out.values.cols(); ++c) EXPECT_NEAR(out.values(0, c), 3.5F, 1e-5F);
  EXPECT_LT(out.rows[0].error, 1e-5F);
}

TEST(SampledDecoder, NamesWhatIsWrong) {
  using Error = std::invalid_argument;
  KnnAttentionOptions options;
  EXPECT_EQ(message_of<Error>(
                [&] { SampledDecoder<float>(options, 3, 2, key_dimension, value_dimension); }),
            "lazygumbel: heads = 3: must be a multiple of kv_heads = 2");
  options.bits = 5;
  EXPECT_EQ(message_of<Error>(
                [&] { SampledDecoder<float>(options, 2, 2, key_dimension, value_dimension); }),
            "lazygumbel: bits = 5: must be 4 or 8");
  for (const std::size_t n : {10, 2000}) {  // exact and sampled
    Step<float> step(n, 2, 1);
    step.queries(0, key_dimension + 3) = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(message_of<Error>([&] { step.decode(); }),
              "lazygumbel: queries(token 0, head 1, 3) = nan: must be finite");
  }
  Step<float> step(100, 2, 1);
  step.queries = gaussian_rows<float>(2, 2 * key_dimension, 1);
  EXPECT_EQ(message_of<Error>([&] { step.decode(); }),
            "lazygumbel: queries.tokens() = 2: must be 1");
}

// Lists.

TYPED_TEST(SampledDecoderOf, IsNearExactAttentionByLists) {
  Step<TypeParam> step(9000, 4, 2);
  step.options.index = KeyIndex::lists;
  step.options.accuracy = std::nullopt;
  step.options.attention.scale = 1.0 / std::sqrt(static_cast<double>(key_dimension));
  step.options.minimum_keys = 1000;
  SampledDecoder<TypeParam> decoder(step.options, 4, 2, key_dimension, value_dimension);
  KeyValueCache<TypeParam> cache(2, key_dimension, value_dimension);
  PhiloxEngine engine(3);
  AttentionOutput out;
  std::size_t sampled = 0;
  for (Eigen::Index at = 0; at < 9000; at += 90) {  // lists are built, grown and built anew
    cache.append({step.keys.middleRows(at, 90), 2}, {step.values.middleRows(at, 90), 2});
    decoder.decode(cache, {step.queries, 4}, engine, out);
    const AttentionOutput exact = exact_attention<TypeParam>(
        {step.queries, 4}, cache.keys(), cache.values(), step.options.attention);
    EXPECT_LT(error(out, exact), 0.2) << at;
    EXPECT_LE(out.rows[0].keys_touched, static_cast<std::uint32_t>(at + 90));
    sampled += out.rows[0].path == AttentionPath::sampled;
    EXPECT_TRUE(at + 90 >= 1000 || decoder.size_in_bytes() == 0) << at;
  }
  EXPECT_GT(sampled, 40u);
  EXPECT_GT(decoder.size_in_bytes(), 9000 * key_dimension * 2 * sizeof(float) / 2);
}

TEST(SampledDecoder, TakesCapSinksAndThreadsByLists) {
  Step<float> step(8000, 6, 3);
  const std::vector<float> sinks(6, 5.0F);
  step.options.index = KeyIndex::lists;
  step.options.accuracy = std::nullopt;
  step.options.attention.scale = 1.0 / std::sqrt(static_cast<double>(key_dimension));
  step.options.attention.sink_logits = sinks;
  for (const double cap : {0.0, 3.0}) {
    step.options.attention.softcap = cap;
    step.options.attention.threads = 1;
    const AttentionOutput one = step.decode();
    EXPECT_LT(error(one, step.exact()), 0.15);
    step.options.attention.threads = 3;
    expect_equal_output(one, step.decode());
  }
  step.options.window = step.options.sinks = 0;
  EXPECT_LT(error(step.decode(), step.exact()), 0.15);
  step.options.sample_tail = false;
  EXPECT_EQ(step.decode().rows[0].path, AttentionPath::top_only);
  step.options.interval = Interval::empirical_bernstein;
  EXPECT_THROW(step.decode(), std::invalid_argument);
}

TEST(SampledDecoder, RefusesACacheThatShrank) {
  Step<float> step(2000, 1, 1), shorter(500, 1, 1);
  SampledDecoder<float> decoder(step.options, 1, 1, key_dimension, value_dimension);
  decoder.append(step.cache);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { decoder.append(shorter.cache); }),
            "lazygumbel: cache.tokens_seen() = 500: must not fall: 1920 were indexed");
}

}  // namespace
}  // namespace lazygumbel::testing
