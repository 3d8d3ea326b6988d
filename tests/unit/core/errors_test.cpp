#include <gtest/gtest.h>

#include <concepts>
#include <lazygumbel/core/errors.hpp>
#include <limits>
#include <message_of.hpp>

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::text_of;

TEST(Errors, TextOfReadsBackAsTheSameValue) {
  EXPECT_EQ(text_of(0.1), "0.1");
  EXPECT_EQ(text_of(0.1f), "0.1");
  EXPECT_EQ(text_of(1.0 / 3.0), "0.3333333333333333");
  EXPECT_EQ(text_of(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(text_of(-std::numeric_limits<float>::infinity()), "-inf");
  EXPECT_EQ(text_of(std::numeric_limits<double>::quiet_NaN()), "nan");
  EXPECT_EQ(text_of(-1.7976931348623157e308), "-1.7976931348623157e+308");
  EXPECT_EQ(text_of(5e-324), "5e-324");
  EXPECT_EQ(text_of(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(text_of(-7), "-7");
  EXPECT_EQ(text_of(true), "true");
  EXPECT_EQ(text_of(false), "false");
  EXPECT_EQ(text_of("words"), "words");
}

TEST(Errors, ThrowInvalidNamesParameterValueAndRequirement) {
  EXPECT_EQ(message_of<std::invalid_argument>(
                [] { lazygumbel::detail::throw_invalid("k", 0, "must be at least 1"); }),
            "lazygumbel: k = 0: must be at least 1");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [] { lazygumbel::detail::throw_invalid("mode", "fast", "is unknown"); }),
            "lazygumbel: mode = fast: is unknown");
}

TEST(Errors, ThrowIndexErrorSaysWhat) {
  EXPECT_EQ(message_of<lazygumbel::index_error>(
                [] { lazygumbel::detail::throw_index_error("id 3 twice"); }),
            "lazygumbel: id 3 twice");
}

// A caller tells its own mistakes (logic_error) from a broken index or file (runtime_error).
TEST(Errors, KindsAreToldApartByType) {
  static_assert(std::derived_from<lazygumbel::index_error, std::runtime_error>);
  static_assert(std::derived_from<lazygumbel::file_error, std::runtime_error>);
  static_assert(!std::derived_from<lazygumbel::index_error, lazygumbel::file_error>);
  static_assert(!std::derived_from<lazygumbel::file_error, lazygumbel::index_error>);
  SUCCEED();
}

}  // namespace
}  // namespace lazygumbel::testing
