#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <item_process.hpp>
#include <lazygumbel/index/quantized/quantized_tail.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <vector>

#include "non_finite.hpp"
#include "simds.hpp"

namespace lazygumbel::testing {
namespace {

using QuantizedIndex = ScalarQuantizedIndex<float>;

QuantizedIndex make_index(std::size_t n, std::size_t d, int bits, Simd simd, std::uint64_t seed) {
  return QuantizedIndex(gaussian_rows<float>(n, d, seed), {.bits = bits, .simd = simd});
}

/// A query whose scores have this standard deviation.
Vector<float> query_of_length(std::size_t d, double length, std::uint64_t seed) {
  Vector<float> query = gaussian_query<float>(d, seed);
  return query * (static_cast<float>(length) / query.norm());
}

std::vector<bool> members(const Retrieval& found, std::size_t n) {
  std::vector<bool> in_head(n, false);
  for (const item_id id : found.ids) in_head[id] = true;
  return in_head;
}

// Tiles of 64: one and a bit, three and a bit; heads that empty a tile and heads that do not.
TEST(QuantizedTail, KeepsTheContractOfATail) {
  for (const int bits : {4, 8})
    for (const Simd simd : supported_simds())
      for (const std::size_t n : {65, 200})
        for (const std::size_t k : {1, 8, 64}) {
          const QuantizedIndex index = make_index(n, 9, bits, simd, n);
          const Vector<float> query = query_of_length(9, 1.0, k);
          for (const std::size_t draws : {1, 16}) {
            Retrieval found;
            QuantizedTail tail;
            index.search_with_tail(query, k, found, tail, draws);
            const auto in_head = members(found, n);
            const auto stated =
                expect_item_process(tail, n, 60'000, 7, draws == 1 ? "thinned" : "summed");
            for (item_id id = 0; id < n; ++id) {
              if (in_head[id]) continue;
              ASSERT_GE(stated[id], index.score(query, id)) << "item " << id;
            }
          }
        }
}

TEST(QuantizedProposals, KeepTheContractOfProposals) {
  for (const int bits : {4, 8})
    for (const Simd simd : supported_simds())
      for (const std::size_t n : {65, 200})
        for (const std::size_t k : {1, 8, 64}) {
          const QuantizedIndex index = make_index(n, 9, bits, simd, n);
          const Vector<float> query = query_of_length(9, 1.0, k);
          Retrieval found;
          QuantizedProposals proposals;
          index.search_with_proposals(query, k, found, proposals);
          const auto in_head = members(found, n);
          const auto stated = expect_item_process(proposals, n, 60'000, 8, "proposals");
          LogSumExp sum;
          for (item_id id = 0; id < n; ++id) {
            if (in_head[id]) {
              ASSERT_EQ(stated[id], -infinity) << "an item of the head was proposed";
              continue;
            }
            const double weight = index.score(query, id) - stated[id];
            ASSERT_LE(weight, proposals.log_largest_weight(0.0));
            ASSERT_GE(weight, -proposals.log_largest_weight(0.0));
            sum.add(index.score(query, id));
          }
          EXPECT_LE(proposals.log_sum_lower(), sum.value());
          EXPECT_GE(proposals.log_sum_upper(), sum.value());
          EXPECT_LT(proposals.log_sum_upper() - proposals.log_sum_lower(), bits == 4 ? 1.0 : 0.1);
        }
}

// No set of items exceeds, or falls short of the mean by more than, what is said of sets of its
// share: the worst take the largest or the smallest weights.
TEST(QuantizedProposals, NothingHiddenExceedsItsBound) {
  constexpr std::size_t n = 400;
  const QuantizedIndex index = make_index(n, 9, 4, best_simd(), 5);
  const Vector<float> query = query_of_length(9, 3.0, 6);
  Retrieval found;
  QuantizedProposals proposals;
  index.search_with_proposals(query, 8, found, proposals);
  Counter counter(n);
  const auto stated = stated_intensities(proposals, n, 200'000, 7, counter);
  std::vector<std::pair<double, double>> worst;  // weight, share
  for (item_id id = 0; id < n; ++id)
    if (stated[id] > -infinity)
      worst.emplace_back(std::exp(index.score(query, id) - stated[id]),
                         std::exp(stated[id] - proposals.log_rate()));
  std::sort(worst.begin(), worst.end(), std::greater<>());
  for (const double mean : {0.0, 0.5, 1.0}) {
    double share = 0.0, excess = 0.0;
    for (const auto& [weight, part] : worst) {
      share += part;
      excess += part * (std::max)(0.0, weight - mean);
      ASSERT_GE(proposals.hidden_excess(share, mean) + 1e-12, excess) << share;
    }
    EXPECT_GE(proposals.hidden_excess(1.0, mean), proposals.hidden_excess(0.5, mean));
    EXPECT_EQ(proposals.hidden_excess(0.0, mean), 0.0);
    double shortfall = 0.0;
    share = 0.0;
    for (auto at = worst.rbegin(); at != worst.rend(); ++at) {
      share += at->second;
      shortfall += at->second * (std::max)(0.0, mean - at->first);
      ASSERT_GE(proposals.hidden_deficit(share, mean) + 1e-12, shortfall) << share;
    }
    EXPECT_LE(proposals.hidden_deficit(0.5, mean), 0.5 * mean);  // weights are at least 0
  }
  EXPECT_EQ(proposals.hidden_excess(1.0, 1e9), 0.0);
}

TEST(QuantizedProposals, ManyAtATimeFollowTheSameLaw) {
  const QuantizedIndex index = make_index(200, 9, 4, best_simd(), 3);
  Retrieval found;
  QuantizedProposals proposals;
  index.search_with_proposals(query_of_length(9, 1.5, 4), 10, found, proposals);
  Counter one(200);
  const auto stated = stated_intensities(proposals, 200, 200'000, 5, one);
  for (const std::size_t count : {1, 7, 32}) {
    Counter many(200);
    PhiloxEngine engine(6);
    std::vector<Proposal> drawn(count);
    for (std::size_t i = 0; i < 200'000; i += count) {
      proposals.propose_many(drawn, engine);
      for (const Proposal& proposal : drawn) {
        many.add(proposal.id);
        ASSERT_NEAR(proposal.log_intensity, stated[proposal.id], 1e-12);
      }
    }
    expect_law(many, softmax(stated), "propose_many");
  }
}

// One item far above all others of its tile, which then weigh nothing beside it: what is said of
// the tail must be said of them.
TEST(QuantizedProposals, SumBoundsHoldBesideAPeakInTheHead) {
  for (const float peak : {10.0F, 60.0F, 100.0F, 300.0F, 3000.0F})
    for (const std::size_t n : {3, 64, 130}) {
      RowMatrix<float> rows = RowMatrix<float>::Zero(static_cast<Eigen::Index>(n), 2);
      rows.col(1) = gaussian_rows<float>(n, 1, 9);
      rows(1, 0) = peak;
      rows(1, 1) = 0.0F;
      const QuantizedIndex index(rows, {.bits = 8});
      const Vector<float> query = Vector<float>::Ones(2);
      Retrieval found;
      QuantizedProposals proposals;
      index.search_with_proposals(query, 1, found, proposals);
      ASSERT_EQ(found.ids, (std::vector<item_id>{1}));
      LogSumExp sum;
      for (item_id id = 0; id < n; ++id)
        if (id != 1) sum.add(index.score(query, id));
      EXPECT_LE(proposals.log_sum_lower(), sum.value()) << "peak " << peak << ", n " << n;
      EXPECT_GE(proposals.log_sum_upper(), sum.value()) << "peak " << peak << ", n " << n;
    }
}

// may_exceed is false only for a threshold that the score does not exceed, and thins: it is false
// for most items at the residual bound.
TEST(QuantizedTail, MayExceedIsNeverWronglyFalse) {
  for (const int bits : {4, 8})
    for (const Simd simd : supported_simds())
      for (const double length : {0.1, 3.0, 100.0}) {
        const std::size_t n = 500;
        const QuantizedIndex index = make_index(n, 21, bits, simd, 11);
        for (std::uint64_t q = 0; q < 10; ++q) {
          const Vector<float> query = query_of_length(21, length, 12 + q);
          Retrieval found;
          QuantizedTail tail;
          index.search_with_tail(query, 5, found, tail, 1);
          std::vector<float> lower(n), upper(n);
          index.score_bounds(query, lower, upper);
          std::size_t thinned = 0;
          for (item_id id = 0; id < n; ++id) {
            const double score = index.score(query, id);
            for (const double below : {1e-12, 1e-6, 1e-3, 0.1, 1.0, 50.0})
              ASSERT_TRUE(tail.may_exceed(id, score - below));
            ASSERT_TRUE(tail.may_exceed(id, std::nextafter(score, -infinity)));
            ASSERT_FALSE(tail.may_exceed(id, static_cast<double>(upper[id]) + 1e-4 * length));
            thinned += !tail.may_exceed(id, found.residual_bound);
          }
          EXPECT_GE(thinned, n - 6);
        }
      }
}

/// The index, its tail without thinning.
class Unthinned {
 public:
  using scalar_type = float;
  struct tail_type {
    double log_rate() const { return tail.log_rate(); }
    Proposal propose(PhiloxEngine& engine) const { return tail.propose(engine); }
    bool may_exceed(item_id, double) const { return true; }
    QuantizedTail tail;
  };
  explicit Unthinned(const QuantizedIndex& index) : index_(index) {}
  std::size_t size() const { return index_.size(); }
  std::size_t dimension() const { return index_.dimension(); }
  double score(const VectorView<float>& query, item_id id) const { return index_.score(query, id); }
  void search(const VectorView<float>& query, std::size_t k, Retrieval& found) const {
    index_.search(query, k, found);
  }
  void search_with_tail(const VectorView<float>& query, std::size_t k, Retrieval& found,
                        tail_type& tail, std::size_t draws) const {
    index_.search_with_tail(query, k, found, tail.tail, draws);
  }

 private:
  const QuantizedIndex& index_;
};
static_assert(TailIndex<Unthinned> && !BatchTailIndex<Unthinned>);

TEST(QuantizedTail, ThinningDoesNotChangeADraw) {
  std::size_t saved = 0;
  for (const int bits : {4, 8})
    for (const double length : {1.0, 4.0, 20.0}) {
      const QuantizedIndex index = make_index(900, 16, bits, best_simd(), 13);
      const Unthinned plain(index);
      const LazySampler thin(index, {.k = 3});
      const LazySampler full(plain, {.k = 3});
      const Vector<float> theta = query_of_length(16, length, 14);
      for (std::uint64_t seed = 0; seed < 300; ++seed) {
        PhiloxEngine a(seed), b(seed);
        const Draw thinned = thin.sample(theta, a), whole = full.sample(theta, b);
        ASSERT_EQ(thinned.id, whole.id);
        ASSERT_EQ(thinned.perturbed, whole.perturbed);
        ASSERT_EQ(thinned.trace.proposals, whole.trace.proposals);
        ASSERT_LE(thinned.trace.rows_scored, whole.trace.rows_scored);
        ASSERT_TRUE(a == b);
        saved += whole.trace.rows_scored - thinned.trace.rows_scored;
        const auto ranked = thin.sample_without_replacement(theta, 5, a);
        const auto ranked_whole = full.sample_without_replacement(theta, 5, b);
        ASSERT_EQ(ranked.ids, ranked_whole.ids);
        ASSERT_EQ(ranked.perturbed, ranked_whole.perturbed);
      }
    }
  EXPECT_GT(saved, 0u);
}

TEST(QuantizedTail, CopiesAndMovesDrawTheSame) {
  const QuantizedIndex index = make_index(300, 8, 4, best_simd(), 15);
  for (const std::size_t draws : {1, 16}) {
    Retrieval found;
    QuantizedTail tail;
    index.search_with_tail(query_of_length(8, 2.0, 16), 4, found, tail, draws);
    const QuantizedTail copy = tail;
    const auto draw = [](const QuantizedTail& from) {
      PhiloxEngine engine(17);
      std::vector<item_id> ids;
      for (int i = 0; i < 50; ++i) ids.push_back(from.propose(engine).id);
      return ids;
    };
    const auto expected = draw(copy);
    const QuantizedTail moved = std::move(tail);
    EXPECT_EQ(draw(moved), expected);
    index.search_with_tail(query_of_length(8, 5.0, 18), 4, found, tail, draws);  // used again
    EXPECT_EQ(draw(moved), expected);
    EXPECT_EQ(moved.log_rate(), copy.log_rate());
  }
}

}  // namespace
}  // namespace lazygumbel::testing
