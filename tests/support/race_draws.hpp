#pragma once

#include <cstddef>
#include <lazygumbel/sampling/lazy_sampler.hpp>

namespace lazygumbel::testing {

/// `count` draws for one theta, each by a race of its own after one retrieval: what a law test of
/// the race needs, since LazySampler::sample(theta, count) takes many draws of few items from their
/// scores. `expected`: the draws that the retrieval is made for, if not as many. Copies of an
/// Envelope forget the scores that a race had to compute.
template <class Sampler, class Theta, BitGenerator Engine>
Draws draws_by_race(const Sampler& sampler, const Theta& theta, std::size_t count, Engine& engine,
                    std::size_t expected = 0) {
  const auto prepared = sampler.prepare(theta, expected == 0 ? count : expected);
  auto envelope = prepared;
  Draws draws;
  draws.trace = prepared.trace();
  for (std::size_t i = 0; i < count; ++i) {
    const Draw draw = envelope.sample(engine, draws.trace);
    draws.ids.push_back(draw.id);
    draws.perturbed.push_back(draw.perturbed);
    if (envelope.knows_all()) envelope = prepared;
  }
  return draws;
}

}  // namespace lazygumbel::testing
