#include <gtest/gtest.h>

#include <lazygumbel/core/simd.hpp>
#include <set>
#include <string>

namespace lazygumbel::testing {
namespace {

constexpr Simd all_simds[] = {Simd::portable, Simd::neon, Simd::avx2, Simd::avx512_vnni};

TEST(Simd, EachHasANameOfItsOwn) {
  static_assert(std::string_view(name_of(Simd::portable)) == "portable");
  EXPECT_STREQ(name_of(Simd::neon), "neon");
  EXPECT_STREQ(name_of(Simd::avx2), "avx2");
  EXPECT_STREQ(name_of(Simd::avx512_vnni), "avx512_vnni");
  std::set<std::string> names;
  for (const Simd simd : all_simds) names.insert(name_of(simd));
  EXPECT_EQ(names.size(), std::size(all_simds));
}

TEST(Simd, PortableIsSupportedEverywhere) { EXPECT_TRUE(is_supported(Simd::portable)); }

TEST(Simd, NoProcessorHasTheInstructionsOfTwoFamilies) {
  EXPECT_FALSE(is_supported(Simd::neon) && is_supported(Simd::avx2));
#ifdef LAZYGUMBEL_X86_KERNELS
  EXPECT_FALSE(is_supported(Simd::neon));
  EXPECT_LE(is_supported(Simd::avx512_vnni), is_supported(Simd::avx2));
#endif
#ifdef LAZYGUMBEL_NEON_KERNELS
  EXPECT_TRUE(is_supported(Simd::neon));
#endif
}

TEST(Simd, TheBestIsSupportedAndNothingBetterIs) {
  const Simd best = best_simd();
  EXPECT_TRUE(is_supported(best));
  EXPECT_EQ(best, best_simd());
  EXPECT_EQ(best == Simd::avx512_vnni, is_supported(Simd::avx512_vnni));
  EXPECT_EQ(best == Simd::portable, !is_supported(Simd::avx512_vnni) && !is_supported(Simd::avx2) &&
                                        !is_supported(Simd::neon));
  RecordProperty("best", name_of(best));
}

}  // namespace
}  // namespace lazygumbel::testing
