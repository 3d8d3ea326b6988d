#pragma once

#include <concepts>

namespace Eigen {

struct half;
struct bfloat16;

}  // namespace Eigen

namespace lazygumbel {

/// What keys and values may be stored as. Sums are always in float or double.
template <class T>
concept StorageScalar =
    std::same_as<T, float> || std::same_as<T, Eigen::half> || std::same_as<T, Eigen::bfloat16>;

}  // namespace lazygumbel
