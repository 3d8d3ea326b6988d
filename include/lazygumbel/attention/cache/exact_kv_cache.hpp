#pragma once

#include <algorithm>
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
  KeyValueCache(std::size_t kv_heads, std::size_t d, std::size_t dv);
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
  void append(const HeadsView<T>& keys, const HeadsView<T>& values);

  /// exact_attention of the queries to all tokens. Throws std::invalid_argument as it does, and on
  /// masks that are not full.
  AttentionOutput attend(const HeadsView<float>& queries,
                         const AttentionOptions& options = {}) const;

  /// Appends the tokens of another cache, which may be this one. O(tokens (d + dv)) for each head.
  /// Throws, leaving the cache as it was, std::invalid_argument when the two differ in shapes, and
  /// on 2^32 tokens; and as `reserve`.
  void merge(const KeyValueCache& later);

  /// Makes room for so many tokens in all. Throws, leaving the cache as it was,
  /// std::invalid_argument on 2^32 tokens or more, and std::bad_alloc where there is no such
  /// memory, std::bad_array_new_length where there cannot be.
  void reserve(std::size_t tokens);

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
  void save(const std::filesystem::path& path) const;

  /// The cache that was saved, without room to grow. Throws file_error on a file that cannot be
  /// read, holds something else, numbers of another type or entries that `append` would refuse, or
  /// was changed.
  static KeyValueCache load(const std::filesystem::path& path);

 private:
  using Rows = detail::HeadRows<T>;
  static constexpr detail::KvFileKind file_kind = {
      {'L', 'Z', 'G', 'K', 'V', 'C', '_', '1'}, 1, "KeyValueCache"};
  static constexpr std::size_t most_tokens = (std::numeric_limits<item_id>::max)();
  static constexpr std::size_t least_room = 256;  // that growing makes
  static constexpr const char* too_many = "makes 2^32 tokens or more";

  void require_room(std::string_view name, std::size_t added) const;

  /// Memory for so many tokens; returns what it replaces. Precondition: room >= tokens_.
  std::pair<Rows, Rows> hold(std::size_t room);

  /// Room for more tokens; returns what it replaced.
  std::optional<std::pair<Rows, Rows>> grow(std::size_t added);

  /// Behind those that are there. Precondition: there is room.
  void put(const HeadsView<T>& keys, const HeadsView<T>& values) noexcept;

  static std::vector<double> larger_norms(std::string_view name, const HeadsView<T>& added,
                                          std::vector<double> norms);

  /// What `save` wrote of a head; returns its largest norm.
  static double read(detail::BinaryReader& in, std::size_t h, std::size_t tokens, Rows& rows);

  Rows keys_, values_;
  std::vector<double> key_norms_, value_norms_;  // the largest, one a head
  std::size_t tokens_ = 0;
};

}  // namespace lazygumbel

#ifdef LAZYGUMBEL_COMPILED
namespace lazygumbel {
extern template class KeyValueCache<float>;
extern template class KeyValueCache<Eigen::half>;
extern template class KeyValueCache<Eigen::bfloat16>;
}  // namespace lazygumbel
#else
#include "lazygumbel/attention/cache/detail/exact_kv_cache_impl.hpp"
#endif
