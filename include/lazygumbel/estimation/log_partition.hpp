#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/estimation/detail/head_tail.hpp"
#include "lazygumbel/estimation/detail/sample_size.hpp"
#include "lazygumbel/estimation/estimate.hpp"
#include "lazygumbel/estimation/normal_quantile.hpp"

namespace lazygumbel {

/// log Z = log sum_i exp(<theta, x_i>), from the terms of a head S and l samples T of the rest,
/// item j with probability q_j:
///   Zhat = sum_S exp(y_i) + (1 / l) sum_T exp(y_j) / q_j.
/// q is the index's own (ProposingIndex: near the softmax, so that few samples do) or uniform. Zhat
/// is unbiased for any S; with an exact top-k and uniform samples Var Zhat <= Z^2 n / (k l)
/// [Mussmann, Levy, Ermon 2017, Theorem 3.4; docs/algorithms.md, section 4]. `value` is log Zhat,
/// `standard_error` that of Zhat relative to Zhat. const and thread-safe; the index must outlive
/// it.
///
/// Everywhere: throws std::invalid_argument on a bad theta or option, index_error on a broken
/// index. A theta for which every item is masked gives -inf.
template <MipsIndex Index>
class LogPartition {
 public:
  using scalar_type = typename Index::scalar_type;

  explicit LogPartition(const Index& index, EstimatorOptions options = {})
      : index_(&index), options_(options), k_(detail::resolve_options(options, index)) {}
  explicit LogPartition(const Index&&, EstimatorOptions = {}) = delete;

  /// Fixed budget: exactly `tail_samples` >= 2 samples of the tail (none when the head is all).
  template <BitGenerator Engine>
  Estimate estimate(const VectorView<scalar_type>& theta, std::size_t tail_samples,
                    Engine& engine) const {
    if (tail_samples < 2) detail::throw_invalid("tail_samples", tail_samples, "must be at least 2");
    const HeadTail<Index> parts(*index_, theta, k_);
    Sums sums(parts);
    if (!parts.tail_is_empty()) sums.extend(parts, tail_samples, engine);
    return sums.report(parts, options_.confidence, options_.interval, 1.0 - options_.confidence);
  }

  /// A number of samples is whole; an accuracy is Accuracy(epsilon, delta).
  template <std::floating_point Number, BitGenerator Engine>
  Estimate estimate(const VectorView<scalar_type>&, Number, Engine&) const = delete;

  /// |Zhat - Z| <= epsilon Z (relative scale) or |log Zhat - log Z| <= epsilon (absolute scale)
  /// with probability at least about 1 - delta (for any sample size under
  /// Interval::empirical_bernstein and a true bound). Falls back to the exhaustive sum when that is
  /// cheaper.
  template <BitGenerator Engine>
  Estimate estimate(const VectorView<scalar_type>& theta, Accuracy target, Engine& engine) const {
    for (std::size_t k = k_;;) {
      const HeadTail<Index> parts(*index_, theta, k);
      const SampleSize size(index_->size(), k, HeadTail<Index>::has_proposals);
      if (const auto estimate = sequential(parts, size, target, engine)) return *estimate;
      if (size.larger_head() == 0) return exact(parts, 1.0 - target.delta());
      k = size.larger_head();
    }
  }

  /// The exhaustive sum: every item, O(n d).
  Estimate exact(const VectorView<scalar_type>& theta) const {
    return exact(HeadTail<Index>(*index_, theta, k_), options_.confidence);
  }

 private:
  /// Head and tail sums in units of exp(unit), the largest score seen.
  struct Sums {
    explicit Sums(const HeadTail<Index>& parts)
        : unit(parts.head().scores.empty() ? -std::numeric_limits<double>::infinity()
                                           : parts.head().scores.front()) {
      for (const double y : parts.head().scores) head += weight(y);
    }

    template <BitGenerator Engine>
    void extend(const HeadTail<Index>& parts, std::size_t more, Engine& engine) {
      parts.sample_tail(more, engine, [&](item_id, double y, double log_weight) {
        if (y > unit) rescale(y);
        const double w = weight(y + log_weight);
        sum += w;
        squares += w * w;
      });
      count += more;
    }

    double weight(double y) const {
      return y == -std::numeric_limits<double>::infinity() ? 0.0 : std::exp(y - unit);
    }

    void rescale(double y) {
      const double factor = std::exp(unit - y);
      head *= factor;
      sum *= factor;
      squares *= factor * factor;
      unit = y;
    }

    double total() const { return head + (count > 0 ? sum / l() : 0.0); }

    double variance() const {  // of one tail weight
      return count < 2 ? 0.0 : (std::max)(0.0, (squares - sum * sum / l()) / (l() - 1.0));
    }

    double standard_error() const { return count == 0 ? 0.0 : std::sqrt(variance() / l()); }

    /// Half the width of the interval for Z: by the central limit theorem for what the sample
    /// met, and for what it may have missed as much as the index's bounds leave room for. (Of rare
    /// weights R with share p the sample meets about Poisson(l p) = k: z R sqrt(k) / l + R log(1 /
    /// delta) / l covers |k / l - p| R for every p.) Empirical Bernstein: Audibert, Munos,
    /// Szepesvari, "Exploration-exploitation tradeoff using variance estimates in multi-armed
    /// bandits", TCS 2009, Theorem 1, for weights in [0, largest].
    double half_width(const HeadTail<Index>& parts, Interval interval, double delta) const {
      const auto [root, linear] = half_widths(parts, interval, delta);
      return root + linear;
    }

    /// Its parts that fall as 1 / sqrt(l) and as 1 / l.
    std::pair<double, double> half_widths(const HeadTail<Index>& parts, Interval interval,
                                          double delta) const {
      if (count == 0) return {0.0, 0.0};
      if (interval == Interval::normal)
        return {normal_quantile(1.0 - delta / 2.0) * standard_error(),
                parts.hidden_weight(std::log(1.0 / delta) / l(), unit, sum / l())};
      const double x = std::log(3.0 / delta) / l();
      return {std::sqrt(2.0 * variance() * x), 3.0 * weight(parts.log_largest_weight()) * x};
    }

    Estimate report(const HeadTail<Index>& parts, double confidence, Interval interval,
                    double delta) const {
      const double z = total(), half = half_width(parts, interval, delta);
      Estimate estimate{.value = unit + std::log(z),
                        .standard_error = z > 0.0 ? standard_error() / z : 0.0,
                        .confidence = confidence,
                        .trace = parts.trace()};
      estimate.lower = unit + std::log((std::max)(head, z - half));  // Z is at least its head
      estimate.upper = unit + std::log(z + half);
      if (z == 0.0) estimate.value = estimate.lower = estimate.upper = unit;
      const auto [least, most] = parts.log_sum_bounds();
      estimate.certified_lower = least;
      estimate.certified_upper = most;
      estimate.value = std::clamp(estimate.value, least, most);
      estimate.lower = std::clamp(estimate.lower, least, most);
      estimate.upper = std::clamp(estimate.upper, least, most);
      estimate.trace.samples = count;
      estimate.trace.covers_unseen = true;
      return estimate;
    }

    double l() const { return static_cast<double>(count); }

    double unit, head = 0.0, sum = 0.0, squares = 0.0;
    std::size_t count = 0;
  };

  /// The (epsilon, delta) rule with one head; nothing when it would take too many rows.
  template <BitGenerator Engine>
  std::optional<Estimate> sequential(const HeadTail<Index>& parts, const SampleSize& size,
                                     Accuracy target, Engine& engine) const {
    const double confidence = 1.0 - target.delta();
    Sums sums(parts);
    if (parts.tail_is_empty())
      return sums.report(parts, confidence, options_.interval, target.delta());
    const double epsilon =
        target.scale() == ErrorScale::relative ? target.epsilon() : -std::expm1(-target.epsilon());
    const std::size_t pilot = SampleSize::pilot(
        parts.range(), epsilon, SampleSize::least_pilot(HeadTail<Index>::knows_sum));
    if (pilot > size.limit()) return std::nullopt;
    sums.extend(parts, pilot, engine);
    for (double look = 1.0;; look += 1.0) {
      // Bernstein intervals hold at all looks together: delta / (look (look + 1)) sums to delta.
      const double delta = options_.interval == Interval::normal
                               ? target.delta()
                               : target.delta() / (look * (look + 1.0));
      const auto [root, linear] = sums.half_widths(parts, options_.interval, delta);
      const double scale = (1.0 + epsilon) / (epsilon * sums.total());
      if ((root + linear) * scale <= 1.0)
        return sums.report(parts, confidence, options_.interval, delta);
      const auto next = size.next(sums.count, root * scale, linear * scale);
      if (!next) return std::nullopt;
      sums.extend(parts, *next - sums.count, engine);
    }
  }

  Estimate exact(const HeadTail<Index>& parts, double confidence) const {
    LogSumExp sum;
    parts.scan([&](item_id, double y) { sum.add(y); });
    Estimate estimate{.value = sum.value(),
                      .lower = sum.value(),
                      .upper = sum.value(),
                      .confidence = confidence,
                      .certified_lower = sum.value(),
                      .certified_upper = sum.value(),
                      .trace = parts.trace()};
    estimate.trace.exhaustive = estimate.trace.covers_unseen = true;
    return estimate;
  }

  const Index* index_;
  EstimatorOptions options_;
  std::size_t k_;
};

}  // namespace lazygumbel
