#ifndef LAZYGUMBEL_EXAMPLES_SUPPORT_SECONDS_HPP
#define LAZYGUMBEL_EXAMPLES_SUPPORT_SECONDS_HPP

#include <chrono>

namespace lazygumbel_tools {

/// Runs `work` and returns the seconds it took.
template <class Work>
double seconds_of(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace lazygumbel_tools

#endif  // LAZYGUMBEL_EXAMPLES_SUPPORT_SECONDS_HPP
