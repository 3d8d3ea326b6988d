#pragma once

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <string>

#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"

namespace lazygumbel {

/// What takes in a stream of tokens and attends to all of them, exactly or not, from whatever it
/// kept. Movable. const members are thread-safe.
///
/// - `append(keys, values)`: tokens in the order of the stream, one row a kv head. Throws
///   std::invalid_argument, leaving the cache as it was, on shapes that do not fit, NaN, infinity,
///   and rows of norm above 1e30.
/// - `attend(queries, options)`: each query against every token so far; head h of the queries uses
///   kv head h / (heads / kv_heads()). The mask must be full. Of each row: output, log-sum-exp, and
///   the report (AttentionRow): rows read, and an error with |o^ - o| <= error |o^| that holds with
///   the probability that the cache states; 0 where the cache computes what it promises exactly.
///   No tokens: outputs 0, log-sum-exp the sink logit, or -inf without one. Queries of one call are
///   not causal among themselves: all see every token that was appended. So for a chunk of a prompt
///   either append and attend token by token, or use a causal attention of its own, such as
///   sliding_window_attention. Throws as exact_attention.
/// - `tokens_seen()`; `size_in_bytes()`: memory that is held, with room to grow.
/// - `save(path)`, `Cache::load(path)`: the same cache, with the same future. Throw file_error
///   where a file cannot be written or read, is foreign, truncated or changed.
/// Models: KeyValueCache (exact), SlidingWindowCache, SubGenCache.
template <class Cache>
concept KvCache = std::movable<Cache> &&
    requires(Cache& cache, const Cache& kept, const HeadsView<typename Cache::scalar_type>& rows,
             const HeadsView<float>& queries, const AttentionOptions& options,
             const std::filesystem::path& path) {
  requires StorageScalar<typename Cache::scalar_type>;
  { kept.kv_heads() } -> std::same_as<std::size_t>;
  { kept.key_dimension() } -> std::same_as<std::size_t>;
  { kept.value_dimension() } -> std::same_as<std::size_t>;
  { kept.tokens_seen() } -> std::same_as<std::size_t>;
  { kept.size_in_bytes() } -> std::same_as<std::size_t>;
  cache.append(rows, rows);
  { kept.attend(queries, options) } -> std::same_as<AttentionOutput>;
  kept.save(path);
  { Cache::load(path) } -> std::same_as<Cache>;
};

/// A KvCache that can take over what another one of its kind kept of a later stream:
/// `merge(later)` leaves what a cache that saw both streams, one after the other, would hold, in
/// law where it is random. Throws std::invalid_argument, leaving the cache as it was, when the two
/// differ in shapes or options.
template <class Cache>
concept MergeableKvCache = KvCache<Cache> && requires(Cache& cache, const Cache& later) {
  cache.merge(later);
};

namespace detail {

/// The shapes of an `attend`, checked. Throws std::invalid_argument.
template <StorageScalar T>
AttentionShape require_attend(const HeadsView<float>& queries, std::size_t kv_heads, std::size_t d,
                              std::size_t dv, const AttentionOptions& options) {
  if (!options.mask.is_full()) throw_invalid("mask", "not full", "a cache shows every token");
  return require_attention<T>(queries, {nullptr, 0, kv_heads, d, 0, 0},
                              {nullptr, 0, kv_heads, dv, 0, 0}, options);
}

/// The shapes of a `merge`. Throws std::invalid_argument unless they are the same.
template <class Cache>
void require_equal_shapes(const Cache& cache, const Cache& later) {
  const auto require = [](const char* name, std::size_t of_later, std::size_t ours) {
    if (of_later != ours)
      throw_invalid("later." + std::string(name), of_later,
                    "must equal the cache's " + text_of(ours));
  };
  require("kv_heads()", later.kv_heads(), cache.kv_heads());
  require("key_dimension()", later.key_dimension(), cache.key_dimension());
  require("value_dimension()", later.value_dimension(), cache.value_dimension());
}

}  // namespace detail
}  // namespace lazygumbel
