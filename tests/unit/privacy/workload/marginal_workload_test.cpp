#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/workload/marginal_workload.hpp>
#include <message_of.hpp>
#include <span>
#include <string>
#include <vector>
#include <workload_checks.hpp>

namespace lazygumbel::testing {
namespace {

using Sets = std::vector<std::vector<std::size_t>>;

/// Groups against Domain::projected_cells, which knows nothing of this class.
void check_groups(const MarginalWorkload& marginals, std::uint64_t seed) {
  const Domain& domain = marginals.domain();
  const std::vector<double> weights = integer_weights(domain.size(), 1000, seed);
  std::vector<double> all(marginals.size());
  marginals.answers(weights, all);
  for (std::size_t g = 0; g < marginals.groups(); ++g) {
    const auto place = domain.projected_cells(marginals.group_attributes(g));
    const std::size_t size = marginals.group_size(g), offset = marginals.group_offset(g);
    ASSERT_EQ(size, domain.project(marginals.group_attributes(g)).size());
    std::vector<double> expected(size, 0.0), answers(size, -7.0), query(domain.size());
    for (std::size_t x = 0; x < domain.size(); ++x) expected[place[x]] += weights[x];
    marginals.group_answers(g, weights, answers);
    ASSERT_EQ(answers, expected) << "group " << g;
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(),
                           all.begin() + static_cast<std::ptrdiff_t>(offset)));

    const std::vector<double> values = integer_weights(size, 100, seed + g);
    std::vector<double> cells = integer_weights(domain.size(), 5, seed), sums = cells;
    marginals.add_to_cells(g, values, sums);
    for (std::size_t x = 0; x < domain.size(); ++x)
      ASSERT_EQ(sums[x], cells[x] + values[place[x]]) << "group " << g << " cell " << x;

    // Adjoint: <values, answers> = <transposed values, weights>.
    double left = 0.0, right = 0.0;
    for (std::size_t i = 0; i < size; ++i) left += values[i] * answers[i];
    for (std::size_t x = 0; x < domain.size(); ++x) right += (sums[x] - cells[x]) * weights[x];
    ASSERT_EQ(left, right) << "group " << g;

    const auto id = static_cast<item_id>(offset + seed % size);
    marginals.query(id, query);
    for (std::size_t x = 0; x < domain.size(); ++x)
      ASSERT_EQ(query[x], place[x] == seed % size ? 1.0 : 0.0) << "group " << g << " cell " << x;
  }
}

TEST(MarginalWorkload, AllMarginalsOfEverySize) {
  for (const std::vector<std::size_t>& sizes : {std::vector<std::size_t>{1},
                                                {7},
                                                {2, 3},
                                                {3, 1, 4, 2},
                                                {1, 1},
                                                {200, 3},
                                                {3, 200},
                                                {2, 2, 2, 2, 2, 2},
                                                {5, 4, 3, 2, 3},
                                                {16, 15, 6, 2}})
    for (std::size_t ways = 1; ways <= sizes.size(); ++ways) {
      SCOPED_TRACE(std::to_string(sizes.size()) + " attributes, " + std::to_string(ways));
      const auto marginals = MarginalWorkload::all(domain_of_sizes(sizes), ways);
      check_groups(marginals, ways + 3);
      check_answers(marginals, ways + 4, 1 + marginals.size() / 100);
    }
}

TEST(MarginalWorkload, AnyListOfSets) {
  const Domain domain = domain_of_sizes({3, 2, 4, 1, 5, 2});
  // Out of order, of different sizes, one inside the other, twice the same.
  const MarginalWorkload marginals(
      domain,
      Sets{{4}, {0, 1}, {0}, {0, 1, 2}, {2, 4, 5}, {0, 1}, {3}, {0, 1, 2, 3, 4, 5}, {1, 5}});
  ASSERT_EQ(marginals.groups(), 9u);
  EXPECT_EQ(marginals.size(), 5u + 6 + 3 + 24 + 40 + 6 + 1 + 240 + 4);
  check_groups(marginals, 11);
  check_answers(marginals, 12);
}

TEST(MarginalWorkload, LargeDomain) {
  const auto marginals = MarginalWorkload::all(domain_of_sizes({4, 5, 4, 4, 4, 4, 4, 5}), 3);
  ASSERT_EQ(marginals.groups(), 56u);
  ASSERT_EQ(marginals.cells(), 102400u);
  check_groups(marginals, 13);
}

TEST(MarginalWorkload, GroupsAreInLexicographicOrder) {
  const auto marginals = MarginalWorkload::all(domain_of_sizes({2, 3, 4, 5}), 2);
  ASSERT_EQ(marginals.groups(), 6u);
  const Sets expected = {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}};
  std::size_t offset = 0;
  for (std::size_t g = 0; g < 6; ++g) {
    const auto attributes = marginals.group_attributes(g);
    EXPECT_EQ(std::vector<std::size_t>(attributes.begin(), attributes.end()), expected[g]);
    EXPECT_EQ(marginals.group_offset(g), offset);
    for (std::size_t i = 0; i < marginals.group_size(g); ++i)
      EXPECT_EQ(marginals.group_of(static_cast<item_id>(offset + i)), g);
    offset += marginals.group_size(g);
  }
  EXPECT_EQ(marginals.size(), offset);
  EXPECT_EQ(marginals.range(), (lazygumbel::QueryRange{0.0, 1.0}));
}

TEST(MarginalWorkload, IntegersAreExact) {
  const auto marginals = MarginalWorkload::all(domain_of_sizes({3, 4, 5}), 2);
  check_large_integers(marginals);
  check_large_integers(marginals, 0x1p52);
}

TEST(MarginalWorkload, Refuses) {
  const Domain domain = domain_of_sizes({3, 2, 4});
  const auto refused = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  const auto list = [&](const Sets& sets) {
    return refused([&] { MarginalWorkload(domain, sets); });
  };
  EXPECT_EQ(list({}), "lazygumbel: sets.size() = 0: must be at least 1");
  EXPECT_EQ(list({{0}, {}}), "lazygumbel: sets[1].size() = 0: must be at least 1");
  EXPECT_EQ(list({{0, 3}}), "lazygumbel: sets[0] attribute = 3: must be below 3");
  EXPECT_EQ(list({{1, 1}}), "lazygumbel: sets[0] attribute = 1: must be above the one before");
  EXPECT_EQ(list({{0}, {2, 0}}), "lazygumbel: sets[1] attribute = 0: must be above the one before");
  EXPECT_EQ(refused([&] { MarginalWorkload::all(domain, 0); }),
            "lazygumbel: ways = 0: must lie in 1 .. 3");
  EXPECT_EQ(refused([&] { MarginalWorkload::all(domain, 4); }),
            "lazygumbel: ways = 4: must lie in 1 .. 3");
  const Domain large = domain_of_sizes({0x7fffffff});
  EXPECT_EQ(refused([&] {
              MarginalWorkload(large, Sets{{0}, {0}, {0}});
            }),
            "lazygumbel: queries = 6442450941: must be below 2^32");
  const Domain many = domain_of_sizes(std::vector<std::size_t>(60, 1));
  EXPECT_EQ(
      refused([&] { MarginalWorkload::all(many, 30); }).starts_with("lazygumbel: marginals = "),
      true);

  const auto marginals = MarginalWorkload::all(domain, 2);
  check_lengths(marginals);
  std::vector<double> weights(24), six(6), seven(7);
  EXPECT_EQ(refused([&] { marginals.group_answers(0, weights, seven); }),
            "lazygumbel: out.size() = 7: must equal group_size(group) = 6");
  EXPECT_EQ(refused([&] { marginals.group_answers(0, six, six); }),
            "lazygumbel: weights.size() = 6: must equal cells() = 24");
  EXPECT_EQ(refused([&] { marginals.add_to_cells(0, seven, weights); }),
            "lazygumbel: values.size() = 7: must equal group_size(group) = 6");
  EXPECT_EQ(refused([&] { marginals.add_to_cells(0, six, seven); }),
            "lazygumbel: out.size() = 7: must equal cells() = 24");
}

}  // namespace
}  // namespace lazygumbel::testing
