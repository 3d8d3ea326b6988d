#pragma once

#include <Eigen/Core>
#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

#include "lazygumbel/privacy/lp/detail/capped_projection.hpp"

namespace lazygumbel::detail {

/// The weights y of the constraints: the projection of exp(-eta L_i) onto 0 <= y_i <= 1/s, where
/// L_i is the sum of the losses -C_ij of the vertices j chosen so far. The logarithms -eta L_i are
/// never replaced by those of y: they depend on constraint i and the choices alone, which is what
/// the sensitivity rests on. So do they as computed: sums of doubles, which round alike wherever a
/// constraint stands among the others (a product and a sum might be fused here and not there), and
/// one product. PRIVATE.
template <std::same_as<double> Real>
class BasicConstraintDual {
 public:
  BasicConstraintDual(std::size_t constraints, double density, double learning_rate)
      : learning_rate_(learning_rate),
        projection_(density),
        sums_(constraints, 0.0),
        log_weights_(constraints, 0.0),
        weights_(constraints, 0.0) {
    if (constraints > 0) projection_.project(log_weights_, weights_);
  }

  std::span<const double> weights() const noexcept { return weights_; }

  /// Adds the losses of a vertex, C_{., j}. Returns |y' - y|_1, rounded up.
  double add(std::span<const float> violations) {
    if (weights_.empty()) return 0.0;
    const auto m = static_cast<Eigen::Index>(weights_.size());
    Eigen::Map<Eigen::ArrayX<Real>> sums(sums_.data(), m);
    sums += Eigen::Map<const Eigen::ArrayXf>(violations.data(), m).template cast<Real>();
    Eigen::Map<Eigen::ArrayX<Real>>(log_weights_.data(), m) = learning_rate_ * sums;
    return projection_.project(log_weights_, weights_) * (1.0 + 0x1p-40);
  }

 private:
  double learning_rate_;
  BasicCappedProjection<Real> projection_;
  std::vector<double> sums_, log_weights_, weights_;  // -L_i, -eta L_i, y_i
};

using ConstraintDual = BasicConstraintDual<double>;

}  // namespace lazygumbel::detail
