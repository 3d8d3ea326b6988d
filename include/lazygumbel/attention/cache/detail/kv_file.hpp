#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "lazygumbel/attention/cache/detail/token_rows.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/core/detail/binary_file.hpp"

/// \file
/// What the files of all KV caches have in common. Each begins with: 8 letters that name the kind
/// of cache, u32 version, 8 letters that name the scalar type (padded with 0), u64 kv_heads, d, dv;
/// and ends with the u64 checksum of all before it (BinaryWriter). In between, whatever is read is
/// held against its range, and whatever memory is taken for, against the bytes that are left.

namespace lazygumbel::detail {

using KvFileWord = std::array<char, 8>;

/// The kind of a file: `letters` name it, `version` is the one that is written and read.
struct KvFileKind {
  KvFileWord letters;
  std::uint32_t version;
  std::string_view cache;  ///< its class, for messages
};

struct KvFileShape {
  std::size_t kv_heads = 0, d = 0, dv = 0;
};

template <StorageScalar T>
constexpr KvFileWord kv_scalar_word() noexcept {
  if constexpr (std::same_as<T, float>) {
    return {'f', 'l', 'o', 'a', 't', '3', '2', 0};
  } else if constexpr (std::same_as<T, Eigen::half>) {
    return {'f', 'l', 'o', 'a', 't', '1', '6', 0};
  } else {
    return {'b', 'f', 'l', 'o', 'a', 't', '1', '6'};
  }
}

/// Its letters up to the first that does not print.
inline std::string text_of_word(const KvFileWord& word) {
  std::string text;
  for (const char c : word) {
    if (c < ' ' || c > '~') break;
    text += c;
  }
  return text;
}

template <StorageScalar T>
void put_kv_header(BinaryWriter& out, const KvFileKind& kind, const KvFileShape& shape) {
  out.put(kind.letters);
  out.put(kind.version);
  out.put(kv_scalar_word<T>());
  for (const std::size_t number : {shape.kv_heads, shape.d, shape.dv})
    out.put(std::uint64_t{number});
}

/// A u64 from `least` to `most`. Throws file_error on others, naming it.
inline std::uint64_t get_count(BinaryReader& in, std::string_view name, std::uint64_t least,
                               std::uint64_t most) {
  const auto count = in.get<std::uint64_t>();
  if (count < least || count > most)
    in.fail("is corrupted: " + std::string(name) + " = " + text_of(count) + " is out of range");
  return count;
}

/// A double that `fits`. Throws file_error on others, naming it.
template <class Fits>
double get_real(BinaryReader& in, std::string_view name, Fits&& fits) {
  const auto real = in.get<double>();
  if (!fits(real))
    in.fail("is corrupted: " + std::string(name) + " = " + text_of(real) + " is out of range");
  return real;
}

inline double get_finite(BinaryReader& in, std::string_view name) {
  return get_real(in, name, [](double real) { return std::isfinite(real); });
}

/// Throws file_error unless the file still has count * factor * bytes bytes: to be asked before
/// memory is taken for them. Precondition: factor, bytes > 0.
inline void require_left(const BinaryReader& in, std::string_view name, std::uint64_t count,
                         std::uint64_t factor, std::uint64_t bytes) {
  if (count > in.left() / bytes / factor)
    in.fail("is corrupted: " + std::string(name) + " = " + text_of(count) + " does not fit it");
}

/// Throws file_error on another kind, version or scalar type, and on shapes of 0 or that the file
/// is too short for: every cache writes at least `bytes_per_head` bytes more for each kv head.
template <StorageScalar T>
KvFileShape get_kv_header(BinaryReader& in, const KvFileKind& kind, std::size_t bytes_per_head) {
  if (in.get<KvFileWord>() != kind.letters) in.fail("is no file of " + std::string(kind.cache));
  if (const auto version = in.get<std::uint32_t>(); version != kind.version)
    in.fail("has format version " + text_of(version) + ", this library reads " +
            text_of(kind.version));
  if (const auto scalar = in.get<KvFileWord>(); scalar != kv_scalar_word<T>())
    in.fail("holds numbers of type \"" + text_of_word(scalar) + "\", not \"" +
            text_of_word(kv_scalar_word<T>()) + "\"");
  constexpr auto most = std::uint64_t{(std::numeric_limits<item_id>::max)()};
  KvFileShape shape;
  shape.kv_heads = get_count(in, "kv_heads", 1, most);
  shape.d = get_count(in, "d", 1, most);
  shape.dv = get_count(in, "dv", 1, most);
  require_left(in, "kv_heads", shape.kv_heads, 1, bytes_per_head);
  return shape;
}

/// Fills `row` and returns its norm. Throws file_error unless it is finite and at most 1e30.
template <StorageScalar T>
double get_row(BinaryReader& in, std::span<T> row) {
  in.get(row);
  const double norm = Eigen::Map<const Vector<T>>(row.data(), static_cast<Eigen::Index>(row.size()))
                          .template cast<double>()
                          .norm();
  if (!(norm <= largest_token_norm)) in.fail("is corrupted: a row has norm " + text_of(norm));
  return norm;
}

}  // namespace lazygumbel::detail
