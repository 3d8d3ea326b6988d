#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lazygumbel/attention/cache/exact_kv_cache.hpp"
#include "lazygumbel/attention/exact/exact_attention.hpp"
#include "lazygumbel/attention/knn/detail/decode/coded_keys.hpp"
#include "lazygumbel/attention/knn/detail/decode/draw_rule.hpp"
#include "lazygumbel/attention/knn/detail/decode/head_decoder.hpp"
#include "lazygumbel/attention/knn/detail/decode/key_rotation.hpp"
#include "lazygumbel/attention/knn/detail/decode/listed_keys.hpp"
#include "lazygumbel/attention/knn/detail/decode/row_estimate.hpp"
#include "lazygumbel/attention/knn/detail/decode/value_ball.hpp"
#include "lazygumbel/attention/knn/knn_attention_options.hpp"
#include "lazygumbel/core/detail/pool.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel::detail {

/// Attention of one token's queries to a KeyValueCache of which it keeps codes. Keys taken with
/// certainty are the sinks, the window (rounded up, so that the others fill whole tiles of 64) and
/// those that the draws would meet once or more on average; the others are drawn with replacement
/// by exp(estimate), one in each of as many equal parts of the sum.
///
/// Exact where few keys are visible, and for all heads of a group when the target wants more draws
/// than exact attention costs.
template <StorageScalar T>
class SampledDecoder {
 public:
  /// Throws std::invalid_argument on options out of range.
  SampledDecoder(const KnnAttentionOptions& options, std::size_t heads, std::size_t kv_heads,
                 std::size_t d, std::size_t dv);
  SampledDecoder(const SampledDecoder&) = delete;
  SampledDecoder& operator=(const SampledDecoder&) = delete;

  /// Codes the keys that are new in the cache, whole tiles of those before the window; or lists
  /// them, some hundreds at a time, from minimum_keys on.
  void append(const KeyValueCache<T>& cache);

  /// Throws std::invalid_argument unless `decode` can answer these queries.
  AttentionShape require_decode(const KeyValueCache<T>& cache,
                                const HeadsView<float>& queries) const;

  /// The rows of `out` for the queries of the newest token, which see all keys of the cache. Head h
  /// draws from PhiloxEngine(seed, h), so that the outcome does not depend on the number of threads
  /// (that of exact attention as said there). `shape`: what require_decode says of these queries.
  void decode(const KeyValueCache<T>& cache, const HeadsView<float>& queries,
              const AttentionShape& shape, std::uint64_t seed, AttentionOutput& out);

  /// Checks, then decodes from one 64-bit seed that `engine` gives.
  template <BitGenerator Engine>
  void decode(const KeyValueCache<T>& cache, const HeadsView<float>& queries, Engine& engine,
              AttentionOutput& out) {
    const AttentionShape shape = require_decode(cache, queries);
    decode(cache, queries, shape, uniform_bits(engine), out);
  }

  /// Bytes of the codes or lists.
  std::size_t size_in_bytes() const noexcept {
    std::size_t bytes = 0;
    for (const State& state : states_)
      bytes += state.codes.size_in_bytes() + state.listed.size_in_bytes();
    return bytes;
  }

 private:
  struct State {
    RowCodes codes;
    ListedKeys<T> listed;
    ValueBall ball;
    Patience patience;
  };
  struct Work {
    SoftmaxState certain;
    std::vector<float> padded, checks;
    RowMatrix<float> rotated;         // a query
    std::vector<CodedScores> scores;  // one a head of the group
    ListedScores<float> listed;
    HeadDecoder<T> head;
  };
  static constexpr std::size_t scan_together = 32;  // tiles that stay in cache for all heads
  static constexpr std::uint64_t rotation_seed = 0x6c7a672d636f6465;

  void code(const HeadsView<T>& keys, std::size_t kv, std::size_t end, RowCodes& codes) const;

  /// The heads of one group; false when they are better attended to exactly.
  bool attend(const KeyValueCache<T>& cache, const HeadsView<float>& queries,
              const AttentionShape& shape, std::size_t kv, std::uint64_t seed, Work& work,
              AttentionOutput& out) const;

  /// The heads of one group by lists; false when they are better attended to exactly.
  bool attend_listed(const KeyValueCache<T>& cache, const HeadsView<float>& queries,
                     const AttentionShape& shape, std::size_t kv, std::uint64_t seed, Work& work,
                     AttentionOutput& out);

  double sink(std::size_t h) const noexcept {
    return sink_logits_.empty() ? -RowEstimate::infinity : static_cast<double>(sink_logits_[h]);
  }
  bool by_lists() const noexcept { return options_.index == KeyIndex::lists; }
  /// Where the window of a kv head begins.
  std::size_t indexed(std::size_t kv) const noexcept {
    return by_lists() ? states_[kv].listed.end() : states_[kv].codes.size();
  }

  /// Sinks and window, for all heads of the group at once; false when a score is not finite.
  bool attend_to_ends(const KeyValueCache<T>& cache, const HeadsView<float>& queries,
                      const AttentionShape& shape, std::size_t kv, Work& work) const;

  /// One query, whose scores `source` tells; its certain keys so far are head g of the state.
  template <class Source>
  typename HeadDecoder<T>::Outcome attend_head(const KeyValueCache<T>& cache,
                                               const AttentionShape& shape, std::size_t kv,
                                               std::size_t g, double sink, PhiloxEngine stream,
                                               Source& source, Work& work) const;

  /// Draws that cost as much as exact attention: a random row costs about as much as 5 streamed
  /// ones (6 where rows are half as long), which are read once for the whole group.
  static std::size_t row_limit(const AttentionShape& shape) noexcept {
    return shape.keys / (sizeof(T) == 4 ? 5 : 6) / shape.group();
  }

  void write(const typename HeadDecoder<T>::Outcome& outcome, std::size_t h, std::size_t ends,
             const RowEstimate& estimate, AttentionOutput& out) const;

  /// Chooses the probes of the lists that cost least on the queries that were remembered.
  void tune(const KeyValueCache<T>& cache, const AttentionShape& shape, std::size_t kv, Work& work);

  KnnAttentionOptions options_;
  std::vector<float> sink_logits_;
  std::size_t heads_;
  DrawRule rule_;
  Simd simd_;
  std::shared_ptr<const KeyRotation> rotation_;  // of keys before they are coded
  std::vector<State> states_;
  std::vector<unsigned char> failed_;
  Pool<Work> works_;
  AttentionOutput exact_;
};

}  // namespace lazygumbel::detail

#ifdef LAZYGUMBEL_COMPILED
namespace lazygumbel::detail {
extern template class SampledDecoder<float>;
extern template class SampledDecoder<Eigen::half>;
extern template class SampledDecoder<Eigen::bfloat16>;
}  // namespace lazygumbel::detail
#else
#include "lazygumbel/attention/knn/detail/decode/sampled_decode_impl.hpp"
#endif
