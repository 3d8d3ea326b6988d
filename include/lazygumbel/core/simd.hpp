#pragma once

#include <initializer_list>

#include "lazygumbel/core/config.hpp"

/// \file
/// Which of the hand-written kernels a processor can run, found out when the program runs, so that
/// a user who compiles for a baseline processor gets them too. A function of such a kernel carries
/// its instruction set as an attribute: no flag, no file of its own, nothing to link.
/// core/detail/dispatch.hpp tells how one is written.

#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
#define LAZYGUMBEL_X86_KERNELS 1
// Every processor with AVX2 and FMA converts half precision (F16C), too.
#define LAZYGUMBEL_AVX2 __attribute__((target("avx2,fma,f16c")))
#define LAZYGUMBEL_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#define LAZYGUMBEL_NEON_KERNELS 1
#endif

#define LAZYGUMBEL_INLINE __attribute__((always_inline)) inline
#ifdef __clang__
#define LAZYGUMBEL_UNROLL _Pragma("unroll")
#else
#define LAZYGUMBEL_UNROLL _Pragma("GCC unroll 16")
#endif

namespace lazygumbel {

/// An instruction set that has kernels of its own; `portable` is plain C++.
enum class Simd { portable, neon, avx2, avx512_vnni };

/// "portable", "neon", "avx2" or "avx512_vnni".
constexpr const char* name_of(Simd simd) noexcept {
  switch (simd) {
    case Simd::neon:
      return "neon";
    case Simd::avx2:
      return "avx2";
    case Simd::avx512_vnni:
      return "avx512_vnni";
    case Simd::portable:
      break;
  }
  return "portable";
}

/// True when this processor (and operating system) runs the kernels of `simd`.
inline bool is_supported(Simd simd) noexcept {
#ifdef LAZYGUMBEL_X86_KERNELS
  __builtin_cpu_init();
  if (simd == Simd::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (simd == Simd::avx512_vnni)
    return is_supported(Simd::avx2) && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#elif defined(LAZYGUMBEL_NEON_KERNELS)
  if (simd == Simd::neon) return true;
#endif
  return simd == Simd::portable;
}

/// The fastest that is supported.
inline Simd best_simd() noexcept {
  for (const Simd simd : {Simd::avx512_vnni, Simd::avx2, Simd::neon})
    if (is_supported(simd)) return simd;
  return Simd::portable;
}

namespace detail {

/// The kernels of `simd`, which must be supported, as a table of pointers to functions; portable
/// ones where this processor has no such set at all.
template <class Table>
const Table& select(Simd simd) noexcept;

}  // namespace detail
}  // namespace lazygumbel
