#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/accounting/neighbours.hpp>
#include <lazygumbel/privacy/workload/parity_workload.hpp>
#include <message_of.hpp>
#include <string>
#include <vector>
#include <workload_checks.hpp>

namespace lazygumbel::testing {
namespace {

using Sets = std::vector<std::vector<std::size_t>>;

/// The queries against their definition, on every record.
void check_queries(const ParityWorkload& parities) {
  const Domain& domain = parities.domain();
  std::vector<double> query(domain.size());
  std::vector<std::uint32_t> codes(domain.attributes().size());
  for (item_id id = 0; id < parities.size(); ++id) {
    const auto attributes = parities.parity_attributes(id);
    parities.query(id, query);
    for (std::size_t x = 0; x < domain.size(); ++x) {
      domain.codes_of(x, codes);
      double expected = 1.0;
      for (const std::size_t a : attributes) expected *= codes[a] == 1 ? -1.0 : 1.0;
      ASSERT_EQ(query[x], expected) << "query " << id << " cell " << x;
    }
  }
}

TEST(ParityWorkload, AllSetsOfBinaryDomains) {
  for (std::size_t attributes = 1; attributes <= 8; ++attributes)
    for (std::size_t most = 1; most <= attributes; ++most) {
      const auto parities =
          ParityWorkload::up_to(domain_of_sizes(std::vector<std::size_t>(attributes, 2)), most);
      check_queries(parities);
      check_answers(parities, attributes + most);
    }
}

TEST(ParityWorkload, OtherAttributesAreSummedOut) {
  for (const std::vector<std::size_t>& sizes : {std::vector<std::size_t>{3, 2},
                                                {2, 3},
                                                {2, 1, 2, 5, 2},
                                                {4, 2, 2, 3},
                                                {16, 15, 6, 2},
                                                {2, 40, 2, 1, 2}}) {
    const Domain domain = domain_of_sizes(sizes);
    std::size_t binary = 0;
    for (const std::size_t size : sizes) binary += size == 2;
    const auto parities = ParityWorkload::up_to(domain, binary);
    EXPECT_EQ(parities.size(), (std::size_t{1} << binary) - 1);
    check_queries(parities);
    check_answers(parities, sizes.size());
  }
}

TEST(ParityWorkload, AnyListOfSets) {
  const Sets sets = {{5}, {0, 2}, {0}, {0, 2, 3, 5}, {2, 5}, {0, 2}};
  const ParityWorkload parities(domain_of_sizes({2, 3, 2, 2, 7, 2}), sets);
  ASSERT_EQ(parities.size(), 6u);
  for (item_id id = 0; id < 6; ++id) EXPECT_EQ(parities.parity_attributes(id), sets[id]);
  check_queries(parities);
  check_answers(parities, 5);
}

TEST(ParityWorkload, SetsComeBySizeThenInOrder) {
  const auto parities = ParityWorkload::up_to(domain_of_sizes({2, 5, 2, 2}), 2);
  const Sets expected = {{0}, {2}, {3}, {0, 2}, {0, 3}, {2, 3}};
  ASSERT_EQ(parities.size(), expected.size());
  for (item_id id = 0; id < 6; ++id) EXPECT_EQ(parities.parity_attributes(id), expected[id]);
}

TEST(ParityWorkload, ManyAttributes) {
  const auto parities =
      ParityWorkload::up_to(domain_of_sizes({2, 2, 2, 2, 2, 2, 2, 3, 2, 2, 2, 2, 2}), 3);
  ASSERT_EQ(parities.size(), 12u + 66 + 220);
  check_answers(parities, 17, 7);
}

TEST(ParityWorkload, IntegersAreExact) {
  const auto parities = ParityWorkload::up_to(domain_of_sizes({2, 3, 2, 2}), 3);
  check_large_integers(parities);
  check_large_integers(parities, 0x1p52);
}

TEST(ParityWorkload, SensitivityIsTwoWhereARecordIsReplaced) {
  const auto parities = ParityWorkload::up_to(domain_of_sizes({2, 2}), 1);
  EXPECT_EQ(parities.range(), (lazygumbel::QueryRange{-1.0, 1.0}));
  using lazygumbel::Neighbours;
  EXPECT_EQ(lazygumbel::sensitivity(parities.range(), Neighbours::replace_one), 2.0);
  EXPECT_EQ(lazygumbel::sensitivity(parities.range(), Neighbours::add_remove), 1.0);
}

TEST(ParityWorkload, Refuses) {
  const Domain domain = domain_of_sizes({2, 3, 2});
  const auto refused = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  const auto list = [&](const Sets& sets) {
    return refused([&] { ParityWorkload(domain, sets); });
  };
  EXPECT_EQ(list({}), "lazygumbel: sets.size() = 0: must lie in 1 .. 2^32 - 1");
  EXPECT_EQ(list({{0}, {}}), "lazygumbel: sets[1].size() = 0: must be at least 1");
  EXPECT_EQ(list({{0, 3}}), "lazygumbel: sets[0] attribute = 3: must be below 3");
  EXPECT_EQ(list({{2, 0}}), "lazygumbel: sets[0] attribute = 0: must be above the one before");
  EXPECT_EQ(list({{0}, {0, 1}}), "lazygumbel: sets[1] attribute \"a1\" size = 3: must be 2");
  EXPECT_EQ(refused([&] { ParityWorkload::up_to(domain, 0); }),
            "lazygumbel: most = 0: must lie in 1 .. 2, the number of binary attributes");
  EXPECT_EQ(refused([&] { ParityWorkload::up_to(domain, 3); }),
            "lazygumbel: most = 3: must lie in 1 .. 2, the number of binary attributes");
  EXPECT_EQ(refused([&] {
              ParityWorkload::up_to(domain_of_sizes({3, 4}), 1);
            }),
            "lazygumbel: most = 1: must lie in 1 .. 0, the number of binary attributes");
  check_lengths(ParityWorkload::up_to(domain, 2));
}

}  // namespace
}  // namespace lazygumbel::testing
