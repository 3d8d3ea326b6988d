#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/release/detail/error_index.hpp"
#include "lazygumbel/privacy/table/synthetic_table.hpp"
#include "lazygumbel/sampling/draw.hpp"

namespace lazygumbel {

/// What a round released, and what it took to find it.
struct MwemRound {
  std::size_t round = 0, rounds = 0;  ///< 1 .. T, T
  item_id query = 0;                  ///< or the group of queries, where groups are measured
  double answer = 0.0;                ///< noisy, in counts; NaN for a group
  Trace trace{};                      ///< PRIVATE but for its guarantee
  ScanCounts scans{};                 ///< so far; PRIVATE
};

struct MwemResult {
  SyntheticTable table;
  std::size_t rounds = 0;
  double total = 0.0;  ///< the number of records that the table stands for: public or noisy
  std::string selection{};
  Guarantee guarantee{};  ///< of the selection's law, the weakest of all rounds
  std::vector<MwemRound> history{};
  double noise_deviation = 0.0;  ///< of a measured answer, in counts
  /// |y - <q, A>| over the measured queries, in counts: safe to publish, since both are released.
  double largest_residual = 0.0, mean_residual = 0.0;
  Budget budget;  ///< with its expenses
};

}  // namespace lazygumbel
