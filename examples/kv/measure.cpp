#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <lazygumbel/core/parallel.hpp>
#include <limits>

namespace kv_tools {

Eigen::MatrixXd dense_attention(const Problem& problem, std::size_t threads,
                                std::optional<Window> window) {
  const Eigen::Index n = problem.keys.rows(),
                     inside = window ? (std::min)(n, static_cast<Eigen::Index>(window->tokens)) : n,
                     before = n - inside;
  const double score = window ? window->score_before : 0.0;
  const bool counts = before > 0 && score > -std::numeric_limits<double>::infinity();
  const Eigen::RowVectorXd sum_before =
      problem.values.topRows(before).cast<double>().colwise().sum();
  Eigen::MatrixXd outputs(problem.queries.rows(), problem.values.cols());
  lazygumbel::parallel_for(problem.asked(), threads, [&](std::size_t query) {
    const auto i = static_cast<Eigen::Index>(query);
    const Eigen::VectorXd asked = problem.scale * problem.queries.row(i).cast<double>().transpose();
    Eigen::VectorXd weights(inside);
    for (Eigen::Index j = 0; j < inside; ++j)
      weights[j] = problem.keys.row(before + j).cast<double>() * asked;
    const double high = (std::max)(weights.maxCoeff(), counts ? score : weights[0]);
    weights = (weights.array() - high).exp();
    double sum = weights.sum();
    Eigen::RowVectorXd output = Eigen::RowVectorXd::Zero(problem.values.cols());
    for (Eigen::Index j = 0; j < inside; ++j)
      output += weights[j] * problem.values.row(before + j).cast<double>();
    if (counts) {
      const double weight = std::exp(score - high);
      sum += weight * static_cast<double>(before);
      output += weight * sum_before;
    }
    outputs.row(i) = output / sum;
  });
  return outputs;
}

std::vector<double> relative_errors(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  std::vector<double> errors;
  for (Eigen::Index i = 0; i < b.rows(); ++i) {
    const double difference = (a.row(i) - b.row(i)).norm();
    errors.push_back(difference == 0.0 ? 0.0 : difference / b.row(i).norm());
  }
  return errors;
}

double quantile(std::vector<double> values, double q) {
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace kv_tools
