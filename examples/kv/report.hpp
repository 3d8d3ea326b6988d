#pragma once

#include <fstream>
#include <iosfwd>
#include <string>
#include <vector>

#include "caches.hpp"

namespace kv_tools {

/// A line a cache and size: memory, share of the exact cache, the lower bound for any method,
/// median and 95th percentile of the error, the median of the reported errors, the share of outputs
/// that keep to theirs, microseconds of an append and of an attend.
void print_table(std::ostream& out, const Problem& problem, const std::vector<Line>& lines);

/// The same as numbers, for all problems; "NaN" where there is none.
class NumberFile {
 public:
  /// Throws std::runtime_error where the file cannot be opened.
  explicit NumberFile(std::string path);
  void write(const Problem& problem, const std::vector<Line>& lines);
  /// Throws std::runtime_error where something could not be written.
  void close();

 private:
  std::string path_;
  std::ofstream file_;
};

}  // namespace kv_tools
