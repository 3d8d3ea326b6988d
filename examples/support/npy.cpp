// Why a parser of our own: the .npy reader that Debian ships for C++ (xtensor 0.24, xnpy.hpp) is
// not fit for files of unknown origin. Tried on such files, it returned uninitialised memory for
// truncated data, read out of bounds for a shape whose size overflows, and refused valid files
// whose header length has a low byte above 127, whose keys are in another order, or of format
// version 3.

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string_view>

#include "datasets.hpp"
#include "file_input.hpp"

namespace lazygumbel_datasets {
namespace {

using detail::fail;

/// Reads the Python dictionary {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } (keys in
/// any order) that describes a .npy file.
class HeaderParser {
 public:
  HeaderParser(const std::filesystem::path& path, std::string_view text)
      : path_(path), rest_(text) {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && dtype_.empty()) {
        if (peek() != '\'' && peek() != '"') fail(path_, "structured dtypes are not supported");
        dtype_ = quoted();
      } else if (key == "fortran_order" && !has_order_) {
        fortran_order_ = boolean();
        has_order_ = true;
      } else if (key == "shape" && !has_shape_) {
        shape_ = tuple();
        has_shape_ = true;
      } else {
        fail(path_, "malformed .npy header: repeated or unknown key");
      }
      if (!accept(',') && peek() != '}') malformed("',' or '}'");
    }
    if (peek() != '\0' || !rest_.empty()) malformed("the end of the header");
    if (dtype_.empty() || !has_order_ || !has_shape_) {
      fail(path_, "malformed .npy header: 'descr', 'fortran_order' or 'shape' is missing");
    }
  }

  std::string_view dtype() const { return dtype_; }
  bool fortran_order() const { return fortran_order_; }
  const std::vector<std::uint64_t>& shape() const { return shape_; }

 private:
  [[noreturn]] void malformed(const std::string& wanted) const {
    fail(path_, "malformed .npy header: expected " + wanted + ", " + std::to_string(rest_.size()) +
                    " bytes before its end");
  }

  /// The next character that is not white space; '\0' at the end.
  char peek() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }

  bool accept(char wanted) {
    if (peek() != wanted || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) malformed(std::string("'") + wanted + "'");
  }

  std::string_view quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') malformed("a quoted string");
    rest_.remove_prefix(1);
    const auto length = rest_.find(quote);
    if (length == rest_.npos) malformed("a closing quote");
    const std::string_view text = rest_.substr(0, length);
    rest_.remove_prefix(length + 1);
    return text;
  }

  bool boolean() {
    peek();
    for (const std::string_view word : {"True", "False"}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return word == "True";
    }
    malformed("True or False");
  }

  std::vector<std::uint64_t> tuple() {
    std::vector<std::uint64_t> values;
    expect('(');
    while (!accept(')')) {
      peek();
      std::uint64_t value = 0;
      const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
      if (error != std::errc{}) malformed("a dimension");
      rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
      values.push_back(value);
      if (!accept(',') && peek() != ')') malformed("',' or ')'");
    }
    return values;
  }

  const std::filesystem::path& path_;
  std::string_view rest_;
  std::string_view dtype_;
  std::vector<std::uint64_t> shape_;
  bool fortran_order_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

/// Reads the magic string, the version and the length, and returns the text of the header.
std::string read_header(const std::filesystem::path& path, std::ifstream& stream) {
  std::array<unsigned char, 12> start{};  // magic (6), version (2), length (2 or 4)
  constexpr std::string_view magic = "\x93NUMPY";
  if (detail::read_bytes(stream, start.data(), 8) < 8 ||
      !std::equal(magic.begin(), magic.end(), start.begin(),
                  [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; })) {
    fail(path, "not a .npy file (its magic string is missing)");
  }
  const int version = start[6];
  if (version < 1 || version > 3 || start[7] != 0) {
    fail(path, ".npy format version " + std::to_string(version) + "." + std::to_string(start[7]) +
                   " is not supported");
  }
  const std::uint64_t length_bytes = version == 1 ? 2 : 4;
  if (detail::read_bytes(stream, &start[8], length_bytes) < length_bytes) {
    fail(path, "truncated inside the .npy header");
  }
  const std::size_t length =
      start[8] + 0x100UL * start[9] + 0x10000UL * start[10] + 0x1000000UL * start[11];
  if (length > 0xffff) fail(path, "the .npy header claims " + std::to_string(length) + " bytes");
  std::string header(length, '\0');
  if (detail::read_bytes(stream, header.data(), length) < length) {
    fail(path, "truncated inside the .npy header");
  }
  return header;
}

}  // namespace

Matrix read_npy(const std::filesystem::path& path) {
  auto [stream, size] = detail::open_file(path);
  const std::string text = read_header(path, stream);
  const HeaderParser header(path, text);
  if (header.dtype() != "<f4" && header.dtype() != "<f8") {
    const bool big_endian = header.dtype().starts_with('>');
    fail(path, "dtype '" + std::string(header.dtype().substr(0, 20)) + "' is not supported" +
                   (big_endian ? " (big-endian)" : "") +
                   "; save the array as float32 or float64, little-endian");
  }
  if (header.fortran_order()) {
    fail(path, "the array is in Fortran order; save numpy.ascontiguousarray(array)");
  }
  if (header.shape().size() != 2) {
    fail(path, "the array has " + std::to_string(header.shape().size()) + " dimensions, not 2");
  }
  const std::uint64_t n = header.shape()[0];
  const std::uint64_t d = header.shape()[1];
  const std::string shape = std::to_string(n) + " x " + std::to_string(d);
  if (n == 0 || d == 0) fail(path, "the array is empty (" + shape + ")");
  if (d > static_cast<std::uint64_t>(max_dimension)) {
    fail(path, "rows of " + std::to_string(d) + " values exceed the limit of " +
                   std::to_string(max_dimension));
  }
  const std::uint64_t row_bytes = d * (header.dtype() == "<f4" ? sizeof(float) : sizeof(double));
  const std::uint64_t present = size - static_cast<std::uint64_t>(stream.tellg());
  if (present % row_bytes != 0 || present / row_bytes != n) {  // n * row_bytes could overflow
    fail(path, std::string(present / row_bytes < n ? "truncated" : "trailing data") + ": " + shape +
                   " values of type " + std::string(header.dtype()) + " announced, " +
                   std::to_string(present) + " bytes present");
  }

  Matrix rows(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(d));
  if (header.dtype() == "<f4") {
    if (detail::read_bytes(stream, rows.data(), present) < present) fail(path, "reading failed");
    return rows;
  }
  Eigen::RowVectorXd wide(rows.cols());
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    if (detail::read_bytes(stream, wide.data(), row_bytes) < row_bytes)
      fail(path, "reading failed");
    rows.row(i) = wide.cast<float>();
  }
  return rows;
}

}  // namespace lazygumbel_datasets
