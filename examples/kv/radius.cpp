#include "radius.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace kv_tools {

using lazygumbel_datasets::Matrix;

double pick_radius(const Matrix& keys) {
  constexpr Eigen::Index most = 2048;
  constexpr double factor = 1.6;
  const Eigen::Index n = keys.rows(), count = (std::min)(n, most);
  if (count < 2) return 1.0;
  Eigen::MatrixXd sample(keys.cols(), count);
  for (Eigen::Index i = 0; i < count; ++i)
    sample.col(i) = keys.row(i * n / count).cast<double>().transpose();
  std::vector<double> nearest;
  for (Eigen::Index i = 0; i < count; ++i) {
    Eigen::VectorXd squares = (sample.colwise() - sample.col(i)).colwise().squaredNorm();
    squares[i] = std::numeric_limits<double>::infinity();
    nearest.push_back(std::sqrt(squares.minCoeff()));
  }
  const auto at = nearest.begin() + static_cast<std::ptrdiff_t>(nearest.size() / 2);
  std::nth_element(nearest.begin(), at, nearest.end());
  return factor * *at;
}

std::size_t count_clusters(const Matrix& keys, double radius, std::size_t most) {
  Matrix representatives(static_cast<Eigen::Index>((std::min)(most, std::size_t{64})), keys.cols());
  Eigen::Index count = 0;
  for (Eigen::Index i = 0; i < keys.rows() && static_cast<std::size_t>(count) < most; ++i) {
    const bool near = count > 0 && (representatives.topRows(count).rowwise() - keys.row(i))
                                           .rowwise()
                                           .squaredNorm()
                                           .minCoeff() <= static_cast<float>(radius * radius);
    if (near) continue;
    if (count == representatives.rows())
      representatives.conservativeResize(2 * count, Eigen::NoChange);
    representatives.row(count++) = keys.row(i);
  }
  return static_cast<std::size_t>(count);
}

}  // namespace kv_tools
