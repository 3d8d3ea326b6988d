#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "lazygumbel/attention/exact/exact_attention.hpp"
#include "lazygumbel/attention/knn/detail/decode/exact_heads.hpp"
#include "lazygumbel/attention/knn/detail/decode/sampled_decode.hpp"
#include "lazygumbel/core/parallel.hpp"

/// \file
/// Definitions of SampledDecoder: codes and lists, certain keys, draws, reports.

namespace lazygumbel::detail {

template <StorageScalar T>
SampledDecoder<T>::SampledDecoder(const KnnAttentionOptions& options, std::size_t heads,
                                  std::size_t kv_heads, std::size_t d, std::size_t dv)
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
  states_.reserve(kv_heads);
  for (std::size_t kv = 0; kv < kv_heads; ++kv)
    states_.push_back(State{RowCodes(options.bits, d), ListedKeys<T>(options.sinks, d), {}, {}});
}

template <StorageScalar T>
void SampledDecoder<T>::append(const KeyValueCache<T>& cache) {
  const std::size_t window = (std::min)(options_.window, cache.tokens_seen());
  if (cache.tokens_seen() < indexed(0))
    throw_invalid("cache.tokens_seen()", cache.tokens_seen(),
                  "must not fall: " + text_of(indexed(0)) + " were indexed");
  if (by_lists()) {
    if (cache.tokens_seen() < options_.minimum_keys) return;
    parallel_for(states_.size(), options_.attention.threads, [&](std::size_t kv) {
      states_[kv].listed.update(cache.keys(), kv, cache.tokens_seen() - window, simd_);
      states_[kv].ball.update(cache.values(), kv, states_[kv].listed.end(), simd_);
    });
    return;
  }
  const std::size_t end = (cache.tokens_seen() - window) / tile_rows * tile_rows;
  // One may be behind the others, where memory ran out.
  if (std::all_of(states_.begin(), states_.end(), [&](const State& state) {
        return state.codes.size() >= end && state.ball.size() >= end;
      }))
    return;
  const HeadsView<T> keys = cache.keys();
  if (!rule_.strict() && !rotation_) rotation_ = KeyRotation::of(keys.dimension(), rotation_seed);
  parallel_for(states_.size(), options_.attention.threads, [&](std::size_t kv) {
    code(keys, kv, end, states_[kv].codes);
    states_[kv].ball.update(cache.values(), kv, end, simd_);
  });
}

template <StorageScalar T>
AttentionShape SampledDecoder<T>::require_decode(const KeyValueCache<T>& cache,
                                                 const HeadsView<float>& queries) const {
  if (queries.tokens() != 1) throw_invalid("queries.tokens()", queries.tokens(), "must be 1");
  if (queries.heads() != heads_)
    throw_invalid("queries.heads()", queries.heads(), "must equal heads = " + text_of(heads_));
  if (cache.kv_heads() != states_.size())
    throw_invalid("cache.kv_heads()", cache.kv_heads(),
                  "must equal kv_heads = " + text_of(states_.size()));
  return require_attention(queries, cache.keys(), cache.values(), options_.attention);
}

template <StorageScalar T>
void SampledDecoder<T>::decode(const KeyValueCache<T>& cache, const HeadsView<float>& queries,
                               const AttentionShape& shape, std::uint64_t seed,
                               AttentionOutput& out) {
  const HeadsView<T> keys = cache.keys(), values = cache.values();
  append(cache);
  const std::size_t end = indexed(0), tail = end > options_.sinks ? end - options_.sinks : 0;
  if (shape.keys < options_.minimum_keys ||
      tail <= (options_.sample_tail ? options_.tail_samples : 0) ||
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
    works_.borrow([] { return Work(); },
                  [&](Work& work) {
                    failed_[kv] =
                        !(by_lists() ? attend_listed(cache, queries, shape, kv, seed, work, out)
                                     : attend(cache, queries, shape, kv, seed, work, out));
                  });
    if (failed_[kv])
      state.patience.failed();
    else
      state.patience.succeeded();
  });
  attend_exactly(failed_, queries, keys, values, shape, options_.attention, exact_, out);
}

template <StorageScalar T>
void SampledDecoder<T>::code(const HeadsView<T>& keys, std::size_t kv, std::size_t end,
                             RowCodes& codes) const {
  const auto d = static_cast<Eigen::Index>(keys.dimension());
  constexpr std::size_t together = 1024;
  RowMatrix<float> rows, rotated;
  const auto append = [&](const MatrixView<float>& some) {
    if (!rotation_) {
      codes.append<float>(some, 1, simd_);
      return;
    }
    rotation_->rotate(some, rotated, simd_);
    codes.append<float>(rotated.leftCols(d), 1, simd_);
  };
  while (codes.size() < end) {
    const std::size_t count = (std::min)(together, end - codes.size());
    if constexpr (std::same_as<T, float>) {
      append(Eigen::Map<const RowMatrix<float>, 0, Eigen::OuterStride<>>(
          keys.row(codes.size(), kv), static_cast<Eigen::Index>(count), d,
          Eigen::OuterStride<>(keys.token_stride())));
    } else {
      rows.resize(static_cast<Eigen::Index>(count), d);
      select<StorageKernels<T>>(simd_).widen(keys.row(codes.size(), kv), keys.token_stride(), count,
                                             keys.dimension(), rows.data(), keys.dimension());
      append(rows);
    }
  }
}

template <StorageScalar T>
bool SampledDecoder<T>::attend(const KeyValueCache<T>& cache, const HeadsView<float>& queries,
                               const AttentionShape& shape, std::size_t kv, std::uint64_t seed,
                               Work& work, AttentionOutput& out) const {
  const RowCodes& codes = states_[kv].codes;
  const std::size_t group = shape.group();
  const float cap = static_cast<float>(options_.attention.softcap);
  if (!attend_to_ends(cache, queries, shape, kv, work)) return false;
  work.scores.resize((std::max)(work.scores.size(), group));
  const EstimateKernels& kernels = select<EstimateKernels>(simd_);
  const std::size_t room = query_room(shape.dimension, select<SoftmaxKernels>(simd_).width);
  for (std::size_t g = 0; g < group; ++g) {
    const Eigen::Map<const Vector<float>> query(work.padded.data() + g * room,
                                                static_cast<Eigen::Index>(shape.dimension));
    if (rotation_)
      rotation_->rotate(query.transpose(), work.rotated, simd_);
    else
      work.rotated = query.transpose();
    work.scores[g].start(codes, kernels, work.rotated.row(0).head(query.size()).transpose(), cap,
                         cache.largest_key_norm(kv) * (1.0 + 1e-4));
  }
  for (std::size_t t = 0; t < codes.tiles(); t += scan_together)
    for (std::size_t g = 0; g < group; ++g)
      work.scores[g].scan(codes, t, (std::min)(codes.tiles(), t + scan_together));
  for (std::size_t g = 0; g < group; ++g) {
    if (options_.sinks > 0) work.scores[g].take_out(0, options_.sinks);
    const std::size_t h = kv * group + g;
    const auto outcome =
        attend_head(cache, shape, kv, g, sink(h), PhiloxEngine(seed, h), work.scores[g], work);
    if (!outcome.good) return false;
    write(outcome, h, options_.sinks + shape.keys - codes.size(), work.head.estimate(), out);
  }
  return true;
}

template <StorageScalar T>
bool SampledDecoder<T>::attend_listed(const KeyValueCache<T>& cache,
                                      const HeadsView<float>& queries, const AttentionShape& shape,
                                      std::size_t kv, std::uint64_t seed, Work& work,
                                      AttentionOutput& out) {
  ListedKeys<T>& listed = states_[kv].listed;
  if (rule_.sequential() && options_.sample_tail && listed.wants_tuning())
    tune(cache, shape, kv, work);
  if (!attend_to_ends(cache, queries, shape, kv, work)) return false;
  const std::size_t room = query_room(shape.dimension, select<SoftmaxKernels>(simd_).width);
  for (std::size_t g = 0; g < shape.group(); ++g) {
    const std::size_t h = kv * shape.group() + g;
    const float* const query = work.padded.data() + g * room;
    listed.remember(query);
    listed.look(query, work.listed);
    const auto outcome =
        attend_head(cache, shape, kv, g, sink(h), PhiloxEngine(seed, h), work.listed, work);
    if (!outcome.good) return false;
    write(outcome, h, options_.sinks + shape.keys - listed.end(), work.head.estimate(), out);
  }
  return true;
}

template <StorageScalar T>
bool SampledDecoder<T>::attend_to_ends(const KeyValueCache<T>& cache,
                                       const HeadsView<float>& queries, const AttentionShape& shape,
                                       std::size_t kv, Work& work) const {
  const std::size_t group = shape.group(), width = select<SoftmaxKernels>(simd_).width,
                    room = query_room(shape.dimension, width);
  const HeadsView<T> keys = cache.keys(), values = cache.values();
  work.padded.resize(group * room);
  work.checks.assign(group, 0.0F);
  for (std::size_t g = 0; g < group; ++g)
    pad_query(queries.row(0, kv * group + g), shape.dimension, width, shape.scale,
              work.padded.data() + g * room);
  work.certain.start(group, select<SoftmaxKernels>(simd_).pad(shape.value_dimension));
  for (const auto& [from, to] :
       {std::pair{std::size_t{0}, options_.sinks}, std::pair{indexed(kv), shape.keys}})
    if (from < to)
      select<StreamKernels<T>>(simd_).run(
          {.keys = keys.row(from, kv),
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

template <StorageScalar T>
template <class Source>
typename HeadDecoder<T>::Outcome SampledDecoder<T>::attend_head(const KeyValueCache<T>& cache,
                                                                const AttentionShape& shape,
                                                                std::size_t kv, std::size_t g,
                                                                double sink, PhiloxEngine stream,
                                                                Source& source, Work& work) const {
  const HeadsView<T> keys = cache.keys(), values = cache.values();
  const std::size_t room = query_room(shape.dimension, select<SoftmaxKernels>(simd_).width);
  return work.head.attend({.keys = keys.row(0, kv),
                           .values = values.row(0, kv),
                           .key_stride = keys.token_stride(),
                           .value_stride = values.token_stride(),
                           .d = shape.dimension,
                           .dv = shape.value_dimension,
                           .query = work.padded.data() + g * room,
                           .softcap = static_cast<float>(options_.attention.softcap),
                           .largest = &work.certain.largest[g],
                           .sum = &work.certain.sums[g],
                           .certain = work.certain.row(g),
                           .room = static_cast<std::size_t>(work.certain.stride()),
                           .sink = sink,
                           .largest_value = cache.largest_value_norm(kv),
                           .ball = states_[kv].ball,
                           .limit = row_limit(shape)},
                          options_, rule_, source, stream);
}

template <StorageScalar T>
void SampledDecoder<T>::write(const typename HeadDecoder<T>::Outcome& outcome, std::size_t h,
                              std::size_t ends, const RowEstimate& estimate,
                              AttentionOutput& out) const {
  estimate.write(out.values.data() +
                 static_cast<std::ptrdiff_t>(h) * out.values.cols() / out.log_sum_exp.cols());
  out.log_sum_exp(0, static_cast<Eigen::Index>(h)) = estimate.log_sum();
  AttentionRow& row = out.rows[h];
  row.keys_touched = static_cast<std::uint32_t>(ends + outcome.certain + outcome.drawn);
  row.samples = static_cast<std::uint32_t>(outcome.drawn);
  row.path = options_.sample_tail ? AttentionPath::sampled : AttentionPath::top_only;
  row.error = static_cast<float>(rule_.stated(outcome.half_width, estimate.norm()));
  row.target_met = options_.sample_tail || !rule_.sequential();
  row.log_z_error = log_error(outcome.of_sum);
}

template <StorageScalar T>
void SampledDecoder<T>::tune(const KeyValueCache<T>& cache, const AttentionShape& shape,
                             std::size_t kv, Work& work) {
  ListedKeys<T>& listed = states_[kv].listed;
  const std::size_t room = query_room(shape.dimension, select<SoftmaxKernels>(simd_).width);
  work.padded.resize((std::max)(work.padded.size(), room));
  listed.tune([&](const float* query, std::size_t number) {
    pad_query(query, shape.dimension, select<SoftmaxKernels>(simd_).width, 1.0F,
              work.padded.data());
    work.certain.start(1, select<SoftmaxKernels>(simd_).pad(shape.value_dimension));
    ListedScores<float> source;
    listed.look(query, source);
    const auto outcome = attend_head(cache, shape, kv, 0, -RowEstimate::infinity,
                                     PhiloxEngine(number, kv), source, work);
    return outcome.good ? outcome.certain + outcome.drawn : 2 * row_limit(shape);
  });
}

}  // namespace lazygumbel::detail
