#include "lazygumbel/attention/knn/detail/decode/estimate_kernels_impl.hpp"
#include "lazygumbel/attention/knn/detail/decode/gather_kernels_impl.hpp"

namespace lazygumbel::detail {

template const EstimateKernels& select<EstimateKernels>(Simd) noexcept;
template const GatherKernels<float>& select<GatherKernels<float>>(Simd) noexcept;
template const GatherKernels<Eigen::half>& select<GatherKernels<Eigen::half>>(Simd) noexcept;
template const GatherKernels<Eigen::bfloat16>& select<GatherKernels<Eigen::bfloat16>>(
    Simd) noexcept;

}  // namespace lazygumbel::detail
