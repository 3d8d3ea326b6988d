#pragma once

#include <cstddef>
#include <cstring>

#include "lazygumbel/attention/exact/detail/storage_kernels.hpp"
#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"

namespace lazygumbel::detail {

template <class Set, class T>
LAZYGUMBEL_INLINE void pack_columns(const T* rows, std::ptrdiff_t stride, std::size_t count,
                                    std::size_t d, float* panels) {
  constexpr std::size_t W = Set::width, panel = 2 * W;
  using Floats = typename Set::Floats;
  for (std::size_t first = 0; first < count; first += panel, panels += panel * d) {
    const std::size_t some = count - first < panel ? count - first : panel;
    if (some < panel) std::memset(panels, 0, sizeof(float) * panel * d);
    for (std::size_t r = 0; r < some; ++r) {
      const T* const row = rows + static_cast<std::ptrdiff_t>(first + r) * stride;
      std::size_t j = 0;
      for (; j + W <= d; j += W) {
        Floats x;
        load_stored<Set>(x, row + j);
        LAZYGUMBEL_UNROLL
        for (std::size_t l = 0; l < W; ++l) panels[(j + l) * panel + r] = x[l];
      }
      for (; j < d; ++j) panels[j * panel + r] = static_cast<float>(row[j]);
    }
  }
}

template <class Set, class T>
LAZYGUMBEL_INLINE void widen_rows(const T* rows, std::ptrdiff_t stride, std::size_t count,
                                  std::size_t d, float* out, std::size_t padded) {
  constexpr std::size_t W = Set::width;
  using Floats = typename Set::Floats;
  for (std::size_t r = 0; r < count; ++r, out += padded) {
    const T* const row = rows + static_cast<std::ptrdiff_t>(r) * stride;
    std::size_t j = 0;
    for (; j + W <= d; j += W) {
      Floats x;
      load_stored<Set>(x, row + j);
      std::memcpy(out + j, &x, sizeof x);
    }
    for (; j < d; ++j) out[j] = static_cast<float>(row[j]);
    for (; j < padded; ++j) out[j] = 0.0F;
  }
}

template <class T>
template <class Set>
constexpr StorageKernels<T> StorageKernels<T>::of() noexcept {
  return {Set::template run<pack_columns<Set, T>>, Set::template run<widen_rows<Set, T>>};
}

}  // namespace lazygumbel::detail
