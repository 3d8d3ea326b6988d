#include <gtest/gtest.h>

#include <lazygumbel/random/not_private_engine.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <span>
#include <string>
#include <vector>

#include "clipped_selection.hpp"

// Wrong ways to clip that the test of clipped_selection_law_test.cpp must refuse (p < 1e-6), each
// beside the right one, which it must accept. 200,000 draws; the power against each, computed from
// its own law, is above 0.999.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t clipped_selection_draws = 200'000;

enum class ClippingMistake {
  none,
  head_not_clipped,  ///< rescored items keep their scores, only the rest is clipped
  no_allowance,      ///< clipped at s b_j
  twice_allowance    ///< clipped at s b_j + 2 U
};

/// Scores clipped as told, in the plainest index: a head of k and the largest score of the rest.
class ClippingIndex {
 public:
  using scalar_type = double;

  ClippingIndex(const ClippedCase& c, double allowance, ClippingMistake mistake, std::size_t k)
      : scores_(c.clipped_scores(mistake == ClippingMistake::no_allowance      ? 0.0
                                 : mistake == ClippingMistake::twice_allowance ? 2.0 * allowance
                                                                               : allowance)) {
    const std::vector<double> exact = c.exact_scores(c.selection.weights);
    head_ = largest_of(exact, k);
    for (item_id j = 0; j < scores_.size(); ++j) {
      if (mistake == ClippingMistake::head_not_clipped && head_[j]) scores_[j] = exact[j];
      if (!head_[j]) bound_ = std::max(bound_, scores_[j]);
    }
  }

  std::size_t size() const { return scores_.size(); }
  std::size_t dimension() const { return 1; }
  double score(const VectorView<double>&, item_id id) const { return scores_[id]; }
  void score_many(const VectorView<double>&, std::span<const item_id> ids,
                  std::span<double> scores) const {
    for (std::size_t i = 0; i < ids.size(); ++i) scores[i] = scores_[ids[i]];
  }
  void search(const VectorView<double>& theta, std::size_t, Retrieval& found) const {
    found.clear();
    for (item_id j = 0; j < scores_.size(); ++j)
      if (head_[j]) found.ids.push_back(j);
    rescore(*this, theta, found);
    found.residual_bound = bound_;
    found.guarantee = Guarantee::assumed();
  }
  const std::vector<double>& scores() const { return scores_; }

 private:
  std::vector<double> scores_;
  std::vector<bool> head_;
  double bound_ = 0.0;
};

void try_mistake(ClippingMistake mistake, const std::string& what, std::uint64_t seed) {
  const ClippedCase c = ClippedCase::make(60, 6.0, 60);
  const ErrorScores scores(c.selection.workload, c.selection.table);
  ClippedErrorIndex clipped(
      scores, {.code_bits = 0, .largest_drift = 1e9, .sample = 1, .margin = 1.0, .seed = c.seed()});
  clipped.prepare(c.scanned_theta());
  clipped.prepare(c.theta());
  const std::vector<double> law = c.law(clipped.allowance());
  const ClippingIndex index(c, clipped.allowance(), mistake, 8);
  const LazySampler sampler(index, {.k = 8});
  NotPrivateEngine engine(seed);
  const Vector<double> theta = Vector<double>::Ones(1);
  const Counter counter =
      count_draws(60, clipped_selection_draws, [&] { return sampler.sample(theta, engine).id; });
  expect_law(counter, softmax(index.scores()), what + ": its own law");
  if (mistake == ClippingMistake::none) {
    expect_law(counter, law, what);
  } else {
    EXPECT_GT(chi_square_power(clipped_selection_draws, law, softmax(index.scores())), 0.999)
        << what;
    expect_rejected(counter, law, what);
  }
}

TEST(ClippedSelectionControl, RightClipping) { try_mistake(ClippingMistake::none, "right", 1); }

TEST(ClippedSelectionControl, HeadNotClipped) {
  try_mistake(ClippingMistake::head_not_clipped, "a head that is not clipped", 2);
}

TEST(ClippedSelectionControl, NoAllowance) {
  try_mistake(ClippingMistake::no_allowance, "no allowance", 3);
}

TEST(ClippedSelectionControl, TwiceTheAllowance) {
  try_mistake(ClippingMistake::twice_allowance, "twice the allowance", 4);
}

}  // namespace
}  // namespace lazygumbel::testing
