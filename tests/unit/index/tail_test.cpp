#include <gtest/gtest.h>

#include <cmath>
#include <item_process.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/tail.hpp>
#include <vector>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

TEST(UniformTail, ProposesTheItemsOutsideTheHeadAtTheBound) {
  const std::vector<item_id> head = {0, 3, 4, 9};
  const UniformTail tail(Complement(10, head), 2.5);
  const auto stated = expect_item_process(tail, 10, 100'000, 1, "uniform tail");
  EXPECT_EQ(stated, (std::vector<double>{-infinity, 2.5, 2.5, -infinity, -infinity, 2.5, 2.5, 2.5,
                                         2.5, -infinity}));
  EXPECT_DOUBLE_EQ(tail.log_rate(), std::log(6.0) + 2.5);
}

TEST(UniformTail, KnowsOneBoundForAll) {
  const UniformTail tail(Complement(10, {}), -1.0);
  EXPECT_TRUE(tail.may_exceed(3, -1.5));
  EXPECT_FALSE(tail.may_exceed(3, -1.0));
  EXPECT_FALSE(tail.may_exceed(3, 0.0));
  EXPECT_EQ(tail.log_largest_weight(4.0), 5.0);  // score <= 4 over intensity exp(-1)
  EXPECT_EQ(tail.log_largest_weight(-infinity), -infinity);
}

TEST(UniformTail, WithoutItemsHasNoRate) {
  const std::vector<item_id> all = {0, 1};
  EXPECT_EQ(UniformTail(Complement(2, all), 7.0).log_rate(), -infinity);
  EXPECT_EQ(UniformTail(Complement(5, {}), -infinity).log_rate(), -infinity);
}

// The concepts, by models that lack one thing each.

struct Process {
  double log_rate() const { return 0.0; }
  Proposal propose(PhiloxEngine&) const { return {}; }
};
struct Dominating : Process {
  bool may_exceed(item_id, double) const { return true; }
};
struct Proposals : Process {
  double log_largest_weight(double bound) const { return bound; }
};
static_assert(ItemProcess<Process> && !DominatingTail<Process> && !TailProposals<Process>);
static_assert(DominatingTail<Dominating> && !TailProposals<Dominating>);
static_assert(TailProposals<Proposals> && !DominatingTail<Proposals>);
static_assert(DominatingTail<UniformTail> && TailProposals<UniformTail>);

struct NoRate {
  Proposal propose(PhiloxEngine&) const { return {}; }
};
struct ProposesIds {
  double log_rate() const { return 0.0; }
  item_id propose(PhiloxEngine&) const { return 0; }
};
struct ProposesOnlyWhenMutable {
  double log_rate() const { return 0.0; }
  Proposal propose(PhiloxEngine&) { return {}; }
};
struct SaysMaybe : Process {
  int may_exceed(item_id, double) const { return 1; }
};
static_assert(!ItemProcess<NoRate> && !ItemProcess<ProposesIds> &&
              !ItemProcess<ProposesOnlyWhenMutable> && !DominatingTail<SaysMaybe>);

template <class Tail, class Offers>
struct ModelIndex {
  using scalar_type = double;
  using tail_type = Tail;
  using proposals_type = Offers;
  std::size_t size() const { return 1; }
  std::size_t dimension() const { return 1; }
  double score(const VectorView<double>&, item_id) const { return 0.0; }
  void search(const VectorView<double>&, std::size_t, Retrieval&) const {}
  void search_with_tail(const VectorView<double>&, std::size_t, Retrieval&, Tail&,
                        std::size_t) const {}
  void search_with_proposals(const VectorView<double>&, std::size_t, Retrieval&, Offers&) const {}
};
struct WithoutDraws : ModelIndex<Dominating, Proposals> {
  void search_with_tail(const VectorView<double>&, std::size_t, Retrieval&, Dominating&) const {}
};
struct Batch : ModelIndex<Dominating, Proposals> {
  void search_batch_with_tail(const MatrixView<double>&, std::size_t, std::span<Retrieval>,
                              std::span<Dominating>) const {}
};
static_assert(TailIndex<ModelIndex<Dominating, Proposals>> &&
              ProposingIndex<ModelIndex<Dominating, Proposals>>);
static_assert(!TailIndex<ModelIndex<Process, Proposals>> &&
              ProposingIndex<ModelIndex<Process, Proposals>>);
static_assert(TailIndex<ModelIndex<Dominating, Process>> &&
              !ProposingIndex<ModelIndex<Dominating, Process>>);
static_assert(!TailIndex<WithoutDraws> && ProposingIndex<WithoutDraws>);
static_assert(BatchTailIndex<Batch> && !BatchTailIndex<ModelIndex<Dominating, Proposals>>);
static_assert(!TailIndex<FlatIndex<float>> && !ProposingIndex<FlatIndex<float>> &&
              !BatchTailIndex<FlatIndex<float>>);

}  // namespace
}  // namespace lazygumbel::testing
