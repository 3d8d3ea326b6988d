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

#include "lazygumbel/attention/cache/exact_kv_cache.hpp"
#include "lazygumbel/attention/exact/exact_attention.hpp"

/// \file
/// Definitions of KeyValueCache: tokens in and out, files.

namespace lazygumbel {

template <StorageScalar T>
KeyValueCache<T>::KeyValueCache(std::size_t kv_heads, std::size_t d, std::size_t dv)
    : keys_(kv_heads, d), values_(kv_heads, dv) {
  detail::require_cache_shape(kv_heads, d, dv);
  key_norms_.assign(kv_heads, 0.0);
  value_norms_.assign(kv_heads, 0.0);
}

template <StorageScalar T>
void KeyValueCache<T>::append(const HeadsView<T>& keys, const HeadsView<T>& values) {
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

template <StorageScalar T>
AttentionOutput KeyValueCache<T>::attend(const HeadsView<float>& queries,
                                         const AttentionOptions& options) const {
  static_cast<void>(
      detail::require_attend<T>(queries, kv_heads(), key_dimension(), value_dimension(), options));
  return exact_attention(queries, keys(), values(), options);
}

template <StorageScalar T>
void KeyValueCache<T>::merge(const KeyValueCache& later) {
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

template <StorageScalar T>
void KeyValueCache<T>::reserve(std::size_t tokens) {
  if (tokens > most_tokens) detail::throw_invalid("tokens", tokens, too_many);
  if (tokens > capacity()) hold(tokens);
}

template <StorageScalar T>
void KeyValueCache<T>::save(const std::filesystem::path& path) const {
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

template <StorageScalar T>
KeyValueCache<T> KeyValueCache<T>::load(const std::filesystem::path& path) {
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

template <StorageScalar T>
void KeyValueCache<T>::require_room(std::string_view name, std::size_t added) const {
  if (added > most_tokens - tokens_) detail::throw_invalid(name, added, too_many);
}

template <StorageScalar T>
auto KeyValueCache<T>::hold(std::size_t room) -> std::pair<Rows, Rows> {
  Rows keys = keys_.grown(tokens_, room), values = values_.grown(tokens_, room);
  return {std::exchange(keys_, std::move(keys)), std::exchange(values_, std::move(values))};
}

template <StorageScalar T>
auto KeyValueCache<T>::grow(std::size_t added) -> std::optional<std::pair<Rows, Rows>> {
  const std::size_t tokens = tokens_ + added;
  if (tokens <= capacity()) return std::nullopt;
  return hold((std::min)(most_tokens, (std::max)({tokens, 2 * capacity(), least_room})));
}

template <StorageScalar T>
void KeyValueCache<T>::put(const HeadsView<T>& keys, const HeadsView<T>& values) noexcept {
  const std::size_t added = keys.tokens();
  for (std::size_t i = 0; i < added; ++i) {
    keys_.put(keys, i, tokens_ + i);
    values_.put(values, i, tokens_ + i);
  }
  tokens_ += added;
}

template <StorageScalar T>
std::vector<double> KeyValueCache<T>::larger_norms(std::string_view name, const HeadsView<T>& added,
                                                   std::vector<double> norms) {
  for (std::size_t i = 0; i < added.tokens(); ++i)
    for (std::size_t h = 0; h < norms.size(); ++h)
      norms[h] = (std::max)(norms[h], detail::token_norm(name, added, i, h));
  return norms;
}

template <StorageScalar T>
double KeyValueCache<T>::read(detail::BinaryReader& in, std::size_t h, std::size_t tokens,
                              Rows& rows) {
  const auto written = in.get<double>();
  const double largest = rows.read(in, h, tokens);
  // Sums may round otherwise where registers are wider.
  if (!(std::abs(largest - written) <= 1e-9 * largest))
    in.fail("is corrupted: its largest norm " + detail::text_of(written) + " is not " +
            detail::text_of(largest));
  return largest;
}

}  // namespace lazygumbel
