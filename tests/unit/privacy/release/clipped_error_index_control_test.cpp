#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lazygumbel/privacy/workload/workload.hpp>
#include <vector>

#include "clipped_scores.hpp"

// What the sensitivity test of clipped_error_index_test.cpp must find out: an allowance, or a
// choice when to scan, that depends on the private table, makes the clipped scores of neighbours
// differ by more than the sensitivity. The same cases by the right rule do not.

namespace lazygumbel::testing {
namespace {

struct Seen {
  double largest = 0.0;  ///< |score - score'| / (s D)
  std::size_t clipped = 0, other_schedules = 0;
};

Seen largest_difference(Clipping clipping, Neighbours neighbours) {
  Seen seen;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    PhiloxEngine engine(seed);
    const std::size_t cells = 1 + uniform_index(6, engine), m = 1 + uniform_index(12, engine);
    std::vector<std::vector<int>> queries(m, std::vector<int>(cells));
    for (auto& query : queries)
      for (int& q : query) q = static_cast<int>(uniform_index(3, engine)) - 1;
    const double n = uniform_index(30, engine);
    const auto [before, after] =
        random_neighbours(cells, static_cast<std::int64_t>(n), neighbours, engine);
    const double drift = std::pow(10.0, -2.0 * open_uniform(engine)), scale = 0.2;
    const std::vector<std::size_t> sample = {uniform_index(static_cast<std::uint32_t>(m), engine)};
    PlainClippedScores left(queries, before, clipping, drift, sample);
    PlainClippedScores right(queries, after, clipping, drift, sample);
    const double sensitivity = lazygumbel::sensitivity({-1.0, 1.0}, neighbours);
    std::vector<double> weights(cells, (n + 1.0) / static_cast<double>(cells));
    for (int step = 0; step < 6; ++step) {
      const auto a = left.next(weights, scale), b = right.next(weights, scale);
      for (std::size_t j = 0; j < m; ++j)
        seen.largest = std::max(seen.largest, std::abs(a[j] - b[j]) / (scale * sensitivity));
      seen.other_schedules += left.scans != right.scans;
      move_weights(weights, 0.6, engine);
    }
    seen.clipped += left.clipped;
  }
  return seen;
}

TEST(ClippedErrorIndexControl, PublicAllowanceAndSchedule) {
  for (const Neighbours neighbours : {Neighbours::replace_one, Neighbours::add_remove}) {
    const Seen seen = largest_difference(Clipping::right, neighbours);
    EXPECT_LE(seen.largest, 1.0 + 1e-12);
    EXPECT_GT(seen.largest, 0.999);
    EXPECT_GT(seen.clipped, 10'000U);
    EXPECT_EQ(seen.other_schedules, 0U);
  }
}

TEST(ClippedErrorIndexControl, AllowanceFromPrivateErrors) {
  for (const Neighbours neighbours : {Neighbours::replace_one, Neighbours::add_remove})
    EXPECT_GT(largest_difference(Clipping::allowance_from_errors, neighbours).largest, 1.5);
}

TEST(ClippedErrorIndexControl, ScheduleFromPrivateErrors) {
  for (const Neighbours neighbours : {Neighbours::replace_one, Neighbours::add_remove}) {
    const Seen seen = largest_difference(Clipping::schedule_from_errors, neighbours);
    EXPECT_GT(seen.largest, 1.5);
    EXPECT_GT(seen.other_schedules, 10U);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
