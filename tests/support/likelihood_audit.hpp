#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>

#include "statistics.hpp"

namespace lazygumbel::testing {

/// An audit of epsilon-privacy: runs a release on two neighbours, `runs` times each, and compares
/// how often each outcome came. Returns the smallest p-value of "P(outcome) <= exp(epsilon)
/// P'(outcome), both ways", times the number of comparisons (Bonferroni): below p for a private
/// release with probability at most p. Of N runs that ended in an outcome, those on one side are at
/// most Binomial(N, 1 / (1 + exp(-epsilon))).
///
/// It sees only violations in outcomes that come often: a small value proves a violation, a large
/// one proves nothing. Outcomes must be comparable with <.
template <class Release, class OtherRelease>
double likelihood_audit(std::size_t runs, double epsilon, Release&& release,
                        OtherRelease&& other_release) {
  using Outcome = decltype(release());
  std::map<Outcome, std::pair<std::uint64_t, std::uint64_t>> counts;
  for (std::size_t run = 0; run < runs; ++run) {
    ++counts[release()].first;
    ++counts[other_release()].second;
  }
  const double share = 1.0 / (1.0 + std::exp(-epsilon));
  double smallest = 1.0;
  for (const auto& [outcome, pair] : counts) {
    const auto [a, b] = pair;
    smallest = std::min(
        {smallest, binomial_at_least(a, a + b, share), binomial_at_least(b, a + b, share)});
  }
  return std::min(1.0, smallest * 2.0 * static_cast<double>(counts.size()));
}

}  // namespace lazygumbel::testing
