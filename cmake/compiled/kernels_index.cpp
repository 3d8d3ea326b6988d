#include "lazygumbel/index/quantized/detail/code_kernels_impl.hpp"
#include "lazygumbel/index/quantized/detail/coding_kernels_impl.hpp"

namespace lazygumbel::detail {

template const CodingKernels& select<CodingKernels>(Simd) noexcept;
template const CodeKernels& select<CodeKernels>(Simd) noexcept;

}  // namespace lazygumbel::detail
