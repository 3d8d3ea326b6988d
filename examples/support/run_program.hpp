#ifndef LAZYGUMBEL_EXAMPLES_SUPPORT_RUN_PROGRAM_HPP
#define LAZYGUMBEL_EXAMPLES_SUPPORT_RUN_PROGRAM_HPP

#include <spawn.h>
#include <sys/wait.h>

#include <filesystem>
#include <string>
#include <vector>

extern char** environ;  // NOLINT: what POSIX calls it

namespace lazygumbel_tools {

/// Runs a program of PATH with these arguments, its own name first; its exit code, or -1 when there
/// is none such.
inline int run_program(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t child = 0;
  int status = 0;
  if (posix_spawnp(&child, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0) return -1;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
  return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

/// Draws `picture` from the file `numbers` by a gnuplot script that takes both first, then
/// `arguments`. Returns one line for a person.
inline std::string run_gnuplot(const std::string& script, const std::filesystem::path& numbers,
                               const std::filesystem::path& picture,
                               const std::vector<std::string>& arguments) {
  // Absolute, so that gnuplot takes neither for an option, a pipe or a special file.
  std::vector<std::string> all{"gnuplot", "-c", script, absolute(numbers).string(),
                               absolute(picture).string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const int status = run_program(std::move(all));
  if (status == -1) return "no gnuplot, so no picture; its numbers are in " + numbers.string();
  if (status != 0)
    return "gnuplot could not draw the picture; its numbers are in " + numbers.string();
  return picture.string() + " (its numbers: " + numbers.string() + ")";
}

}  // namespace lazygumbel_tools

#endif  // LAZYGUMBEL_EXAMPLES_SUPPORT_RUN_PROGRAM_HPP
