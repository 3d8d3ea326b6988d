#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/workload.hpp"

namespace lazygumbel {

/// The scores that MWEM selects by: how far the answers on public weights A are from those on the
/// private counts h, as inner products. Item j is (q_j, <q_j, h>) in R^(|X|+1), a query is
/// theta = s (-A, 1), and
///   score(theta, j) = |<theta, item_j>| = s | <q_j, h> - <q_j, A> |.
/// The private part <q_j, h> is computed once, exactly for integral workloads; all that changes
/// from step to step is <q_j, A>, a number of public origin, which is the same for neighbouring
/// tables however it is rounded. So the sensitivity of the computed score is that of <q, h> plus
/// 2 `rounding()`, and nothing else has to be charged for floating-point arithmetic.
///
/// PRIVATE: it holds the answers on h. Refers to the workload, which must outlive it. const members
/// are thread-safe. Construction: one scan of the workload.
template <Workload W>
class ErrorScores {
 public:
  /// Throws std::invalid_argument unless there are cells() counts, each an integer >= 0, of total
  /// below 2^30.
  ErrorScores(const W& workload, std::span<const double> counts)
      : workload_(&workload), answers_(workload.size()) {
    if (counts.size() != workload.cells())
      detail::throw_invalid("counts.size()", counts.size(),
                            "must equal cells() = " + detail::text_of(workload.cells()));
    for (std::size_t x = 0; x < counts.size(); ++x) {
      if (!(counts[x] >= 0.0 && counts[x] <= 0x1p30 && counts[x] == std::floor(counts[x])))
        detail::throw_invalid("counts[" + detail::text_of(x) + "]", counts[x],
                              "must be an integer of 0 .. 2^30");
      total_ += counts[x];
    }
    if (!(total_ < 0x1p30)) detail::throw_invalid("sum of counts", total_, "must be below 2^30");
    workload.answers(counts, answers_);
  }
  ErrorScores(const W&&, std::span<const double>) = delete;

  const W& workload() const noexcept { return *workload_; }
  std::size_t size() const noexcept { return answers_.size(); }
  /// Of theta: |X| + 1.
  std::size_t dimension() const noexcept { return workload_->cells() + 1; }
  /// <q_j, h> for all j.
  std::span<const double> private_answers() const noexcept { return answers_; }
  double total() const noexcept { return total_; }

  /// A bound on |computed score / s - the exact score for the A (or <q, A>) as computed|, in
  /// counts: what an adversary could gain from rounding, to be added twice to the sensitivity.
  double rounding() const noexcept {
    const QueryRange range = workload_->range();
    const double largest = (std::max)(std::abs(range.lower), std::abs(range.upper));
    const double own = W::integral ? 0.0 : workload_->answers_error(total_);
    return own + 4.0 * 0x1p-53 * largest * 2.0 * (total_ + 1.0);
  }

  /// s |<q_id, h> - <q_id, A>| for theta = s (-A, 1). Precondition, not checked: id < size().
  template <class Theta>
  double score(const Theta& theta, item_id id) const {
    const std::span<const double> weights(theta.data(), workload_->cells());
    return std::abs(theta[theta.size() - 1] * answers_[id] + workload_->answer(weights, id));
  }

 private:
  const W* workload_;
  std::vector<double> answers_;
  double total_ = 0.0;
};

}  // namespace lazygumbel
