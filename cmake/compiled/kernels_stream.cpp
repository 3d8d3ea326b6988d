#include "lazygumbel/attention/exact/detail/stream_kernels_impl.hpp"

namespace lazygumbel::detail {

template const StreamKernels<float>& select<StreamKernels<float>>(Simd) noexcept;
template const StreamKernels<Eigen::half>& select<StreamKernels<Eigen::half>>(Simd) noexcept;
template const StreamKernels<Eigen::bfloat16>& select<StreamKernels<Eigen::bfloat16>>(
    Simd) noexcept;

}  // namespace lazygumbel::detail
