#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lazygumbel/attention/knn/detail/plan_backward.hpp"
#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/detail/pool.hpp"
#include "lazygumbel/core/parallel.hpp"

namespace lazygumbel::detail {

/// Throws std::invalid_argument unless the tape is of an attention of that shape.
template <std::same_as<float> Real = float>
void require_tape(const AttentionShape& shape, const AttentionTape& tape) {
  if (tape.keys != shape.keys)
    throw_invalid("tape.keys", tape.keys, "must equal keys.tokens() = " + text_of(shape.keys));
  if (tape.order.size() != shape.queries)
    throw_invalid("tape.order.size()", tape.order.size(),
                  "must equal queries.tokens() = " + text_of(shape.queries));
  const auto require = [](bool holds, std::size_t segment, const char* requirement) {
    if (!holds) throw_invalid("tape.segments", segment, requirement);
  };
  std::vector<bool> ordered(shape.queries), met(shape.queries * shape.kv_heads);
  for (const std::uint32_t query : tape.order) {
    if (query >= shape.queries || ordered[query])
      throw_invalid("tape.order", query, "must name every query once");
    ordered[query] = true;
  }
  for (std::size_t s = 0; s < tape.segments.size(); ++s) {
    const PlanSegment& segment = tape.segments[s];
    require(segment.kv_head < shape.kv_heads, s, "the segment's kv head does not exist");
    require(segment.queries <= shape.queries && segment.first <= shape.queries - segment.queries, s,
            "the segment has queries that do not exist");
    const std::size_t rows = segment.queries * shape.group();
    require(segment.log_weights.size() == rows, s, "the segment's rows are not its queries' heads");
    for (std::size_t p = segment.first; p < segment.first + segment.queries; ++p) {
      require(!met[segment.kv_head * shape.queries + p], s, "the segment repeats a query");
      met[segment.kv_head * shape.queries + p] = true;
    }
    for (const PlanBlock& block : segment.blocks) {
      for (std::size_t r = 0; r < block.rows.size(); ++r)
        require(block.rows[r] < rows && (r == 0 || block.rows[r] > block.rows[r - 1]), s,
                "the segment has a block of other rows");
      for (const item_id key : block.keys)
        require(key < shape.keys, s, "the segment has a block of keys that do not exist");
      require(block.limits.empty() || block.limits.size() == block.rows.size(), s,
              "the segment has a block of other limits");
      for (const PlanBlock::Range& range : block.excluded)
        require(range.row < block.rows.size() && range.end <= block.keys.size(), s,
                "the segment has a block of other ranges");
    }
  }
  if (const auto missed = std::find(met.begin(), met.end(), false); missed != met.end())
    throw_invalid("tape.segments", tape.segments.size(), "do not cover all queries");
}

/// Throws std::invalid_argument when weights of a query and its sink do not sum to 1 under the
/// tape's log Z^: then it is another's.
template <std::same_as<float> Real = float>
void require_masses(const AttentionShape& shape, const AttentionOptions& options,
                    const AttentionTape& tape, const AttentionOutput& forward,
                    const BackwardConstants& constants) {
  for (std::size_t i = 0; i < shape.queries; ++i)
    for (std::size_t h = 0; h < shape.heads; ++h) {
      const auto row = static_cast<Eigen::Index>(i), column = static_cast<Eigen::Index>(h);
      const double log_z = tape.output.log_sum_exp(row, column);
      double mass = constants.masses[BackwardConstants::at(shape, i, h)];
      if (log_z == -std::numeric_limits<double>::infinity() && mass == 0.0) continue;
      mass *= std::exp(forward.log_sum_exp(row, column) - log_z);
      if (!options.sink_logits.empty())
        mass += std::exp(static_cast<double>(options.sink_logits[h]) - log_z);
      if (!(std::fabs(mass - 1.0) <= 0.05))
        throw_invalid("tape.output.log_sum_exp(" + text_of(i) + ", " + text_of(h) + ")", log_z,
                      "is not of these queries, keys and options: weights sum to " + text_of(mass));
    }
}

/// Sums that come in any order and are added up in one: as soon as all before them have come. Few
/// wait at a time when those that take longest start first.
template <std::same_as<float> Real = float>
class OrderedSums {
 public:
  explicit OrderedSums(std::size_t count) : waiting_(count) {}

  std::unique_ptr<KeyGradientSums<Real>> take() {
    const std::lock_guard lock(guard_);
    if (idle_.empty()) return std::make_unique<KeyGradientSums<Real>>();
    std::unique_ptr<KeyGradientSums<Real>> sums = std::move(idle_.back());
    idle_.pop_back();
    return sums;
  }

  /// Calls add(sums) for this turn and those after it that waited for it, or leaves it waiting.
  template <class Add>
  void give(std::size_t turn, std::unique_ptr<KeyGradientSums<Real>> sums, Add&& add) {
    const std::lock_guard lock(guard_);
    waiting_[turn] = std::move(sums);
    for (; next_ < waiting_.size() && waiting_[next_] != nullptr; ++next_) {
      add(*waiting_[next_]);
      idle_.push_back(std::move(waiting_[next_]));
    }
  }

 private:
  std::mutex guard_;
  std::vector<std::unique_ptr<KeyGradientSums<Real>>> waiting_, idle_;
  std::size_t next_ = 0;
};

/// |g^ - g| / |g^| from the variance of g^.
inline double gradient_error(double variance, const RowMatrix<float>& gradient) {
  if (!(variance > 0.0)) return 0.0;
  return std::sqrt(variance /
                   square_sum(gradient.data(), static_cast<std::size_t>(gradient.size())));
}

/// The largest share of a row's weight that no draw met, as the forward pass bounds it; nothing
/// where it was a fixed budget.
inline std::optional<double> unseen_share(const AttentionTape& tape) {
  std::optional<double> most;
  for (const PlanSegment& segment : tape.segments)
    for (const float share : segment.unseen)
      most = (std::max)(most.value_or(0.0), static_cast<double>(share));
  return most;
}

/// Whether any key was drawn, not met with certainty.
inline bool has_draws(const AttentionTape& tape) {
  for (const PlanSegment& segment : tape.segments)
    for (const PlanBlock& block : segment.blocks)
      if (block.sampled) return true;
  return false;
}

/// What an error estimated from the draws becomes under an accuracy: at the upper end of where the
/// norm of a Gaussian vector of sixteen equal directions lies in nine of ten cases, and with what
/// no draw met.
inline double upper_gradient_error(double error, double unseen) {
  constexpr double upper = 1.21;
  return error == 0.0 ? 0.0 : upper * error + unseen;
}

/// The gradients of a sampled forward pass from its tape. With `exact`, weights and deltas are by
/// that forward.
template <StorageScalar T>
AttentionGradients sampled_backward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                                    const HeadsView<T>& values, const AttentionOptions& options,
                                    const AttentionShape& shape, const AttentionTape& tape,
                                    const HeadsView<float>& output_gradients,
                                    const AttentionOutput* exact) {
  using Real = Later<float, T>;
  const AttentionOutput& forward = exact != nullptr ? *exact : tape.output;
  AttentionGradients out;
  const std::size_t d = shape.dimension, dv = shape.value_dimension;
  resize_gradients(shape, out);
  BackwardConstants constants =
      backward_constants(shape, options, forward, output_gradients, out.sink_logits);
  const PlanBackwardProblem<T> problem{queries,  keys,  values,   output_gradients, &shape,
                                       &options, &tape, &forward, &constants};
  struct Unit {
    const PlanSegment* segment;
    std::size_t pairs, turn;
  };
  std::vector<Unit> units;
  for (const PlanSegment& segment : tape.segments) {
    if (shape.queries == 0) break;  // and the tape was not written
    std::size_t pairs = 0;
    for (const PlanBlock& block : segment.blocks) pairs += block.rows.size() * block.keys.size();
    units.push_back({&segment, pairs, 0});
  }
  std::stable_sort(units.begin(), units.end(),
                   [](const Unit& a, const Unit& b) { return a.pairs > b.pairs; });
  std::vector<std::size_t> turns(shape.kv_heads);
  for (Unit& unit : units) unit.turn = turns[unit.segment->kv_head]++;
  std::vector<std::unique_ptr<OrderedSums<Real>>> heads;
  for (const std::size_t count : turns) heads.push_back(std::make_unique<OrderedSums<Real>>(count));
  std::vector<KeyGradientSums<Real>> totals(shape.kv_heads);  // variances alone
  const Pool<PlanBackward<T>> pool;
  parallel_for(units.size(), options.threads, [&](std::size_t u) {
    const Unit& unit = units[u];
    const std::size_t kv = unit.segment->kv_head;
    std::unique_ptr<KeyGradientSums<Real>> sums = heads[kv]->take();
    pool.borrow([&] { return PlanBackward<T>(problem); },
                [&](PlanBackward<T>& work) { work.run(*unit.segment, *sums, out); });
    heads[kv]->give(unit.turn, std::move(sums), [&](const KeyGradientSums<Real>& part) {
      using Part = Eigen::Map<const RowMatrix<Real>>;
      const auto count = static_cast<Eigen::Index>(part.count),
                 columns = static_cast<Eigen::Index>(d),
                 value_columns = static_cast<Eigen::Index>(dv),
                 head = static_cast<Eigen::Index>(kv);
      out.keys.block(0, head * columns, count, columns) += Part(part.keys.data(), count, columns);
      out.values.block(0, head * value_columns, count, value_columns) +=
          Part(part.values.data(), count, value_columns);
      totals[kv].add_variances(part);
    });
  });
  require_masses(shape, options, tape, forward, constants);
  require_finite_gradients(out);
  KeyGradientSums<Real> total;
  for (const KeyGradientSums<Real>& head : totals) total.add_variances(head);
  out.errors = {gradient_error(total.whole_query_variance(), out.queries),
                gradient_error(total.key_variance, out.keys),
                gradient_error(total.value_variance, out.values)};
  const std::optional<double> unseen = unseen_share(tape);
  out.errors.covers_unseen = unseen.has_value() || !has_draws(tape);
  if (unseen)
    for (double* const error : {&out.errors.queries, &out.errors.keys, &out.errors.values})
      *error = upper_gradient_error(*error, *unseen);
  return out;
}

}  // namespace lazygumbel::detail
