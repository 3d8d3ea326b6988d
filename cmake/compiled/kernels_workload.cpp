#include "lazygumbel/privacy/workload/detail/bit_kernels_impl.hpp"
#include "lazygumbel/privacy/workload/detail/box_kernels_impl.hpp"
#include "lazygumbel/privacy/workload/detail/dot_kernels_impl.hpp"

namespace lazygumbel::detail {

template const BitKernels& select<BitKernels>(Simd) noexcept;
template const BoxKernels& select<BoxKernels>(Simd) noexcept;
template const DotKernels<float>& select<DotKernels<float>>(Simd) noexcept;
template const DotKernels<double>& select<DotKernels<double>>(Simd) noexcept;

}  // namespace lazygumbel::detail
