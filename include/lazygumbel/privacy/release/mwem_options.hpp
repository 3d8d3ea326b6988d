#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/accountant.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"
#include "lazygumbel/privacy/accounting/neighbours.hpp"
#include "lazygumbel/privacy/release/detail/clipped_error_index.hpp"
#include "lazygumbel/privacy/selection/selection_modes.hpp"

namespace lazygumbel {

struct MwemOptions {
  Neighbours neighbours = Neighbours::replace_one;
  std::size_t rounds = 0;        ///< T; 0: mwem_rounds, from public numbers
  double selection_share = 0.5;  ///< of a round's budget; the rest is for its measurement
  /// Of the whole budget, for the noisy number of records, under add_remove only.
  double total_share = 0.05;
  std::size_t replay_passes = 20;  ///< over all measurements after each round; costs no budget
  /// Of cells, by replay in all its rounds: T (T + 1) / 2 replay_passes |X|. More rounds are
  /// refused before anything is spent, or not chosen where T is 0. 2^42 take about three hours.
  double most_updates = 0x1p42;
  /// Of measured queries, for replay. Those beyond are computed again by the workload each time.
  std::size_t kept_bytes = std::size_t{1} << 26;
  bool average = false;  ///< release the mean of the rounds' tables, not the last one
  /// Measured answers of fractional queries are rounded to multiples of this share of the
  /// sensitivity (the next power of two below), which makes the noise larger by about that share.
  double grid_share = 0x1p-10;
};

/// A round finds its query by one of the modes of selection_modes.hpp (LazyProposed by way of
/// ProposedErrorIndex, over an index of the rows q_j), or by LazyClipped. All have one law, query j
/// with probability proportional to exp(epsilon |<q_j, h> - <q_j, A>| / (2 D)) (one Gumbel a query;
/// not 2 cosh, which two signed copies of each query would give), LazyClipped up to its clipping.

/// ClippedErrorIndex: the law of scores that are clipped, by public rules, at a sampled estimate of
/// how far answers have moved since the last scan. As private as a full scan, certainly and at no
/// charge; its utility rests on the estimate. The time depends on the data.
struct LazyClipped {
  ClippedErrorIndexOptions index{};
  std::size_t k = 0;  ///< as in LazyCertified
};

/// T, from public numbers: |X| cells, m queries, n records (the public number, or the noisy one)
/// and the budget. Theory balances 2 sqrt(ln|X| / T), what T updates can mend, against the loss of
/// selection and noise, which is T ln m / (n epsilon) under pure accounting and sqrt(T / rho) ln m
/// / n under zCDP [Hardt, Ligett, McSherry 2012, Theorem 2.2]; the constants
/// are ours, set where replayed runs on the Adult table do best: T = 50 for |X| = 2,880, m =
/// 100,000, n = 48,842, epsilon = 1, and T = 200 for rho = .02436. At least 1, at most 1,000.
inline std::size_t mwem_rounds(std::size_t cells, std::size_t queries, double total,
                               Accountant accountant, double budget) {
  detail::require_positive("total", total);
  detail::require_positive("budget", budget);
  const double log_cells = std::log((std::max)(2.0, static_cast<double>(cells)));
  const double log_queries = std::log((std::max)(2.0, static_cast<double>(queries)));
  const double rounds =
      accountant == Accountant::pure
          ? 0.0945 * std::pow(total * budget * std::sqrt(log_cells) / log_queries, 2.0 / 3.0)
          : 0.107 * total * std::sqrt(budget * log_cells) / log_queries;
  return static_cast<std::size_t>((std::min)(1000.0, (std::max)(1.0, std::round(rounds))));
}

/// T for GroupMwem: as many rounds as leave each measured count with noise of a quarter of sqrt(n),
/// small beside the error of sampling n records in the first place; 1 .. `groups`. On marginals of
/// 3 of 8 attributes of the Adult table at epsilon = 1 that is 10, the best of 10, 20, 40 and 113.
inline std::size_t group_mwem_rounds(std::size_t groups, double total, Accountant accountant,
                                     double budget, Neighbours neighbours) {
  detail::require_positive("total", total);
  detail::require_positive("budget", budget);
  // Half of a round's budget buys Laplace noise of deviation sqrt 2 D / (epsilon / (2 T)) or
  // Gaussian noise of variance D^2 / (2 rho / (2 T)), D^2 = D for a partition's L2.
  const double distance = neighbours == Neighbours::replace_one ? 2.0 : 1.0;
  const double rounds = accountant == Accountant::pure
                            ? 0.25 * std::sqrt(total) * budget / (2.0 * std::sqrt(2.0) * distance)
                            : total / 16.0 * budget / distance;
  return static_cast<std::size_t>(
      (std::min)(static_cast<double>(groups), (std::max)(1.0, std::round(rounds))));
}

namespace detail {

inline void require_fraction(std::string_view name, double value) {
  if (!(value > 0.0 && value < 1.0)) throw_invalid(name, value, "must lie in (0, 1)");
}

/// What replay costs, in updates of a cell.
inline double replay_updates(const MwemOptions& options, std::size_t cells, std::size_t rounds) {
  const double t = static_cast<double>(rounds);
  return 0.5 * t * (t + 1.0) * static_cast<double>(options.replay_passes) *
         static_cast<double>(cells);
}

/// The most rounds, at least 1, whose replay does not exceed most_updates.
inline std::size_t replayable_rounds(const MwemOptions& options, std::size_t cells) {
  std::size_t low = 1, high = 100'001;
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    (replay_updates(options, cells, middle) <= options.most_updates ? low : high) = middle;
  }
  return low;
}

inline void require_options(const MwemOptions& options) {
  require_positive("most_updates", options.most_updates);
  require_fraction("selection_share", options.selection_share);
  require_fraction("total_share", options.total_share);
  require_fraction("grid_share", options.grid_share);
  if (options.rounds > 100'000) throw_invalid("rounds", options.rounds, "must be at most 100,000");
}

}  // namespace detail
}  // namespace lazygumbel
