#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "lazygumbel/attention/exact/attention_gradients.hpp"
#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/detail/backward_blocks.hpp"
#include "lazygumbel/core/detail/pool.hpp"
#include "lazygumbel/core/parallel.hpp"

namespace lazygumbel {

namespace detail {

/// What the gradients need to know of each (query, head), in the order (kv head, query, head of the
/// group), so that the rows of a run of queries of one kv head lie together.
struct BackwardConstants {
  std::vector<float> shifts, factors, deltas;  // as in BackwardRows
  std::vector<double> masses;
  std::vector<std::uint32_t> limits;  ///< keys that the row sees

  static std::size_t at(const AttentionShape& shape, std::size_t i, std::size_t h) noexcept {
    const std::size_t group = shape.group();
    return (h / group * shape.queries + i) * group + h % group;
  }
};

/// Throws std::invalid_argument unless the outputs of the forward `name` and their gradients have
/// the shapes that the attention gives and are finite.
template <std::same_as<double> Real = double>
void require_backward(const AttentionShape& shape, const AttentionOutput& forward,
                      const HeadsView<float>& output_gradients,
                      const std::string& name = "forward") {
  const auto require = [](const std::string& what, std::size_t value, const char* of,
                          std::size_t wanted) {
    if (value != wanted)
      throw_invalid(what, value, "must equal " + std::string(of) + " = " + text_of(wanted));
  };
  require("output_gradients.tokens()", output_gradients.tokens(), "queries.tokens()",
          shape.queries);
  require("output_gradients.heads()", output_gradients.heads(), "queries.heads()", shape.heads);
  require("output_gradients.dimension()", output_gradients.dimension(), "values.dimension()",
          shape.value_dimension);
  require(name + ".values.rows()", static_cast<std::size_t>(forward.values.rows()),
          "queries.tokens()", shape.queries);
  require(name + ".values.cols()", static_cast<std::size_t>(forward.values.cols()),
          "queries.heads() * values.dimension()", shape.heads * shape.value_dimension);
  require(name + ".log_sum_exp.rows()", static_cast<std::size_t>(forward.log_sum_exp.rows()),
          "queries.tokens()", shape.queries);
  require(name + ".log_sum_exp.cols()", static_cast<std::size_t>(forward.log_sum_exp.cols()),
          "queries.heads()", shape.heads);
  require_finite("output_gradients", output_gradients);
  require_finite(name + ".values", HeadsView<float>(forward.values, shape.heads));
  for (Eigen::Index i = 0; i < forward.log_sum_exp.rows(); ++i)
    for (Eigen::Index h = 0; h < forward.log_sum_exp.cols(); ++h)
      if (!(forward.log_sum_exp(i, h) <= static_cast<double>((std::numeric_limits<float>::max)())))
        throw_invalid(name + ".log_sum_exp(" + text_of(i) + ", " + text_of(h) + ")",
                      forward.log_sum_exp(i, h), "must be finite or -infinity");
}

/// Shifts and factors from the forward's log_sum_exp, delta = <g, o>, and the gradient of the sink
/// logits, -sum_i e^(sink - log Z_i) delta_i.
template <std::same_as<double> Real = double>
BackwardConstants backward_constants(const AttentionShape& shape, const AttentionOptions& options,
                                     const AttentionOutput& forward,
                                     const HeadsView<float>& output_gradients,
                                     Vector<double>& sink_gradients) {
  const std::size_t rows = shape.queries * shape.heads, dv = shape.value_dimension;
  BackwardConstants constants{std::vector<float>(rows), std::vector<float>(rows),
                              std::vector<float>(rows), std::vector<double>(rows),
                              std::vector<std::uint32_t>(rows)};
  sink_gradients.setZero(static_cast<Eigen::Index>(options.sink_logits.size()));
  for (std::size_t i = 0; i < shape.queries; ++i)
    for (std::size_t h = 0; h < shape.heads; ++h) {
      const std::size_t r = BackwardConstants::at(shape, i, h);
      const double log_z =
          forward.log_sum_exp(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(h));
      if (log_z == -std::numeric_limits<double>::infinity()) continue;  // sees nothing: all 0
      const float* const g = output_gradients.row(i, h);
      const float* const o =
          forward.values.data() + static_cast<Eigen::Index>((i * shape.heads + h) * dv);
      double delta = 0.0;
      for (std::size_t c = 0; c < dv; ++c)
        delta += static_cast<double>(g[c]) * static_cast<double>(o[c]);
      constants.deltas[r] = static_cast<float>(delta);
      // What the float nearest to log Z is off by goes into the factor.
      constants.shifts[r] = static_cast<float>(log_z);
      constants.factors[r] =
          static_cast<float>(std::exp(static_cast<double>(constants.shifts[r]) - log_z));
      constants.limits[r] =
          static_cast<std::uint32_t>(options.mask.visible(i, shape.queries, shape.keys));
      if (!options.sink_logits.empty())
        sink_gradients[static_cast<Eigen::Index>(h)] -=
            std::exp(static_cast<double>(options.sink_logits[h]) - log_z) * delta;
    }
  return constants;
}

/// Work memory of one thread: rows of queries, padded, beside the blocks'.
struct BackwardWork {
  BackwardBlocks blocks;
  std::vector<float, CacheLineAllocator<float>> queries, gradients, query_gradients;
};

/// Gradients between the queries from `first_query` on and some tokens, of one kv head, added to
/// `out`: the tokens from `first_key` on (direction 1) or down from it (-1), of which row r, query
/// first_query + r / group, sees the first limits[r].
template <StorageScalar T>
void add_backward_rows(const HeadsView<float>& queries, const HeadsView<T>& keys,
                       const HeadsView<T>& values, const HeadsView<float>& output_gradients,
                       const AttentionShape& shape, std::size_t kv, std::size_t first_query,
                       const std::vector<std::uint32_t>& limits, std::size_t first_key,
                       std::ptrdiff_t direction, BackwardConstants& constants, BackwardWork& work,
                       AttentionGradients& out) {
  const std::size_t group = shape.group(), d = shape.dimension, dv = shape.value_dimension;
  const std::size_t width = work.blocks.query_width(), value_width = work.blocks.value_width();
  const std::size_t rows = limits.size();
  const std::size_t reach = *std::max_element(limits.begin(), limits.end());
  if (reach == 0) return;
  const std::size_t base = BackwardConstants::at(shape, first_query, kv * group);
  const auto scale = static_cast<float>(shape.scale);
  work.queries.assign(rows * width, 0.0F);
  work.gradients.assign(rows * value_width, 0.0F);
  work.query_gradients.assign(rows * width, 0.0F);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t i = first_query + r / group, h = kv * group + r % group;
    const float* const q = queries.row(i, h);
    for (std::size_t c = 0; c < d; ++c) work.queries[r * width + c] = scale * q[c];
    std::copy_n(output_gradients.row(i, h), dv, work.gradients.data() + r * value_width);
  }
  const auto at = static_cast<Eigen::Index>(first_key);
  work.blocks.add({.count = rows,
                   .queries = work.queries.data(),
                   .gradients = work.gradients.data(),
                   .shifts = constants.shifts.data() + base,
                   .factors = constants.factors.data() + base,
                   .deltas = constants.deltas.data() + base,
                   .query_gradients = work.query_gradients.data(),
                   .masses = constants.masses.data() + base},
                  limits.data(),
                  BackwardKeys<T>{.keys = keys.row(first_key, kv),
                                  .key_stride = direction * keys.token_stride(),
                                  .values = values.row(first_key, kv),
                                  .value_stride = direction * values.token_stride(),
                                  .count = reach,
                                  .key_gradients = out.keys.data() + at * out.keys.cols() +
                                                   static_cast<Eigen::Index>(kv * d),
                                  .key_gradient_stride = direction * out.keys.cols(),
                                  .value_gradients = out.values.data() + at * out.values.cols() +
                                                     static_cast<Eigen::Index>(kv * dv),
                                  .value_gradient_stride = direction * out.values.cols()});
  for (std::size_t r = 0; r < rows; ++r) {
    float* const to = out.queries.data() +
                      static_cast<Eigen::Index>(first_query + r / group) * out.queries.cols() +
                      static_cast<Eigen::Index>((kv * group + r % group) * d);
    for (std::size_t c = 0; c < d; ++c) to[c] += scale * work.query_gradients[r * width + c];
  }
}

/// Gradients between queries first_query .. end_query and keys first_key .. end_key of one kv head,
/// added to `out`.
template <StorageScalar T>
void add_backward_cell(const HeadsView<float>& queries, const HeadsView<T>& keys,
                       const HeadsView<T>& values, const HeadsView<float>& output_gradients,
                       const AttentionShape& shape, std::size_t kv, std::size_t first_query,
                       std::size_t end_query, std::size_t first_key, std::size_t end_key,
                       BackwardConstants& constants, BackwardWork& work, AttentionGradients& out) {
  constexpr std::size_t rows_together = 1536;  // share the packing of a block of keys
  const std::size_t group = shape.group();
  const std::size_t most = (std::max)(std::size_t{1}, rows_together / group);
  std::vector<std::uint32_t> limits;
  for (std::size_t first = first_query; first < end_query; first += most) {
    limits.resize((std::min)(most, end_query - first) * group);
    const std::size_t base = BackwardConstants::at(shape, first, kv * group);
    for (std::size_t r = 0; r < limits.size(); ++r) {
      const std::size_t limit =
          (std::min)(static_cast<std::size_t>(constants.limits[base + r]), end_key);
      limits[r] = static_cast<std::uint32_t>(limit > first_key ? limit - first_key : 0);
    }
    add_backward_rows(queries, keys, values, output_gradients, shape, kv, first, limits, first_key,
                      1, constants, work, out);
  }
}

/// All 0, in the shapes of one call.
template <std::same_as<float> Real = float>
void resize_gradients(const AttentionShape& shape, AttentionGradients& out) {
  const auto m = static_cast<Eigen::Index>(shape.queries),
             n = static_cast<Eigen::Index>(shape.keys);
  out.queries.setZero(m, static_cast<Eigen::Index>(shape.heads * shape.dimension));
  out.keys.setZero(n, static_cast<Eigen::Index>(shape.kv_heads * shape.dimension));
  out.values.setZero(n, static_cast<Eigen::Index>(shape.kv_heads * shape.value_dimension));
  out.residual_logit = 0.0;
  out.errors = {};
}

/// Throws std::invalid_argument when a gradient is not finite.
template <std::same_as<double> Real = double>
void require_finite_gradients(const AttentionGradients& out) {
  for (const RowMatrix<float>* gradient : {&out.queries, &out.keys, &out.values})
    for (Eigen::Index i = 0; i < gradient->size(); ++i)
      if (!std::isfinite(gradient->data()[i]))
        throw_invalid("output_gradients", gradient->data()[i], "gradients overflow");
}

/// Throws std::invalid_argument when weights of a query sum to more than 1, for then the forward
/// was another's, or when a gradient is not finite.
template <std::same_as<double> Real = double>
void require_gradients(const AttentionShape& shape, const AttentionOutput& forward,
                       const BackwardConstants& constants, const AttentionGradients& out) {
  for (std::size_t i = 0; i < shape.queries; ++i)
    for (std::size_t h = 0; h < shape.heads; ++h)
      if (const double mass = constants.masses[BackwardConstants::at(shape, i, h)]; !(mass <= 1.05))
        throw_invalid(
            "forward.log_sum_exp(" + text_of(i) + ", " + text_of(h) + ")",
            forward.log_sum_exp(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(h)),
            "is not of these queries, keys and options: weights sum to " + text_of(mass));
  require_finite_gradients(out);
}

}  // namespace detail

/// Gradients of a loss L through exact attention, given g = dL / d(output). With the weights
/// p_ij = e^(s_ij) / Z_i of the forward and delta_i = <g_i, o_i>,
///   dL/dv_j = sum_i p_ij g_i,  ds_ij = p_ij (<g_i, v_j> - delta_i) cap'(s_ij),
///   dL/dq_i = scale sum_j ds_ij k_j,  dL/dk_j = scale sum_i ds_ij q_i,
///   dL/dsink = -sum_i p_i,sink delta_i,
/// cap'(s) = 1 - (s / softcap)^2 at the capped score. A query that sees no key contributes nothing.
///
/// `forward`: what exact_attention returned for the same arguments (only values and log_sum_exp are
/// read), or the `merge` of its outputs over several sets of keys of which these are one: then
/// gradients of these keys, and their part of the queries' gradient; sink logits belong to one of
/// the calls. `output_gradients`: m x H rows of dv. Written to `out`, whose memory is reused.
///
/// Scores are computed again, in blocks, and never all there. Float sums over at most 1536 rows,
/// then over such runs; errors relative to the sum of the absolute terms are about 1e-6. The result
/// does not depend on the number of threads. O(m n (3 d + 2 dv)) products for each query head, no
/// memory that grows with m n. Thread-safe.
///
/// Throws std::invalid_argument on shapes that do not fit, options out of range, NaN or infinity in
/// what is read (keys and values: rows that some query sees), a forward under whose log_sum_exp the
/// weights of a query sum to more than 1.05, and gradients that overflow float.
/// Source: Dao, Fu, Ermon, Rudra, Re, "FlashAttention", NeurIPS 2022, Algorithm 4.
template <StorageScalar T>
void exact_attention_backward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                              const HeadsView<T>& values, const AttentionOptions& options,
                              const AttentionOutput& forward,
                              const HeadsView<float>& output_gradients, AttentionGradients& out) {
  constexpr std::size_t least = 512, most_parts = 16;  // rows and keys of a cell; cells a side
  const detail::AttentionShape shape = detail::require_attention(queries, keys, values, options);
  detail::require_backward(shape, forward, output_gradients);
  detail::require_finite("queries", queries);
  const std::size_t seen = detail::seen_keys(shape, options.mask);
  detail::require_finite("keys", keys.tokens(0, seen));
  detail::require_finite("values", values.tokens(0, seen));
  detail::resize_gradients(shape, out);
  detail::BackwardConstants constants =
      detail::backward_constants(shape, options, forward, output_gradients, out.sink_logits);
  // Queries and keys in P parts each. Cells that are worked on together share neither: round t
  // takes queries r with keys t - r (mod P), under a causal mask half of them whatever t. Nothing
  // is summed twice at once, and all sums have one order.
  const std::size_t parts =
      std::clamp((std::min)(shape.queries * shape.group(), shape.keys) / least, std::size_t{1},
                 (std::min)(most_parts, (std::max)(std::size_t{1}, shape.queries)));
  const detail::Pool<detail::BackwardWork> pool;
  for (std::size_t round = 0; round < parts; ++round)
    parallel_for(shape.kv_heads * parts, options.threads, [&](std::size_t unit) {
      const std::size_t kv = unit % shape.kv_heads, r = unit / shape.kv_heads,
                        c = (round + parts - r) % parts;
      const auto make = [&] {
        return detail::BackwardWork{{options.simd, shape.dimension, shape.value_dimension,
                                     static_cast<float>(options.softcap)},
                                    {},
                                    {},
                                    {}};
      };
      pool.borrow(make, [&](detail::BackwardWork& work) {
        detail::add_backward_cell(queries, keys, values, output_gradients, shape, kv,
                                  shape.queries * r / parts, shape.queries * (r + 1) / parts,
                                  shape.keys * c / parts, shape.keys * (c + 1) / parts, constants,
                                  work, out);
      });
    });
  detail::require_gradients(shape, forward, constants, out);
}

/// Gradients with dO given as one matrix, m x (H dv).
template <StorageScalar T>
void exact_attention_backward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                              const HeadsView<T>& values, const AttentionOptions& options,
                              const AttentionOutput& forward,
                              const RowMatrix<float>& output_gradients, AttentionGradients& out) {
  exact_attention_backward(queries, keys, values, options, forward,
                           HeadsView<float>(output_gradients, queries.heads()), out);
}

}  // namespace lazygumbel
