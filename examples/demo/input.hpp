#pragma once

#include <datasets.hpp>
#include <lazygumbel/core/types.hpp>
#include <string>

#include "options.hpp"

namespace demo {

using Matrix = lazygumbel::RowMatrix<float>;

struct Input {
  std::string name;    ///< for titles
  std::string source;  ///< one sentence: where the rows came from and what was done to them
  Matrix rows;         ///< in random order, so that the first n are a random sample
};

/// The rows the options ask for. Falls back to generated rows, and says so in `source`, where the
/// default data set is not installed. Throws std::runtime_error on a bad file or too few rows.
Input load_input(const Options& options);

/// Rows first .. first + count - 1 as queries: divided by the temperature.
Matrix make_thetas(const Matrix& rows, std::size_t first, std::size_t count, double temperature);

}  // namespace demo
