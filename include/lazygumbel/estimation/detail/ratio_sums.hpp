#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>

#include "lazygumbel/core/types.hpp"

namespace lazygumbel::detail {

/// The sums behind Fhat = A / Zhat and its delta-method standard error, in one pass: of w, w^2, w
/// f, w^2 f and w^2 f^2 over the tail sample and of w, w f over the head, w = exp(y - unit), unit
/// the largest score so far. f enters relative to its value at the first item, so that a nearly
/// constant f does not cancel.
template <std::same_as<double> Real = double>
class RatioSums {
 public:
  std::size_t count() const noexcept { return count_; }

  /// Adds an item whose weight counts once.
  template <class Value>
  void add_head(item_id id, double y, const Value& f) {
    const double w = weight(id, y, f);
    if (w == 0.0) return;
    head_z_ += w;
    head_f_ += w * shifted_;
  }

  /// Adds one of the draws from the tail, y its score minus the log probability of drawing it.
  template <class Value>
  void add_tail(item_id id, double y, const Value& f) {
    const double w = weight(id, y, f);
    ++count_;
    if (w == 0.0) return;
    sum_w_ += w;
    sum_ww_ += w * w;
    sum_wf_ += w * shifted_;
    sum_wwf_ += w * w * shifted_;
    sum_wwff_ += w * w * shifted_.square();
  }

  /// Fhat. Throws std::invalid_argument when all weights seen were zero.
  Vector<Real> mean() const {
    const double z = total();
    if (!(z > 0.0)) throw_invalid("theta", z, "every item looked at is masked (scores -infinity)");
    return (origin_ + shifted_mean(z)).matrix();
  }

  /// sqrt(Var(w (f - Fhat)) / l) / Zhat for each coordinate; 0 without a tail sample.
  Vector<Real> standard_error() const {
    if (count_ < 2) return Vector<Real>::Zero(origin_.size());
    const double z = total(), l = static_cast<double>(count_);
    const Eigen::ArrayX<Real> f = shifted_mean(z);
    const Eigen::ArrayX<Real> squares = sum_wwff_ - 2.0 * f * sum_wwf_ + f.square() * sum_ww_;
    const Eigen::ArrayX<Real> variance =
        (squares - (sum_wf_ - f * sum_w_).square() / l) / (l - 1.0);
    return (((variance.max)(0.0) / l).sqrt() / z).matrix();
  }

  /// The standard error of Zhat over Zhat.
  double relative_error_of_z() const {
    if (count_ < 2) return 0.0;
    const double l = static_cast<double>(count_);
    const double variance = (sum_ww_ - sum_w_ * sum_w_ / l) / (l - 1.0);
    return variance > 0.0 ? std::sqrt(variance / l) / total() : 0.0;
  }

  /// Log of the unit of `total` and of the sums, the largest log weight seen.
  double unit() const noexcept { return unit_; }

  /// Zhat in units of exp(unit()); 0 when every item was masked.
  double total() const {
    return head_z_ + (count_ > 0 ? sum_w_ / static_cast<double>(count_) : 0.0);
  }

 private:
  Eigen::ArrayX<Real> shifted_mean(double z) const {
    const double scale = count_ > 0 ? 1.0 / static_cast<double>(count_) : 0.0;
    return (head_f_ + scale * sum_wf_) / z;
  }

  /// exp(y - unit), with f (minus the origin) left in shifted_.
  template <class Value>
  double weight(item_id id, double y, const Value& f) {
    shifted_ = f.template cast<Real>().array();
    if (!shifted_.allFinite())
      throw_invalid("f(" + text_of(id) + ")", "NaN or infinity", "must be finite");
    if (origin_.size() == 0) start();
    if (shifted_.size() != origin_.size())
      throw_invalid("f(" + text_of(id) + ").size()", shifted_.size(),
                    "differs from that of an earlier item, " + text_of(origin_.size()));
    shifted_ -= origin_;
    if (y == -std::numeric_limits<double>::infinity()) return 0.0;
    if (y > unit_) rescale(y);
    return std::exp(y - unit_);
  }

  void start() {
    origin_ = shifted_;
    head_f_ = sum_wf_ = sum_wwf_ = sum_wwff_ = Eigen::ArrayX<Real>::Zero(origin_.size());
  }

  void rescale(double y) {
    const double factor = std::exp(unit_ - y);  // 0 the first time
    head_z_ *= factor, head_f_ *= factor, sum_w_ *= factor, sum_wf_ *= factor;
    sum_ww_ *= factor * factor, sum_wwf_ *= factor * factor, sum_wwff_ *= factor * factor;
    unit_ = y;
  }

  double unit_ = -std::numeric_limits<double>::infinity();
  double head_z_ = 0.0, sum_w_ = 0.0, sum_ww_ = 0.0;
  Eigen::ArrayX<Real> origin_, shifted_, head_f_, sum_wf_, sum_wwf_, sum_wwff_;
  std::size_t count_ = 0;
};

}  // namespace lazygumbel::detail
