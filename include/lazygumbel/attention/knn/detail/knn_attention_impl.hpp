#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "lazygumbel/attention/knn/detail/decode/sampled_decode.hpp"
#include "lazygumbel/attention/knn/detail/prefill/sampled_prefill.hpp"
#include "lazygumbel/attention/knn/detail/sampled_backward.hpp"
#include "lazygumbel/attention/knn/knn_attention.hpp"

/// \file
/// Definitions of KnnAttention.

namespace lazygumbel {

template <StorageScalar T>
KnnAttention<T>::KnnAttention(std::size_t heads, std::size_t kv_heads, std::size_t d,
                              std::size_t dv, KnnAttentionOptions options)
    : heads_(heads),
      options_(std::move(options)),
      sink_logits_(options_.attention.sink_logits.begin(), options_.attention.sink_logits.end()),
      cache_(kv_heads, d, dv),
      decoder_(std::make_unique<detail::SampledDecoder<T>>(options_, heads, kv_heads, d, dv)) {
  options_.attention.sink_logits = sink_logits_;
}

template <StorageScalar T>
KnnAttention<T>::~KnnAttention() = default;

template <StorageScalar T>
void KnnAttention<T>::append(const HeadsView<T>& keys, const HeadsView<T>& values) {
  cache_.append(keys, values);
  try {
    decoder_->append(cache_);
  } catch (const std::bad_alloc&) {  // the tokens are in; their codes follow
  }
}

template <StorageScalar T>
detail::AttentionShape KnnAttention<T>::require_decode(const HeadsView<float>& queries) const {
  return decoder_->require_decode(cache_, queries);
}

template <StorageScalar T>
void KnnAttention<T>::decode(const HeadsView<float>& queries, const detail::AttentionShape& shape,
                             std::uint64_t seed, AttentionOutput& out) {
  decoder_->decode(cache_, queries, shape, seed, out);
}

template <StorageScalar T>
detail::AttentionShape KnnAttention<T>::require_forward(const HeadsView<float>& queries,
                                                        const HeadsView<T>& keys,
                                                        const HeadsView<T>& values) const {
  const detail::AttentionShape shape = require_shape(queries, keys, values);
  const std::size_t seen = detail::seen_keys(shape, options_.attention.mask);
  detail::require_finite("queries", queries);
  detail::require_finite("keys", keys.tokens(0, seen));
  detail::require_finite("values", values.tokens(0, seen));
  return shape;
}

template <StorageScalar T>
AttentionOutput KnnAttention<T>::forward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                                         const HeadsView<T>& values,
                                         const detail::AttentionShape& shape, std::uint64_t seed,
                                         AttentionTape* tape) const {
  AttentionOutput out;
  detail::resize_output(shape, out);
  const std::size_t seen = detail::seen_keys(shape, options_.attention.mask);
  // Scores that overflow float do so nowhere unnoticed.
  if (detail::may_overflow(queries, keys.tokens(0, seen), shape.scale))
    exact_attention(queries, keys, values, options_.attention, out);
  detail::sampled_prefill(queries, keys, values, options_, shape, seed, out, tape);
  return out;
}

template <StorageScalar T>
AttentionGradients KnnAttention<T>::backward(const HeadsView<float>& queries,
                                             const HeadsView<T>& keys, const HeadsView<T>& values,
                                             const AttentionTape& tape,
                                             const HeadsView<float>& output_gradients,
                                             const AttentionOutput* exact) const {
  const detail::AttentionShape shape = require_shape(queries, keys, values);
  if (shape.queries > 0) {
    detail::require_tape(shape, tape);
    detail::require_backward(shape, tape.output, output_gradients, "tape.output");
    if (exact != nullptr) detail::require_backward(shape, *exact, output_gradients, "exact");
  }
  detail::require_finite("queries", queries);
  const std::size_t seen = detail::seen_keys(shape, options_.attention.mask);
  detail::require_finite("keys", keys.tokens(0, seen));
  detail::require_finite("values", values.tokens(0, seen));
  return detail::sampled_backward(queries, keys, values, options_.attention, shape, tape,
                                  output_gradients, exact);
}

template <StorageScalar T>
detail::AttentionShape KnnAttention<T>::require_shape(const HeadsView<float>& queries,
                                                      const HeadsView<T>& keys,
                                                      const HeadsView<T>& values) const {
  const auto require = [](const char* name, std::size_t value, std::size_t wanted) {
    if (value != wanted) detail::throw_invalid(name, value, "must be " + detail::text_of(wanted));
  };
  require("queries.heads()", queries.heads(), heads_);
  require("keys.heads()", keys.heads(), cache_.kv_heads());
  require("keys.dimension()", keys.dimension(), cache_.keys().dimension());
  require("values.dimension()", values.dimension(), cache_.values().dimension());
  return detail::require_attention(queries, keys, values, options_.attention);
}

}  // namespace lazygumbel
