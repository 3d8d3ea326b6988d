#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/index/detail/top_k.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/privacy/workload/workload.hpp"

namespace lazygumbel {

/// The queries of any workload as an exact MipsIndex: item j is q_j, of dimension |X|. A search is
/// the workload's `answers`, as fast as its structure allows, and never forms a query; for largest
/// magnitudes see AbsoluteIndex. Refers to the workload, which must outlive it. const and
/// thread-safe.
template <Workload W>
class WorkloadIndex {
 public:
  using scalar_type = double;
  static constexpr bool is_exact = true;

  explicit WorkloadIndex(const W& workload) : workload_(&workload) {}
  explicit WorkloadIndex(const W&&) = delete;

  std::size_t size() const noexcept { return workload_->size(); }
  std::size_t dimension() const noexcept { return workload_->cells(); }
  const W& workload() const noexcept { return *workload_; }

  double score(const VectorView<double>& query, item_id id) const {
    return workload_->answer({query.data(), dimension()}, id);
  }

  void score_many(const VectorView<double>& query, std::span<const item_id> ids,
                  std::span<double> scores) const {
    for (std::size_t i = 0; i < ids.size(); ++i) scores[i] = score(query, ids[i]);
  }

  /// The k best, rescored by `score`, and a certified bound on the rest: `answers_error` covers
  /// that `answers` and `answer` may round differently. Throws std::invalid_argument on a query of
  /// the wrong dimension, with NaN or infinity, and on k == 0.
  void search(const VectorView<double>& query, std::size_t k, Retrieval& found) const {
    detail::require_query<double>("query", query, dimension());
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
    std::vector<double> answers(size());
    workload_->answers({query.data(), dimension()}, answers);
    TopK<double> best((std::min)(k, size()) + 1);
    for (std::size_t j = 0; j < answers.size(); ++j)
      if (answers[j] >= best.threshold()) best.push(answers[j], static_cast<item_id>(j));
    const auto& ranked = best.finish();
    const std::size_t count = (std::min)(k, size());
    found.clear();
    for (std::size_t i = 0; i < count; ++i) found.ids.push_back(ranked[i].second);
    found.residual_bound = -std::numeric_limits<double>::infinity();
    if (ranked.size() > count)
      found.residual_bound =
          ranked[count].first + 2.0 * workload_->answers_error(query.lpNorm<1>()) * (1.0 + 1e-9);
    found.guarantee = Guarantee::certified();
    rescore(*this, query, found);
  }

 private:
  const W* workload_;
};

}  // namespace lazygumbel
