#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/tail.hpp"

namespace lazygumbel {

namespace detail {

/// Throws index_error unless `score`, as returned by a search, is what the index's own `score` says
/// (1e-3 of the larger magnitude is allowed: a GEMM rounds differently from a dot product).
template <MipsIndex Index>
void require_true_score(const Index& index, const VectorView<typename Index::scalar_type>& query,
                        item_id id, double score) {
  const auto exact = static_cast<double>(index.score(query, id));
  if (exact == score) return;
  const double scale = (std::max)({1.0, std::abs(exact), std::abs(score)});
  if (std::isinf(scale) || !(std::abs(exact - score) <= 1e-3 * scale))
    throw_index_error("search returned score " + text_of(score) + " for item " + text_of(id) +
                      ", whose score() is " + text_of(exact));
}

/// The checks of `search_checked` on a retrieval at hand; also fills in an unset residual bound
/// and leaves the ids in increasing order in `sorted`.
template <MipsIndex Index>
void require_retrieval(const Index& index, const VectorView<typename Index::scalar_type>& query,
                       std::size_t k, Retrieval& found, std::vector<item_id>& sorted) {
  const std::size_t n = index.size(), size = found.ids.size();
  if (found.scores.size() != size)
    throw_index_error("search returned " + text_of(size) + " ids and " +
                      text_of(found.scores.size()) + " scores");
  if (size > k) throw_index_error("search returned " + text_of(size) + " items, k = " + text_of(k));
  for (std::size_t i = 0; i < size; ++i) {
    if (found.ids[i] >= n)
      throw_index_error("search returned id " + text_of(found.ids[i]) + ", the index has " +
                        text_of(n) + " items");
    if (!(found.scores[i] < std::numeric_limits<double>::infinity()))
      throw_index_error("search returned score " + text_of(found.scores[i]) + " for item " +
                        text_of(found.ids[i]));
    if (i > 0 && found.scores[i] > found.scores[i - 1])
      throw_index_error("search returned unsorted scores: " + text_of(found.scores[i]) + " after " +
                        text_of(found.scores[i - 1]));
  }
  sorted.assign(found.ids.begin(), found.ids.end());
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) throw_index_error("search returned id " + text_of(*twice) + " twice");

  if (size == n) {
    found.residual_bound = -std::numeric_limits<double>::infinity();
    found.guarantee = Guarantee::certified();
  } else if (std::isnan(found.residual_bound)) {
    if (size < (std::min)(k, n) || size == 0)
      throw_index_error("search returned " + text_of(size) + " of min(k, n) = " +
                        text_of((std::min)(k, n)) + " items and no residual bound");
    found.residual_bound = found.scores.back();
    found.guarantee = Guarantee::assumed();
  } else if (found.residual_bound == std::numeric_limits<double>::infinity()) {
    throw_index_error("search returned the residual bound +infinity");
  }
#ifdef LAZYGUMBEL_AUDIT
  for (std::size_t i = 0; i < size; ++i)
    require_true_score(index, query, found.ids[i], found.scores[i]);
#else
  if (size > 0) {
    require_true_score(index, query, found.ids.front(), found.scores.front());
    require_true_score(index, query, found.ids.back(), found.scores.back());
  }
#endif
}

/// Throws index_error unless the bound is certified, as bounds that come with a tail have to be.
inline void require_certified(const Retrieval& found) {
  if (found.guarantee.kind != Guarantee::Kind::certified)
    throw_index_error(std::string("search_with_tail left bounds that are only ") +
                      name_of(found.guarantee));
}

}  // namespace detail

/// index.search(query, k, found), with the contract of MipsIndex enforced: at most k items, ids in
/// range and unique, scores finite or -inf, not increasing and equal to `score` (first and last;
/// all under LAZYGUMBEL_AUDIT), and a bound that is not +inf. An index that sets no bound must
/// return min(k, n) items; the bound is then the smallest returned score, `assumed`. When all n
/// items are returned the bound is -inf and certified, whatever the index says.
///
/// `sorted` receives the ids in increasing order (the searches for duplicates and for tail items
/// need it). Throws index_error on a broken contract, std::invalid_argument on a query of the wrong
/// dimension or with NaN or infinity, or k == 0. Adds O(k log k + d) to the search.
template <MipsIndex Index>
void search_checked(const Index& index, const VectorView<typename Index::scalar_type>& query,
                    std::size_t k, Retrieval& found, std::vector<item_id>& sorted) {
  detail::require_query<typename Index::scalar_type>("query", query, index.dimension());
  if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
  found.clear();
  index.search(query, k, found);
  detail::require_retrieval(index, query, k, found, sorted);
}

/// A checked search that leaves all n scores, too, of an index that has `search_scored`.
template <MipsIndex Index>
void search_checked(const Index& index, const VectorView<typename Index::scalar_type>& query,
                    std::size_t k, Retrieval& found, std::vector<item_id>& sorted,
                    std::vector<double>& scores) {
  detail::require_query<typename Index::scalar_type>("query", query, index.dimension());
  if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
  found.clear();
  index.search_scored(query, k, found, scores);
  if (scores.size() != index.size())
    detail::throw_index_error("search_scored left " + detail::text_of(scores.size()) +
                              " scores of " + detail::text_of(index.size()) + " items");
  detail::require_retrieval(index, query, k, found, sorted);
}

/// The same with the index's own account of the tail, for about `draws` draws: a bound for every
/// item, which the index has to certify.
template <TailIndex Index>
void search_checked(const Index& index, const VectorView<typename Index::scalar_type>& query,
                    std::size_t k, Retrieval& found, std::vector<item_id>& sorted,
                    typename Index::tail_type& tail, std::size_t draws) {
  detail::require_query<typename Index::scalar_type>("query", query, index.dimension());
  if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
  found.clear();
  index.search_with_tail(query, k, found, tail, draws);
  detail::require_retrieval(index, query, k, found, sorted);
  detail::require_certified(found);
}

/// The same with the index's proposals for estimators.
template <ProposingIndex Index>
void search_checked(const Index& index, const VectorView<typename Index::scalar_type>& query,
                    std::size_t k, Retrieval& found, std::vector<item_id>& sorted,
                    typename Index::proposals_type& proposals) {
  detail::require_query<typename Index::scalar_type>("query", query, index.dimension());
  if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
  found.clear();
  index.search_with_proposals(query, k, found, proposals);
  detail::require_retrieval(index, query, k, found, sorted);
}

}  // namespace lazygumbel
