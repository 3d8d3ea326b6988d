#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <lazygumbel/core/errors.hpp>
#include <string>
#include <utility>
#include <vector>

#include "message_of.hpp"

/// \file
/// Files that a test saves, and what loading says to changed ones.

namespace lazygumbel::testing {

using Bytes = std::vector<unsigned char>;

/// A folder of the running test's own, empty at first and removed at the end.
class ScratchFolder {
 public:
  ScratchFolder() {
    const auto* const info = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = "lazygumbel_" + std::string(info->test_suite_name()) + "_" + info->name();
    for (char& c : name)
      if (c == '/') c = '_';
    path_ = std::filesystem::path(::testing::TempDir()) / name;
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline Bytes bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

/// These bytes with the checksum made right: FNV-1a, 64 bits, over all bytes but the last 8, which
/// hold it (little-endian): value = 0xcbf29ce484222325; for each byte, value = (value ^ byte) *
/// 0x100000001b3.
inline Bytes with_checksum(Bytes bytes) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (std::size_t i = 0; i + 8 < bytes.size(); ++i) value = (value ^ bytes[i]) * 0x100000001b3;
  std::memcpy(bytes.data() + bytes.size() - 8, &value, 8);
  return bytes;
}

/// These bytes with `number` at `at` and the right checksum.
template <class Number>
Bytes forged_bytes(Bytes bytes, std::size_t at, Number number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
  return with_checksum(std::move(bytes));
}

/// What Saved::load says to a file with these bytes, without the file's name.
template <class Saved>
std::string complaint_about(const std::filesystem::path& path, const Bytes& bytes) {
  write_bytes(path, bytes);
  const std::string text = message_of<file_error>([&] { Saved::load(path); });
  const std::string name = "lazygumbel: " + path.string() + " ";
  return text.rfind(name, 0) == 0 ? text.substr(name.size()) : text;
}

}  // namespace lazygumbel::testing
