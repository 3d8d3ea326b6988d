#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/types.hpp"

/// \file
/// Which keys count for which queries in sampled attention: a sparse matrix, as a union of dense
/// blocks, from which the forward pass and all three gradients are computed.

namespace lazygumbel::detail {

/// Every row of a block meets every key of it, but for what the limits and ranges leave out.
struct PlanBlock {
  /// Keys begin .. end - 1 (positions in `keys`) that position `row` in `rows` does not meet.
  struct Range {
    std::uint32_t row, begin, end;
  };
  std::vector<std::uint32_t> rows;    ///< of the plan, increasing
  std::vector<item_id> keys;          ///< may repeat in a sampled block
  std::vector<std::uint32_t> limits;  ///< row r meets the first limits[r] keys; empty: all
  std::vector<Range> excluded;
  /// Keys are draws from the tail, each of which counts exp(log_weight of the row) times.
  bool sampled = false;
};

/// Queries of one kv head that were attended to together: row r is query first + r / group of the
/// order by visible keys, head r % group of the group.
struct PlanSegment {
  std::size_t kv_head = 0, first = 0, queries = 0;
  std::vector<PlanBlock> blocks;
  std::vector<float> log_weights;  ///< one a row: log(tail size / draws); of sampled blocks
  std::vector<double> log_sums;    ///< one a row: log Z^, sink logit included
  /// One a row: what keys heavier than all that were met may weigh, over Z^; only of passes with an
  /// accuracy.
  std::vector<float> unseen;
};

/// Scores of what the ranges, sorted by row, leave out become -inf. `scores`: of `height` rows from
/// position `row` on, `stride` apart, and of `count` keys from position `key` on.
inline void exclude(std::span<const PlanBlock::Range> ranges, std::size_t row, std::size_t height,
                    std::size_t key, std::size_t count, float* scores, std::size_t stride) {
  const auto from =
      std::lower_bound(ranges.begin(), ranges.end(), row,
                       [](const PlanBlock::Range& range, std::size_t r) { return range.row < r; });
  for (auto range = from; range != ranges.end() && range->row < row + height; ++range) {
    const std::size_t begin = (std::max)(static_cast<std::size_t>(range->begin), key);
    const std::size_t end = (std::min)(static_cast<std::size_t>(range->end), key + count);
    for (std::size_t j = begin; j < end; ++j)
      scores[(range->row - row) * stride + j - key] = -std::numeric_limits<float>::infinity();
  }
}

/// Takes the rows for which `gone(row)` holds out of the block.
template <class Predicate>
void leave_out(PlanBlock& block, Predicate&& gone) {
  constexpr auto nowhere = (std::numeric_limits<std::uint32_t>::max)();
  std::vector<std::uint32_t> place(block.rows.size(), nowhere);
  std::uint32_t kept = 0;
  for (std::size_t i = 0; i < block.rows.size(); ++i) {
    if (gone(block.rows[i])) continue;
    block.rows[kept] = block.rows[i];
    if (!block.limits.empty()) block.limits[kept] = block.limits[i];
    place[i] = kept++;
  }
  if (kept == block.rows.size()) return;
  std::erase_if(block.excluded,
                [&](const PlanBlock::Range& range) { return place[range.row] == nowhere; });
  for (PlanBlock::Range& range : block.excluded) range.row = place[range.row];
  block.rows.resize(kept);
  if (!block.limits.empty()) block.limits.resize(kept);
}

}  // namespace lazygumbel::detail
