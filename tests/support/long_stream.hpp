#pragma once

#include <cmath>
#include <cstddef>
#include <lazygumbel/attention/exact/heads_view.hpp>

#include "attention_reference.hpp"

/// \file
/// A stream so long that a sum of its values drifts when it is kept carelessly.

namespace lazygumbel::testing {

/// 10,000,000 tokens of one head, keys N(0, 1) and values N(1, 1) of 4 numbers: token t is row
/// t mod 65,521 of a table.
struct LongStream {
  static constexpr std::size_t tokens = 10'000'000, window = 64, dimension = 4, rows = 65'521;

  RowMatrix<float> keys = quick_normals(rows, dimension, 0.0, 1.0, 21),
                   values = quick_normals(rows, dimension, 1.0, 1.0, 22),
                   query = quick_normals(1, dimension, 0.0, 1.0, 23);

  HeadsView<float> key(std::size_t t) const { return of(keys, t); }
  HeadsView<float> value(std::size_t t) const { return of(values, t); }

  /// Attention of the query, scaled by 1, over the window of the last token and, with score 0, all
  /// tokens before it, whose values sum to `old`.
  Eigen::RowVectorXd output(const Eigen::RowVectorXd& old) const {
    Eigen::RowVectorXd sum = old;
    double z = static_cast<double>(tokens - window);
    for (std::size_t t = tokens - window; t < tokens; ++t) {
      const auto row = static_cast<Eigen::Index>(t % rows);
      const double weight = std::exp(query.row(0).cast<double>().dot(keys.row(row).cast<double>()));
      z += weight;
      sum += weight * values.row(row).cast<double>();
    }
    return sum / z;
  }

  /// The same with every token at its place in a dense sum of long doubles.
  Eigen::RowVectorXd dense_output() const {
    long double sums[dimension] = {};
    for (std::size_t t = 0; t < tokens - window; ++t)
      for (std::size_t c = 0; c < dimension; ++c)
        sums[c] += static_cast<long double>(value(t).row(0, 0)[c]);
    Eigen::RowVectorXd old(static_cast<Eigen::Index>(dimension));
    for (std::size_t c = 0; c < dimension; ++c)
      old[static_cast<Eigen::Index>(c)] = static_cast<double>(sums[c]);
    return output(old);
  }

 private:
  static HeadsView<float> of(const RowMatrix<float>& table, std::size_t t) {
    return {table.data() + t % rows * dimension, 1, 1, dimension, dimension, dimension};
  }
};

/// |o - reference| / |reference|.
inline double drift(const Eigen::RowVectorXd& output, const Eigen::RowVectorXd& reference) {
  return (output - reference).norm() / reference.norm();
}

/// What the tests of caches allow on a LongStream. (Of a float output 6e-8 are its own rounding.)
inline constexpr double allowed_drift = 1e-6;

}  // namespace lazygumbel::testing
