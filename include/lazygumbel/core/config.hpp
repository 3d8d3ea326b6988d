// No #pragma once: the last lines of this file speak each time that it is included.

/// \file
/// Conditions on the compiler, checked once, and the macros that the other headers use.
///
/// LAZYGUMBEL_AUDIT (define it yourself, or configure with -DLAZYGUMBEL_AUDIT=ON): compare every
/// score that an index returns with its own `score`, O(k d) a search instead of O(d).
///
/// LAZYGUMBEL_COMPILED: the program links the component `compiled`, whose target and pkg-config
/// file define it, with what the library was built with. A file that differs does not compile.
/// - LAZYGUMBEL_COMPILED: its version, 10000 major + 100 minor + patch
/// - LAZYGUMBEL_COMPILED_AUDIT: 1 when it was built with LAZYGUMBEL_AUDIT, else 0
/// - LAZYGUMBEL_COMPILED_ALIGN: its EIGEN_MAX_ALIGN_BYTES, see core/detail/compiled_abi.hpp

#ifndef LAZYGUMBEL_CORE_CONFIG_HPP
#define LAZYGUMBEL_CORE_CONFIG_HPP

#include "lazygumbel/core/version.hpp"

#if defined(__GNUC__) && __cplusplus <= 201703L
#error "lazygumbel needs C++20: compile with -std=c++20"
#endif

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "lazygumbel relies on infinities and on IEEE ordering: compile without -ffast-math"
#endif

#ifdef LAZYGUMBEL_COMPILED
#define LAZYGUMBEL_DETAIL_MODE 1
#if !defined(LAZYGUMBEL_COMPILED_AUDIT) || !defined(LAZYGUMBEL_COMPILED_ALIGN)
#error "LAZYGUMBEL_COMPILED is not for you to define: link lazygumbel::compiled, which defines it"
#elif LAZYGUMBEL_COMPILED != \
    10000 * LAZYGUMBEL_VERSION_MAJOR + 100 * LAZYGUMBEL_VERSION_MINOR + LAZYGUMBEL_VERSION_PATCH
#error "lazygumbel::compiled was built from another version of lazygumbel than these headers"
#endif
#if LAZYGUMBEL_COMPILED_AUDIT && !defined(LAZYGUMBEL_AUDIT)
#error "lazygumbel::compiled was built with LAZYGUMBEL_AUDIT, this file is compiled without"
#elif !LAZYGUMBEL_COMPILED_AUDIT && defined(LAZYGUMBEL_AUDIT)
#error "lazygumbel::compiled was built without LAZYGUMBEL_AUDIT, this file is compiled with it"
#endif
#else
#define LAZYGUMBEL_DETAIL_MODE 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#define LAZYGUMBEL_COLD [[gnu::cold, gnu::noinline]]
#define LAZYGUMBEL_PREFETCH(address) __builtin_prefetch(address)
#else
#define LAZYGUMBEL_COLD
#define LAZYGUMBEL_PREFETCH(address) static_cast<void>(address)
#endif

#endif  // LAZYGUMBEL_CORE_CONFIG_HPP

#ifdef LAZYGUMBEL_COMPILED
#if !LAZYGUMBEL_DETAIL_MODE
#error "LAZYGUMBEL_COMPILED was defined after a header of lazygumbel had been included without it"
#endif
#elif LAZYGUMBEL_DETAIL_MODE
#error "LAZYGUMBEL_COMPILED was undefined after a header of lazygumbel had been included with it"
#endif
