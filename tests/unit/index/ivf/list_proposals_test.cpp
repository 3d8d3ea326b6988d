#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <lazygumbel/index/ivf/detail/list_proposals.hpp>
#include <statistics.hpp>
#include <utility>
#include <vector>

#include "list_directories.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

// List 0 is scanned, and item 0 of it is in the head.
TEST(ListProposals, ProposesItemsWithTheirIntensities) {
  const auto directory = directory_of(30, 3);
  std::vector<item_id> ids;
  std::vector<double> scores, intensity(30);
  for (item_id id = 3; id < 30; id += 3) {
    ids.push_back(id);
    scores.push_back(0.1 * id);
    intensity[id] = std::exp(0.1 * id);
  }
  ListProposals proposals;
  proposals.assign(directory, Eigen::Array3d(-infinity, 0.5, -2.0), ids, scores);

  double tilted = 10.0 * (std::exp(0.5) + std::exp(-2.0)), scanned = 0.0;
  for (const double x : intensity) scanned += x;
  const double share = ListProposals::defensive_share;
  const double uniform = share / (1.0 - share) * (tilted + scanned) / 20.0;
  for (std::size_t id = 0; id < 30; ++id)
    if (id % 3 != 0) intensity[id] = std::exp(id % 3 == 1 ? 0.5 : -2.0) + uniform;
  EXPECT_NEAR(proposals.log_rate(), std::log((tilted + scanned) / (1.0 - share)), 1e-12);
  EXPECT_NEAR(proposals.log_largest_weight(4.0), 4.0 - std::log(intensity[2]), 1e-12);
  EXPECT_NEAR(proposals.log_largest_weight(-50.0), 0.0, 1e-12) << "a scanned item";

  std::vector<std::uint64_t> counts(30);
  std::vector<double> expected;
  for (const double x : intensity) expected.push_back(x / std::exp(proposals.log_rate()));
  PhiloxEngine engine(611);
  for (int draw = 0; draw < 200'000; ++draw) {
    const Proposal proposal = proposals.propose(engine);
    ASSERT_NEAR(proposal.log_intensity, std::log(intensity[proposal.id]), 1e-12);
    ++counts[proposal.id];
  }
  EXPECT_GE(chi_square_p_value(counts, expected), 1e-6);
}

TEST(ListProposals, EverythingScanned) {
  const auto directory = directory_of(4, 1);
  ListProposals proposals;
  proposals.assign(directory, Eigen::ArrayXd::Constant(1, -infinity), {1, 3}, {2.0, 1.0});
  EXPECT_NEAR(proposals.log_rate(), std::log(std::exp(2.0) + std::exp(1.0)), 1e-12);
  EXPECT_EQ(proposals.log_largest_weight(5.0), 0.0);
  PhiloxEngine engine(612);
  for (int draw = 0; draw < 100; ++draw) EXPECT_EQ(proposals.propose(engine).id % 2, 1u);
  proposals.assign(directory, Eigen::ArrayXd::Constant(1, -infinity), {}, {});
  EXPECT_EQ(proposals.log_rate(), -infinity) << "no tail";
}

TEST(ListProposals, NothingScannedIsOutsideTheHead) {
  const auto directory = directory_of(4, 2);
  ListProposals proposals;
  proposals.assign(directory, Eigen::Array2d(-infinity, 1.0), {}, {});
  EXPECT_NEAR(proposals.log_rate(), std::log(2.0) + 1.0 - std::log(0.9), 1e-12);
  EXPECT_NEAR(proposals.log_largest_weight(1.0), std::log(0.9), 1e-12);
  PhiloxEngine engine(613);
  for (int draw = 0; draw < 100; ++draw) EXPECT_EQ(proposals.propose(engine).id % 2, 1u);
}

// No set of items weighs more than is said of sets of its share: lists are taken by their bounds,
// here U = 3 and 1 over intensities of about e^.5 and e^-2, and the scanned item by its score.
TEST(ListProposals, NothingHiddenExceedsItsBound) {
  const auto directory = directory_of(30, 3);
  ListProposals proposals;
  const Eigen::Array3d bounds(0.0, 3.0, 1.0);
  proposals.assign(directory, Eigen::Array3d(-infinity, 0.5, -2.0), {3}, {2.0}, bounds);
  PhiloxEngine engine(614);
  std::vector<double> intensity(30, -infinity);
  for (int draw = 0; draw < 50'000; ++draw) {
    const Proposal proposal = proposals.propose(engine);
    intensity[proposal.id] = proposal.log_intensity;
  }
  std::vector<std::pair<double, double>> worst;  // weight, share
  for (std::size_t id = 0; id < 30; ++id)
    if (intensity[id] > -infinity)
      worst.emplace_back(
          id == 3 ? 1.0 : std::exp(bounds[static_cast<Eigen::Index>(id % 3)] - intensity[id]),
          std::exp(intensity[id] - proposals.log_rate()));
  std::sort(worst.begin(), worst.end(), std::greater<>());
  for (const double mean : {0.0, 1.5}) {
    double share = 0.0, excess = 0.0;
    for (const auto& [weight, part] : worst) {
      share += part;
      excess += part * (std::max)(0.0, weight - mean);
      EXPECT_NEAR(proposals.hidden_excess(share, mean), excess, 1e-9) << share;
    }
    EXPECT_NEAR(share, 1.0, 1e-9);
    EXPECT_EQ(proposals.hidden_excess(0.0, mean), 0.0);
  }
  // A cap of 1 brings all bounds below 1: tanh(3) over e^.5 and tanh(1) over e^-2.
  EXPECT_LT(proposals.hidden_excess(1.0, 0.0, 1.0), proposals.hidden_excess(1.0, 0.0));
}

// A score 1,000 below the best has weight exp(-1000) = 0 in double: it is raised to exp(-700).
TEST(ListProposals, EveryScannedItemKeepsAPositiveIntensity) {
  const auto directory = directory_of(2, 1);
  ListProposals proposals;
  proposals.assign(directory, Eigen::ArrayXd::Constant(1, -infinity), {0, 1}, {-1000.0, 0.0});
  EXPECT_EQ(proposals.log_rate(), 0.0);
  EXPECT_EQ(proposals.log_largest_weight(0.0), 0.0);
}

}  // namespace
}  // namespace lazygumbel::testing
