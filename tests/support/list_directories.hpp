#pragma once

#include <cstddef>
#include <lazygumbel/index/ivf/detail/list_directory.hpp>

namespace lazygumbel::testing {

/// Item i is in list i % lists.
inline lazygumbel::detail::ListDirectory directory_of(std::size_t items, std::size_t lists) {
  lazygumbel::detail::ListDirectory directory;
  for (std::size_t g = 0; g < lists; ++g) directory.open();
  directory.grow(items);
  for (item_id id = 0; id < items; ++id) directory.append(id % lists, id);
  return directory;
}

}  // namespace lazygumbel::testing
