#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "lazygumbel/attention/exact/exact_attention.hpp"
#include "lazygumbel/attention/subgen/sub_gen_cache.hpp"
#include "lazygumbel/estimation/normal_quantile.hpp"

/// \file
/// Definitions of SubGenCache: tokens in, answers and their reports, files.

namespace lazygumbel {

template <StorageScalar T>
void SubGenCache<T>::append(const HeadsView<T>& keys, const HeadsView<T>& values) {
  detail::require_tokens(keys, values, kv_heads(), d_, dv_);
  for (std::size_t i = 0; i < keys.tokens(); ++i) {
    for (std::size_t kv = 0; kv < kv_heads(); ++kv) heads_[kv].prepare(keys.row(i, kv));
    for (std::size_t kv = 0; kv < kv_heads(); ++kv)
      heads_[kv].add(keys.row(i, kv), values.row(i, kv));
    ++tokens_;
  }
}

template <StorageScalar T>
AttentionOutput SubGenCache<T>::attend(const HeadsView<float>& queries,
                                       const AttentionOptions& options) const {
  const detail::AttentionShape shape =
      detail::require_attend<T>(queries, kv_heads(), d_, dv_, options);
  AttentionOutput out;
  detail::resize_output(shape, out);
  if (shape.queries == 0) return out;
  require_finite_queries(queries);
  const double quantile = -normal_quantile(options_.error_probability);
  for (std::size_t kv = 0; kv < kv_heads(); ++kv) {
    const AttentionOutput certain = attend_exactly(queries, kv, shape, options);
    parallel_for(shape.queries * shape.group(), options.threads, [&](std::size_t r) {
      pool_.borrow([] { return Work{}; },
                   [&](Work& work) {
                     const std::size_t i = r / shape.group(), g = r % shape.group();
                     add_sketch(queries, kv, i, g, shape, options, quantile, certain, work, out);
                   });
    });
  }
  return out;
}

template <StorageScalar T>
std::vector<SubGenBounds> SubGenCache<T>::bounds(const HeadsView<float>& queries,
                                                 const AttentionOptions& options) const {
  const detail::AttentionShape shape =
      detail::require_attend<T>(queries, kv_heads(), d_, dv_, options);
  require_finite_queries(queries);
  std::vector<SubGenBounds> all(shape.queries * shape.heads);
  Work work;
  for (std::size_t r = 0; r < all.size(); ++r) {
    const std::size_t i = r / shape.heads, h = r % shape.heads;
    const detail::SubGenSketch<T>& sketch = heads_[h / shape.group()].sketch;
    if (sketch.tokens() == 0) continue;
    const detail::SketchRow row = estimate(sketch, queries.row(i, h), shape, options, work);
    all[r].normaliser = std::sqrt(row.normaliser.certified);
    if (!detail::is_stratified(options_.estimator))
      all[r].numerator =
          std::sqrt(detail::slot_bound(options_.estimator, sketch.sums(), row.normaliser.squares,
                                       sketch.slots().slots(), work.sketch.output));
  }
  return all;
}

template <StorageScalar T>
void SubGenCache<T>::merge(const SubGenCache& later) {
  detail::require_equal_shapes(*this, later);
  if (!detail::agree(later.options_, options_))
    detail::throw_invalid("later.options()", name_of(later.options_.estimator),
                          "or its numbers are not those of this cache");
  if (&later == this || later.seed_ == seed_)
    detail::throw_invalid("later", later.seed_, "has the same seed: its draws are not independent");
  std::vector<Head> merged = heads_;
  for (std::size_t kv = 0; kv < kv_heads(); ++kv) merged[kv].merge(later.heads_[kv]);
  heads_.swap(merged);
  tokens_ += later.tokens_;
}

template <StorageScalar T>
std::size_t SubGenCache<T>::size_in_bytes() const noexcept {
  std::size_t bytes = sizeof(*this) + heads_.capacity() * sizeof(Head);
  for (const Head& head : heads_) bytes += head.exact.size_in_bytes() + head.sketch.size_in_bytes();
  return bytes;
}

template <StorageScalar T>
void SubGenCache<T>::save(const std::filesystem::path& path) const {
  detail::BinaryWriter out(path);
  detail::put_kv_header<T>(out, file_kind, {kv_heads(), d_, dv_});
  out.put(options_.radius);
  for (const std::size_t number : {options_.samples_per_cluster, options_.slots, options_.sinks,
                                   options_.window, options_.max_clusters})
    out.put(std::uint64_t{number});
  out.put(std::uint64_t{static_cast<std::uint8_t>(options_.estimator)});
  out.put(options_.error_probability);
  out.put(seed_);
  out.put(std::uint64_t{tokens_});
  for (const Head& head : heads_) {
    head.exact.write(out);
    head.sketch.write(out);
  }
  out.finish();
}

template <StorageScalar T>
SubGenCache<T> SubGenCache<T>::load(const std::filesystem::path& path) {
  detail::BinaryReader in(path);
  const detail::KvFileShape shape = detail::get_kv_header<T>(in, file_kind, 8 * sizeof(double));
  constexpr auto most = (std::numeric_limits<std::uint64_t>::max)();
  SubGenOptions options;
  options.radius = in.get<double>();
  for (std::size_t* const number : {&options.samples_per_cluster, &options.slots, &options.sinks,
                                    &options.window, &options.max_clusters})
    *number = static_cast<std::size_t>(in.get<std::uint64_t>());
  options.estimator = static_cast<SubGenEstimator>(detail::get_count(in, "estimator", 0, 4));
  options.error_probability = in.get<double>();
  const auto seed = in.get<std::uint64_t>();
  const auto tokens = detail::get_count(in, "tokens", 0, most);
  try {
    detail::require_sub_gen(options);
  } catch (const std::invalid_argument& error) {
    in.fail(std::string("is corrupted: ") + error.what());
  }
  // A head without tokens takes its sums of values.
  detail::require_left(in, "kv_heads", shape.kv_heads, shape.dv, sizeof(double));
  SubGenCache cache(shape.kv_heads, shape.d, shape.dv, options, seed);
  for (Head& head : cache.heads_) {
    head.exact.read(in);
    head.sketch.read(in);
    if (head.exact.size() + head.sketch.tokens() != tokens)
      in.fail("is corrupted: a head has " +
              detail::text_of(head.exact.size() + head.sketch.tokens()) + " tokens, not " +
              detail::text_of(tokens));
  }
  in.finish();
  cache.tokens_ = static_cast<std::size_t>(tokens);
  return cache;
}

template <StorageScalar T>
SubGenCache<T>::SubGenCache(std::size_t kv_heads, std::size_t d, std::size_t dv,
                            const SubGenOptions& options, std::uint64_t seed)
    : d_(d), dv_(dv), options_(options), seed_(seed) {
  detail::require_cache_shape(kv_heads, d, dv);
  detail::require_sub_gen(options);
  heads_.reserve(kv_heads);
  for (std::size_t kv = 0; kv < kv_heads; ++kv)
    heads_.push_back(
        {{d, dv, options.sinks, options.window}, {d, dv, options, PhiloxEngine(seed, kv)}});
}

template <StorageScalar T>
AttentionOutput SubGenCache<T>::attend_exactly(const HeadsView<float>& queries, std::size_t kv,
                                               const detail::AttentionShape& shape,
                                               const AttentionOptions& options) const {
  const Head& head = heads_[kv];
  const std::size_t group = shape.group(), rows = head.exact.size();
  AttentionOptions own = options;
  if (!options.sink_logits.empty())
    own.sink_logits = options.sink_logits.subspan(kv * group, group);
  const auto view = [&](const detail::RowBlock<T>& block) {
    return HeadsView<T>(block.data(), rows, 1, block.width(),
                        static_cast<std::ptrdiff_t>(block.width()), 0);
  };
  return exact_attention<T>({queries.row(0, kv * group), shape.queries, group, d_,
                             queries.token_stride(), queries.head_stride()},
                            view(head.exact.keys()), view(head.exact.values()), own);
}

template <StorageScalar T>
detail::SketchRow SubGenCache<T>::estimate(const detail::SubGenSketch<T>& sketch,
                                           const float* query, const detail::AttentionShape& shape,
                                           const AttentionOptions& options, Work& work) const {
  work.query.resize(detail::query_room(d_, 16));
  detail::pad_query(query, d_, detail::select<detail::SoftmaxKernels>(options.simd).width,
                    shape.scale, work.query.data());
  double square = 0.0;
  for (std::size_t j = 0; j < d_; ++j) {
    const double x = shape.scale * static_cast<double>(query[j]);
    square += x * x;
  }
  return sketch.estimate(work.query.data(), std::sqrt(square), options, work.sketch);
}

template <StorageScalar T>
void SubGenCache<T>::add_sketch(const HeadsView<float>& queries, std::size_t kv, std::size_t i,
                                std::size_t g, const detail::AttentionShape& shape,
                                const AttentionOptions& options, double quantile,
                                const AttentionOutput& certain, Work& work,
                                AttentionOutput& out) const {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const Head& head = heads_[kv];
  const std::size_t h = kv * shape.group() + g;
  const auto at_row = static_cast<Eigen::Index>(i), width = static_cast<Eigen::Index>(dv_);
  const auto from = certain.values.row(at_row).segment(static_cast<Eigen::Index>(g) * width, width);
  auto to = out.values.row(at_row).segment(static_cast<Eigen::Index>(h) * width, width);
  const double of_certain = certain.log_sum_exp(at_row, static_cast<Eigen::Index>(g));
  double& log_sum = out.log_sum_exp(at_row, static_cast<Eigen::Index>(h));
  AttentionRow& report = out.rows[i * shape.heads + h];
  report = {.keys_touched = static_cast<std::uint32_t>(head.exact.size())};
  if (head.sketch.tokens() == 0) {
    to = from;
    log_sum = of_certain;
    return;
  }
  const detail::SketchRow row = estimate(head.sketch, queries.row(i, h), shape, options, work);
  const double high = (std::max)(of_certain, row.log_sum);
  const double a = of_certain == -infinity ? 0.0 : std::exp(of_certain - high),
               b = std::exp(row.log_sum - high);
  work.output.resize(dv_);
  double square = 0.0;
  for (std::size_t c = 0; c < dv_; ++c) {
    const auto at = static_cast<Eigen::Index>(c);
    const double x = (a * static_cast<double>(from[at]) + b * work.sketch.output[c]) / (a + b);
    work.output[c] = x;
    to[at] = static_cast<float>(x);
    square += x * x;
  }
  log_sum = high + std::log(a + b);
  const double share = b / (a + b);
  // Outputs are means of values: o lies between that of the certain ones and one of norm
  // at most max |v|.
  double most = std::sqrt(square) + head.sketch.sums().largest, apart = 0.0;
  for (std::size_t c = 0; c < dv_ && a > 0.0; ++c) {
    const double x = work.output[c] - static_cast<double>(from[static_cast<Eigen::Index>(c)]);
    apart += x * x;
  }
  most = (std::max)(most, std::sqrt(apart));
  const double error =
      (std::min)(most, share * head.sketch.error(row, work.output, share, quantile, work.sketch));
  report.keys_touched += static_cast<std::uint32_t>(row.rows_read);
  report.samples = static_cast<std::uint32_t>(row.rows_read);
  report.error = error == 0.0 ? 0.0F : static_cast<float>(error / std::sqrt(square));
  report.log_z_error = static_cast<float>(head.sketch.log_error(row, share, quantile));
  report.path = row.exact ? AttentionPath::exact : AttentionPath::sampled;
}

}  // namespace lazygumbel
