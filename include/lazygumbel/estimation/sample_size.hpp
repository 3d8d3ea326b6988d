#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

namespace lazygumbel {

/// The sequential rule of the (epsilon, delta) modes. A pilot of 256 tail rows, then the variance
/// is taken from all rows so far and the sample grown, by at least a quarter and at most fourfold,
/// until the half-width meets the target. On Gaussian and clustered scores this misses as often as
/// delta says, where a single resizing from a small pilot misses about twice as often. Past N / 4
/// rows the exhaustive sum is cheaper (a random row costs about four streamed ones).
class SampleSize {
 public:
  explicit SampleSize(std::size_t tail_size) noexcept : limit_(tail_size / 4) {}

  static constexpr std::size_t pilot = 256;

  /// True when even the pilot costs more than the exhaustive sum.
  bool prefers_exhaustive() const noexcept { return pilot > limit_; }

  /// The total number of rows to go on with, after `now` rows gave a half-width `ratio` times the
  /// target (> 1); nothing when the exhaustive sum is cheaper.
  std::optional<std::size_t> next(std::size_t now, double ratio) const noexcept {
    const double current = static_cast<double>(now);
    const double wanted = 1.05 * current * ratio * ratio;
    if (!(wanted <= static_cast<double>(limit_))) return std::nullopt;
    return static_cast<std::size_t>(std::ceil(std::clamp(wanted, 1.25 * current, 4.0 * current)));
  }

 private:
  std::size_t limit_;
};

}  // namespace lazygumbel
