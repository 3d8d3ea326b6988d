#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lazygumbel/attention/detail/kv_file.hpp"
#include "lazygumbel/attention/detail/token_rows.hpp"
#include "lazygumbel/attention/exact_attention.hpp"
#include "lazygumbel/attention/heads_view.hpp"
#include "lazygumbel/attention/kv_cache.hpp"
#include "lazygumbel/core/detail/cache_line.hpp"

namespace lazygumbel {

/// The keys and values of a growing sequence of tokens: the rows of each kv head one after the
/// other in memory that doubles, on huge pages where the system gives them. A view is valid until
/// the next `append` or `merge`. Moves, but does not copy. const members are thread-safe. A
/// MergeableKvCache.
template <StorageScalar T>
class KeyValueCache {
 public:
  using scalar_type = T;

  /// For keys of d and values of dv numbers. Throws std::invalid_argument when one of them is 0.
  KeyValueCache(std::size_t kv_heads, std::size_t d, std::size_t dv) : keys_(d), values_(dv) {
    detail::require_cache_shape(kv_heads, d, dv);
    keys_.norms.assign(kv_heads, 0.0);
    values_.norms.assign(kv_heads, 0.0);
  }

  std::size_t kv_heads() const noexcept { return keys_.norms.size(); }
  std::size_t key_dimension() const noexcept { return keys_.dimension; }
  std::size_t value_dimension() const noexcept { return values_.dimension; }
  std::size_t tokens_seen() const noexcept { return tokens_; }
  /// Tokens that there is memory for.
  std::size_t capacity() const noexcept { return capacity_; }

  /// Copies the tokens of both views behind those that are there, O(d + dv) for each head of a
  /// token, amortised. Throws std::invalid_argument, leaving the cache as it was, on shapes that do
  /// not fit, NaN, infinity, a row of norm above 1e30, and 2^32 tokens.
  void append(const HeadsView<T>& keys, const HeadsView<T>& values) {
    detail::require_token_shapes(keys, values, kv_heads(), keys_.dimension, values_.dimension);
    const std::size_t added = keys.tokens();
    if (added == 0) return;
    require_room("keys.tokens()", added);
    std::vector<double> key_norms = keys_.larger_norms("keys", keys),
                        value_norms = values_.larger_norms("values", values);
    grow(added);
    keys_.put(keys, tokens_, capacity_);
    values_.put(values, tokens_, capacity_);
    keys_.norms.swap(key_norms);
    values_.norms.swap(value_norms);
    tokens_ += added;
  }

  /// exact_attention of the queries to all tokens. Throws std::invalid_argument as it does, and on
  /// masks that are not full.
  AttentionOutput attend(const HeadsView<float>& queries,
                         const AttentionOptions& options = {}) const {
    static_cast<void>(detail::require_attend<T>(queries, kv_heads(), keys_.dimension,
                                                values_.dimension, options));
    return exact_attention(queries, keys(), values(), options);
  }

  /// Appends the tokens of another cache, which may be this one. O(tokens (d + dv)) for each head.
  /// Throws std::invalid_argument, leaving the cache as it was, when the two differ in shapes, and
  /// on 2^32 tokens.
  void merge(const KeyValueCache& later) {
    detail::require_equal_shapes(*this, later);
    const std::size_t added = later.tokens_;
    require_room("later.tokens_seen()", added);
    grow(added);  // before its views are taken: it may be this one
    keys_.take(later.keys(), later.keys_.norms, tokens_, capacity_);
    values_.take(later.values(), later.values_.norms, tokens_, capacity_);
    tokens_ += added;
  }

  /// Makes room for so many tokens in all.
  void reserve(std::size_t tokens) {
    if (tokens <= capacity_) return;
    const std::size_t room = (std::max)(tokens, std::size_t{256});
    Block keys = keys_.grown(tokens_, capacity_, room),
          values = values_.grown(tokens_, capacity_, room);
    keys_.rows = std::move(keys);
    values_.rows = std::move(values);
    capacity_ = room;
  }

  HeadsView<T> keys() const { return keys_.view(tokens_, capacity_); }
  HeadsView<T> values() const { return values_.view(tokens_, capacity_); }

  /// max |k_j| over the keys of the kv head, 0 without keys; and of the values.
  double largest_key_norm(std::size_t kv) const noexcept { return keys_.norms[kv]; }
  double largest_value_norm(std::size_t kv) const noexcept { return values_.norms[kv]; }

  /// Bytes held, with the room to grow.
  std::size_t size_in_bytes() const noexcept {
    return kv_heads() *
           (capacity_ * (keys_.dimension + values_.dimension) * sizeof(T) + 2 * sizeof(double));
  }

  /// Throws file_error when the file cannot be written. O(tokens (d + dv)) for each head.
  void save(const std::filesystem::path& path) const {
    detail::BinaryWriter out(path);
    detail::put_kv_header<T>(out, file_kind, {kv_heads(), keys_.dimension, values_.dimension});
    out.put(std::uint64_t{tokens_});
    for (std::size_t h = 0; h < kv_heads(); ++h)
      for (const Side* side : {&keys_, &values_}) {
        out.put(side->norms[h]);
        out.put(std::span<const T>(side->head(h, capacity_), tokens_ * side->dimension));
      }
    out.finish();
  }

  /// The cache that was saved. Throws file_error on a file that cannot be read, holds something
  /// else, numbers of another type or entries that `append` would refuse, or was changed.
  static KeyValueCache load(const std::filesystem::path& path) {
    detail::BinaryReader in(path);
    const detail::KvFileShape shape = detail::get_kv_header<T>(in, file_kind, 2 * sizeof(double));
    const auto tokens = static_cast<std::size_t>(
        detail::get_count(in, "tokens", 0, (std::numeric_limits<item_id>::max)()));
    detail::require_left(in, "tokens", tokens, shape.kv_heads, (shape.d + shape.dv) * sizeof(T));
    KeyValueCache cache(shape.kv_heads, shape.d, shape.dv);
    cache.reserve(tokens);
    cache.tokens_ = tokens;
    for (std::size_t h = 0; h < shape.kv_heads; ++h)
      for (Side* side : {&cache.keys_, &cache.values_}) side->read(in, h, tokens, cache.capacity_);
    in.finish();
    return cache;
  }

 private:
  static constexpr detail::KvFileKind file_kind = {
      {'L', 'Z', 'G', 'K', 'V', 'C', '_', '1'}, 1, "KeyValueCache"};

  struct Free {
    std::size_t count = 0;
    void operator()(T* rows) const noexcept {
      detail::CacheLineAllocator<T>().deallocate(rows, count);
    }
  };
  using Block = std::unique_ptr<T[], Free>;
  static_assert(std::is_trivially_copyable_v<T>);

  /// Keys or values: head h's rows from h * capacity * dimension on.
  struct Side {
    explicit Side(std::size_t d) : dimension(d) {}
    std::size_t dimension;
    std::vector<double> norms;  // the largest, one a head
    Block rows;

    HeadsView<T> view(std::size_t tokens, std::size_t capacity) const {
      return {rows.get(),
              tokens,
              norms.size(),
              dimension,
              static_cast<std::ptrdiff_t>(dimension),
              static_cast<std::ptrdiff_t>(capacity * dimension)};
    }

    T* head(std::size_t h, std::size_t capacity) const noexcept {
      return rows.get() + h * capacity * dimension;
    }

    Block grown(std::size_t tokens, std::size_t before, std::size_t room) const {
      const std::size_t count = norms.size() * room * dimension;
      Block block(detail::CacheLineAllocator<T>().allocate(count), Free{count});
      for (std::size_t h = 0; h < norms.size() && tokens > 0; ++h)
        std::memcpy(static_cast<void*>(block.get() + h * room * dimension),
                    rows.get() + h * before * dimension, tokens * dimension * sizeof(T));
      return block;
    }

    std::vector<double> larger_norms(std::string_view name, const HeadsView<T>& added) const {
      std::vector<double> larger = norms;
      for (std::size_t i = 0; i < added.tokens(); ++i)
        for (std::size_t h = 0; h < norms.size(); ++h)
          larger[h] = (std::max)(larger[h], detail::token_norm(name, added, i, h));
      return larger;
    }

    void put(const HeadsView<T>& added, std::size_t tokens, std::size_t capacity) {
      for (std::size_t i = 0; i < added.tokens(); ++i)
        for (std::size_t h = 0; h < norms.size(); ++h)
          std::memcpy(static_cast<void*>(head(h, capacity) + (tokens + i) * dimension),
                      added.row(i, h), dimension * sizeof(T));
    }

    /// Rows that another cache has, whose largest norms are known.
    void take(const HeadsView<T>& added, const std::vector<double>& largest, std::size_t tokens,
              std::size_t capacity) {
      put(added, tokens, capacity);
      for (std::size_t h = 0; h < norms.size(); ++h) norms[h] = (std::max)(norms[h], largest[h]);
    }

    /// What `save` wrote of a head.
    void read(detail::BinaryReader& in, std::size_t h, std::size_t tokens, std::size_t capacity) {
      const auto largest = in.get<double>();
      for (std::size_t i = 0; i < tokens; ++i)
        norms[h] = (std::max)(
            norms[h],
            detail::get_row(in, std::span<T>(head(h, capacity) + i * dimension, dimension)));
      // Sums may round otherwise where registers are wider.
      if (!(std::abs(norms[h] - largest) <= 1e-9 * norms[h]))
        in.fail("is corrupted: its largest norm " + detail::text_of(largest) + " is not " +
                detail::text_of(norms[h]));
    }
  };

  void require_room(std::string_view name, std::size_t added) const {
    if (added > (std::numeric_limits<item_id>::max)() - tokens_)
      detail::throw_invalid(name, added, "makes 2^32 tokens or more");
  }

  void grow(std::size_t added) {
    if (tokens_ + added > capacity_) reserve((std::max)(2 * capacity_, tokens_ + added));
  }

  Side keys_, values_;
  std::size_t tokens_ = 0, capacity_ = 0;
};

}  // namespace lazygumbel
