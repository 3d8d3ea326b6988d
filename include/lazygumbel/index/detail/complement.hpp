#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

/// The items of 0 .. n-1 outside a set S, numbered 0 .. n-|S|-1 in increasing order, without
/// storing them. Views `sorted` (increasing, unique, below n), which must outlive it.
class Complement {
 public:
  Complement() = default;
  Complement(std::size_t n, std::span<const item_id> sorted) noexcept
      : sorted_(sorted), size_(static_cast<item_id>(n - sorted.size())) {}

  std::size_t size() const noexcept { return size_; }

  /// The `rank`-th item outside S; rank < size(). O(log |S|): sorted[j] - j items of the complement
  /// precede sorted[j], so the answer is rank + the number of j with sorted[j] - j <= rank.
  item_id operator[](item_id rank) const noexcept {
    std::size_t low = 0, high = sorted_.size();
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (sorted_[middle] - middle <= rank)
        low = middle + 1;
      else
        high = middle;
    }
    return rank + static_cast<item_id>(low);
  }

  bool contains(item_id id) const noexcept {
    return !std::binary_search(sorted_.begin(), sorted_.end(), id);
  }

  /// A uniform item outside S; size() > 0.
  template <BitGenerator Engine>
  item_id draw(Engine& engine) const {
    return (*this)[uniform_index(size_, engine)];
  }

 private:
  std::span<const item_id> sorted_;
  item_id size_ = 0;
};

}  // namespace lazygumbel
