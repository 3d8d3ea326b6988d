#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/lp/lp_result.hpp>
#include <vector>

#include "capped_reference.hpp"
#include "lp_pairs.hpp"

namespace lazygumbel::testing {

/// The number of a run's choices, in base d.
inline std::uint64_t transcript_of(const LpResult& result, std::size_t d) {
  std::uint64_t number = 0;
  for (const LpRound& round : result.history) number = number * d + round.choice;
  return number;
}

/// The law of transcript_of, from the definition: every path of choices, weights by sorting.
inline std::vector<double> transcript_law(const TestLp& lp, const LpResult& parameters,
                                          double density, double sensitivity) {
  const std::size_t m = lp.rows.size(), rounds = parameters.rounds;
  std::size_t paths = 1;
  for (std::size_t t = 0; t < rounds; ++t) paths *= lp.d;
  std::vector<double> law(paths, 1.0);
  for (std::size_t path = 0; path < paths; ++path) {
    std::vector<double> logs(m, 0.0);
    std::size_t rest = paths, number = path;
    for (std::size_t t = 0; t < rounds; ++t) {
      rest /= lp.d;
      const std::size_t choice = number / rest;
      number %= rest;
      const std::vector<double> y = capped_by_sorting(logs, density);
      double sum = 0.0, own = 0.0;
      for (std::size_t j = 0; j < lp.d; ++j) {
        double score = 0.0;
        for (std::size_t i = 0; i < m; ++i) score -= y[i] * (lp.rows[i][j] - lp.bounds[i]);
        const double weight = std::exp(parameters.epsilon_per_round * score / (2.0 * sensitivity));
        sum += weight;
        if (j == choice) own = weight;
      }
      law[path] *= own / sum;
      for (std::size_t i = 0; i < m; ++i)
        logs[i] += parameters.learning_rate * (lp.rows[i][choice] - lp.bounds[i]);
    }
  }
  return law;
}

}  // namespace lazygumbel::testing
