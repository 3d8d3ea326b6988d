#include "unsupported.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <sstream>
#include <string_view>

namespace private_lp {

namespace {

constexpr std::array sections{"OBJSENSE", "OBJSENS",  "OBJSENCE",  "OBJNAME",  "SOS",
                              "SOS1",     "SOS2",     "SETS",      "QUADOBJ",  "QMATRIX",
                              "QSECTION", "QCMATRIX", "CSECTION",  "LAZYCONS", "USERCUTS",
                              "PWLOBJ",   "GENCONS",  "INDICATORS"};
constexpr const char* semi_continuous =
    "a semi-continuous variable is not supported: the private solver takes x >= 0 of any size";
constexpr const char* ordered_sets =
    "special ordered sets are not supported: the private solver takes linear programs only";

std::string upper(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return made;
}

std::string first_word(const std::string& line) {
  std::istringstream words(line);
  std::string word;
  words >> word;
  return upper(word);
}

std::string section_advice(const std::string& name) {
  const std::string what = "section " + name + " is not supported";
  if (name.rfind("OBJSEN", 0) == 0)
    return what +
           " (an MPS file is minimised): take it out, since the private solver has no use for the "
           "direction, or write the problem in CPLEX LP format";
  return what;
}

/// Of one line of an MPS file; `section` is the one that it is in.
std::string of_mps_line(const std::string& line, std::string& section) {
  const std::string word = first_word(line);
  if (word.empty() || line[0] == '*') return "";
  if (std::isspace(static_cast<unsigned char>(line[0])) == 0) {
    section = word;
    const bool known = std::find(sections.begin(), sections.end(), word) != sections.end();
    return known ? section_advice(word) : "";
  }
  return section == "BOUNDS" && word == "SC" ? std::string("bound SC: ") + semi_continuous : "";
}

std::string of_lp_line(const std::string& line) {
  const std::string word = first_word(line);
  if (word == "SEMI-CONTINUOUS" || word == "SEMI" || word == "SEMIS") return semi_continuous;
  if (word == "SOS" || word == "SOS1" || word == "SOS2") return ordered_sets;
  return "";
}

}  // namespace

std::string unsupported_part(const std::filesystem::path& path, Format format,
                             const std::string& complaint) {
  if (format == Format::lp && complaint.find("missing variable name") != complaint.npos)
    return complaint +
           " after a number: constants and rows of two sides are not supported: write a constant "
           "as the coefficient of a variable that is fixed at 1, and a row for each side";
  std::ifstream file(path, std::ios::binary);
  std::string line, section;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const std::string found = format == Format::lp ? of_lp_line(line) : of_mps_line(line, section);
    if (!found.empty()) return "line " + std::to_string(number) + ": " + found;
  }
  return "";
}

}  // namespace private_lp
