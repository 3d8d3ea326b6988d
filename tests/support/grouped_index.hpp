#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <lazygumbel/index/tail.hpp>
#include <lazygumbel/random/categorical.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <limits>
#include <utility>
#include <vector>

#include "score_index.hpp"

namespace lazygumbel::testing {

/// A ScoreIndex that also knows a bound for each group of `group` consecutive items, and proposals
/// for estimators whose intensities are near exp(score). Both processes run over all items, those
/// of the head too, and both can be told to lie.
class GroupedScores {
 public:
  using scalar_type = double;

  struct Lies {
    double bounds = 0.0;       ///< added to the groups' bounds: below 0 they are broken
    double log_rate = 0.0;     ///< added to log_rate() of the tail
    double intensities = 0.0;  ///< added to what the proposals state for every tenth item
  };

  /// Items in groups, each group at its bound.
  class tail_type {
   public:
    double log_rate() const { return groups_.log_total() + lie_; }
    template <BitGenerator Engine>
    Proposal propose(Engine& engine) const {
      const std::size_t g = groups_(engine), first = g * group_;
      const std::size_t count = (std::min)(group_, size_ - first);
      const auto within = uniform_index(static_cast<std::uint32_t>(count), engine);
      return {static_cast<item_id>(first) + within, bounds_[g]};
    }
    bool may_exceed(item_id id, double t) const { return bounds_[id / group_] > t; }

   private:
    friend class GroupedScores;
    std::vector<double> bounds_;
    Categorical groups_;
    std::size_t group_ = 1, size_ = 0;
    double lie_ = 0.0;
  };

  /// Items one by one, item i with intensity exp(score_i + (i % 3 - 1) / 2).
  class proposals_type {
   public:
    double log_rate() const { return items_.log_total(); }
    template <BitGenerator Engine>
    Proposal propose(Engine& engine) const {
      const std::size_t i = items_(engine);
      return {static_cast<item_id>(i), stated_[i]};
    }
    double log_largest_weight(double) const { return 0.5; }

   private:
    friend class GroupedScores;
    std::vector<double> stated_;
    Categorical items_;
  };

  explicit GroupedScores(const std::vector<double>& scores, std::size_t group)
      : GroupedScores(scores, group, Lies{}) {}
  GroupedScores(const std::vector<double>& scores, std::size_t group, Lies lies)
      : index_(scores), group_(group), lies_(lies) {
    index_.state_bound(0.0, Guarantee::certified());
  }

  std::size_t size() const { return index_.size(); }
  std::size_t dimension() const { return 1; }
  double score(const VectorView<double>& query, item_id id) const {
    return index_.score(query, id);
  }
  void search(const VectorView<double>& query, std::size_t k, Retrieval& found) const {
    index_.search(query, k, found);
  }

  void search_with_tail(const VectorView<double>& query, std::size_t k, Retrieval& found,
                        tail_type& tail, std::size_t) const {
    search(query, k, found);
    std::vector<bool> in_head(size(), false);
    for (const item_id id : found.ids) in_head[id] = true;
    tail.group_ = group_;
    tail.size_ = size();
    tail.lie_ = lies_.log_rate;
    const std::size_t groups = (size() + group_ - 1) / group_;
    tail.bounds_.assign(groups, -std::numeric_limits<double>::infinity());
    for (item_id id = 0; id < size(); ++id)
      if (!in_head[id])
        tail.bounds_[id / group_] =
            (std::max)(tail.bounds_[id / group_], score(query, id) + lies_.bounds);
    std::vector<double> log_weights(groups);
    for (std::size_t g = 0; g < groups; ++g)
      log_weights[g] =
          tail.bounds_[g] + std::log(static_cast<double>((std::min)(group_, size() - g * group_)));
    tail.groups_.assign(log_weights);
  }

  void search_with_proposals(const VectorView<double>& query, std::size_t k, Retrieval& found,
                             proposals_type& proposals) const {
    search(query, k, found);
    proposals.stated_.resize(size());
    for (item_id id = 0; id < size(); ++id)
      proposals.stated_[id] = score(query, id) + 0.5 * (static_cast<double>(id % 3) - 1.0);
    proposals.items_.assign(proposals.stated_);
    for (item_id id = 0; id < size(); id += 10) proposals.stated_[id] += lies_.intensities;
  }

 private:
  ScoreIndex index_;
  std::size_t group_;
  Lies lies_;
};

static_assert(TailIndex<GroupedScores> && ProposingIndex<GroupedScores>);

}  // namespace lazygumbel::testing
