#include "lazygumbel/attention/subgen/detail/sketch_kernels_impl.hpp"

namespace lazygumbel::detail {

template const SketchKernels<float>& select<SketchKernels<float>>(Simd) noexcept;
template const SketchKernels<Eigen::half>& select<SketchKernels<Eigen::half>>(Simd) noexcept;
template const SketchKernels<Eigen::bfloat16>& select<SketchKernels<Eigen::bfloat16>>(
    Simd) noexcept;

}  // namespace lazygumbel::detail
