#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "lazygumbel/index/row_store.hpp"

namespace lazygumbel::detail {

/// scores[i] = <query, x_ids[i]> for rows in any order, fetching rows ahead of their use.
template <class Scalar>
void score_rows(const RowStore<Scalar>& rows, const VectorView<Scalar>& query,
                std::span<const item_id> ids, std::span<double> scores) noexcept {
  constexpr std::size_t ahead = 4;
  for (std::size_t i = 0; i < (std::min)(ahead, ids.size()); ++i) rows.prefetch(ids[i]);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i + ahead < ids.size()) rows.prefetch(ids[i + ahead]);
    scores[i] = static_cast<double>(rows.row(ids[i]).dot(query));
  }
}

}  // namespace lazygumbel::detail
