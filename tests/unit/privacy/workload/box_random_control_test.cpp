#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <statistics.hpp>
#include <vector>

// Negative controls of the laws of random boxes (box_workload_test.cpp): wrong draws of sets of
// three values, which the same tests with as many sets must refuse.

namespace lazygumbel::testing {
namespace {

constexpr int sets_drawn = 200000;

/// An empty set becomes the full one in place of being drawn again: 1/4 of full sets, not 1/7.
TEST(BoxRandomControl, FillingEmptySetsIsRejected) {
  PhiloxEngine engine(21);
  std::vector<std::uint64_t> counts(7, 0);
  for (int i = 0; i < sets_drawn; ++i) {
    const auto set = static_cast<std::size_t>(uniform_bits(engine) & 7);
    ++counts[set == 0 ? 6 : set - 1];
  }
  EXPECT_LT(chi_square_p_value(counts, std::vector<double>(7, 1.0 / 7)), 1e-6);
}

/// All six intervals alike: those of one value come up in 1/6, not 1/9, of the sets.
TEST(BoxRandomControl, UniformIntervalsAreRejected) {
  PhiloxEngine engine(22);
  std::vector<std::uint64_t> counts(6, 0);
  for (int i = 0; i < sets_drawn; ++i) ++counts[uniform_index(6, engine)];
  const double p = 1.0 / 9;
  EXPECT_LT(chi_square_p_value(counts, std::vector<double>{p, p, p, 2 * p, 2 * p, 2 * p}), 1e-6);
}

}  // namespace
}  // namespace lazygumbel::testing
