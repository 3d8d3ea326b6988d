#pragma once

#include <cmath>
#include <cstddef>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/accountant.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"
#include "lazygumbel/privacy/accounting/zcdp.hpp"

/// \file
/// What one run of a mechanism costs under an accountant (epsilon, or rho), rounded up, and the
/// parameter that a cost buys, rounded down so far that cost(parameter(c)) <= c. Parameters and
/// costs lie in (0, 1e300]; anything else is a std::invalid_argument. A cost that no double holds
/// is infinite. O(1), thread-safe.

namespace lazygumbel {
namespace detail {

/// At most `guess`, and of a cost of at most `cost`.
template <class CostOf>
double affordable(double guess, double cost, CostOf&& cost_of) {
  const double found = accepted_below(guess, [&](double x) { return cost_of(x) <= cost; });
  if (!(found > 0.0)) throw_invalid("cost", cost, "buys nothing");
  return found;
}

}  // namespace detail

/// The exponential mechanism, P(i) proportional to exp(epsilon s_i / (2 D)) with scores s of
/// sensitivity D: epsilon pure, epsilon^2 / 8 in rho.
///
/// `gap` = c >= 0, in nats of the exponent epsilon s / (2 D), is by how much an item outside the
/// head of a lazy draw may exceed the bound that the draw used, on every input, when nothing covers
/// it: epsilon + 2 c pure, (epsilon + 4 c)^2 / 8 in rho. 0 for certified bounds, for a full scan,
/// and for a bound that was widened by c.
///
/// Proof. ln P(i) - ln P'(i) = epsilon (s_i - s'_i) / (2 D) + const lies in an interval of length
/// epsilon that holds 0: that is epsilon-privacy [McSherry, Talwar, FOCS 2007]. A variable L in an
/// interval of length r with E_P[exp(-L)] = 1 has E_P[L] <= r^2 / 8 and, by Hoeffding's lemma,
/// Renyi divergences D_alpha <= alpha r^2 / 8 [Cesar, Rogers, "Bounding, Concentrating, and
/// Truncating", ALT 2021]. A gap c changes every probability by a factor of exp(-c) .. exp(c), on
/// both inputs: each end of the interval moves by at most 2 c.
inline double exponential_mechanism_cost(Accountant accountant, double epsilon, double gap = 0.0) {
  detail::require_positive("epsilon", epsilon);
  detail::require_not_negative("gap", gap);
  if (accountant == Accountant::pure)
    return gap == 0.0 ? epsilon : detail::next_up(epsilon + 2.0 * gap);
  const double range = gap == 0.0 ? epsilon : detail::next_up(epsilon + 4.0 * gap);
  return detail::not_nothing(0.125 * range * range * detail::slightly_more);
}

/// The epsilon of the exponential mechanism that `cost` buys. Throws std::invalid_argument where
/// the gap alone costs as much.
inline double exponential_mechanism_epsilon(Accountant accountant, double cost, double gap = 0.0) {
  detail::require_positive("cost", cost);
  detail::require_not_negative("gap", gap);
  const double guess = accountant == Accountant::pure
                           ? cost - 2.0 * gap
                           : std::sqrt(8.0) * std::sqrt(cost) - 4.0 * gap;
  if (!(guess > 0.0))
    detail::throw_invalid("cost", cost, "does not even pay for the gap of " + detail::text_of(gap));
  return detail::affordable(guess, cost, [&](double epsilon) {
    return exponential_mechanism_cost(accountant, epsilon, gap);
  });
}

/// What arithmetic in doubles adds to delta when `rounds` draws of the exponential mechanism choose
/// among `items`: items rounds 2^-53. No cost and no budget includes it. A draw compares doubles,
/// so the probability of an item is off by about 2^-53 of the total: an item 300 nats below the
/// rest may be met once in 10^15 draws, where the exact law would never meet it (docs/privacy.md).
inline double floating_point_delta(std::size_t items, std::size_t rounds) noexcept {
  return static_cast<double>(items) * static_cast<double>(rounds) * 0x1p-53;
}

/// Laplace noise of scale D / epsilon on an answer of L1 sensitivity D, discrete or continuous:
/// epsilon pure [Dwork, McSherry, Nissim, Smith, TCC 2006], epsilon tanh(epsilon / 2) in rho
/// (zcdp.hpp has the proof, and why discrete noise is not given less).
inline double laplace_cost(Accountant accountant, double epsilon) {
  detail::require_positive("epsilon", epsilon);
  return accountant == Accountant::pure ? epsilon : zcdp_of_pure(epsilon);
}

/// The epsilon of Laplace noise that `cost` buys.
inline double laplace_epsilon(Accountant accountant, double cost) {
  detail::require_positive("cost", cost);
  if (accountant == Accountant::pure) return cost;
  // epsilon tanh(epsilon / 2) lies below both epsilon^2 / 2 and epsilon, and above cost at their
  // sum.
  double low = 0.0, high = std::sqrt(2.0) * std::sqrt(cost) + cost;
  if (!(high <= detail::largest_amount)) high = detail::largest_amount;
  for (int step = 0; step < 200; ++step) {
    const double middle = low + 0.5 * (high - low);
    if (!(middle > low && middle < high)) break;
    (laplace_cost(accountant, middle) <= cost ? low : high) = middle;
  }
  return detail::affordable(low, cost, [&](double e) { return laplace_cost(accountant, e); });
}

/// Gaussian noise of standard deviation sigma on an answer of L2 sensitivity D, discrete or
/// continuous, with `ratio` = D / sigma: ratio^2 / 2 in rho [Bun, Steinke 2016, Proposition 1.6;
/// discrete: CKS20, Theorem 4]. It is not purely private at any epsilon: throws
/// std::invalid_argument for Accountant::pure.
inline double gaussian_cost(Accountant accountant, double ratio) {
  detail::require_positive("ratio", ratio);
  if (accountant == Accountant::pure)
    detail::throw_invalid("accountant", name_of(accountant), "Gaussian noise has no pure epsilon");
  return detail::not_nothing(0.5 * ratio * ratio * detail::slightly_more);
}

/// The D / sigma of Gaussian noise that `cost` buys; sigma = D / gaussian_ratio(accountant, cost).
inline double gaussian_ratio(Accountant accountant, double cost) {
  detail::require_positive("cost", cost);
  if (accountant == Accountant::pure)
    detail::throw_invalid("accountant", name_of(accountant), "Gaussian noise has no pure epsilon");
  return detail::affordable(std::sqrt(2.0) * std::sqrt(cost), cost,
                            [&](double ratio) { return gaussian_cost(accountant, ratio); });
}

}  // namespace lazygumbel
