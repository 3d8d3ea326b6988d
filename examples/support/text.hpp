#ifndef LAZYGUMBEL_EXAMPLES_SUPPORT_TEXT_HPP
#define LAZYGUMBEL_EXAMPLES_SUPPORT_TEXT_HPP

/// \file
/// Numbers as the tools print them.

#include <cstddef>
#include <sstream>
#include <string>

namespace lazygumbel_tools {

/// A number with so many significant digits.
inline std::string text(double value, int digits = 3) {
  std::ostringstream stream;
  stream.precision(digits);
  stream << value;
  return stream.str();
}

/// With so many digits after the point.
inline std::string fixed(double value, int digits) {
  std::ostringstream stream;
  stream.precision(digits);
  stream << std::fixed << value;
  return stream.str();
}

/// A share in percent.
inline std::string percent(double share, int digits = 1) {
  return fixed(100.0 * share, digits) + '%';
}

/// Set to the right of a field.
inline std::string right(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

inline std::string left(const std::string& text, std::size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

}  // namespace lazygumbel_tools

#endif  // LAZYGUMBEL_EXAMPLES_SUPPORT_TEXT_HPP
