#include "measure.hpp"

#include <algorithm>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <lazygumbel/random/philox.hpp>
#include <utility>

namespace attention_tools {

using lazygumbel::AttentionOutput;
using lazygumbel::KnnAttention;
using lazygumbel::KnnAttentionOptions;

namespace {

/// Top-k alone has no target and no tail.
void set(KnnAttentionOptions& options, Method method) {
  if (method != Method::top_only) return;
  options.accuracy.reset();
  options.sample_tail = false;
}

KnnAttention<float> attention_of(const Input& input, const KnnAttentionOptions& options) {
  return {input.queries.heads(), input.keys.heads(), input.keys.dimension(),
          input.values.dimension(), options};
}

}  // namespace

const char* name_of(Method method) {
  switch (method) {
    case Method::exact:
      return "exact";
    case Method::top_only:
      return "top-k only";
    case Method::sampled:
      break;
  }
  return "top-k + tail";
}

Run in_one_call(const Input& input, Method method, KnnAttentionOptions options,
                std::uint64_t seed) {
  set(options, method);
  Run run;
  run.seconds = seconds_of([&] {
    if (method == Method::exact) {
      run.output = exact_attention(input.queries, input.keys, input.values, options.attention);
      return;
    }
    lazygumbel::PhiloxEngine engine(seed);
    run.output =
        attention_of(input, options).forward(input.queries, input.keys, input.values, engine);
  });
  return run;
}

Run one_by_one(const Input& input, Method method, KnnAttentionOptions options, std::uint64_t seed) {
  set(options, method);
  lazygumbel::PhiloxEngine engine(seed);
  auto attention = attention_of(input, options);
  const auto answer = [&](std::size_t i) {
    const auto query = input.queries.tokens(i, 1);
    return method == Method::exact
               ? exact_attention(query, input.keys, input.values, options.attention)
               : attention.decode(query, engine);
  };
  Run run;
  if (method != Method::exact)
    run.build = seconds_of([&] {
      attention.append(input.keys, input.values);
      answer(0);  // some indexes are built when they are first needed
    });
  const auto m = static_cast<Eigen::Index>(input.queries.tokens()),
             heads = static_cast<Eigen::Index>(input.queries.heads());
  run.output.values.resize(m, heads * static_cast<Eigen::Index>(input.values.dimension()));
  run.output.log_sum_exp.resize(m, heads);
  run.seconds = seconds_of([&] {
    for (Eigen::Index i = 0; i < m; ++i) {
      const AttentionOutput one = answer(static_cast<std::size_t>(i));
      run.output.values.row(i) = one.values.row(0);
      run.output.log_sum_exp.row(i) = one.log_sum_exp.row(0);
      run.output.rows.insert(run.output.rows.end(), one.rows.begin(), one.rows.end());
    }
  });
  return run;
}

Comparison compare(const AttentionOutput& output, const AttentionOutput& exact, double epsilon) {
  Comparison result;
  const Eigen::Index m = output.values.rows(), heads = output.log_sum_exp.cols(),
                     width = output.values.cols() / heads;
  const auto count = static_cast<double>(m * heads);
  for (Eigen::Index i = 0; i < m; ++i)
    for (Eigen::Index h = 0; h < heads; ++h) {
      const auto truth = exact.values.row(i).segment(h * width, width).cast<double>();
      const double difference =
          (output.values.row(i).segment(h * width, width).cast<double>() - truth).norm();
      const double error = difference == 0.0 ? 0.0 : difference / truth.norm();
      const auto& row = output.rows[static_cast<std::size_t>(i * heads + h)];
      result.mean += error / count;
      result.greatest = (std::max)(result.greatest, error);
      result.keys += row.keys_touched / count;
      if (row.path == lazygumbel::AttentionPath::exact) result.exact_share += 1.0 / count;
      if (!(error <= epsilon)) result.beyond_share += 1.0 / count;
    }
  return result;
}

}  // namespace attention_tools
