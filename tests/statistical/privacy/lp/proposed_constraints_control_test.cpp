#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "proposed_lp.hpp"

// Proposers and bounds that the test of proposed_constraints_law_test.cpp must refuse (p < 1e-6).
// 100,000 draws each.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t proposed_draws = 100'000;

TEST(ProposedConstraintsControl, NotWidened) {
  const ProposedLpCase c = ProposedLpCase::make(5.0, 3);
  const HidingIndex hiding(c.proposed(true), largest_of(c.scores(), 5));
  EXPECT_GT(c.miss(hiding, 8), 0.3);
  expect_rejected(c.draws(LazyProposed<HidingIndex>{hiding, 8}, proposed_draws, 4), c.law(),
                  "no widening");
}

/// Scores with b clipped behind the bounds of a proposer that has b in full.
class ForgetsTheClip {
 public:
  using scalar_type = double;
  ForgetsTheClip(const ProposedLpCase& c, const FlatIndex<float>& flat)
      : scores_(c.scores()), flat_(&flat) {}
  std::size_t size() const { return scores_.size(); }
  std::size_t dimension() const { return flat_->dimension(); }
  double score(const VectorView<double>&, item_id id) const { return scores_[id]; }
  void score_many(const VectorView<double>&, std::span<const item_id> ids,
                  std::span<double> out) const {
    for (std::size_t i = 0; i < ids.size(); ++i) out[i] = scores_[ids[i]];
  }
  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    flat_->search(theta.cast<float>(), k, found);
    const double bound = found.residual_bound;
    rescore(*this, theta, found);
    found.residual_bound = (std::max)(bound, found.scores.back());
    found.guarantee = Guarantee::assumed();
  }

 private:
  std::vector<double> scores_;
  const FlatIndex<float>* flat_;
};

TEST(ProposedConstraintsControl, BoundsOfWhatIsNotClipped) {
  const ProposedLpCase c = ProposedLpCase::make(4.0, 7, 100.0);
  const FlatIndex<float> flat(c.proposed(true));
  const ForgetsTheClip index(c, flat);
  const LazySampler sampler(index, {.k = 50});
  NotPrivateEngine engine(1);
  const Vector<double> theta = lp_theta(c.x, c.scale());
  expect_rejected(
      count_draws(c.m, proposed_draws, [&] { return sampler.sample(theta, engine).id; }), c.law(),
      "clipped right-hand sides");
  expect_law(c.draws(LazyProposed<FlatIndex<float>>{flat, 50}, proposed_draws, 2), c.law(),
             "the library's");
}

}  // namespace
}  // namespace lazygumbel::testing
