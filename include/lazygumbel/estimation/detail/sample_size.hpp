#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

namespace lazygumbel {

/// The sequential rule of the (epsilon, delta) modes. A pilot of tail rows, then the variance is
/// taken from all rows so far and the sample grown, by at least a quarter and at most fourfold,
/// until the half-width meets the target. On Gaussian and clustered scores this misses as often as
/// delta says, where a single resizing from a small pilot misses about twice as often.
///
/// The pilot has a least size, and so many rows that no single tail item, met or not, can move Zhat
/// by more than epsilon: a variance cannot be trusted before the heaviest items could show in it.
/// (Where the index bounds the tail's sum, HeadTail::range takes the mean over the tail in place of
/// the heaviest item: an adversary may then hide a small mass that few samples meet.)
///
/// When more rows than `limit()` are wanted, the search is repeated once for a head 16 times as
/// large (`larger_head`), which costs less than the exhaustive sum where n is large and takes the
/// heaviest items out of the tail; if that does not do, all items are summed. Each stage samples
/// afresh, so that what is reported never depends on the sample that was given up.
class SampleSize {
 public:
  /// For a uniform sample of N = n - k items: more than N / 3 rows cost as much as the exhaustive
  /// sum (a random row costs about three streamed ones); more than 256 k as much as a larger head.
  /// For an index's own proposals: more than N / 8, as each has also to be found, and no larger
  /// head, since a sample is worth more.
  SampleSize(std::size_t n, std::size_t k, bool own_proposals) noexcept
      : limit_((n - k) / (own_proposals ? 8 : 3)),
        larger_head_(!own_proposals && 16 * k <= n / 256 ? 16 * k : 0) {
    if (larger_head_ > 0) limit_ = (std::min)(limit_, 256 * k);
  }

  /// The first sample, at least `least`, for weights of which each reaches at most `range` times
  /// the sum: range / l <= epsilon. May exceed limit(), and is huge for an infinite range.
  static std::size_t pilot(double range, double epsilon, std::size_t least) noexcept {
    const double rows = range / epsilon;
    return rows < 1e15 ? (std::max)(least, static_cast<std::size_t>(std::ceil(rows)))
                       : static_cast<std::size_t>(1e15);
  }

  /// The least pilot: 256 where rare heavy weights may hide, 64 where the index bounds every weight
  /// to within a few times their mean.
  static constexpr std::size_t least_pilot(bool bounded_weights) noexcept {
    return bounded_weights ? 64 : 256;
  }

  std::size_t limit() const noexcept { return limit_; }

  /// The k of the next stage; 0 when that is the exhaustive sum.
  std::size_t larger_head() const noexcept { return larger_head_; }

  /// The total number of rows to go on with, after `now` rows gave a half-width of which one part,
  /// `root` times the target, falls as 1 / sqrt(rows) and another, `linear` times, as 1 / rows;
  /// nothing when that passes the limit. Below 4,096 rows, where one heavy row can inflate the
  /// variance, only when it passes four times the limit.
  std::optional<std::size_t> next(std::size_t now, double root, double linear) const noexcept {
    const double current = static_cast<double>(now), limit = static_cast<double>(limit_);
    const double ratio = 0.5 * (root + std::sqrt(root * root + 4.0 * linear));
    const double wanted = 1.05 * current * ratio * ratio;
    if (!(wanted <= (now < 4096 ? 4.0 * limit : limit))) return std::nullopt;
    const double total = std::ceil(std::clamp(wanted, 1.25 * current, 4.0 * current));
    if (total > limit) return std::nullopt;
    return static_cast<std::size_t>(total);
  }

 private:
  std::size_t limit_, larger_head_;
};

}  // namespace lazygumbel
