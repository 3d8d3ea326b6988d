#pragma once

#include <algorithm>
#include <cstddef>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <lazygumbel/sampling/exhaustive.hpp>
#include <span>
#include <vector>

#include "input.hpp"

namespace demo {

/// The rival: one score for every row, each read once and in order (at memory speed; Eigen's GEMV
/// takes twice as long), then one draw. Made as fast as we know how, on one thread: no index can be
/// worth less than what it is compared with.
class ExhaustiveScan {
 public:
  /// Over the first n rows, which are viewed.
  ExhaustiveScan(const Matrix& rows, std::size_t n)
      : rows_(rows.data(), static_cast<Eigen::Index>(n), rows.cols(),
              Eigen::OuterStride<>(rows.cols())) {}

  const lazygumbel::Vector<float>& score(const lazygumbel::VectorView<float>& theta) {
    scores_.resize(rows_.rows());
    for (Eigen::Index i = 0; i < rows_.rows(); ++i) scores_[i] = rows_.row(i).dot(theta);
    return scores_;
  }

  /// Scores every row and draws by inverting the cumulative sum.
  lazygumbel::item_id draw_by_inversion(const lazygumbel::VectorView<float>& theta,
                                        lazygumbel::PhiloxEngine& engine) {
    weigh(theta);
    return draw_again(engine);
  }

  /// Scores every row and draws by giving each its Gumbel.
  lazygumbel::item_id draw_by_gumbel_max(const lazygumbel::VectorView<float>& theta,
                                         lazygumbel::PhiloxEngine& engine) {
    score(theta);
    return lazygumbel::gumbel_max(std::span<const float>(scores_.data(), size()), engine).id;
  }

  /// Scores every row and keeps weights and sums for draw_again.
  void weigh(const lazygumbel::VectorView<float>& theta) {
    score(theta);
    const float high = scores_.maxCoeff();
    sums_.clear();
    double sum = 0.0;
    for (Eigen::Index first = 0; first < scores_.size(); first += block) {
      auto part = scores_.segment(first, (std::min)(block, scores_.size() - first)).array();
      part = (part - high).exp();
      sums_.push_back(sum += static_cast<double>(part.sum()));
    }
  }

  /// A further draw for the theta given to `weigh`.
  lazygumbel::item_id draw_again(lazygumbel::PhiloxEngine& engine) const {
    const double target = lazygumbel::open_uniform(engine) * sums_.back();
    const auto found = std::upper_bound(sums_.begin(), sums_.end() - 1, target);
    double sum = found == sums_.begin() ? 0.0 : *(found - 1);
    Eigen::Index i = (found - sums_.begin()) * block;
    const Eigen::Index last = (std::min)(i + block, scores_.size()) - 1;
    while (i < last && (sum += static_cast<double>(scores_[i])) <= target) ++i;
    return static_cast<lazygumbel::item_id>(i);
  }

 private:
  static constexpr Eigen::Index block = 512;

  std::size_t size() const { return static_cast<std::size_t>(rows_.rows()); }

  lazygumbel::RowPointer<float> rows_;
  lazygumbel::Vector<float> scores_;  // after `weigh`: exp(score - largest score)
  std::vector<double> sums_;          // of the weights, up to the end of each block
};

}  // namespace demo
