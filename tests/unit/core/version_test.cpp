#include <gtest/gtest.h>

#include <lazygumbel/core/version.hpp>
#include <string>

namespace lazygumbel::testing {
namespace {

TEST(Version, TextIsMadeOfTheThreeNumbers) {
  EXPECT_EQ(lazygumbel::version, std::to_string(lazygumbel::version_major) + "." +
                                     std::to_string(lazygumbel::version_minor) + "." +
                                     std::to_string(lazygumbel::version_patch));
}

TEST(Version, IsWhatCMakeReadFromTheHeader) {
  EXPECT_STREQ(lazygumbel::version, LAZYGUMBEL_PROJECT_VERSION);
}

TEST(Version, MacrosAreIntegersForThePreprocessor) {
#if LAZYGUMBEL_VERSION_MAJOR * 10000 + LAZYGUMBEL_VERSION_MINOR * 100 + LAZYGUMBEL_VERSION_PATCH > 0
  constexpr bool positive = true;
#else
  constexpr bool positive = false;
#endif
  EXPECT_TRUE(positive);
}

}  // namespace
}  // namespace lazygumbel::testing
