// Whether KnnAttention::decode keeps its word on data that hide from draws what matters: answers
// that say that a target is met miss it with probability at most delta, and errors of a fixed budget
// hold with probability 95%. Every family has twenty problems; two of the data come from a model.

#include <gtest/gtest.h>

#include "datasets.hpp"
#include <iostream>

#include "decode_honesty.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::size_t problems = 16, repeats = 4;

void expect_honest(KeyIndex index, bool fixed_budget) {
  for (std::size_t f = 0; f < hostile::families().size(); ++f) {
    HonestyCount count;
    std::string name;
    for (std::size_t i = 0; i < problems; ++i) {
      const HostileDecode made = hostile::families()[f](1000 * f + 10 * i + 1);
      name = made.name;
      count_decodes(made, honesty_options(index, fixed_budget, made.epsilon), repeats, i, count);
    }
    std::cout << name << (index == KeyIndex::codes ? ", codes" : ", lists")
              << (fixed_budget ? ", fixed budget: " : ", accuracy: ") << text_of(count) << "\n";
    EXPECT_TRUE(keeps_its_word(count, 0.1)) << name << ": " << text_of(count);
    EXPECT_TRUE(reports_hold(count, fixed_budget ? 0.05 : 0.1)) << name << ": " << text_of(count);
  }
}

TEST(DecodeHonesty, TargetsAreMetByCodes) { expect_honest(KeyIndex::codes, false); }
TEST(DecodeHonesty, ReportsHoldByCodes) { expect_honest(KeyIndex::codes, true); }
TEST(DecodeHonesty, TargetsAreMetByLists) { expect_honest(KeyIndex::lists, false); }
TEST(DecodeHonesty, ReportsHoldByLists) { expect_honest(KeyIndex::lists, true); }

}  // namespace
}  // namespace lazygumbel::testing
