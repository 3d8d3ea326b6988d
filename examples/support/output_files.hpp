#ifndef LAZYGUMBEL_EXAMPLES_SUPPORT_OUTPUT_FILES_HPP
#define LAZYGUMBEL_EXAMPLES_SUPPORT_OUTPUT_FILES_HPP

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace lazygumbel_tools {

/// Nothing that is read may be written over, nothing is written twice, and all of it can be: found
/// out before a privacy budget is spent. Throws std::runtime_error where not. Empty inputs are
/// skipped.
inline void require_writable(const std::vector<std::filesystem::path>& outputs,
                             const std::vector<std::filesystem::path>& inputs) {
  const auto same = [](const std::filesystem::path& a, const std::filesystem::path& b) {
    std::error_code error;
    return !a.empty() && !b.empty() &&
           (std::filesystem::weakly_canonical(a) == std::filesystem::weakly_canonical(b) ||
            std::filesystem::equivalent(a, b, error));
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const std::filesystem::path& input : inputs)
      if (same(outputs[i], input))
        throw std::runtime_error(outputs[i].string() + ": would be overwritten, but is an input");
    for (std::size_t j = 0; j < i; ++j)
      if (same(outputs[i], outputs[j]))
        throw std::runtime_error(outputs[i].string() + ": would be written twice");
    const bool existed = std::filesystem::exists(outputs[i]);
    if (!std::ofstream(outputs[i], std::ios::app))
      throw std::runtime_error(outputs[i].string() + ": cannot be opened for writing");
    if (!existed) std::filesystem::remove(outputs[i]);
  }
}

}  // namespace lazygumbel_tools

#endif  // LAZYGUMBEL_EXAMPLES_SUPPORT_OUTPUT_FILES_HPP
