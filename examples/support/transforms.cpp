#include <cmath>
#include <stdexcept>

#include "datasets.hpp"

namespace lazygumbel_datasets {

void normalise_rows(Matrix& rows) {
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    const double norm = std::sqrt(rows.row(i).cast<double>().squaredNorm());
    if (!(norm > 0) || !std::isfinite(norm)) {
      throw std::invalid_argument("normalise_rows: row " + std::to_string(i) + " has norm " +
                                  std::to_string(norm));
    }
    rows.row(i) = (rows.row(i).cast<double>() / norm).cast<float>();
  }
}

void centre_columns(Matrix& rows) {
  if (rows.rows() == 0) return;
  Eigen::RowVectorXd mean = Eigen::RowVectorXd::Zero(rows.cols());
  for (Eigen::Index i = 0; i < rows.rows(); ++i) mean += rows.row(i).cast<double>();
  mean /= static_cast<double>(rows.rows());
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    rows.row(i) = (rows.row(i).cast<double>() - mean).cast<float>();
  }
}

}  // namespace lazygumbel_datasets
