#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/retrieval.hpp"

namespace lazygumbel {

/// A maximum inner product index over items 0 .. size()-1. The page docs/concepts.md lists every
/// requirement; in one breath: `search(query, k, retrieval)` overwrites `retrieval` with at most k
/// items, best first, unique, and with a bound on the rest; `score(query, id)` is the exact inner
/// product <query, x_id> in natural-log units, so that an engine's own distance never leaks (-inf
/// masks an item: it is never drawn). const members may be called from many threads.
///
/// Optional members, found and used when present:
/// - `score_many(query, ids, scores)`: scores[i] = score(query, ids[i]); worth it with prefetching;
/// - `search_batch(queries, k, retrievals)`: one search per row of `queries`;
/// - `search_scored(query, k, retrieval, scores)`: a search that looks at all n scores and leaves
///   them too, for many draws of one query.
template <class Index>
concept MipsIndex = std::floating_point<typename Index::scalar_type> &&
    requires(const Index& index, const VectorView<typename Index::scalar_type>& query,
             std::size_t k, Retrieval& retrieval, item_id id) {
  { index.size() } -> std::convertible_to<std::size_t>;
  { index.dimension() } -> std::convertible_to<std::size_t>;
  index.search(query, k, retrieval);
  { index.score(query, id) } -> std::convertible_to<double>;
};

/// A MipsIndex that answers many queries together faster than one by one.
template <class Index>
concept BatchMipsIndex = MipsIndex<Index> &&
    requires(const Index& index, const MatrixView<typename Index::scalar_type>& queries,
             std::size_t k, std::span<Retrieval> retrievals) {
  index.search_batch(queries, k, retrievals);
};

/// How many items to retrieve where the user does not say: Index::preferred_k when the index has
/// one, else ceil(sqrt(n)), which balances head and tail under one bound.
template <MipsIndex Index>
std::size_t default_k(const Index& index) {
  const auto n = static_cast<std::size_t>(index.size());
  if constexpr (requires { Index::preferred_k; })
    return (std::min)(n, static_cast<std::size_t>(Index::preferred_k));
  else
    return static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(n))));
}

/// scores[i] = index.score(query, ids[i]), through `score_many` where the index has it.
template <MipsIndex Index>
void score_many(const Index& index, const VectorView<typename Index::scalar_type>& query,
                std::span<const item_id> ids, std::span<double> scores) {
  if constexpr (requires { index.score_many(query, ids, scores); }) {
    index.score_many(query, ids, scores);
  } else {
    for (std::size_t i = 0; i < ids.size(); ++i)
      scores[i] = static_cast<double>(index.score(query, ids[i]));
  }
}

/// Sets found.scores to the true scores of found.ids and sorts both, best first, ties by the
/// smaller id: what an index does with the candidates that its engine proposed. O(k (d + log k)).
template <class Index, class Query>
void rescore(const Index& index, const Query& query, Retrieval& found) {
  std::vector<double> scores(found.ids.size());
  index.score_many(query, found.ids, scores);
  std::vector<std::pair<double, item_id>> ranked(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) ranked[i] = {scores[i], found.ids[i]};
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  found.scores.resize(scores.size());
  for (std::size_t i = 0; i < ranked.size(); ++i)
    std::tie(found.scores[i], found.ids[i]) = ranked[i];
}

/// Calls visit(first, scores) for blocks of consecutive items, first = 0, ..., that cover all n:
/// scores[i] = index.score(query, first + i). O(n d), O(1) memory.
template <MipsIndex Index, class Visit>
void for_each_score(const Index& index, const VectorView<typename Index::scalar_type>& query,
                    Visit&& visit) {
  constexpr std::size_t block = 4096;
  const std::size_t n = index.size();
  std::vector<double> scores((std::min)(block, n));
  for (std::size_t first = 0; first < n; first += block) {
    const std::span<double> part(scores.data(), (std::min)(block, n - first));
    for (std::size_t i = 0; i < part.size(); ++i)
      part[i] = static_cast<double>(index.score(query, static_cast<item_id>(first + i)));
    visit(static_cast<item_id>(first), std::span<const double>(part));
  }
}

}  // namespace lazygumbel
