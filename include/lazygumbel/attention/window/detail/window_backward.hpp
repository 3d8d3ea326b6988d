#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lazygumbel/attention/exact/exact_attention_backward.hpp"
#include "lazygumbel/attention/window/detail/window_tiles.hpp"

namespace lazygumbel::detail {

/// Gradients within the windows. Cells are worked on in rounds: round t takes every tile of queries
/// with the t-th tile of tokens before its own (round 0: its own). No two cells of a round share
/// queries or tokens, so that nothing is summed twice at once, and all sums have one order.
template <StorageScalar T>
void add_windows_backward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                          const HeadsView<T>& values, const HeadsView<float>& output_gradients,
                          const AttentionShape& shape, const AttentionOptions& options,
                          std::size_t window, BackwardConstants& constants,
                          AttentionGradients& out) {
  const WindowTiles tiles(shape, window, 1024);
  const std::size_t tile = tiles.tile, group = shape.group();
  const auto ceiling = [](std::size_t a, std::size_t b) { return a / b + (a % b != 0 ? 1 : 0); };
  const std::size_t earlier = (std::min)(ceiling(window - 1, tile), ceiling(shape.keys, tile));
  struct Work {
    BackwardWork backward;
    std::vector<std::uint32_t> limits;
  };
  const Pool<Work> pool;
  const auto make = [&] {
    return Work{{{options.simd, shape.dimension, shape.value_dimension,
                  static_cast<float>(options.softcap)},
                 {},
                 {},
                 {}},
                {}};
  };
  // The tile of `count` queries from `first` on, with the tokens of round t.
  const auto add_cell = [&](Work& work, std::size_t kv, std::size_t first, std::size_t count,
                            std::size_t round) {
    const std::size_t begin = tiles.position(first);
    const auto add = [&](std::size_t first_key, std::ptrdiff_t direction) {
      add_backward_rows(queries, keys, values, output_gradients, shape, kv, first, work.limits,
                        first_key, direction, constants, work.backward, out);
    };
    work.limits.resize(count * group);
    if (round == 0) {
      for (std::size_t r = 0; r < work.limits.size(); ++r)
        work.limits[r] = static_cast<std::uint32_t>(r / group + 1);
      return add(begin, 1);
    }
    const std::size_t back = (round - 1) * tile;  // between `begin` and the end of these tokens
    if (begin <= back || window - 1 <= back) return;
    const std::size_t there = (std::min)(tile, begin - back);
    for (std::size_t r = 0; r < work.limits.size(); ++r) {
      const std::size_t seen = window - 1 - r / group;  // of those before `begin`
      work.limits[r] = static_cast<std::uint32_t>(seen > back ? (std::min)(there, seen - back) : 0);
    }
    add(begin - back - 1, -1);
  };
  for (std::size_t round = 0; round <= earlier; ++round)
    parallel_for(shape.kv_heads * tiles.runs(), options.threads, [&](std::size_t unit) {
      const std::size_t kv = unit % shape.kv_heads, run = unit / shape.kv_heads;
      pool.borrow(make, [&](Work& work) {
        for (std::size_t i = run * tiles.run; i < tiles.run_end(run); i += tile)
          add_cell(work, kv, i, (std::min)(tile, tiles.run_end(run) - i), round);
      });
    });
}

/// Gradients from the tokens before the windows, all in double: to their values e^c / Z_i g_i of
/// each query i that has them there, by running sums from the last query back; and to c.
template <StorageScalar T>
void add_residual_backward(const HeadsView<T>& values, const HeadsView<float>& output_gradients,
                           const AttentionShape& shape, const AttentionOptions& options,
                           const SlidingWindowOptions& window, const AttentionOutput& forward,
                           BackwardConstants& constants, AttentionGradients& out) {
  const WindowTiles tiles(shape, window.window, 1024);
  const std::size_t group = shape.group(), dv = shape.value_dimension, runs = tiles.runs();
  const std::vector<double> value_sums = run_value_sums(values, tiles, options.threads);
  std::vector<double> tails(runs * shape.kv_heads * dv), slopes(runs * shape.kv_heads);
  const auto weight = [&](std::size_t i, std::size_t h) {
    return std::exp(window.residual_logit - forward.log_sum_exp(static_cast<Eigen::Index>(i),
                                                                static_cast<Eigen::Index>(h)));
  };
  const auto each_unit = [&](auto&& body) {
    parallel_for(runs * shape.kv_heads, options.threads, [&](std::size_t unit) {
      body(unit, unit % shape.kv_heads, unit / shape.kv_heads * tiles.run,
           tiles.run_end(unit / shape.kv_heads));
    });
  };
  each_unit([&](std::size_t unit, std::size_t kv, std::size_t begin, std::size_t end) {
    double* const tail = tails.data() + unit * dv;  // of this run alone, at first
    OutsideSum<T> sum(values, kv, tiles.outside(begin), value_sums.data() + unit * dv);
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t outside = tiles.outside(i);
      if (outside == 0) continue;
      const double* const u = sum.of(outside);
      for (std::size_t h = kv * group; h < (kv + 1) * group; ++h) {
        const double w = weight(i, h), mass = w * static_cast<double>(outside);
        const float* const g = output_gradients.row(i, h);
        const float* const o = forward.values.data() + (i * shape.heads + h) * dv;
        double slope = 0.0;  // <g, w U - mass o>
        for (std::size_t c = 0; c < dv; ++c) {
          const auto gradient = static_cast<double>(g[c]);
          tail[c] += w * gradient;
          slope += gradient * (w * u[c] - mass * static_cast<double>(o[c]));
        }
        slopes[unit] += slope;
        constants.masses[BackwardConstants::at(shape, i, h)] += mass;
      }
    }
  });
  for (std::size_t unit = tails.size() / dv; unit-- > shape.kv_heads;)  // unit - kv_heads: run - 1
    for (std::size_t c = 0; c < dv; ++c)
      tails[(unit - shape.kv_heads) * dv + c] += tails[unit * dv + c];
  const auto add = [&](std::size_t j, std::size_t kv, const double* sum) {
    float* const to = out.values.data() + (j * shape.kv_heads + kv) * dv;
    for (std::size_t c = 0; c < dv; ++c) to[c] += static_cast<float>(sum[c]);
  };
  // Token outside(i) - 1 is before the windows of query i and of all later ones, and of no earlier.
  each_unit([&](std::size_t unit, std::size_t kv, std::size_t begin, std::size_t end) {
    std::vector<double> sum(dv);
    if (unit + shape.kv_heads < runs * shape.kv_heads)
      std::copy_n(tails.data() + (unit + shape.kv_heads) * dv, dv, sum.data());
    for (std::size_t i = end; i-- > begin && tiles.outside(i) > 0;) {
      for (std::size_t h = kv * group; h < (kv + 1) * group; ++h) {
        const double w = weight(i, h);
        const float* const g = output_gradients.row(i, h);
        for (std::size_t c = 0; c < dv; ++c) sum[c] += w * static_cast<double>(g[c]);
      }
      add(tiles.outside(i) - 1, kv, sum.data());
    }
  });
  // Tokens that are before every window.
  if (const std::size_t always = tiles.outside(0); always > 1)
    parallel_for(always - 1, options.threads, [&](std::size_t j) {
      for (std::size_t kv = 0; kv < shape.kv_heads; ++kv) add(j, kv, tails.data() + kv * dv);
    });
  for (const double slope : slopes) out.residual_logit += slope;
}

}  // namespace lazygumbel::detail
