#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "lazygumbel/attention/cache/detail/kv_file.hpp"
#include "lazygumbel/attention/subgen/detail/row_block.hpp"

namespace lazygumbel::detail {

/// The first `sinks` and the last `window` tokens of a stream, one kv head: the sinks, then a ring.
template <StorageScalar T>
class RecentTokens {
 public:
  RecentTokens(std::size_t d, std::size_t dv, std::size_t sinks, std::size_t window)
      : sinks_(sinks), window_(window), keys_(d), values_(dv) {}

  std::size_t size() const noexcept { return keys_.rows(); }
  /// The number of sinks among them.
  std::size_t sinks() const noexcept { return (std::min)(sinks_, size()); }
  /// size() rows, in no order that matters to attention.
  const RowBlock<T>& keys() const noexcept { return keys_; }
  const RowBlock<T>& values() const noexcept { return values_; }

  /// Row of the i-th oldest token.
  std::size_t row(std::size_t i) const noexcept {
    if (i < sinks_) return i;
    return sinks_ + (oldest_ + i - sinks_) % (size() - sinks_);
  }

  /// The key that the next token takes the place of, its own `key` where none is kept; nullptr, and
  /// room for it, while all are. When memory runs out, nothing has changed.
  const T* prepare(const T* key) {
    if (size() < sinks_ || size() - sinks_ < window_) {
      keys_.make_room();
      values_.make_room();
      return nullptr;
    }
    return window_ == 0 ? key : keys_.row(sinks_ + oldest_);
  }

  /// Takes a token in; evict(key, value) is called for the one that has to go, which may be the
  /// same.
  template <class Evict>
  void add(const T* key, const T* value, Evict&& evict) {
    if (size() < sinks_ || size() - sinks_ < window_) {
      keys_.push(key, keys_.width());
      values_.push(value, values_.width());
      return;
    }
    if (window_ == 0) return evict(key, value);
    const std::size_t at = sinks_ + oldest_;
    evict(keys_.row(at), values_.row(at));
    keys_.set(at, key);
    values_.set(at, value);
    oldest_ = (oldest_ + 1) % window_;
  }

  void write(BinaryWriter& out) const {
    out.put(std::uint64_t{size()});
    out.put(std::uint64_t{oldest_});
    out.put(std::span<const T>(keys_.data(), size() * keys_.width()));
    out.put(std::span<const T>(values_.data(), size() * values_.width()));
  }

  /// Fills one that is empty.
  void read(BinaryReader& in) {
    const auto count = get_count(in, "tokens kept exactly", 0, most_rows);
    const auto full = count > sinks_ && count - sinks_ == window_;
    oldest_ = get_count(in, "oldest token", 0, full ? window_ - 1 : 0);
    require_left(in, "tokens kept exactly", count, keys_.width() + values_.width(), sizeof(T));
    if (count > sinks_ && count - sinks_ > window_)
      in.fail("is corrupted: " + text_of(count) + " tokens are kept exactly");
    for (RowBlock<T>* const rows : {&keys_, &values_})
      for (std::size_t i = 0; i < count; ++i)
        get_row(in, std::span<T>(rows->push(), rows->width()));
  }

  std::size_t size_in_bytes() const noexcept {
    return keys_.size_in_bytes() + values_.size_in_bytes();
  }

 private:
  static constexpr std::uint64_t most_rows = (std::numeric_limits<item_id>::max)();

  std::size_t sinks_, window_, oldest_ = 0;  // of the ring
  RowBlock<T> keys_, values_;
};

}  // namespace lazygumbel::detail
