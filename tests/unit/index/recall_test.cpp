#include <gtest/gtest.h>

#include <indexes.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/recall.hpp>
#include <message_of.hpp>

namespace lazygumbel::testing {
namespace {

TEST(Recall, OfAnExactIndexIsOne) {
  const RowMatrix<double> rows = gaussian_rows(200, 5, 71), queries = gaussian_rows(10, 5, 72);
  const FlatIndex<double> flat{RowMatrix<double>(rows)};
  for (const std::size_t k : {1, 10, 200, 300})
    EXPECT_EQ(recall_at_k(MinimalIndex(rows), flat, queries, k), 1.0) << k;
}

TEST(Recall, CountsWhatIsMissing) {
  const RowMatrix<double> rows = gaussian_rows(50, 5, 73), queries = gaussian_rows(7, 5, 74);
  const FlatIndex<double> flat{RowMatrix<double>(rows)};
  // Returns the best 5 of 10, and none.
  EXPECT_DOUBLE_EQ(recall_at_k(HostileIndex(rows, Fault::fewer_with_bound), flat, queries, 10),
                   0.5);
  EXPECT_EQ(recall_at_k(HostileIndex(rows, Fault::empty_with_bound), flat, queries, 10), 0.0);
}

TEST(Recall, CountsWrongItemsAsMisses) {
  // For the query 1 the indexes agree on item 2 only.
  const MinimalIndex index(rows_with_scores({9, 8, 7, 0, 1})),
      reference(rows_with_scores({0, 1, 7, 8, 9}));
  const RowMatrix<double> query = RowMatrix<double>::Ones(1, 1);
  EXPECT_DOUBLE_EQ(recall_at_k(index, reference, query, 3), 1.0 / 3.0);
  EXPECT_EQ(recall_at_k(index, reference, query, 2), 0.0);
}

TEST(Recall, RefusesBadArgumentsByName) {
  const MinimalIndex index(gaussian_rows(5, 3, 75)), larger(gaussian_rows(6, 3, 75)),
      wider(gaussian_rows(5, 4, 75));
  const RowMatrix<double> queries = gaussian_rows(2, 3, 76);
  const auto refusal = [&](const MinimalIndex& reference, const RowMatrix<double>& q,
                           std::size_t k) {
    return message_of<std::invalid_argument>([&] { recall_at_k(index, reference, q, k); });
  };
  EXPECT_EQ(refusal(index, RowMatrix<double>(0, 3), 1),
            "lazygumbel: queries.rows() = 0: must be at least 1");
  EXPECT_EQ(refusal(larger, queries, 1),
            "lazygumbel: reference.size() = 6: must equal the index's size");
  EXPECT_EQ(refusal(wider, queries, 1),
            "lazygumbel: query.size() = 3: must equal the index's dimension 4");
  EXPECT_EQ(refusal(index, queries, 0), "lazygumbel: k = 0: must be at least 1");
}

TEST(Recall, OfABrokenIndexIsAnIndexError) {
  const RowMatrix<double> rows = gaussian_rows(50, 5, 77);
  EXPECT_THROW(recall_at_k(HostileIndex(rows, Fault::duplicate_id), MinimalIndex(rows),
                           gaussian_rows(1, 5, 78), 5),
               index_error);
}

}  // namespace
}  // namespace lazygumbel::testing
