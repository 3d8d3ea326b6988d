#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <lazygumbel/attention/cache/kv_cache.hpp>
#include <optional>
#include <seconds.hpp>
#include <vector>

#include "problem.hpp"

namespace kv_tools {

/// What the tokens before the last `window` count for: each has this score, -inf: none at all.
struct Window {
  std::size_t tokens = 0;
  double score_before = 0.0;
};

/// Attention of every query over all tokens, in double and scores all there; with a window, over
/// what that model says. A row a query.
Eigen::MatrixXd dense_attention(const Problem& problem, std::size_t threads,
                                std::optional<Window> window = {});

/// |row of a - row of b| / |row of b|, row by row; 0 where they are equal.
std::vector<double> relative_errors(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b);

/// The value that the share q of the others does not exceed; of 0.5 the median.
double quantile(std::vector<double> values, double q);

/// A cache that has seen the tokens, and was asked.
struct Streamed {
  Eigen::MatrixXd outputs;       ///< a row a query
  std::vector<double> reported;  ///< errors, relative to the output's length
  double bytes = 0.0, append_seconds = 0.0, attend_seconds = 0.0;  ///< of a token, of a query
};

/// Seconds of `work(i)` for i = 0 .. count - 1, on average.
template <class Work>
double seconds_of_each(std::size_t count, Work&& work) {
  return lazygumbel_tools::seconds_of([&] {
           for (std::size_t i = 0; i < count; ++i) work(i);
         }) /
         static_cast<double>(count);
}

/// Appends one token after the other, then attends to one query after the other, as a model that
/// decodes does.
template <lazygumbel::KvCache Cache>
Streamed stream(Cache& cache, const Problem& problem, std::size_t threads) {
  using lazygumbel::HeadsView;
  const HeadsView<float> keys(problem.keys), values(problem.values), queries(problem.queries);
  lazygumbel::AttentionOptions options;
  options.scale = problem.scale;
  options.threads = threads;
  Streamed result;
  result.append_seconds = seconds_of_each(
      keys.tokens(), [&](std::size_t i) { cache.append(keys.tokens(i, 1), values.tokens(i, 1)); });
  result.bytes = static_cast<double>(cache.size_in_bytes());
  result.outputs.resize(problem.queries.rows(), problem.values.cols());
  result.attend_seconds = seconds_of_each(queries.tokens(), [&](std::size_t i) {
    const lazygumbel::AttentionOutput output = cache.attend(queries.tokens(i, 1), options);
    result.outputs.row(static_cast<Eigen::Index>(i)) = output.values.row(0).cast<double>();
    result.reported.push_back(static_cast<double>(output.rows[0].error));
  });
  return result;
}

}  // namespace kv_tools
