#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/accounting/neighbours.hpp>
#include <vector>

#include "privacy_audit.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {

/// Two neighbouring tables of 4 cells and two queries that tell them apart as well as the
/// sensitivity allows: query 0 has a large error that the change makes smaller, query 1 next to
/// none that it makes larger, so that choosing query 1, which is rare, becomes more likely by
/// nearly exp(epsilon), and its answer differs by the whole sensitivity. Outcomes: which query, and
/// whether its answer is on the side of the second table.
struct AuditPair {
  std::vector<std::vector<int>> rows;
  QueryRange range;
  std::vector<std::int64_t> before, after;
  Neighbours neighbours;
  std::vector<double> middle;  ///< between the answers on both tables, one a query

  /// 0/1 queries of two cells' counts; a record moves from the one to the other.
  static AuditPair replaced() {
    return {{{1, 0, 0, 0}, {0, 1, 0, 0}}, {0, 1},     {12, 4, 0, 0}, {11, 5, 0, 0},
            Neighbours::replace_one,      {11.5, 4.5}};
  }

  /// Queries of +1 and -1, which a record that moves changes by 2.
  static AuditPair parities() {
    return {{{1, -1, 1, -1}, {-1, 1, 1, -1}}, {-1, 1},    {8, 0, 8, 0}, {7, 1, 8, 0},
            Neighbours::replace_one,          {15.0, 1.0}};
  }

  /// A record is added to cell 1: the error of query 0, which lacks records, falls.
  static AuditPair added() {
    return {{{0, 1, 0, 1}, {0, 1, 0, 0}}, {0, 1},      {30, 10, 0, 0}, {30, 11, 0, 0},
            Neighbours::add_remove,       {10.5, 10.5}};
  }

  IntegerWorkload integers() const { return IntegerWorkload(rows, range); }

  DenseWorkload<float> dense() const {
    RowMatrix<float> matrix(2, 4);
    for (Eigen::Index j = 0; j < 2; ++j)
      for (Eigen::Index x = 0; x < 4; ++x)
        matrix(j, x) =
            static_cast<float>(rows[static_cast<std::size_t>(j)][static_cast<std::size_t>(x)]);
    return DenseWorkload<float>(matrix);
  }

  std::uint64_t outcome(item_id query, double answer) const {
    return 2 * query + (answer > middle[query] ? 1 : 0);
  }
};

}  // namespace lazygumbel::testing
