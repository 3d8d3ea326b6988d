#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "lazygumbel/attention/exact/exact_attention.hpp"

namespace lazygumbel::detail {

/// Exact attention of one token's queries of those kv heads that are `chosen`, neighbours together,
/// into their places of `out`. `work`: memory to be reused.
template <StorageScalar T>
void attend_exactly(std::span<const unsigned char> chosen, const HeadsView<float>& queries,
                    const HeadsView<T>& keys, const HeadsView<T>& values,
                    const AttentionShape& shape, AttentionOptions options, AttentionOutput& work,
                    AttentionOutput& out) {
  const std::size_t group = shape.group(), dv = shape.value_dimension;
  const std::span<const float> sinks = options.sink_logits;
  const auto heads = []<StorageScalar S>(const HeadsView<S>& all, std::size_t from,
                                         std::size_t some) {
    return HeadsView<S>(all.row(0, from), all.tokens(), some, all.dimension(), all.token_stride(),
                        all.head_stride());
  };
  for (std::size_t first = 0, last; first < shape.kv_heads; first = last) {
    last = first + 1;
    if (!chosen[first]) continue;
    while (last < shape.kv_heads && chosen[last]) ++last;
    const std::size_t count = last - first;
    if (!sinks.empty()) options.sink_logits = sinks.subspan(first * group, count * group);
    exact_attention(heads(queries, first * group, count * group), heads(keys, first, count),
                    heads(values, first, count), options, work);
    for (std::size_t i = 0; i < count * group; ++i) {
      const std::size_t h = first * group + i;
      std::copy_n(work.values.data() + i * dv, dv, out.values.data() + h * dv);
      out.log_sum_exp(0, static_cast<Eigen::Index>(h)) =
          work.log_sum_exp(0, static_cast<Eigen::Index>(i));
      out.rows[h] = work.rows[i];
    }
  }
}

}  // namespace lazygumbel::detail
