#pragma once

#include "lazygumbel/privacy/selection/exponential_mechanism.hpp"
#include "lazygumbel/privacy/selection/selection_modes.hpp"

namespace lazygumbel::detail {

/// What the lazy selection modes have in common: an index of their own, prepared before each step
/// where it wants to be, and the exponential mechanism over it.
template <class Index>
class LazySelector {
 public:
  /// The index is made of `parts`.
  template <class... Parts>
  explicit LazySelector(double sensitivity, const ExponentialMechanismOptions& options,
                        const Parts&... parts)
      : index_(parts...), mechanism_(index_, sensitivity, options) {}
  LazySelector(LazySelector&&) = delete;  // the mechanism refers to the index

  ScanCounts scans() const noexcept {
    if constexpr (requires { index_.scans(); })
      return index_.scans();
    else
      return {};
  }

 protected:
  /// Item i with probability proportional to exp(epsilon <query, item i> / (2 sensitivity)).
  template <SecureBitGenerator Engine>
  Selection select_by(const Vector<double>& query, double epsilon, Budget& budget, Engine& engine) {
    if constexpr (requires { index_.prepare(query); })
      index_.prepare(query * mechanism_.scale(epsilon));
    const Selection selection = mechanism_.select(query, epsilon, budget, engine);
    if constexpr (requires { index_.note_proposals(selection.trace.proposals); })
      index_.note_proposals(selection.trace.proposals);
    return selection;
  }

 private:
  Index index_;
  ExponentialMechanism<Index> mechanism_;
};

}  // namespace lazygumbel::detail
