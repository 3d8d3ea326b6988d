#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/detail/complement.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/random/philox.hpp"

/// \file
/// What an index may know of the tail (the items outside a retrieval's head) beyond one bound for
/// all of it. A tail is a Poisson process over items whose intensities stand beside their unknown
/// exp(score): above them for a sampler, close to them for an estimator.

namespace lazygumbel {

/// An item and the log of the intensity with which its process proposes it.
struct Proposal {
  item_id id = 0;
  double log_intensity = 0.0;
};

/// A process over items: `log_rate()` = log sum_i exp(log_intensity_i) over every item that it may
/// propose, -inf when there is none; `propose(engine)` gives item i with probability
/// exp(log_intensity_i - log_rate()). It may propose items of the head, which are then passed over.
/// const members are thread-safe. Copies and moves own (or share) all that they need but the index.
template <class T>
concept ItemProcess = requires(const T& process, PhiloxEngine& engine) {
  { process.log_rate() } -> std::convertible_to<double>;
  { process.propose(engine) } -> std::same_as<Proposal>;
};

/// An ItemProcess whose intensities are upper bounds: score(id) <= log_intensity for every item
/// that is not in the head, each of which it may propose. `may_exceed(id, t)` is false only when
/// score(id) <= t is certain; it must not need the row, or it saves nothing.
template <class T>
concept DominatingTail = ItemProcess<T> && requires(const T& tail, item_id id, double t) {
  { tail.may_exceed(id, t) } -> std::same_as<bool>;
};

/// An ItemProcess for importance sampling, each item of the tail with positive intensity.
/// `log_largest_weight(U)` bounds score - log_intensity over the tail, given that no score in it
/// exceeds U; +inf when nothing is known. `hidden_excess(share, mean)`, where there is one, bounds
/// the sum over any items with this share of all intensity of what their weights exceed `mean` by,
/// each times its own share; `hidden_deficit(share, mean)` that of what they fall short of it.
template <class T>
concept TailProposals = ItemProcess<T> && requires(const T& proposals, double bound) {
  { proposals.log_largest_weight(bound) } -> std::convertible_to<double>;
};

/// A MipsIndex whose search also leaves a DominatingTail, with a certified bound for every item of
/// the tail. `draws` says how many draws are expected from it: what pays for one may not for many.
template <class Index>
concept TailIndex = MipsIndex<Index> && DominatingTail<typename Index::tail_type> &&
    requires(const Index& index, const VectorView<typename Index::scalar_type>& query,
             std::size_t k, Retrieval& found, typename Index::tail_type& tail) {
  index.search_with_tail(query, k, found, tail, std::size_t{1});
};

/// A TailIndex that answers many queries together faster than one by one.
template <class Index>
concept BatchTailIndex = TailIndex<Index> &&
    requires(const Index& index, const MatrixView<typename Index::scalar_type>& queries,
             std::size_t k, std::span<Retrieval> retrievals,
             std::span<typename Index::tail_type> tails) {
  index.search_batch_with_tail(queries, k, retrievals, tails);
};

/// A MipsIndex whose search also leaves TailProposals for estimators.
template <class Index>
concept ProposingIndex = MipsIndex<Index> && TailProposals<typename Index::proposals_type> &&
    requires(const Index& index, const VectorView<typename Index::scalar_type>& query,
             std::size_t k, Retrieval& found, typename Index::proposals_type& proposals) {
  index.search_with_proposals(query, k, found, proposals);
};

/// The tail when only the residual bound U is known: each of the N items outside the head with
/// intensity exp(U). For estimators the same process at U = 0 is uniform sampling.
class UniformTail {
 public:
  UniformTail(Complement items, double bound) noexcept
      : items_(items),
        bound_(bound),
        log_rate_(items.size() == 0 ? -std::numeric_limits<double>::infinity()
                                    : std::log(static_cast<double>(items.size())) + bound) {}

  double log_rate() const noexcept { return log_rate_; }

  template <BitGenerator Engine>
  Proposal propose(Engine& engine) const {
    return {items_.draw(engine), bound_};
  }

  bool may_exceed(item_id, double t) const noexcept { return t < bound_; }
  double log_largest_weight(double bound) const noexcept { return bound - bound_; }

 private:
  Complement items_;
  double bound_, log_rate_;
};

static_assert(DominatingTail<UniformTail> && TailProposals<UniformTail>);

}  // namespace lazygumbel
