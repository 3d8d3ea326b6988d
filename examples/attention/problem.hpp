#pragma once

#include <cstddef>
#include <cstdint>
#include <datasets.hpp>
#include <string>
#include <vector>

namespace attention_tools {

using lazygumbel_datasets::Matrix;

/// Vectors of unit length, one a row, and the class of each.
struct Labelled {
  Matrix rows;
  std::vector<unsigned char> labels;

  std::size_t size() const { return labels.size(); }
  /// Rows first .. first + count - 1.
  Labelled part(std::size_t first, std::size_t count) const;
};

/// Images whose class is known, and others that are to be classified.
struct Problem {
  std::string name, source;
  std::size_t classes = 0;
  Labelled train, test;
};

/// Fashion-MNIST, where it is installed: both parts centred by the mean of the training images,
/// then scaled to unit length. Else made-up clusters of the same shape, each vector in the class of
/// the nearest of ten others. The first `train` and `test` of them, or all that there are.
Problem load_problem(std::size_t train, std::size_t test, std::uint64_t seed);

/// The classes as attention's values: row i is 1 at labels[i], else 0.
Matrix one_hot(const std::vector<unsigned char>& labels, std::size_t classes);

/// Attention's outputs over such values are probabilities of the classes: the share of the rows
/// whose most probable class is the true one.
double accuracy(const Matrix& outputs, const std::vector<unsigned char>& labels);

/// A share of 1% goes to all classes alike before a logarithm is taken, which keeps it finite.
inline constexpr double uniform_share = 0.01;

/// Mean of -log(0.99 p + 0.01 / classes), p the probability of the true class.
double log_loss(const Matrix& outputs, const std::vector<unsigned char>& labels);

}  // namespace attention_tools
