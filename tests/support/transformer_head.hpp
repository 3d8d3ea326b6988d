#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <lazygumbel/core/types.hpp>
#include <optional>
#include <string>

/// \file
/// Queries, keys and values of a trained model: transformer-l0-q.npy, -k.npy and -v.npy in the
/// folder $LAZYGUMBEL_DATA, [heads, tokens, d] floats, scores scale <q, k> with scale 1 / 8.

namespace lazygumbel::testing {

struct TransformerHead {
  static constexpr Eigen::Index heads = 4, tokens = 8192, d = 64;
  static constexpr double scale = 0.125;
  RowMatrix<float> queries, keys, values;
};

/// Nothing where a file is not there, or has another size.
inline std::optional<TransformerHead> transformer_head(Eigen::Index head) {
  static_assert(std::endian::native == std::endian::little);
  const char* const folder = std::getenv("LAZYGUMBEL_DATA");
  if (folder == nullptr) return std::nullopt;
  TransformerHead all;
  const std::array<std::pair<const char*, RowMatrix<float>*>, 3> files{
      {{"q", &all.queries}, {"k", &all.keys}, {"v", &all.values}}};
  for (const auto& [name, rows] : files) {
    const auto path =
        std::filesystem::path(folder) / (std::string("transformer-l0-") + name + ".npy");
    constexpr auto of_head =
        static_cast<std::streamoff>(sizeof(float)) * TransformerHead::tokens * TransformerHead::d;
    std::ifstream file(path, std::ios::binary);
    if (!file.seekg(-(TransformerHead::heads - head) * of_head, std::ios::end)) return std::nullopt;
    rows->resize(TransformerHead::tokens, TransformerHead::d);
    if (!file.read(reinterpret_cast<char*>(rows->data()), of_head)) return std::nullopt;
  }
  return all;
}

}  // namespace lazygumbel::testing
