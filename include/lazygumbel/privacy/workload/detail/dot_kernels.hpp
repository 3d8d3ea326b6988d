#pragma once

#include <cstddef>

#include "lazygumbel/core/simd.hpp"

namespace lazygumbel::detail {

/// Inner products of a row of floats or doubles with a vector of doubles, accumulated in doubles:
/// the accuracy of double scores at the memory traffic of the stored rows.
template <class Scalar>
struct DotKernels {
  double (*dot)(const Scalar* row, const double* weights, std::size_t count);

  template <class Set>
  static constexpr DotKernels of() noexcept;
};

#ifdef LAZYGUMBEL_COMPILED
extern template const DotKernels<float>& select<DotKernels<float>>(Simd) noexcept;
extern template const DotKernels<double>& select<DotKernels<double>>(Simd) noexcept;
#endif

}  // namespace lazygumbel::detail

#ifndef LAZYGUMBEL_COMPILED
#include "lazygumbel/privacy/workload/detail/dot_kernels_impl.hpp"
#endif
