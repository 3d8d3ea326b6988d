#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <ostream>
#include <stdexcept>
#include <text.hpp>

namespace kv_tools {

using lazygumbel_tools::fixed;
using lazygumbel_tools::left;
using lazygumbel_tools::percent;
using lazygumbel_tools::right;
using lazygumbel_tools::text;

namespace {

std::string bytes_text(double bytes) {
  if (bytes < 1024.0) return fixed(bytes, 0) + " B";
  if (bytes < 1024.0 * 1024.0) return fixed(bytes / 1024.0, 1) + " KiB";
  return fixed(bytes / (1024.0 * 1024.0), 2) + " MiB";
}

/// In percent where that reads well, else so many times the output.
std::string error_text(double error) {
  if (!std::isfinite(error)) return "unknown";
  if (error < 1e-4) return text(error, 2);
  if (error < 10.0) return text(100.0 * error, 3) + '%';
  return (error < 1e3 ? text(error, 3) : error < 1e6 ? fixed(error, 0) : text(error, 2)) + " x";
}

std::string microseconds(double seconds) { return text(1e6 * seconds, 3); }

}  // namespace

void print_table(std::ostream& out, const Problem& problem, const std::vector<Line>& lines) {
  out << "  cache                       memory  of exact  lower bound  median error  95% below"
         "  reported  within  append us  attend us\n";
  double own = 0.0;
  for (const Line& line : lines) {
    const bool first = &line == &lines.front() || (&line)[-1].kind != line.kind;
    out << "  " << left(first ? title_of(line.kind) : "", 24) << right(bytes_text(line.bytes), 11)
        << right(text(100.0 * line.bytes / problem.exact_bytes(), 3) + '%', 10)
        << right(bytes_text(line.bound_bytes), 13) << right(error_text(line.median), 14)
        << right(error_text(line.high), 11)
        << right(line.reported ? error_text(*line.reported) : "-", 10)
        << right(line.within ? percent(*line.within) : "-", 8)
        << right(microseconds(line.append_seconds), 11)
        << right(microseconds(line.attend_seconds), 11) << '\n';
    if (line.own_error) own = (std::max)(own, *line.own_error);
  }
  out << "  Windows promise attention over the window, with the tokens before it left out or given "
         "score 0.\n  From that they are "
      << text(own, 2) << " away at most.\n\n";
}

void write_numbers(const std::filesystem::path& path, const std::vector<Result>& results) {
  const auto number = [](std::optional<double> x) {
    return x && std::isfinite(*x) ? text(*x, 9) : std::string("NaN");
  };
  std::ofstream file(path, std::ios::binary);
  file << "problem,cache,budget,bytes,of_exact,lower_bound_bytes,median_error,high_error,"
          "reported_error,within_reported,error_of_own_model,append_us,attend_us\n";
  for (const auto& [problem, lines] : results)
    for (const Line& line : lines)
      file << problem.name << ',' << name_of(line.kind) << ',' << number(line.budget) << ','
           << number(line.bytes) << ',' << number(line.bytes / problem.exact_bytes()) << ','
           << number(line.bound_bytes) << ',' << number(line.median) << ',' << number(line.high)
           << ',' << number(line.reported) << ',' << number(line.within) << ','
           << number(line.own_error) << ',' << number(1e6 * line.append_seconds) << ','
           << number(1e6 * line.attend_seconds) << '\n';
  file.close();
  if (!file) throw std::runtime_error(path.string() + ": cannot be written");
}

}  // namespace kv_tools
