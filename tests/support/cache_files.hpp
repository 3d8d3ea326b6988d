#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>

#include "saved_files.hpp"

/// \file
/// The file that a cache saved, and what loading says to changed ones.

namespace lazygumbel::testing {

/// A folder of the running test's own, removed at the end, with one file in it.
class CacheFile {
 public:
  const std::filesystem::path& folder() const { return folder_.path(); }
  std::filesystem::path path() const { return folder_ / "cache.lzg"; }

  Bytes read() const { return bytes_of(path()); }
  void write(const Bytes& bytes) const { write_bytes(path(), bytes); }

  /// What Cache::load says to these bytes, without the file's name.
  template <class Cache>
  std::string complaint(const Bytes& bytes) const {
    return complaint_about<Cache>(path(), bytes);
  }

  /// The same of good bytes with `number` at `at` and the checksum made right again.
  template <class Cache, class Number>
  std::string forged(Bytes bytes, std::size_t at, Number number) const {
    return complaint<Cache>(forged_bytes(std::move(bytes), at, number));
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

  ScratchFolder folder_;
};

}  // namespace lazygumbel::testing
