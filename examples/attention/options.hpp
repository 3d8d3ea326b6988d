#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <lazygumbel/attention/knn/knn_attention_options.hpp>
#include <optional>

namespace attention_tools {

/// The command line of 07_knn_attention.
struct Options {
  // Arrays of the user's own; without: the classifier.
  std::filesystem::path queries, keys, values;
  std::size_t heads = 1, kv_heads = 1;
  bool causal = false;
  std::optional<double> scale;   ///< none: 1 / sqrt(d)
  std::filesystem::path result;  ///< empty: the outputs are not kept

  // The classifier.
  std::size_t training_images = 60'000, images = 10'000;
  std::optional<double> temperature;  ///< none: chosen on training images
  bool quick = false;
  std::filesystem::path output = ".";

  // Both.
  double epsilon = 0.02, delta = 0.1;
  std::size_t top_k = 256;         ///< of top-k alone
  std::size_t one_by_one = 1'000;  ///< queries that are also answered one after the other
  lazygumbel::KeyIndex index = lazygumbel::KeyIndex::automatic;
  std::uint64_t seed = 1;
  std::size_t threads = 1;

  bool own_files() const { return !queries.empty(); }
  std::filesystem::path error_numbers() const { return output / "attention_error.csv"; }
  std::filesystem::path error_picture() const { return output / "attention_error.png"; }
  std::filesystem::path time_numbers() const { return output / "attention_time.csv"; }
  std::filesystem::path time_picture() const { return output / "attention_time.png"; }
};

/// Reads and checks the command line. Returns the exit code when the program has to end here
/// (--help, or bad usage, which has then been told on stderr in one line).
std::optional<int> parse(int argc, char** argv, Options& options);

}  // namespace attention_tools
