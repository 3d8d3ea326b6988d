#pragma once

/// \file
/// Everything that needs no optional dependency: Eigen, hnswlib and Random123 only. One of the
/// three headers below compiles faster where it is enough. Headers of optional components are left
/// out, to be included by name: index/faiss_index.hpp (component faiss), random/sodium_engine.hpp
/// (component secure); so is random/not_private_engine.hpp, which only tests of private mechanisms
/// need.

#include "lazygumbel/attention.hpp"
#include "lazygumbel/fwd.hpp"
#include "lazygumbel/privacy.hpp"
#include "lazygumbel/sampling.hpp"
