#include <gtest/gtest.h>

#include <lazygumbel/core/log_sum_exp.hpp>
#include <lazygumbel/estimation/log_partition.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "grouped_index.hpp"
#include "item_process.hpp"
#include "laws.hpp"

// Negative controls of quantized_law_test.cpp and quantized_estimator_law_test.cpp: tails and
// proposals with one lie each must be found out, the truthful ones must pass.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t quantized_draws = 300'000;

std::vector<double> ramp(std::size_t n, double step) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < n; ++i) scores.push_back(-step * static_cast<double>(i));
  return scores;
}

Counter count(const GroupedScores& index, std::size_t k) {
  Envelope<GroupedScores> envelope(index);
  envelope.assign(unit_query(), k);
  PhiloxEngine engine(1);
  Trace trace = envelope.trace();
  return count_draws(index.size(), quantized_draws,
                     [&] { return envelope.sample(engine, trace).id; });
}

TEST(QuantizedControl, TruthfulTailPasses) {
  const auto scores = ramp(60, 0.05);
  expect_law(count(GroupedScores(scores, 7), 5), softmax(scores), "no lie");
}

TEST(QuantizedControl, ShrunkBoundsAreAnErrorWhenMet) {
  const auto scores = ramp(60, 0.05);
  for (const double shrink : {-0.01, -0.5})
    expect_throws<index_error>([&] { count(GroupedScores(scores, 7, {.bounds = shrink}), 5); },
                               {"certified the bound"});
}

TEST(QuantizedControl, RateOffByATenthIsRejected) {
  const auto scores = ramp(60, 0.05);
  for (const double lie : {std::log(1.1), std::log(0.9)})
    expect_rejected(count(GroupedScores(scores, 7, {.log_rate = lie}), 5), softmax(scores),
                    "log_rate off by a tenth");
}

/// ScalarQuantizedIndex with a lie about its tail.
class Lying {
 public:
  using scalar_type = float;
  struct tail_type {
    double log_rate() const { return tail.log_rate() + lie_rate; }
    Proposal propose(PhiloxEngine& engine) const {
      Proposal proposal = tail.propose(engine);
      proposal.log_intensity += lie_bound;
      return proposal;
    }
    bool may_exceed(item_id id, double t) const { return tail.may_exceed(id, t); }
    QuantizedTail tail;
    double lie_rate = 0.0, lie_bound = 0.0;
  };
  Lying(const ScalarQuantizedIndex<float>& index, double lie_rate, double lie_bound)
      : index_(index), lie_rate_(lie_rate), lie_bound_(lie_bound) {}
  std::size_t size() const { return index_.size(); }
  std::size_t dimension() const { return index_.dimension(); }
  double score(const VectorView<float>& query, item_id id) const { return index_.score(query, id); }
  void search(const VectorView<float>& query, std::size_t k, Retrieval& found) const {
    index_.search(query, k, found);
  }
  void search_with_tail(const VectorView<float>& query, std::size_t k, Retrieval& found,
                        tail_type& tail, std::size_t expected) const {
    index_.search_with_tail(query, k, found, tail.tail, expected);
    tail.lie_rate = lie_rate_;
    tail.lie_bound = lie_bound_;
  }

 private:
  const ScalarQuantizedIndex<float>& index_;
  double lie_rate_, lie_bound_;
};

TEST(QuantizedControl, LiesAboutAQuantizedTailAreFoundOut) {
  const ScalarQuantizedIndex<float> index(gaussian_rows<float>(200, 16, 1));
  const Vector<float> theta = gaussian_query<float>(16, 2) * 0.3F;
  const auto law = softmax_of(index, theta);
  const auto count_lying = [&](double lie_rate, double lie_bound, std::size_t expected) {
    const Lying lying(index, lie_rate, lie_bound);
    Envelope<Lying> envelope(lying);
    envelope.assign(theta, 4, 0.0, expected);
    PhiloxEngine engine(3);
    Trace trace = envelope.trace();
    return count_draws(200, quantized_draws, [&] { return envelope.sample(engine, trace).id; });
  };
  for (const std::size_t expected : {std::size_t{1}, std::size_t{16}}) {
    expect_law(count_lying(0.0, 0.0, expected), law, "no lie");
    expect_rejected(count_lying(std::log(1.1), 0.0, expected), law, "rate 10% too high");
    expect_rejected(count_lying(std::log(0.9), 0.0, expected), law, "rate 10% too low");
    // Errors of 4 bits are about 0.4 nats here, and none is ever this much smaller.
    EXPECT_THROW(count_lying(-1.5, -1.5, expected), index_error);
  }
}

TEST(QuantizedControl, IntensitiesThatDisagreeWithTheRateAreFoundOut) {
  const auto scores = ramp(40, 0.05);
  const GroupedScores right(scores, 5), wrong(scores, 5, {.intensities = 1e-7});
  Retrieval found;
  GroupedScores::proposals_type proposals;
  const auto disagreement = [&](const GroupedScores& index) {
    index.search_with_proposals(unit_query(), 3, found, proposals);
    Counter counter(40);
    const auto stated = stated_intensities(proposals, 40, 20'000, 4, counter);
    return std::abs(log_sum_exp(std::span<const double>(stated)) - proposals.log_rate());
  };
  EXPECT_LT(disagreement(right), 1e-9);
  EXPECT_GT(disagreement(wrong), 1e-9);
}

/// z-score of the mean of Zhat / Z over 5,000 estimates of 50 samples each.
double z_score(const GroupedScores& index, const std::vector<double>& scores) {
  const double log_z = log_sum_exp(std::span<const double>(scores));
  const LogPartition partition(index, {.k = 5});
  PhiloxEngine engine(5);
  std::vector<double> ratios;
  for (int run = 0; run < 5'000; ++run)
    ratios.push_back(std::exp(partition.estimate(unit_query(), 50, engine).value - log_z));
  return z_of_mean(ratios, 1.0);
}

TEST(QuantizedControl, ProposalsThatMisstateATenthOfTheirItemsFail) {
  const auto scores = ramp(110, 0.01);
  EXPECT_GE(z_test_p_value(z_score(GroupedScores(scores, 7), scores)), law_threshold);
  for (const double lie : {std::log(1.5), -std::log(1.5), std::log(1.1)})
    EXPECT_LT(z_test_p_value(z_score(GroupedScores(scores, 7, {.intensities = lie}), scores)),
              law_threshold)
        << lie;
}

}  // namespace
}  // namespace lazygumbel::testing
