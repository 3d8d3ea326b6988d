#pragma once

#include <cmath>

#include "lazygumbel/privacy/accounting/accountant.hpp"
#include "lazygumbel/privacy/accounting/costs.hpp"
#include "lazygumbel/privacy/noise/noisy_answer.hpp"
#include "lazygumbel/privacy/workload/workload.hpp"

namespace lazygumbel {

/// The noise of one measured query of `sensitivity` (rounding included) that `cost` buys: discrete
/// Laplace under pure accounting, discrete Gaussian under zCDP. Integral queries have answers on
/// the grid of integers; the others are rounded to a grid of step 2^j <= grid_share * sensitivity,
/// which raises the sensitivity by one step, charged.
template <Workload W>
GridNoise query_noise(const W&, double sensitivity, Accountant accountant, double cost,
                      double grid_share) {
  const Answers answers = W::integral ? Answers::on_grid : Answers::fractional;
  // On the integers the sensitivity is an integer: what rounding adds to scores does not apply.
  const double distance = W::integral ? std::floor(sensitivity) : sensitivity;
  const Grid grid(W::integral ? 1.0 : std::exp2(std::floor(std::log2(grid_share * sensitivity))));
  return accountant == Accountant::pure
             ? GridNoise::laplace(grid, distance, laplace_epsilon(accountant, cost), answers)
             : GridNoise::gaussian(grid, distance, cost, answers);
}

}  // namespace lazygumbel
