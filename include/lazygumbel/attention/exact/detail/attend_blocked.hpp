#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/detail/blocked_parts.hpp"
#include "lazygumbel/attention/exact/detail/exact_blocks.hpp"
#include "lazygumbel/attention/exact/detail/output_rows.hpp"
#include "lazygumbel/attention/exact/detail/product_kernels.hpp"
#include "lazygumbel/core/detail/pool.hpp"
#include "lazygumbel/core/parallel.hpp"

namespace lazygumbel::detail {

/// Many queries: matrix products, tiles of queries and parts of their keys over threads.
template <StorageScalar T>
void attend_blocked(const HeadsView<float>& queries, const HeadsView<T>& keys,
                    const HeadsView<T>& values, const AttentionShape& shape,
                    const AttentionOptions& options, AttentionOutput& out) {
  const std::size_t group = shape.group(), m = shape.queries;
  const BlockedCut cut(shape);
  const std::size_t units = shape.kv_heads * cut.tiles * cut.parts;
  struct Work {
    BlockAttention attention;
    SoftmaxState state;
    std::vector<float> rows;
    std::vector<std::size_t> limits;
  };
  const Pool<Work> pool;
  const ProductKernels& kernels = select<ProductKernels>(options.simd);
  const auto make = [&] {
    return Work{
        {kernels, shape.dimension, shape.value_dimension, static_cast<float>(options.softcap)},
        {},
        {},
        {}};
  };
  std::optional<BlockedParts> kept;
  if (cut.parts > 1) kept.emplace(units, cut.tile * group, kernels.pad(shape.value_dimension));
  parallel_for(units, options.threads, [&](std::size_t unit) {
    // The longest prefixes first: the last unit then keeps nobody waiting.
    const std::size_t part = unit % cut.parts, tile = unit / cut.parts;
    const std::size_t kv = tile % shape.kv_heads,
                      first = (cut.tiles - 1 - tile / shape.kv_heads) * cut.tile;
    const std::size_t count = (std::min)(cut.tile, m - first);
    pool.borrow(make, [&](Work& work) {
      gather_queries(queries, shape, kv, first, count, work.rows);
      work.state.start(count * group, work.attention.value_width());
      std::size_t most = 0;
      for (std::size_t i = first; i < first + count; ++i)
        most = (std::max)(most, options.mask.visible(i, m, shape.keys));
      const std::size_t begin = most * part / cut.parts, end = most * (part + 1) / cut.parts;
      work.limits.resize(count * group);
      for (std::size_t r = 0; r < work.limits.size(); ++r) {
        const std::size_t limit = options.mask.visible(first + r / group, m, shape.keys);
        work.limits[r] = limit > begin ? limit - begin : 0;
      }
      if (begin < end)
        work.attention.add(work.rows.data(), static_cast<std::ptrdiff_t>(shape.dimension),
                           keys.row(begin, kv), keys.token_stride(), values.row(begin, kv),
                           values.token_stride(), end - begin, work.limits.data(), 0.0F,
                           work.state);
      if (!work.state.is_finite()) throw_not_finite(queries, keys, values);
      if (kept)
        kept->keep(unit, work.state);
      else
        write_output(shape, options, kv, first, count, work.state, out);
    });
  });
  if (!kept) return;
  constexpr std::size_t little = 1 << 16;  // numbers to add up: not worth a second thread
  const std::size_t numbers = m * shape.heads * cut.parts * shape.value_dimension;
  const std::size_t threads = numbers < little ? 1 : usable_threads(options.threads, units);
  parallel_for(m * shape.heads, threads, [&](std::size_t row) {
    const std::size_t i = row / shape.heads, h = row % shape.heads;
    const std::size_t tile = (cut.tiles - 1 - i / cut.tile) * shape.kv_heads + h / group;
    const std::size_t r = i % cut.tile * group + h % group;
    write_output_row(shape, options, i, h, kept->sum(tile * cut.parts, cut.parts, r), out);
  });
}

}  // namespace lazygumbel::detail
