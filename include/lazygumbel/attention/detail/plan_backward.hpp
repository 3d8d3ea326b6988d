#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lazygumbel/attention/attention_tape.hpp"
#include "lazygumbel/attention/exact_backward.hpp"

/// \file
/// Gradients of sampled attention from the plan of its forward pass.

namespace lazygumbel::detail {

/// Runs the blocks of one segment of a plan backward. Work memory, to be reused; one thread.
template <StorageScalar T>
class SegmentBackward {
 public:
  SegmentBackward(Simd simd, const AttentionShape& shape, float softcap)
      : shape_(&shape), blocks_(simd, shape.dimension, shape.value_dimension, softcap) {}

  /// Adds the gradients of the segment's queries to `query_gradients` (m x (H d)), those of keys
  /// and values of its kv head to rows of d and dv floats at `key_gradients`, `value_gradients`.
  /// Returns what the errors of all three are estimated from, squared.
  DrawSquares run(const PlanSegment& segment, const std::vector<std::uint32_t>& order,
                  const HeadsView<float>& queries, const HeadsView<T>& keys,
                  const HeadsView<T>& values, const HeadsView<float>& output_gradients,
                  const BackwardConstants& constants, RowMatrix<float>& query_gradients,
                  float* key_gradients, std::ptrdiff_t key_stride, float* value_gradients,
                  std::ptrdiff_t value_stride) {
    const std::size_t group = shape_->group(), d = shape_->dimension;
    const std::size_t width = blocks_.query_width(), value_width = blocks_.value_width();
    const auto scale = static_cast<float>(shape_->scale);
    const std::size_t kv = segment.kv_head;
    DrawSquares squares;
    for (const PlanBlock& block : segment.blocks) {
      const std::size_t rows = block.rows.size();
      queries_.assign(rows * width, 0.0F);
      gradients_.assign(rows * value_width, 0.0F);
      sums_.assign(rows * width, 0.0F);
      shifts_.resize(rows);
      factors_.resize(rows);
      deltas_.resize(rows);
      masses_.assign(rows, 0.0);
      const auto query = [&](std::size_t r) -> std::size_t {
        return order[segment.first + block.rows[r] / group];
      };
      const auto head = [&](std::size_t r) { return kv * group + block.rows[r] % group; };
      for (std::size_t r = 0; r < rows; ++r) {
        const float* const q = queries.row(query(r), head(r));
        for (std::size_t c = 0; c < d; ++c) queries_[r * width + c] = scale * q[c];
        std::copy_n(output_gradients.row(query(r), head(r)), shape_->value_dimension,
                    gradients_.data() + r * value_width);
        const std::size_t at = BackwardConstants::at(*shape_, query(r), head(r));
        shifts_[r] = constants.shifts[at];
        deltas_[r] = constants.deltas[at];
        factors_[r] = constants.factors[at];
        if (block.sampled) factors_[r] *= std::exp(segment.log_weights[block.rows[r]]);
      }
      blocks_.add({.count = rows,
                   .queries = queries_.data(),
                   .gradients = gradients_.data(),
                   .shifts = shifts_.data(),
                   .factors = factors_.data(),
                   .deltas = deltas_.data(),
                   .query_gradients = sums_.data(),
                   .masses = masses_.data()},
                  block.limits.empty() ? nullptr : block.limits.data(),
                  BackwardKeys<T>{.keys = keys.row(0, kv),
                                  .key_stride = keys.token_stride(),
                                  .values = values.row(0, kv),
                                  .value_stride = values.token_stride(),
                                  .count = block.keys.size(),
                                  .ids = block.keys.data(),
                                  .key_gradients = key_gradients,
                                  .key_gradient_stride = key_stride,
                                  .value_gradients = value_gradients,
                                  .value_gradient_stride = value_stride,
                                  .squares = block.sampled ? &squares : nullptr},
                  block.excluded);
      for (std::size_t r = 0; r < rows; ++r) {
        float* const to = query_gradients.data() +
                          static_cast<Eigen::Index>(query(r)) * query_gradients.cols() +
                          static_cast<Eigen::Index>(head(r) * d);
        for (std::size_t c = 0; c < d; ++c) to[c] += scale * sums_[r * width + c];
      }
    }
    squares.queries *= shape_->scale * shape_->scale;
    return squares;
  }

 private:
  const AttentionShape* shape_;
  BackwardBlocks blocks_;
  std::vector<float, CacheLineAllocator<float>> queries_, gradients_, sums_;
  std::vector<float> shifts_, factors_, deltas_;
  std::vector<double> masses_;
};

/// Gradients of the sampled forward pass that left `tape`, at its keys and draws: with the weights
/// p^_ij = W_ij e^(s_ij) / Z^_i of the keys in the plan (W = 1, of draws tail size / draws), as
/// exact_attention_backward has them. As estimates of the exact gradients they err by O(1 / l) in
/// the mean and by a standard deviation that `out.errors` estimates: a key's gradients gather
/// independent draws t, each with all that it gives the rows that share it, so that
///   E |dV^ - dV|^2 ~ sum_t |sum_i p^_it g_i|^2,  E |dK^ - dK|^2 ~ sum_t |sum_i ds^_it q_i|^2,
///   E |dQ^ - dQ|^2 ~ sum_t sum_i |ds^_it k_t|^2 (times scale^2).
/// Inputs are taken as checked. Deterministic for any number of threads.
template <StorageScalar T>
void plan_backward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                   const HeadsView<T>& values, const AttentionOptions& options,
                   const AttentionShape& shape, const AttentionTape& tape,
                   const HeadsView<float>& output_gradients, AttentionGradients& out) {
  resize_gradients(shape, out);
  const BackwardConstants constants =
      backward_constants(shape, options, tape.output, output_gradients, out.sink_logits);
  // Segments of a kv head in parts with sums of their own, the first in `out`.
  std::vector<std::vector<const PlanSegment*>> segments(shape.kv_heads);
  for (const PlanSegment& segment : tape.segments) segments[segment.kv_head].push_back(&segment);
  const std::size_t parts = std::clamp(std::size_t{8} / shape.kv_heads, std::size_t{1},
                                       (std::max)(std::size_t{1}, segments.front().size()));
  const std::size_t d = shape.dimension, dv = shape.value_dimension;
  std::vector<RowMatrix<float>> key_sums(shape.kv_heads * parts), value_sums(key_sums.size());
  std::vector<DrawSquares> squares(key_sums.size());
  parallel_for(key_sums.size(), options.threads, [&](std::size_t unit) {
    const std::size_t kv = unit / parts, part = unit % parts;
    float* key_gradients = out.keys.data() + kv * d;
    float* value_gradients = out.values.data() + kv * dv;
    std::ptrdiff_t key_stride = out.keys.cols(), value_stride = out.values.cols();
    if (part > 0) {
      key_sums[unit].setZero(out.keys.rows(), static_cast<Eigen::Index>(d));
      value_sums[unit].setZero(out.values.rows(), static_cast<Eigen::Index>(dv));
      key_gradients = key_sums[unit].data();
      value_gradients = value_sums[unit].data();
      key_stride = key_sums[unit].cols();
      value_stride = value_sums[unit].cols();
    }
    SegmentBackward<T> backward(options.simd, shape, static_cast<float>(options.softcap));
    for (std::size_t s = part; s < segments[kv].size(); s += parts) {
      const DrawSquares some = backward.run(*segments[kv][s], tape.order, queries, keys, values,
                                            output_gradients, constants, out.queries, key_gradients,
                                            key_stride, value_gradients, value_stride);
      squares[unit].queries += some.queries;
      squares[unit].keys += some.keys;
      squares[unit].values += some.values;
    }
  });
  DrawSquares total;
  for (std::size_t unit = 0; unit < key_sums.size(); ++unit) {
    total.queries += squares[unit].queries;
    total.keys += squares[unit].keys;
    total.values += squares[unit].values;
    if (unit % parts == 0) continue;
    const auto kv = static_cast<Eigen::Index>(unit / parts);
    out.keys.middleCols(kv * key_sums[unit].cols(), key_sums[unit].cols()) += key_sums[unit];
    out.values.middleCols(kv * value_sums[unit].cols(), value_sums[unit].cols()) +=
        value_sums[unit];
  }
  require_finite_gradients(out);
  const auto relative = [](double square, const RowMatrix<float>& gradient) {
    return square > 0.0 ? std::sqrt(square) / gradient.cast<double>().norm() : 0.0;
  };
  out.errors = {.queries = relative(total.queries, out.queries),
                .keys = relative(total.keys, out.keys),
                .values = relative(total.values, out.values)};
}

}  // namespace lazygumbel::detail
