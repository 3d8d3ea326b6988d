#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

namespace lazygumbel::detail {

/// std::vector's memory at the start of a cache line.
template <class T>
struct CacheLineAllocator {
  using value_type = T;
  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(64)));
  }
  void deallocate(T* memory, std::size_t) noexcept {
    ::operator delete(memory, std::align_val_t(64));
  }
  friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
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
