#pragma once

#include <Eigen/Core>
#include <cstddef>

#include "lazygumbel/core/detail/dispatch.hpp"
#include "lazygumbel/privacy/workload/detail/dot_kernels.hpp"
#ifdef LAZYGUMBEL_X86_KERNELS
#include <immintrin.h>
#endif

namespace lazygumbel::detail {

template <class Set>
struct WideDot {
  template <class Scalar>
  static double run(const Scalar* row, const double* weights, std::size_t count) {
    const auto size = static_cast<Eigen::Index>(count);
    return Eigen::Map<const Eigen::Matrix<Scalar, Eigen::Dynamic, 1>>(row, size)
        .template cast<double>()
        .dot(Eigen::Map<const Eigen::VectorXd>(weights, size));
  }
};

#ifdef LAZYGUMBEL_X86_KERNELS

LAZYGUMBEL_AVX512 inline __m512d load_eight(const float* from) {
  return _mm512_maskz_cvtps_pd(0xFF, _mm256_loadu_ps(from));
}
LAZYGUMBEL_AVX512 inline __m512d load_eight(const double* from) { return _mm512_loadu_pd(from); }
LAZYGUMBEL_AVX2 inline __m256d load_four(const float* from) {
  return _mm256_cvtps_pd(_mm_loadu_ps(from));
}
LAZYGUMBEL_AVX2 inline __m256d load_four(const double* from) { return _mm256_loadu_pd(from); }

template <>
struct WideDot<Avx512> {
  template <class Scalar>
  LAZYGUMBEL_AVX512 static double run(const Scalar* row, const double* weights, std::size_t count) {
    __m512d sum0 = _mm512_setzero_pd(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    std::size_t i = 0;
    for (; i + 32 <= count; i += 32) {
      sum0 = _mm512_fmadd_pd(load_eight(row + i), _mm512_loadu_pd(weights + i), sum0);
      sum1 = _mm512_fmadd_pd(load_eight(row + i + 8), _mm512_loadu_pd(weights + i + 8), sum1);
      sum2 = _mm512_fmadd_pd(load_eight(row + i + 16), _mm512_loadu_pd(weights + i + 16), sum2);
      sum3 = _mm512_fmadd_pd(load_eight(row + i + 24), _mm512_loadu_pd(weights + i + 24), sum3);
    }
    alignas(64) double lanes[8];
    _mm512_store_pd(lanes, _mm512_add_pd(_mm512_add_pd(sum0, sum1), _mm512_add_pd(sum2, sum3)));
    double sum = ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
                 ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
    for (; i < count; ++i) sum += static_cast<double>(row[i]) * weights[i];
    return sum;
  }
};

template <>
struct WideDot<Avx2> {
  template <class Scalar>
  LAZYGUMBEL_AVX2 static double run(const Scalar* row, const double* weights, std::size_t count) {
    __m256d sum0 = _mm256_setzero_pd(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    std::size_t i = 0;
    for (; i + 16 <= count; i += 16) {
      sum0 = _mm256_fmadd_pd(load_four(row + i), _mm256_loadu_pd(weights + i), sum0);
      sum1 = _mm256_fmadd_pd(load_four(row + i + 4), _mm256_loadu_pd(weights + i + 4), sum1);
      sum2 = _mm256_fmadd_pd(load_four(row + i + 8), _mm256_loadu_pd(weights + i + 8), sum2);
      sum3 = _mm256_fmadd_pd(load_four(row + i + 12), _mm256_loadu_pd(weights + i + 12), sum3);
    }
    alignas(32) double lanes[4];
    _mm256_store_pd(lanes, _mm256_add_pd(_mm256_add_pd(sum0, sum1), _mm256_add_pd(sum2, sum3)));
    double sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
    for (; i < count; ++i) sum += static_cast<double>(row[i]) * weights[i];
    return sum;
  }
};

#endif

template <class Scalar>
template <class Set>
constexpr DotKernels<Scalar> DotKernels<Scalar>::of() noexcept {
  return {WideDot<Set>::template run<Scalar>};
}

}  // namespace lazygumbel::detail
