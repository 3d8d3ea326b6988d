#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/index/detail/top_k.hpp"
#include "lazygumbel/random/gumbel.hpp"
#include "lazygumbel/sampling/draw.hpp"

/// \file
/// The reference: every score gets its Gumbel. Scores may be -inf (masked items, never drawn); NaN
/// and +inf are refused. Noise is added to distances from the largest score, so that it is not lost
/// in scores of any size. O(n), no allocation but the answer. Source: the Gumbel-max trick [Gumbel
/// 1954; Maddison, Tarlow, Minka, "A* Sampling", NIPS 2014], and for K items Vieira (2014).

namespace lazygumbel {

namespace detail {

/// The largest score; -infinity when all are. Throws std::invalid_argument on NaN and +infinity.
template <class Scalar>
double largest_score(std::span<const Scalar> scores) {
  double high = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!(scores[i] < std::numeric_limits<Scalar>::infinity()))
      throw_invalid("scores[" + text_of(i) + "]", scores[i], "must be finite or -infinity");
    high = (std::max)(high, static_cast<double>(scores[i]));
  }
  return high;
}

/// Calls visit(i, scores[i] - origin + G_i) for all i in order, the G of a block drawn together.
template <class Scalar, BitGenerator Engine, class Visit>
void for_each_perturbed(std::span<const Scalar> scores, double origin, Engine& engine,
                        Visit&& visit) {
  constexpr std::size_t block = 256;
  Eigen::Array<Later<double, Scalar>, Eigen::Dynamic, 1, 0, block> noise;
  for (std::size_t first = 0; first < scores.size(); first += block) {
    noise.resize(static_cast<Eigen::Index>((std::min)(block, scores.size() - first)));
    for (double& u : noise) u = standard_exponential(engine);
    noise = -noise.log();
    for (Eigen::Index j = 0; j < noise.size(); ++j) {
      const std::size_t i = first + static_cast<std::size_t>(j);
      visit(static_cast<item_id>(i), (static_cast<double>(scores[i]) - origin) + noise[j]);
    }
  }
}

/// Throws std::invalid_argument for a count of scores that cannot be item ids.
inline void require_item_count(std::size_t count) {
  if (count == 0 || count > (std::numeric_limits<item_id>::max)())
    throw_invalid("scores.size()", count, "must lie in 1 .. 2^32 - 1");
}

}  // namespace detail

/// argmax_i (scores_i + G_i): an exact draw from p_i = exp(scores_i) / sum_j exp(scores_j).
/// Throws std::invalid_argument on no scores, NaN, +inf, or when every score is -inf.
template <class Scalar, BitGenerator Engine>
Draw gumbel_max(std::span<const Scalar> scores, Engine& engine) {
  detail::require_item_count(scores.size());
  const double high = detail::largest_score(scores);
  if (high == -std::numeric_limits<double>::infinity())
    detail::throw_invalid("scores", high, "every item is masked");
  Draw best;
  best.perturbed = -std::numeric_limits<double>::infinity();
  detail::for_each_perturbed(scores, high, engine, [&](item_id id, double value) {
    if (value > best.perturbed) best.id = id, best.perturbed = value;
  });
  best.perturbed += high;
  best.trace.head_size = scores.size();
  best.trace.guarantee = Guarantee::certified();
  return best;
}

/// An exact draw from the same law by inverting its cumulative sum: one uniform number instead of n
/// Gumbels, several times as fast, and the same work whatever the scores are. Probabilities below
/// 2^-53 of all are lost in the sum, or met with a few times 2^-53. `weights` receives the weights
/// exp(scores_i - max) and keeps its memory. Throws as gumbel_max does. There is no perturbed value
/// (it is NaN).
template <class Scalar, BitGenerator Engine>
Draw inverse_cdf_draw(std::span<const Scalar> scores, std::vector<double>& weights,
                      Engine& engine) {
  detail::require_item_count(scores.size());
  constexpr std::size_t block = 1024;
  const Eigen::Map<const Eigen::Array<Scalar, Eigen::Dynamic, 1>> all(
      scores.data(), static_cast<Eigen::Index>(scores.size()));
  const auto high = static_cast<double>(all.template maxCoeff<Eigen::PropagateNaN>());
  if (!(high < std::numeric_limits<double>::infinity()))
    detail::throw_invalid("scores", high, "must be finite or -infinity");
  if (high == -std::numeric_limits<double>::infinity())
    detail::throw_invalid("scores", high, "every item is masked");
  weights.resize(scores.size());
  std::vector<double> sums;
  double total = 0.0;
  for (std::size_t first = 0; first < scores.size(); first += block) {
    const auto begin = static_cast<Eigen::Index>(first);
    const Eigen::Index count = (std::min)(static_cast<Eigen::Index>(block), all.size() - begin);
    Eigen::Map<Eigen::ArrayX<detail::Later<double, Scalar>>> part(weights.data() + first, count);
    part = (all.segment(begin, count).template cast<double>() - high).exp();
    sums.push_back(total += part.sum());
  }
  const double target = open_uniform(engine) * total;
  // The first sum above the target, or where rounding puts the target at the end, the first that is
  // the total: either way a block with weight.
  auto found = std::upper_bound(sums.begin(), sums.end(), target);
  if (found == sums.end()) found = std::lower_bound(sums.begin(), sums.end(), total);
  const auto chosen = static_cast<std::size_t>(found - sums.begin());
  double sum = chosen == 0 ? 0.0 : sums[chosen - 1];
  Draw draw;
  draw.perturbed = std::numeric_limits<double>::quiet_NaN();
  const std::size_t end = (std::min)((chosen + 1) * block, scores.size());
  for (std::size_t i = chosen * block; i < end; ++i) {
    if (weights[i] > 0.0) draw.id = static_cast<item_id>(i);  // the last, if the target rounds up
    if ((sum += weights[i]) > target) break;
  }
  draw.trace.head_size = draw.trace.rows_scored = scores.size();
  draw.trace.guarantee = Guarantee::certified();
  return draw;
}

/// The K largest of scores_i + G_i, in order: an exact draw of K items without replacement, with
/// P(i_1, ..., i_K) = prod_r p_{i_r} / (1 - p_{i_1} - ... - p_{i_{r-1}}).
/// Throws as gumbel_max does, and when K is 0 or exceeds the number of items above -inf.
template <class Scalar, BitGenerator Engine>
RankedDraws gumbel_top_k(std::span<const Scalar> scores, std::size_t K, Engine& engine) {
  detail::require_item_count(scores.size());
  if (K == 0 || K > scores.size())
    detail::throw_invalid("K", K, "must lie in 1 .. n = " + detail::text_of(scores.size()));
  const double high = detail::largest_score(scores);
  if (high == -std::numeric_limits<double>::infinity())
    detail::throw_invalid("scores", high, "every item is masked");
  TopK<double> best(K);
  detail::for_each_perturbed(scores, high, engine, [&](item_id id, double value) {
    if (value >= best.threshold() && value > -std::numeric_limits<double>::infinity())
      best.push(value, id);
  });
  RankedDraws answer;
  for (const auto& [value, id] : best.finish()) {
    answer.ids.push_back(id);
    answer.perturbed.push_back(value + high);
  }
  if (answer.ids.size() < K)
    detail::throw_invalid("K", K,
                          "only " + detail::text_of(answer.ids.size()) + " items are unmasked");
  answer.trace.head_size = scores.size();
  answer.trace.guarantee = Guarantee::certified();
  return answer;
}

}  // namespace lazygumbel
