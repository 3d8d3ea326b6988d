#pragma once

/// \file
/// That a file which is compiled for the component `compiled` fits the library that it will link.
/// Eigen takes EIGEN_MAX_ALIGN_BYTES from -mavx, -mavx512f, -march and the like; memory that was
/// allocated under one value and is freed under another corrupts the heap.
///
/// What is noticed, and when:
/// - generating (CMake): a target that links both lazygumbel::lazygumbel and lazygumbel::compiled,
///   itself or through libraries that link them publicly;
/// - compiling: another version, alignment or LAZYGUMBEL_AUDIT than the library's, and
///   LAZYGUMBEL_COMPILED defined or undefined between two headers;
/// - linking, or loading a shared library: object files compiled for a build of the library that
///   differs in one of these three or in _GLIBCXX_DEBUG. The symbol that is missing then is named
///   after them.
///
/// What is not: header-only object files in the same program that CMake knows nothing of, or has
/// behind a library that links lazygumbel privately, or that links a component such as
/// lazygumbel::faiss and neither of the two. Compiled with the library's flags they hold the
/// same functions, and nothing is wrong; compiled with others they are as dangerous as any two files
/// that use Eigen and were not compiled alike.

#ifdef LAZYGUMBEL_COMPILED

#include <Eigen/Core>
#include <cstddef>

#include "lazygumbel/core/config.hpp"

#if EIGEN_MAX_ALIGN_BYTES != LAZYGUMBEL_COMPILED_ALIGN
#error \
    "lazygumbel::compiled was built with another EIGEN_MAX_ALIGN_BYTES (-mavx, -mavx512f, -march)"
#endif

#ifdef _GLIBCXX_DEBUG  // containers of another size
#define LAZYGUMBEL_DETAIL_CONTAINERS debug
#else
#define LAZYGUMBEL_DETAIL_CONTAINERS ordinary
#endif
#define LAZYGUMBEL_DETAIL_JOIN_(major, minor, patch, align, audit, containers) \
  compiled_##major##_##minor##_##patch##_align_##align##_audit_##audit##_##containers##_containers
#define LAZYGUMBEL_DETAIL_JOIN(major, minor, patch, align, audit, containers) \
  LAZYGUMBEL_DETAIL_JOIN_(major, minor, patch, align, audit, containers)
#define LAZYGUMBEL_DETAIL_ABI                                                 \
  LAZYGUMBEL_DETAIL_JOIN(LAZYGUMBEL_VERSION_MAJOR, LAZYGUMBEL_VERSION_MINOR,  \
                         LAZYGUMBEL_VERSION_PATCH, LAZYGUMBEL_COMPILED_ALIGN, \
                         LAZYGUMBEL_COMPILED_AUDIT, LAZYGUMBEL_DETAIL_CONTAINERS)

// Kept under -Wl,--gc-sections, too, where the tools can say so.
#if defined(__has_cpp_attribute)
#if __has_cpp_attribute(gnu::retain)
#define LAZYGUMBEL_DETAIL_RETAIN , gnu::retain
#endif
#endif
#ifndef LAZYGUMBEL_DETAIL_RETAIN
#define LAZYGUMBEL_DETAIL_RETAIN
#endif

namespace lazygumbel::detail {

static_assert(sizeof(Eigen::Index) == sizeof(std::ptrdiff_t),
              "lazygumbel::compiled has Eigen's default Index");

extern const int LAZYGUMBEL_DETAIL_ABI;  // defined in the library

/// One in each object file (not inline: the linker would keep a single one), so that none links
/// without the symbol.
#if defined(__GNUC__) || defined(__clang__)
[[maybe_unused, gnu::used LAZYGUMBEL_DETAIL_RETAIN]]
#else
[[maybe_unused]]
#endif
static const int* const compiled_abi = &LAZYGUMBEL_DETAIL_ABI;

}  // namespace lazygumbel::detail

#endif
