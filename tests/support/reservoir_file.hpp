#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <lazygumbel/core/detail/binary_file.hpp>
#include <string>

namespace lazygumbel::testing {

/// A file of a test's own, removed with this.
class ScratchFile {
 public:
  ScratchFile() {
    static std::atomic<int> count{0};
    const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(::testing::TempDir()) /
            (std::string("lazygumbel_") + test->test_suite_name() + "_" + test->name() + "_" +
             std::to_string(count++));
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// What `Reservoir::read` makes of a file that holds these numbers.
template <class Reservoir, class... Numbers>
Reservoir read_numbers(const ScratchFile& file, const Numbers&... numbers) {
  lazygumbel::detail::BinaryWriter out(file.path());
  (out.put(numbers), ...);
  out.finish();
  lazygumbel::detail::BinaryReader in(file.path());
  Reservoir reservoir = Reservoir::read(in);
  in.finish();
  return reservoir;
}

/// The reservoir after `write` and `read`.
template <class Reservoir>
Reservoir read_back(const Reservoir& reservoir) {
  const ScratchFile file;
  lazygumbel::detail::BinaryWriter out(file.path());
  reservoir.write(out);
  out.finish();
  lazygumbel::detail::BinaryReader in(file.path());
  Reservoir back = Reservoir::read(in);
  in.finish();
  return back;
}

}  // namespace lazygumbel::testing
