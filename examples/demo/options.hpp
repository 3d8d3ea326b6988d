#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace demo {

struct Options {
  std::filesystem::path vectors;  ///< empty: Fashion-MNIST
  std::filesystem::path out = "demo_output";
  bool normalise = true;
  double temperature = 0.05;
  enum class Index { hnsw, codes, flat } index = Index::codes;
  std::size_t k = 0, ef = 0;  ///< 0: tune
  double gap = 0.0;
  std::size_t queries = 200;
  std::uint64_t seed = 1;
  std::size_t threads = 0;  ///< of the index build and of the agreement check; 0: all
  bool quick = false;
};

/// Reads the command line. Returns the exit code when the program has to end here (--help, or a bad
/// option, which has then been told on stderr).
std::optional<int> parse(int argc, char** argv, Options& options);

}  // namespace demo
