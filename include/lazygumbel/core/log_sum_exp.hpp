#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// log(exp(a) + exp(b)) without overflow; -inf is the neutral element.
inline double log_add_exp(double a, double b) noexcept {
  const double high = (std::max)(a, b);
  if (high == -std::numeric_limits<double>::infinity()) return high;
  return high + std::log1p(std::exp((std::min)(a, b) - high));
}

/// A sum of exponentials held as (maximum, sum of exp(y - maximum)): add scores one by one or in
/// blocks, merge shards, read the logarithm. All arithmetic in double; O(1) memory.
class LogSumExp {
 public:
  /// Adds exp(y). y may be -inf (adds nothing); NaN and +inf are the caller's to refuse.
  void add(double y) noexcept {
    if (y <= maximum_) {
      if (y != -infinity) sum_ += std::exp(y - maximum_);
    } else {
      sum_ = sum_ * std::exp(maximum_ - y) + 1.0;
      maximum_ = y;
    }
  }

  /// Adds exp(y) for all scores of the block: one pass for the maximum, one for the sum.
  template <class Scalar>
  void add(std::span<const Scalar> block) noexcept {
    double high = -infinity;
    for (const Scalar y : block) high = (std::max)(high, static_cast<double>(y));
    if (high == -infinity) return;
    double sum = 0.0;
    for (const Scalar y : block) sum += std::exp(static_cast<double>(y) - high);
    merge(high, sum);
  }

  /// Adds another sum; the order of merging changes the result by rounding only.
  void merge(const LogSumExp& other) noexcept { merge(other.maximum_, other.sum_); }

  /// log of the sum; -inf when nothing was added.
  double value() const noexcept { return sum_ > 0.0 ? maximum_ + std::log(sum_) : -infinity; }

 private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  void merge(double maximum, double sum) noexcept {
    if (sum == 0.0) return;
    if (maximum <= maximum_) {
      sum_ += sum * std::exp(maximum - maximum_);
    } else {
      sum_ = sum_ * std::exp(maximum_ - maximum) + sum;
      maximum_ = maximum;
    }
  }

  double maximum_ = -infinity;
  double sum_ = 0.0;
};

/// log sum_i exp(scores_i), in double whatever the scores are; relative error of the sum O(n eps).
/// -inf scores count for nothing; an empty or all -inf span gives -inf.
/// Throws std::invalid_argument on NaN or +inf. O(n), no allocation.
template <class Scalar>
double log_sum_exp(std::span<const Scalar> scores) {
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (!(scores[i] < std::numeric_limits<Scalar>::infinity()))
      detail::throw_invalid("scores[" + detail::text_of(i) + "]", scores[i],
                            "must be finite or -infinity");
  LogSumExp sum;
  sum.add(scores);
  return sum.value();
}

}  // namespace lazygumbel
