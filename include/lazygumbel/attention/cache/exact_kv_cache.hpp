#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "lazygumbel/attention/cache/detail/head_rows.hpp"
#include "lazygumbel/attention/cache/detail/kv_file.hpp"
#include "lazygumbel/attention/cache/detail/token_rows.hpp"
#include "lazygumbel/attention/cache/kv_cache.hpp"
#include "lazygumbel/attention/exact/exact_attention.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"

namespace lazygumbel {

/// The keys and values of a growing sequence of tokens: the rows of each kv head one after the
/// other in memory that doubles, on huge pages where the system gives them. A view is valid until
/// the next `append` or `merge`. Moves, but does not copy; moved from, it may only be destroyed or
/// assigned to. const members are thread-safe. A MergeableKvCache.
template <StorageScalar T>
class KeyValueCache {
 public:
  using scalar_type = T;

  /// For keys of d and values of dv numbers. Throws std::invalid_argument when one of them is 0.
  KeyValueCache(std::size_t kv_heads, std::size_t d, std::size_t dv)
      : keys_(kv_heads, d), values_(kv_heads, dv) {
    detail::require_cache_shape(kv_heads, d, dv);
    key_norms_.assign(kv_heads, 0.0);
    value_norms_.assign(kv_heads, 0.0);
  }
  KeyValueCache(KeyValueCache&&) noexcept = default;
  KeyValueCache& operator=(KeyValueCache&&) noexcept = default;

  std::size_t kv_heads() const noexcept { return key_norms_.size(); }
  std::size_t key_dimension() const noexcept { return keys_.width(); }
  std::size_t value_dimension() const noexcept { return values_.width(); }
  std::size_t tokens_seen() const noexcept { return tokens_; }
  /// Tokens that there is memory for.
  std::size_t capacity() const noexcept { return keys_.capacity(); }

  /// Copies the tokens of both views, which may be of this cache, behind those that are there,
  /// O(d + dv) for each head of a token, amortised. Throws, leaving the cache as it was,
  /// std::invalid_argument on shapes that do not fit, NaN, infinity, a row of norm above 1e30, and
  /// 2^32 tokens; and as `reserve`.
  void append(const HeadsView<T>& keys, const HeadsView<T>& values) {
    detail::require_token_shapes(keys, values, kv_heads(), key_dimension(), value_dimension());
    const std::size_t added = keys.tokens();
    if (added == 0) return;
    require_room("keys.tokens()", added);
    std::vector<double> key_norms = larger_norms("keys", keys, key_norms_),
                        value_norms = larger_norms("values", values, value_norms_);
    const auto replaced = grow(added);  // the views may look at it
    put(keys, values);
    key_norms_.swap(key_norms);
    value_norms_.swap(value_norms);
  }

  /// exact_attention of the queries to all tokens. Throws std::invalid_argument as it does, and on
  /// masks that are not full.
  AttentionOutput attend(const HeadsView<float>& queries,
                         const AttentionOptions& options = {}) const {
    static_cast<void>(detail::require_attend<T>(queries, kv_heads(), key_dimension(),
                                                value_dimension(), options));
    return exact_attention(queries, keys(), values(), options);
  }

  /// Appends the tokens of another cache, which may be this one. O(tokens (d + dv)) for each head.
  /// Throws, leaving the cache as it was, std::invalid_argument when the two differ in shapes, and
  /// on 2^32 tokens; and as `reserve`.
  void merge(const KeyValueCache& later) {
    detail::require_equal_shapes(*this, later);
    const std::size_t added = later.tokens_;
    require_room("later.tokens_seen()", added);
    grow(added);  // before its views are taken: it may be this one
    put(later.keys(), later.values());
    for (std::size_t h = 0; h < kv_heads(); ++h) {
      key_norms_[h] = (std::max)(key_norms_[h], later.key_norms_[h]);
      value_norms_[h] = (std::max)(value_norms_[h], later.value_norms_[h]);
    }
  }

  /// Makes room for so many tokens in all. Throws, leaving the cache as it was,
  /// std::invalid_argument on 2^32 tokens or more, and std::bad_alloc where there is no such
  /// memory, std::bad_array_new_length where there cannot be.
  void reserve(std::size_t tokens) {
    if (tokens > most_tokens) detail::throw_invalid("tokens", tokens, too_many);
    if (tokens > capacity()) hold(tokens);
  }

  HeadsView<T> keys() const { return keys_.view(tokens_); }
  HeadsView<T> values() const { return values_.view(tokens_); }

  /// max |k_j| over the keys of the kv head, 0 without keys; and of the values.
  double largest_key_norm(std::size_t kv) const noexcept { return key_norms_[kv]; }
  double largest_value_norm(std::size_t kv) const noexcept { return value_norms_[kv]; }

  /// Bytes held, with the room to grow.
  std::size_t size_in_bytes() const noexcept {
    return keys_.size_in_bytes() + values_.size_in_bytes() + kv_heads() * 2 * sizeof(double);
  }

  /// Throws file_error when the file cannot be written. O(tokens (d + dv)) for each head.
  void save(const std::filesystem::path& path) const {
    detail::BinaryWriter out(path);
    detail::put_kv_header<T>(out, file_kind, {kv_heads(), key_dimension(), value_dimension()});
    out.put(std::uint64_t{tokens_});
    for (std::size_t h = 0; h < kv_heads(); ++h) {
      out.put(key_norms_[h]);
      keys_.write(out, h, tokens_);
      out.put(value_norms_[h]);
      values_.write(out, h, tokens_);
    }
    out.finish();
  }

  /// The cache that was saved, without room to grow. Throws file_error on a file that cannot be
  /// read, holds something else, numbers of another type or entries that `append` would refuse, or
  /// was changed.
  static KeyValueCache load(const std::filesystem::path& path) {
    detail::BinaryReader in(path);
    const detail::KvFileShape shape = detail::get_kv_header<T>(in, file_kind, 2 * sizeof(double));
    const auto tokens = static_cast<std::size_t>(detail::get_count(in, "tokens", 0, most_tokens));
    detail::require_left(in, "tokens", tokens, shape.kv_heads, (shape.d + shape.dv) * sizeof(T));
    KeyValueCache cache(shape.kv_heads, shape.d, shape.dv);
    cache.reserve(tokens);
    cache.tokens_ = tokens;
    for (std::size_t h = 0; h < shape.kv_heads; ++h) {
      cache.key_norms_[h] = read(in, h, tokens, cache.keys_);
      cache.value_norms_[h] = read(in, h, tokens, cache.values_);
    }
    in.finish();
    return cache;
  }

 private:
  using Rows = detail::HeadRows<T>;
  static constexpr detail::KvFileKind file_kind = {
      {'L', 'Z', 'G', 'K', 'V', 'C', '_', '1'}, 1, "KeyValueCache"};
  static constexpr std::size_t most_tokens = (std::numeric_limits<item_id>::max)();
  static constexpr std::size_t least_room = 256;  // that growing makes
  static constexpr const char* too_many = "makes 2^32 tokens or more";

  void require_room(std::string_view name, std::size_t added) const {
    if (added > most_tokens - tokens_) detail::throw_invalid(name, added, too_many);
  }

  /// Memory for so many tokens; returns what it replaces. Precondition: room >= tokens_.
  std::pair<Rows, Rows> hold(std::size_t room) {
    Rows keys = keys_.grown(tokens_, room), values = values_.grown(tokens_, room);
    return {std::exchange(keys_, std::move(keys)), std::exchange(values_, std::move(values))};
  }

  /// Room for more tokens; returns what it replaced.
  std::optional<std::pair<Rows, Rows>> grow(std::size_t added) {
    const std::size_t tokens = tokens_ + added;
    if (tokens <= capacity()) return std::nullopt;
    return hold((std::min)(most_tokens, (std::max)({tokens, 2 * capacity(), least_room})));
  }

  /// Behind those that are there. Precondition: there is room.
  void put(const HeadsView<T>& keys, const HeadsView<T>& values) noexcept {
    const std::size_t added = keys.tokens();
    for (std::size_t i = 0; i < added; ++i) {
      keys_.put(keys, i, tokens_ + i);
      values_.put(values, i, tokens_ + i);
    }
    tokens_ += added;
  }

  static std::vector<double> larger_norms(std::string_view name, const HeadsView<T>& added,
                                          std::vector<double> norms) {
    for (std::size_t i = 0; i < added.tokens(); ++i)
      for (std::size_t h = 0; h < norms.size(); ++h)
        norms[h] = (std::max)(norms[h], detail::token_norm(name, added, i, h));
    return norms;
  }

  /// What `save` wrote of a head; returns its largest norm.
  static double read(detail::BinaryReader& in, std::size_t h, std::size_t tokens, Rows& rows) {
    const auto written = in.get<double>();
    const double largest = rows.read(in, h, tokens);
    // Sums may round otherwise where registers are wider.
    if (!(std::abs(largest - written) <= 1e-9 * largest))
      in.fail("is corrupted: its largest norm " + detail::text_of(written) + " is not " +
              detail::text_of(largest));
    return largest;
  }

  Rows keys_, values_;
  std::vector<double> key_norms_, value_norms_;  // the largest, one a head
  std::size_t tokens_ = 0;
};

}  // namespace lazygumbel
