#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/random/gumbel.hpp"

/// \file
/// The rival of every benchmark: the best exhaustive scan that we know how to write. For one theta
/// each row is read once, in order, by a vectorised dot product: that runs at memory bandwidth,
/// where Eigen's GEMV, with eight rows at a time, takes two to three times as long. For a batch,
/// one GEMM for each block of rows that stays in cache. Vectorised float exponentials, double sums
/// of blocks, one uniform per draw (inverse cumulative distribution: faster than n Gumbels).

namespace bench {

using lazygumbel::item_id;
using Rows = lazygumbel::RowMatrix<float>;
using Queries = lazygumbel::RowMatrix<float>;
using Query = lazygumbel::VectorView<float>;

class ExhaustiveRival {
 public:
  explicit ExhaustiveRival(const Rows& rows)
      : rows_(rows), scores_(rows.rows()), sums_(static_cast<std::size_t>(blocks())) {}

  /// One draw for one theta.
  template <class Engine>
  item_id draw(const Query& theta, Engine& engine) {
    const double total = sum(theta);
    return pick(lazygumbel::open_uniform(engine) * total);
  }

  /// A further draw for the theta of the last `draw`, from what that left behind.
  template <class Engine>
  item_id draw_again(Engine& engine) {
    double total = 0.0;
    for (const double s : sums_) total += s;
    return pick(lazygumbel::open_uniform(engine) * total);
  }

  /// The same draw with the scores by Eigen's GEMV, for comparison.
  template <class Engine>
  item_id draw_gemv(const Query& theta, Engine& engine) {
    scores_.noalias() = rows_ * theta;
    const double total = exponentials();
    return pick(lazygumbel::open_uniform(engine) * total);
  }

  /// The same draw by Gumbel-max, for comparison.
  template <class Engine>
  item_id draw_gumbel(const Query& theta, Engine& engine) {
    score(theta);
    Eigen::Array<float, Eigen::Dynamic, 1, 0, block_rows> noise;
    float best = -std::numeric_limits<float>::infinity();
    Eigen::Index winner = 0;
    for (Eigen::Index first = 0; first < rows_.rows(); first += block_rows) {
      noise.resize((std::min)(block_rows, rows_.rows() - first));
      for (float& u : noise) u = static_cast<float>(lazygumbel::open_uniform(engine));
      noise = scores_.segment(first, noise.size()).array() - (-noise.log()).log();
      Eigen::Index at = 0;
      const float value = noise.maxCoeff(&at);
      if (value > best) best = value, winner = first + at;
    }
    return static_cast<item_id>(winner);
  }

  /// log sum_i exp(<theta, x_i>).
  double log_partition(const Query& theta) { return std::log(sum(theta)) + high_; }

  /// One draw for each row of `thetas` (64 or so), scores by GEMM. A block is kept by each theta
  /// with probability (block sum) / (sum so far), so that scores are looked at once, in cache.
  template <class Engine>
  void draw_batch(const Queries& thetas, Engine& engine, std::vector<item_id>& winners) {
    const Eigen::Index m = thetas.rows();
    winners.assign(static_cast<std::size_t>(m), 0);
    Eigen::ArrayXf high = Eigen::ArrayXf::Constant(m, -std::numeric_limits<float>::infinity());
    Eigen::ArrayXd total = Eigen::ArrayXd::Zero(m);
    for (Eigen::Index first = 0; first < rows_.rows(); first += block_rows) {
      const Eigen::Index count = (std::min)(block_rows, rows_.rows() - first);
      block_.noalias() = rows_.middleRows(first, count) * thetas.transpose();
      for (Eigen::Index j = 0; j < m; ++j) {
        auto column = block_.col(j).array();
        const float top = column.maxCoeff();
        if (top > high[j]) {
          total[j] *= std::exp(static_cast<double>(high[j]) - static_cast<double>(top));
          high[j] = top;
        }
        column = (column - high[j]).exp();
        const double mass = static_cast<double>(column.sum());
        total[j] += mass;
        if (lazygumbel::open_uniform(engine) * total[j] >= mass) continue;
        winners[static_cast<std::size_t>(j)] =
            static_cast<item_id>(first + locate(column, lazygumbel::open_uniform(engine) * mass));
      }
    }
  }

 private:
  static constexpr Eigen::Index block_rows = 1024;

  Eigen::Index blocks() const { return (rows_.rows() + block_rows - 1) / block_rows; }

  void score(const Query& theta) {
    for (Eigen::Index i = 0; i < rows_.rows(); ++i) scores_[i] = rows_.row(i).dot(theta);
  }

  double sum(const Query& theta) {
    score(theta);
    return exponentials();
  }

  /// Turns scores into exp(score - high_), and returns their sum.
  double exponentials() {
    high_ = static_cast<double>(scores_.maxCoeff());
    double total = 0.0;
    for (Eigen::Index b = 0; b < blocks(); ++b) {
      const Eigen::Index first = b * block_rows;
      auto part = scores_.segment(first, (std::min)(block_rows, rows_.rows() - first)).array();
      part = (part - static_cast<float>(high_)).exp();
      total += sums_[static_cast<std::size_t>(b)] = static_cast<double>(part.sum());
    }
    return total;
  }

  item_id pick(double target) const {
    std::size_t b = 0;
    while (b + 1 < sums_.size() && target >= sums_[b]) target -= sums_[b++];
    const Eigen::Index first = static_cast<Eigen::Index>(b) * block_rows;
    return static_cast<item_id>(
        first + locate(scores_.segment(first, (std::min)(block_rows, rows_.rows() - first)).array(),
                       target));
  }

  template <class Weights>
  static Eigen::Index locate(const Weights& weights, double target) {
    for (Eigen::Index i = 0; i + 1 < weights.size(); ++i)
      if ((target -= static_cast<double>(weights[i])) < 0.0) return i;
    return weights.size() - 1;
  }

  const Rows& rows_;
  Eigen::VectorXf scores_;  // after sum(): exp(score - high_)
  std::vector<double> sums_;
  Eigen::MatrixXf block_;
  double high_ = 0.0;
};

}  // namespace bench
