#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/privacy/constraint_scores.hpp"

namespace lazygumbel {

/// ConstraintScores behind any MipsIndex: of the rows (A_i, b_i), d + 1 columns, which is as
/// private as b is, or of the rows A_i alone, d columns. It proposes items, which are rescored;
/// what it is unsure of does not reach the scores, and what it misses is the caller's to promise:
/// the bound is the smallest score returned (rows (A_i, b_i)), or the smallest product returned
/// less the smallest b (rows A_i), or what the index states where that is more; claimed by nobody
/// (assumed). Add a gap; ExponentialMechanismOptions says what the two kinds of gap cost.
///
/// Refers to scores and proposer, which must outlive it. const and thread-safe when the proposer
/// is.
template <class Scalar, MipsIndex Proposer>
class ProposedConstraintIndex {
 public:
  using scalar_type = double;

  /// Throws std::invalid_argument unless the proposer has m items of dimension d or d + 1.
  ProposedConstraintIndex(const ConstraintScores<Scalar>& scores, const Proposer& proposer)
      : scores_(&scores), proposer_(&proposer) {
    if (proposer.size() != scores.size())
      detail::throw_invalid(
          "proposer.size()", proposer.size(),
          "must equal the number of constraints " + detail::text_of(scores.size()));
    if (proposer.dimension() + 1 != scores.dimension() &&
        proposer.dimension() != scores.dimension())
      detail::throw_invalid("proposer.dimension()", proposer.dimension(),
                            "must be the number of variables, or one more");
    least_bound_ = *std::min_element(scores.bounds().begin(), scores.bounds().end());
  }
  ProposedConstraintIndex(const ConstraintScores<Scalar>&&, const Proposer&) = delete;
  ProposedConstraintIndex(const ConstraintScores<Scalar>&, const Proposer&&) = delete;

  std::size_t size() const noexcept { return scores_->size(); }
  std::size_t dimension() const noexcept { return scores_->dimension(); }

  double score(const VectorView<double>& theta, item_id id) const {
    return scores_->score(theta, id);
  }
  void score_many(const VectorView<double>& theta, std::span<const item_id> ids,
                  std::span<double> out) const {
    scores_->score_many(theta, ids, out);
  }

  /// One search and k scores; throws as search_checked does.
  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    scores_->require_theta(theta);
    using Number = typename Proposer::scalar_type;
    const bool with_bounds = proposer_->dimension() == dimension();
    const Vector<Number> query =
        theta.head(static_cast<Eigen::Index>(proposer_->dimension())).template cast<Number>();
    std::vector<item_id> sorted;
    search_checked(*proposer_, query, k, found, sorted);
    double bound = found.residual_bound;
    if (!with_bounds) bound -= scores_->scale_of(theta) * least_bound_;
    rescore(*this, theta, found);
    // The proposer's bound is for its own arithmetic: no proof for these scores.
    if (with_bounds && !found.scores.empty()) bound = (std::max)(bound, found.scores.back());
    found.residual_bound = bound;
    found.guarantee = Guarantee::assumed();
  }

 private:
  const ConstraintScores<Scalar>* scores_;
  const Proposer* proposer_;
  double least_bound_ = 0.0;
};

}  // namespace lazygumbel
