#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/release/detail/compensated_dot.hpp"
#include "lazygumbel/privacy/table/histogram.hpp"
#include "lazygumbel/privacy/workload/workload.hpp"

namespace lazygumbel {

/// The scores that MWEM selects by: how far the answers on public weights A are from those on the
/// private counts h, as inner products. Item j is (q_j, <q_j, h>) in R^(|X|+1), a query is
/// theta = s (-A, 1), and
///   score(theta, j) = |<theta, item_j>| = s | <q_j, h> - <q_j, A> |.
/// The private part <q_j, h> is computed once, exactly for integral workloads; all that changes
/// from step to step is <q_j, A>, a number of public origin, which is the same for neighbouring
/// tables however it is rounded. So the sensitivity of the computed score is that of <q, h> plus
/// 2 `rounding`, and nothing else has to be charged for floating-point arithmetic.
///
/// <q_j, h> is clipped to what 2^30 records can give, +-2^30 max |q(x)|. n is private under
/// add_remove, so no table is refused for it: clipping moves no two answers apart, and tables of
/// fewer records do not notice.
///
/// PRIVATE: it holds the answers on h. Refers to the workload, which must outlive it. const members
/// are thread-safe. Construction: one scan of the workload; with 2^30 records or more one `answer`
/// a query, or a compensated sum where queries are fractional.
template <Workload W>
class ErrorScores {
 public:
  static constexpr double record_limit = 0x1p30;

  /// Throws std::invalid_argument unless the table has cells() cells.
  ErrorScores(const W& workload, const Histogram& table)
      : workload_(&workload),
        counts_(table.counts().begin(), table.counts().end()),
        answers_(workload.size()),
        total_(static_cast<double>(table.total())) {
    if (counts_.size() != workload.cells())
      detail::throw_invalid("table.counts().size()", counts_.size(),
                            "must equal cells() = " + detail::text_of(workload.cells()));
    if (total_ < record_limit)
      workload.answers(counts_, answers_);
    else
      clip_answers();
  }
  ErrorScores(const W&&, const Histogram&) = delete;

  const W& workload() const noexcept { return *workload_; }
  std::size_t size() const noexcept { return answers_.size(); }
  /// Of theta: |X| + 1.
  std::size_t dimension() const noexcept { return workload_->cells() + 1; }
  /// <q_j, h> for all j.
  std::span<const double> private_answers() const noexcept { return answers_; }
  /// h and sum h.
  std::span<const double> counts() const noexcept { return counts_; }
  double total() const noexcept { return total_; }

  /// A bound on |computed score / s - the exact score for the A (or <q, A>) as computed|, in
  /// counts, for every table of at most `records` and every A of sum |A| <= `weights`: what an
  /// adversary could gain from rounding, to be added twice to the sensitivity. Both numbers must be
  /// public: a function of the private n would make the sensitivity, and with it the scale of all
  /// noise, tell n. The second term is a few dozen roundings of a number below largest (records +
  /// weights): those of the score, of bounds made from errors (ClippedErrorIndex), and of what a
  /// sampler does with them.
  double rounding(double records, double weights) const noexcept {
    const double own = W::integral ? 0.0 : workload_->answers_error(records);
    return own + 0x1p-47 * largest_value() * (records + weights);
  }

  /// max |q(x)| over all queries and cells.
  double largest_value() const noexcept {
    const QueryRange range = workload_->range();
    return (std::max)(std::abs(range.lower), std::abs(range.upper));
  }

  /// Throws std::invalid_argument unless theta is s (-A, 1) with s > 0 and all finite.
  void require_theta(const VectorView<double>& theta) const {
    detail::require_query<double>("theta", theta, dimension());
    if (!(scale_of(theta) > 0.0))
      detail::throw_invalid("theta's last entry", scale_of(theta), "must be positive");
  }
  double scale_of(const VectorView<double>& theta) const { return theta[theta.size() - 1]; }
  std::vector<double> weights_of(const VectorView<double>& theta) const {
    std::vector<double> weights(theta.data(), theta.data() + theta.size() - 1);
    for (double& w : weights) w /= -scale_of(theta);
    return weights;
  }

  /// s (<q_id, h> - <q_id, A>) for theta = s (-A, 1). Precondition, not checked: id < size().
  double signed_score(const VectorView<double>& theta, item_id id) const {
    const std::span<const double> weights(theta.data(), workload_->cells());
    return theta[theta.size() - 1] * answers_[id] + workload_->answer(weights, id);
  }

  /// |signed_score|.
  double score(const VectorView<double>& theta, item_id id) const {
    return std::abs(signed_score(theta, id));
  }

  /// score() of each id, prefetching queries ahead where the workload can.
  void score_many(const VectorView<double>& theta, std::span<const item_id> ids,
                  std::span<double> scores) const {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if constexpr (requires { workload_->prefetch(ids[i]); })
        if (i + 1 < ids.size()) workload_->prefetch(ids[i + 1]);
      scores[i] = score(theta, ids[i]);
    }
  }

 private:
  /// `answers` are exact, or as good as `rounding` says, for fewer than 2^30 records. With up to
  /// 2^52, one `answer` is exact where the workload is integral; the compensated sum of a
  /// fractional query is off by |X|^2 2^-54 of max |q(x)| at most, less than answers_error(2^30).
  void clip_answers() {
    const double limit = largest_value() * record_limit;
    std::vector<double> query(W::integral ? 0 : counts_.size());
    for (std::size_t j = 0; j < answers_.size(); ++j) {
      const auto id = static_cast<item_id>(j);
      double answer = 0.0;
      if constexpr (W::integral) {
        answer = workload_->answer(counts_, id);
      } else {
        workload_->query(id, query);
        answer = detail::compensated_dot(query, counts_);
      }
      answers_[j] = (std::min)(limit, (std::max)(-limit, answer));
    }
  }

  const W* workload_;
  std::vector<double> counts_, answers_;
  double total_;
};

}  // namespace lazygumbel
