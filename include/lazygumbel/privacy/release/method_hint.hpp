#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/accountant.hpp"
#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"
#include "lazygumbel/privacy/accounting/neighbours.hpp"

namespace lazygumbel {

/// The ways to release a table that method_hint compares.
enum class ReleaseMethod {
  identity,  ///< noise on every cell: release_identity
  mwem       ///< multiplicative weights fitted to the worst answered queries, with replay
};

/// "identity" or "mwem".
constexpr const char* name_of(ReleaseMethod method) noexcept {
  return method == ReleaseMethod::identity ? "identity" : "mwem";
}

/// All that a hint may depend on: numbers that were public before the data were looked at.
struct PublicNumbers {
  std::size_t cells = 0;    ///< of the domain
  std::size_t queries = 0;  ///< of the workload
  double records = 0.0;     ///< n under replace_one; under add_remove a guess, never n itself
  Neighbours neighbours = Neighbours::replace_one;
};

/// The largest error over the workload, as a fraction of n, that either method is likely to make.
struct MethodHint {
  double identity_error = 0.0, mwem_error = 0.0;
  ReleaseMethod preferred = ReleaseMethod::identity;  ///< the smaller error; identity when equal
};

/// A hint, not a bound: what a release of `amount` (epsilon or rho) is likely to cost in accuracy.
/// With b the scale of the identity's noise in records (sensitivity / epsilon, or sigma / sqrt(2))
/// and S(y) = y / (1 + 2 y), since no method in its senses errs by more than about a half,
///
///   identity:     S(0.95 cells^(2/3) b / n)
///   mwem, pure:   S(0.31 ln(cells + 1) sqrt(ln(queries + 1) / (n epsilon)))
///   mwem, zcdp:   S(0.25 (ln(cells + 1) ln(queries + 1) / (n sqrt(rho)))^(2/3)).
///
/// Why these shapes. The identity's noise is linear in b / n; the power of cells lies between 1/2,
/// a sum of independent noises, and 1, the bias of projecting many empty cells. T iterations of
/// MWEM with replay leave a misfit that falls as 1 / T and noise that grows as T / (n epsilon), or
/// sqrt(T / rho) / n: the best T makes these powers. The constants are calibrated to measurements
/// of 0/1 queries that are products of random halves of each attribute's values, over census
/// records (n = 48,842 and samples of 5,000; 480, 2,880 and 100,800 cells; 500 to 100,000 queries;
/// epsilon .01 .. 3; T near its best). Errors meet those within a factor of 2, over 100,800 cells
/// of six attributes within 3.4, and the preference is right wherever the two methods' measured
/// errors differ by more than a factor of 1.6. Other workloads and other data may differ more.
///
/// Throws std::invalid_argument unless cells and queries are at least 1, records lies in [1, 1e300]
/// and amount in (0, 1e300]. O(1), thread-safe.
inline MethodHint method_hint(const PublicNumbers& numbers, Accountant accountant, double amount) {
  if (numbers.cells < 1) detail::throw_invalid("cells", numbers.cells, "must be at least 1");
  if (numbers.queries < 1) detail::throw_invalid("queries", numbers.queries, "must be at least 1");
  if (!(numbers.records >= 1.0 && numbers.records <= 1e300))
    detail::throw_invalid("records", numbers.records, "must lie in [1, 1e300]");
  detail::require_positive("amount", amount);

  const auto saturated = [](double y) { return 0.5 - 0.5 / (1.0 + 2.0 * y); };  // y may be infinite
  const bool pure = accountant == Accountant::pure;
  const bool replace = numbers.neighbours == Neighbours::replace_one;
  const double cells = static_cast<double>(numbers.cells), n = numbers.records;
  const double root = std::sqrt(amount);
  const double scale =
      pure ? (replace ? 2.0 : 1.0) / amount
           : (replace ? 1.0 : 0.5 * std::numbers::sqrt2) / (root * std::numbers::sqrt2);
  const double log_cells = std::log1p(cells);
  const double log_queries = std::log1p(static_cast<double>(numbers.queries));

  MethodHint hint;
  hint.identity_error = saturated(0.95 * std::cbrt(cells * cells) * (scale / n));
  hint.mwem_error =
      saturated(pure ? 0.31 * log_cells * std::sqrt(log_queries / n) / root
                     : 0.25 * std::cbrt(std::pow(log_cells * log_queries / n / root, 2.0)));
  hint.preferred =
      hint.mwem_error < hint.identity_error ? ReleaseMethod::mwem : ReleaseMethod::identity;
  return hint;
}

/// The same for all that remains of a budget.
inline MethodHint method_hint(const PublicNumbers& numbers, const Budget& budget) {
  return method_hint(numbers, budget.accountant(), budget.remaining());
}

}  // namespace lazygumbel
