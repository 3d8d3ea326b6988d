#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/detail/exact_blocks.hpp"

/// \file
/// What exact attention does before and after its loops: rows of queries gathered, states of rows
/// written to the output, what is not finite named.

namespace lazygumbel::detail {

/// What softmax over some keys left of one row: the largest score, the sum of weights relative to
/// it, and that of the values that they weigh.
struct SoftmaxRow {
  float largest;
  double sum;
  const float* values;
};

/// Fills in the row of `out` for query `i` and head `h`.
template <std::same_as<float> Real = float>
void write_output_row(const AttentionShape& shape, const AttentionOptions& options, std::size_t i,
                      std::size_t h, const SoftmaxRow& state, AttentionOutput& out) {
  const std::size_t dv = shape.value_dimension;
  const auto row = static_cast<Eigen::Index>(i), head = static_cast<Eigen::Index>(h);
  double high = static_cast<double>(state.largest), sum = state.sum;
  double scale = 1.0;  // of the values, whose weights are relative to `largest`
  if (!options.sink_logits.empty()) {
    const auto sink = static_cast<double>(options.sink_logits[h]);
    const double top = (std::max)(high, sink);
    if (top > -std::numeric_limits<double>::infinity()) {
      scale = std::exp(high - top);
      sum = sum * scale + std::exp(sink - top);
      high = top;
    }
  }
  RowMatrix<Real>& all = out.values;
  auto values =
      all.row(row).segment(static_cast<Eigen::Index>(h * dv), static_cast<Eigen::Index>(dv));
  if (sum > 0.0) {
    values =
        Eigen::Map<const Eigen::RowVectorX<Real>>(state.values, static_cast<Eigen::Index>(dv)) *
        static_cast<float>(scale / sum);
    out.log_sum_exp(row, head) = high + std::log(sum);
  } else {
    values.setZero();
    out.log_sum_exp(row, head) = -std::numeric_limits<double>::infinity();
  }
  out.rows[i * shape.heads + h] = {.keys_touched = static_cast<std::uint32_t>(
                                       options.mask.visible(i, shape.queries, shape.keys))};
}

/// Fills in the rows of `out` for queries `first` .. + count of kv head `kv`, of which `state` has
/// the rows in the order (query, head of the group).
template <std::same_as<float> Real = float>
void write_output(const AttentionShape& shape, const AttentionOptions& options, std::size_t kv,
                  std::size_t first, std::size_t count, const SoftmaxState& state,
                  AttentionOutput& out) {
  const std::size_t group = shape.group();
  for (std::size_t r = 0; r < count * group; ++r)
    write_output_row(shape, options, first + r / group, kv * group + r % group,
                     {state.largest[r], state.sums[r], state.row(r)}, out);
}

template <std::same_as<float> Real = float>
void resize_output(const AttentionShape& shape, AttentionOutput& out) {
  const auto m = static_cast<Eigen::Index>(shape.queries);
  out.values.resize(m, static_cast<Eigen::Index>(shape.heads * shape.value_dimension));
  out.log_sum_exp.resize(m, static_cast<Eigen::Index>(shape.heads));
  out.rows.resize(shape.queries * shape.heads);
}

/// The queries `first` .. + count of a group of heads, scaled: rows in the order (query, head).
template <std::same_as<float> Real = float>
void gather_queries(const HeadsView<float>& queries, const AttentionShape& shape, std::size_t kv,
                    std::size_t first, std::size_t count, std::vector<float>& rows) {
  const std::size_t group = shape.group(), d = shape.dimension;
  rows.resize(count * group * d);
  float* to = rows.data();
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t g = 0; g < group; ++g, to += d) {
      const float* const from = queries.row(first + i, kv * group + g);
      for (std::size_t j = 0; j < d; ++j)
        to[j] = static_cast<float>(shape.scale * static_cast<double>(from[j]));
    }
}

/// Throws: something that was read is not finite, or becomes so. Names the first such entry.
template <StorageScalar T>
[[noreturn]] LAZYGUMBEL_COLD void throw_not_finite(const HeadsView<float>& queries,
                                                   const HeadsView<T>& keys,
                                                   const HeadsView<T>& values,
                                                   std::size_t first_key = 0,
                                                   std::size_t first_value = 0) {
  require_finite("queries", queries);
  require_finite("keys", keys, first_key);
  require_finite("values", values, first_value);
  throw_invalid("scale * <query, key>", "inf or nan", "scores or sums overflow float");
}

}  // namespace lazygumbel::detail
