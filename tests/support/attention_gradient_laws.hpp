#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <vector>

#include "attention_inputs.hpp"
#include "statistics.hpp"

/// \file
/// Gradients of sampled attention over many draws of the same plan's tails: their means and errors.

namespace lazygumbel::testing {

/// Keys and values with a mean, and gradients with `gradient_mean`: then rows that share draws err
/// alike.
inline AttentionInputs<float> biased_inputs(std::size_t m, std::size_t n, std::size_t heads,
                                            float gradient_mean) {
  AttentionInputs<float> inputs(m, n, 6, 5, heads, 1);
  inputs.keys.array() += 1.0F;
  inputs.values.array() += 1.0F;
  inputs.gradients.array() += gradient_mean;
  return inputs;
}

/// A fixed budget of few draws.
inline KnnAttentionOptions drawn_options(const AttentionOptions& attention,
                                         std::size_t samples = 100, std::size_t top = 100) {
  KnnAttentionOptions options;
  options.index = KeyIndex::lists;  // however few the queries are
  options.attention = attention;
  options.accuracy = std::nullopt;
  options.tail_samples = samples;
  options.top_k = top;
  options.sinks = 2;
  options.window = 8;
  options.minimum_keys = 128;
  return options;
}

/// The gradients of run `seed`, by `exact` where given.
inline AttentionGradients drawn_gradients(const AttentionInputs<float>& inputs,
                                          const KnnAttentionOptions& options, std::uint64_t seed,
                                          const AttentionOutput* exact) {
  const KnnAttention<float> attention(inputs.heads, inputs.kv_heads, inputs.q().dimension(),
                                      inputs.v().dimension(), options);
  PhiloxEngine engine(seed);
  AttentionTape tape;
  attention.forward(inputs.q(), inputs.k(), inputs.v(), engine, &tape);
  return attention.backward(inputs.q(), inputs.k(), inputs.v(), tape, inputs.g(), exact);
}

/// z-scores of the means over `runs` of inner products of the gradients with the exact ones and a
/// few fixed Gaussian matrices, queries' first, then keys', then values'; against the exact
/// gradients'.
inline std::vector<double> gradient_z_scores(const AttentionInputs<float>& inputs,
                                             const KnnAttentionOptions& options, std::size_t runs,
                                             const AttentionOutput* exact,
                                             std::size_t directions = 4) {
  const AttentionGradients exactly = inputs.backward(options.attention);
  const auto products = [&](const AttentionGradients& of) {
    std::vector<double> out;
    std::uint64_t seed = 100;
    for (const auto gradient :
         {&AttentionGradients::queries, &AttentionGradients::keys, &AttentionGradients::values}) {
      const RowMatrix<double> one = (of.*gradient).cast<double>();
      out.push_back((exactly.*gradient).cast<double>().cwiseProduct(one).sum());
      for (std::size_t i = 1; i < directions; ++i)
        out.push_back(gaussian_rows<double>(static_cast<std::size_t>(one.rows()),
                                            static_cast<std::size_t>(one.cols()), ++seed)
                          .cwiseProduct(one)
                          .sum());
    }
    return out;
  };
  const std::vector<double> truth = products(exactly);
  std::vector<std::vector<double>> seen(truth.size());
  for (std::size_t run = 0; run < runs; ++run) {
    const std::vector<double> one = products(drawn_gradients(inputs, options, run, exact));
    for (std::size_t i = 0; i < one.size(); ++i) seen[i].push_back(one[i]);
  }
  std::vector<double> scores;
  for (std::size_t i = 0; i < truth.size(); ++i) scores.push_back(z_of_mean(seen[i], truth[i]));
  return scores;
}

/// Roots of mean squares over runs of |g^ - g| / |g^| as measured, and as reported.
struct GradientErrorLaw {
  GradientErrors measured, reported;
};

inline GradientErrorLaw gradient_error_law(const AttentionInputs<float>& inputs,
                                           const KnnAttentionOptions& options, std::size_t runs,
                                           bool unbiased) {
  const AttentionGradients truth = inputs.backward(options.attention);
  const AttentionOutput exact =
      exact_attention(inputs.q(), inputs.k(), inputs.v(), options.attention);
  GradientErrorLaw law;
  for (std::size_t run = 0; run < runs; ++run) {
    const AttentionGradients out =
        drawn_gradients(inputs, options, run, unbiased ? &exact : nullptr);
    const auto add = [&](double& measured, double& reported, const RowMatrix<float>& a,
                         const RowMatrix<float>& b, double report) {
      const double error = relative_error(b, a.cast<double>());
      measured += error * error / static_cast<double>(runs);
      reported += report * report / static_cast<double>(runs);
    };
    add(law.measured.queries, law.reported.queries, out.queries, truth.queries, out.errors.queries);
    add(law.measured.keys, law.reported.keys, out.keys, truth.keys, out.errors.keys);
    add(law.measured.values, law.reported.values, out.values, truth.values, out.errors.values);
  }
  for (GradientErrors* errors : {&law.measured, &law.reported})
    for (double* x : {&errors->queries, &errors->keys, &errors->values}) *x = std::sqrt(*x);
  return law;
}

}  // namespace lazygumbel::testing
