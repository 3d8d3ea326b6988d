#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "lazygumbel/attention/knn/detail/prefill/plan_runner.hpp"

namespace lazygumbel::detail {

/// Softmax states of rows over keys met with certainty (S) and over draws from the tail (T), each
/// of which counts W = N / l times, and what follows from both:
///   Z^ = sum_S w + W sum_T w [+ e^sink],   o^ = (sum_S w v + W sum_T w v) / Z^.
class RowStates {
 public:
  void start(std::size_t rows, std::size_t dv, std::size_t value_width, std::size_t moment_width) {
    dv_ = dv;
    certain.start(rows, value_width);
    tail.start(rows, value_width);
    moments.start(rows, moment_width);
    log_weights.assign(rows, 0.0F);
    result_.assign(dv, 0.0);
  }

  /// No key was met, and no tail is left.
  void reset(std::size_t r) {
    certain.reset(r);
    tail.reset(r);
    log_weights[r] = 0.0F;
  }

  /// Makes o^ of the row ready in `result` and returns log Z^.
  double finish(std::size_t r, double sink) {
    const auto a = static_cast<double>(certain.largest[r]);
    const auto b = static_cast<double>(tail.largest[r]) + static_cast<double>(log_weights[r]);
    const double high = (std::max)({a, b, sink});
    if (!(high > -std::numeric_limits<double>::infinity())) {
      std::fill(result_.begin(), result_.end(), 0.0);
      return high;
    }
    const double scale_a = std::exp(a - high), scale_b = std::exp(b - high);
    const double sum = certain.sums[r] * scale_a + tail.sums[r] * scale_b + std::exp(sink - high);
    for (std::size_t c = 0; c < dv_; ++c)
      result_[c] = (static_cast<double>(certain.row(r)[c]) * scale_a +
                    static_cast<double>(tail.row(r)[c]) * scale_b) /
                   sum;
    return high + std::log(sum);
  }

  const std::vector<double>& result() const noexcept { return result_; }
  double result_norm() const {
    double sum = 0.0;
    for (const double x : result_) sum += x * x;
    return std::sqrt(sum);
  }

  /// The standard deviation of the row's o^, |.|_2, after `finish`, from its l draws: that of the
  /// sum of y = W w (v - o^) / Z^. What float lost of the squares - 2^-20 of what they are made of,
  /// and what is too small for it - is added, so that it is never too small where they cancel;
  /// infinite where they overflow, and where no draw counts, which tells nothing of what is left.
  double deviation(std::size_t r, std::size_t draws, double log_z) const {
    if (!(tail.largest[r] > -std::numeric_limits<float>::infinity()))
      return std::numeric_limits<double>::infinity();
    const float* const m = moments.row(r);
    const auto weights = static_cast<double>(m[dv_ + 1]);
    double squares = static_cast<double>(m[dv_]), mean = 0.0, made_of = squares;
    for (std::size_t c = 0; c < dv_; ++c) {
      const double own = result_[c] * result_[c] * weights,
                   cross = 2.0 * result_[c] * static_cast<double>(m[c]);
      squares += own - cross;
      made_of += own + std::abs(cross);
      const double y = static_cast<double>(tail.row(r)[c]) - result_[c] * tail.sums[r];
      mean += y * y;
    }
    const auto l = static_cast<double>(draws);
    constexpr auto smallest = static_cast<double>((std::numeric_limits<float>::min)());
    const double lost = 0x1p-20 * made_of + smallest * l * static_cast<double>(dv_);
    const double variance = ((std::max)(0.0, squares - mean / l) + lost) * l / (l - 1.0);
    if (!(variance < std::numeric_limits<double>::infinity()))
      return std::numeric_limits<double>::infinity();
    // Of few draws that count, the heaviest keys are likely not among them.
    const double count = tail.sums[r] * tail.sums[r] / weights, heavy = 1.0 + 8.0 / count;
    return heavy * std::sqrt(variance) *
           std::exp(static_cast<double>(tail.largest[r]) + static_cast<double>(log_weights[r]) -
                    log_z);
  }

  /// The standard deviation of Z^ over Z^, in the same way.
  double deviation_of_sum(std::size_t r, std::size_t draws, double log_z) const {
    if (!(tail.largest[r] > -std::numeric_limits<float>::infinity()))
      return std::numeric_limits<double>::infinity();
    const auto l = static_cast<double>(draws);
    const auto squares = static_cast<double>(moments.row(r)[dv_ + 1]);
    const double sum = tail.sums[r], heavy = 1.0 + 8.0 * squares / (sum * sum);
    const double variance =
        ((std::max)(0.0, squares - sum * sum / l) + 0x1p-20 * squares) * l / (l - 1.0);
    return heavy * std::sqrt(variance) *
           std::exp(static_cast<double>(tail.largest[r]) + static_cast<double>(log_weights[r]) -
                    log_z);
  }

  SoftmaxState certain, tail;
  DrawMoments moments;
  std::vector<float> log_weights;  ///< log W

 private:
  std::size_t dv_ = 0;
  std::vector<double> result_;
};

}  // namespace lazygumbel::detail
