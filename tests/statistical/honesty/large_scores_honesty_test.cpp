#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/ivf/ivf_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/sampling/exhaustive.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "laws.hpp"

// Scores so large that y + G rounds to y, equal ones among them. 100 equal items, 20,000 draws a
// law; chi-square, refused (and false alarm) at p < 1e-6; detects with probability >= 0.9 an rms
// relative error of 7.6%: a tie that goes to the head, or to the first, is off by far more.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t tied = 100, tied_draws = 20'000;
constexpr double sizes[] = {1.0, 1e9, 1e16, 1e20, 1e29};

TEST(LargeScoresHonesty, SmallestDefect) { EXPECT_LT(smallest_defect(tied, tied_draws), 0.076); }

RowMatrix<double> equal_rows(double score) { return RowMatrix<double>::Constant(tied, 1, score); }
Vector<double> one() { return Vector<double>::Ones(1); }
std::vector<double> flat_law() { return std::vector<double>(tied, 1.0 / tied); }

template <MipsIndex Index>
void check_ties(const Index& index, std::uint64_t seed, const std::string& what) {
  const LazySampler<Index> sampler(index, {.k = 10});
  PhiloxEngine engine(seed);
  expect_law(count_draws(tied, tied_draws, [&] { return sampler.sample(one(), engine).id; }),
             flat_law(), what + ", one by one");
  Counter together(tied);
  together.add_all(sampler.sample(one(), tied_draws, engine).ids);
  expect_law(together, flat_law(), what + ", together");
  expect_law(
      count_draws(tied, tied_draws,
                  [&] { return sampler.sample_without_replacement(one(), 3, engine).ids.back(); }),
      flat_law(), what + ", third of three");
}

TEST(LargeScoresHonesty, TiesOfAFlatIndex) {
  std::uint64_t seed = 1;
  for (const double size : sizes)
    for (const double sign : {1.0, -1.0})
      check_ties(FlatIndex<double>(equal_rows(sign * size)), seed++, std::to_string(sign * size));
}

TEST(LargeScoresHonesty, TiesOfCodes) {
  std::uint64_t seed = 21;
  for (const double size : sizes)
    check_ties(ScalarQuantizedIndex<double>(equal_rows(size)), seed++, std::to_string(size));
}

TEST(LargeScoresHonesty, TiesOfCertifiedLists) {
  std::uint64_t seed = 31;
  for (const double size : sizes) {
    const IvfIndex<double> index(equal_rows(size));
    check_ties(index.certified(), seed++, std::to_string(size));
  }
}

TEST(LargeScoresHonesty, TiesOfTheReference) {
  for (const double size : sizes) {
    const std::vector<double> scores(tied, size);
    PhiloxEngine engine(41);
    expect_law(count_draws(tied, tied_draws,
                           [&] { return gumbel_max(std::span<const double>(scores), engine).id; }),
               flat_law(), "gumbel_max of " + std::to_string(size));
    expect_law(count_draws(
                   tied, tied_draws,
                   [&] { return gumbel_top_k(std::span<const double>(scores), 3, engine).ids[2]; }),
               flat_law(), "gumbel_top_k of " + std::to_string(size));
  }
}

// What is seen of large scores is their differences: 1e20 and 1e20 + 65,536 are four steps apart.
TEST(LargeScoresHonesty, TheLargestOfManyAlwaysWins) {
  RowMatrix<double> rows = equal_rows(1e20);
  rows(37, 0) += 65536.0;
  const FlatIndex<double> index(rows);
  const LazySampler sampler(index, {.k = 10});
  PhiloxEngine engine(51);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(sampler.sample(one(), engine).id, 37U);
}

}  // namespace
}  // namespace lazygumbel::testing
