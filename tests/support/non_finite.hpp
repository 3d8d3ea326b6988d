#pragma once

#include <limits>

namespace lazygumbel::testing {

/// The numbers that most functions must refuse, and a few must take.
inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();
inline constexpr float float_infinity = std::numeric_limits<float>::infinity();
inline constexpr float float_nan = std::numeric_limits<float>::quiet_NaN();

}  // namespace lazygumbel::testing
