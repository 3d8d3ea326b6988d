// Whether KnnAttention::decode keeps its word on data that hide from draws what matters: answers
// that say that a target is met miss it with probability at most delta, and errors of a fixed
// budget hold with probability 95%. Every family has several problems; one's data come from a
// model.

#include "decode_honesty.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <datasets.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace lazygumbel::testing {
namespace {

constexpr std::size_t problems = 10, repeats = 4;

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

/// Head `head` of an array of 4 heads x 8,192 tokens x 64 floats (.npy, version 1).
std::optional<RowMatrix<float>> read_head(const std::string& file, std::size_t head) {
  constexpr std::size_t tokens = 8192, d = 64, numbers = tokens * d;
  const auto path = lazygumbel_datasets::find_shared_data(file, LAZYGUMBEL_SHARED_DATA_HINT);
  if (!path) return std::nullopt;
  std::ifstream in(*path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  const std::size_t wanted = 4 * numbers * sizeof(float);
  if (bytes.size() < wanted + 10) return std::nullopt;
  const std::string header(bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(wanted));
  if (header.find("(4, 8192, 64)") == std::string::npos ||
      header.find("'<f4'") == std::string::npos)
    return std::nullopt;
  RowMatrix<float> rows(static_cast<Eigen::Index>(tokens), static_cast<Eigen::Index>(d));
  std::memcpy(rows.data(), bytes.data() + bytes.size() - wanted + head * numbers * sizeof(float),
              numbers * sizeof(float));
  return rows;
}

TEST(DecodeHonesty, HoldsOnAHeadOfAModel) {
  const auto keys = read_head("transformer-l0-k.npy", 1),
             values = read_head("transformer-l0-v.npy", 1),
             queries = read_head("transformer-l0-q.npy", 1);
  if (!keys || !values || !queries)
    GTEST_SKIP() << "transformer-l0-{q,k,v}.npy are not in the shared data";
  for (const KeyIndex index : {KeyIndex::codes, KeyIndex::lists})
    for (const bool fixed_budget : {false, true}) {
      HonestyCount count;
      for (Eigen::Index i = 0; i < 24; ++i) {
        HostileDecode made{"a head of a model", {*keys, *values, queries->row(8191 - 40 * i)}};
        made.problem.queries *= 0.125F;
        const std::size_t times = index == KeyIndex::codes ? 3 : 1;
        count_decodes(made, honesty_options(index, fixed_budget, made.epsilon), times,
                      static_cast<std::uint64_t>(i), count);
      }
      std::cout << "a head of a model" << (index == KeyIndex::codes ? ", codes" : ", lists")
                << (fixed_budget ? ", fixed budget: " : ", accuracy: ") << text_of(count) << "\n";
      EXPECT_TRUE(keeps_its_word(count, 0.1)) << text_of(count);
      EXPECT_TRUE(reports_hold(count, fixed_budget ? 0.05 : 0.1)) << text_of(count);
    }
}

}  // namespace
}  // namespace lazygumbel::testing
