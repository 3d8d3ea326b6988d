#pragma once

#include <sodium.h>

#include <cerrno>
#include <cstddef>
#include <system_error>

#include "lazygumbel/random/secure_engine.hpp"

/// \file
/// Optional component `secure` (target lazygumbel::secure), which needs libsodium.

namespace lazygumbel {
namespace detail {

struct SodiumEntropy {
  static void fill(void* begin, std::size_t bytes) { randombytes_buf(begin, bytes); }
  static void wipe(void* begin, std::size_t bytes) noexcept { sodium_memzero(begin, bytes); }
};

}  // namespace detail

/// libsodium's generator (randombytes_buf), for systems that SystemEngine does not know, or for
/// programs whose source of randomness is set through libsodium (randombytes_set_implementation).
/// Otherwise as SystemEngine: 64-bit words from a wiped buffer, move-only, safe across fork().
///
/// Throws std::system_error when libsodium cannot be initialised. libsodium itself ends the program
/// when the operating system has no random bytes. One engine a thread.
class SodiumEngine : public detail::BufferedEngine<detail::SodiumEntropy> {
 public:
  SodiumEngine() {
    if (sodium_init() < 0)
      throw std::system_error(EIO, std::generic_category(), "lazygumbel: sodium_init");
  }
};

template <>
inline constexpr bool is_secure_engine<SodiumEngine> = true;

static_assert(SecureBitGenerator<SodiumEngine>);

}  // namespace lazygumbel
