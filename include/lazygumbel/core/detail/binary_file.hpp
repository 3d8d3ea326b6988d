#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <type_traits>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel::detail {

static_assert(std::endian::native == std::endian::little,
              "lazygumbel's files are little-endian");

/// FNV-1a over bytes, 64 bits: detects accidents (any single changed byte always), not forgery.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) noexcept {
    for (const std::byte b : bytes)
      value_ = (value_ ^ static_cast<std::uint64_t>(b)) * 0x100000001b3;
  }
  std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

/// Writes numbers to `path`.part and renames it to `path` on `finish`, which also appends the
/// checksum of all that was written. Whatever fails throws file_error and removes the part.
class BinaryWriter {
 public:
  explicit BinaryWriter(std::filesystem::path path) : path_(std::move(path)), part_(path_) {
    part_ += ".part";
    out_.open(part_, std::ios::binary | std::ios::trunc);
    if (!out_) throw file_error("lazygumbel: cannot write " + part_.string());
  }
  BinaryWriter(const BinaryWriter&) = delete;
  BinaryWriter& operator=(const BinaryWriter&) = delete;
  ~BinaryWriter() {
    if (!out_.is_open()) return;
    out_.close();
    std::error_code ignored;
    std::filesystem::remove(part_, ignored);
  }

  template <class Number>
  void put(std::span<const Number> numbers) {
    static_assert(std::is_trivially_copyable_v<Number>);
    const auto bytes = std::as_bytes(numbers);
    checksum_.add(bytes);
    out_.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  template <class Number>
  void put(const Number& number) {
    put(std::span<const Number>(&number, 1));
  }

  void finish() {
    put(checksum_.value());
    out_.flush();
    if (!out_) throw file_error("lazygumbel: writing " + part_.string() + " failed (disk full?)");
    out_.close();
    std::error_code error;
    std::filesystem::rename(part_, path_, error);
    if (error) {
      std::filesystem::remove(part_, error);
      throw file_error("lazygumbel: cannot replace " + path_.string());
    }
  }

 private:
  std::filesystem::path path_, part_;
  std::ofstream out_;
  Checksum checksum_;
};

/// Reads numbers back; every read is held against the bytes that are left.
class BinaryReader {
 public:
  explicit BinaryReader(const std::filesystem::path& path)
      : name_(path.string()), in_(path, std::ios::binary) {
    std::error_code error;
    left_ = std::filesystem::file_size(path, error);
    if (error || !in_) fail("cannot be read");
  }

  /// Bytes not read yet.
  std::uintmax_t left() const noexcept { return left_; }

  template <class Number>
  void get(std::span<Number> numbers) {
    static_assert(std::is_trivially_copyable_v<Number>);
    const auto bytes = std::as_writable_bytes(numbers);
    if (bytes.size() > left_) fail("is truncated");
    in_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!in_) fail("is truncated");
    left_ -= bytes.size();
    checksum_.add(bytes);
  }

  template <class Number>
  Number get() {
    Number number{};
    get(std::span<Number>(&number, 1));
    return number;
  }

  /// The file must end here with the checksum of all that was read.
  void finish() {
    const std::uint64_t expected = checksum_.value();
    if (get<std::uint64_t>() != expected) fail("is corrupted: its checksum does not match");
    if (left_ != 0) fail("has " + text_of(left_) + " bytes too many");
  }

  [[noreturn]] LAZYGUMBEL_COLD void fail(const std::string& what) const {
    throw file_error("lazygumbel: " + name_ + " " + what);
  }

 private:
  std::string name_;
  std::ifstream in_;
  std::uintmax_t left_ = 0;
  Checksum checksum_;
};

}  // namespace lazygumbel::detail
