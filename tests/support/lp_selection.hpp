#pragma once

#include <cstddef>
#include <cstdint>
#include <lazygumbel/index/mips_index.hpp>
#include <lazygumbel/privacy/lp/detail/stale_vertex_index.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <vector>

#include "laws.hpp"
#include "lp_pairs.hpp"

namespace lazygumbel::testing {

/// A StaleVertexIndex whose scores are old: all of weights y0, then some of them of y1, and the
/// weights are y2. Draws are made from copies, each as stale as the first.
class StaleCase {
 public:
  StaleCase(std::size_t d, double rate, std::uint64_t seed)
      : lp_(make(d, seed)), scores_(scores_of(lp_)) {
    lazygumbel::detail::ConstraintDual dual(lp_.rows.size(), 5.0, rate);
    for (std::size_t t = 0; t < 3; ++t) {
      if (t > 0) distances_.push_back(dual.add(scores_.row(t * 7)));
      weights_.emplace_back(dual.weights().begin(), dual.weights().end());
    }
  }

  static constexpr double scale = 12.0;

  std::vector<double> law() const {
    std::vector<double> scores(scores_.size());
    scores_.scores(weights_.back(), scores);
    for (double& score : scores) score *= scale;
    return softmax(scores);
  }

  /// Without `accumulated`, the index is told that weights did not move.
  Counter counts(std::size_t draws, std::uint64_t seed, bool accumulated) const {
    using lazygumbel::detail::StaleVertexIndex;
    StaleVertexIndex stale(scores_, 1e9);
    const Vector<double> theta = Vector<double>::Constant(1, scale);
    stale.moved(weights_[0], 0.0);
    for (item_id id = 0; id < scores_.size(); ++id) stale.score(theta, id);
    stale.moved(weights_[1], accumulated ? distances_[0] : 0.0);
    for (item_id id = 0; id < scores_.size(); id += 9) stale.score(theta, id);
    stale.moved(weights_[2], accumulated ? distances_[1] : 0.0);
    NotPrivateEngine engine(seed);
    return count_draws(scores_.size(), draws, [&] {
      const StaleVertexIndex index = stale;
      return LazySampler(index, {.k = 3}).sample(theta, engine).id;
    });
  }

 private:
  static TestLp make(std::size_t d, std::uint64_t seed) {
    PhiloxEngine engine(seed);
    return feasible_lp(25, d, engine);
  }

  TestLp lp_;
  lazygumbel::detail::VertexScores scores_;
  std::vector<std::vector<double>> weights_;
  std::vector<double> distances_;
};

}  // namespace lazygumbel::testing
