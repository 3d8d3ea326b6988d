#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/ivf/detail/list_directory.hpp"
#include "lazygumbel/index/tail.hpp"
#include "lazygumbel/random/categorical.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

/// The tail of a search in inverted lists: every item of list g with intensity exp(B_g), so that
/// list g is proposed with probability ~ N_g exp(B_g), then one of its N_g items uniformly. A
/// DominatingTail when B_g bounds the scores of the list's items outside the head.
///
/// Refers to the index that filled it, which must stay where and as it is. const members are
/// thread-safe.
template <std::same_as<double> Real>  // a template: core/detail/later.hpp
class BasicGroupedTail {
 public:
  BasicGroupedTail() = default;

  /// bounds[g] = B_g, finite, or -inf for a list that is not to be proposed. O(lists).
  void assign(const detail::ListDirectory& directory, Eigen::ArrayX<Real> bounds) {
    directory_ = &directory;
    bounds_ = std::move(bounds);
    weights_.resize(static_cast<std::size_t>(bounds_.size()));
    for (std::size_t g = 0; g < weights_.size(); ++g)
      weights_[g] = directory.log_count(g) + bounds_[static_cast<Eigen::Index>(g)];
    lists_.assign(weights_);
  }

  /// log sum_g N_g exp(B_g).
  double log_rate() const noexcept { return lists_.log_total(); }

  /// O(log lists). Throws std::invalid_argument when log_rate() is -inf.
  template <BitGenerator Engine>
  Proposal propose(Engine& engine) const {
    const std::size_t g = lists_(engine);
    const std::span<const item_id> items = directory_->items(g);
    return {items[uniform_index(static_cast<std::uint32_t>(items.size()), engine)],
            bounds_[static_cast<Eigen::Index>(g)]};
  }

  /// The bound of the item's list exceeds t.
  bool may_exceed(item_id id, double t) const noexcept {
    return bounds_[directory_->place(id).list] > t;
  }

  /// B_g of each list.
  const Eigen::ArrayX<Real>& bounds() const noexcept { return bounds_; }

 private:
  const detail::ListDirectory* directory_ = nullptr;
  Eigen::ArrayX<Real> bounds_;
  std::vector<double> weights_;
  Categorical lists_;
};

using GroupedTail = BasicGroupedTail<double>;

static_assert(DominatingTail<GroupedTail>);

}  // namespace lazygumbel
