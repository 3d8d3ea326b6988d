#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/privacy/release/detail/error_bounds.hpp>
#include <lazygumbel/privacy/release/detail/mwem_selectors.hpp>
#include <lazygumbel/privacy/workload/workload_index.hpp>
#include <lazygumbel/random/gumbel.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <vector>

#include "mwem_selection.hpp"

// Wrong selections that the test of mwem_selection_law_test.cpp must refuse (p < 1e-6), each beside
// its right twin, which it must accept. 200,000 draws a law; where the wrong law has a closed form
// its power is computed and above 0.999.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t mwem_selection_draws = 200'000;

template <MipsIndex Index>
Counter drawn_from(const Index& index, const Vector<double>& theta, std::size_t k, Gap gap,
                   std::uint64_t seed, std::size_t count = mwem_selection_draws) {
  const LazySampler sampler(index, {.k = k, .gap = gap});
  NotPrivateEngine engine(seed);
  return count_draws(index.size(), count, [&] { return sampler.sample(theta, engine).id; });
}

TEST(MwemSelectionControl, BrokenProposerNotWidened) {
  const SelectionCase c = SelectionCase::make(60, 6.0, 60);
  const HidingIndex broken(c.rows, largest_of(c.law(), 5));
  const ErrorScores scores(c.workload, c.table);
  const ProposedErrorIndex index(scores, broken);
  const Vector<double> theta = theta_of(c.weights, c.scale());
  Retrieval found;
  index.search(theta, 8, found);
  const auto exact = brute_force_scores(c.workload, c.table, c.weights, c.scale());
  const auto clipped = clipped_softmax(exact, found.ids, found.residual_bound);
  EXPECT_GT(chi_square_power(mwem_selection_draws, c.law(), clipped), 0.999);
  const Counter narrow = drawn_from(index, theta, 8, 0.0, 1);
  expect_rejected(narrow, c.law(), "a miss that nothing covers");
  expect_law(narrow, clipped, "the law of scores clipped at the bound");
  expect_law(drawn_from(index, theta, 8, miss_gap(index, theta, 8), 2), c.law(), "widened");
}

/// What merges two lists by magnitude and then takes the smallest magnitude for the bound.
class SmallestMagnitudeIndex {
 public:
  using scalar_type = double;

  SmallestMagnitudeIndex(const AbsoluteIndex<WorkloadIndex<DenseWorkload<float>>>& right,
                         bool mistaken)
      : right_(&right), mistaken_(mistaken) {}

  std::size_t size() const { return right_->size(); }
  std::size_t dimension() const { return right_->dimension(); }
  double score(const VectorView<double>& query, item_id id) const {
    return right_->score(query, id);
  }
  void search(const VectorView<double>& query, std::size_t k, Retrieval& found) const {
    right_->search(query, k, found);
    found.guarantee = Guarantee::assumed();
    if (mistaken_) found.residual_bound = found.scores.back();
  }

 private:
  const AbsoluteIndex<WorkloadIndex<DenseWorkload<float>>>* right_;
  bool mistaken_;
};

// Nearly all answers are positive, so the list of -v holds items of small magnitude while items far
// above them were left out of the list of +v.
TEST(MwemSelectionControl, SmallestMagnitudeAsTheBound) {
  RowMatrix<float> rows(60, 2);
  for (Eigen::Index j = 0; j < 60; ++j)
    rows.row(j) << (j < 56 ? 2.0F + 0.06F * static_cast<float>(j)
                           : -0.1F * static_cast<float>(j - 55)),
        0.0F;
  const DenseWorkload<float> workload(rows);
  const WorkloadIndex index(workload);
  const AbsoluteIndex absolute(index);
  Vector<double> theta(2);
  theta << 1.0, 0.0;
  const auto law = softmax_of(absolute, theta);
  const SmallestMagnitudeIndex right(absolute, false), wrong(absolute, true);
  expect_law(drawn_from(right, theta, 8, 0.0, 3), law, "the larger of the two signed bounds");
  Retrieval found;
  wrong.search(theta, 8, found);
  EXPECT_GT(chi_square_power(
                mwem_selection_draws, law,
                clipped_softmax(scores_of(absolute, theta), found.ids, found.residual_bound)),
            0.999);
  expect_rejected(drawn_from(wrong, theta, 8, 0.0, 4), law, "min |s| as the bound");
}

// Both q and -q with a Gumbel of their own: P(j) proportional to 2 cosh(s_j).
TEST(MwemSelectionControl, TwoGumbelsAQuery) {
  const SelectionCase c = SelectionCase::make(60, 2.0, 60);
  const auto scores = brute_force_scores(c.workload, c.table, c.weights, c.scale());
  std::vector<double> log_cosh;
  for (const double s : scores) log_cosh.push_back(s + std::log1p(std::exp(-2.0 * s)));
  EXPECT_GT(chi_square_power(mwem_selection_draws, c.law(), softmax(log_cosh)), 0.999);
  const auto drawn = [&](bool both, std::uint64_t seed) {
    PhiloxEngine engine(seed);
    return count_draws(60, mwem_selection_draws, [&] {
      item_id best = 0;
      double most = -HUGE_VAL;
      for (item_id j = 0; j < 60; ++j)
        for (const double score : {scores[j], -scores[j]}) {
          if (score < 0.0 && !both) continue;
          if (const double value = score + gumbel(engine); value > most) most = value, best = j;
          if (!both) break;
        }
      return best;
    });
  };
  const Counter two = drawn(true, 5);
  expect_rejected(two, c.law(), "two Gumbels a query");
  expect_law(two, softmax(log_cosh), "2 cosh");
  expect_law(drawn(false, 6), c.law(), "one Gumbel a query");
}

/// Bounds of one scan used for other weights, with the drift that they have moved by or without.
/// (Not through ErrorIndex, whose certified bounds would make a violation an error.)
class StaleIndex {
 public:
  using scalar_type = double;

  StaleIndex(const ErrorScores<DenseWorkload<float>>& scores, const std::vector<double>& scanned,
             const std::vector<double>& errors, double scale, bool drifts)
      : scores_(&scores),
        bounds_(scanned, scale, scores.workload().range(), errors),
        drifts_(drifts) {}

  std::size_t size() const { return scores_->size(); }
  std::size_t dimension() const { return scores_->dimension(); }
  double score(const VectorView<double>& theta, item_id id) const {
    return scores_->score(theta, id);
  }
  void score_many(const VectorView<double>& theta, std::span<const item_id> ids,
                  std::span<double> scores) const {
    scores_->score_many(theta, ids, scores);
  }
  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    found.ids.assign(bounds_.head().begin(),
                     bounds_.head().begin() + static_cast<std::ptrdiff_t>(k));
    rescore(*this, theta, found);
    const std::vector<double> weights(theta.data(), theta.data() + theta.size() - 1);
    const double drift = drifts_ ? bounds_.drift(weights) : 0.0;
    found.residual_bound = bounds_.scale() * (bounds_.bound(bounds_.head()[k]) + drift) + 1e-6;
    found.guarantee = Guarantee::assumed();
  }

 private:
  const ErrorScores<DenseWorkload<float>>* scores_;
  ErrorBounds bounds_;
  bool drifts_;
};

TEST(MwemSelectionControl, StaleBoundsWithoutDrift) {
  const SelectionCase c = SelectionCase::make(60, 6.0, 60);
  const ErrorScores scores(c.workload, c.table);
  const auto scanned = random_weights(12, static_cast<double>(c.table.total()), 2.0, 77);
  const auto errors = brute_force_scores(c.workload, c.table, scanned, 1.0);
  const Vector<double> theta = theta_of(c.weights, c.scale());
  const StaleIndex right(scores, scanned, errors, c.scale(), true);
  const StaleIndex wrong(scores, scanned, errors, c.scale(), false);
  Retrieval found;
  wrong.search(theta, 8, found);
  EXPECT_GT(
      chi_square_power(mwem_selection_draws, c.law(),
                       clipped_softmax(scores_of(wrong, theta), found.ids, found.residual_bound)),
      0.999);
  expect_rejected(drawn_from(wrong, theta, 8, 0.0, 7), c.law(), "stale bounds without drift");
  expect_law(drawn_from(right, theta, 8, 0.0, 8, 60'000), c.law(), "stale bounds with drift");
}

/// Lazy selection that makes at most `cap` proposals and then takes what it has.
template <BitGenerator Engine>
item_id capped_draw(const std::vector<double>& scores, const std::vector<bool>& in_head,
                    double bound, std::size_t cap, Engine& engine) {
  item_id best = 0;
  double most = -HUGE_VAL, tail = 0.0;
  for (item_id j = 0; j < scores.size(); ++j) {
    if (!in_head[j]) {
      tail += 1.0;
      continue;
    }
    if (const double value = scores[j] + gumbel(engine); value > most) most = value, best = j;
  }
  double time = 0.0;  // of proposals, at rate tail exp(bound); the head's arrival is exp(-most)
  for (std::size_t made = 0; made < cap; ++made) {
    time += standard_exponential(engine) / (tail * std::exp(bound));
    if (time >= std::exp(-most)) break;
    item_id id;
    do id = uniform_index(static_cast<std::uint32_t>(scores.size()), engine);
    while (in_head[id]);
    if (open_uniform(engine) < std::exp(scores[id] - bound)) return id;
  }
  return best;
}

TEST(MwemSelectionControl, CappedProposals) {
  const SelectionCase c = SelectionCase::make(60, 2.0, 60);
  const auto scores = brute_force_scores(c.workload, c.table, c.weights, c.scale());
  const auto head = largest_of(scores, 8);
  double bound = 0.0;
  for (std::size_t j = 0; j < 60; ++j)
    if (!head[j]) bound = std::max(bound, scores[j]);
  PhiloxEngine engine(9);
  const auto drawn = [&](std::size_t cap) {
    return count_draws(60, mwem_selection_draws,
                       [&] { return capped_draw(scores, head, bound, cap, engine); });
  };
  expect_law(drawn(1'000'000), c.law(), "no cap");
  expect_rejected(drawn(3), c.law(), "at most 3 proposals");
}

// The scale: twice the epsilon, or half the sensitivity.
TEST(MwemSelectionControl, WrongScale) {
  const SelectionCase c = SelectionCase::make(60, 6.0, 60);
  const ErrorScores scores(c.workload, c.table);
  const auto drawn = [&](double sensitivity, double epsilon, std::uint64_t seed) {
    lazygumbel::detail::MwemSelector<FullScan, DenseWorkload<float>> selector(scores, sensitivity,
                                                                              {});
    NotPrivateEngine engine(seed);
    Budget budget = Budget::pure(1e12);
    return count_draws(60, mwem_selection_draws,
                       [&] { return selector.select(c.weights, epsilon, budget, engine).id; });
  };
  expect_law(drawn(c.sensitivity, c.epsilon, 10), c.law(), "right");
  expect_rejected(drawn(c.sensitivity, 1.05 * c.epsilon, 11), c.law(), "5% more epsilon");
  expect_rejected(drawn(0.95 * c.sensitivity, c.epsilon, 12), c.law(), "5% less sensitivity");
}

}  // namespace
}  // namespace lazygumbel::testing
