#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "lazygumbel/attention/exact/detail/draw_error.hpp"
#include "lazygumbel/attention/knn/detail/prefill/plan_runner.hpp"
#include "lazygumbel/attention/knn/detail/prefill/unseen_bound.hpp"

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

  /// |o^ - c|.
  double distance(const std::vector<double>& center) const {
    double sum = 0.0;
    for (std::size_t c = 0; c < dv_; ++c)
      sum += (result_[c] - center[c]) * (result_[c] - center[c]);
    return std::sqrt(sum);
  }

  /// The row's draws, and what bounds the keys that they did not meet.
  struct Draws {
    double count;      ///< l
    double size;       ///< N
    double reach;      ///< max |v - c| over the draws
    double most;       ///< max |v - c| over all keys that the row sees
    double degrees;    ///< error_degrees
    double log_delta;  ///< ln(1 / delta), for what no draw met and for the rest alike
    double quantile;   ///< the normal one of 1 - that delta
    const UnseenBound* unseen;
    const std::vector<double>* center;  ///< c
  };

  struct Verdict {
    double error;
    double spread;  ///< the share of it that falls as 1 / sqrt(l); the rest does as 1 / l, about
    double unseen;  ///< what no draw met may weigh, over Z^
    double of_sum;  ///< a bound on |Z^ - Z| over Z^
  };

  /// A bound on |o^ - o| of the row, after `finish`: see docs/attention.md. With y_j = w_j (v_j -
  /// o) / Z^, which sum to 0 over all keys and the sink, o^ - o = W sum_T y - sum_tail y. The keys
  /// of which |y| is larger than that of every draw are bounded by `unseen`; the others are no
  /// larger than what was seen: c sd and ln(1 / delta) times the largest, as Bernstein has it. o
  /// is within the error of o^: with A for o^ in place of o and B for weights alone, |o^ - o| <=
  /// A + B |o^ - o|. 2^-20 of the largest is for rounding. Never more than the distance to the
  /// farthest value, since o is a mean of them.
  Verdict error(std::size_t r, double log_z, const Draws& draws) const {
    const double distance = this->distance(*draws.center);
    const double farthest = (std::max)(draws.most + distance, result_norm());  // a sink has value 0
    const auto [outputs, sums] = deviations(r, draws.count, log_z);
    const double heaviest = std::exp(static_cast<double>(tail.largest[r]) +
                                     static_cast<double>(log_weights[r]) - log_z);
    const double missed = draws.size * draws.log_delta / draws.count;
    const double unseen = draws.unseen->weight(missed, log_z);
    const double spread = norm_quantile(draws.degrees, draws.quantile) * outputs;
    const double a = spread + draws.log_delta * heaviest * (draws.reach + distance) +
                     draws.unseen->value(missed, log_z) + unseen * distance + 0x1p-20 * farthest;
    const double b =
        norm_quantile(1.0, draws.quantile) * sums + draws.log_delta * heaviest + unseen;
    return {b < 1.0 ? (std::min)(a / (1.0 - b), farthest) : farthest, a > 0.0 ? spread / a : 0.0,
            unseen, b};
  }

  SoftmaxState certain, tail;
  DrawMoments moments;
  std::vector<float> log_weights;  ///< log W

 private:
  /// The standard deviations of the row's o^, |.|_2, and of Z^ / Z^, from its l draws. What float
  /// lost of the squares - 2^-20 of what they are made of, and what is too small for it - is added,
  /// so that they are never too small where they cancel; infinite where they overflow.
  std::pair<double, double> deviations(std::size_t r, double l, double log_z) const {
    if (!(tail.largest[r] > -std::numeric_limits<float>::infinity())) return {0.0, 0.0};
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
    constexpr auto smallest = static_cast<double>((std::numeric_limits<float>::min)());
    const double lost = 0x1p-20 * made_of + smallest * l * static_cast<double>(dv_);
    const double scale = std::exp(static_cast<double>(tail.largest[r]) +
                                  static_cast<double>(log_weights[r]) - log_z);
    const auto root = [&](double variance) {
      return variance < std::numeric_limits<double>::infinity()
                 ? scale * std::sqrt(variance * l / (l - 1.0))
                 : std::numeric_limits<double>::infinity();
    };
    return {root((std::max)(0.0, squares - mean / l) + lost),
            root((std::max)(0.0, weights - tail.sums[r] * tail.sums[r] / l) + 0x1p-20 * weights)};
  }

  std::size_t dv_ = 0;
  std::vector<double> result_;
};

}  // namespace lazygumbel::detail
