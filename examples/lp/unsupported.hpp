#pragma once

#include <filesystem>
#include <string>

#include "glpk_problem.hpp"

namespace private_lp {

/// What a file holds that GLPK's reader has no words for, named with its line and with what to
/// write in its place; "" where nothing of the kind is found. For a file that was refused:
/// `complaint` is what GLPK said. Quotes nothing of the file but names of sections.
/// - MPS: sections other than ROWS, COLUMNS, RHS, RANGES and BOUNDS (OBJSENSE, SOS, QUADOBJ, ..);
///   semi-continuous bounds.
/// - LP: constants, rows of two sides, semi-continuous variables, special ordered sets.
std::string unsupported_part(const std::filesystem::path& path, Format format,
                             const std::string& complaint);

}  // namespace private_lp
