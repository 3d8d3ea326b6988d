#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>

#include "lazygumbel/attention/exact/attention_mask.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/core/simd.hpp"

namespace lazygumbel {

/// What attention computes: with s_j = cap(scale <q, k_j>) over the keys j that the query sees,
///   o = sum_j e^(s_j) v_j / Z,  Z = sum_j e^(s_j) [+ e^sink],  cap(s) = softcap tanh(s / softcap).
struct AttentionOptions {
  std::optional<double> scale{};               ///< none: 1 / sqrt(d); finite, may be negative
  double softcap = 0.0;                        ///< 0: scores are not capped; else 1e-30 .. 1e30
  std::span<const float> sink_logits{};        ///< one a query head, added to Z alone; empty: none
  AttentionMask mask = AttentionMask::full();  ///< the keys that each query sees
  std::size_t threads = 1;                     ///< 0: all; the result does not depend on it
  Simd simd = best_simd();                     ///< of the kernels; the result depends on it
};

namespace detail {

/// The shapes of one call, checked.
struct AttentionShape {
  std::size_t queries = 0, keys = 0, heads = 0, kv_heads = 0, dimension = 0, value_dimension = 0;
  double scale = 1.0;

  /// Query heads that share one head of keys and values: h uses kv head h / group().
  std::size_t group() const noexcept { return heads / kv_heads; }
};

/// The number of first keys that some query sees; no other is read.
inline std::size_t seen_keys(const AttentionShape& shape, const AttentionMask& mask) noexcept {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < shape.queries; ++i)
    seen = (std::max)(seen, mask.visible(i, shape.queries, shape.keys));
  return seen;
}

/// Throws std::invalid_argument on shapes or options that do not fit together. Entries are not
/// looked at.
template <StorageScalar T>
AttentionShape require_attention(const HeadsView<float>& queries, const HeadsView<T>& keys,
                                 const HeadsView<T>& values, const AttentionOptions& options) {
  if (queries.dimension() != keys.dimension())
    throw_invalid("keys.dimension()", keys.dimension(),
                  "must equal queries.dimension() = " + text_of(queries.dimension()));
  if (values.tokens() != keys.tokens())
    throw_invalid("values.tokens()", values.tokens(),
                  "must equal keys.tokens() = " + text_of(keys.tokens()));
  if (values.heads() != keys.heads())
    throw_invalid("values.heads()", values.heads(),
                  "must equal keys.heads() = " + text_of(keys.heads()));
  if (queries.heads() % keys.heads() != 0)
    throw_invalid("queries.heads()", queries.heads(),
                  "must be a multiple of keys.heads() = " + text_of(keys.heads()));
  if (keys.tokens() > (std::numeric_limits<item_id>::max)())
    throw_invalid("keys.tokens()", keys.tokens(), "must be below 2^32");
  options.mask.require_fits(queries.tokens(), keys.tokens());
  const double scale =
      options.scale.value_or(1.0 / std::sqrt(static_cast<double>(queries.dimension())));
  if (!std::isfinite(scale)) throw_invalid("scale", scale, "must be finite");
  if (!(options.softcap >= 0.0 && std::isfinite(options.softcap)))
    throw_invalid("softcap", options.softcap, "must be at least 0 and finite");
  // Beyond, it or its inverse is no normal float.
  if (options.softcap != 0.0 && !(options.softcap >= 1e-30 && options.softcap <= 1e30))
    throw_invalid("softcap", options.softcap, "must be 0, or from 1e-30 to 1e30");
  if (!options.sink_logits.empty() && options.sink_logits.size() != queries.heads())
    throw_invalid("sink_logits.size()", options.sink_logits.size(),
                  "must equal queries.heads() = " + text_of(queries.heads()));
  for (std::size_t h = 0; h < options.sink_logits.size(); ++h)
    if (!(options.sink_logits[h] < std::numeric_limits<float>::infinity()))
      throw_invalid("sink_logits[" + text_of(h) + "]", options.sink_logits[h],
                    "must be finite or -infinity");
  if (!is_supported(options.simd))
    throw_invalid("simd", name_of(options.simd), "this machine does not support it");
  return {queries.tokens(),   keys.tokens(), queries.heads(), keys.heads(), queries.dimension(),
          values.dimension(), scale};
}

}  // namespace detail
}  // namespace lazygumbel
