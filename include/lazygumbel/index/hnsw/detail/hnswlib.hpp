#pragma once

/// \file
/// The one place that includes hnswlib (0.6.2 or later), with its warnings kept from the user.

// hnswlib's own SIMD is left out, as its distances are not used here (detail/hnsw_graph.hpp has one
// for every scalar and width) and its price is high: 0.6.2 defines non-inline variables, so that
// two files of a program compiled for AVX do not link; both versions put static functions into the
// global namespace and, looking ahead to prefetch, read one link past the end of full lists, where
// AddressSanitizer stops. A program that also uses hnswlib by itself, and wants its SIMD, includes
// it before lazygumbel.
#ifndef NO_MANUAL_VECTORIZATION
#define NO_MANUAL_VECTORIZATION
#define LAZYGUMBEL_DEFINED_NO_MANUAL_VECTORIZATION
#endif
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif
#include <hnswlib/hnswlib.h>
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic pop
#endif

#ifdef LAZYGUMBEL_DEFINED_NO_MANUAL_VECTORIZATION
#undef NO_MANUAL_VECTORIZATION
#undef LAZYGUMBEL_DEFINED_NO_MANUAL_VECTORIZATION
#endif
