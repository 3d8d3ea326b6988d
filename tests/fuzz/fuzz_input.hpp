#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

/// \file
/// What all fuzzers share: the reader that the environment names, and a file for it.

namespace lazygumbel::fuzzing {

inline std::string reader_name() {
  const char* const name = std::getenv("FUZZ_READER");
  return name == nullptr ? "" : name;
}

[[noreturn]] inline void unknown_reader(const std::string& name) {
  std::fprintf(stderr, "FUZZ_READER=%s names no reader: see tests/fuzz/README.md\n", name.c_str());
  std::exit(2);
}

/// A file of this process, in memory where the system has such a folder; removed at the end.
class FuzzFile {
 public:
  explicit FuzzFile(const std::string& ending = "") {
    static int number = 0;
    const std::filesystem::path memory = "/dev/shm";
    path_ =
        (std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path()) /
        ("lazygumbel_fuzz_" + std::to_string(getpid()) + "_" + std::to_string(number++) + ending);
  }
  FuzzFile(const FuzzFile&) = delete;
  FuzzFile& operator=(const FuzzFile&) = delete;
  ~FuzzFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  void write(const std::uint8_t* data, std::size_t size) const {
    std::ofstream out(path_, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  }

 private:
  std::filesystem::path path_;
};

}  // namespace lazygumbel::fuzzing
