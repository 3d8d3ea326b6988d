#pragma once

#include <filesystem>
#include <iosfwd>
#include <vector>

#include "caches.hpp"

namespace kv_tools {

/// A line a cache and size: memory, share of the exact cache, the lower bound for any method,
/// median and 95th percentile of the error, the median of the reported errors, the share of outputs
/// that keep to theirs, microseconds of an append and of an attend.
void print_table(std::ostream& out, const Problem& problem, const std::vector<Line>& lines);

/// A problem and what came out.
struct Result {
  Problem problem;
  std::vector<Line> lines;
};

/// The same as numbers, CSV, "NaN" where there is none. Throws std::runtime_error where the file
/// cannot be written.
void write_numbers(const std::filesystem::path& path, const std::vector<Result>& results);

}  // namespace kv_tools
