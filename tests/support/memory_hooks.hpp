#pragma once

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

/// \file
/// Memory that runs out when a test says so: replaces malloc and its kin for the whole program, and
/// with them operator new and what Eigen and hnswlib take. glibc only; to be included by one file
/// of a program, without sanitizers.

extern "C" {
void* __libc_malloc(std::size_t);                 // NOLINT: glibc's names
void* __libc_calloc(std::size_t, std::size_t);    // NOLINT
void* __libc_realloc(void*, std::size_t);         // NOLINT
void* __libc_memalign(std::size_t, std::size_t);  // NOLINT
void __libc_free(void*);                          // NOLINT
}

namespace lazygumbel::testing::memory {

/// Allocations that succeed before one fails; negative: none does.
inline std::atomic<long> allowed{-1};
/// Bytes that may be in use; one more allocation that exceeds them fails.
inline std::atomic<std::size_t> limit{static_cast<std::size_t>(-1)};
inline std::atomic<std::size_t> in_use{0};
/// The largest `in_use` since it was set, and allocations that failed.
inline std::atomic<std::size_t> peak{0};
inline std::atomic<long> refused{0};

inline bool permit(std::size_t size) noexcept {
  const bool fails = (allowed.load() >= 0 && allowed.fetch_sub(1) == 0) || size > limit.load() ||
                     in_use.load() > limit.load() - size;
  if (fails) {
    ++refused;
    errno = ENOMEM;
  }
  return !fails;
}

inline void* taken(void* memory) noexcept {
  if (memory == nullptr) return nullptr;
  const std::size_t now = in_use += malloc_usable_size(memory);
  if (now > peak.load()) peak = now;
  return memory;
}

}  // namespace lazygumbel::testing::memory

extern "C" {

void* malloc(std::size_t size) {
  using namespace lazygumbel::testing::memory;
  return permit(size) ? taken(__libc_malloc(size)) : nullptr;
}
void* calloc(std::size_t count, std::size_t size) {
  using namespace lazygumbel::testing::memory;
  return permit(count * size) ? taken(__libc_calloc(count, size)) : nullptr;
}
void free(void* memory) {
  using namespace lazygumbel::testing::memory;
  if (memory != nullptr) in_use -= malloc_usable_size(memory);
  __libc_free(memory);
}
void* realloc(void* memory, std::size_t size) {
  using namespace lazygumbel::testing::memory;
  if (!permit(size)) return nullptr;
  const std::size_t before = memory == nullptr ? 0 : malloc_usable_size(memory);
  void* const moved = __libc_realloc(memory, size);
  if (moved != nullptr || size == 0) in_use -= before;
  return taken(moved);
}
void* memalign(std::size_t alignment, std::size_t size) {
  using namespace lazygumbel::testing::memory;
  return permit(size) ? taken(__libc_memalign(alignment, size)) : nullptr;
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) noexcept {
  void* const found = memalign(alignment, size);
  if (found == nullptr) return ENOMEM;
  *memory = found;
  return 0;
}

}  // extern "C"
