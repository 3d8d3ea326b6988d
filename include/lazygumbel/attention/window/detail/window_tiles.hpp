#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/window/sliding_window_options.hpp"
#include "lazygumbel/core/parallel.hpp"

namespace lazygumbel::detail {

/// The m last of n tokens as queries with a sliding window, in tiles and runs of tiles. A tile is
/// not longer than the window: then its queries see
///   of the tile's own tokens, the first few (one more each), and
///   of the tokens before it, in reversed order, the first few too (one less each),
/// so that both are prefixes, which is what the kernels know.
struct WindowTiles {
  std::size_t window, queries, keys, tile, run;

  /// Tiles of about `rows` rows of queries, in runs of at least `least_run` queries.
  WindowTiles(const AttentionShape& shape, std::size_t window_, std::size_t rows,
              std::size_t least_run = 256)
      : window(window_), queries(shape.queries), keys(shape.keys) {
    tile = (std::min)(window, (std::max)(std::size_t{1}, rows / shape.group()));
    run = (least_run + tile - 1) / tile * tile;
  }

  std::size_t runs() const noexcept { return (queries + run - 1) / run; }
  std::size_t run_end(std::size_t r) const noexcept { return (std::min)(queries, (r + 1) * run); }
  /// The token that query i is.
  std::size_t position(std::size_t i) const noexcept { return keys - queries + i; }
  /// Tokens before the window of query i.
  std::size_t outside(std::size_t i) const noexcept {
    return position(i) + 1 > window ? position(i) + 1 - window : 0;
  }
};

/// Throws std::invalid_argument unless queries can be the last tokens of the keys.
inline void require_window_mask(const AttentionShape& shape, const AttentionOptions& options) {
  if (!options.mask.is_full())
    throw_invalid("mask", "not full", "must be full: a sliding window is causal by itself");
  if (shape.queries > shape.keys)
    throw_invalid("queries.tokens()", shape.queries,
                  "exceeds keys.tokens() = " + text_of(shape.keys) + " under a sliding window");
}

/// Sums of values in double: of the first counts[k] of kv head kv, dv numbers at
/// (k kv_heads + kv) dv. `counts` must not fall. Does not depend on threads. O(counts.back() dv)
/// for each head.
template <StorageScalar T>
std::vector<double> prefix_value_sums(const HeadsView<T>& values,
                                      const std::vector<std::size_t>& counts, std::size_t threads) {
  constexpr std::size_t longest = 8192;
  struct Piece {
    std::size_t begin, end, k;
  };
  std::vector<Piece> pieces;
  for (std::size_t k = 0, begin = 0; k < counts.size(); ++k)
    for (; begin < counts[k]; begin = pieces.back().end)
      pieces.push_back({begin, (std::min)(begin + longest, counts[k]), k});
  const std::size_t kv_heads = values.heads(), dv = values.dimension(), width = kv_heads * dv;
  std::vector<double> parts(pieces.size() * width), sums(counts.size() * width);
  parallel_for(pieces.size() * kv_heads, threads, [&](std::size_t unit) {
    const Piece& piece = pieces[unit / kv_heads];
    double* const sum = parts.data() + unit * dv;
    for (std::size_t j = piece.begin; j < piece.end; ++j) {
      const T* const value = values.row(j, unit % kv_heads);
      for (std::size_t c = 0; c < dv; ++c)
        sum[c] += static_cast<double>(static_cast<float>(value[c]));
    }
  });
  std::vector<double> total(width);
  for (std::size_t k = 0, p = 0; k < counts.size(); ++k) {
    for (; p < pieces.size() && pieces[p].k == k; ++p)
      for (std::size_t c = 0; c < width; ++c) total[c] += parts[p * width + c];
    std::copy_n(total.data(), width, sums.data() + k * width);
  }
  return sums;
}

/// The sum of the values before the window of one query after another.
template <StorageScalar T>
class OutsideSum {
 public:
  /// `sum`: of the first `count` values of the head, dv numbers.
  OutsideSum(const HeadsView<T>& values, std::size_t kv, std::size_t count, const double* sum)
      : values_(&values), kv_(kv), count_(count), sum_(sum, sum + values.dimension()) {}

  /// The sum of the first `count`, which does not fall.
  const double* of(std::size_t count) {
    for (; count_ < count; ++count_) {
      const T* const value = values_->row(count_, kv_);
      for (std::size_t c = 0; c < sum_.size(); ++c)
        sum_[c] += static_cast<double>(static_cast<float>(value[c]));
    }
    return sum_.data();
  }

 private:
  const HeadsView<T>* values_;
  std::size_t kv_, count_;
  std::vector<double> sum_;
};

/// `prefix_value_sums` of what is before the window of the first query of each run.
template <StorageScalar T>
std::vector<double> run_value_sums(const HeadsView<T>& values, const WindowTiles& tiles,
                                   std::size_t threads) {
  std::vector<std::size_t> counts(tiles.runs());
  for (std::size_t r = 0; r < counts.size(); ++r) counts[r] = tiles.outside(r * tiles.run);
  return prefix_value_sums(values, counts, threads);
}

}  // namespace lazygumbel::detail
