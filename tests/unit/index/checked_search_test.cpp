#include <gtest/gtest.h>

#include <algorithm>
#include <indexes.hpp>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <message_of.hpp>
#include <string>
#include <vector>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

// Best first: items 3, 1, 0, 4, 2, 5 with scores 9, 7, 5, 3, 1, 0.
const std::vector<double> six_scores = {5, 7, 1, 9, 3, 0};
constexpr std::size_t checked_k = 4;

struct Answer {
  Retrieval found;
  std::vector<item_id> sorted;
};

template <class Index>
Answer answer(const Index& index, std::size_t wanted = checked_k) {
  Answer a;
  search_checked(index, unit_query(), wanted, a.found, a.sorted);
  return a;
}

std::string complaint(Fault fault) {
  return message_of<index_error>(
      [&] { answer(HostileIndex(rows_with_scores(six_scores), fault)); });
}

TEST(SearchChecked, PassesAGoodAnswerOn) {
  const Answer a = answer(HostileIndex(rows_with_scores(six_scores), Fault::none));
  EXPECT_EQ(a.found.ids, (std::vector<item_id>{3, 1, 0, 4}));
  EXPECT_EQ(a.found.scores, (std::vector<double>{9, 7, 5, 3}));
  EXPECT_EQ(a.sorted, (std::vector<item_id>{0, 1, 3, 4}));
  EXPECT_EQ(a.found.residual_bound, 1.0);
  EXPECT_EQ(a.found.guarantee, Guarantee::certified());
}

TEST(SearchChecked, FillsInAnUnsetBoundAsAssumed) {
  const Answer a = answer(MinimalIndex(rows_with_scores(six_scores)));
  EXPECT_EQ(a.found.residual_bound, 3.0);
  EXPECT_EQ(a.found.guarantee, Guarantee::assumed());
}

TEST(SearchChecked, ADeclaredBoundNeedsNotAllItems) {
  const Answer fewer = answer(HostileIndex(rows_with_scores(six_scores), Fault::fewer_with_bound));
  EXPECT_EQ(fewer.found.ids.size(), 2u);
  EXPECT_EQ(fewer.found.residual_bound, 5.0);
  const Answer none = answer(HostileIndex(rows_with_scores(six_scores), Fault::empty_with_bound));
  EXPECT_TRUE(none.found.ids.empty());
  EXPECT_EQ(none.found.residual_bound, 9.0);
  EXPECT_EQ(none.found.guarantee, Guarantee::certified());
}

TEST(SearchChecked, AllItemsLeaveNothingToBound) {
  for (const std::size_t wanted : {6, 7, 1000}) {
    const Answer a = answer(MinimalIndex(rows_with_scores(six_scores)), wanted);
    EXPECT_EQ(a.found.ids.size(), 6u);
    EXPECT_EQ(a.found.residual_bound, -infinity);
    EXPECT_EQ(a.found.guarantee, Guarantee::certified());
  }
}

TEST(SearchChecked, TakesMaskedItems) {
  const MaskedIndex index(rows_with_scores(six_scores), {true, true, false, true, false, true});
  const Answer a = answer(index);
  EXPECT_EQ(a.found.ids, (std::vector<item_id>{4, 2, 0, 1}));
  EXPECT_EQ(a.found.scores, (std::vector<double>{3, 1, -infinity, -infinity}));
  EXPECT_EQ(a.found.residual_bound, -infinity);
}

TEST(SearchChecked, TakesTiesAndDuplicatedRows) {
  const Answer a = answer(MinimalIndex(rows_with_scores({2, 2, 2, 2, 2, 2})));
  EXPECT_EQ(a.found.residual_bound, 2.0);
}

TEST(SearchChecked, OverwritesAnOldAnswer) {
  Answer a;
  a.found.ids.assign(50, 1);
  a.found.scores.assign(50, 1.0);
  a.found.residual_bound = infinity;
  a.sorted.assign(7, 0);
  search_checked(MinimalIndex(rows_with_scores(six_scores)), unit_query(), checked_k, a.found,
                 a.sorted);
  EXPECT_EQ(a.found.ids.size(), 4u);
  EXPECT_EQ(a.found.residual_bound, 3.0);
  EXPECT_EQ(a.sorted.size(), 4u);
}

TEST(SearchChecked, NamesEveryBrokenPromise) {
  EXPECT_EQ(complaint(Fault::fewer_without_bound),
            "lazygumbel: search returned 3 of min(k, n) = 4 items and no residual bound");
  EXPECT_EQ(complaint(Fault::empty_without_bound),
            "lazygumbel: search returned 0 of min(k, n) = 4 items and no residual bound");
  EXPECT_EQ(complaint(Fault::more_than_k), "lazygumbel: search returned 5 items, k = 4");
  EXPECT_EQ(complaint(Fault::more_ids_than_scores),
            "lazygumbel: search returned 4 ids and 3 scores");
  EXPECT_EQ(complaint(Fault::more_scores_than_ids),
            "lazygumbel: search returned 3 ids and 4 scores");
  EXPECT_EQ(complaint(Fault::id_out_of_range),
            "lazygumbel: search returned id 6, the index has 6 items");
  EXPECT_EQ(complaint(Fault::id_far_out_of_range),
            "lazygumbel: search returned id 4294967295, the index has 6 items");
  EXPECT_EQ(complaint(Fault::duplicate_id), "lazygumbel: search returned id 3 twice");
  EXPECT_EQ(complaint(Fault::duplicate_neighbour), "lazygumbel: search returned id 3 twice");
  EXPECT_EQ(complaint(Fault::unsorted), "lazygumbel: search returned unsorted scores: 5 after 3");
  EXPECT_EQ(complaint(Fault::nan_score), "lazygumbel: search returned score nan for item 3");
  EXPECT_EQ(complaint(Fault::infinite_score), "lazygumbel: search returned score inf for item 3");
  EXPECT_EQ(complaint(Fault::wrong_first_score),
            "lazygumbel: search returned score 10 for item 3, whose score() is 9");
  EXPECT_EQ(complaint(Fault::wrong_last_score),
            "lazygumbel: search returned score 2 for item 4, whose score() is 3");
  EXPECT_EQ(complaint(Fault::masked_last_score),
            "lazygumbel: search returned score -inf for item 4, whose score() is 3");
  EXPECT_EQ(complaint(Fault::infinite_bound),
            "lazygumbel: search returned the residual bound +infinity");
}

/// Says 3 for an item whose score() is `truth`.
struct Liar {
  using scalar_type = double;
  double truth;
  std::size_t size() const { return 2; }
  std::size_t dimension() const { return 1; }
  double score(const VectorView<double>&, item_id) const { return truth; }
  void search(const VectorView<double>&, std::size_t, Retrieval& found) const {
    found.ids.push_back(0);
    found.scores.push_back(3.0);
  }
};

TEST(SearchChecked, ScoresMayDifferByRoundingOnly) {
  EXPECT_EQ(message_of<index_error>([] { answer(Liar{3.0001}, 1); }), "(nothing was thrown)");
  EXPECT_EQ(message_of<index_error>([] { answer(Liar{-infinity}, 1); }),
            "lazygumbel: search returned score 3 for item 0, whose score() is -inf")
      << "a masked item must not be drawn";
  EXPECT_EQ(message_of<index_error>([] { answer(Liar{nan}, 1); }),
            "lazygumbel: search returned score 3 for item 0, whose score() is nan");
}

// A bound that is too low cannot be seen by the search alone: whoever meets an item above it says
// so.
TEST(SearchChecked, CannotSeeALowBound) {
  for (const Fault fault : {Fault::low_certified_bound, Fault::low_assumed_bound})
    EXPECT_EQ(answer(HostileIndex(rows_with_scores(six_scores), fault)).found.residual_bound, -4.0);
}

TEST(SearchChecked, InnerScoresAreAuditedOnRequest) {
#ifdef LAZYGUMBEL_AUDIT
  EXPECT_EQ(complaint(Fault::wrong_inner_scores),
            "lazygumbel: search returned score 9 for item 1, whose score() is 7");
#else
  EXPECT_EQ(complaint(Fault::wrong_inner_scores), "(nothing was thrown)");
#endif
}

TEST(SearchChecked, LetsTheIndexsOwnExceptionsThrough) {
  EXPECT_EQ(message_of<std::runtime_error>(
                [] { answer(HostileIndex(rows_with_scores(six_scores), Fault::throws)); }),
            "search failed");
}

TEST(SearchChecked, RefusesABadQueryOrKBeforeTheSearch) {
  const HostileIndex index(rows_with_scores(six_scores), Fault::throws);
  Answer a;
  const auto refusal = [&](const Vector<double>& query, std::size_t wanted) {
    return message_of<std::invalid_argument>(
        [&] { search_checked(index, query, wanted, a.found, a.sorted); });
  };
  EXPECT_EQ(refusal(unit_query(), 0), "lazygumbel: k = 0: must be at least 1");
  EXPECT_EQ(refusal(Vector<double>::Ones(2), checked_k),
            "lazygumbel: query.size() = 2: must equal the index's dimension 1");
  EXPECT_EQ(refusal(Vector<double>::Constant(1, nan), checked_k),
            "lazygumbel: query(0) = nan: must be finite");
  EXPECT_EQ(refusal(Vector<double>::Constant(1, -infinity), checked_k),
            "lazygumbel: query(0) = -inf: must be finite");
}

}  // namespace
}  // namespace lazygumbel::testing
