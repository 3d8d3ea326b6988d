#include "input.hpp"

#include <algorithm>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <stdexcept>

namespace demo {

namespace {

constexpr Eigen::Index fewest_rows = 100, most_rows_when_quick = 15'000;

Input read_file(const Options& options) {
  auto data = lazygumbel_datasets::read_vectors(options.vectors);
  if (options.normalise) {
    try {
      lazygumbel_datasets::normalise_rows(data.rows);
    } catch (const std::invalid_argument& zero_row) {
      throw std::runtime_error(options.vectors.string() + ": " + zero_row.what() +
                               " (--no-normalise leaves the rows as they are)");
    }
    data.source += "; rows scaled to length 1";
  }
  return {data.name, data.source, std::move(data.rows)};
}

Input read_default(const Options& options) {
  if (lazygumbel_datasets::fashion_mnist_path()) {
    auto data = lazygumbel_datasets::load_fashion_mnist();
    return {"Fashion-MNIST", data.source, std::move(data.rows)};
  }
  auto data = lazygumbel_datasets::clusters(options.quick ? most_rows_when_quick : 60'000, 784,
                                            options.seed);
  return {data.name,
          "Fashion-MNIST is not installed (Debian package dataset-fashion-mnist); instead: " +
              data.source,
          std::move(data.rows)};
}

void shuffle(Matrix& rows, std::uint64_t seed) {
  lazygumbel::PhiloxEngine engine(seed);
  for (Eigen::Index left = rows.rows(); left > 1; --left) {
    const auto other = static_cast<Eigen::Index>(
        lazygumbel::uniform_index(static_cast<lazygumbel::item_id>(left), engine));
    if (other != left - 1) rows.row(left - 1).swap(rows.row(other));
  }
}

}  // namespace

Input load_input(const Options& options) {
  Input input = options.vectors.empty() ? read_default(options) : read_file(options);
  if (input.rows.rows() < fewest_rows)
    throw std::runtime_error(input.name + ": " + std::to_string(input.rows.rows()) +
                             " rows; the demo needs at least " + std::to_string(fewest_rows));
  shuffle(input.rows, options.seed);
  if (options.quick && input.rows.rows() > most_rows_when_quick) {
    input.rows = input.rows.topRows(most_rows_when_quick).eval();
    input.source += "; --quick: a random " + std::to_string(most_rows_when_quick) + " of the rows";
  }
  return input;
}

Matrix make_thetas(const Matrix& rows, std::size_t first, std::size_t count, double temperature) {
  return rows.middleRows(static_cast<Eigen::Index>(first), static_cast<Eigen::Index>(count)) /
         static_cast<float>(temperature);
}

}  // namespace demo
