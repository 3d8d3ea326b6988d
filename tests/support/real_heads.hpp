#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <lazygumbel/core/types.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "attention_reference.hpp"

/// \file
/// Heads of a trained transformer: a slice that lies beside the tests (tests/data), and whole ones
/// where the shared data is ($LAZYGUMBEL_DATA, or beside the checkout).

namespace lazygumbel::testing {

/// Rows first .. first + count - 1 of a .npy file whose last dimension is `columns`, '<f2' or
/// '<f4', C order.
inline RowMatrix<float> npy_rows(const std::filesystem::path& path, std::size_t first,
                                 std::size_t count, std::size_t columns) {
  std::ifstream file(path, std::ios::binary);
  std::string start(10, '\0');
  file.read(start.data(), 10);
  const auto length = static_cast<std::size_t>(static_cast<unsigned char>(start[8])) +
                      256 * static_cast<std::size_t>(static_cast<unsigned char>(start[9]));
  std::string header(length, '\0');
  file.read(header.data(), static_cast<std::streamsize>(length));
  const bool half = header.find("'<f2'") != std::string::npos;
  if (!file || (!half && header.find("'<f4'") == std::string::npos))
    throw std::runtime_error(path.string() + ": not a .npy file of '<f2' or '<f4'");
  RowMatrix<float> rows(static_cast<Eigen::Index>(count), static_cast<Eigen::Index>(columns));
  const auto read = [&]<class T>(T) {
    file.seekg(static_cast<std::streamoff>(10 + length + first * columns * sizeof(T)));
    RowMatrix<T> stored(rows.rows(), rows.cols());
    file.read(reinterpret_cast<char*>(stored.data()),
              static_cast<std::streamsize>(count * columns * sizeof(T)));
    rows = stored.template cast<float>();
  };
  half ? read(Eigen::half{}) : read(float{});
  if (!file) throw std::runtime_error(path.string() + ": ends early");
  return rows;
}

/// One head as one problem, to be attended to causally with a scale of .125.
inline HeadsProblem head_problem(const std::filesystem::path& stem, std::size_t head,
                                 std::size_t tokens, std::size_t stored_tokens) {
  HeadsProblem problem;
  problem.sizes = {.queries = tokens, .keys = tokens, .d = 64, .dv = 64};
  const auto rows = [&](const char* name) {
    return npy_rows(stem.string() + name, head * stored_tokens, tokens, 64);
  };
  problem.queries = rows("q.npy");
  problem.keys = rows("k.npy");
  problem.values = rows("v.npy");
  return problem;
}

/// 2,048 tokens of head 1 of the first layer.
inline HeadsProblem real_slice() {
  return head_problem(std::filesystem::path(LAZYGUMBEL_TEST_DATA) / "transformer-l0-h1-", 0, 2048,
                      2048);
}

/// Head 0 .. 3 of the first layer, 8,192 tokens; nothing where the shared data is not.
inline std::optional<HeadsProblem> real_head(std::size_t head) {
  std::vector<std::filesystem::path> folders{LAZYGUMBEL_SHARED_DATA_HINT};
  if (const char* const folder = std::getenv("LAZYGUMBEL_DATA"))
    folders.insert(folders.begin(), folder);
  for (const auto& folder : folders)
    if (std::filesystem::is_regular_file(folder / "transformer-l0-q.npy"))
      return head_problem(folder / "transformer-l0-", head, 8192, 8192);
  return std::nullopt;
}

}  // namespace lazygumbel::testing
