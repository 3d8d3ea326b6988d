#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/attention/cache/kv_cache.hpp"
#include "lazygumbel/attention/exact/exact_attention.hpp"
#include "lazygumbel/attention/subgen/detail/recent_tokens.hpp"
#include "lazygumbel/attention/subgen/detail/sub_gen_sketch.hpp"
#include "lazygumbel/attention/subgen/sub_gen_options.hpp"
#include "lazygumbel/estimation/normal_quantile.hpp"
#include "lazygumbel/fwd.hpp"

namespace lazygumbel {

/// Standard deviations of what a SubGenCache says of one query and head, over the draws of its
/// samples, by theorem rather than by what the samples look like; of the tokens in the sketch.
struct SubGenBounds {
  /// Of Z^ / Z, at most: members of cluster c lie within r_c of its representative, so
  /// sqrt(sum_c (Z_c / Z)^2 sinh^2(r_c rho) (1 / t - 1 / n_c) n_c / (n_c - 1)), rho = |scale q|.
  /// Z_c are estimates.
  double normaliser = 0.0;
  /// Of |N^ - N| / Z from s slots, at most: of `plain` |V|_F |p| / sqrt(s), |p| being an estimate;
  /// of the other two, where values do not know of keys, sqrt(2) times that around their centre. 0
  /// without slots.
  double numerator = 0.0;
};

/// A KV cache in memory that does not grow with the stream, for keys that lie in clusters: of each
/// kv head the first and the last tokens exactly, and of all others a sketch. For a scaled query q,
///   o = N / Z,  Z^ = sum_c (n_c / t_c) sum_a exp(<q, k_ca>)
/// over clusters c of n_c keys within `radius` of their representative and uniform samples of t_c =
/// min(t, n_c) of them without replacement, and N^ as SubGenEstimator says: `centred`, from the
/// values beside the samples and the mean value of each cluster; `stratified`, without the means;
/// the others from s slots (k, v) drawn with replacement by |v|^2 (`self_normalised`,
/// `mean_shifted`: half of them uniformly, so that values near 0 are seen).
///
/// Z^ is unbiased, and N^ of all but `self_normalised`; where a slot's own key outweighs Z^, its
/// weight is taken for it. An output is a ratio of the two, with a bias of order 1 / t and 1 / s.
/// The report: |o^ - o| <= error |o^| and |log Z^ - log Z| <= log_z_error, each with probability
/// about 1 - error_probability, from the spread of the samples, from what they may have missed in
/// clusters as wide as they are, and, of slots, from their formula. Where a cluster is wide for a
/// query, r_c rho above about 1, samples of it tell nothing that may be relied on, and the error
/// grows up to |o^| + max |v|, which none exceeds; see docs/kv_caches.md. `bounds`: what is proved.
///
/// A token that alone carries a row is a cluster of its own, so Z^ knows it; its value is known
/// with `centred` and `stratified`, and to slots with probability about s / n (of |v|^2 like the
/// rest). Flat attention over values of mean 0 has |o| of order |v| / sqrt(n), where samples of s
/// tokens err by |v| / sqrt(s); `centred` alone errs by that times the deviation of weights within
/// clusters.
///
/// Memory of a kv head: m (2 t + 3) rows for m clusters (`stratified`: m (2 t + 1); slots:
/// m (t + 1) + 2 s). m is at most the number of sets of diameter `radius` that cover the keys,
/// (1 + 2 B / radius)^d in a ball of radius B: keys that are not clustered make the cache larger
/// than the exact one, unless `max_clusters` bounds it. `append` costs O(m d) for each head of a
/// token, and O(d) for the few that enter a sample (about t log(n_c / t) of a cluster's, s log n in
/// all for the slots); `attend` O(rows (d + dv)) for each query.
///
/// const members are thread-safe; results do not depend on `threads`.
/// Source: Zandieh, Han, Mirrokni, Karbasi, "SubGen: Token Generation in Sublinear Time and
/// Memory", 2024 (`plain`; samples here are without replacement); the others and all errors:
/// docs/kv_caches.md.
template <StorageScalar T>
class SubGenCache {
 public:
  using scalar_type = T;

  /// For keys of d and values of dv numbers. The engine gives one seed, all that is ever drawn
  /// comes from it. Throws std::invalid_argument on options out of range and shapes of 0.
  template <BitGenerator Engine>
  SubGenCache(std::size_t kv_heads, std::size_t d, std::size_t dv, const SubGenOptions& options,
              Engine& engine)
      : SubGenCache(kv_heads, d, dv, options, uniform_bits(engine)) {}

  std::size_t kv_heads() const noexcept { return heads_.size(); }
  std::size_t key_dimension() const noexcept { return d_; }
  std::size_t value_dimension() const noexcept { return dv_; }
  std::size_t tokens_seen() const noexcept { return tokens_; }
  const SubGenOptions& options() const noexcept { return options_; }
  /// Clusters of a kv head.
  std::size_t clusters(std::size_t kv) const noexcept {
    return heads_[kv].sketch.clusters().clusters().size();
  }

  /// As KvCache says.
  void append(const HeadsView<T>& keys, const HeadsView<T>& values) {
    detail::require_tokens(keys, values, kv_heads(), d_, dv_);
    for (std::size_t kv = 0; kv < kv_heads(); ++kv)
      for (std::size_t i = 0; i < keys.tokens(); ++i)
        heads_[kv].add(keys.row(i, kv), values.row(i, kv));
    tokens_ += keys.tokens();
  }

  /// As KvCache says.
  AttentionOutput attend(const HeadsView<float>& queries,
                         const AttentionOptions& options = {}) const {
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

  /// Of query i and head h: element i H + h. Throws as `attend`.
  std::vector<SubGenBounds> bounds(const HeadsView<float>& queries,
                                   const AttentionOptions& options = {}) const {
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

  /// As MergeableKvCache says; clusters of `later` join those here whose representatives lie within
  /// `radius` of theirs, so that their members lie within twice that (after nested merges more). In
  /// law as one cache that saw both streams when clusters are that far apart; unbiased and with
  /// valid reports in any case. Throws std::invalid_argument on itself, other shapes and options,
  /// and a cache of the same seed.
  void merge(const SubGenCache& later) {
    detail::require_equal_shapes(*this, later);
    if (!detail::agree(later.options_, options_))
      detail::throw_invalid("later.options()", name_of(later.options_.estimator),
                            "or its numbers are not those of this cache");
    if (&later == this || later.seed_ == seed_)
      detail::throw_invalid("later", later.seed_,
                            "has the same seed: its draws are not independent");
    for (std::size_t kv = 0; kv < kv_heads(); ++kv) heads_[kv].merge(later.heads_[kv]);
    tokens_ += later.tokens_;
  }

  std::size_t size_in_bytes() const noexcept {
    std::size_t bytes = sizeof(*this) + heads_.capacity() * sizeof(Head);
    for (const Head& head : heads_)
      bytes += head.exact.size_in_bytes() + head.sketch.size_in_bytes();
    return bytes;
  }

  /// As KvCache says.
  void save(const std::filesystem::path& path) const {
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

  static SubGenCache load(const std::filesystem::path& path) {
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

 private:
  static constexpr detail::KvFileKind file_kind{
      {'L', 'Z', 'G', 'S', 'U', 'B', 'G', '1'}, 2, "SubGenCache"};

  struct Head {
    detail::RecentTokens<T> exact;
    detail::SubGenSketch<T> sketch;

    void add(const T* key, const T* value) {
      exact.add(key, value, [&](const T* k, const T* v) { sketch.add(k, v); });
    }

    /// Of `later`, the sinks come first, then its sketch, then its window.
    void merge(const Head& later) {
      const auto& keys = later.exact.keys();
      const auto& values = later.exact.values();
      const auto add_row = [&](std::size_t i) {
        add(keys.row(later.exact.row(i)), values.row(later.exact.row(i)));
      };
      for (std::size_t i = 0; i < later.exact.sinks(); ++i) add_row(i);
      sketch.merge(later.sketch);
      for (std::size_t i = later.exact.sinks(); i < later.exact.size(); ++i) add_row(i);
    }
  };

  struct Work {
    std::vector<float> query;
    detail::SketchWork sketch;
    std::vector<double> output;
  };

  SubGenCache(std::size_t kv_heads, std::size_t d, std::size_t dv, const SubGenOptions& options,
              std::uint64_t seed)
      : d_(d), dv_(dv), options_(options), seed_(seed) {
    detail::require_cache_shape(kv_heads, d, dv);
    detail::require_sub_gen(options);
    heads_.reserve(kv_heads);
    for (std::size_t kv = 0; kv < kv_heads; ++kv)
      heads_.push_back(
          {{d, dv, options.sinks, options.window}, {d, dv, options, PhiloxEngine(seed, kv)}});
  }

  static void require_finite_queries(const HeadsView<float>& queries) {
    detail::require_finite("queries", queries);
  }

  /// All queries of the heads that share kv head `kv`, against what is kept of it exactly.
  AttentionOutput attend_exactly(const HeadsView<float>& queries, std::size_t kv,
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

  detail::SketchRow estimate(const detail::SubGenSketch<T>& sketch, const float* query,
                             const detail::AttentionShape& shape, const AttentionOptions& options,
                             Work& work) const {
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

  /// Row (i, kv group + g): what is certain and what the sketch says, together.
  void add_sketch(const HeadsView<float>& queries, std::size_t kv, std::size_t i, std::size_t g,
                  const detail::AttentionShape& shape, const AttentionOptions& options,
                  double quantile, const AttentionOutput& certain, Work& work,
                  AttentionOutput& out) const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const Head& head = heads_[kv];
    const std::size_t h = kv * shape.group() + g;
    const auto at_row = static_cast<Eigen::Index>(i), width = static_cast<Eigen::Index>(dv_);
    const auto from =
        certain.values.row(at_row).segment(static_cast<Eigen::Index>(g) * width, width);
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

  std::size_t d_, dv_, tokens_ = 0;
  SubGenOptions options_;
  std::uint64_t seed_;
  std::vector<Head> heads_;
  detail::Pool<Work> pool_;
};

static_assert(MergeableKvCache<SubGenCache<float>>);

}  // namespace lazygumbel
