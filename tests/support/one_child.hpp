#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <stdexcept>

namespace lazygumbel::testing {

/// The next `count` words of an engine in a child made by fork(), which ends then.
template <std::size_t count, class Engine>
std::array<std::uint64_t, count> words_of_a_child(Engine& engine) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no child");
  std::array<std::uint64_t, count> words{};
  if (child == 0) {
    bool written = false;
    try {
      for (std::uint64_t& word : words) word = engine();
      written = write(ends[1], words.data(), sizeof words) == sizeof words;
    } catch (...) {
    }
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  const bool arrived = read(ends[0], words.data(), sizeof words) == sizeof words;
  close(ends[0]);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0 || !arrived)
    throw std::runtime_error("the child failed");
  return words;
}

}  // namespace lazygumbel::testing
