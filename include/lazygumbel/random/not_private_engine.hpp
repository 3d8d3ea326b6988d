#pragma once

#include <cstdint>

#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/secure_engine.hpp"

/// \file
/// Not differentially private: for tests and benchmarks only. Whatever is released with this engine
/// is released without protection. lazygumbel.hpp leaves this header out; a program that handles
/// real people's data has no reason to include it.

namespace lazygumbel {

/// Not differentially private. A PhiloxEngine that passes for secure, so that tests and benchmarks
/// of private mechanisms draw the same numbers every time. Its noise is a function of the seed:
/// anyone who guesses the seed subtracts the noise and reads the data.
class NotPrivateEngine : public PhiloxEngine {
 public:
  using PhiloxEngine::PhiloxEngine;
};

template <>
inline constexpr bool is_secure_engine<NotPrivateEngine> = true;

static_assert(SecureBitGenerator<NotPrivateEngine>);

}  // namespace lazygumbel
