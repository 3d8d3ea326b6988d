#pragma once

/// \file
/// The one place that includes hnswlib (0.6.2 or later), with its warnings kept from the user.

// Looking ahead to prefetch, hnswlib reads one link past a full list, up to 4 bytes past an upper
// level's allocation (searchBaseLayer, 0.6.2 and 0.8). The value is not used, but AddressSanitizer
// stops there, so programs under it do without the prefetching.
#if defined(__SANITIZE_ADDRESS__)
#define LAZYGUMBEL_UNDER_ADDRESS_SANITIZER
#elif defined(__clang__)
#if __has_feature(address_sanitizer)
#define LAZYGUMBEL_UNDER_ADDRESS_SANITIZER
#endif
#endif
#if defined(LAZYGUMBEL_UNDER_ADDRESS_SANITIZER) && !defined(NO_MANUAL_VECTORIZATION)
#define NO_MANUAL_VECTORIZATION
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
