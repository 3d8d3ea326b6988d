#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/index/mips_index.hpp"

namespace lazygumbel {

namespace detail {

/// U of a retrieval: its bound, or the smallest score of an index that makes no claim.
inline double bound_of(const Retrieval& found) {
  if (!std::isnan(found.residual_bound)) return found.residual_bound;
  if (found.scores.empty()) throw_index_error("search returned no items and no residual bound");
  return found.scores.back();
}

/// Makes one retrieval by magnitude of two by sign, `up` for q and `down` for -q: every item of
/// either, at most k. An item of neither has a score <= U_up and >= -U_down, so its magnitude is at
/// most max(U_up, U_down). (The smallest magnitude that was returned is no bound: an item may come
/// in by one list with a magnitude far below what the other list left out.)
template <std::same_as<double> Real = double>
void merge_by_magnitude(const Retrieval& up, const Retrieval& down, std::size_t k,
                        Retrieval& found) {
  std::vector<std::pair<double, item_id>> items;
  for (const Retrieval* part : {&up, &down})
    for (std::size_t i = 0; i < part->ids.size(); ++i)
      items.emplace_back(std::abs(part->scores[i]), part->ids[i]);
  std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  found.clear();
  found.residual_bound = (std::max)(bound_of(up), bound_of(down));
  found.guarantee = weaker(up.guarantee, down.guarantee);
  std::unordered_set<item_id> seen;
  for (const auto& [magnitude, id] : items) {
    if (!seen.insert(id).second) continue;
    if (found.ids.size() == k) {
      found.residual_bound = (std::max)(found.residual_bound, magnitude);
      break;
    }
    found.ids.push_back(id);
    found.scores.push_back(magnitude);
  }
}

}  // namespace detail

/// The same items with scores |<q, x_i>|: an index of magnitudes made of two searches, for q and
/// for -q, merged by item, so that each item has one score and gets one Gumbel. The law of a
/// sampler on it is P(i) proportional to exp(|<q, x_i>|). (Signed copies of the items, with both
/// x_i and -x_i in the index, would give exp(s) + exp(-s) instead: another law.)
///
/// Refers to the index, which must outlive it. const and thread-safe as the index is.
template <MipsIndex Index>
class AbsoluteIndex {
 public:
  using scalar_type = typename Index::scalar_type;

  explicit AbsoluteIndex(const Index& index) : index_(&index) {}
  explicit AbsoluteIndex(const Index&&) = delete;

  std::size_t size() const noexcept { return index_->size(); }
  std::size_t dimension() const noexcept { return index_->dimension(); }
  const Index& signed_index() const noexcept { return *index_; }

  double score(const VectorView<scalar_type>& query, item_id id) const {
    return std::abs(static_cast<double>(index_->score(query, id)));
  }

  void score_many(const VectorView<scalar_type>& query, std::span<const item_id> ids,
                  std::span<double> scores) const {
    lazygumbel::score_many(*index_, query, ids, scores);
    for (double& score : scores) score = std::abs(score);
  }

  /// Half of the k items from each sign. Two searches of the index; throws as search_checked does.
  void search(const VectorView<scalar_type>& query, std::size_t k, Retrieval& found) const {
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
    const std::size_t half = (k + 1) / 2;
    Retrieval up, down;
    std::vector<item_id> sorted;
    search_checked(*index_, query, half, up, sorted);
    const Vector<scalar_type> opposite = -query;
    search_checked(*index_, opposite, half, down, sorted);
    detail::merge_by_magnitude(up, down, k, found);
  }

 private:
  const Index* index_;
};

}  // namespace lazygumbel
