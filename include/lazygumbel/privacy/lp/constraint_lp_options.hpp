#pragma once

#include <cstddef>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"
#include "lazygumbel/privacy/accounting/neighbours.hpp"
#include "lazygumbel/privacy/lp/constraint_lp_bounds.hpp"

namespace lazygumbel {

/// All of it public: fixed without a look at the constraints. Give either `accuracy`, from which T
/// and s follow, or both `rounds` and `density`.
struct ConstraintLpOptions {
  /// What may differ: one whole constraint (A_i, b_i) has other values, their number being public,
  /// or is there or not.
  Neighbours neighbours = Neighbours::replace_one;
  /// W, required: A_i v_j - b_i at any vertex is clipped to [-W, W]. Privacy holds whatever W is;
  /// the theorem holds where nothing is clipped.
  double width = 0.0;
  double accuracy = 0.0;   ///< alpha, in units of b: the violation that the theorem should reach
  std::size_t rounds = 0;  ///< T
  double density = 0.0;    ///< s, in [1, m]: no constraint gets more than 1 / s of the weight
  double failure_probability = 0.05;  ///< beta
  /// Under add_remove, and only there: an upper bound on the number of constraints that was known
  /// without looking, in place of the private m. Where it is wrong, privacy still holds and the
  /// theorem does not.
  std::size_t constraints = 0;
  /// Adds the true violation, tolerance bound.violation, to the result. NOT PRIVATE.
  bool not_private_truth = false;
};

namespace detail {

inline void require_options(const ConstraintLpOptions& options) {
  require_positive("width", options.width);
  if (!(options.failure_probability > 0.0 && options.failure_probability < 1.0))
    throw_invalid("failure_probability", options.failure_probability, "must lie in (0, 1)");
  if (options.accuracy != 0.0) {
    require_positive("accuracy", options.accuracy);
    if (options.rounds != 0)
      throw_invalid("rounds", options.rounds, "must be 0 where an accuracy is given");
    if (options.density != 0.0)
      throw_invalid("density", options.density, "must be 0 where an accuracy is given");
  } else {
    if (!(options.rounds >= 1 && static_cast<double>(options.rounds) <= largest_rounds))
      throw_invalid("rounds", options.rounds, "must lie in [1, 10^7] where no accuracy is given");
    if (!(options.density >= 1.0 && options.density <= 0x1p53))
      throw_invalid("density", options.density, "must lie in [1, m] where no accuracy is given");
  }
  if (options.neighbours == Neighbours::add_remove) {
    if (options.constraints < 1 || options.constraints > (std::size_t{1} << 53))
      throw_invalid("constraints", options.constraints,
                    "must be a public bound, in [1, 2^53], on their number under add_remove");
    if (options.density > static_cast<double>(options.constraints))
      throw_invalid("density", options.density,
                    "must be at most constraints = " + text_of(options.constraints));
  } else if (options.constraints != 0) {
    throw_invalid("constraints", options.constraints,
                  "must be 0 under replace_one, where their number is public");
  }
}

}  // namespace detail
}  // namespace lazygumbel
