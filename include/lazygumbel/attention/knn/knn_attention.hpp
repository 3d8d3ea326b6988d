#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lazygumbel/attention/cache/exact_kv_cache.hpp"
#include "lazygumbel/attention/exact/attention_gradients.hpp"
#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/knn/attention_tape.hpp"
#include "lazygumbel/attention/knn/knn_attention_options.hpp"
#include "lazygumbel/fwd.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

namespace detail {
template <StorageScalar T>
class SampledDecoder;
}  // namespace detail

/// Attention that looks at few of the keys. The keys that matter to a query - the first few, the
/// last few, those that an index finds - are attended to exactly, the rest by a weighted sample of
/// them:
///   Z^ = sum_S e^s + sum_T W e^s,   N^ = sum_S e^s v + sum_T W e^s v,   o^ = N^ / Z^,
/// E Z^ = Z and E N^ = N whatever the keys are; o^ errs by O(1 / l) in the mean and by a standard
/// deviation that each answer reports. With an accuracy, samples grow until that meets the target,
/// and queries that sampling does not pay for are attended to exactly.
///
/// Source: Mussmann, Levy, Ermon, "Fast Amortized Inference and Learning in Log-linear Models with
/// Randomly Perturbed Nearest Neighbor Search", UAI 2017; Haris, "kNN Attention Demystified",
/// ICLR 2025; docs/attention.md.
template <StorageScalar T>
class KnnAttention {
 public:
  /// For queries of `heads` heads over keys of `kv_heads` heads of dimension d, values of dv.
  /// Throws std::invalid_argument on sizes or options out of range.
  KnnAttention(std::size_t heads, std::size_t kv_heads, std::size_t d, std::size_t dv,
               KnnAttentionOptions options = {});
  KnnAttention(const KnnAttention&) = delete;
  KnnAttention& operator=(const KnnAttention&) = delete;
  ~KnnAttention();

  const KnnAttentionOptions& options() const noexcept { return options_; }
  const KeyValueCache<T>& cache() const noexcept { return cache_; }

  /// Appends tokens to the cache (copied), and codes their keys, rotated. Amortised O(d^2 + dv) a
  /// token and head. Throws std::invalid_argument on shapes that do not fit, NaN or infinity, and
  /// std::bad_alloc; nothing is then appended. Where memory is short for the codes alone, the next
  /// call makes them.
  void append(const HeadsView<T>& keys, const HeadsView<T>& values);

  /// Attention of one token's queries (1 token, all heads) over the whole cache. Where sampling
  /// does not pay - few keys, or a target that wants more rows than exact attention reads - it is
  /// exact, and after such a query the next few are exact at once. The same result for any number
  /// of threads; instruction sets draw differently (docs/attention.md). Throws
  /// std::invalid_argument as exact_attention does.
  template <BitGenerator Engine>
  AttentionOutput decode(const HeadsView<float>& queries, Engine& engine) {
    AttentionOutput out;
    decode(queries, engine, out);
    return out;
  }

  /// Decodes into `out`, whose memory is reused.
  template <BitGenerator Engine>
  void decode(const HeadsView<float>& queries, Engine& engine, AttentionOutput& out) {
    const detail::AttentionShape shape = require_decode(queries);
    decode(queries, shape, uniform_bits(engine), out);
  }

  /// Attention of many queries over given keys, under the options' mask: lists of keys in order of
  /// time, lists and samples shared by the queries that meet them, worked off as matrix products.
  /// Nothing of it depends on keys that a query does not see. `tape`, when given, is filled for
  /// `backward`. The same result for any number of threads. About O(m (sqrt n) d) where keys
  /// cluster; O(m n d) at worst, where that is what the accuracy takes. Throws
  /// std::invalid_argument as exact_attention does.
  template <BitGenerator Engine>
  AttentionOutput forward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                          const HeadsView<T>& values, Engine& engine,
                          AttentionTape* tape = nullptr) const {
    const detail::AttentionShape shape = require_forward(queries, keys, values);
    return forward(queries, keys, values, shape, static_cast<std::uint64_t>(engine()), tape);
  }

  /// Gradients of a loss through a `forward` that filled `tape`, given g = dL / d(output), m x H
  /// rows of dv, in about the time that its plan takes: the keys that met each query, drawn ones
  /// with their weights, give all three.
  ///
  /// Without `exact`: the exact gradients of the sampled output o^ as a function of queries, keys
  /// and values, lists and draws held fixed; against those of exact attention a bias of O(1 / l).
  /// With the output of `exact_attention`, or of another forward with draws of its own: weights
  /// are by its log Z and deltas <g, o> by its o. The means of all three gradients are then the
  /// exact ones when it is exact and draws are a fixed budget (no accuracy), and the noise is a
  /// little larger. Gradients of sink logits are those of the forward that is read.
  ///
  /// errors: estimated from the draws themselves, the root of E |g^ - g|^2 over |g^|; 0 where
  /// nothing was drawn. After a pass with an accuracy they are upper estimates, for nine gradients
  /// of ten (GradientErrors::covers_unseen). They fall as 1 / sqrt(tail_samples), and averages over
  /// steps fall likewise; draws are shared by the queries of a block, so that outputs to 10% do not
  /// make gradients to 10%.
  ///
  /// Same result for any number of threads; memory of the keys' gradients for each thread or so.
  /// Throws std::invalid_argument as exact_attention_backward does, and on a tape of other shapes,
  /// queries, keys or options.
  /// Source: Haris, "kNN Attention Demystified", ICLR 2025, for gradients from few keys;
  /// docs/attention.md.
  AttentionGradients backward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                              const HeadsView<T>& values, const AttentionTape& tape,
                              const HeadsView<float>& output_gradients,
                              const AttentionOutput* exact = nullptr) const;

 private:
  detail::AttentionShape require_shape(const HeadsView<float>& queries, const HeadsView<T>& keys,
                                       const HeadsView<T>& values) const;
  detail::AttentionShape require_decode(const HeadsView<float>& queries) const;
  detail::AttentionShape require_forward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                                         const HeadsView<T>& values) const;
  /// All that is drawn comes from `seed`. Precondition: the queries and keys of `shape`, checked.
  void decode(const HeadsView<float>& queries, const detail::AttentionShape& shape,
              std::uint64_t seed, AttentionOutput& out);
  AttentionOutput forward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                          const HeadsView<T>& values, const detail::AttentionShape& shape,
                          std::uint64_t seed, AttentionTape* tape) const;

  std::size_t heads_;
  KnnAttentionOptions options_;
  std::vector<float> sink_logits_;
  KeyValueCache<T> cache_;
  std::unique_ptr<detail::SampledDecoder<T>> decoder_;
};

}  // namespace lazygumbel

#ifdef LAZYGUMBEL_COMPILED
namespace lazygumbel {
extern template class KnnAttention<float>;
extern template class KnnAttention<Eigen::half>;
extern template class KnnAttention<Eigen::bfloat16>;
}  // namespace lazygumbel
#else
#include "lazygumbel/attention/knn/detail/knn_attention_impl.hpp"
#endif
