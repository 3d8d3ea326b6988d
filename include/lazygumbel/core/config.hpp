#pragma once

/// \file
/// Conditions on the compiler, checked once, and the macros that the other headers use.
///
/// LAZYGUMBEL_AUDIT (define it yourself, or configure with -DLAZYGUMBEL_AUDIT=ON): compare every
/// score that an index returns with its own `score`, O(k d) a search instead of O(d).

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "lazygumbel relies on infinities and on IEEE ordering: compile without -ffast-math"
#endif

#if defined(__GNUC__) || defined(__clang__)
#define LAZYGUMBEL_COLD [[gnu::cold, gnu::noinline]]
#define LAZYGUMBEL_PREFETCH(address) __builtin_prefetch(address)
#else
#define LAZYGUMBEL_COLD
#define LAZYGUMBEL_PREFETCH(address) static_cast<void>(address)
#endif
