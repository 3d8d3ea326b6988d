#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lazygumbel/attention/detail/token_rows.hpp"
#include "lazygumbel/attention/heads_view.hpp"
#include "lazygumbel/core/detail/cache_line.hpp"

namespace lazygumbel {

/// The keys and values of a growing sequence of tokens: the rows of each kv head one after the
/// other in memory that doubles, on huge pages where the system gives them. A view is valid until
/// the next `append`. Moves, but does not copy. const members are thread-safe.
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
  std::size_t tokens() const noexcept { return tokens_; }
  /// Tokens that there is memory for.
  std::size_t capacity() const noexcept { return capacity_; }

  /// Copies the tokens of both views behind those that are there, O(d + dv) for each head of a
  /// token, amortised. Throws std::invalid_argument, leaving the cache as it was, on shapes that do
  /// not fit, NaN, infinity, a row of norm above 1e30, and 2^32 tokens.
  void append(const HeadsView<T>& keys, const HeadsView<T>& values) {
    detail::require_token_shapes(keys, values, kv_heads(), keys_.dimension, values_.dimension);
    const std::size_t added = keys.tokens();
    if (added > (std::numeric_limits<item_id>::max)() - tokens_)
      detail::throw_invalid("keys.tokens()", added, "makes 2^32 tokens or more");
    if (added == 0) return;
    std::vector<double> key_norms = keys_.larger_norms("keys", keys),
                        value_norms = values_.larger_norms("values", values);
    if (tokens_ + added > capacity_) reserve((std::max)(2 * capacity_, tokens_ + added));
    keys_.put(keys, tokens_, capacity_);
    values_.put(values, tokens_, capacity_);
    keys_.norms.swap(key_norms);
    values_.norms.swap(value_norms);
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

 private:
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
          std::memcpy(static_cast<void*>(rows.get() + (h * capacity + tokens + i) * dimension),
                      added.row(i, h), dimension * sizeof(T));
    }
  };

  Side keys_, values_;
  std::size_t tokens_ = 0, capacity_ = 0;
};

}  // namespace lazygumbel
