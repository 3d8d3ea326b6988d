#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/privacy/workload/workload_index.hpp>
#include <vector>

#include "message_of.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

static_assert(MipsIndex<WorkloadIndex<DenseWorkload<float>>>);

template <Workload W>
void expect_exact(const W& workload, const Vector<double>& query) {
  const WorkloadIndex<W> index(workload);
  std::vector<double> scores;
  for (item_id j = 0; j < index.size(); ++j) scores.push_back(index.score(query, j));
  std::vector<double> ranked(scores);
  std::sort(ranked.begin(), ranked.end(), std::greater<>());
  for (const std::size_t k :
       {std::size_t{1}, std::size_t{2}, std::size_t{5}, index.size(), index.size() + 3}) {
    Retrieval found;
    std::vector<item_id> sorted;
    search_checked(index, query, k, found, sorted);
    ASSERT_EQ(found.ids.size(), std::min(k, index.size()));
    EXPECT_EQ(found.guarantee, Guarantee::certified());
    for (std::size_t i = 0; i < found.ids.size(); ++i) {
      EXPECT_EQ(found.scores[i], scores[found.ids[i]]);
      EXPECT_NEAR(found.scores[i], ranked[i], 1e-9 * (1.0 + std::abs(ranked[i])));
    }
    for (item_id j = 0; j < index.size(); ++j) {
      const bool in_head = std::binary_search(sorted.begin(), sorted.end(), j);
      EXPECT_TRUE(in_head || scores[j] <= found.residual_bound);
    }
  }
}

TEST(WorkloadIndex, FindsTheLargestAnswers) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const std::size_t cells = 1 + 7 * seed;
    const DenseWorkload<float> workload(random_queries<float>(70, cells, -1, 1, seed));
    Vector<double> query = Vector<double>::Zero(static_cast<Eigen::Index>(cells));
    expect_exact(workload, query);  // all scores 0
    for (Eigen::Index x = 0; x < query.size(); ++x)
      query[x] = std::sin(static_cast<double>(x + 1)) * 1e4;
    expect_exact(workload, query);
  }
}

TEST(WorkloadIndex, DuplicatesAndSingleQueries) {
  const Vector<double> query = Vector<double>::Constant(2, -3.0);
  expect_exact(IntegerWorkload({{1, 0}, {1, 0}, {1, 0}, {0, 1}, {0, 0}}, {0, 1}), query);
  expect_exact(IntegerWorkload({{1, 1}}, {0, 1}), query);
  const IntegerWorkload workload({{1, 1}}, {0, 1});
  EXPECT_EQ(&WorkloadIndex(workload).workload(), &workload);
  EXPECT_EQ(WorkloadIndex(workload).dimension(), 2U);
}

TEST(WorkloadIndex, Refusals) {
  const IntegerWorkload workload({{1, 1}}, {0, 1});
  const WorkloadIndex index(workload);
  Retrieval found;
  Vector<double> query = Vector<double>::Ones(2);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { index.search(query, 0, found); }),
            "lazygumbel: k = 0: must be at least 1");
  query[1] = std::nan("");
  EXPECT_NE(message_of<std::invalid_argument>([&] { index.search(query, 1, found); }).find("nan"),
            std::string::npos);
  const Vector<double> longer = Vector<double>::Ones(3);
  EXPECT_NE(message_of<std::invalid_argument>([&] { index.search(longer, 1, found); }).find("3"),
            std::string::npos);
}

}  // namespace
}  // namespace lazygumbel::testing
