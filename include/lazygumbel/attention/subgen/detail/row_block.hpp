#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "lazygumbel/core/detail/cache_line.hpp"

namespace lazygumbel::detail {

/// Rows of `width` numbers, one behind the other from a cache line on. Grows by an eighth at a
/// time: what it holds is nearly all that it takes.
template <class T>
class RowBlock {
 public:
  explicit RowBlock(std::size_t width) : width_(width) {}

  std::size_t rows() const noexcept { return rows_; }
  std::size_t width() const noexcept { return width_; }
  const T* data() const noexcept { return numbers_.data(); }
  const T* row(std::size_t i) const noexcept { return numbers_.data() + i * width_; }
  T* row(std::size_t i) noexcept { return numbers_.data() + i * width_; }

  /// The next `push` cannot throw.
  void make_room() {
    if (numbers_.size() + width_ > numbers_.capacity())
      reserve((std::max)(rows_ + rows_ / 8, rows_ + 8));
  }
  /// Nor can any until there are so many rows.
  void reserve(std::size_t rows) { numbers_.reserve(rows * width_); }

  /// A new last row, its numbers not set.
  T* push() {
    make_room();
    numbers_.resize(numbers_.size() + width_);
    return numbers_.data() + rows_++ * width_;
  }

  /// A new last row that begins with the `count` numbers of `from`; the others are 0.
  template <class From>
  void push(const From* from, std::size_t count) {
    T* const to = push();
    std::transform(from, from + count, to, [](From x) { return static_cast<T>(x); });
    std::fill(to + count, to + width_, T(0));
  }

  void set(std::size_t i, const T* from) { std::copy_n(from, width_, row(i)); }

  std::size_t size_in_bytes() const noexcept { return numbers_.capacity() * sizeof(T); }

 private:
  std::size_t width_, rows_ = 0;
  std::vector<T, UnsetCacheLineAllocator<T>> numbers_;
};

}  // namespace lazygumbel::detail
