#include "lazygumbel/attention/exact/detail/gradient_kernels_impl.hpp"
#include "lazygumbel/attention/exact/detail/product_kernels_impl.hpp"
#include "lazygumbel/attention/exact/detail/softmax_kernels_impl.hpp"
#include "lazygumbel/attention/exact/detail/storage_kernels_impl.hpp"

namespace lazygumbel::detail {

template const ProductKernels& select<ProductKernels>(Simd) noexcept;
template const SoftmaxKernels& select<SoftmaxKernels>(Simd) noexcept;
template const GradientKernels& select<GradientKernels>(Simd) noexcept;
template const StorageKernels<float>& select<StorageKernels<float>>(Simd) noexcept;
template const StorageKernels<Eigen::half>& select<StorageKernels<Eigen::half>>(Simd) noexcept;
template const StorageKernels<Eigen::bfloat16>& select<StorageKernels<Eigen::bfloat16>>(
    Simd) noexcept;

}  // namespace lazygumbel::detail
