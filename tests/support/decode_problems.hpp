#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/attention/knn/detail/decode/sampled_decode.hpp>
#include <utility>
#include <vector>

#include "indexes.hpp"

/// \file
/// Decoding steps for tests, and what they give in double precision by the plainest loop.

namespace lazygumbel::testing {

/// Keys and values of one kv head and queries, one a row, with the scale folded in.
struct DecodeProblem {
  RowMatrix<float> keys, values, queries;
};

/// Normal keys, queries of which every logit has standard deviation sigma, values N(mean, 1).
inline DecodeProblem gaussian_decode(std::size_t n, std::size_t d, std::size_t dv, double sigma,
                                     std::size_t queries, std::uint64_t seed, float mean = 1.0F) {
  DecodeProblem problem{gaussian_rows<float>(n, d, seed), gaussian_rows<float>(n, dv, seed + 1),
                        gaussian_rows<float>(queries, d, seed + 2)};
  problem.values.array() += mean;
  for (Eigen::Index i = 0; i < problem.queries.rows(); ++i)
    problem.queries.row(i) *= static_cast<float>(sigma) / problem.queries.row(i).norm();
  return problem;
}

/// Unit keys and queries around `clusters` unit centres at a distance of about .3; logits of about
/// 8.3 within a cluster.
inline DecodeProblem clustered_decode(std::size_t n, std::size_t d, std::size_t dv,
                                      std::size_t clusters, std::size_t queries,
                                      std::uint64_t seed) {
  const RowMatrix<float> centres =
      gaussian_rows<float>(clusters, d, seed + 7).rowwise().normalized();
  const float spread = 0.3F / std::sqrt(static_cast<float>(d));
  DecodeProblem problem{gaussian_rows<float>(n, d, seed) * spread,
                        gaussian_rows<float>(n, dv, seed + 1),
                        gaussian_rows<float>(queries, d, seed + 2) * spread};
  problem.values.array() += 1.0F;
  for (Eigen::Index i = 0; i < problem.keys.rows(); ++i) {
    problem.keys.row(i) += centres.row(i * 7919 % centres.rows());
    problem.keys.row(i).normalize();
  }
  for (Eigen::Index i = 0; i < problem.queries.rows(); ++i) {
    problem.queries.row(i) += centres.row(i % centres.rows());
    problem.queries.row(i) *= 9.0F / problem.queries.row(i).norm();
  }
  return problem;
}

/// log Z and o of one query.
struct DecodeTruth {
  double log_sum = 0.0;
  Vector<double> output;
};

inline DecodeTruth plain_decode(const RowMatrix<float>& keys, const RowMatrix<float>& values,
                                const Vector<double>& query, double softcap = 0.0,
                                double sink = -std::numeric_limits<double>::infinity()) {
  Vector<double> scores(keys.rows());
  for (Eigen::Index j = 0; j < keys.rows(); ++j) {
    scores[j] = keys.row(j).cast<double>().dot(query);
    if (softcap > 0.0) scores[j] = softcap * std::tanh(scores[j] / softcap);
  }
  const double high = std::max(scores.maxCoeff(), sink);
  const Vector<double> weights = (scores.array() - high).exp();
  const double z = weights.sum() + std::exp(sink - high);
  return {high + std::log(z), values.cast<double>().transpose() * weights / z};
}

/// Options whose scores are <query, key> and that never leave sampling alone.
inline KnnAttentionOptions plain_options() {
  KnnAttentionOptions options;
  options.attention.scale = 1.0;
  options.minimum_keys = 0;
  return options;
}

inline KeyValueCache<float> cache_of(const DecodeProblem& problem) {
  KeyValueCache<float> cache(1, static_cast<std::size_t>(problem.keys.cols()),
                             static_cast<std::size_t>(problem.values.cols()));
  cache.append(problem.keys, problem.values);
  return cache;
}

/// A decoder for one query of one kv head.
inline lazygumbel::detail::SampledDecoder<float> decoder_of(const DecodeProblem& problem,
                                                            const KnnAttentionOptions& options) {
  return {options, 1, 1, static_cast<std::size_t>(problem.keys.cols()),
          static_cast<std::size_t>(problem.values.cols())};
}

}  // namespace lazygumbel::testing
