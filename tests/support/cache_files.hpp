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
#include <vector>

#include "message_of.hpp"

/// \file
/// The file that a cache saved, and what loading says to changed ones.

namespace lazygumbel::testing {

using Bytes = std::vector<unsigned char>;

/// A folder of the running test's own, removed at the end, with one file in it.
class CacheFile {
 public:
  CacheFile() {
    const auto* const info = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = "lazygumbel_" + std::string(info->test_suite_name()) + "_" + info->name();
    for (char& c : name)
      if (c == '/') c = '_';
    folder_ = std::filesystem::path(::testing::TempDir()) / name;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  CacheFile(const CacheFile&) = delete;
  CacheFile& operator=(const CacheFile&) = delete;
  ~CacheFile() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::filesystem::path folder() const { return folder_; }
  std::filesystem::path path() const { return folder_ / "cache.lzg"; }

  Bytes read() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  void write(const Bytes& bytes) const {
    std::ofstream out(path(), std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }

  /// What Cache::load says to these bytes, without the file's name.
  template <class Cache>
  std::string complaint(const Bytes& bytes) const {
    write(bytes);
    const std::string text = message_of<file_error>([&] { Cache::load(path()); });
    const std::string name = "lazygumbel: " + path().string() + " ";
    return text.rfind(name, 0) == 0 ? text.substr(name.size()) : text;
  }

  /// The same of good bytes with `number` at `at` and the checksum made right again.
  template <class Cache, class Number>
  std::string forged(Bytes bytes, std::size_t at, Number number) const {
    std::memcpy(bytes.data() + at, &number, sizeof number);
    std::uint64_t value = 0xcbf29ce484222325;
    for (std::size_t i = 0; i + 8 < bytes.size(); ++i) value = (value ^ bytes[i]) * 0x100000001b3;
    std::memcpy(bytes.data() + bytes.size() - 8, &value, 8);
    return complaint<Cache>(bytes);
  }

  /// Loading must refuse `good` with any byte changed, cut anywhere, and with a byte more.
  template <class Cache>
  void expect_every_change_noticed(const Bytes& good) const {
    ASSERT_EQ(complaint<Cache>(good), nothing);
    for (std::size_t at = 0; at < good.size(); ++at)
      for (const unsigned change : {0x01u, 0x80u}) {
        Bytes bytes = good;
        bytes[at] = static_cast<unsigned char>(bytes[at] ^ change);
        ASSERT_TRUE(refused(complaint<Cache>(bytes))) << at;
      }
    for (std::size_t size = 0; size < good.size(); ++size)
      ASSERT_TRUE(refused(
          complaint<Cache>(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)))))
          << size;
    Bytes longer = good;
    longer.push_back(0);
    EXPECT_TRUE(refused(complaint<Cache>(longer)));
  }

  static constexpr const char* nothing = "(nothing was thrown)";

 private:
  /// By a file_error: other exceptions stand in brackets.
  static bool refused(const std::string& complaint) {
    return !complaint.empty() && complaint[0] != '(';
  }

  std::filesystem::path folder_;
};

}  // namespace lazygumbel::testing
