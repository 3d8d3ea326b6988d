#include "lazygumbel/core/storage_scalar.hpp"

#include <gtest/gtest.h>

#include <Eigen/Core>  // after it: the concept knows the types by their names alone

namespace {

using lazygumbel::StorageScalar;

TEST(StorageScalar, IsFloatHalfOrBfloat16) {
  EXPECT_TRUE(
      (StorageScalar<float> && StorageScalar<Eigen::half> && StorageScalar<Eigen::bfloat16>));
  EXPECT_FALSE((StorageScalar<double> || StorageScalar<const float> || StorageScalar<int>));
}

}  // namespace
