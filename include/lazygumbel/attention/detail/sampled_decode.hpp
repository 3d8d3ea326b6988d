#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/attention/detail/coded_keys.hpp"
#include "lazygumbel/attention/detail/gather_kernels.hpp"
#include "lazygumbel/attention/detail/row_estimate.hpp"
#include "lazygumbel/attention/exact_attention.hpp"
#include "lazygumbel/attention/key_value_cache.hpp"
#include "lazygumbel/attention/knn_attention_options.hpp"
#include "lazygumbel/core/detail/pool.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/random/philox.hpp"

namespace lazygumbel::detail {

/// The (epsilon, delta) of a decoder, and how a sample grows until it is met.
class DrawRule {
 public:
  DrawRule(const KnnAttentionOptions& options)
      : accuracy_(options.accuracy),
        delta_(accuracy_ ? accuracy_->delta() : 0.05),
        quantile_(normal_quantile(1.0 - delta_)),
        strict_(options.interval == Interval::empirical_bernstein) {}

  bool sequential() const noexcept { return accuracy_.has_value(); }
  bool strict() const noexcept { return strict_; }

  /// What |o^ - o| stays within, with the confidence asked for or, of a fixed budget, 95%.
  double half_width(RowEstimate& row, std::size_t stage, const ProvedRange& range,
                    const GatherKernels<float>& kernels) const {
    return strict_ ? row.proved_half_width(delta_, stage, range)
                   : row.half_width(delta_, quantile_, kernels);
  }

  /// That over what is allowed; Z^ has to be known to about a tenth.
  double ratio(const RowEstimate& row, double half_width) const noexcept {
    if (half_width == 0.0) return 0.0;
    const double allowed = accuracy_->scale() == ErrorScale::absolute
                               ? accuracy_->epsilon()
                               : accuracy_->epsilon() * row.norm();
    return (std::max)(half_width / allowed, strict_ ? 0.0 : row.relative_error_of_sum() / 0.1);
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
  std::optional<Accuracy> accuracy_;
  double delta_, quantile_;
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

/// Attention of one token's queries to a KeyValueCache of which it keeps codes. Keys taken with
/// certainty are the sinks, the window (rounded up, so that the others fill whole tiles of 64) and
/// those that the draws would meet once or more on average; the others are drawn with replacement
/// by exp(estimate), one in each of as many equal parts of the sum.
///
/// Exact where few keys are visible, and for all heads of a group when the target wants more draws
/// than exact attention costs.
template <StorageScalar T>
class SampledDecoder {
 public:
  /// Throws std::invalid_argument on options out of range.
  SampledDecoder(const KnnAttentionOptions& options, std::size_t heads, std::size_t kv_heads,
                 std::size_t d, std::size_t dv)
      : options_(options),
        sink_logits_(options.attention.sink_logits.begin(), options.attention.sink_logits.end()),
        heads_(heads),
        rule_(options),
        simd_(options.attention.simd) {
    require_options(options);
    static_cast<void>(KeyValueCache<T>(kv_heads, d, dv));  // throws on 0
    if (heads == 0 || heads % kv_heads != 0)
      throw_invalid("heads", heads, "must be a multiple of kv_heads = " + text_of(kv_heads));
    options_.attention.sink_logits = sink_logits_;
    states_.assign(kv_heads, State{RowCodes(options.bits, d), {}});
  }
  SampledDecoder(const SampledDecoder&) = delete;
  SampledDecoder& operator=(const SampledDecoder&) = delete;

  /// Codes the keys that are new in the cache, whole tiles of those before the window.
  void append(const KeyValueCache<T>& cache) {
    const std::size_t window = (std::min)(options_.window, cache.tokens());
    const std::size_t end = (cache.tokens() - window) / tile_rows * tile_rows;
    if (states_.front().codes.size() >= end) return;
    const HeadsView<T> keys = cache.keys();
    parallel_for(states_.size(), options_.attention.threads,
                 [&](std::size_t kv) { code(keys, kv, end, states_[kv].codes); });
  }

  /// The rows of `out` for the queries of the newest token, which see all keys of the cache. Takes
  /// one 64-bit seed from `engine`; head h draws from PhiloxEngine(seed, h), so that the outcome
  /// does not depend on the number of threads (that of exact attention as said there).
  template <BitGenerator Engine>
  void decode(const KeyValueCache<T>& cache, const HeadsView<float>& queries, Engine& engine,
              AttentionOutput& out) {
    if (queries.tokens() != 1) throw_invalid("queries.tokens()", queries.tokens(), "must be 1");
    if (queries.heads() != heads_)
      throw_invalid("queries.heads()", queries.heads(), "must equal heads = " + text_of(heads_));
    if (cache.kv_heads() != states_.size())
      throw_invalid("cache.kv_heads()", cache.kv_heads(),
                    "must equal kv_heads = " + text_of(states_.size()));
    const HeadsView<T> keys = cache.keys(), values = cache.values();
    const AttentionShape shape = require_attention(queries, keys, values, options_.attention);
    const std::uint64_t seed = uniform_bits(engine);
    append(cache);
    const std::size_t coded = states_.front().codes.size();
    if (shape.keys < options_.minimum_keys || coded <= options_.sinks ||
        options_.attention.mask.visible(0, 1, shape.keys) != shape.keys) {
      exact_attention(queries, keys, values, options_.attention, out);
      return;
    }
    require_finite("queries", queries);
    resize_output(shape, out);
    failed_.assign(shape.kv_heads, 0);
    parallel_for(shape.kv_heads, options_.attention.threads, [&](std::size_t kv) {
      State& state = states_[kv];
      if (state.patience.waits()) {
        failed_[kv] = 1;
        return;
      }
      works_.borrow(
          [] { return Work(); },
          [&](Work& work) { failed_[kv] = !attend(cache, queries, shape, kv, seed, work, out); });
      if (failed_[kv])
        state.patience.failed();
      else
        state.patience.succeeded();
    });
    attend_exactly(queries, keys, values, shape, out);
  }

  /// Bytes of the codes.
  std::size_t size_in_bytes() const noexcept {
    std::size_t bytes = 0;
    for (const State& state : states_) bytes += state.codes.size_in_bytes();
    return bytes;
  }

 private:
  struct State {
    RowCodes codes;
    Patience patience;
  };
  struct Work {
    SoftmaxState certain;
    std::vector<float> padded, checks;
    std::vector<CodedScores> scores;  // one a head of the group
    RowEstimate row;
    std::vector<item_id> ids;
    std::vector<double> intensities;
    std::vector<float, CacheLineAllocator<float>> weights;
  };
  static constexpr std::size_t scan_together = 32;  // tiles that stay in cache for all heads

  void code(const HeadsView<T>& keys, std::size_t kv, std::size_t end, RowCodes& codes) const {
    const auto d = static_cast<Eigen::Index>(keys.dimension());
    if constexpr (std::same_as<T, float>) {
      codes.append<float>(
          Eigen::Map<const RowMatrix<float>>(keys.row(codes.size(), kv),
                                             static_cast<Eigen::Index>(end - codes.size()), d),
          1, simd_);
    } else {
      constexpr std::size_t together = 4096;
      RowMatrix<float> rows;
      while (codes.size() < end) {
        const std::size_t count = (std::min)(together, end - codes.size());
        rows.resize(static_cast<Eigen::Index>(count), d);
        product_kernels(simd_).widen(keys.row(codes.size(), kv), keys.token_stride(), count,
                                     keys.dimension(), rows.data(), keys.dimension());
        codes.append<float>(rows, 1, simd_);
      }
    }
  }

  /// The heads of one group; false when they are better attended to exactly.
  bool attend(const KeyValueCache<T>& cache, const HeadsView<float>& queries,
              const AttentionShape& shape, std::size_t kv, std::uint64_t seed, Work& work,
              AttentionOutput& out) const {
    const RowCodes& codes = states_[kv].codes;
    const std::size_t group = shape.group();
    const float cap = static_cast<float>(options_.attention.softcap);
    if (!attend_to_ends(cache, queries, shape, kv, work)) return false;
    work.scores.resize((std::max)(work.scores.size(), group));
    const EstimateKernels& kernels = estimate_kernels(simd_, codes.bits());
    const std::size_t room = query_room(shape.dimension, product_kernels(simd_).width);
    for (std::size_t g = 0; g < group; ++g)
      work.scores[g].start(
          codes, kernels,
          Eigen::Map<const Vector<float>>(work.padded.data() + g * room,
                                          static_cast<Eigen::Index>(shape.dimension)),
          cap, cache.largest_key_norm(kv));
    for (std::size_t t = 0; t < codes.tiles(); t += scan_together)
      for (std::size_t g = 0; g < group; ++g)
        work.scores[g].scan(codes, t, (std::min)(codes.tiles(), t + scan_together));
    for (std::size_t g = 0; g < group; ++g)
      if (!attend_head(cache, shape, kv, g, seed, work, out)) return false;
    return true;
  }

  /// Sinks and window, for all heads of the group at once; false when a score is not finite.
  bool attend_to_ends(const KeyValueCache<T>& cache, const HeadsView<float>& queries,
                      const AttentionShape& shape, std::size_t kv, Work& work) const {
    const std::size_t group = shape.group(), width = product_kernels(simd_).width,
                      room = query_room(shape.dimension, width), coded = states_[kv].codes.size();
    const HeadsView<T> keys = cache.keys(), values = cache.values();
    work.padded.resize(group * room);
    work.checks.assign(group, 0.0F);
    for (std::size_t g = 0; g < group; ++g)
      pad_query(queries.row(0, kv * group + g), shape.dimension, width,
                static_cast<float>(shape.scale), work.padded.data() + g * room);
    work.certain.start(group, product_kernels(simd_).pad(shape.value_dimension));
    for (const auto& [from, to] :
         {std::pair{std::size_t{0}, options_.sinks}, std::pair{coded, shape.keys}})
      if (from < to)
        stream_kernel<T>(simd_)({.keys = keys.row(from, kv),
                                 .values = values.row(from, kv),
                                 .key_stride = keys.token_stride(),
                                 .value_stride = values.token_stride(),
                                 .count = to - from,
                                 .d = shape.dimension,
                                 .dv = shape.value_dimension,
                                 .queries = group,
                                 .query = work.padded.data(),
                                 .query_row = static_cast<std::ptrdiff_t>(room),
                                 .softcap = static_cast<float>(options_.attention.softcap),
                                 .largest = work.certain.largest.data(),
                                 .sums = work.certain.sums.data(),
                                 .out = work.certain.values.data(),
                                 .out_row = work.certain.stride(),
                                 .checks = work.checks.data()});
    return std::all_of(work.checks.begin(), work.checks.end(),
                       [](float check) { return std::isfinite(check); });
  }

  /// Adds keys that are picked to what is certain of head g of the group.
  void attend_to_picked(const GatheredRows<T>& keys, const GatheredRows<T>& values,
                        const float* query, std::size_t g, Work& work) const {
    if (keys.count == 0) return;
    work.weights.resize(keys.count + 16);
    gather_kernels<T>(simd_).scores(keys, query, static_cast<float>(options_.attention.softcap),
                                    work.weights.data());
    product_kernels(simd_).softmax({.rows = 1,
                                    .keys = keys.count,
                                    .scores = work.weights.data(),
                                    .score_row = 0,
                                    .limits = nullptr,
                                    .bias = 0.0F,
                                    .softcap = 0.0F,
                                    .largest = work.certain.largest.data() + g,
                                    .sums = work.certain.sums.data() + g,
                                    .out = work.certain.row(g),
                                    .out_row = 0,
                                    .dimension = static_cast<std::size_t>(work.certain.stride())});
    gather_kernels<T>(simd_).values(values, work.weights.data(), work.certain.row(g));
  }

  bool attend_head(const KeyValueCache<T>& cache, const AttentionShape& shape, std::size_t kv,
                   std::size_t g, std::uint64_t seed, Work& work, AttentionOutput& out) const {
    const std::size_t h = kv * shape.group() + g, dv = shape.value_dimension;
    const HeadsView<T> keys = cache.keys(), values = cache.values();
    const GatherKernels<T>& kernels = gather_kernels<T>(simd_);
    const float cap = static_cast<float>(options_.attention.softcap);
    const float* const query =
        work.padded.data() + g * query_room(shape.dimension, product_kernels(simd_).width);
    CodedScores& scores = work.scores[g];
    const auto picked = [&](const HeadsView<T>& from) {
      return GatheredRows<T>{from.row(0, kv), from.token_stride(), from.dimension(),
                             work.ids.data(), work.ids.size()};
    };

    if (options_.sinks > 0) scores.take_out(0, options_.sinks);
    std::size_t certain = options_.sinks + shape.keys - states_[kv].codes.size();
    PhiloxEngine stream(seed, h);
    // A random row costs about as much as 5 streamed ones (6 where rows are half as long), which
    // are read once for the whole group.
    const std::size_t limit = shape.keys / (sizeof(T) == 4 ? 5 : 6) / shape.group();
    std::size_t drawn = 0;
    double half_width = 0.0;
    const auto start = [&](std::size_t draws, std::size_t most) {
      scores.take_largest(draws, most, work.ids);
      certain += work.ids.size();
      attend_to_picked(picked(keys), picked(values), query, g, work);
      work.row.start(
          dv, static_cast<std::size_t>(work.certain.stride()),
          static_cast<double>(work.certain.largest[g]), work.certain.sums[g], work.certain.row(g),
          sink_logits_.empty() ? -RowEstimate::infinity : static_cast<double>(sink_logits_[h]),
          scores.unit(), options_.sample_tail ? scores.total() : 0.0);
    };
    if (!options_.sample_tail) {
      start(0, options_.top_k > 0 ? options_.top_k : 64);
      work.row.settle();
      half_width = RowEstimate::infinity;
    } else {
      start(options_.tail_samples, options_.top_k);
      const double largest_value = rule_.strict() ? cache.largest_value_norm(kv) : 0.0;
      bool again = rule_.sequential() && options_.top_k == 0;
      for (std::size_t wanted = options_.tail_samples, stage = 1; scores.total() > 0.0; ++stage) {
        work.ids.resize(wanted - work.row.count());
        work.intensities.resize(work.ids.size());
        work.weights.resize(work.ids.size() + 16);
        scores.draw(work.ids.size(), !rule_.strict(), stream, work.ids.data(),
                    work.intensities.data());
        work.row.add(kernels, picked(keys), picked(values), query, cap, work.intensities.data(),
                     work.weights.data());
        drawn += work.ids.size();
        work.row.settle();
        half_width = rule_.half_width(
            work.row, stage,
            {scores.largest_error(), rule_.strict() ? largest_value + work.row.centre_norm() : 0.0},
            gather_kernels<float>(simd_));
        if (!work.row.is_finite() || std::isnan(half_width)) return false;
        if (!rule_.sequential()) break;
        const double ratio = rule_.ratio(work.row, half_width);
        if (ratio <= 1.0) break;
        const double all = 1.05 * static_cast<double>(wanted) * ratio * ratio;
        if (std::exchange(again, false) && all > 2.0 * static_cast<double>(wanted) &&
            all < 4.0 * static_cast<double>(limit)) {
          // So many draws would meet many a key often: those keys are better taken once. Draws
          // start afresh, as before.
          start(static_cast<std::size_t>(all), 0);
          half_width = 0.0;
          wanted = options_.tail_samples;
        } else {
          wanted = DrawRule::next(wanted, ratio, limit);
        }
        if (wanted == 0 || certain + wanted > limit) return false;
      }
      if (work.row.count() == 0) work.row.settle();
    }

    work.row.write(out.values.data() + h * dv);
    out.log_sum_exp(0, static_cast<Eigen::Index>(h)) = work.row.log_sum();
    AttentionRow& row = out.rows[h];
    row.keys_touched = static_cast<std::uint32_t>(certain + drawn);
    row.samples = static_cast<std::uint32_t>(drawn);
    row.path = options_.sample_tail ? AttentionPath::sampled : AttentionPath::top_only;
    row.error = half_width == 0.0 ? 0.0F : static_cast<float>(half_width / work.row.norm());
    row.target_met = options_.sample_tail || !rule_.sequential();
    return true;
  }

  /// Exact attention of the kv heads that failed, neighbours together.
  void attend_exactly(const HeadsView<float>& queries, const HeadsView<T>& keys,
                      const HeadsView<T>& values, const AttentionShape& shape,
                      AttentionOutput& out) {
    const std::size_t group = shape.group(), dv = shape.value_dimension;
    for (std::size_t first = 0, last; first < shape.kv_heads; first = last) {
      last = first + 1;
      if (!failed_[first]) continue;
      while (last < shape.kv_heads && failed_[last]) ++last;
      const std::size_t count = last - first;
      AttentionOptions options = options_.attention;
      if (!sink_logits_.empty())
        options.sink_logits =
            std::span<const float>(sink_logits_).subspan(first * group, count * group);
      const auto heads = [&]<StorageScalar S>(const HeadsView<S>& all, std::size_t from,
                                              std::size_t some) {
        return HeadsView<S>(all.row(0, from), all.tokens(), some, all.dimension(),
                            all.token_stride(), all.head_stride());
      };
      exact_attention(heads(queries, first * group, count * group), heads(keys, first, count),
                      heads(values, first, count), options, exact_);
      for (std::size_t i = 0; i < count * group; ++i) {
        const std::size_t h = first * group + i;
        std::copy_n(exact_.values.data() + i * dv, dv, out.values.data() + h * dv);
        out.log_sum_exp(0, static_cast<Eigen::Index>(h)) =
            exact_.log_sum_exp(0, static_cast<Eigen::Index>(i));
        out.rows[h] = exact_.rows[i];
      }
    }
  }

  KnnAttentionOptions options_;
  std::vector<float> sink_logits_;
  std::size_t heads_;
  DrawRule rule_;
  Simd simd_;
  std::vector<State> states_;
  std::vector<unsigned char> failed_;
  Pool<Work> works_;
  AttentionOutput exact_;
};

}  // namespace lazygumbel::detail
