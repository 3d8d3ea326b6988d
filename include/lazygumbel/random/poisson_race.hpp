#pragma once

#include <cmath>

#include "lazygumbel/random/gumbel.hpp"

namespace lazygumbel {

/// The arrivals T_1 < T_2 < ... of a Poisson process of rate L, as keys v_j = -log T_j, which fall.
/// T_j = (E_1 + ... + E_j) / L with independent standard exponentials E, so only log L is needed
/// and neither L nor T is ever formed. The first key is log L + Gumbel(0, 1): the Gumbel-max trick
/// and the exponential race are one object (algorithm and proof: docs/algorithms.md, section 1).
class PoissonRace {
 public:
  /// `log_rate` = log L; -inf is the empty process, whose keys are all -inf.
  explicit PoissonRace(double log_rate) noexcept : log_rate_(log_rate) {}

  /// The key of the next arrival.
  template <BitGenerator Engine>
  double next(Engine& engine) {
    scaled_time_ += standard_exponential(engine);
    return log_rate_ - std::log(scaled_time_);
  }

 private:
  double log_rate_;
  double scaled_time_ = 0.0;  // L T
};

}  // namespace lazygumbel
