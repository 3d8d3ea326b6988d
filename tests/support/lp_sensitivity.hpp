#pragma once

#include <algorithm>
#include <cmath>
#include <lazygumbel/privacy/accounting/neighbours.hpp>

#include "lp_pairs.hpp"

namespace lazygumbel::testing {

/// The largest |S_j - S'_j| / D over all vertices and steps, for neighbours that see the same
/// choices: D of `charged`, duals of density `density`.
template <class Dual>
double worst_ratio(const TestLp& lp, const TestLp& other, double charged, double density,
                   double rate, const std::vector<std::size_t>& choices) {
  const auto here = scores_of(lp), there = scores_of(other);
  Dual dual(lp.rows.size(), density, rate), other_dual(other.rows.size(), density, rate);
  std::vector<double> a(lp.d), b(lp.d);
  double worst = 0.0;
  for (std::size_t t = 0; t <= choices.size(); ++t) {
    here.scores(dual.weights(), a);
    there.scores(other_dual.weights(), b);
    for (std::size_t j = 0; j < lp.d; ++j) worst = std::max(worst, std::abs(a[j] - b[j]) / charged);
    if (t == choices.size()) break;
    dual.add(here.row(choices[t]));
    other_dual.add(there.row(choices[t]));
  }
  return worst;
}

/// The worst of `rounds` random pairs of neighbours, of every shape. `cap`: what the duals' density
/// is of the one that is charged for.
template <class Dual>
double worst_of_random_pairs(Neighbours neighbours, int rounds, std::uint64_t seed,
                             double cap = 1.0) {
  PhiloxEngine engine(seed);
  double worst = 0.0;
  for (int round = 0; round < rounds; ++round) {
    const std::size_t m = 1 + uniform_index(round % 20 == 0 ? 300 : 12, engine);
    const std::size_t d = 1 + uniform_index(5, engine);
    const std::uint32_t kind = uniform_index(3, engine);
    TestLp lp;
    lp.d = d;
    for (std::size_t i = 0; i < m; ++i)
      lp.add(random_row(d, kind, engine), uniform_index(2, engine) == 0 ? 0.0 : 0.3);
    TestLp other = lp;
    const std::vector<double> row = random_row(d, uniform_index(3, engine), engine);
    if (neighbours == Neighbours::add_remove) {
      other.add(row, 0.0);
    } else {
      const std::size_t at = uniform_index(static_cast<std::uint32_t>(m), engine);
      other.rows[at] = row;
      other.bounds[at] = 0.0;
    }
    std::vector<std::size_t> choices(uniform_index(30, engine));
    for (std::size_t& j : choices) j = uniform_index(static_cast<std::uint32_t>(d), engine);
    const double largest = static_cast<double>(m);
    const double s = std::max(1.0, uniform_index(2, engine) == 0
                                       ? 1.0 + open_uniform(engine) * (largest - 1.0)
                                       : std::floor(1.0 + open_uniform(engine) * largest));
    const double rate = std::pow(10.0, 3.0 * open_uniform(engine) - 2.0);
    worst = std::max(worst, worst_ratio<Dual>(lp, other, constraint_lp_sensitivity(s),
                                              std::max(1.0, cap * s), rate, choices));
  }
  return worst;
}

}  // namespace lazygumbel::testing
