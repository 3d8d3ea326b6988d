#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include "lazygumbel/index/gap.hpp"
#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/accounting/costs.hpp"
#include "lazygumbel/random/secure_engine.hpp"
#include "lazygumbel/sampling/lazy_sampler.hpp"

namespace lazygumbel {

struct ExponentialMechanismOptions {
  std::size_t k = 0;  ///< items to retrieve, as LazySamplerOptions::k
  /// Added to the index's bound: how far it may have missed the true one. Widening by as much makes
  /// the law exact, at exp(widening) times the proposals, and costs no privacy; whether it is as
  /// much is certified, calibrated or assumed, as the answer's guarantee says.
  Gap widening{};
  /// What a miss may exceed the widened bound by, on every table that there could be: each step is
  /// charged for it, epsilon + 2 uncovered_gap (exponential_mechanism_cost). A promise of the
  /// caller's.
  double uncovered_gap = 0.0;
};

/// One choice and what it cost.
struct Selection {
  item_id id = 0;
  double cost = 0.0;  ///< in epsilon or rho, spent
  Trace trace;        ///< PRIVATE but for its guarantee: the counts depend on the data
};

/// The exponential mechanism over the items of a kNN index: item i with probability proportional to
///   exp(epsilon <v, x_i> / (2 D)),
/// where v is what the data say, and D the sensitivity of the score: |<v, x_i> - <v', x_i>| <= D
/// for every item and all neighbouring tables, twice the rounding error of the scores included
/// (2^-24 |v| |x| times the dimension for floats). Draws through LazySampler: with an index whose
/// bounds are certified the law is this one, whatever the index returned; otherwise read
/// ExponentialMechanismOptions. Scores of |<v, x_i>|: see AbsoluteIndex.
///
/// The time of a draw depends on the data, as docs/privacy.md says. const and thread-safe but
/// for the budget. Source: McSherry, Talwar, FOCS 2007; lazily: docs/algorithms.md.
template <MipsIndex Index>
class ExponentialMechanism {
 public:
  using scalar_type = typename Index::scalar_type;

  /// Throws std::invalid_argument unless D is positive and finite, uncovered_gap >= 0 is finite,
  /// and k <= n.
  ExponentialMechanism(const Index& index, double sensitivity,
                       const ExponentialMechanismOptions& options = {})
      : sampler_(index, {.k = options.k, .gap = options.widening}),
        sensitivity_(sensitivity),
        uncovered_gap_(options.uncovered_gap) {
    detail::require_positive("sensitivity", sensitivity);
    detail::require_not_negative("uncovered_gap", uncovered_gap_);
  }
  ExponentialMechanism(const Index&&, double, const ExponentialMechanismOptions& = {}) = delete;

  const Index& index() const noexcept { return sampler_.index(); }
  double sensitivity() const noexcept { return sensitivity_; }

  /// epsilon / (2 D): what multiplies a score.
  double scale(double epsilon) const { return epsilon / (2.0 * sensitivity_); }

  /// Spends the cost, then draws. Throws budget_error when it is not there,
  /// std::invalid_argument on a bad epsilon or v, index_error as LazySampler does.
  template <SecureBitGenerator Engine>
  Selection select(const VectorView<scalar_type>& v, double epsilon, Budget& budget,
                   Engine& engine) const {
    const double cost = exponential_mechanism_cost(budget.accountant(), epsilon, uncovered_gap_);
    detail::require_query<scalar_type>("v", v, index().dimension());
    const Vector<scalar_type> theta = v * static_cast<scalar_type>(scale(epsilon));
    budget.spend("exponential mechanism", cost);
    const Draw draw = sampler_.sample(theta, engine);
    return {draw.id, cost, draw.trace};
  }

 private:
  LazySampler<Index> sampler_;
  double sensitivity_, uncovered_gap_;
};

}  // namespace lazygumbel
