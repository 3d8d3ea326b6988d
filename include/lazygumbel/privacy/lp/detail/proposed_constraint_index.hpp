#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/privacy/lp/detail/constraint_scores.hpp"

namespace lazygumbel {

/// ConstraintScores behind any MipsIndex: of the rows (A_i, b_i), d + 1 columns, which is as
/// private as b is, or of the rows A_i alone, d columns. It proposes items, which are rescored;
/// what it is unsure of does not reach the scores, and what it misses is the caller's to promise:
/// the bound is the smallest score returned (rows (A_i, b_i)), or the smallest product returned
/// less the smallest b (rows A_i), or what the index states in its place; claimed by nobody
/// (assumed). Added to it is what tells scores from products with the proposer's rows even where
/// nothing is missed: roundings, and right-hand sides beyond the limit of ConstraintScores, which
/// are clipped in the scores alone (where there are such, the bound is 0 at least, the most that
/// they score; a caller who clips b in the proposer's rows too gets closer bounds). So an exact
/// proposer needs no gap. Others: ExponentialMechanismOptions says what the two kinds of gap cost.
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
    if (proposer.dimension() == scores.dimension()) some_clipped_ = any_clipped();
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
    const bool with_bounds = proposer_->dimension() == dimension();
    const Vector<Number> query =
        theta.head(static_cast<Eigen::Index>(proposer_->dimension())).template cast<Number>();
    std::vector<item_id> sorted;
    search_checked(*proposer_, query, k, found, sorted);
    double bound = found.residual_bound;
    if (!with_bounds) bound -= scores_->scale_of(theta) * least_bound_;
    rescore(*this, theta, found);
    if (with_bounds && !found.scores.empty()) bound = (std::max)(bound, found.scores.back());
    if (some_clipped_) bound = (std::max)(bound, 0.0);
    found.residual_bound = bound + rounding(theta);
    found.guarantee = Guarantee::assumed();
  }

 private:
  using Number = typename Proposer::scalar_type;

  /// Whether the proposer has a b_i above the limit, as -<(0, .., 0, -1), row i> says.
  bool any_clipped() const {
    Vector<Number> last = Vector<Number>::Zero(static_cast<Eigen::Index>(dimension()));
    last[last.size() - 1] = Number(-1);
    const double limit = scores_->limit() * (1.0 + 0x1p-20);
    for (item_id i = 0; i < size(); ++i)
      if (scores_->bounds()[i] >= scores_->limit() &&
          !(-static_cast<double>(proposer_->score(last, i)) <= limit))
        return true;
    return false;
  }

  /// By how much a score can differ from the proposer's product of the same row and theta, each
  /// entry of which is rounded once, and their sum in any order.
  double rounding(const VectorView<double>& theta) const {
    const auto digits = [](auto number) {
      return static_cast<double>(std::numeric_limits<decltype(number)>::epsilon());
    };
    const double norm = std::hypot(scores_->rows().max_norm(), scores_->limit());
    const auto roundings = static_cast<double>(dimension()) + 8.0;
    return roundings * (std::max)(digits(Scalar{}), digits(Number{})) * norm * theta.stableNorm();
  }

  const ConstraintScores<Scalar>* scores_;
  const Proposer* proposer_;
  double least_bound_ = 0.0;
  bool some_clipped_ = false;
};

}  // namespace lazygumbel
