#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/core/types.hpp"

namespace lazygumbel::detail {

/// A ball that holds the values f(i) of all items.
class FunctionRange {
 public:
  /// The ball that a BoundedFunction states, a little wider for the rounding of its centre.
  template <class F>
  static FunctionRange stated_by(const F& f) {
    FunctionRange range;
    range.radius_ = f.radius() * (1.0 + 1e-9) + std::abs(f.centre()) * 1e-15;
    range.offset_ = f.centre();
    return range;
  }

  /// Around the middle of the coordinates' ranges, by looking at all n values. Two passes, O(n m).
  /// Throws std::invalid_argument on a value that is NaN or infinite.
  template <class F>
  static FunctionRange around_all(const F& f, std::size_t n) {
    FunctionRange range;
    Eigen::ArrayX<double> low, high;
    for (std::size_t i = 0; i < n; ++i) {
      const auto id = static_cast<item_id>(i);
      const Eigen::ArrayX<double> value = f(id).template cast<double>().array();
      if (!value.allFinite())
        throw_invalid("f(" + text_of(id) + ")", "NaN or infinity", "must be finite");
      if (i == 0) low = high = value;
      low = (low.min)(value);
      high = (high.max)(value);
    }
    range.centre_ = 0.5 * low + 0.5 * high;
    double square = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      const auto id = static_cast<item_id>(i);
      square = (std::max)(
          square, (f(id).template cast<double>().array() - range.centre_).matrix().squaredNorm());
    }
    range.radius_ = std::sqrt(square) * (1.0 + 1e-12);
    return range;
  }

  /// Throws std::invalid_argument when f(id) lies outside.
  void require(item_id id, const Vector<double>& value) const {
    const double away = distance(value);
    if (!(away <= radius_))
      throw_invalid("f(" + text_of(id) + ")", "a distance of " + text_of(away),
                    "exceeds the radius that was stated, " + text_of(radius_));
  }

  /// The most by which any value may differ from `mean`.
  double furthest(const Vector<double>& mean) const { return radius_ + distance(mean); }

 private:
  double distance(const Vector<double>& value) const {
    return centre_.size() == 0 ? (value.array() - offset_).matrix().norm()
                               : (value.array() - centre_).matrix().norm();
  }

  Eigen::ArrayX<double> centre_;  // empty: offset_ in every coordinate
  double offset_ = 0.0, radius_ = 0.0;
};

}  // namespace lazygumbel::detail
