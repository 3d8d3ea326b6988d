#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>

#include "lazygumbel/core/types.hpp"

namespace lazygumbel::detail {

/// An upper bound on what any m keys of the lists that a row did not meet can weigh. A key of list
/// g scores at most b_g = <q, c_g> + |q| r_g (Cauchy-Schwarz, r_g the largest distance of a member
/// from the centroid c_g), and its value is at most R_g from the values' centre c. With u_g =
/// e^(b_g) or e^(b_g) R_g, m keys of which at most n_g are of list g have
///   sum u <= min over t of m t + sum_g n_g max(u_g - t, 0),
/// the dual of the knapsack that takes the heaviest lists first: true for every t, so that a few
/// of them do.
///
/// What it is for: if more than N ln(1 / delta) / l keys of the tail of N had a larger |y|, y =
/// w (v - o), than all that l draws met, one of them would have been met but with probability
/// (1 - ln(1 / delta) / l)^l < delta. So the keys heavier than all that was seen are at most so
/// many, whatever the data.
class UnseenBound {
 public:
  /// `weights`: e^(b_g - base), `reaches`: R_g, `counts`: n_g, 0 for lists that were met.
  template <std::same_as<float> Real>
  void set(double base, const Eigen::ArrayX<Real>& weights, const Eigen::ArrayX<Real>& reaches,
           const Eigen::ArrayX<Real>& counts) {
    base_ = base;
    constexpr auto infinity = std::numeric_limits<Real>::infinity();
    if (!(base < static_cast<double>(infinity) && (reaches < infinity).all())) {
      by_weight_.most = by_value_.most = static_cast<double>(infinity);
      return;
    }
    by_weight_.set(weights, counts);
    by_value_.set(Eigen::ArrayX<Real>(weights * reaches), counts);
  }

  /// Bounds for m keys: the sum of e^(score), and of that times the value's distance from the
  /// centre, both over e^log_z.
  double weight(double m, double log_z) const { return of(by_weight_, m, log_z); }
  double value(double m, double log_z) const { return of(by_value_, m, log_z); }

 private:
  struct Knapsack {
    static constexpr std::size_t levels = 6;
    double most = 0.0;
    std::array<double, levels> excess{};

    template <std::same_as<float> Real>
    void set(const Eigen::ArrayX<Real>& worth, const Eigen::ArrayX<Real>& counts) {
      const Real largest = ((counts.min)(Real{1}) * worth).maxCoeff();  // counts are 0, 1, 2 ..
      most = static_cast<double>(largest);
      if (!(largest < std::numeric_limits<Real>::infinity())) return;
      Real level = largest;
      for (double& sum : excess) {
        sum = static_cast<double>((counts * (worth - level).max(Real{0})).sum());
        level *= Real{0.5};
      }
    }
    double of(double m) const {
      if (!(most < std::numeric_limits<double>::infinity())) return most;
      double least = std::numeric_limits<double>::infinity(), level = most;
      for (const double sum : excess) {
        least = (std::min)(least, m * level + sum);
        level *= 0.5;
      }
      return least;
    }
  };

  // Rounding of exponentials and sums in float is far below the 1.001.
  double of(const Knapsack& knapsack, double m, double log_z) const {
    const double sum = knapsack.of(m);
    return sum == 0.0 ? 0.0 : 1.001 * sum * std::exp(base_ - log_z);
  }

  double base_ = 0.0;
  Knapsack by_weight_, by_value_;
};

}  // namespace lazygumbel::detail
