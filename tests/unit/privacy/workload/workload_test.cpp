#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/workload/workload.hpp>
#include <lazygumbel/random/philox.hpp>
#include <vector>

#include "message_of.hpp"
#include "neighbour_relations.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::require_answer_spans;
using lazygumbel::detail::summation_error;

TEST(Workload, SensitivityOfARange) {
  EXPECT_EQ(sensitivity({0, 1}, replaced), 1.0);
  EXPECT_EQ(sensitivity({0, 1}, added), 1.0);
  EXPECT_EQ(sensitivity({-1, 1}, replaced), 2.0);  // parities
  EXPECT_EQ(sensitivity({-1, 1}, added), 1.0);
  EXPECT_EQ(sensitivity({2, 5}, replaced), 3.0);
  EXPECT_EQ(sensitivity({2, 5}, added), 5.0);
  EXPECT_EQ(sensitivity({-5, -2}, replaced), 3.0);
  EXPECT_EQ(sensitivity({-5, -2}, added), 5.0);
  EXPECT_EQ(sensitivity({0, 0}, replaced), 0.0);
  EXPECT_EQ(sensitivity({1, 1}, replaced), 0.0);
  EXPECT_EQ(sensitivity({1, 1}, added), 1.0);
  static_assert(sensitivity({}, replaced) == 1.0);
}

// Against all neighbours of random tables, for every pair of cells.
TEST(Workload, NoNeighbourIsFartherThanTheSensitivity) {
  for (const auto& [lower, upper] : {std::pair{-1, 1}, {0, 1}, {-3, 2}, {1, 4}, {-4, -1}}) {
    PhiloxEngine engine(static_cast<std::uint64_t>(10 + lower));
    std::vector<std::vector<int>> rows(20, std::vector<int>(5));
    for (auto& row : rows)
      for (int& q : row)
        q = lower +
            static_cast<int>(uniform_index(static_cast<std::uint32_t>(upper - lower + 1), engine));
    const QueryRange range{static_cast<double>(lower), static_cast<double>(upper)};
    const IntegerWorkload workload(rows, range);
    double by_replacing = 0.0, by_adding = 0.0;
    for (item_id j = 0; j < workload.size(); ++j)
      for (std::size_t x = 0; x < 5; ++x) {
        std::vector<double> change(5, 0.0);
        change[x] = 1.0;
        by_adding = std::max(by_adding, std::abs(workload.answer(change, j)));
        for (std::size_t y = 0; y < 5; ++y) {
          change[y] -= 1.0;
          by_replacing = std::max(by_replacing, std::abs(workload.answer(change, j)));
          change[y] += 1.0;
        }
      }
    EXPECT_LE(by_replacing, sensitivity(range, replaced));
    EXPECT_LE(by_adding, sensitivity(range, added));
    EXPECT_EQ(by_adding, sensitivity(range, added));  // 20 x 5 values: the ends are among them
  }
}

TEST(Workload, SummationErrorBoundsTheError) {
  PhiloxEngine engine(1);
  for (const std::size_t terms : {1U, 2U, 3U, 100U, 5000U})
    for (int trial = 0; trial < 20; ++trial) {
      double sum = 0.0;
      long double exact = 0.0L, magnitude = 0.0L;
      for (std::size_t i = 0; i < terms; ++i) {
        const double a = open_uniform(engine) - 0.5, b = std::exp(20.0 * open_uniform(engine));
        sum += a * b;
        exact += static_cast<long double>(a) * static_cast<long double>(b);
        magnitude += std::abs(static_cast<long double>(a) * static_cast<long double>(b));
      }
      EXPECT_LE(std::abs(static_cast<double>(sum - exact)),
                summation_error(terms, static_cast<double>(magnitude)));
    }
  EXPECT_EQ(summation_error(7, 0.0), 0.0);
  EXPECT_LT(summation_error(100'000, 1.0), 1.2e-11);  // no more than it must be
}

TEST(Workload, AnswerSpans) {
  const std::vector<double> weights(3);
  std::vector<double> out(2);
  EXPECT_NO_THROW(require_answer_spans(weights, 3, out, 2));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { require_answer_spans(weights, 4, out, 2); }),
            "lazygumbel: weights.size() = 3: must equal cells() = 4");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { require_answer_spans(weights, 3, out, 3); }),
            "lazygumbel: out.size() = 2: must equal size() = 3");
}

}  // namespace
}  // namespace lazygumbel::testing
