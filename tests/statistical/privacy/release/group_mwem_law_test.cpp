#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/release/group_mwem.hpp>
#include <lazygumbel/privacy/workload/marginal_workload.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <numbers>
#include <string>
#include <vector>

#include "laws.hpp"
#include "privacy_audit.hpp"

// Which group the first round of GroupMwem measures, against the exact law, and audits of whole
// runs on neighbouring tables. 60,000 runs a law over 7 groups, refused at p < 1e-6: an rms
// relative error of the probabilities of 3% is detected. 100,000 runs a side of an audit, each
// bound wrong with probability below 1e-6.

namespace lazygumbel::testing {
namespace {

Domain domain() {
  return Domain({Attribute::integers("a", 0, 1), Attribute::integers("b", 0, 1),
                 Attribute::integers("c", 0, 2)});
}

/// P(g) proportional to exp(epsilon (sum_c |error_c| - cells E|noise|) / (2 D)).
std::vector<double> law_of(const MarginalWorkload& workload, const Histogram& table, double epsilon,
                           double mean_noise) {
  const std::vector<double> counts(table.counts().begin(), table.counts().end());
  const std::vector<double> uniform(
      workload.cells(), static_cast<double>(table.total()) / static_cast<double>(workload.cells()));
  std::vector<double> truth(workload.size()), fitted(workload.size()), scores;
  workload.answers(counts, truth);
  workload.answers(uniform, fitted);
  for (std::size_t g = 0; g < workload.groups(); ++g) {
    double score = -mean_noise * static_cast<double>(workload.group_size(g));
    for (std::size_t c = 0; c < workload.group_size(g); ++c)
      score += std::abs(truth[workload.group_offset(g) + c] - fitted[workload.group_offset(g) + c]);
    scores.push_back(0.25 * epsilon * score);  // D = 2
  }
  return softmax(scores);
}

TEST(GroupMwemLaw, FirstChoice) {
  EXPECT_LT(smallest_defect(7, 60'000), 0.03);
  const MarginalWorkload workload(domain(), {{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {0, 1, 2}});
  const Histogram table(domain(), {9, 1, 2, 0, 3, 3, 4, 4, 0, 1, 2, 11});
  for (const bool zcdp : {false, true}) {
    // Half of the budget for the choice, half for the noise: mean size b = D / epsilon of Laplace
    // noise, sigma sqrt(2 / pi) of Gaussian.
    const double epsilon = zcdp ? std::sqrt(8.0 * 0.1) : 0.4;
    const double noise =
        zcdp ? std::sqrt(2.0 / (2.0 * 0.1)) * std::sqrt(2.0 / std::numbers::pi) : 2.0 / 0.4;
    const GroupMwem mechanism(workload, {.rounds = 1, .replay_passes = 0});
    NotPrivateEngine engine(1);
    expect_law(count_draws(7, 60'000,
                           [&] {
                             return mechanism
                                 .run(table, zcdp ? Budget::zcdp(0.2) : Budget::pure(0.8), engine)
                                 .history[0]
                                 .query;
                           }),
               law_of(workload, table, epsilon, noise), zcdp ? "rho" : "epsilon");
  }
}

// Outcomes: the groups, and which cells of the released table lie above even.
void expect_private(const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
                    Neighbours neighbours, std::size_t rounds, std::uint64_t seed) {
  const double epsilon = 1.5;
  const Domain square({Attribute::integers("a", 0, 1), Attribute::integers("b", 0, 1)});
  const MarginalWorkload workload(square, {{0}, {1}, {0, 1}});
  const GroupMwem mechanism(workload,
                            {.neighbours = neighbours, .rounds = rounds, .replay_passes = 1});
  NotPrivateEngine engine(seed);
  const auto release_of = [&](const std::vector<std::int64_t>& counts) {
    return [&, table = Histogram(square, counts)] {
      const MwemResult result = mechanism.run(table, Budget::pure(epsilon), engine);
      std::uint64_t outcome = result.total > 8.0 ? 1 : 0;
      for (const MwemRound& round : result.history) outcome = 4 * outcome + round.query;
      for (const double w : result.table.weights())
        outcome = 2 * outcome + (w > 0.25 * result.total ? 1 : 0);
      return outcome;
    };
  };
  const PrivacyAudit audit(100'000, release_of(before), release_of(after));
  EXPECT_LE(audit.epsilon(), epsilon);
  EXPECT_GT(audit.epsilon(), 0.2) << "too little is seen";
}

TEST(GroupMwemLaw, AuditsOfNeighbours) {
  for (const std::size_t rounds : {1U, 2U}) {
    expect_private({3, 2, 2, 1}, {2, 3, 2, 1}, Neighbours::replace_one, rounds, 10 + rounds);
    expect_private({8, 0, 0, 0}, {7, 0, 0, 1}, Neighbours::replace_one, rounds, 20 + rounds);
    expect_private({3, 2, 2, 1}, {3, 2, 2, 2}, Neighbours::add_remove, rounds, 30 + rounds);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
