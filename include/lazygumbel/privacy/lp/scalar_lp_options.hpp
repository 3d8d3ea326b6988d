#pragma once

#include <cstddef>

#include "lazygumbel/privacy/lp/detail/sampled_constraint_index.hpp"

namespace lazygumbel {

/// In what the linear programs of neighbouring data differ.
enum class LpNeighbours {
  /// The right-hand sides: |b_i - b'_i| <= `sensitivity` for all i. A is public.
  bounds,
  /// The matrix: |A_ij - A'_ij| <= `sensitivity` for all i, j. b is public. Each round then also
  /// pays for noise on the row that it uses, without which that row would be published.
  matrix,
  /// The objective. Refused: the region K = { x >= 0 : <c, x> = value } is made of it and is
  /// published with every iterate. Hsu, Roth, Roughgarden, Ullman (ICALP 2014) show that where an
  /// objective may change at will no private solution is of use.
  objective
};

struct ScalarLpOptions {
  LpNeighbours neighbours = LpNeighbours::bounds;
  double sensitivity = 0.0;  ///< required, public: in units of b, or of A
  /// W >= max |A_ij v_j|, public. 0: taken from A, which `bounds` allows. Required by `matrix`,
  /// where entries beyond W / v_j are clipped.
  double width = 0.0;
  std::size_t rounds = 0;             ///< T; 0: scalar_lp_rounds, from public numbers
  double failure_probability = 0.05;  ///< beta of the bound
  /// Of the budget, for LpResult::noisy_violation; 0 for none.
  double violation_share = 0.0;
  /// `matrix`: of a round's budget; the rest is for the noisy row.
  double selection_share = 0.5;
  /// Put LpResult::not_private_truth into the result, which may not be published then.
  bool not_private_truth = false;
};

/// SampledConstraintIndex: the law of scores clipped at a level that a public sample of constraints
/// sets, in about sqrt(m) time between rare scans. As private as a full scan, certainly and at no
/// charge; `bound` grows by what clipping may hide. The time depends on the data.
struct LazySampled {
  SampledConstraintOptions index{};
};

}  // namespace lazygumbel
