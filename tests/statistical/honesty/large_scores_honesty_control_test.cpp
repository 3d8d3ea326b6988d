#include <gtest/gtest.h>

#include <lazygumbel/random/gumbel.hpp>
#include <lazygumbel/random/philox.hpp>

#include "laws.hpp"

// The same ties by the textbook's arg max of y + G, which the tests must refuse from 1e16 on.

namespace lazygumbel::testing {
namespace {

TEST(LargeScoresHonestyControl, NoiseThatIsAddedToTheScores) {
  constexpr std::size_t tied = 100, tied_draws = 20'000;
  const std::vector<double> law(tied, 1.0 / tied);
  for (const double size : {1.0, 1e16, 1e20}) {
    PhiloxEngine engine(1);
    const Counter counter = count_draws(tied, tied_draws, [&] {
      item_id best = 0;
      double largest = -infinity;
      for (item_id i = 0; i < tied; ++i)
        if (const double value = size + gumbel(engine); value > largest) largest = value, best = i;
      return best;
    });
    if (size == 1.0)
      expect_law(counter, law, "small scores");
    else
      expect_rejected(counter, law, "large scores");
  }
}

}  // namespace
}  // namespace lazygumbel::testing
