#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "datasets.hpp"
#include "file_input.hpp"

namespace lazygumbel_datasets {
namespace {

using detail::fail;

/// The number that the whole token spells, or nothing. "nan" and "inf" count as numbers here, so
/// that they are reported as such and never mistaken for a part of the word.
std::optional<float> parse_number(std::string_view token) {
  const char* const end = token.data() + token.size();
  float value = 0;
  auto result = std::from_chars(token.data(), end, value);
  if (result.ec == std::errc::result_out_of_range) {  // as a double: tiny is 0, huge is infinite
    double wide = std::numeric_limits<double>::infinity();
    result = {std::from_chars(token.data(), end, wide).ptr, std::errc{}};
    value = static_cast<float>(wide);
  }
  if (result.ec != std::errc{} || result.ptr != end) return std::nullopt;
  return value;
}

std::optional<Eigen::Index> parse_count(std::string_view token) {
  Eigen::Index value = 0;
  const char* const end = token.data() + token.size();
  const auto [stop, error] = std::from_chars(token.data(), end, value);
  if (error != std::errc{} || stop != end || value < 0) return std::nullopt;
  return value;
}

void split(std::string_view line, std::vector<std::string_view>& tokens) {
  constexpr std::string_view blanks = " \t\r";
  tokens.clear();
  for (auto begin = line.find_first_not_of(blanks); begin != line.npos;) {
    const auto end = std::min(line.find_first_of(blanks, begin), line.size());
    tokens.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(blanks, end);
  }
}

/// The dimension of a file without header: how many numbers end its first line.
std::size_t count_trailing_numbers(const std::vector<std::string_view>& tokens) {
  std::size_t count = 0;
  while (count + 1 < tokens.size() && parse_number(tokens[tokens.size() - 1 - count])) ++count;
  return count;
}

/// A token as it may be shown in an error message: short, and without control characters.
std::string quote(std::string_view token) {
  std::string text(token.substr(0, 40));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; }, '?');
  return "'" + text + (token.size() > 40 ? "...'" : "'");
}

void refuse_non_finite(const std::filesystem::path& path, const Matrix& rows) {
  if (rows.allFinite()) return;
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    for (Eigen::Index j = 0; j < rows.cols(); ++j) {
      if (std::isfinite(rows(i, j))) continue;
      fail(path, "row " + std::to_string(i) + ", column " + std::to_string(j) + ": the value is " +
                     (std::isnan(rows(i, j)) ? "NaN" : "infinite"));
    }
  }
}

}  // namespace

Matrix read_fvecs(const std::filesystem::path& path, Eigen::Index max_rows) {
  if (max_rows < 1) {
    throw std::invalid_argument("read_fvecs: max_rows must be positive, got " +
                                std::to_string(max_rows));
  }
  auto [stream, size] = detail::open_file(path);
  Matrix rows;
  for (Eigen::Index i = 0; i == 0 || i < rows.rows(); ++i) {
    const std::string place = "row " + std::to_string(i) + ": ";
    std::int32_t dimension = 0;
    if (detail::read_bytes(stream, &dimension, sizeof dimension) < sizeof dimension) {
      fail(path, place + "truncated inside its dimension");
    }
    if (i == 0) {
      if (dimension < 1 || dimension > max_dimension) {
        fail(path, place + "dimension " + std::to_string(dimension) + " is not in 1.." +
                       std::to_string(max_dimension));
      }
      const auto stride = sizeof dimension + sizeof(float) * static_cast<std::uint64_t>(dimension);
      const auto row_count = static_cast<Eigen::Index>((size + stride - 1) / stride);
      rows.resize(std::min(row_count, max_rows), dimension);
    } else if (dimension != rows.cols()) {
      fail(path, place + "dimension " + std::to_string(dimension) + ", but row 0 has " +
                     std::to_string(rows.cols()));
    }
    const auto wanted = sizeof(float) * static_cast<std::uint64_t>(rows.cols());
    const auto got = detail::read_bytes(stream, rows.row(i).data(), wanted);
    if (got < wanted) {
      fail(path, place + "truncated, " + std::to_string(got) + " of " + std::to_string(wanted) +
                     " bytes of values");
    }
  }
  return rows;
}

constexpr std::string_view formats_hint =
    " (vectors are read from .npy, from .fvecs, and from text with a word and its numbers on each "
    "line; numpy.save makes a .npy of a table)";

Dataset read_embeddings_text(const std::filesystem::path& path) {
  auto stream = detail::open_file(path).stream;
  Dataset data;
  std::vector<float> values;
  std::vector<std::string_view> tokens;
  std::optional<Eigen::Index> announced_rows;
  std::size_t dimension = 0;
  std::string line;
  for (std::size_t number = 1; std::getline(stream, line); ++number) {
    const std::string place = "line " + std::to_string(number) + ": ";
    split(line, tokens);
    if (tokens.empty()) continue;
    if (dimension == 0) {
      if (tokens.size() == 2 && parse_count(tokens[0]) && parse_count(tokens[1])) {
        announced_rows = parse_count(tokens[0]);
        const Eigen::Index announced = *parse_count(tokens[1]);
        if (*announced_rows < 1 || announced < 1 || announced > max_dimension) {
          fail(path, place + "the header announces " + std::string(tokens[0]) +
                         " words of dimension " + std::string(tokens[1]));
        }
        dimension = static_cast<std::size_t>(announced);
        continue;
      }
      dimension = count_trailing_numbers(tokens);
      if (dimension == 0)
        fail(path, place + "a word must be followed by numbers" + std::string(formats_hint));
      if (dimension > static_cast<std::size_t>(max_dimension)) {
        fail(path, place + "more than " + std::to_string(max_dimension) + " numbers");
      }
      // A table of numbers only would lose its first column to the "words".
      if (tokens[0].find('.') != line.npos && parse_number(tokens[0])) {
        fail(path, place + "starts with the number " + quote(tokens[0]) +
                       " where a word is expected (a table without words can be read as .npy)");
      }
    }
    if (tokens.size() <= dimension) {
      fail(path, place + "expected a word and " + std::to_string(dimension) + " numbers, found " +
                     std::to_string(tokens.size()) + " tokens");
    }
    const std::size_t word_tokens = tokens.size() - dimension;
    if (word_tokens > 1 && parse_number(tokens[word_tokens - 1])) {
      fail(path, place + "more than " + std::to_string(dimension) + " numbers");
    }
    for (std::size_t j = word_tokens; j < tokens.size(); ++j) {
      const auto value = parse_number(tokens[j]);
      if (!value) fail(path, place + quote(tokens[j]) + " is not a number");
      if (!std::isfinite(*value)) fail(path, place + quote(tokens[j]) + " is not a finite float");
      values.push_back(*value);
    }
    const std::string_view last = tokens[word_tokens - 1];
    data.labels.emplace_back(tokens[0].data(), last.data() + last.size());
  }
  if (stream.bad()) fail(path, "reading failed");
  if (data.labels.empty()) fail(path, "holds no vectors");
  const auto n = static_cast<Eigen::Index>(data.labels.size());
  if (announced_rows && *announced_rows != n) {
    fail(path, "line 1: the header announces " + std::to_string(*announced_rows) +
                   " words, but the file holds " + std::to_string(n));
  }
  data.rows = Eigen::Map<const Matrix>(values.data(), n, static_cast<Eigen::Index>(dimension));
  data.name = path.stem().string();
  data.source = "word embeddings read from the text file " + path.string();
  return data;
}

Dataset read_vectors(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".csv" || extension == ".tsv")
    fail(path, "is a table" + std::string(formats_hint));
  if (extension != ".fvecs" && extension != ".npy") return read_embeddings_text(path);
  Dataset data;
  data.rows = extension == ".npy" ? read_npy(path) : read_fvecs(path);
  refuse_non_finite(path, data.rows);
  data.name = path.stem().string();
  data.source = "vectors read from the " + extension + " file " + path.string();
  return data;
}

std::optional<std::filesystem::path> find_shared_data(
    const std::filesystem::path& file, const std::filesystem::path& fallback_directory) {
  std::error_code error;
  if (const char* const directory = std::getenv("LAZYGUMBEL_DATA")) {
    const auto path = std::filesystem::path(directory) / file;
    if (std::filesystem::is_regular_file(path, error)) return path;
  }
  if (fallback_directory.empty()) return std::nullopt;
  const auto path = fallback_directory / file;
  if (std::filesystem::is_regular_file(path, error)) return path;
  return std::nullopt;
}

}  // namespace lazygumbel_datasets
