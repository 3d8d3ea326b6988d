#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <lazygumbel/core/types.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <limits>
#include <span>
#include <vector>

namespace lazygumbel::testing {

/// `count` distinct numbers of 0 .. n-1, every subset equally likely. Source: Floyd's algorithm
/// [Bentley, "Programming Pearls: a sample of brilliance", CACM 1987].
template <BitGenerator Engine>
std::vector<item_id> distinct_subset(item_id n, item_id count, Engine& engine) {
  std::vector<item_id> chosen;
  for (item_id j = n - count; j < n; ++j) {
    const item_id t = uniform_index(j + 1, engine);
    const bool taken = std::find(chosen.begin(), chosen.end(), t) != chosen.end();
    chosen.push_back(taken ? j : t);
  }
  return chosen;
}

/// Winner and perturbed value.
struct ClassicalDraw {
  item_id id = 0;
  double perturbed = -std::numeric_limits<double>::infinity();
};

/// The classical form of lazy Gumbel sampling [Mussmann, Levy, Ermon 2017, Algorithm 1], for
/// comparison with the library's race: Gumbels for the head, M their perturbed maximum, B = M - U;
/// m ~ Binomial(N, P(G > B)) distinct uniform tail items, each with a Gumbel conditioned above B.
/// All from scratch: nothing here uses the library's Gumbel law or race.
template <BitGenerator Engine>
ClassicalDraw classical_draw(std::span<const double> scores, std::span<const item_id> head,
                             double bound, Engine& engine) {
  ClassicalDraw best;
  const auto offer = [&](item_id id, double value) {
    if (value > best.perturbed) best = {id, value};
  };
  std::vector<bool> in_head(scores.size(), false);
  for (const item_id id : head) {
    in_head[id] = true;
    offer(id, scores[id] - std::log(-std::log(open_uniform(engine))));
  }
  std::vector<item_id> tail;
  for (item_id id = 0; id < scores.size(); ++id)
    if (!in_head[id]) tail.push_back(id);
  const double below = std::exp(-std::exp(-(best.perturbed - bound)));  // P(G <= B)
  item_id count = 0;
  for (std::size_t i = 0; i < tail.size(); ++i) count += open_uniform(engine) >= below;
  for (const item_id rank : distinct_subset(static_cast<item_id>(tail.size()), count, engine)) {
    const double u = below + (1.0 - below) * open_uniform(engine);
    offer(tail[rank], scores[tail[rank]] - std::log(-std::log(u)));
  }
  return best;
}

}  // namespace lazygumbel::testing
