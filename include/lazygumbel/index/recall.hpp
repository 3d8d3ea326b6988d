#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/checked_search.hpp"

namespace lazygumbel {

/// Mean over the rows q of `queries` (m x d) of |S(q) & S*(q)| / min(k, n), where S is what `index`
/// returns for k and S* what `reference` does (a FlatIndex over the same rows, for true recall).
/// Ties at rank k count as misses. Throws std::invalid_argument when the sizes or dimensions of the
/// two differ, on k == 0 and on no queries. O(m) searches of each.
template <MipsIndex Index, MipsIndex Reference>
double recall_at_k(const Index& index, const Reference& reference,
                   const MatrixView<typename Index::scalar_type>& queries, std::size_t k) {
  if (queries.rows() < 1)
    detail::throw_invalid("queries.rows()", queries.rows(), "must be at least 1");
  if (index.size() != reference.size())
    detail::throw_invalid("reference.size()", reference.size(), "must equal the index's size");
  Retrieval found, truth;
  std::vector<item_id> found_ids, true_ids, common;
  double hits = 0.0;
  for (Eigen::Index j = 0; j < queries.rows(); ++j) {
    search_checked(index, queries.row(j).transpose(), k, found, found_ids);
    search_checked(reference, queries.row(j).transpose(), k, truth, true_ids);
    common.clear();
    std::set_intersection(found_ids.begin(), found_ids.end(), true_ids.begin(), true_ids.end(),
                          std::back_inserter(common));
    hits += static_cast<double>(common.size());
  }
  const double wanted = static_cast<double>((std::min)(k, static_cast<std::size_t>(index.size())));
  return hits / (wanted * static_cast<double>(queries.rows()));
}

}  // namespace lazygumbel
