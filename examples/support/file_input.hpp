#ifndef LAZYGUMBEL_EXAMPLES_SUPPORT_FILE_INPUT_HPP
#define LAZYGUMBEL_EXAMPLES_SUPPORT_FILE_INPUT_HPP

/// \file
/// What the readers share: opening a file and reporting what is wrong with it.

#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace lazygumbel_datasets::detail {

static_assert(std::endian::native == std::endian::little,
              "the readers copy little-endian numbers straight from the file");

[[noreturn]] inline void fail(const std::filesystem::path& path, const std::string& what) {
  throw std::runtime_error(path.string() + ": " + what);
}

/// An open file and its length, which bounds what its headers may claim.
struct InputFile {
  std::ifstream stream;
  std::uint64_t size;
};

inline InputFile open_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) fail(path, "no such file");
  if (!std::filesystem::is_regular_file(path, error)) fail(path, "not a regular file");
  InputFile file{std::ifstream(path, std::ios::binary), std::filesystem::file_size(path, error)};
  if (error || !file.stream) fail(path, "cannot be opened for reading");
  if (file.size == 0) fail(path, "is empty");
  return file;
}

/// Reads `bytes` bytes and returns how many there were.
inline std::uint64_t read_bytes(std::ifstream& stream, void* to, std::uint64_t bytes) {
  stream.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
  return static_cast<std::uint64_t>(stream.gcount());
}

}  // namespace lazygumbel_datasets::detail

#endif  // LAZYGUMBEL_EXAMPLES_SUPPORT_FILE_INPUT_HPP
