#pragma once

#include <gtest/gtest.h>

#include <Eigen/Core>

namespace lazygumbel::testing {

/// For TYPED_TEST_SUITE: the scalars of the indexes and of the programs.
using Scalars = ::testing::Types<float, double>;

/// For TYPED_TEST_SUITE: the scalars in which a cache keeps keys and values.
using CacheScalars = ::testing::Types<float, Eigen::half, Eigen::bfloat16>;

}  // namespace lazygumbel::testing
