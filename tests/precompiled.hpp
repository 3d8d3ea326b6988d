#pragma once

// What nearly every test includes.
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <lazygumbel/lazygumbel.hpp>
