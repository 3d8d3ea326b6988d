#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

#include "lazygumbel/attention/knn/detail/decode/row_estimate.hpp"
#include "lazygumbel/attention/knn/knn_attention_options.hpp"

namespace lazygumbel::detail {

/// The (epsilon, delta) of a decoder, and how a sample grows until it is met.
class DrawRule {
 public:
  DrawRule(const KnnAttentionOptions& options)
      : accuracy_(options.accuracy),
        delta_(accuracy_ ? accuracy_->delta() : 0.05),
        quantile_(normal_quantile(1.0 - delta_)),
        rarity_(std::log(2.0 / delta_)),
        strict_(options.interval == Interval::empirical_bernstein) {}

  bool sequential() const noexcept { return accuracy_.has_value(); }
  bool strict() const noexcept { return strict_; }
  /// L: keys that l draws meet L times or more on average are missed by all of them with
  /// probability at most e^-L = delta / 2.
  double rarity() const noexcept { return rarity_; }

  /// What |o^ - o| stays within, with the confidence asked for or, of a fixed budget, 95%.
  /// `of_sum`: the same of |Z^ - Z| / Z^.
  double half_width(RowEstimate& row, std::size_t stage, const ProvedRange& range,
                    const UnseenKeys& unseen, const GatherKernels<float>& kernels,
                    double& of_sum) const {
    if (strict_) return row.proved_half_width(delta_, stage, range, of_sum);
    of_sum = row.sum_half_width(delta_, quantile_, unseen);
    return row.half_width(delta_, quantile_, kernels, unseen);
  }

  /// That over what is allowed; Z^ has to be known to about a tenth.
  double ratio(const RowEstimate& row, double half_width) const noexcept {
    if (half_width == 0.0) return 0.0;
    return (std::max)(half_width / allowed(row.norm()),
                      strict_ ? 0.0 : row.relative_error_of_sum() / 0.1);
  }

  /// The error to state of a row of norm `norm`, relative to that. Under an accuracy what is
  /// allowed, unless twice the half-width is less: a sample stops to grow when its own half-width
  /// is small enough, so that those which barely stop are those which met too little.
  double stated(double half_width, double norm) const noexcept {
    if (half_width == 0.0) return 0.0;
    if (sequential() && !strict_)
      half_width = (std::max)(half_width, (std::min)(allowed(norm), 2.0 * half_width));
    return half_width / norm;
  }

  /// Draws in all to go on with after `now` gave `ratio` > 1; 0 when more than `limit` are wanted.
  /// Small samples may overstate that by half.
  static std::size_t next(std::size_t now, double ratio, std::size_t limit) noexcept {
    const double current = static_cast<double>(now), most = static_cast<double>(limit);
    const double wanted = 1.05 * current * ratio * ratio;
    if (!(wanted <= (now < 1024 ? 1.5 * most : most))) return 0;
    const double total = std::ceil(std::clamp(wanted, 1.25 * current, 4.0 * current));
    return total <= most ? static_cast<std::size_t>(total) : 0;
  }

 private:
  double allowed(double norm) const noexcept {
    return accuracy_->scale() == ErrorScale::absolute ? accuracy_->epsilon()
                                                      : accuracy_->epsilon() * norm;
  }

  std::optional<Accuracy> accuracy_;
  double delta_, quantile_, rarity_;
  bool strict_;
};

/// When to leave sampling alone: after a decode whose sample would have cost more than exact
/// attention, the next 8, 16, .. 128 are exact at once, so that what is lost on them stays small.
class Patience {
 public:
  bool waits() noexcept { return wait_ > 0 && wait_-- > 0; }
  void failed() noexcept {
    next_ = next_ == 0 ? 8 : (std::min)(2 * next_, std::size_t{128});
    wait_ = next_;
  }
  void succeeded() noexcept { next_ = 0; }

 private:
  std::size_t wait_ = 0, next_ = 0;
};

}  // namespace lazygumbel::detail
