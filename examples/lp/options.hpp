#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "glpk_problem.hpp"

namespace private_lp {

enum class Selection { full_scan, lazy_certified };

/// The command line. All of it is public: nothing here may be chosen by a look at the bounds.
struct Options {
  std::filesystem::path file;  ///< empty: the embedded problem
  Format format = Format::automatic;
  std::vector<double> epsilons;
  std::optional<double> delta;  ///< nothing: pure
  double sensitivity = 0.0;     ///< in units of b
  double objective_value = 0.0;
  std::optional<double> fraction;  ///< NOT PRIVATE: of the optimum
  std::size_t rounds = 0;          ///< 0: automatic
  Selection selection = Selection::full_scan;
  std::size_t runs = 1;  ///< for each epsilon
  std::optional<std::uint64_t> seed;
  std::string bound_unit = "units of b", objective_unit = "units of the objective";
  std::filesystem::path output = ".";
  bool diagnostics = false;  ///< true violations and the optimum, which are NOT PRIVATE

  bool embedded() const { return file.empty(); }
  std::filesystem::path violations() const { return output / "violations.csv"; }
  std::filesystem::path plans() const { return output / "plans.csv"; }
  std::filesystem::path picture() const { return output / "violations.png"; }
};

/// Of each budget, for the noisy violation.
inline constexpr double violation_share = 0.1;

/// Reads and checks the command line. Returns the exit code when the program has to end here
/// (--help, or bad usage, which has then been told on stderr in one line).
std::optional<int> parse(int argc, char** argv, Options& options);

}  // namespace private_lp
