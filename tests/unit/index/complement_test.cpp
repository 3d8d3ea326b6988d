#include <gtest/gtest.h>

#include <cstdint>
#include <lazygumbel/index/detail/complement.hpp>
#include <lazygumbel/random/philox.hpp>
#include <limits>
#include <statistics.hpp>
#include <vector>

namespace lazygumbel::testing {
namespace {

TEST(Complement, AgreesWithBruteForceForEverySubset) {
  for (std::size_t n = 1; n <= 10; ++n)
    for (std::uint32_t subset = 0; subset < 1u << n; ++subset) {
      std::vector<item_id> in, out;
      for (item_id id = 0; id < n; ++id) (subset >> id & 1 ? in : out).push_back(id);
      const Complement tail(n, in);
      ASSERT_EQ(tail.size(), out.size());
      for (item_id rank = 0; rank < out.size(); ++rank) ASSERT_EQ(tail[rank], out[rank]);
      for (item_id id = 0; id < n; ++id) ASSERT_EQ(tail.contains(id), (subset >> id & 1) == 0);
    }
}

TEST(Complement, HandlesTheLargestIds) {
  constexpr item_id last = std::numeric_limits<item_id>::max() - 1;  // n = 2^32 - 1
  const std::vector<item_id> in = {0, 5, last};
  const Complement tail(std::size_t{last} + 1, in);
  EXPECT_EQ(tail.size(), std::size_t{last} - 2);
  EXPECT_EQ(tail[0], 1u);
  EXPECT_EQ(tail[3], 4u);
  EXPECT_EQ(tail[4], 6u);
  EXPECT_EQ(tail[last - 3], last - 1);
}

TEST(Complement, ByDefaultIsEmpty) {
  EXPECT_EQ(Complement().size(), 0u);
  const std::vector<item_id> all = {0, 1, 2};
  EXPECT_EQ(Complement(3, all).size(), 0u);
}

// n = 1e6 draws from 17 items; refused at p < 1e-6 (the false-alarm rate); a root mean square
// defect of 0.8% of the cells, so also any item of the set or one left out, shows with probability
// 0.9.
TEST(Complement, DrawsUniformlyOutsideTheSet) {
  const std::vector<item_id> in = {0, 1, 7, 19};
  const Complement tail(21, in);
  lazygumbel::PhiloxEngine engine(41);
  std::vector<std::uint64_t> counts(21);
  for (int i = 0; i < 1000000; ++i) ++counts.at(tail.draw(engine));
  std::vector<double> probabilities(21, 1.0 / 17);
  for (const item_id id : in) probabilities[id] = 0.0;
  EXPECT_GE(chi_square_p_value(counts, probabilities), 1e-6);
}

}  // namespace
}  // namespace lazygumbel::testing
