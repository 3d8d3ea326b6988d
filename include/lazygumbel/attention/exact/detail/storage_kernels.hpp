#pragma once

#include <cstddef>

#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/core/types.hpp"

namespace lazygumbel::detail {

/// Rows of stored numbers, widened to floats.
template <class T>
struct StorageKernels {
  /// panels (d x 2W floats each, enough of them for lanes of W) = the transpose of `count` rows of
  /// d numbers; columns beyond the rows are 0.
  void (*pack)(const T* rows, std::ptrdiff_t stride, std::size_t count, std::size_t d,
               float* panels);
  /// out (count rows of `padded` floats) = rows of d numbers; 0 behind each.
  void (*widen)(const T* rows, std::ptrdiff_t stride, std::size_t count, std::size_t d, float* out,
                std::size_t padded);

  template <class Set>
  static constexpr StorageKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const StorageKernels<float>& select<StorageKernels<float>>(Simd) noexcept;
extern template const StorageKernels<Eigen::half>& select<StorageKernels<Eigen::half>>(
    Simd) noexcept;
extern template const StorageKernels<Eigen::bfloat16>& select<StorageKernels<Eigen::bfloat16>>(
    Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/attention/exact/detail/storage_kernels_impl.hpp"
#endif
