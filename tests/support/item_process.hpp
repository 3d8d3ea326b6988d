#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <lazygumbel/core/log_sum_exp.hpp>
#include <lazygumbel/index/tail.hpp>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "laws.hpp"

namespace lazygumbel::testing {

/// The log intensity that the process states for each item; -inf for those that never came in
/// `draws` proposals. Fails when an item is given two intensities. `counter` counts the items.
template <ItemProcess Process>
std::vector<double> stated_intensities(const Process& process, std::size_t n, std::size_t draws,
                                       std::uint64_t seed, Counter& counter) {
  std::vector<double> stated(n, -std::numeric_limits<double>::infinity());
  PhiloxEngine engine(seed);
  for (std::size_t i = 0; i < draws; ++i) {
    const Proposal proposal = process.propose(engine);
    counter.add(proposal.id);
    double& known = stated[proposal.id];
    if (known == -std::numeric_limits<double>::infinity()) known = proposal.log_intensity;
    EXPECT_NEAR(known, proposal.log_intensity, 1e-12) << "item " << proposal.id;
  }
  return stated;
}

/// The contract of ItemProcess for one whose items are all likely enough to come in `draws`
/// proposals: log_rate is the log of the sum of the stated intensities, to 1e-9, and items come
/// with probabilities in proportion to them (chi-square). Returns the stated intensities.
template <ItemProcess Process>
std::vector<double> expect_item_process(const Process& process, std::size_t n, std::size_t draws,
                                        std::uint64_t seed, const std::string& what) {
  Counter counter(n);
  const auto stated = stated_intensities(process, n, draws, seed, counter);
  EXPECT_NEAR(log_sum_exp(std::span<const double>(stated)), process.log_rate(), 1e-9) << what;
  expect_law(counter, softmax(stated), what);
  return stated;
}

}  // namespace lazygumbel::testing
