#include <gtest/gtest.h>

#include <lazygumbel/random/not_private_engine.hpp>

namespace lazygumbel::testing {
namespace {

static_assert(lazygumbel::SecureBitGenerator<NotPrivateEngine>);

TEST(NotPrivateEngine, IsPhilox) {
  NotPrivateEngine engine(3, 4);
  PhiloxEngine philox(3, 4);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(engine(), philox());
  EXPECT_EQ(engine.seed(), 3u);
  EXPECT_EQ(engine.stream(), 4u);
  NotPrivateEngine copy = engine;
  EXPECT_EQ(copy(), engine());
}

}  // namespace
}  // namespace lazygumbel::testing
