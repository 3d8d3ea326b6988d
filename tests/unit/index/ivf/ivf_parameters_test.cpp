#include <gtest/gtest.h>

#include <lazygumbel/index/ivf/ivf_parameters.hpp>
#include <message_of.hpp>

namespace lazygumbel::testing {
namespace {

TEST(IvfParameters, DefaultNumberOfLists) {
  EXPECT_EQ(default_lists(1), 1u);
  EXPECT_EQ(default_lists(10), 10u) << "never more than rows";
  EXPECT_EQ(default_lists(16), 16u);
  EXPECT_EQ(default_lists(10'000), 400u);
  EXPECT_EQ(default_lists(100'000), 1265u);
}

TEST(IvfParameters, DefaultNumberOfProbes) {
  EXPECT_EQ(default_probes(1), 1u);
  EXPECT_EQ(default_probes(8), 8u);
  EXPECT_EQ(default_probes(100), 8u);
  EXPECT_EQ(default_probes(200), 14u);
  EXPECT_EQ(default_probes(201), 15u) << "rounded up";
  EXPECT_EQ(default_probes(1265), 89u);
}

TEST(IvfParameters, OutOfRange) {
  const auto message = [](auto change) {
    IvfParameters p;
    change(p);
    return message_of<std::invalid_argument>([&] { lazygumbel::detail::require_parameters(p); });
  };
  EXPECT_EQ(message([](IvfParameters&) {}), "(nothing was thrown)");
  EXPECT_EQ(message([](IvfParameters& p) { p.iterations = 0; }),
            "lazygumbel: iterations = 0: must be at least 1");
  EXPECT_EQ(message([](IvfParameters& p) { p.rows_per_list = 0; }),
            "lazygumbel: rows_per_list = 0: must be at least 1");
}

}  // namespace
}  // namespace lazygumbel::testing
