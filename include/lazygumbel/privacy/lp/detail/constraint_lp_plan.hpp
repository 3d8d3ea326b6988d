#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/accounting/costs.hpp"
#include "lazygumbel/privacy/lp/constraint_lp_bounds.hpp"
#include "lazygumbel/privacy/lp/constraint_lp_options.hpp"
#include "lazygumbel/privacy/lp/lp_result.hpp"

namespace lazygumbel::detail {

/// The parameters of a run, from public numbers only.
struct ConstraintLpPlan {
  std::size_t rounds = 0;
  double density = 0.0;
  double learning_rate = 0.0;
  double epsilon = 0.0;      ///< of each choice
  double sensitivity = 0.0;  ///< D / W
  LpBound bound{};
};

/// The epsilon of one of `rounds` equal choices.
inline double epsilon_of_round(const Budget& budget, double rounds) {
  return exponential_mechanism_epsilon(budget.accountant(), budget.share(1.0 / rounds));
}

/// Says what would bring the density down to m: an accuracy, or a budget.
[[noreturn]] LAZYGUMBEL_COLD inline void refuse_density(const ConstraintLpOptions& options,
                                                        double density, double m, double d,
                                                        double rounds, const Budget& budget) {
  const double ratio = 8.0 * options.width;
  const auto needed = [&](double accuracy) {
    const double w = options.width / accuracy;
    const double t = (std::max)(1.0, std::ceil(8.0 * std::log(m) * w * w));
    const double logs = log_vertex_rounds(d, t, options.failure_probability);
    return ratio / (accuracy * epsilon_of_round(budget, t)) * logs;
  };
  double low = options.accuracy, high = 2.0 * low;
  while (needed(high) > m && high < 1e300) low = high, high *= 2.0;
  for (int step = 0; step < 40; ++step) {
    const double middle = 0.5 * (low + high);
    (needed(middle) > m ? low : high) = middle;
  }
  const double logs = log_vertex_rounds(d, rounds, options.failure_probability);
  const double epsilon = ratio / (options.accuracy * m) * logs;
  const double total = rounds * exponential_mechanism_cost(budget.accountant(), epsilon);
  const auto about = [](double value) {  // three digits, rounded up
    const double unit = std::pow(10.0, std::floor(std::log10(value)) - 2.0);
    return text_of(static_cast<float>(std::ceil(value / unit) * unit));
  };
  throw_invalid("accuracy", options.accuracy,
                "takes a density of " + about(density) + ", above m = " + text_of(m) +
                    ": an accuracy of " + about(high) + " would do, or a budget of " +
                    about(total) + (budget.accountant() == Accountant::pure ? " epsilon" : " rho"));
}

/// m: the public number of constraints, or the public bound on it.
inline ConstraintLpPlan plan_constraint_lp(const ConstraintLpOptions& options, std::size_t vertices,
                                           std::size_t constraints, const Budget& budget) {
  require_own_budget(budget);
  const double m = static_cast<double>(constraints), beta = options.failure_probability;
  const bool asked = options.accuracy != 0.0;
  ConstraintLpPlan plan;
  plan.rounds = asked ? constraint_lp_rounds(options.width, options.accuracy, m) : options.rounds;
  const auto rounds = static_cast<double>(plan.rounds);
  plan.epsilon = epsilon_of_round(budget, rounds);
  plan.density = asked ? constraint_lp_density(options.width, options.accuracy, plan.epsilon,
                                               vertices, plan.rounds, beta)
                       : options.density;
  if (asked && plan.density > m)
    refuse_density(options, plan.density, m, static_cast<double>(vertices), rounds, budget);
  plan.learning_rate = constraint_lp_learning_rate(m, plan.density, plan.rounds);
  plan.sensitivity = constraint_lp_sensitivity(plan.density);
  require_positive("epsilon / (2 D)", plan.epsilon / (2.0 * plan.sensitivity));
  plan.bound = {.violation = constraint_lp_violation(options.width, m, plan.density, plan.epsilon,
                                                     vertices, plan.rounds, beta),
                .exceptions = static_cast<std::size_t>(std::ceil(plan.density)),
                .failure_probability = beta};
  return plan;
}

}  // namespace lazygumbel::detail
