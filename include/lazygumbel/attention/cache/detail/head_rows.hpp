#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "lazygumbel/attention/cache/detail/kv_file.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/core/detail/cache_line.hpp"

namespace lazygumbel::detail {

/// The keys or the values of a cache: `capacity()` rows of `width()` numbers for each of `heads`
/// heads, head h's from h * capacity() * width() on. Memory is not touched before rows are put
/// there, on huge pages where the system gives them. A copy has the same capacity. Moved from, it
/// may only be destroyed or assigned to.
template <StorageScalar T>
class HeadRows {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  /// Without rows. Precondition: both > 0.
  HeadRows(std::size_t heads, std::size_t width) noexcept : heads_(heads), width_(width) {}
  HeadRows(const HeadRows& other) : HeadRows(other.heads_, other.width_, other.capacity_) {
    if (capacity_ > 0) copy(rows_.get(), other.rows_.get(), heads_ * capacity_);
  }
  HeadRows(HeadRows&&) noexcept = default;
  HeadRows& operator=(const HeadRows& other) { return *this = HeadRows(other); }
  HeadRows& operator=(HeadRows&&) noexcept = default;
  ~HeadRows() = default;

  std::size_t width() const noexcept { return width_; }
  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t size_in_bytes() const noexcept { return heads_ * capacity_ * width_ * sizeof(T); }

  /// The first rows. Precondition: tokens <= capacity().
  HeadsView<T> view(std::size_t tokens) const {
    return {rows_.get(),
            tokens,
            heads_,
            width_,
            static_cast<std::ptrdiff_t>(width_),
            static_cast<std::ptrdiff_t>(capacity_ * width_)};
  }

  /// The first `kept` rows in memory for `room`. Throws std::bad_array_new_length where that is
  /// more bytes than an array can have. Precondition: kept <= capacity(), room.
  HeadRows grown(std::size_t kept, std::size_t room) const {
    HeadRows larger(heads_, width_, room);
    for (std::size_t h = 0; h < heads_ && kept > 0; ++h) copy(larger.row(0, h), row(0, h), kept);
    return larger;
  }

  /// Token i of `added` into a slot of every head. Precondition: slot < capacity().
  void put(const HeadsView<T>& added, std::size_t i, std::size_t slot) noexcept {
    for (std::size_t h = 0; h < heads_; ++h) copy(row(slot, h), added.row(i, h), 1);
  }

  /// The first rows of a head. Precondition: tokens <= capacity().
  void write(BinaryWriter& out, std::size_t h, std::size_t tokens) const {
    out.put(std::span<const T>(row(0, h), tokens * width_));
  }

  /// What `write` wrote; returns the largest norm of a row. Throws file_error as get_row.
  double read(BinaryReader& in, std::size_t h, std::size_t tokens) {
    double largest = 0.0;
    for (std::size_t slot = 0; slot < tokens; ++slot)
      largest = (std::max)(largest, get_row(in, std::span<T>(row(slot, h), width_)));
    return largest;
  }

 private:
  struct Free {
    std::size_t count = 0;
    void operator()(T* rows) const noexcept { CacheLineAllocator<T>().deallocate(rows, count); }
  };

  HeadRows(std::size_t heads, std::size_t width, std::size_t capacity)
      : heads_(heads), width_(width), capacity_(capacity) {
    constexpr auto most =
        static_cast<std::size_t>((std::numeric_limits<std::ptrdiff_t>::max)()) / sizeof(T);
    if (capacity > most / width / heads) throw std::bad_array_new_length();
    const std::size_t count = heads * capacity * width;
    if (count > 0) rows_ = {CacheLineAllocator<T>().allocate(count), Free{count}};
  }

  T* row(std::size_t slot, std::size_t h) const noexcept {
    return rows_.get() + (h * capacity_ + slot) * width_;
  }

  void copy(T* to, const T* from, std::size_t count) const noexcept {
    std::memcpy(static_cast<void*>(to), from, count * width_ * sizeof(T));
  }

  std::size_t heads_, width_, capacity_ = 0;
  std::unique_ptr<T[], Free> rows_;
};

}  // namespace lazygumbel::detail
