#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/accounting/neighbours.hpp"
#include "lazygumbel/privacy/noise/grid.hpp"
#include "lazygumbel/privacy/noise/noisy_answer.hpp"
#include "lazygumbel/privacy/table/histogram.hpp"
#include "lazygumbel/privacy/table/simplex.hpp"
#include "lazygumbel/privacy/table/synthetic_table.hpp"
#include "lazygumbel/random/secure_engine.hpp"

namespace lazygumbel {

/// The noise that release_identity adds to each of `cells` counts for `cost` (epsilon or rho):
///
/// | accountant | law | sensitivity under replace_one, add_remove |
/// |---|---|---|
/// | pure | discrete Laplace, scale D / epsilon | L1: 2, 1 |
/// | zcdp | discrete Gaussian, sigma^2 = D^2 / (2 rho) | L2: sqrt(2), 1 |
///
/// Throws std::invalid_argument as GridNoise does.
inline GridNoise identity_noise(std::size_t cells, Neighbours neighbours, Accountant accountant,
                                double cost) {
  const bool replace = neighbours == Neighbours::replace_one;
  const Grid counts(1.0);
  if (accountant == Accountant::pure)
    return GridNoise::laplace(counts, replace ? 2.0 : 1.0, cost, Answers::on_grid, cells);
  return GridNoise::gaussian(counts, replace ? std::sqrt(2.0) : 1.0, cost, Answers::on_grid, cells);
}

/// The identity baseline: noise on every cell of the histogram, then the nearest table (Euclidean)
/// of non-negative weights with the right total. The total is n under replace_one, where n is
/// public; under add_remove it is the noisy counts' own sum, or 1 where that is below 1, and n is
/// not used. Nothing but the noisy counts depends on the data, so the release is exactly as private
/// as they are.
///
/// Spends `cost` (epsilon or rho) of the budget in one piece, before anything is drawn. Throws
/// budget_error when the budget cannot pay, std::invalid_argument when the cost is so small that
/// the noise leaves its range (a scale above 2^52); nothing is spent then. O(cells) time and memory
/// on average; the time depends on the data a little, through the projection and the noise.
///
/// The baseline to beat: nothing is better while n epsilon is far above the number of cells.
/// method_hint says from public numbers when to try something else.
/// Sources: Dwork, McSherry, Nissim, Smith, "Calibrating Noise to Sensitivity in Private Data
/// Analysis", TCC 2006; discrete_noise.hpp and simplex.hpp for the two halves.
template <SecureBitGenerator Engine>
SyntheticTable release_identity(const Histogram& histogram, Neighbours neighbours, Budget& budget,
                                double cost, Engine& engine) {
  const std::size_t cells = histogram.domain().size();
  const GridNoise noise = identity_noise(cells, neighbours, budget.accountant(), cost);
  std::vector<double> weights(histogram.counts().begin(), histogram.counts().end());
  budget.spend(budget.accountant() == Accountant::pure ? "identity: discrete Laplace"
                                                       : "identity: discrete Gaussian",
               cost);
  noise.answers(weights, weights, engine);
  const double total = neighbours == Neighbours::replace_one
                           ? static_cast<double>(histogram.total())
                           : (std::max)(1.0, std::accumulate(weights.begin(), weights.end(), 0.0));
  project_to_simplex(weights, total);
  return SyntheticTable(histogram.domain(), std::move(weights));
}

/// The same for all that remains of the budget. Throws budget_error where nothing does.
template <SecureBitGenerator Engine>
SyntheticTable release_identity(const Histogram& histogram, Neighbours neighbours, Budget& budget,
                                Engine& engine) {
  const double cost = budget.remaining();
  if (!(cost > 0.0)) throw budget_error("lazygumbel: identity: nothing is left of the budget");
  return release_identity(histogram, neighbours, budget, cost, engine);
}

}  // namespace lazygumbel
