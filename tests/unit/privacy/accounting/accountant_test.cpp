#include <gtest/gtest.h>

#include <lazygumbel/privacy/accounting/accountant.hpp>

namespace lazygumbel::testing {
namespace {

TEST(Accountant, HasNames) {
  EXPECT_STREQ(name_of(lazygumbel::Accountant::pure), "pure");
  EXPECT_STREQ(name_of(lazygumbel::Accountant::zcdp), "zcdp");
}

}  // namespace
}  // namespace lazygumbel::testing
