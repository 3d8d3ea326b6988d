#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/core/parallel.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <span>
#include <vector>

#include "exhaustive_scan.hpp"

namespace demo {

/// Lazy draws for one theta beside the exact law.
struct Tally {
  std::vector<double> exact;         ///< probability of each item, from all n scores, in double
  std::vector<std::uint32_t> drawn;  ///< times that each item was drawn
  std::vector<bool> retrieved;       ///< in the head; all else came through proposals
  std::size_t draws = 0;

  double perplexity() const;  ///< exp(entropy): how many items share the mass, in effect
};

/// Is the law of the draws the exact one? Pearson's chi-square, one cell for each item that is
/// expected at least `fewest` times, the rarer ones pooled (neighbours in id) until they are. The
/// statistics of independent tallies add up, and so do their degrees of freedom.
struct ChiSquare {
  double statistic = 0.0;
  std::size_t degrees = 0, draws = 0, thetas = 0;

  static constexpr double fewest = 5.0;
  void add(const Tally& tally);
  /// P(a statistic this large or larger) when the laws are equal; 1 with no degrees of freedom.
  double p_value() const;
};

/// The exact softmax of scores, in double.
std::vector<double> softmax(const lazygumbel::Vector<float>& scores);

/// `draws` lazy draws for one theta on up to `threads` threads; (seed, stream) names the
/// randomness.
template <class Index>
Tally tally(ExhaustiveScan& scan, const lazygumbel::LazySampler<Index>& sampler,
            const lazygumbel::VectorView<float>& theta, std::size_t draws, std::uint64_t seed,
            std::uint64_t stream, std::size_t threads) {
  Tally tally;
  tally.exact = softmax(scan.score(theta));
  tally.draws = draws;
  const auto envelope = sampler.prepare(theta);
  std::vector<lazygumbel::item_id> ids(draws);
  constexpr std::size_t chunk = 1000;
  lazygumbel::parallel_for((draws + chunk - 1) / chunk, threads, [&](std::size_t c) {
    lazygumbel::PhiloxEngine engine(seed, stream << 32 | c);
    lazygumbel::Trace trace;
    for (std::size_t i = c * chunk; i < (std::min)(draws, (c + 1) * chunk); ++i)
      ids[i] = envelope.sample(engine, trace).id;
  });
  tally.drawn.resize(tally.exact.size());
  tally.retrieved.resize(tally.exact.size());
  for (const auto id : ids) ++tally.drawn[id];
  for (const auto id : envelope.head().ids) tally.retrieved[id] = true;
  return tally;
}

}  // namespace demo
