#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace lazygumbel::detail {

/// Blocks of two huge pages or more ask the system for them (Linux): a scan of small pages waits
/// for the page tables, for an eighth of its time.
inline constexpr std::size_t huge_page = std::size_t{1} << 21;

constexpr std::align_val_t alignment_of(std::size_t bytes) noexcept {
  return std::align_val_t(bytes >= 2 * huge_page ? huge_page : 64);
}

inline void* allocate_lines(std::size_t bytes) {
  void* const memory = ::operator new(bytes, alignment_of(bytes));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  // Advice: where it is refused, pages are small.
  if (bytes >= 2 * huge_page) static_cast<void>(::madvise(memory, bytes, MADV_HUGEPAGE));
#endif
  return memory;
}

/// std::vector's memory at the start of a cache line.
template <class T>
struct CacheLineAllocator {
  using value_type = T;
  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) { return static_cast<T*>(allocate_lines(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept {
    ::operator delete(memory, alignment_of(count * sizeof(T)));
  }
  friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
};

/// The same where what a vector grows by need not be set to 0, since it is written at once.
template <class T>
struct UnsetCacheLineAllocator : CacheLineAllocator<T> {
  using value_type = T;
  template <class U>
  struct rebind {
    using other = UnsetCacheLineAllocator<U>;
  };
  UnsetCacheLineAllocator() = default;
  template <class U>
  UnsetCacheLineAllocator(const UnsetCacheLineAllocator<U>&) noexcept {}
  template <class U>
  void construct(U* at) noexcept {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Values>
  void construct(U* at, Values&&... values) {
    ::new (static_cast<void*>(at)) U(std::forward<Values>(values)...);
  }
  friend bool operator==(const UnsetCacheLineAllocator&, const UnsetCacheLineAllocator&) {
    return true;
  }
};

struct CacheLineDeleter {
  void operator()(void* memory) const noexcept { ::operator delete(memory, std::align_val_t(64)); }
};

/// Scratch memory at the start of a cache line, its values not set.
template <class T>
requires std::is_trivial_v<T>
using CacheLineArray = std::unique_ptr<T[], CacheLineDeleter>;

template <class T>
CacheLineArray<T> cache_line_array(std::size_t count) {
  return CacheLineArray<T>(
      static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(64))));
}

}  // namespace lazygumbel::detail
