#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "lazygumbel/core/config.hpp"

namespace lazygumbel {

/// A kNN index broke its contract: an id out of range or returned twice, unsorted scores, scores
/// that are not `score`, no usable bound, or an item above a bound that it certified.
class index_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A saved index cannot be read or written: missing, truncated, foreign, corrupted, or made for
/// another scalar type or format version. The message names the file.
class file_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

/// The shortest text that reads back as the same value; arithmetic types and strings.
template <class Value>
std::string text_of(const Value& value) {
  if constexpr (std::same_as<Value, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_arithmetic_v<Value>) {
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return std::string(buffer, end);
  } else {
    return std::string(std::string_view(value));
  }
}

/// Throws std::invalid_argument("lazygumbel: <parameter> = <value>: <requirement>").
template <class Value>
[[noreturn]] LAZYGUMBEL_COLD void throw_invalid(std::string_view parameter, const Value& value,
                                                std::string_view requirement) {
  throw std::invalid_argument("lazygumbel: " + std::string(parameter) + " = " + text_of(value) +
                              ": " + std::string(requirement));
}

/// Throws index_error("lazygumbel: <what>").
[[noreturn]] LAZYGUMBEL_COLD inline void throw_index_error(const std::string& what) {
  throw index_error("lazygumbel: " + what);
}

}  // namespace detail
}  // namespace lazygumbel
