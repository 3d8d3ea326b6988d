#pragma once

#include <cstddef>
#include <filesystem>
#include <iosfwd>
#include <lazygumbel/sampling/tune.hpp>
#include <string>
#include <vector>

#include "agreement.hpp"
#include "input.hpp"
#include "measure.hpp"
#include "options.hpp"

namespace demo {

/// Time per draw over the first n rows.
struct GrowthPoint {
  std::size_t n = 0;
  double exhaustive = 0.0, lazy = 0.0;  ///< seconds, medians
  std::size_t k = 0, ef = 0;
};

/// Everything that was measured.
struct Results {
  std::string index_name;
  std::size_t index_bytes = 0, build_threads = 1;
  double build_seconds = 0.0, tune_seconds = 0.0;
  std::size_t tuned_on = 0;  ///< queries
  lazygumbel::TuneResult tuned;
  Race race;
  FurtherDraws further;
  std::vector<double> clipped;  ///< mass, for each test query
  ChiSquare agreement;
  Tally picture;  ///< for the frequency picture
  std::vector<GrowthPoint> growth;
  PowerLaw exhaustive_growth, lazy_growth;
};

/// 1234567 -> "1,234,567".
std::string with_commas(double value);
/// Seconds in the unit that suits them: "17.6 ms".
std::string duration(double seconds);

/// The table.
void print(std::ostream& out, const Input& input, const Options& options, const Results& results);

/// growth.dat, frequency.dat, band.dat, and demo.gp with the titles and fits: what
/// scripts/plot_demo.gp reads. Throws std::runtime_error when a file cannot be written.
void write_pictures(const std::filesystem::path& folder, const Input& input, const Options& options,
                    const Results& results);

}  // namespace demo
