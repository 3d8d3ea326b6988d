#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/index/detail/top_k.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/privacy/release/detail/error_scores.hpp"
#include "lazygumbel/privacy/selection/absolute_index.hpp"

namespace lazygumbel {

/// ErrorScores behind any MipsIndex of the same queries (rows q_j, |X| columns): a search of that
/// index for v = h - A and one for -v propose items, which are rescored exactly. What the proposer
/// is unsure of does not reach the scores; what it misses is the caller's to promise: the bound is
/// the largest of the smallest signed scores that the two searches returned and of the bounds that
/// the proposer states, claimed by nobody (assumed). Add a gap; ExponentialMechanismOptions says
/// what the two kinds of gap cost.
///
/// Sublinear in m where the proposer is. Refers to scores, counts and proposer, which must outlive
/// it. const and thread-safe when the proposer is.
template <Workload W, MipsIndex Proposer>
class ProposedErrorIndex {
 public:
  using scalar_type = double;

  /// Throws std::invalid_argument unless the proposer has m items of dimension |X|.
  ProposedErrorIndex(const ErrorScores<W>& scores, const Proposer& proposer)
      : scores_(&scores), proposer_(&proposer) {
    if (proposer.size() != scores.size())
      detail::throw_invalid("proposer.size()", proposer.size(),
                            "must equal the number of queries " + detail::text_of(scores.size()));
    if (proposer.dimension() + 1 != scores.dimension())
      detail::throw_invalid("proposer.dimension()", proposer.dimension(),
                            "must equal the number of cells");
  }
  ProposedErrorIndex(const ErrorScores<W>&&, const Proposer&) = delete;
  ProposedErrorIndex(const ErrorScores<W>&, const Proposer&&) = delete;

  std::size_t size() const noexcept { return scores_->size(); }
  std::size_t dimension() const noexcept { return scores_->dimension(); }

  double score(const VectorView<double>& theta, item_id id) const {
    return scores_->score(theta, id);
  }

  void score_many(const VectorView<double>& theta, std::span<const item_id> ids,
                  std::span<double> scores) const {
    scores_->score_many(theta, ids, scores);
  }

  /// Half of the k items from each sign. Two searches and k answers; throws as search_checked does.
  /// The proposer knows nothing of clipped answers (ErrorScores): where these may be, all are
  /// scanned.
  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
    if (!(scores_->total() < ErrorScores<W>::record_limit)) return scan(theta, k, found);
    const std::size_t half = (k + 1) / 2;
    using Scalar = typename Proposer::scalar_type;
    const Eigen::Index cells = theta.size() - 1;
    using Real = detail::Later<double, W>;
    const Vector<Real> direction =
        theta[cells] * Eigen::Map<const Vector<Real>>(scores_->counts().data(), cells) +
        theta.head(cells);
    const Vector<Scalar> query = direction.template cast<Scalar>();
    Retrieval up, down;
    std::vector<item_id> sorted;
    search_checked(*proposer_, query, half, up, sorted);
    const Vector<Scalar> opposite = -query;
    search_checked(*proposer_, opposite, half, down, sorted);
    rescore_signed(theta, +1.0, up);
    rescore_signed(theta, -1.0, down);
    detail::merge_by_magnitude(up, down, k, found);
    found.guarantee = Guarantee::assumed();
  }

 private:
  void scan(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    TopK<double> best((std::min)(k + 1, size()));
    for (std::size_t id = 0; id < size(); ++id)
      best.push(scores_->score(theta, static_cast<item_id>(id)), static_cast<item_id>(id));
    found.clear();
    for (const auto& [score, id] : best.finish()) {
      if (found.ids.size() < (std::min)(k, size())) {
        found.ids.push_back(id);
        found.scores.push_back(score);
      }
      found.residual_bound = score;
    }
    found.guarantee = Guarantee::assumed();
  }

  void rescore_signed(const VectorView<double>& theta, double sign, Retrieval& found) const {
    for (std::size_t i = 0; i < found.ids.size(); ++i)
      found.scores[i] = sign * scores_->signed_score(theta, found.ids[i]);
    std::vector<std::size_t> order(found.ids.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return found.scores[a] != found.scores[b] ? found.scores[a] > found.scores[b]
                                                : found.ids[a] < found.ids[b];
    });
    Retrieval sorted;
    for (const std::size_t i : order) {
      sorted.ids.push_back(found.ids[i]);
      sorted.scores.push_back(found.scores[i]);
    }
    // The proposer's bound is for its own arithmetic: no proof for these scores. But where it is
    // above all that was returned, it tells of items that were left out.
    sorted.residual_bound = found.residual_bound;
    if (!sorted.scores.empty() && !(found.residual_bound >= sorted.scores.back()))
      sorted.residual_bound = sorted.scores.back();
    found = std::move(sorted);
  }

  const ErrorScores<W>* scores_;
  const Proposer* proposer_;
};

}  // namespace lazygumbel
