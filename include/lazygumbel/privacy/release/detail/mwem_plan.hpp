#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/accounting/costs.hpp"
#include "lazygumbel/privacy/release/detail/noisy_total.hpp"
#include "lazygumbel/privacy/release/mwem_options.hpp"
#include "lazygumbel/privacy/table/histogram.hpp"

namespace lazygumbel::detail {

/// How a run of MWEM divides its budget. What the noisy number of records costs is spent.
struct MwemPlan {
  double total = 0.0;        ///< N: public, or noisy
  std::size_t rounds = 0;    ///< T
  double epsilon = 0.0;      ///< of the exponential mechanism, each round
  double measurement = 0.0;  ///< the cost of each round's noise
};

/// Throws std::invalid_argument under replace_one unless n, which is public there, is below 2^30,
/// and on more rounds than most_updates allows. Nothing is spent then.
/// `rounds(total, amount)`: how many, where the options do not say, for so much of the budget.
template <class Rounds, SecureBitGenerator Engine>
MwemPlan plan_mwem(const Histogram& table, const MwemOptions& options, Rounds&& rounds, double gap,
                   Budget& budget, Engine& engine) {
  require_own_budget(budget);
  const bool counted = options.neighbours == Neighbours::replace_one;
  const double share = counted ? 1.0 : 1.0 - options.total_share;
  if (counted && table.total() >= std::int64_t{1} << 30)
    throw_invalid("table.total()", table.total(), "must be below 2^30");
  const std::size_t most_rounds = replayable_rounds(options, table.domain().size());
  if (options.rounds > most_rounds)
    throw_invalid("rounds", options.rounds,
                  "their replay over " + text_of(table.domain().size()) +
                      " cells exceeds most_updates: at most " + text_of(most_rounds));
  MwemPlan plan;
  plan.total = counted ? (std::max)(1.0, static_cast<double>(table.total()))
                       : noisy_total(table, budget.share(options.total_share), budget, engine);
  plan.rounds = options.rounds != 0
                    ? options.rounds
                    : (std::min)(most_rounds, rounds(plan.total, budget.share(share)));
  // Rounded down, as shares of shares are rounded more often than Budget::share allows for.
  const double round_share = share / static_cast<double>(plan.rounds) * (1.0 - 0x1p-51);
  plan.epsilon = exponential_mechanism_epsilon(
      budget.accountant(), budget.share(round_share * options.selection_share), gap);
  plan.measurement = budget.share(round_share * (1.0 - options.selection_share));
  return plan;
}

}  // namespace lazygumbel::detail
