#include <gtest/gtest.h>

#include <lazygumbel/privacy/accounting/neighbours.hpp>

namespace lazygumbel::testing {
namespace {

TEST(Neighbours, HaveNames) {
  EXPECT_STREQ(name_of(lazygumbel::Neighbours::replace_one), "replace_one");
  EXPECT_STREQ(name_of(lazygumbel::Neighbours::add_remove), "add_remove");
}

}  // namespace
}  // namespace lazygumbel::testing
