#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/core/types.hpp>
#include <lazygumbel/random/gumbel.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <limits>
#include <span>
#include <utility>
#include <vector>

/// \file
/// Wrong samplers, each with one mistake that an implementation of the race could make. With no
/// mistake they are right, and the same law test must accept them.

namespace lazygumbel::testing {

enum class Mistake {
  none,
  rate_of_tail_minus_one,  ///< proposals at rate (N - 1) exp(U)
  rate_of_tail_plus_one,   ///< proposals at rate (N + 1) exp(U)
  head_proposed_too,       ///< tail proposals name any of the n items, at rate n exp(U)
  modulo_bias,             ///< the tail item is a byte modulo N
  drops_violations,        ///< an item above the bound is never accepted
  damps_violations,        ///< an item above the bound is accepted with probability exp(U - y)
  keeps_old_arrival,       ///< the head's arrival is drawn once and used for all draws
};

/// One draw after another by the race over raw scores, a head and a bound on the rest, with a
/// mistake.
class BrokenRace {
 public:
  BrokenRace(std::vector<double> scores, std::vector<item_id> head, double bound, Mistake mistake)
      : scores_(std::move(scores)), head_(std::move(head)), bound_(bound), mistake_(mistake) {
    std::vector<bool> in_head(scores_.size(), false);
    for (const item_id id : head_) in_head[id] = true;
    for (item_id id = 0; id < scores_.size(); ++id)
      if (!in_head[id] || mistake == Mistake::head_proposed_too) tail_.push_back(id);
  }

  template <BitGenerator Engine>
  item_id operator()(Engine& engine) {
    // Times relative to exp(-U): item i arrives Exp(rate exp(y_i - U)).
    double best_time = std::numeric_limits<double>::infinity();
    item_id best = 0;
    for (const item_id id : head_) {
      const double time = standard_exponential(engine) / std::exp(scores_[id] - bound_);
      if (time < best_time) best_time = time, best = id;
    }
    if (mistake_ == Mistake::keeps_old_arrival) {
      if (old_time_ < 0.0) old_time_ = best_time;
      best_time = old_time_;
    }
    double rate = static_cast<double>(tail_.size());
    if (mistake_ == Mistake::rate_of_tail_minus_one) rate -= 1.0;
    if (mistake_ == Mistake::rate_of_tail_plus_one) rate += 1.0;
    double time = 0.0;
    while ((time += standard_exponential(engine) / rate) < best_time) {
      const item_id id = tail_[pick(engine)];
      if (open_uniform(engine) < acceptance(scores_[id] - bound_)) return id;
    }
    return best;
  }

 private:
  template <BitGenerator Engine>
  std::size_t pick(Engine& engine) const {
    if (mistake_ == Mistake::modulo_bias) return (uniform_bits(engine) & 255U) % tail_.size();
    return uniform_index(static_cast<std::uint32_t>(tail_.size()), engine);
  }

  double acceptance(double excess) const {
    if (excess <= 0.0) return std::exp(excess);
    if (mistake_ == Mistake::drops_violations) return 0.0;
    if (mistake_ == Mistake::damps_violations) return std::exp(-excess);
    return 1.0;
  }

  std::vector<double> scores_;
  std::vector<item_id> head_, tail_;
  double bound_;
  Mistake mistake_;
  double old_time_ = -1.0;
};

/// An engine whose uniforms are u^power instead of u.
template <BitGenerator Engine>
class TiltedEngine {
 public:
  using result_type = std::uint64_t;
  TiltedEngine(Engine engine, double power) : engine_(std::move(engine)), power_(power) {}
  static constexpr result_type(min)() { return 0; }
  static constexpr result_type(max)() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() {
    const double u = std::pow(open_uniform(engine_), power_);
    return static_cast<result_type>(std::min(std::ldexp(u, 64), 0x1.fffffffffffffp63));
  }

 private:
  Engine engine_;
  double power_;
};

/// Wrong rankings of K items without replacement.
enum class RankingMistake {
  none,
  later_ranks_without_noise,  ///< only the first place gets Gumbels, the others go by score
  noise_of_rank_reused,       ///< one Gumbel is shared by all items of the tail
  forgets_tail,               ///< only the k best scores take part
};

/// The K best of y_i + G_i, with a mistake.
template <BitGenerator Engine>
std::vector<item_id> broken_top_k(std::span<const double> scores, std::size_t K, std::size_t head,
                                  RankingMistake mistake, Engine& engine) {
  std::vector<std::pair<double, item_id>> all;
  for (item_id id = 0; id < scores.size(); ++id) all.emplace_back(scores[id], id);
  std::sort(all.begin(), all.end(), std::greater<>());
  if (mistake == RankingMistake::forgets_tail) all.resize(head);
  auto noisy = all;
  double shared = gumbel(engine);
  for (std::size_t i = 0; i < noisy.size(); ++i) {
    const bool reuse = mistake == RankingMistake::noise_of_rank_reused && i >= head;
    noisy[i].first += reuse ? shared : gumbel(engine);
  }
  std::sort(noisy.begin(), noisy.end(), std::greater<>());
  std::vector<item_id> ids;
  if (mistake == RankingMistake::later_ranks_without_noise) {
    ids.push_back(noisy.front().second);
    for (const auto& [score, id] : all)
      if (id != ids.front() && ids.size() < K) ids.push_back(id);
  } else {
    for (std::size_t r = 0; r < K; ++r) ids.push_back(noisy[r].second);
  }
  return ids;
}

}  // namespace lazygumbel::testing
