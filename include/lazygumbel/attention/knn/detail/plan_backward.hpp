#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "lazygumbel/attention/exact/exact_attention_backward.hpp"
#include "lazygumbel/attention/knn/attention_tape.hpp"
#include "lazygumbel/attention/knn/detail/draw_influence.hpp"
#include "lazygumbel/core/detail/later.hpp"

namespace lazygumbel::detail {

/// What some queries of one kv head add to the gradients of its keys and values, and the variances
/// of what was drawn: sums of squares over all entries.
template <std::same_as<float> Real>
struct KeyGradientSums {
  std::size_t count = 0;  ///< of the first keys, beyond which nothing is added
  std::vector<Real, CacheLineAllocator<Real>> keys, values;
  double query_variance = 0.0, key_variance = 0.0, value_variance = 0.0;
  Influence influence;  ///< of the draws of a few queries, where it is more than the variance says

  void start(std::size_t count_, std::size_t d, std::size_t dv) {
    count = count_;
    keys.assign(count * d, 0.0F);
    values.assign(count * dv, 0.0F);
    query_variance = key_variance = value_variance = 0.0;
    influence = {};
  }
  void add_variances(const KeyGradientSums& other) {
    query_variance += other.query_variance;
    key_variance += other.key_variance;
    value_variance += other.value_variance;
    influence.plain += other.influence.plain;
    influence.full += other.influence.full;
  }
  /// The variance of self-normalised gradients: the ratio found for a few queries holds for all.
  double whole_query_variance() const {
    return influence.plain > 0.0 ? query_variance * (influence.full / influence.plain)
                                 : query_variance;
  }
};

/// What the gradients of one sampled forward pass share. Each segment writes the masses of its own
/// rows alone.
template <StorageScalar T>
struct PlanBackwardProblem {
  HeadsView<float> queries;
  HeadsView<T> keys, values;
  HeadsView<float> output_gradients;
  const AttentionShape* shape;
  const AttentionOptions* options;
  const AttentionTape* tape;
  const AttentionOutput* forward;  ///< that weights and deltas are by: the tape's or an exact one
  BackwardConstants* constants;    ///< of `forward`
};

/// Gradients of one segment of a plan, block by block: with W_rj = 1 or, for a draw, N / l,
///   p_rj = W_rj e^(s_rj) / Z_r,  ds_rj = p_rj (<g_r, v_j> - delta_r) cap'(s_rj).
/// Queries' gradients are summed over k_j - c, c the mean of the keys that the first query sees:
/// rows of ds sum to delta_r p_r,sink, which makes it a control variate where ds is only unbiased,
/// and what is left out is put back. (Under a cap the sum is not known, and c is 0.)
///
/// The variances are those of sums over draws that are independent, each from its own stretch of
/// N / l keys of the tail, with the sums x_j over rows that share the draw:
///   sum_j |x_j|^2 (1 - l / N),  x_j = sum_r p_rj g_r or sum_r ds_rj q_r,
/// and for each row sum_j |x_j|^2 - |sum_j x_j|^2 / l, x_j = ds_rj (k_j - c). Draws of one key are
/// rare enough to be taken for different ones. (Self-normalised gradients: draw_influence.) Work
/// memory, to be reused; one thread.
template <StorageScalar T>
class PlanBackward {
  using Real = Later<float, T>;

 public:
  explicit PlanBackward(const PlanBackwardProblem<T>& problem)
      : problem_(&problem),
        group_(problem.shape->group()),
        d_(problem.shape->dimension),
        dv_(problem.shape->value_dimension),
        blocks_(problem.options->simd, d_, dv_, static_cast<float>(problem.options->softcap)),
        width_(blocks_.query_width()),
        value_width_(blocks_.value_width()),
        keys_(key_run * d_),
        values_(key_run * dv_),
        key_sums_(key_run * d_),
        value_sums_(key_run * dv_),
        squares_(key_run) {}

  /// Writes the segment's rows of out.queries; what it gives the keys goes to `sums`.
  void run(const PlanSegment& segment, KeyGradientSums<Real>& sums, AttentionGradients& out) {
    segment_ = &segment;
    sums_ = &sums;
    start();
    for (const PlanBlock& block : segment.blocks)
      if (!block.rows.empty() && !block.keys.empty()) add(block);
    if (self_normalised()) probe();
    finish(out);
  }

 private:
  static constexpr std::size_t key_run = 256, rows_together = 1536;

  /// Rows of queries and all that goes with them; of the segment or gathered for a block.
  struct Rows {
    std::vector<float, CacheLineAllocator<float>> queries, gradients, sums;
    std::vector<float> shifts, factors, deltas;
    std::vector<double> masses, squares;

    void start(std::size_t rows, std::size_t width, std::size_t value_width) {
      queries.resize(rows * width);
      gradients.resize(rows * value_width);
      sums.assign(rows * width, 0.0F);
      for (auto* each : {&shifts, &factors, &deltas}) each->resize(rows);
      for (auto* each : {&masses, &squares}) each->assign(rows, 0.0);
    }
  };

  bool self_normalised() const { return problem_->forward == &problem_->tape->output; }

  std::size_t query_of(std::size_t r) const {
    return problem_->tape->order[segment_->first + r / group_];
  }
  std::size_t head_of(std::size_t r) const { return segment_->kv_head * group_ + r % group_; }

  void start() {
    const auto scale = static_cast<float>(problem_->shape->scale);
    const std::size_t rows = segment_->queries * group_;
    all_.start(rows, width_, value_width_);
    std::fill(all_.queries.begin(), all_.queries.end(), 0.0F);
    std::fill(all_.gradients.begin(), all_.gradients.end(), 0.0F);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t at = BackwardConstants::at(*problem_->shape, query_of(r), head_of(r));
      all_.shifts[r] = problem_->constants->shifts[at];
      all_.factors[r] = problem_->constants->factors[at];
      all_.deltas[r] = problem_->constants->deltas[at];
      const float* const q = problem_->queries.row(query_of(r), head_of(r));
      for (std::size_t c = 0; c < d_; ++c) all_.queries[r * width_ + c] = scale * q[c];
      std::copy_n(problem_->output_gradients.row(query_of(r), head_of(r)), dv_,
                  all_.gradients.data() + r * value_width_);
    }
    draws_.assign(rows, 0);
    std::size_t reach = 0;
    for (const PlanBlock& block : segment_->blocks) {
      for (const item_id key : block.keys) reach = (std::max)(reach, std::size_t{key} + 1);
      if (!block.sampled) continue;
      for (const std::uint32_t r : block.rows) draws_[r] += block.keys.size();
    }
    sums_->start(reach, d_, dv_);
    const std::size_t seen =
        segment_->queries == 0 ? 0
                               : problem_->options->mask.visible(
                                     query_of(0), problem_->shape->queries, problem_->shape->keys);
    center_.assign(d_, 0.0F);
    Eigen::Map<Eigen::RowVectorX<Real>> center(center_.data(), static_cast<Eigen::Index>(d_));
    for (std::size_t j = 0; j < seen; ++j)
      center += problem_->keys.head(segment_->kv_head)
                    .row(static_cast<Eigen::Index>(j))
                    .template cast<float>();
    center /= (std::max)(1.0F, static_cast<float>(seen));
    centered_ = !(problem_->options->softcap > 0.0);
  }

  void add(const PlanBlock& block) {
    const std::size_t rows = block.rows.size();
    gather_rows(block);
    for (std::size_t first = 0; first < block.keys.size(); first += key_run) {
      const std::size_t count = (std::min)(key_run, block.keys.size() - first);
      gather_keys(block.keys.data() + first, count, block.sampled);
      if (!block.limits.empty())
        for (std::size_t r = 0; r < rows; ++r)
          limits_[r] =
              block.limits[r] > first ? block.limits[r] - static_cast<std::uint32_t>(first) : 0;
      for (std::size_t row = 0; row < rows; row += rows_together)
        blocks_.add(part(row, (std::min)(rows_together, rows - row)),
                    block.limits.empty() ? nullptr : limits_.data() + row,
                    BackwardKeys<T>{.keys = keys_.data(),
                                    .key_stride = static_cast<std::ptrdiff_t>(d_),
                                    .values = values_.data(),
                                    .value_stride = static_cast<std::ptrdiff_t>(dv_),
                                    .count = count,
                                    .key_gradients = key_sums_.data(),
                                    .key_gradient_stride = static_cast<std::ptrdiff_t>(d_),
                                    .value_gradients = value_sums_.data(),
                                    .value_gradient_stride = static_cast<std::ptrdiff_t>(dv_),
                                    .center = centered_ ? center_.data() : nullptr,
                                    .squares = block.sampled ? squares_.data() : nullptr,
                                    .excluded = block.excluded,
                                    .first = first});
      if (block.sampled) {
        sums_->key_variance += left(block) * square_sum(key_sums_.data(), count * d_);
        sums_->value_variance += left(block) * square_sum(value_sums_.data(), count * dv_);
      }
      scatter_keys(block.keys.data() + first, count);
    }
    scatter_rows(block);
  }

  BackwardRows part(std::size_t row, std::size_t count) {
    return {.count = count,
            .queries = some_.queries.data() + row * width_,
            .gradients = some_.gradients.data() + row * value_width_,
            .shifts = some_.shifts.data() + row,
            .factors = some_.factors.data() + row,
            .deltas = some_.deltas.data() + row,
            .query_gradients = some_.sums.data() + row * width_,
            .masses = some_.masses.data() + row,
            .squares = some_.squares.data() + row,
            .first = row};
  }

  /// 1 - l / N of a sampled block: what a draw from each of l stretches leaves of the variance of
  /// as many from all of the tail.
  double left(const PlanBlock& block) const {
    const std::size_t r = block.rows.front();
    const double tail =
        std::exp(static_cast<double>(segment_->log_weights[r])) * static_cast<double>(draws_[r]);
    return (std::max)(0.0, 1.0 - static_cast<double>(block.keys.size()) / tail);
  }

  void gather_rows(const PlanBlock& block) {
    some_.start(block.rows.size(), width_, value_width_);
    limits_.resize(block.rows.size());
    for (std::size_t r = 0; r < block.rows.size(); ++r) {
      const std::size_t from = block.rows[r];
      std::copy_n(all_.queries.data() + from * width_, width_, some_.queries.data() + r * width_);
      std::copy_n(all_.gradients.data() + from * value_width_, value_width_,
                  some_.gradients.data() + r * value_width_);
      some_.shifts[r] = all_.shifts[from];
      some_.deltas[r] = all_.deltas[from];
      some_.factors[r] = all_.factors[from];
      if (block.sampled) some_.factors[r] *= std::exp(segment_->log_weights[from]);
    }
  }

  void gather_keys(const item_id* ids, std::size_t count, bool sampled) {
    constexpr std::size_t ahead = 8;
    const std::size_t kv = segment_->kv_head;
    for (std::size_t j = 0; j < count; ++j) {
      if (j + ahead < count) {
        prefetch(problem_->keys.row(ids[j + ahead], kv), d_);
        prefetch(problem_->values.row(ids[j + ahead], kv), dv_);
      }
      std::copy_n(problem_->keys.row(ids[j], kv), d_, keys_.data() + j * d_);
      std::copy_n(problem_->values.row(ids[j], kv), dv_, values_.data() + j * dv_);
    }
    std::fill_n(key_sums_.data(), count * d_, 0.0F);
    std::fill_n(value_sums_.data(), count * dv_, 0.0F);
    if (!sampled) return;
    const Eigen::Map<const Eigen::RowVectorX<Real>> center(center_.data(),
                                                           static_cast<Eigen::Index>(d_));
    // The unbiased gradient under a cap has no control variate.
    const bool plain = !centered_ && !self_normalised();
    for (std::size_t j = 0; j < count; ++j) {
      const Eigen::Map<const Eigen::Matrix<T, 1, Eigen::Dynamic>> key(
          keys_.data() + j * d_, static_cast<Eigen::Index>(d_));
      squares_[j] = plain ? key.template cast<float>().squaredNorm()
                          : (key.template cast<float>() - center).squaredNorm();
    }
  }

  static void prefetch(const T* row, std::size_t length) {
    for (std::size_t j = 0; j < length; j += 64 / sizeof(T)) LAZYGUMBEL_PREFETCH(row + j);
  }

  static void add_row(const float* from, std::size_t length, float* to) {
    const auto n = static_cast<Eigen::Index>(length);
    Eigen::Map<Eigen::ArrayX<Real>>(to, n) += Eigen::Map<const Eigen::ArrayX<Real>>(from, n);
  }

  void scatter_keys(const item_id* ids, std::size_t count) {
    for (std::size_t j = 0; j < count; ++j) {
      add_row(key_sums_.data() + j * d_, d_, sums_->keys.data() + std::size_t{ids[j]} * d_);
      add_row(value_sums_.data() + j * dv_, dv_, sums_->values.data() + std::size_t{ids[j]} * dv_);
    }
  }

  void scatter_rows(const PlanBlock& block) {
    const double scale = problem_->shape->scale;
    const auto l = static_cast<double>(block.keys.size());
    double variance = 0.0;
    for (std::size_t r = 0; r < block.rows.size(); ++r) {
      const std::size_t to = block.rows[r];
      const float* const sum = some_.sums.data() + r * width_;
      add_row(sum, width_, all_.sums.data() + to * width_);
      all_.masses[to] += some_.masses[r];
      if (block.sampled && l > 1.0)
        variance +=
            (std::max)(0.0, some_.squares[r] - (centered_ ? square_sum(sum, width_) / l : 0.0));
    }
    if (block.sampled && l > 1.0)
      sums_->query_variance += scale * scale * left(block) * l / (l - 1.0) * variance;
  }

  /// The influence of the draws of some rows, about 64 in all segments.
  void probe() {
    const std::size_t probes = (std::max)(std::size_t{2}, 64 / problem_->tape->segments.size());
    std::vector<std::uint32_t> rows;
    for (std::uint32_t r = 0; r < draws_.size(); ++r)
      if (draws_[r] > 1) rows.push_back(r);
    for (std::size_t i = 0; i < (std::min)(probes, rows.size()); ++i) {
      const std::uint32_t r =
          rows[(2 * i + 1) * rows.size() / (2 * (std::min)(probes, rows.size()))];
      const Influence found = draw_influence(
          *segment_,
          {.row = r,
           .query = all_.queries.data() + r * width_,
           .gradient = all_.gradients.data() + r * value_width_,
           .log_z = problem_->forward->log_sum_exp(static_cast<Eigen::Index>(query_of(r)),
                                                   static_cast<Eigen::Index>(head_of(r))),
           .delta = static_cast<double>(all_.deltas[r]),
           .softcap = problem_->options->softcap,
           .center = center_.data(),
           .centered = centered_},
          problem_->keys.head(segment_->kv_head), problem_->values.head(segment_->kv_head));
      sums_->influence.plain += found.plain;
      sums_->influence.full += found.full;
    }
  }

  void finish(AttentionGradients& out) {
    const auto& sinks = problem_->options->sink_logits;
    const auto scale = static_cast<float>(problem_->shape->scale);
    for (std::size_t r = 0; r < all_.masses.size(); ++r) {
      const std::size_t query = query_of(r), head = head_of(r);
      const std::size_t at = BackwardConstants::at(*problem_->shape, query, head);
      problem_->constants->masses[at] = all_.masses[r];
      float rest = 0.0F;  // what the scores' gradients sum to
      const double log_z = problem_->forward->log_sum_exp(static_cast<Eigen::Index>(query),
                                                          static_cast<Eigen::Index>(head));
      if (centered_ && !sinks.empty() && log_z > -std::numeric_limits<double>::infinity())
        rest =
            all_.deltas[r] * static_cast<float>(std::exp(static_cast<double>(sinks[head]) - log_z));
      float* const to = out.queries.data() + static_cast<Eigen::Index>(query) * out.queries.cols() +
                        static_cast<Eigen::Index>(head * d_);
      for (std::size_t c = 0; c < d_; ++c)
        to[c] = scale * (all_.sums[r * width_ + c] + rest * center_[c]);
    }
  }

  const PlanBackwardProblem<T>* problem_;
  std::size_t group_, d_, dv_;
  BackwardBlocks blocks_;
  std::size_t width_, value_width_;
  const PlanSegment* segment_ = nullptr;
  KeyGradientSums<Real>* sums_ = nullptr;
  Rows all_, some_;
  std::vector<T, CacheLineAllocator<T>> keys_, values_;
  std::vector<float, CacheLineAllocator<float>> key_sums_, value_sums_;
  std::vector<float> squares_, center_;
  std::vector<std::uint32_t> limits_;
  std::vector<std::size_t> draws_;
  bool centered_ = true;
};

}  // namespace lazygumbel::detail
