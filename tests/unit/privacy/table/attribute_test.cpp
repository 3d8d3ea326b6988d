#include <gtest/gtest.h>

#include <cstdint>
#include <lazygumbel/privacy/table/attribute.hpp>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::int64_t lowest_integer = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest_integer = std::numeric_limits<std::int64_t>::max();

TEST(Attribute, CategoriesKeepTheirOrderAndMatchExactly) {
  const auto sex =
      Attribute::categories("sex", {"Male", "Female", "", " x", "M\"a,\n", "caf\xc3\xa9"});
  EXPECT_EQ(sex.name(), "sex");
  EXPECT_EQ(sex.size(), 6U);
  EXPECT_TRUE(sex.is_categorical());
  for (std::uint32_t code = 0; code < 6; ++code) EXPECT_EQ(sex.code_of(sex.label(code)), code);
  EXPECT_EQ(sex.label(0), "Male");
  EXPECT_EQ(sex.code_of("Female"), 1U);
  EXPECT_EQ(sex.code_of(""), 2U);
  for (const char* const text : {"male", "Male ", " Male", "Mal", "x", "Zebra", "A"})
    EXPECT_EQ(sex.code_of(text), std::nullopt) << text;
  EXPECT_EQ(sex.code_of(std::string_view("Male\0", 5)), std::nullopt);
  EXPECT_EQ(sex.description(), "one of 6 categories");
}

TEST(Attribute, IntegersOneEach) {
  const auto age = Attribute::integers("age", -3, 4);
  EXPECT_EQ(age.size(), 8U);
  EXPECT_FALSE(age.is_categorical());
  EXPECT_EQ(age.code_of("-3"), 0U);
  EXPECT_EQ(age.code_of("0"), 3U);
  EXPECT_EQ(age.code_of("4"), 7U);
  EXPECT_EQ(age.code_of("004"), 7U);
  EXPECT_EQ(age.label(0), "-3");
  EXPECT_EQ(age.label(7), "4");
  EXPECT_EQ(age.description(), "an integer of -3 .. 4");
}

TEST(Attribute, IntegersAreParsedWhole) {
  const auto age = Attribute::integers("age", -3, 400);
  for (const char* const text :
       {"", "-", "+3", " 3", "3 ", "3.0", "3e1", "0x3", "3,", "three", "-4", "401", "3-4", "3-3",
        "99999999999999999999", "-99999999999999999999", "nan", "--3"})
    EXPECT_EQ(age.code_of(text), std::nullopt) << text;
  EXPECT_EQ(age.code_of(std::string_view("3\0", 2)), std::nullopt);
}

TEST(Attribute, BinsAreAsEqualAsPossibleWiderFirst) {
  const auto age = Attribute::integers("age", 17, 90, 10);  // 74 integers: 4 bins of 8, 6 of 7
  EXPECT_EQ(age.size(), 10U);
  EXPECT_EQ(age.label(0), "17-24");
  EXPECT_EQ(age.label(3), "41-48");
  EXPECT_EQ(age.label(4), "49-55");
  EXPECT_EQ(age.label(9), "84-90");
  EXPECT_EQ(age.code_of("24"), 0U);
  EXPECT_EQ(age.code_of("25"), 1U);
  EXPECT_EQ(age.code_of("48"), 3U);
  EXPECT_EQ(age.code_of("49"), 4U);
  EXPECT_EQ(age.code_of("90"), 9U);
  EXPECT_EQ(age.code_of("91"), std::nullopt);
  EXPECT_EQ(age.code_of("16"), std::nullopt);
}

TEST(Attribute, ALabelIsAValueAndNothingLikeIt) {
  const auto age = Attribute::integers("age", 17, 90, 10);
  EXPECT_EQ(age.code_of("17-24"), 0U);
  EXPECT_EQ(age.code_of("84-90"), 9U);
  for (const char* const text : {"17-23", "18-24", "17-24 ", "17-", "17-24-", "017-24", "25-17"})
    EXPECT_EQ(age.code_of(text), std::nullopt) << text;
  const auto below = Attribute::integers("t", -10, -1, 3);
  EXPECT_EQ(below.label(0), "-10--7");
  EXPECT_EQ(below.code_of("-10--7"), 0U);
}

// Every low, length and number of bins: the bins partition the range in order, sizes differ by 1 at
// most and do not rise.
TEST(Attribute, BinsPartitionTheRange) {
  for (std::int64_t low : {std::int64_t{-5}, std::int64_t{0}, highest_integer - 39, lowest_integer})
    for (std::int64_t count = 1; count <= 40; ++count)
      for (std::size_t bins = 1; bins <= static_cast<std::size_t>(count); ++bins) {
        const auto a = Attribute::integers("a", low, low + (count - 1), bins);
        ASSERT_EQ(a.size(), bins);
        std::vector<std::uint64_t> sizes(bins, 0);
        std::uint32_t previous = 0;
        for (std::int64_t i = 0; i < count; ++i) {
          const auto code = a.code_of(std::to_string(low + i));
          ASSERT_TRUE(code.has_value());
          ASSERT_GE(*code, previous);
          previous = *code;
          ++sizes.at(*code);
        }
        for (std::size_t b = 0; b < bins; ++b) {
          ASSERT_LE(sizes[0] - sizes[b], 1U);
          if (b > 0) {
            ASSERT_LE(sizes[b], sizes[b - 1]);
          }
          ASSERT_EQ(a.code_of(a.label(static_cast<std::uint32_t>(b))), b);
        }
      }
}

TEST(Attribute, WideRanges) {
  const auto a = Attribute::integers("a", lowest_integer, -2, 3);  // 2^63 - 1 integers
  EXPECT_EQ(a.code_of("-9223372036854775808"), 0U);
  EXPECT_EQ(a.code_of("-2"), 2U);
  EXPECT_EQ(a.code_of("-1"), std::nullopt);
  EXPECT_EQ(Attribute::integers("a", highest_integer, highest_integer).size(), 1U);
  EXPECT_EQ(Attribute::integers("a", 0, Attribute::largest_size - 1).size(), 0x7fffffffU);
}

TEST(Attribute, EqualityIsOfNamesAndValues) {
  const auto a = Attribute::categories("a", {"x", "y"});
  EXPECT_EQ(a, Attribute::categories("a", {"x", "y"}));
  EXPECT_EQ(a, Attribute(a));
  EXPECT_NE(a, Attribute::categories("b", {"x", "y"}));
  EXPECT_NE(a, Attribute::categories("a", {"y", "x"}));
  EXPECT_NE(a, Attribute::integers("a", 0, 1));
  EXPECT_EQ(Attribute::integers("a", 0, 9, 5), Attribute::integers("a", 0, 9, 5));
  EXPECT_EQ(Attribute::integers("a", 0, 9, 10), Attribute::integers("a", 0, 9));
  EXPECT_NE(Attribute::integers("a", 0, 9, 5), Attribute::integers("a", 0, 9, 4));
  EXPECT_NE(Attribute::integers("a", 0, 9), Attribute::integers("a", 1, 10));
}

TEST(Attribute, Refusals) {
  const std::string a = "lazygumbel: attribute \"a\" ";
  EXPECT_EQ(refusal([] { Attribute::categories("", {"x"}); }),
            "lazygumbel: attribute name = \"\": must not be empty");
  EXPECT_EQ(refusal([] { Attribute::integers("", 0, 1); }),
            "lazygumbel: attribute name = \"\": must not be empty");
  EXPECT_EQ(refusal([] { Attribute::categories("a", {}); }), a + "size = 0: must be at least 1");
  EXPECT_EQ(refusal([] {
              Attribute::categories("a", {"x", "y", "x"});
            }),
            a + "label = x: must occur once");
  EXPECT_EQ(refusal([] { Attribute::integers("a", 3, 2); }), a + "high = 2: must be at least low");
  EXPECT_EQ(refusal([] { Attribute::integers("a", 0, 2, 4); }),
            a + "bins = 4: must be at most the number of integers 3");
  EXPECT_EQ(refusal([] { Attribute::integers("a", 0, 0x7fffffff); }),
            a + "size = 2147483648: must be at most 2^31 - 1");
  EXPECT_EQ(refusal([] { Attribute::integers("a", lowest_integer, highest_integer, 2); }),
            a + "high - low = 18446744073709551615: must be below 2^63");
  EXPECT_EQ(refusal([] { Attribute::integers("a", 0, 2).label(3); }),
            a + "code = 3: must be below 3");
}

}  // namespace
}  // namespace lazygumbel::testing
