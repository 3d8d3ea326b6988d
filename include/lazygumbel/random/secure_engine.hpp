#pragma once

#include "lazygumbel/random/detail/buffered_engine.hpp"
#include "lazygumbel/random/detail/system_entropy.hpp"
#include "lazygumbel/random/engine.hpp"

namespace lazygumbel {

/// True for the engines whose numbers may protect somebody. Specialise it for an engine of your own
/// and you promise: its output is cryptographic (no adversary who has seen any part of it predicts
/// another bit), it is seeded by the operating system and not by a number that someone chose, and
/// no two engines, copies and children of fork() included, ever give out the same stretch of
/// numbers. PhiloxEngine and std::mt19937_64 are none of that: whoever learns the seed removes the
/// noise.
template <class Engine>
inline constexpr bool is_secure_engine = false;

/// What every private mechanism draws from.
template <class Engine>
concept SecureBitGenerator = BitGenerator<Engine> && is_secure_engine<Engine>;

/// The operating system's cryptographic generator: getrandom(2) on Linux, getentropy on macOS and
/// the BSDs, read 4 KB at a time. Words are 64 bits. Move-only; a word leaves no trace in the
/// buffer once it is given out; a child of fork() draws its own numbers (but not one made by a bare
/// clone system call or by vfork, which run no fork handlers: make an engine there).
///
/// Throws std::system_error when the system gives no random bytes. One engine a thread.
class SystemEngine : public detail::BufferedEngine<detail::SystemEntropy> {};

template <>
inline constexpr bool is_secure_engine<SystemEngine> = true;

static_assert(SecureBitGenerator<SystemEngine>);

}  // namespace lazygumbel
