#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lazygumbel/core/types.hpp"

/// \file
/// Linear programs for the benchmarks of private solvers.

namespace bench {

struct LpProblem {
  lazygumbel::RowMatrix<float> constraints;
  std::vector<double> bounds;
};

/// m constraints over d variables that some plan x* of the simplex (uniform) meets, with slacks
/// uniform in [0, .05]:
/// - "random": entries uniform in [-1, 1];
/// - "structured": 300 resources, each used by 30% of the activities, uniform in [0, 1] a unit,
/// under
///   m / 300 scenarios that move every use by up to 10%: a robust plan of capacities.
LpProblem lp_problem(const std::string& kind, std::size_t m, std::size_t d, std::uint64_t seed);

}  // namespace bench
