#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lazygumbel/attention/cache/detail/head_rows.hpp"
#include "lazygumbel/attention/cache/detail/kv_file.hpp"
#include "lazygumbel/attention/cache/detail/token_rows.hpp"
#include "lazygumbel/attention/cache/kv_cache.hpp"
#include "lazygumbel/attention/exact/exact_attention.hpp"
#include "lazygumbel/attention/window/residual_mass.hpp"
#include "lazygumbel/attention/window/sliding_window_options.hpp"
#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/fwd.hpp"

namespace lazygumbel {

/// A KV cache of constant size for attention with a sliding window (see SlidingWindowOptions for
/// the formula): the keys and values of the last W = `window` tokens, and of all earlier ones their
/// number and the sum U of their values: for each kv head W (d + dv) numbers of T and 2 dv doubles
/// in place of n (d + dv) numbers.
///
/// `attend` computes what the options say exactly: the window's rows as exact_attention does, and
/// then the residual mass (c, n - W, U) in double; sink logits (AttentionOptions::sink_logits) come
/// on top of both. What is reported: rows of the window read, path exact, error 0. (Against full
/// attention, which is another function, no error is stated.)
///
/// Memory for the window's rows grows by doubling until the window is full, and is constant from
/// then on. U is a compensated sum of doubles, so that it does not drift: it is wrong by one
/// rounding and, typically, 1e-32 n sum |v| (at most about 1e-32 n^2 sum |v|). `append` is
/// O(d + dv) for each token and head, `attend` O(W (d + dv)) for each query and head. What is
/// computed is a function of the stream alone, not of the pieces in which it was appended; how much
/// memory is held may depend on them. Copies and moves; moved from, it may only be destroyed or
/// assigned to. const members are thread-safe.
///
/// Source: Haris, Onak, "Compression Barriers in Autoregressive Transformers", COLT 2025, PMLR 291,
/// 2757-2785: sliding window attention "when the value cache outside the window is unmasked", in
/// O(d W) space, and Omega(d W) below it. That masked scores are 0 (c = 0), so that an old token
/// weighs e^0 = 1, and that the window counts the current token, is how we read it; c = -infinity
/// is the other reading of a mask. A sum then needs no estimator.
template <StorageScalar T>
class SlidingWindowCache {
 public:
  using scalar_type = T;

  /// For keys of d and values of dv numbers. Throws std::invalid_argument when one of the three is
  /// 0, and on options out of range. Takes no memory for the window yet.
  SlidingWindowCache(std::size_t kv_heads, std::size_t d, std::size_t dv,
                     const SlidingWindowOptions& options = {})
      : options_(options), kv_heads_(kv_heads), keys_(kv_heads, d), values_(kv_heads, dv) {
    detail::require_cache_shape(kv_heads, d, dv);
    detail::require_sliding_window(options);
    sums_.assign(kv_heads * dv, 0.0);
    lost_.assign(kv_heads * dv, 0.0);
  }

  std::size_t kv_heads() const noexcept { return kv_heads_; }
  std::size_t key_dimension() const noexcept { return keys_.width(); }
  std::size_t value_dimension() const noexcept { return values_.width(); }
  const SlidingWindowOptions& options() const noexcept { return options_; }
  std::size_t tokens_seen() const noexcept { return seen_; }
  /// Tokens in the window.
  std::size_t tokens_kept() const noexcept { return (std::min)(options_.window, seen_); }
  /// Bytes held, with the room to grow.
  std::size_t size_in_bytes() const noexcept {
    return keys_.size_in_bytes() + values_.size_in_bytes() +
           (sums_.capacity() + lost_.capacity()) * sizeof(double);
  }

  /// Tokens of the stream, the oldest first; those that leave the window are added to U. Throws
  /// std::invalid_argument, leaving the cache as it was, on shapes that do not fit, NaN, infinity,
  /// a row of norm above 1e30, 2^32 tokens in the window, and more than 2^53 in all.
  void append(const HeadsView<T>& keys, const HeadsView<T>& values) {
    detail::require_tokens(keys, values, kv_heads_, keys_.width(), values_.width());
    take("keys.tokens()", keys, values);
  }

  /// See KvCache. Throws std::invalid_argument on shapes that do not fit, options out of range, a
  /// mask that is not full, NaN or infinity in queries, and scores that overflow float.
  AttentionOutput attend(const HeadsView<float>& queries,
                         const AttentionOptions& options = {}) const {
    const detail::AttentionShape shape =
        detail::require_attend<T>(queries, kv_heads_, keys_.width(), values_.width(), options);
    AttentionOutput out = exact_attention(queries, recent(keys_), recent(values_), options);
    const std::size_t dv = values_.width();
    for (std::size_t kv = 0; kv < kv_heads_ && tokens_kept() < seen_; ++kv) {
      const ResidualMass mass = residual(kv);
      for (std::size_t i = 0; i < shape.queries; ++i)
        for (std::size_t h = kv * shape.group(); h < (kv + 1) * shape.group(); ++h)
          detail::add_residual_row(
              mass.logit, mass.count, mass.value_sum.data(), dv,
              out.values.data() + (i * shape.heads + h) * dv,
              out.log_sum_exp(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(h)));
    }
    return out;
  }

  /// The tokens before the window. Precondition: kv < kv_heads().
  ResidualMass residual(std::size_t kv) const {
    using Sum = Eigen::Map<const Vector<detail::Later<double, T>>>;
    const std::size_t dv = values_.width();
    const auto size = static_cast<Eigen::Index>(dv);
    return {options_.residual_logit, static_cast<double>(seen_ - tokens_kept()),
            Sum(sums_.data() + kv * dv, size) + Sum(lost_.data() + kv * dv, size)};
  }

  /// As if what `later` has seen had been appended here. (Where `later` is full, all rows of this
  /// one leave the window, and U is the sum of both with their values, rounded in another order.)
  /// Throws std::invalid_argument, leaving the cache as it was, on other shapes or options, and as
  /// `append`.
  void merge(const SlidingWindowCache& later) {
    detail::require_equal_shapes(*this, later);
    const auto require = [](std::string_view name, auto theirs, auto mine) {
      if (theirs != mine)
        detail::throw_invalid("later.options()." + std::string(name), theirs,
                              "must equal the cache's " + detail::text_of(mine));
    };
    require("window", later.options_.window, options_.window);
    require("residual_logit", later.options_.residual_logit, options_.residual_logit);
    if (&later == this) return merge(SlidingWindowCache(later));
    if (later.seen_ <= options_.window)  // all there, and in the order of time
      return take("later.tokens_seen()", later.recent(later.keys_), later.recent(later.values_));
    require_countable("later.tokens_seen()", later.seen_);
    make_room(options_.window);
    evict(tokens_kept());
    for (std::size_t c = 0; c < sums_.size(); ++c) {
      add_to_sum(later.sums_[c], c);
      lost_[c] += later.lost_[c];
    }
    const std::size_t window = options_.window;
    for (std::size_t slot = 0; slot < window; ++slot) {  // token t of either is in slot t mod W
      const std::size_t to = (slot + seen_ % window) % window;
      keys_.put(later.recent(later.keys_), slot, to);
      values_.put(later.recent(later.values_), slot, to);
    }
    seen_ += later.seen_;
  }

  /// Writes the cache to a file, which is replaced. Throws file_error.
  void save(const std::filesystem::path& path) const {
    detail::BinaryWriter out(path);
    detail::put_kv_header<T>(out, kind, {kv_heads_, keys_.width(), values_.width()});
    out.put(std::uint64_t{options_.window});
    out.put(options_.residual_logit);
    out.put(std::uint64_t{seen_});
    out.put(std::span<const double>(sums_));
    out.put(std::span<const double>(lost_));
    for (const Rows* rows : {&keys_, &values_})
      for (std::size_t h = 0; h < kv_heads_; ++h) rows->write(out, h, tokens_kept());
    out.finish();
  }

  /// Throws file_error when the file cannot be read, is no such cache of T, or is damaged.
  static SlidingWindowCache load(const std::filesystem::path& path) {
    detail::BinaryReader in(path);
    const auto [kv_heads, d, dv] = detail::get_kv_header<T>(in, kind, 2 * sizeof(double));
    SlidingWindowOptions options;
    options.window = detail::get_count(in, "window", 1, (std::numeric_limits<std::size_t>::max)());
    options.residual_logit = detail::get_real(in, "residual_logit", detail::is_residual_logit);
    const std::size_t seen = detail::get_count(in, "tokens_seen", 0, most_tokens),
                      kept = (std::min)(seen, options.window);
    detail::require_left(in, "dv", dv, 2 * kv_heads, sizeof(double));
    if (kept > 0) {
      detail::require_left(in, "tokens_seen", kept, d + dv, sizeof(T));
      detail::require_left(in, "kv_heads", kv_heads, kept * (d + dv), sizeof(T));
    }
    if (kept > most_kept) in.fail("is corrupted: a window of " + detail::text_of(kept) + " tokens");
    SlidingWindowCache cache(kv_heads, d, dv, options);
    const double most =
        static_cast<double>(seen - kept) * detail::largest_token_norm * (1.0 + 1e-9);
    for (std::vector<double>* sums : {&cache.sums_, &cache.lost_}) {
      in.get(std::span<double>(*sums));
      for (const double sum : *sums)
        if (!(std::abs(sum) <= most))
          in.fail("is corrupted: a sum of values is " + detail::text_of(sum));
    }
    cache.hold(kept);
    cache.seen_ = seen;
    for (Rows* rows : {&cache.keys_, &cache.values_})
      for (std::size_t h = 0; h < kv_heads; ++h) rows->read(in, h, kept);
    in.finish();
    return cache;
  }

 private:
  using Rows = detail::HeadRows<T>;  // token t of the stream in slot t mod W
  static constexpr detail::KvFileKind kind{
      {'L', 'Z', 'G', 'W', 'I', 'N', '_', '1'}, 1, "SlidingWindowCache"};
  static constexpr std::size_t most_tokens = std::size_t{1} << 53;  // that a double counts
  static constexpr std::size_t most_kept = (std::numeric_limits<item_id>::max)();
  static constexpr std::size_t least_room = 16;  // that growing makes, or the window

  HeadsView<T> recent(const Rows& rows) const { return rows.view(tokens_kept()); }

  void require_countable(std::string_view name, std::size_t added) const {
    if (added > most_tokens - seen_)
      detail::throw_invalid(name, added, "makes more than 2^53 tokens");
    if ((std::min)(options_.window, seen_ + added) > most_kept)
      detail::throw_invalid(name, added, "makes 2^32 tokens or more in the window");
  }

  /// Takes in tokens that were checked; `name` is what their number is called.
  void take(std::string_view name, const HeadsView<T>& keys, const HeadsView<T>& values) {
    const std::size_t added = keys.tokens(), kept = tokens_kept(), window = options_.window;
    require_countable(name, added);
    const std::size_t after = (std::min)(window, seen_ + added), leaving = kept + added - after;
    make_room(after);
    evict((std::min)(kept, leaving));
    const std::size_t passing = leaving - (std::min)(kept, leaving);  // the window at once
    for (std::size_t i = 0; i < passing; ++i) add_values(values, i);
    std::size_t slot = (seen_ + passing) % window;
    for (std::size_t i = passing; i < added; ++i, slot = slot + 1 < window ? slot + 1 : 0) {
      keys_.put(keys, i, slot);
      values_.put(values, i, slot);
    }
    seen_ += added;
  }

  /// The oldest `count` tokens of the window go to U.
  void evict(std::size_t count) {
    const HeadsView<T> values = recent(values_);
    std::size_t slot = (seen_ - tokens_kept()) % options_.window;
    for (; count > 0; --count, slot = slot + 1 < options_.window ? slot + 1 : 0)
      add_values(values, slot);
  }

  void add_values(const HeadsView<T>& values, std::size_t token) noexcept {
    const std::size_t dv = values_.width();
    for (std::size_t h = 0; h < kv_heads_; ++h) {
      const T* const value = values.row(token, h);
      for (std::size_t c = 0; c < dv; ++c)
        add_to_sum(static_cast<double>(static_cast<float>(value[c])), h * dv + c);
    }
  }

  /// sums_[c] += x; lost_[c] gets what rounding lost (Knuth's two-sum: no test which is larger).
  void add_to_sum(double x, std::size_t c) noexcept {
    const double before = sums_[c], sum = before + x, part = sum - before;
    lost_[c] += (before - (sum - part)) + (x - part);
    sums_[c] = sum;
  }

  /// Grows until so many tokens fit; where they do not, the window is not full yet.
  void make_room(std::size_t tokens) {
    const std::size_t room = keys_.capacity();
    if (tokens > room)
      hold((std::min)(options_.window, (std::max)({tokens, 2 * room, least_room})));
  }

  /// Memory for so many tokens. Precondition: they fit the window, which is not full yet.
  void hold(std::size_t room) {
    Rows keys = keys_.grown(tokens_kept(), room), values = values_.grown(tokens_kept(), room);
    keys_ = std::move(keys);
    values_ = std::move(values);
  }

  SlidingWindowOptions options_;
  std::size_t kv_heads_;
  Rows keys_, values_;
  std::vector<double> sums_, lost_;  // kv_heads x dv: U = sums + lost
  std::size_t seen_ = 0;
};

static_assert(MergeableKvCache<SlidingWindowCache<float>>);

}  // namespace lazygumbel
