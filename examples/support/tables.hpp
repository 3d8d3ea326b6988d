#ifndef LAZYGUMBEL_EXAMPLES_SUPPORT_TABLES_HPP
#define LAZYGUMBEL_EXAMPLES_SUPPORT_TABLES_HPP

/// \file
/// Tables for private release: the public domain from JSON, the private records from CSV, released
/// records to CSV, and a small real table for when there is no file. Not part of the installed
/// library.
///
/// Files are untrusted: no reader allocates more than a small multiple of what the file really
/// holds, and every defect is a std::runtime_error that names the file, the place and what is wrong
/// there. Those messages quote values of the table, so they are as private as the table is.

#include <cstdint>
#include <filesystem>
#include <lazygumbel/privacy/table/domain.hpp>
#include <span>
#include <string>
#include <vector>

namespace lazygumbel_tables {

/// Reads a public domain: a JSON object, one member an attribute, in the order of the file.
///
///   {"age": {"low": 17, "high": 90, "bins": 10},    the integers 17 .. 90 in ten ranges
///    "hours": {"low": 0, "high": 99},               the integers 0 .. 99, each by itself
///    "sex": ["Female", "Male"],                     these categories
///    "workclass": 9}                                the codes 0 .. 8
///
/// Nothing can be left for the data to fill in: null, "auto", "*" and the like are refused, since
/// a domain that is computed from the data gives people away (lazygumbel::Domain).
/// With `kept`, the domain has these attributes only, in this order: a file may describe far more
/// cells than one Domain can hold.
/// \throws std::runtime_error unreadable or empty file, no JSON object, a member given twice or of
///         another form, a name in `kept` that the file lacks, and whatever Attribute and Domain
///         refuse.
lazygumbel::Domain read_domain(const std::filesystem::path& path,
                               const std::vector<std::string>& kept = {});

/// Reads the records of a CSV file: row-major codes, one for each attribute of the domain.
///
/// RFC 4180: fields split by commas, quoted by double quotes where they hold commas, quotes ("")
/// or line ends; blanks belong to the field. Lines end with LF or CRLF, the last one may lack it; a
/// UTF-8 byte order mark and blank lines at the end are skipped. The first line names the columns:
/// every attribute must be there once, in any order; other columns are ignored, whatever their
/// names. Values are what Attribute::code_of accepts. A header alone is legal: no records.
/// \throws std::runtime_error unreadable or empty file, an attribute without a column or with two
///         (one whose name has blanks around it is no column of it), a value outside its attribute,
///         another number of fields than the header has, a blank line between rows, NUL bytes,
///         stray or unterminated quotes, a field of more than a mebibyte. Rows count from 0, after
///         the header; lines from 1.
std::vector<std::uint32_t> read_table(const std::filesystem::path& path,
                                      const lazygumbel::Domain& domain);

/// Writes records (row-major codes) as CSV, header first, every field quoted, lines ended by LF;
/// read_table gives the records back. An existing file is overwritten; after an error the file may
/// be incomplete.
/// \throws std::runtime_error when the file cannot be opened or written (a full disk, say).
/// \throws std::invalid_argument a code out of range, or a number of codes that is no multiple of
///         the number of attributes; the file is then untouched.
void write_table(const std::filesystem::path& path, const lazygumbel::Domain& domain,
                 std::span<const std::uint32_t> records);

/// Writes released weights as CSV: a column for each attribute and the column "weight", a row for
/// each cell whose weight is not 0, all fields quoted. Numbers are read back as they were.
/// \throws std::runtime_error as write_table does; std::invalid_argument unless there is one weight
///         a cell.
void write_weights(const std::filesystem::path& path, const lazygumbel::Domain& domain,
                   std::span<const double> weights);

/// A table by its counts, one for each cell of the domain.
struct CountedTable {
  lazygumbel::Domain domain;
  std::vector<std::int64_t> counts;
  std::string source;  ///< one sentence for a person: where the counts came from
};

/// Graduate admissions at Berkeley, autumn 1973: 4,526 applicants to the six largest departments,
/// department (A .. F) x sex (Men, Women) x outcome (Admitted, Rejected), 24 cells. Overall 45% of
/// the men and 30% of the women were admitted, though hardly any department preferred men.
/// Source: P. J. Bickel, E. A. Hammel, J. W. O'Connell, "Sex Bias in Graduate Admissions: Data from
/// Berkeley", Science 187 (1975).
CountedTable berkeley_admissions();

}  // namespace lazygumbel_tables

#endif  // LAZYGUMBEL_EXAMPLES_SUPPORT_TABLES_HPP
