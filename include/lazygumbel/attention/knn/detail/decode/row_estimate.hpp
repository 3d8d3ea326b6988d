#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "lazygumbel/attention/exact/detail/draw_error.hpp"
#include "lazygumbel/attention/knn/detail/decode/gather_kernels.hpp"
#include "lazygumbel/attention/knn/detail/decode/value_ball.hpp"
#include "lazygumbel/core/detail/cache_line.hpp"
#include "lazygumbel/estimation/normal_quantile.hpp"

namespace lazygumbel::detail {

/// What is proved of draws: weights lie in e^(+-log_weight), |v - centre| <= radius.
struct ProvedRange {
  double log_weight = 0.0, radius = 0.0;
};

/// What is known of the keys that no draw met: but with probability delta / 2, they weigh at most
/// `weight` times the intensities' total, and their values are in the ball.
struct UnseenKeys {
  double weight = 0.0;
  const ValueBall& values;
};

/// One row of output from keys taken with certainty and draws from the others. With w_j = e^(s_j)
/// and draws j_1 .. j_l of intensities I_j (row j with probability I_j / total) and weights
/// om = w_j / I_j,
///   Z^ = Z_S + total mean(om),   N^ = N_S + total mean(om v),   o^ = N^ / Z^,
/// the first two unbiased. Values are taken relative to a `centre`, what o would be if the values
/// of the others were `mean`, so that little cancels where they hardly differ. Work memory, to be
/// reused.
class RowEstimate {
 public:
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  /// Starts with the certain keys: sum_S e^(s - largest) and sum_S e^(s - largest) v, the latter dv
  /// floats; a sink of value 0 and logit `sink` (-inf: none); and a tail of which intensities come
  /// in units of e^unit and sum to `total`. `room`: dv, padded to whole lanes. `mean`: dv floats,
  /// about the mean of the values; nullptr: that of the certain ones.
  void start(std::size_t dv, std::size_t room, double largest, double sum, const float* certain,
             double sink, double unit, double total, const float* mean = nullptr) {
    dv_ = dv;
    room_ = room;
    shift_ = (std::max)({sum > 0.0 ? largest : -infinity, sink, total > 0.0 ? unit : -infinity});
    unit_ = unit;
    certain_ = sum > 0.0 ? sum * std::exp(largest - shift_) : 0.0;
    sink_ = sink > -infinity ? std::exp(sink - shift_) : 0.0;
    total_ = total > 0.0 ? total * std::exp(unit - shift_) : 0.0;
    centre_.assign(room, 0.0F);
    away_.assign(dv, 0.0);
    const double left = mean == nullptr ? 0.0 : total_, all = certain_ + left;
    for (std::size_t c = 0; c < dv && all > 0.0; ++c) {
      const double own = sum > 0.0 ? certain_ / all * (static_cast<double>(certain[c]) / sum) : 0.0;
      centre_[c] =
          static_cast<float>(own + (left > 0.0 ? left / all * static_cast<double>(mean[c]) : 0.0));
      away_[c] =
          sum > 0.0 ? static_cast<double>(certain[c]) / sum - static_cast<double>(centre_[c]) : 0.0;
    }
    sums_.assign(draw_batches * room, 0.0F);
    squares_.assign(room, 0.0F);
    batch_weights_.fill(0.0);
    weight_ = weight_squares_ = weight_cubes_ = square_ = cube_ = 0.0;
    count_ = 0;
  }

  /// Adds draws with multiplicity, with their intensities in units of e^unit; infinite: a draw of
  /// no weight. `scores`: room for the draws and whole lanes behind them, overwritten.
  template <class T>
  void add(const GatherKernels<T>& kernels, const GatheredRows<T>& keys,
           const GatheredRows<T>& values, const float* query, float cap, const double* intensities,
           float* scores) {
    kernels.scores(keys, query, cap, scores);
    for (std::size_t j = 0; j < keys.count; ++j) {
      const double weight = std::exp(static_cast<double>(scores[j]) - unit_) / intensities[j];
      scores[j] = static_cast<float>(weight);
      batch_weights_[(count_ + j) % draw_batches] += weight;
      weight_ += weight;
      weight_squares_ += weight * weight;
      weight_cubes_ += weight * weight * weight;
    }
    kernels.sums(values, {.weights = scores,
                          .centre = centre_.data(),
                          .first = count_,
                          .room = room_,
                          .sums = sums_.data(),
                          .squares = squares_.data(),
                          .square = &square_,
                          .cube = &cube_});
    count_ += keys.count;
  }

  /// Computes o^ and what half-widths need from all draws so far.
  void settle() {
    const double share = count_ > 0 ? total_ / static_cast<double>(count_) : 0.0;
    z_ = certain_ + sink_ + share * weight_;
    const double inverse = z_ > 0.0 ? 1.0 / z_ : 0.0;
    offset_.resize(dv_);
    double cross = 0.0, rest = 0.0;  // <o', sum om^2 v'>, |sum om (v' - o')|^2
    norm_ = offset_norm_ = 0.0;
    for (std::size_t c = 0; c < dv_; ++c) {
      double sum = 0.0;
      for (std::size_t b = 0; b < draw_batches; ++b)
        sum += static_cast<double>(sums_[b * room_ + c]);
      const double centre = static_cast<double>(centre_[c]);
      // Relative to the centre:
      const double o = (certain_ * away_[c] + share * sum - centre * sink_) * inverse;
      offset_[c] = o;
      cross += o * static_cast<double>(squares_[c]);
      rest += (sum - o * weight_) * (sum - o * weight_);
      offset_norm_ += o * o;
      norm_ += (centre + o) * (centre + o);
    }
    const double l = static_cast<double>(count_);
    variance_ = weight_variance_ = rounding_ = 0.0;
    if (count_ > 1) {
      // Float loses at most u (l + 64) of what the squares are made of, where sums over draws are
      // float, and what is too small for it; of o^, u (l / 16 + 64) of the sums of a batch.
      constexpr double u = 0x1p-24;
      constexpr auto smallest = static_cast<double>((std::numeric_limits<float>::min)());
      const double root = std::sqrt(square_) + std::sqrt(offset_norm_ * weight_squares_);
      const double lost = u * (l + 64.0) * root * root +
                          smallest * static_cast<double>(dv_) * (l + weight_squares_);
      variance_ =
          ((std::max)(0.0, square_ - 2.0 * cross + offset_norm_ * weight_squares_ - rest / l) +
           lost) /
          (l - 1.0);
      rounding_ = u * ((l / static_cast<double>(draw_batches) + 64.0) * total_ *
                           std::sqrt(square_ / l) * inverse +
                       2.0 * std::sqrt(norm_));
      weight_variance_ = (std::max)(0.0, weight_squares_ - weight_ * weight_ / l) / (l - 1.0);
    }
    offset_norm_ = std::sqrt(offset_norm_);
    norm_ = std::sqrt(norm_);
  }

  std::size_t count() const noexcept { return count_; }
  double norm() const noexcept { return norm_; }
  double log_sum() const noexcept { return z_ > 0.0 ? shift_ + std::log(z_) : -infinity; }
  /// False, too, where the weights' squares are too small for float.
  bool is_finite() const noexcept {
    return std::isfinite(norm_ + variance_ + z_) &&
           (count_ == 0 || weight_squares_ > 1e-30 * static_cast<double>(count_));
  }
  /// The estimated standard deviation of Z^ over Z^.
  double relative_error_of_sum() const noexcept {
    return count_ > 0 ? total_ * std::sqrt(weight_variance_ / static_cast<double>(count_)) / z_
                      : 0.0;
  }

  /// |o^ - o| stays within this with probability about 1 - delta, by the central limit theorem for
  /// N^ - o Z^, of which the draws give the trace of the covariance, and what it knows nothing of:
  /// keys of weight U that no draw met are missing from o^, which are U |mean of theirs - o^| /
  /// (Z^ + U) away. The squares of both are added: where the draws are spread over many directions
  /// because they are orthogonal, in one because to miss keys and to err by much besides is rarer
  /// than either. Of stratified draws, whose variance is smaller, this is above. `quantile`: the
  /// normal one of 1 - delta.
  double half_width(double delta, double quantile, const GatherKernels<float>& kernels,
                    const UnseenKeys& unseen) {
    if (count_ == 0) return 0.0;
    const double met = met_half_width(delta, quantile, kernels), missed = unseen_error(unseen);
    return std::sqrt(met * met + missed * missed) + rounding_;
  }

  /// The first part alone: of what the draws met.
  double met_half_width(double delta, double quantile, const GatherKernels<float>& kernels) {
    if (count_ == 0 || variance_ == 0.0) return 0.0;
    const double factor = count_ < 64 ? 1.0 + std::sqrt(2.0 * std::log(1.0 / delta))
                                      : cautious_norm_quantile(degrees(kernels), quantile, delta);
    return skewed(factor) * total_ * std::sqrt(variance_ / static_cast<double>(count_)) / z_;
  }

  /// Z^ is within this times Z^ of Z with probability about 1 - delta: `half_width`'s reasoning for
  /// the mean of om, and what the unseen keys may add.
  double sum_half_width(double delta, double quantile, const UnseenKeys& unseen) const noexcept {
    if (count_ == 0) return 0.0;
    const double factor =
        count_ < 64 ? 1.0 + std::sqrt(2.0 * std::log(1.0 / delta)) : norm_quantile(1.0, quantile);
    return skewed(factor) * relative_error_of_sum() + total_ * unseen.weight / z_;
  }

  /// How far from o^ the unseen keys may be.
  double unseen_error(const UnseenKeys& unseen) const noexcept {
    const double radius = unseen.values.radius_about(centre_.data(), offset_);
    const double share = total_ * unseen.weight / z_;
    return share < infinity ? share / (1.0 + share) * radius : radius;
  }

  /// A half-width that is proved, for independent draws: with Y = om (v - centre), |Y| <= b,
  /// Bernstein's inequality in a Hilbert space (Pinelis 1994),
  ///   P(|sum (Y - E Y)| >= t) <= 2 exp(-t^2 / (2 (l s^2 + 2 b t / 3))),   s^2 = E |Y|^2,
  /// where sqrt(s^2) <= sqrt(mean |Y|^2 + b^2 L / (2 l)) + b sqrt(L / (2 l)) but with probability
  /// e^-L (Maurer 2003, since E |Y|^4 <= b^2 s^2). The same for om - 1 gives Z^ within t_Z, and
  ///   |o^ - o| <= (t_N + |o^ - centre| t_Z) / (Z^ - t_Z).
  /// Each of the four events has a quarter of delta / (stage (stage + 1)). Stages are numbered from
  /// 1 on, each the size of a sample that was fixed beforehand.
  /// Source: Pinelis, "Optimum Bounds for the Distributions of Martingales in Banach Spaces", Ann.
  /// Probab. 22(4), 1994; Maurer, "A Bound on the Deviation Probability for Sums of Non-negative
  /// Random Variables", JIPAM 4(1), 2003.
  /// `of_sum`: t_Z / Z^.
  double proved_half_width(double delta, std::size_t stage, const ProvedRange& range,
                           double& of_sum) const {
    of_sum = 0.0;
    if (count_ == 0 || total_ == 0.0) return 0.0;
    const auto step = static_cast<double>(stage);
    const double each = delta / (4.0 * step * (step + 1.0));
    const double l = static_cast<double>(count_), weight = std::exp(range.log_weight);
    const auto deviation = [&](double mean_square, double bound) {
      const double once = std::log(1.0 / each), twice = std::log(2.0 / each);
      const double spread = std::sqrt(mean_square + bound * bound * once / (2.0 * l)) +
                            bound * std::sqrt(once / (2.0 * l));
      const double linear = 2.0 * bound * twice / 3.0;
      return (linear + std::sqrt(linear * linear + 2.0 * l * spread * spread * twice)) / l;
    };
    const double above_one =
        (std::max)(0.0, weight_squares_ - 2.0 * weight_ + l) / l;  // mean (om - 1)^2
    const double n = total_ * deviation(square_ / l, weight * range.radius),
                 z = total_ * deviation(above_one, (std::max)(weight - 1.0, 1.0 - 1.0 / weight));
    of_sum = z / z_;
    return z < z_ ? (n + offset_norm_ * z) / (z_ - z) + rounding_ : infinity;
  }

  double centre_norm() const noexcept {
    double sum = 0.0;
    for (const float c : centre_) sum += static_cast<double>(c) * static_cast<double>(c);
    return std::sqrt(sum);
  }

  /// o^, dv floats; 0 where Z^ is 0.
  void write(float* out) const noexcept {
    for (std::size_t c = 0; c < dv_; ++c)
      out[c] = z_ > 0.0 ? static_cast<float>(static_cast<double>(centre_[c]) + offset_[c]) : 0.0F;
  }

 private:
  /// The normal quantile z, or one of a norm, made wider for a skewed law: a sample that met too
  /// few of its rare terms shows too small a deviation, too. z + skewness (1 + 2 z^2) / (6 sqrt(l))
  /// is Johnson's for one direction, with sum |y|^3 / (sum |y|^2)^1.5 for skewness / sqrt(l), which
  /// is above it in any number of directions.
  /// Source: Johnson, "Modified t Tests and Confidence Intervals for Asymmetrical Populations",
  /// JASA 73(363), 1978.
  double skewed(double z) const noexcept {
    const auto ratio = [](double cube, double square) {
      return square > 0.0 ? (std::min)(cube / (square * std::sqrt(square)), 1.0) : 0.0;
    };
    const double skewness =
        (std::max)(ratio(cube_, square_), ratio(weight_cubes_, weight_squares_));
    return z + skewness * (1.0 + 2.0 * z * z) / 6.0;
  }

  /// Degrees of freedom of the covariance of om (v - o^), from its sums over batches of draws.
  double degrees(const GatherKernels<float>& kernels) {
    constexpr std::size_t m = draw_batches;
    residuals_.assign(m * room_, 0.0F);
    for (std::size_t c = 0; c < dv_; ++c) {
      std::array<double, m> e;
      double mean = 0.0;
      for (std::size_t b = 0; b < m; ++b) {
        e[b] = static_cast<double>(sums_[b * room_ + c]) - offset_[c] * batch_weights_[b];
        mean += e[b] / static_cast<double>(m);
      }
      for (std::size_t b = 0; b < m; ++b)
        residuals_[b * room_ + c] = static_cast<float>(e[b] - mean);
    }
    std::array<float, m * m> products;
    kernels.products(residuals_.data(), room_, products.data());
    return error_degrees(std::span<const float>(products), m, static_cast<double>(dv_));
  }

  std::size_t dv_ = 0, room_ = 0, count_ = 0;
  double shift_ = 0.0, unit_ = 0.0;                                  // logs
  double certain_ = 0.0, sink_ = 0.0, total_ = 0.0;                  // in units of e^shift_
  double weight_ = 0.0, weight_squares_ = 0.0, weight_cubes_ = 0.0;  // sums of om, om^2, om^3
  double square_ = 0.0, cube_ = 0.0;  // sums of om^2 |v'|^2, om^3 |v'|^3
  std::array<double, draw_batches> batch_weights_{};
  std::vector<float, CacheLineAllocator<float>> centre_, sums_, squares_, residuals_;
  // Of `settle`.
  double z_ = 0.0, norm_ = 0.0, offset_norm_ = 0.0, variance_ = 0.0, weight_variance_ = 0.0;
  double rounding_ = 0.0;       // of o^
  std::vector<double> away_;    // N_S / Z_S - centre
  std::vector<double> offset_;  // o^ - centre
};

}  // namespace lazygumbel::detail
