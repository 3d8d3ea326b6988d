#pragma once

#include <cerrno>
#include <cstddef>
#include <system_error>

#if defined(__linux__)
#include <sys/random.h>
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__)
#include <sys/random.h>
#include <unistd.h>
#else
#error "lazygumbel knows no system call for random bytes here: use the component lazygumbel::secure"
#endif

namespace lazygumbel::detail {

/// Calls read(begin, bytes), which returns how many bytes it wrote or -1 with errno, until all are
/// there: goes on after a short read and after a signal. Throws std::system_error on another error,
/// and on a source at its end, which is never taken for randomness.
template <class Read>
void read_entirely(void* begin, std::size_t bytes, Read&& read) {
  auto* next = static_cast<unsigned char*>(begin);
  while (bytes > 0) {
    errno = 0;
    const auto count = read(next, bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0 || static_cast<std::size_t>(count) > bytes)
      throw std::system_error(count < 0 && errno != 0 ? errno : EIO, std::generic_category(),
                              "lazygumbel: the operating system gave no random bytes");
    next += count;
    bytes -= static_cast<std::size_t>(count);
  }
}

/// Zeroes memory; volatile, so that a store to memory that is read no more is kept.
inline void wipe_memory(void* begin, std::size_t bytes) noexcept {
  auto* next = static_cast<volatile unsigned char*>(begin);
  while (bytes-- > 0) *next++ = 0;
}

/// The operating system's cryptographic generator, as a source of BufferedEngine: getrandom(2) with
/// no flags (it waits until the kernel is seeded, once after boot), else getentropy.
struct SystemEntropy {
  static void fill(void* begin, std::size_t bytes) {
    read_entirely(begin, bytes, [](unsigned char* next, std::size_t left) -> std::ptrdiff_t {
#if defined(__linux__)
      return ::getrandom(next, left, 0);
#else
      const std::size_t part = left < 256 ? left : 256;  // getentropy gives no more at a time
      return ::getentropy(next, part) == 0 ? static_cast<std::ptrdiff_t>(part) : -1;
#endif
    });
  }
  static void wipe(void* begin, std::size_t bytes) noexcept { wipe_memory(begin, bytes); }
};

}  // namespace lazygumbel::detail
