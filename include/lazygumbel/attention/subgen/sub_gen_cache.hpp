#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "lazygumbel/attention/cache/kv_cache.hpp"
#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/attention/subgen/detail/recent_tokens.hpp"
#include "lazygumbel/attention/subgen/detail/sub_gen_sketch.hpp"
#include "lazygumbel/attention/subgen/sub_gen_options.hpp"
#include "lazygumbel/core/detail/pool.hpp"
#include "lazygumbel/fwd.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

/// Standard deviations of what a SubGenCache says of one query and head, over the draws of its
/// samples, by theorem rather than by what the samples look like; of the tokens in the sketch.
struct SubGenBounds {
  /// An upper bound of the deviation of Z^ / Z: members of cluster c lie within r_c of its
  /// representative, so sqrt(sum_c (Z_c / Z)^2 sinh^2(r_c rho) (1 / t - 1 / n_c) n_c / (n_c - 1)),
  /// rho = |scale q|. Z_c are estimates.
  double normaliser = 0.0;
  /// An upper bound of the deviation of |N^ - N| / Z from s slots: |V|_F |p| / sqrt(s) for `plain`,
  /// |p| being an estimate; for the other two, where values do not know of keys, sqrt(2) times that
  /// around their centre. 0 without slots.
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
/// grows up to 1 + max |v| / |o^|, which none exceeds; see docs/kv_caches.md. `bounds`: what is
/// proved.
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

  /// Takes in tokens, see KvCache. When memory runs out, the tokens before the one that had no room
  /// are in, in all heads: tokens_seen() counts them.
  void append(const HeadsView<T>& keys, const HeadsView<T>& values);

  /// Attends to all tokens, see KvCache.
  AttentionOutput attend(const HeadsView<float>& queries,
                         const AttentionOptions& options = {}) const;

  /// The bounds of query i and head h in element i H + h. Throws as `attend`.
  std::vector<SubGenBounds> bounds(const HeadsView<float>& queries,
                                   const AttentionOptions& options = {}) const;

  /// Takes over what `later` kept, see MergeableKvCache: clusters of `later` join those here whose
  /// representatives lie within `radius` of theirs, so that their members lie within twice that
  /// (after nested merges more). In law as one cache that saw both streams when clusters are that
  /// far apart; unbiased and with valid reports in any case. Throws std::invalid_argument on
  /// itself, other shapes and options, and a cache of the same seed; on std::bad_alloc, too, the
  /// cache stays as it was. Takes as much memory again while it runs.
  void merge(const SubGenCache& later);

  std::size_t size_in_bytes() const noexcept;

  /// Writes the cache to a file, see KvCache.
  void save(const std::filesystem::path& path) const;

  static SubGenCache load(const std::filesystem::path& path);

 private:
  static constexpr detail::KvFileKind file_kind{
      {'L', 'Z', 'G', 'S', 'U', 'B', 'G', '1'}, 2, "SubGenCache"};

  struct Head {
    detail::RecentTokens<T> exact;
    detail::SubGenSketch<T> sketch;

    /// Makes room for a token, of which the `add` has to follow and cannot throw.
    void prepare(const T* key) {
      if (const T* const leaving = exact.prepare(key)) sketch.prepare(leaving);
    }

    void add(const T* key, const T* value) {
      exact.add(key, value, [&](const T* k, const T* v) { sketch.add(k, v); });
    }

    /// Of `later`, the sinks come first, then its sketch, then its window.
    void merge(const Head& later) {
      const auto& keys = later.exact.keys();
      const auto& values = later.exact.values();
      const auto add_row = [&](std::size_t i) {
        prepare(keys.row(later.exact.row(i)));
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
              std::uint64_t seed);

  static void require_finite_queries(const HeadsView<float>& queries) {
    detail::require_finite("queries", queries);
  }

  /// All queries of the heads that share kv head `kv`, against what is kept of it exactly.
  AttentionOutput attend_exactly(const HeadsView<float>& queries, std::size_t kv,
                                 const detail::AttentionShape& shape,
                                 const AttentionOptions& options) const;

  detail::SketchRow estimate(const detail::SubGenSketch<T>& sketch, const float* query,
                             const detail::AttentionShape& shape, const AttentionOptions& options,
                             Work& work) const;

  /// Row (i, kv group + g): what is certain and what the sketch says, together.
  void add_sketch(const HeadsView<float>& queries, std::size_t kv, std::size_t i, std::size_t g,
                  const detail::AttentionShape& shape, const AttentionOptions& options,
                  double quantile, const AttentionOutput& certain, Work& work,
                  AttentionOutput& out) const;

  std::size_t d_, dv_, tokens_ = 0;
  SubGenOptions options_;
  std::uint64_t seed_;
  std::vector<Head> heads_;
  detail::Pool<Work> pool_;
};

static_assert(MergeableKvCache<SubGenCache<float>>);

}  // namespace lazygumbel

#ifdef LAZYGUMBEL_COMPILED
namespace lazygumbel {
extern template class SubGenCache<float>;
extern template class SubGenCache<Eigen::half>;
extern template class SubGenCache<Eigen::bfloat16>;
}  // namespace lazygumbel
#else
#include "lazygumbel/attention/subgen/detail/sub_gen_cache_impl.hpp"
#endif
