#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

/// P(i) = exp(w_i) / sum_j exp(w_j) for given log weights w, drawn by inverting the cumulative sum.
/// Weights of -inf are never drawn. Built in O(k), drawn in O(log k); reusable without allocation
/// through `assign`. const members are thread-safe.
class Categorical {
 public:
  Categorical() = default;
  explicit Categorical(std::span<const double> log_weights) { assign(log_weights); }

  /// Replaces the weights. Throws std::invalid_argument on NaN and +inf. All -inf (or no) weights
  /// are allowed: log_total() is then -inf and drawing is an error.
  void assign(std::span<const double> log_weights) {
    double high = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < log_weights.size(); ++i) {
      if (!(log_weights[i] < std::numeric_limits<double>::infinity()))
        detail::throw_invalid("log_weights[" + detail::text_of(i) + "]", log_weights[i],
                              "must be finite or -infinity");
      high = (std::max)(high, log_weights[i]);
    }
    cumulative_.resize(log_weights.size());
    double sum = 0.0;
    last_ = 0;
    for (std::size_t i = 0; i < log_weights.size(); ++i) {
      const double before = sum;
      if (log_weights[i] > -std::numeric_limits<double>::infinity())
        sum += std::exp(log_weights[i] - high);
      cumulative_[i] = sum;
      if (sum > before) last_ = i;
    }
    log_total_ = sum > 0.0 ? high + std::log(sum) : high;
  }

  std::size_t size() const noexcept { return cumulative_.size(); }

  /// log sum_i exp(w_i).
  double log_total() const noexcept { return log_total_; }

  /// An index of 0 .. size()-1. Throws std::invalid_argument when every weight is zero.
  template <BitGenerator Engine>
  std::size_t operator()(Engine& engine) const {
    if (log_total_ == -std::numeric_limits<double>::infinity())
      detail::throw_invalid("log_total()", log_total_, "needs a weight above -infinity");
    const double target = open_uniform(engine) * cumulative_.back();
    // The first sum strictly above the target: an item of zero weight repeats the sum before it.
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), target);
    return (std::min)(static_cast<std::size_t>(found - cumulative_.begin()), last_);
  }

 private:
  std::vector<double> cumulative_;
  std::size_t last_ = 0;  // the last item of positive weight, in case the target rounds up
  double log_total_ = -std::numeric_limits<double>::infinity();
};

}  // namespace lazygumbel
