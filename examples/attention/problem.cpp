#include "problem.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>

namespace attention_tools {

namespace {

Labelled read_images(const std::filesystem::path& folder, const std::string& prefix) {
  Labelled data{lazygumbel_datasets::read_idx_images(folder / (prefix + "-images-idx3-ubyte.gz")),
                lazygumbel_datasets::read_idx_labels(folder / (prefix + "-labels-idx1-ubyte.gz"))};
  if (data.rows.rows() != static_cast<Eigen::Index>(data.labels.size()))
    throw std::runtime_error(folder.string() + ": " + prefix + " has " +
                             std::to_string(data.rows.rows()) + " images, but " +
                             std::to_string(data.labels.size()) + " labels");
  return data;
}

Problem fashion_mnist(const std::filesystem::path& folder) {
  Problem problem{.name = "Fashion-MNIST", .source = "images of clothes", .classes = 10};
  problem.train = read_images(folder, "train");
  problem.test = read_images(folder, "t10k");
  if (problem.test.rows.cols() != problem.train.rows.cols())
    throw std::runtime_error(folder.string() + ": images of different sizes");
  for (const Labelled* part : {&problem.train, &problem.test})
    if (*std::max_element(part->labels.begin(), part->labels.end()) >= problem.classes)
      throw std::runtime_error(folder.string() + ": a label of 10 or more");
  const Eigen::RowVectorXf mean = problem.train.rows.cast<double>().colwise().mean().cast<float>();
  for (Labelled* part : {&problem.train, &problem.test}) {
    part->rows.rowwise() -= mean;
    lazygumbel_datasets::normalise_rows(part->rows);
  }
  return problem;
}

Problem made_up(std::size_t train, std::size_t test, std::uint64_t seed) {
  Problem problem{.name = "made-up clusters",
                  .source = "Fashion-MNIST is not installed (Debian: dataset-fashion-mnist)",
                  .classes = 10};
  const auto landmarks = static_cast<Eigen::Index>(problem.classes);
  const auto data = lazygumbel_datasets::clusters(
      landmarks + static_cast<Eigen::Index>(train + test), 784, seed, 200);
  const Matrix nearness = data.rows * data.rows.topRows(landmarks).transpose();
  Labelled all{data.rows, {}};
  for (Eigen::Index i = 0; i < data.rows.rows(); ++i) {
    Eigen::Index nearest = 0;
    nearness.row(i).maxCoeff(&nearest);
    all.labels.push_back(static_cast<unsigned char>(nearest));
  }
  problem.train = all.part(problem.classes, train);
  problem.test = all.part(problem.classes + train, test);
  return problem;
}

}  // namespace

Labelled Labelled::part(std::size_t first, std::size_t count) const {
  const auto begin = labels.begin() + static_cast<std::ptrdiff_t>(first);
  return {rows.middleRows(static_cast<Eigen::Index>(first), static_cast<Eigen::Index>(count)),
          {begin, begin + static_cast<std::ptrdiff_t>(count)}};
}

Problem load_problem(std::size_t train, std::size_t test, std::uint64_t seed) {
  const auto path = lazygumbel_datasets::fashion_mnist_path();
  if (!path)
    return made_up((std::min)(train, std::size_t{60'000}), (std::min)(test, std::size_t{10'000}),
                   seed);
  Problem problem = fashion_mnist(path->parent_path());
  if (train < problem.train.size()) problem.train = problem.train.part(0, train);
  if (test < problem.test.size()) problem.test = problem.test.part(0, test);
  return problem;
}

Matrix one_hot(const std::vector<unsigned char>& labels, std::size_t classes) {
  Matrix values =
      Matrix::Zero(static_cast<Eigen::Index>(labels.size()), static_cast<Eigen::Index>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i)
    values(static_cast<Eigen::Index>(i), labels[i]) = 1.0F;
  return values;
}

double accuracy(const Matrix& outputs, const std::vector<unsigned char>& labels) {
  Eigen::Index right = 0;
  for (Eigen::Index i = 0; i < outputs.rows(); ++i) {
    Eigen::Index best = 0;
    outputs.row(i).maxCoeff(&best);
    right += best == labels[static_cast<std::size_t>(i)];
  }
  return static_cast<double>(right) / static_cast<double>(outputs.rows());
}

double log_loss(const Matrix& outputs, const std::vector<unsigned char>& labels) {
  double sum = 0.0;
  for (Eigen::Index i = 0; i < outputs.rows(); ++i) {
    const auto p = static_cast<double>(outputs(i, labels[static_cast<std::size_t>(i)]));
    sum -=
        std::log((1.0 - uniform_share) * p + uniform_share / static_cast<double>(outputs.cols()));
  }
  return sum / static_cast<double>(outputs.rows());
}

}  // namespace attention_tools
