#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/attention/exact/detail/softmax_kernels.hpp"
#include "lazygumbel/attention/knn/detail/decode/draw_rule.hpp"
#include "lazygumbel/attention/knn/detail/decode/gather_kernels.hpp"
#include "lazygumbel/attention/knn/detail/decode/row_estimate.hpp"
#include "lazygumbel/random/philox.hpp"

namespace lazygumbel::detail {

/// One query, its keys and values (rows of one kv head), and what is known of its softmax over the
/// keys that are attended to already, to which the certain ones are added.
template <class T>
struct HeadTask {
  const T *keys, *values;
  std::ptrdiff_t key_stride, value_stride;
  std::size_t d, dv;
  const float* query;  ///< of `pad_query`, scaled
  float softcap;
  float* largest;
  double* sum;
  float* certain;  ///< `room` floats
  std::size_t room;
  double sink;            ///< logit; -inf: none
  double largest_value;   ///< max |v|
  const ValueBall& ball;  ///< of the values that may be drawn
  std::size_t limit;      ///< rows that cost as much as exact attention
};

/// Attends to the keys that a source of scores gives with certainty, and draws from the others
/// until the rule is content. A source has
///   take_largest(draws, most, ids): takes out the keys that so many draws would meet once or more,
///     at most `most` unless 0 (draws 0: the `most` largest); `takes_again`: may be called twice,
///   scores(): those of the keys taken out, where they are known, or nothing,
///   unseen_weight(mass, rarity, cap): at most what keys with the share `mass` of the total weigh,
///     over total(); mass = rarity / draws,
///   unit(), total(), draw(..), largest_error(): as CodedScores.
template <StorageScalar T>
class HeadDecoder {
 public:
  struct Outcome {
    bool good = false;  ///< false: exact attention costs less, or sums overflowed
    std::size_t certain = 0, drawn = 0;
    double half_width = 0.0;  ///< of o^
    double of_sum = 0.0;      ///< of Z^, over Z^
  };

  const RowEstimate& estimate() const noexcept { return row_; }

  template <class Source>
  Outcome attend(const HeadTask<T>& task, const KnnAttentionOptions& options, const DrawRule& rule,
                 Source& source, PhiloxEngine stream) {
    simd_ = options.attention.simd;
    Outcome outcome;
    const auto start = [&](std::size_t draws, std::size_t most) {
      source.take_largest(draws, most, ids_);
      outcome.certain += ids_.size();
      add_certain(task, source.scores());
      row_.start(task.dv, task.room, static_cast<double>(*task.largest), *task.sum, task.certain,
                 task.sink, source.unit(), options.sample_tail ? source.total() : 0.0,
                 task.ball.centre().data());
    };
    if (!options.sample_tail) {
      start(0, options.top_k > 0 ? options.top_k : 64);
      row_.settle();
      outcome.half_width = outcome.of_sum = RowEstimate::infinity;
      outcome.good = row_.is_finite();
      return outcome;
    }
    start(options.tail_samples, options.top_k);
    bool again = Source::takes_again && rule.sequential() && options.top_k == 0;
    // Strict samples double, so that which sizes there may be, and the delta of each, do not depend
    // on what is drawn; odd stages are those before the keys are taken anew.
    std::size_t stage = 1;
    for (std::size_t wanted = options.tail_samples; source.total() > 0.0;) {
      outcome.drawn += draw(task, wanted - row_.count(), !rule.strict(), source, stream);
      row_.settle();
      const ProvedRange range{source.largest_error(), task.largest_value + row_.centre_norm()};
      const double rarity = rule.rarity(), mass = rarity / static_cast<double>(row_.count());
      const UnseenKeys unseen{
          rule.strict() ? 0.0 : source.unseen_weight((std::min)(mass, 1.0), rarity, task.softcap),
          task.ball};
      outcome.half_width = rule.half_width(row_, stage, range, unseen,
                                           select<GatherKernels<float>>(simd_), outcome.of_sum);
      if (!row_.is_finite() || std::isnan(outcome.half_width)) return outcome;
      if (!rule.sequential()) break;
      const double ratio = rule.ratio(row_, outcome.half_width);
      if (ratio <= 1.0) break;
      const double all = 1.05 * static_cast<double>(wanted) * ratio * ratio;
      if (std::exchange(again, false) && all > 2.0 * static_cast<double>(wanted) &&
          all < 4.0 * static_cast<double>(task.limit)) {
        // So many draws would meet many a key often: those keys are better taken once. Draws start
        // afresh, as before.
        start(static_cast<std::size_t>(all), 0);
        outcome.half_width = outcome.of_sum = 0.0;
        wanted = options.tail_samples;
        stage = 2;
      } else {
        const std::size_t next = DrawRule::next(wanted, ratio, task.limit);
        if (next == 0) return outcome;
        for (; rule.strict() && wanted < next; stage += 2) wanted *= 2;
        wanted = (std::max)(wanted, next);
      }
      if (outcome.certain + wanted > task.limit) return outcome;
    }
    if (row_.count() == 0) row_.settle();
    outcome.good = row_.is_finite();
    return outcome;
  }

 private:
  GatheredRows<T> picked_keys(const HeadTask<T>& task) const noexcept {
    return {task.keys, task.key_stride, task.d, ids_.data(), ids_.size()};
  }
  GatheredRows<T> picked_values(const HeadTask<T>& task) const noexcept {
    return {task.values, task.value_stride, task.dv, ids_.data(), ids_.size()};
  }

  /// Adds the keys `ids_` to what is certain. `scores`: theirs, not capped, or none.
  void add_certain(const HeadTask<T>& task, std::span<const double> scores) {
    if (ids_.empty()) return;
    weights_.resize(ids_.size() + lanes);
    if (scores.empty() || task.softcap > 0.0F)
      select<GatherKernels<T>>(simd_).scores(picked_keys(task), task.query, task.softcap,
                                             weights_.data());
    else
      std::transform(scores.begin(), scores.end(), weights_.begin(),
                     [](double score) { return static_cast<float>(score); });
    select<SoftmaxKernels>(simd_).rows({.rows = 1,
                                        .keys = ids_.size(),
                                        .scores = weights_.data(),
                                        .score_row = 0,
                                        .limits = nullptr,
                                        .bias = 0.0F,
                                        .softcap = 0.0F,
                                        .largest = task.largest,
                                        .sums = task.sum,
                                        .out = task.certain,
                                        .out_row = 0,
                                        .dimension = task.room});
    select<GatherKernels<T>>(simd_).values(picked_values(task), weights_.data(), task.certain);
  }

  template <class Source>
  std::size_t draw(const HeadTask<T>& task, std::size_t count, bool stratified, Source& source,
                   PhiloxEngine& stream) {
    ids_.resize(count);
    intensities_.resize(count);
    weights_.resize(count + lanes);
    source.draw(count, stratified, stream, ids_.data(), intensities_.data());
    row_.add(select<GatherKernels<T>>(simd_), picked_keys(task), picked_values(task), task.query,
             task.softcap, intensities_.data(), weights_.data());
    return count;
  }

  static constexpr std::size_t lanes = 16;  // room behind scores

  Simd simd_ = Simd::portable;
  RowEstimate row_;
  std::vector<item_id> ids_;
  std::vector<double> intensities_;
  std::vector<float, CacheLineAllocator<float>> weights_;
};

}  // namespace lazygumbel::detail
