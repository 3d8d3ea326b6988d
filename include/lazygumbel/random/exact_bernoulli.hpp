#pragma once

#include <cstdint>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/random/ratio.hpp"
#include "lazygumbel/random/uniform.hpp"

/// \file
/// Bernoulli draws whose probability is exact: integers and random bits only, no logarithm, no
/// exponential, no rounding. Floating-point samplers miss some values and favour others, and those
/// gaps tell private data [Mironov, "On significance of the least significant bits for differential
/// privacy", CCS 2012]. The number of words drawn is random and depends on the outcome.

namespace lazygumbel {

/// True with probability p exactly. Throws std::invalid_argument when p > 1.
template <BitGenerator Engine>
bool bernoulli(Ratio p, Engine& engine) {
  if (p.numerator() > p.denominator())
    detail::throw_invalid("p.numerator()", p.numerator(),
                          "must be at most the denominator " + detail::text_of(p.denominator()));
  return uniform_below(p.denominator(), engine) < p.numerator();
}

namespace detail {

/// True with probability exp(-x y), for x and y at most 1. With A_k ~ Bernoulli(x y / k) and K the
/// first k at which A_k fails, P(K > k) = (x y)^k / k!, so P(K odd) = 1 - x y + (x y)^2 / 2! - ...
/// A_k is drawn as three independent trials, so that no product has to fit 64 bits.
/// Source: [CKS20, Algorithm 1], after Forsythe 1972. Below 3 rounds on average.
template <BitGenerator Engine>
bool bernoulli_exp_product(Ratio x, Ratio y, Engine& engine) {
  std::uint64_t k = 1;
  while (bernoulli(x, engine) && (y.numerator() == y.denominator() || bernoulli(y, engine)) &&
         (k == 1 || bernoulli({1, k}, engine)))
    ++k;
  return k % 2 == 1;
}

}  // namespace detail

/// True with probability exp(-gamma) exactly, for any gamma >= 0: one trial of exp(-1) for each
/// unit of gamma, until one fails, and one of the fraction that is left. O(1) words on average.
/// Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy", NeurIPS 2020
/// [CKS20], Algorithm 1.
template <BitGenerator Engine>
bool bernoulli_exp(Ratio gamma, Engine& engine) {
  const std::uint64_t d = gamma.denominator();
  for (std::uint64_t unit = gamma.numerator() / d; unit > 0; --unit)
    if (!detail::bernoulli_exp_product(1, 1, engine)) return false;
  return detail::bernoulli_exp_product({gamma.numerator() % d, d}, 1, engine);
}

}  // namespace lazygumbel
