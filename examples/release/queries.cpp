#include "queries.hpp"

#include <charconv>
#include <cmath>
#include <file_input.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace private_release {

namespace {

using lazygumbel_datasets::Matrix;
using lazygumbel_datasets::detail::fail;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// Appends the numbers of a line and returns how many there were.
std::size_t add_line(const std::filesystem::path& path, std::size_t number, std::string_view line,
                     std::vector<float>& values) {
  std::size_t count = 0;
  for (bool more = true; more; ++count) {
    const auto comma = line.find(',');
    const std::string_view field = trimmed(line.substr(0, comma));
    more = comma != line.npos;
    if (more) line.remove_prefix(comma + 1);
    float value = 0.0F;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value))
      fail(path, "line " + std::to_string(number) + ", column " + std::to_string(count) + ": '" +
                     std::string(field.substr(0, 40)) + "' is not a finite number (float)");
    values.push_back(value);
  }
  return count;
}

void require_length(const std::filesystem::path& path, const std::string& where, std::size_t length,
                    std::size_t cells) {
  if (length != cells)
    fail(path, where + " " + std::to_string(length) + " numbers, but the domain has " +
                   std::to_string(cells) + " cells");
}

Matrix read_csv(const std::filesystem::path& path, std::size_t cells) {
  auto file = lazygumbel_datasets::detail::open_file(path);
  std::vector<float> values;
  std::string line;
  std::size_t rows = 0, blank = 0;
  for (std::size_t number = 1; std::getline(file.stream, line); ++number) {
    if (trimmed(line).empty()) {
      if (blank == 0) blank = number;
      continue;
    }
    if (blank != 0) fail(path, "line " + std::to_string(blank) + " is blank");
    require_length(path, "line " + std::to_string(number) + " has",
                   add_line(path, number, line, values), cells);
    ++rows;
  }
  if (file.stream.bad()) fail(path, "cannot be read to its end");
  if (rows == 0) fail(path, "holds no queries");
  return Eigen::Map<const Matrix>(values.data(), static_cast<Eigen::Index>(rows),
                                  static_cast<Eigen::Index>(cells));
}

}  // namespace

Matrix read_queries(const std::filesystem::path& path, std::size_t cells) {
  if (path.extension() != ".npy") return read_csv(path, cells);
  Matrix rows = lazygumbel_datasets::read_npy(path);
  require_length(path, "has rows of", static_cast<std::size_t>(rows.cols()), cells);
  for (Eigen::Index j = 0; j < rows.rows(); ++j)
    for (Eigen::Index x = 0; x < rows.cols(); ++x)
      if (!std::isfinite(rows(j, x)))
        fail(path, "row " + std::to_string(j) + ", column " + std::to_string(x) +
                       " is not a finite number (float)");
  return rows;
}

}  // namespace private_release
