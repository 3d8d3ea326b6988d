#pragma once

#include <algorithm>

#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/accounting/costs.hpp"
#include "lazygumbel/privacy/noise/noisy_answer.hpp"
#include "lazygumbel/privacy/table/histogram.hpp"
#include "lazygumbel/random/secure_engine.hpp"

namespace lazygumbel {

/// max(1, n + noise): the number of records under add_remove, where it is private. Sensitivity 1;
/// discrete Laplace noise under pure accounting, Gaussian under zCDP. Spends `cost`.
template <SecureBitGenerator Engine>
double noisy_total(const Histogram& table, double cost, Budget& budget, Engine& engine) {
  const GridNoise noise =
      budget.accountant() == Accountant::pure
          ? GridNoise::laplace(Grid(), 1.0, laplace_epsilon(Accountant::pure, cost),
                               Answers::on_grid)
          : GridNoise::gaussian(Grid(), 1.0, cost, Answers::on_grid);
  budget.spend("number of records", cost);
  return (std::max)(1.0, noise.answer(static_cast<double>(table.total()), engine));
}

}  // namespace lazygumbel
