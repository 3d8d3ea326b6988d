#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"

namespace lazygumbel {

/// The public feasible region of a private linear program: K = { x >= 0 : <c, x> = value } with
/// c > 0, value > 0, which is the convex hull of its d vertices v_j = (value / c_j) e_j. A point of
/// K is x_j = w_j value / c_j for weights w of the standard simplex. Immutable; thread-safe.
class ScaledSimplex {
 public:
  /// c = objective: all x >= 0 that cost, or earn, exactly `value`. Throws std::invalid_argument on
  /// an empty objective, and unless its entries, `value` and all value / c_j lie in (0, 1e300]: a
  /// variable with c_j <= 0 would make K unbounded.
  static ScaledSimplex of_objective(std::span<const double> objective, double value) {
    detail::require_positive("value", value);
    std::vector<double> vertices;
    for (std::size_t j = 0; j < objective.size(); ++j) {
      const std::string name = "objective[" + detail::text_of(j) + "]";
      detail::require_positive(name.c_str(), objective[j]);
      vertices.push_back(value / objective[j]);
      detail::require_positive(("value / " + name).c_str(), vertices.back());
    }
    return ScaledSimplex(std::move(vertices));
  }

  /// c = 1: all x >= 0 of sum `total`; of total 1 it is the standard simplex.
  static ScaledSimplex of_total(std::size_t dimension, double total = 1.0) {
    detail::require_positive("total", total);
    return ScaledSimplex(std::vector<double>(dimension, total));
  }

  /// d.
  std::size_t dimension() const noexcept { return vertices_.size(); }
  /// The one coordinate of vertex v_j that is not 0: value / c_j. Precondition: j < d.
  double vertex(std::size_t j) const noexcept { return vertices_[j]; }
  std::span<const double> vertices() const noexcept { return vertices_; }
  /// max over K of |x|_1.
  double radius() const noexcept { return *std::max_element(vertices_.begin(), vertices_.end()); }

  /// x_j = w_j v_j. Precondition, not checked: both have d entries. May be the same memory. O(d).
  void point(std::span<const double> weights, std::span<double> x) const noexcept {
    for (std::size_t j = 0; j < vertices_.size(); ++j) x[j] = weights[j] * vertices_[j];
  }

 private:
  explicit ScaledSimplex(std::vector<double> vertices) : vertices_(std::move(vertices)) {
    if (vertices_.empty()) detail::throw_invalid("dimension", 0, "must be at least 1");
  }

  std::vector<double> vertices_;
};

}  // namespace lazygumbel
