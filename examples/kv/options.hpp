#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace kv_tools {

/// The command line of 09_kv_cache.
struct Options {
  // Made-up tokens.
  std::size_t n = 65'536, d = 64;

  // Tokens from files.
  std::filesystem::path keys, values, queries;  ///< arrays
  std::filesystem::path text, glove;  ///< a text, and vectors of words (empty: looked for)
  std::optional<double> scale;        ///< none: 1 / sqrt(d) of arrays, 10 of texts

  // All.
  std::size_t most_queries = 256;
  std::optional<double> radius;  ///< of clusters; none: from the keys, see radius.hpp
  std::uint64_t seed = 1;
  std::size_t threads = 1;
  bool quick = false;
  std::filesystem::path output = ".";

  std::filesystem::path numbers() const { return output / "kv_cache.csv"; }
  std::filesystem::path picture() const { return output / "kv_cache.png"; }
};

/// Reads and checks the command line. Returns the exit code when the program has to end here
/// (--help, or bad usage, which has then been told on stderr in one line).
std::optional<int> parse(int argc, char** argv, Options& options);

}  // namespace kv_tools
