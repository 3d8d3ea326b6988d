#pragma once

#include <cmath>
#include <utility>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/core/types.hpp"

namespace lazygumbel {

/// A function of items with what is known of its values: |f(i) - centre| <= radius for every item,
/// in the Euclidean norm for vectors. Made by `bounded`. An estimate of E[f] has to allow for
/// values that no draw met; from a BoundedFunction it knows how large they may be, of another
/// function it asks for all n values.
template <class F>
class BoundedFunction {
 public:
  BoundedFunction(F f, double centre, double radius)
      : f_(std::move(f)), centre_(centre), radius_(radius) {}

  decltype(auto) operator()(item_id id) const { return f_(id); }
  /// The centre's every coordinate.
  double centre() const noexcept { return centre_; }
  double radius() const noexcept { return radius_; }

 private:
  F f_;
  double centre_, radius_;
};

/// f with lowest <= f(i) <= largest for every item. Throws std::invalid_argument unless lowest <=
/// largest and both are finite. An estimate throws where it meets a value outside.
template <class F>
BoundedFunction<F> bounded(F f, double lowest, double largest) {
  if (!std::isfinite(lowest)) detail::throw_invalid("lowest", lowest, "must be finite");
  if (!(lowest <= largest && std::isfinite(largest)))
    detail::throw_invalid("largest", largest,
                          "must be finite and at least lowest = " + detail::text_of(lowest));
  return {std::move(f), 0.5 * lowest + 0.5 * largest, 0.5 * largest - 0.5 * lowest};
}

/// f, a number or an Eigen vector, with |f(i)|_2 <= radius for every item. Throws
/// std::invalid_argument unless the radius is finite and not negative.
template <class F>
BoundedFunction<F> bounded(F f, double radius) {
  if (!(radius >= 0.0 && std::isfinite(radius)))
    detail::throw_invalid("radius", radius, "must be finite and not negative");
  return {std::move(f), 0.0, radius};
}

}  // namespace lazygumbel
