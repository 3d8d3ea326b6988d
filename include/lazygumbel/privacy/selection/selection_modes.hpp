#pragma once

#include <cstddef>

#include "lazygumbel/index/gap.hpp"

/// \file
/// How an iterative mechanism finds the item of each round, named by why the law of the choice is
/// what it should be. LazyClipped (mwem_options.hpp) is one more for MWEM.

namespace lazygumbel {

/// Every item is scored: certain, and the same work for every input.
struct FullScan {};

/// How often each kind of scan was made.
struct ScanCounts {
  std::size_t exact = 0, coded = 0;
};

struct CertifiedScanOptions {
  static constexpr int chosen_bits = -1;
  /// Scan again when a draw is expected to propose more items than this; 0: a share of the items
  /// that balances a scan with the scattered scores that it saves. 1 asks for a scan every step.
  double proposal_budget = 0.0;
  /// Of the codes that rows are scanned by: 4 or 8; chosen_bits: 8 for the queries of MWEM, 4 for
  /// constraints. MWEM: 0 for no codes; they serve dense workloads of up to 50,000 cells, others
  /// have exact scans that are faster.
  int code_bits = chosen_bits;
};

/// Certified bounds instead of scores wherever they will do. Certain; the time depends on the data.
struct LazyCertified {
  CertifiedScanOptions index{};
  /// Items rescored first, at most n; 0: 32, or 16 constraints, or all. At most 64 (16) are used.
  std::size_t k = 0;
};

/// A kNN index of the items, which must outlive the run, proposes: sublinear where that is, and as
/// certain as `widening` is: see ExponentialMechanismOptions for the two gaps.
template <class Proposer>
struct LazyProposed {
  const Proposer& proposer;
  std::size_t k = 0;  ///< 0: ceil(sqrt(n))
  Gap widening{};
  double uncovered_gap = 0.0;
};

namespace detail {

/// The gap that a mode is charged for at each step.
template <class Mode>
double uncovered_gap_of(const Mode& mode) noexcept {
  if constexpr (requires { mode.uncovered_gap; })
    return mode.uncovered_gap;
  else
    return 0.0;
}

}  // namespace detail
}  // namespace lazygumbel
