#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "measure.hpp"

namespace attention_tools {

/// A method's line: a table's first is exact attention, which the others are compared with, its
/// last the one that has a target.
struct Line {
  std::string method;
  std::optional<double> accuracy;  ///< of a classifier
  Comparison comparison;
  double queries = 0.0, build = 0.0, seconds = 0.0;
};

Line line_of(Method method, const Run& run, const lazygumbel::AttentionOutput& exact,
             double epsilon);

/// Columns: method, accuracy (where there is one), mean and greatest error, seconds of the build
/// (0: it is in the others) and of all queries, microseconds of each, times faster than exact
/// (build included), rows touched by a query, outputs that sampling computed exactly, outputs
/// that err by more than `epsilon`.
void print_table(std::ostream& out, const std::vector<Line>& lines, double epsilon);

}  // namespace attention_tools
