#pragma once

/// \file
/// The version of lazygumbel, here and nowhere else: CMake and the package read these three lines.

#define LAZYGUMBEL_VERSION_MAJOR 0
#define LAZYGUMBEL_VERSION_MINOR 1
#define LAZYGUMBEL_VERSION_PATCH 0

#define LAZYGUMBEL_DETAIL_TEXT_(x) #x
#define LAZYGUMBEL_DETAIL_TEXT(x) LAZYGUMBEL_DETAIL_TEXT_(x)

namespace lazygumbel {

inline constexpr int version_major = LAZYGUMBEL_VERSION_MAJOR;
inline constexpr int version_minor = LAZYGUMBEL_VERSION_MINOR;
inline constexpr int version_patch = LAZYGUMBEL_VERSION_PATCH;

/// "major.minor.patch". While major is 0, a new minor version may break its users.
inline constexpr const char* version =
    LAZYGUMBEL_DETAIL_TEXT(LAZYGUMBEL_VERSION_MAJOR) "." LAZYGUMBEL_DETAIL_TEXT(
        LAZYGUMBEL_VERSION_MINOR) "." LAZYGUMBEL_DETAIL_TEXT(LAZYGUMBEL_VERSION_PATCH);

}  // namespace lazygumbel

#undef LAZYGUMBEL_DETAIL_TEXT
#undef LAZYGUMBEL_DETAIL_TEXT_
