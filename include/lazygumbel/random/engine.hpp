#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace lazygumbel {
namespace detail {

/// std::uniform_random_bit_generator, written out: <random>, where it lies, takes a third of the
/// time to compile that all of Eigen/Core does.
template <class Engine>
concept UniformRandomBitGenerator =
    std::invocable<Engine&> && std::unsigned_integral<std::invoke_result_t<Engine&>> && requires {
  { (Engine::min)() } -> std::same_as<std::invoke_result_t<Engine&>>;
  { (Engine::max)() } -> std::same_as<std::invoke_result_t<Engine&>>;
};

}  // namespace detail

/// A source of uniform random bits: a standard uniform random bit generator whose values fill all
/// 32 or all 64 bits (std::mt19937, std::mt19937_64, PhiloxEngine; not std::minstd_rand).
template <class Engine>
concept BitGenerator = detail::UniformRandomBitGenerator<Engine> &&(Engine::min)() == 0 &&
                       ((Engine::max)() == (std::numeric_limits<std::uint32_t>::max)() ||
                        (Engine::max)() == (std::numeric_limits<std::uint64_t>::max)());

/// 64 uniform random bits: one call of a 64-bit engine, two of a 32-bit one (high half first).
template <BitGenerator Engine>
std::uint64_t uniform_bits(Engine& engine) {
  if constexpr ((Engine::max)() == (std::numeric_limits<std::uint64_t>::max)()) {
    return engine();
  } else {
    const auto high = static_cast<std::uint64_t>(engine());
    return high << 32 | static_cast<std::uint64_t>(engine());
  }
}

}  // namespace lazygumbel
