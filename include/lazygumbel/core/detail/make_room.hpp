#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace lazygumbel::detail {

/// Makes room for `added` more elements, in amortised O(1) each; the appends that follow cannot
/// throw.
template <class T, class Allocator>
void make_room(std::vector<T, Allocator>& vector, std::size_t added) {
  const std::size_t needed = vector.size() + added;
  if (needed > vector.capacity()) vector.reserve((std::max)(needed, vector.size() * 3 / 2));
}

}  // namespace lazygumbel::detail
