#pragma once

#include <cstddef>
#include <datasets.hpp>
#include <filesystem>

namespace private_release {

/// Reads queries, one a row of `cells` numbers: .npy (read_npy), else CSV: numbers split by commas,
/// no header, blanks around numbers and blank lines at the end allowed. Numbers become floats.
/// Throws std::runtime_error that names the file, the place and what is wrong there: an unreadable
/// or empty file, a row of another length, what is no finite float.
lazygumbel_datasets::Matrix read_queries(const std::filesystem::path& path, std::size_t cells);

}  // namespace private_release
