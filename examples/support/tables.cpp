#include "tables.hpp"

#include <csv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <string_view>

#include "file_input.hpp"

namespace lazygumbel_tables {
namespace {

using lazygumbel::Domain;
using lazygumbel_datasets::detail::fail;

constexpr std::size_t longest_field = std::size_t{1} << 20;
constexpr std::size_t ignored = std::numeric_limits<std::size_t>::max();

/// A field as it may be shown in an error message: short, and without control characters.
std::string quote(std::string_view field) {
  std::string text(field.substr(0, 40));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, '?');
  return "'" + text + (field.size() > 40 ? "...'" : "'");
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Takes fields and ends of rows from libcsv. Its callbacks are called from C, through which no
/// exception may pass: the first one is kept, and what follows it ignored.
class TableReader {
 public:
  TableReader(const std::filesystem::path& path, const Domain& domain)
      : path_(path),
        domain_(domain),
        has_column_(domain.attributes().size()),
        nearly_(domain.attributes().size()),
        codes_(domain.attributes().size()) {
    if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL) != 0) {
      fail(path_, "the CSV parser cannot be set up");
    }
    csv_set_space_func(&parser_, [](unsigned char) { return 0; });  // blanks belong to the field
    csv_set_blk_size(&parser_, 1U << 12);
  }
  ~TableReader() { csv_free(&parser_); }
  TableReader(const TableReader&) = delete;
  TableReader& operator=(const TableReader&) = delete;

  void parse(std::string_view block) {
    if (const auto at = block.find('\0'); at != block.npos) {
      fail(path_, "holds a NUL byte, " + std::to_string(bytes_ + at) + " bytes from its start");
    }
    bytes_ += block.size();
    const std::size_t parsed =
        csv_parse(&parser_, block.data(), block.size(), on_field, on_row, this);
    if (error_) std::rethrow_exception(error_);
    if (parsed != block.size()) complain_of_parser();
    if (csv_get_buffer_size(&parser_) > 2 * longest_field) complain_of_length();
  }

  std::vector<std::uint32_t> finish() {
    const int failed = csv_fini(&parser_, on_field, on_row, this);
    if (error_) std::rethrow_exception(error_);
    if (failed != 0) fail(path_, where() + " has a quote that is never closed");
    if (!has_header_) fail(path_, "has no line of column names");
    return std::move(records_);
  }

 private:
  static void on_field(void* text, size_t size, void* reader) {
    auto& self = *static_cast<TableReader*>(reader);
    if (!self.error_) {
      self.keep_error([&] { self.add_field({static_cast<const char*>(text), size}); });
    }
  }
  static void on_row(int terminator, void* reader) {
    auto& self = *static_cast<TableReader*>(reader);
    if (!self.error_) self.keep_error([&] { self.end_line(terminator); });
  }

  template <class Body>
  void keep_error(Body&& body) {
    try {
      body();
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  void add_field(std::string_view field) {
    if (blank_line_ != 0) fail(path_, "line " + std::to_string(blank_line_) + " is blank");
    if (field.size() > longest_field) complain_of_length();
    if (!has_header_) {
      add_column(field);
    } else if (fields_ < columns_.size() && columns_[fields_] != ignored) {
      const auto& attribute = domain_.attributes()[columns_[fields_]];
      const auto code = attribute.code_of(field);
      if (!code) {
        fail(path_, where() + ", column \"" + attribute.name() + "\": " + quote(field) +
                        " is not " + attribute.description());
      }
      codes_[columns_[fields_]] = *code;
    }
    ++fields_;
    lines_in_row_ += static_cast<std::uint64_t>(std::count(field.begin(), field.end(), '\n'));
  }

  void add_column(std::string_view name) {
    const std::size_t attribute = attribute_of(name);
    columns_.push_back(attribute);
    if (attribute == ignored) {
      if (const std::size_t meant = attribute_of(trimmed(name)); meant != ignored) {
        nearly_[meant] = true;
      }
    } else if (has_column_[attribute]) {
      fail(path_, "has two columns " + quote(name));
    } else {
      has_column_[attribute] = true;
    }
  }

  std::size_t attribute_of(std::string_view name) const {
    const auto& attributes = domain_.attributes();
    const auto found = std::find_if(attributes.begin(), attributes.end(),
                                    [&](const auto& a) { return a.name() == name; });
    return found == attributes.end() ? ignored
                                     : static_cast<std::size_t>(found - attributes.begin());
  }

  /// libcsv reports every line end outside quotes, the two of CRLF one by one.
  void end_line(int terminator) {
    const bool second_of_two = fields_ == 0 && terminator == CSV_LF && last_terminator_ == CSV_CR;
    last_terminator_ = terminator;
    if (second_of_two) return;
    if (fields_ > 0) {
      has_header_ ? end_row() : end_header();
    } else if (blank_line_ == 0) {
      blank_line_ = line_;
    }
    fields_ = 0;
    line_ += 1 + lines_in_row_;
    lines_in_row_ = 0;
  }

  void end_header() {
    for (std::size_t a = 0; a < has_column_.size(); ++a) {
      if (has_column_[a]) continue;
      fail(path_, "has no column \"" + domain_.attributes()[a].name() + "\", which the domain has" +
                      (nearly_[a] ? ", but one of that name with blanks around it: blanks belong "
                                    "to a field, take them out of the file"
                                  : ""));
    }
    has_header_ = true;
  }

  void end_row() {
    if (fields_ != columns_.size()) {
      fail(path_, where() + " has " + std::to_string(fields_) + " fields, the header " +
                      std::to_string(columns_.size()));
    }
    records_.insert(records_.end(), codes_.begin(), codes_.end());
    ++row_;
  }

  std::string where() const {
    const std::string line = "line " + std::to_string(line_);
    return has_header_ ? "row " + std::to_string(row_) + " (" + line + ")" : line;
  }

  [[noreturn]] void complain_of_length() const {
    fail(path_, where() + " has a field of more than " + std::to_string(longest_field) +
                    " bytes (a quote that is never closed?)");
  }

  [[noreturn]] void complain_of_parser() {
    if (csv_error(&parser_) == CSV_EPARSE) {
      fail(path_, where() +
                      ": a quote inside a field that does not begin with one, or text after a "
                      "closing quote");
    }
    fail(path_, where() + ": " + csv_strerror(csv_error(&parser_)));
  }

  const std::filesystem::path& path_;
  const Domain& domain_;
  csv_parser parser_{};
  std::exception_ptr error_;
  std::uint64_t bytes_ = 0;

  std::vector<std::size_t> columns_;       // the attribute of each, or `ignored`
  std::vector<bool> has_column_, nearly_;  // of each attribute: a column, or one but for blanks
  bool has_header_ = false;

  std::size_t fields_ = 0;  // of the current row, so far
  std::uint64_t row_ = 0, line_ = 1, lines_in_row_ = 0;
  std::uint64_t blank_line_ = 0;  // legal if nothing follows
  int last_terminator_ = 0;

  std::vector<std::uint32_t> codes_;  // of the current row
  std::vector<std::uint32_t> records_;
};

/// A file that is written; every error is reported at the latest by close().
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path)
      : path_(path), file_(std::fopen(path.c_str(), "wb")) {
    if (!file_) fail(path_, std::string("cannot be opened for writing: ") + std::strerror(errno));
  }

  void write_row(const std::vector<std::string>& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      check((i == 0 || std::fputc(',', file_.get()) != EOF) &&
            csv_fwrite(file_.get(), fields[i].data(), fields[i].size()) == 0);
    }
    check(std::fputc('\n', file_.get()) != EOF);
  }

  void close() {
    check(std::fflush(file_.get()) == 0);
    check(std::fclose(file_.release()) == 0);
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void check(bool good) const {
    if (!good) fail(path_, std::string("cannot be written: ") + std::strerror(errno));
  }

  const std::filesystem::path& path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace

std::vector<std::uint32_t> read_table(const std::filesystem::path& path, const Domain& domain) {
  auto file = lazygumbel_datasets::detail::open_file(path);
  TableReader reader(path, domain);
  std::array<char, std::size_t{1} << 16> buffer;
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  bool at_start = true;
  while (true) {
    const auto got = static_cast<std::size_t>(
        lazygumbel_datasets::detail::read_bytes(file.stream, buffer.data(), buffer.size()));
    std::string_view block(buffer.data(), got);
    if (at_start && block.substr(0, byte_order_mark.size()) == byte_order_mark) {
      block.remove_prefix(byte_order_mark.size());
    }
    at_start = false;
    if (!block.empty()) reader.parse(block);
    if (got < buffer.size()) break;
  }
  if (file.stream.bad()) fail(path, "cannot be read to its end");
  return reader.finish();
}

void write_table(const std::filesystem::path& path, const Domain& domain,
                 std::span<const std::uint32_t> records) {
  const auto& attributes = domain.attributes();
  const std::size_t width = attributes.size();
  if (records.size() % width != 0) {
    throw std::invalid_argument("records.size() = " + std::to_string(records.size()) +
                                ": must be a multiple of the number of attributes " +
                                std::to_string(width));
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i] >= attributes[i % width].size()) {
      throw std::invalid_argument("records(" + std::to_string(i / width) + ", \"" +
                                  attributes[i % width].name() +
                                  "\") = " + std::to_string(records[i]) + ": must be below " +
                                  std::to_string(attributes[i % width].size()));
    }
  }
  OutputFile file(path);
  std::vector<std::string> fields;
  for (const auto& attribute : attributes) fields.push_back(attribute.name());
  file.write_row(fields);
  for (std::size_t row = 0; row * width < records.size(); ++row) {
    for (std::size_t a = 0; a < width; ++a) {
      fields[a] = attributes[a].label(records[row * width + a]);
    }
    file.write_row(fields);
  }
  file.close();
}

void write_weights(const std::filesystem::path& path, const Domain& domain,
                   std::span<const double> weights) {
  if (weights.size() != domain.size()) {
    throw std::invalid_argument("weights.size() = " + std::to_string(weights.size()) +
                                ": must equal the number of cells " +
                                std::to_string(domain.size()));
  }
  const auto& attributes = domain.attributes();
  OutputFile file(path);
  std::vector<std::string> fields;
  for (const auto& attribute : attributes) fields.push_back(attribute.name());
  fields.emplace_back("weight");
  file.write_row(fields);
  std::vector<std::uint32_t> codes(attributes.size());
  std::array<char, 32> number{};
  for (std::size_t cell = 0; cell < weights.size(); ++cell) {
    if (weights[cell] == 0.0) continue;
    domain.codes_of(cell, codes);
    for (std::size_t a = 0; a < codes.size(); ++a) fields[a] = attributes[a].label(codes[a]);
    const auto end = std::to_chars(number.data(), number.data() + number.size(), weights[cell]).ptr;
    fields.back().assign(number.data(), end);
    file.write_row(fields);
  }
  file.close();
}

}  // namespace lazygumbel_tables
