// What attention does on several threads, for ThreadSanitizer. Answers are those of one thread.

#include <gtest/gtest.h>

#include <cstddef>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <lazygumbel/attention/exact/exact_attention_backward.hpp>
#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <lazygumbel/attention/subgen/sub_gen_cache.hpp>
#include <lazygumbel/random/philox.hpp>

#include "laws.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::size_t race_heads = 8, race_kv_heads = 2, race_width = 8, race_threads = 4;

struct RaceProblem {
  RowMatrix<float> queries, keys, values;
  explicit RaceProblem(std::size_t tokens)
      : queries(gaussian_rows<float>(tokens, race_heads * race_width, 1)),
        keys(gaussian_rows<float>(tokens, race_kv_heads * race_width, 2)),
        values(gaussian_rows<float>(tokens, race_kv_heads * race_width, 3)) {}
  HeadsView<float> q() const { return {queries, race_heads}; }
  HeadsView<float> k() const { return {keys, race_kv_heads}; }
  HeadsView<float> v() const { return {values, race_kv_heads}; }
};

KnnAttentionOptions options_of(std::size_t threads) {
  KnnAttentionOptions options;
  options.attention.threads = threads;
  options.attention.mask = AttentionMask::causal();
  options.minimum_keys = 64;
  options.tail_samples = 64;
  options.window = options.sinks = 8;
  return options;
}

TEST(AttentionRaces, Exact) {
  const RaceProblem few(4), many(600);
  AttentionOptions options;
  options.threads = race_threads;
  for (const HeadsView<float>& queries : {few.q(), many.q()}) {
    const AttentionOutput out = exact_attention(queries, many.k(), many.v(), options);
    const AttentionOutput one = exact_attention(queries, many.k(), many.v());
    EXPECT_TRUE(out.values.isApprox(one.values, 1e-4F));
  }
  const AttentionOutput out = exact_attention(many.q(), many.k(), many.v(), options);
  AttentionGradients gradients;
  exact_attention_backward(many.q(), many.k(), many.v(), options, out, many.queries, gradients);
  EXPECT_TRUE(gradients.queries.allFinite());
}

TEST(AttentionRaces, Decode) {
  const RaceProblem problem(1200);
  for (const KeyIndex index : {KeyIndex::codes, KeyIndex::lists}) {
    RowMatrix<float> values[2];
    for (const std::size_t threads : {std::size_t{1}, race_threads}) {
      KnnAttentionOptions options = options_of(threads);
      options.attention.mask = AttentionMask::full();
      options.index = index;
      KnnAttention<float> attention(race_heads, race_kv_heads, race_width, race_width, options);
      attention.append(problem.k(), problem.v());
      PhiloxEngine engine(5);
      values[threads == 1 ? 0 : 1] = attention.decode(problem.q().tokens(7, 1), engine).values;
    }
    EXPECT_TRUE(values[0] == values[1]);
  }
}

TEST(AttentionRaces, ForwardAndBackward) {
  const RaceProblem problem(900);
  KnnAttentionOptions options = options_of(race_threads);
  options.index = KeyIndex::lists;
  KnnAttention<float> attention(race_heads, race_kv_heads, race_width, race_width, options);
  PhiloxEngine engine(6);
  AttentionTape tape;
  const AttentionOutput out =
      attention.forward(problem.q(), problem.k(), problem.v(), engine, &tape);
  const AttentionGradients gradients =
      attention.backward(problem.q(), problem.k(), problem.v(), tape, problem.q());
  EXPECT_TRUE(out.values.allFinite() && gradients.keys.allFinite());
}

TEST(AttentionRaces, SubGen) {
  const RaceProblem problem(600);
  SubGenOptions sub_gen;
  sub_gen.radius = 2.0;
  PhiloxEngine engine(7);
  SubGenCache<float> cache(race_kv_heads, race_width, race_width, sub_gen, engine);
  cache.append(problem.k(), problem.v());
  AttentionOptions options;
  options.threads = race_threads;
  EXPECT_TRUE(cache.attend(problem.q().tokens(0, 50), options).values ==
              cache.attend(problem.q().tokens(0, 50)).values);
}

}  // namespace
}  // namespace lazygumbel::testing
