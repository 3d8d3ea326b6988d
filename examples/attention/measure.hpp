#pragma once

#include <cstddef>
#include <cstdint>
#include <lazygumbel/attention/exact/attention_output.hpp>
#include <lazygumbel/attention/exact/heads_view.hpp>
#include <lazygumbel/attention/knn/knn_attention_options.hpp>
#include <seconds.hpp>

namespace attention_tools {

using lazygumbel_tools::seconds_of;

/// What attention is asked.
struct Input {
  lazygumbel::HeadsView<float> queries, keys, values;
};

enum class Method {
  exact,     ///< all keys
  top_only,  ///< the `top_k` keys of largest scores
  sampled    ///< as the options say: keys that count, and a sample of the others
};

/// "exact", "top-k only" or "top-k + tail".
const char* name_of(Method method);

/// Attention's outputs and what they cost.
struct Run {
  lazygumbel::AttentionOutput output;
  double build = 0.0;  ///< seconds until the first output (one by one), 0 where it is in `seconds`
  double seconds = 0.0;  ///< of all outputs
};

/// All queries in one call, which builds what it needs.
Run in_one_call(const Input& input, Method method, lazygumbel::KnnAttentionOptions options,
                std::uint64_t seed);

/// One query after the other, as tokens are decoded, against a cache of all keys; each sees all of
/// them.
Run one_by_one(const Input& input, Method method, lazygumbel::KnnAttentionOptions options,
               std::uint64_t seed);

/// How outputs differ from the exact ones, over queries and heads.
struct Comparison {
  double mean = 0.0, greatest = 0.0;  ///< of |o^ - o| / |o|
  double keys = 0.0;                  ///< rows of K (and V) touched, mean
  double exact_share = 0.0;           ///< outputs that were computed exactly
  double beyond_share = 0.0;          ///< outputs that err by more than was asked for
};

/// Of the first output.values.rows() queries; `epsilon` is the error that was asked for.
Comparison compare(const lazygumbel::AttentionOutput& output,
                   const lazygumbel::AttentionOutput& exact, double epsilon);

}  // namespace attention_tools
