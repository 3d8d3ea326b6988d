#include <gtest/gtest.h>

#include <cstdint>
#include <lazygumbel/privacy/table/histogram.hpp>
#include <string>
#include <vector>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

using Counts = std::vector<std::int64_t>;
using Codes = std::vector<std::uint32_t>;

Domain mixed_domain() {
  return Domain({Attribute::categories("a", {"x", "y"}), Attribute::integers("b", 0, 2)});
}

Counts counts_of(const Histogram& h) { return {h.counts().begin(), h.counts().end()}; }

TEST(Histogram, HoldsCounts) {
  const Histogram h(mixed_domain(), {1, 0, 2, 0, 0, 4});
  EXPECT_EQ(h.domain(), mixed_domain());
  EXPECT_EQ(counts_of(h), (Counts{1, 0, 2, 0, 0, 4}));
  EXPECT_EQ(h.total(), 7);
}

TEST(Histogram, CountsRecords) {
  const Histogram h = Histogram::of_records(mixed_domain(), Codes{0, 1, 1, 2, 0, 1, 1, 0});
  EXPECT_EQ(counts_of(h), (Counts{0, 2, 0, 1, 0, 1}));
  EXPECT_EQ(h.total(), 4);
}

TEST(Histogram, OfNoRecordsIsLegal) {
  EXPECT_EQ(Histogram::of_records(mixed_domain(), {}).total(), 0);
  EXPECT_EQ(Histogram(mixed_domain(), Counts(6, 0)).total(), 0);
  const Domain one({Attribute::integers("a", 5, 5)});
  EXPECT_EQ(counts_of(Histogram::of_records(one, Codes{0, 0})), Counts{2});
}

TEST(Histogram, TotalIsBelowTwoToThe52) {
  const std::int64_t most = (std::int64_t{1} << 52) - 1;
  EXPECT_EQ(Histogram(mixed_domain(), {most, 0, 0, 0, 0, 0}).total(), most);
  EXPECT_EQ(refusal([&] {
              Histogram(mixed_domain(), {most, 0, 0, 1, 0, 0});
            }),
            "lazygumbel: counts[3] = 1: brings the total to 2^52 or more");
  EXPECT_EQ(refusal([&] {
              Histogram(mixed_domain(), {5, INT64_MAX, INT64_MAX, 1, 0, 0});
            }),
            "lazygumbel: counts[1] = 9223372036854775807: brings the total to 2^52 or more");
}

TEST(Histogram, Refusals) {
  EXPECT_EQ(refusal([] {
              Histogram(mixed_domain(), {1, 2});
            }),
            "lazygumbel: counts.size() = 2: must equal the domain's size 6");
  EXPECT_EQ(refusal([] {
              Histogram(mixed_domain(), {1, 2, -1, 0, 0, 0});
            }),
            "lazygumbel: counts[2] = -1: must not be negative");
  EXPECT_EQ(refusal([] {
              Histogram::of_records(mixed_domain(), Codes{0, 1, 1});
            }),
            "lazygumbel: records.size() = 3: must be a multiple of the number of attributes 2");
  EXPECT_EQ(refusal([] {
              Histogram::of_records(mixed_domain(), Codes{0, 1, 1, 3});
            }),
            "lazygumbel: records(1, \"b\") = 3: must be below 3");
  EXPECT_EQ(refusal([] {
              Histogram::of_records(mixed_domain(), Codes{2, 1});
            }),
            "lazygumbel: records(0, \"a\") = 2: must be below 2");
}

}  // namespace
}  // namespace lazygumbel::testing
