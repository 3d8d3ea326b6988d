#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <lazygumbel/privacy/accounting/neighbours.hpp>
#include <lazygumbel/privacy/release/method_hint.hpp>
#include <optional>
#include <string>
#include <vector>

namespace private_release {

enum class WorkloadKind { marginals, boxes, queries };
enum class SelectionMode { full_scan, lazy_certified, lazy_clipped };

/// Of the synthetic table, where --records does not ask for more.
inline constexpr std::size_t most_records = 10'000'000;

/// The command line. All of it is public: nothing here may be chosen by a look at the data.
struct Options {
  std::filesystem::path data, domain;  ///< both empty: the embedded table
  std::vector<std::string> keep;       ///< attributes; empty: all
  WorkloadKind workload = WorkloadKind::marginals;
  std::size_t order = 0;  ///< of the marginals; 0: 3, or all attributes where there are fewer
  std::size_t boxes = 1000;
  std::uint64_t seed = 1;  ///< of the boxes
  std::filesystem::path queries;
  double epsilon = 1.0;
  std::optional<double> delta;  ///< nothing: pure
  lazygumbel::Neighbours neighbours = lazygumbel::Neighbours::replace_one;
  double expected_records = 0.0;                    ///< 0: not given
  std::optional<lazygumbel::ReleaseMethod> method;  ///< nothing: by the hint
  std::size_t rounds = 0;                           ///< 0: automatic
  SelectionMode selection = SelectionMode::lazy_certified;
  std::filesystem::path output = "synthetic.csv", weights, report, plot;
  std::filesystem::path timings;       ///< NOT PRIVATE; empty: none
  std::optional<std::size_t> records;  ///< nothing: the released total, rounded, up to most_records
  bool diagnostics = false, quiet = false;

  bool embedded() const { return data.empty(); }
};

/// Reads and checks the command line. Returns the exit code when the program has to end here
/// (--help, or bad usage, which has then been told on stderr in one line).
std::optional<int> parse(int argc, char** argv, Options& options);

/// Nothing that is read may be written over, nothing is written twice, and all of it can be: found
/// out before the budget is spent. Throws std::runtime_error where not.
void require_writable(const Options& options);

/// As the command line spells it: "replace-one" or "add-remove".
const char* spelling_of(lazygumbel::Neighbours neighbours);

}  // namespace private_release
