#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/ivf/detail/inverted_lists.hpp"

namespace lazygumbel::detail {

/// The numbers of the `count` largest keys (all, when there are not as many), in increasing order;
/// of equal keys the first. Bisects on the value, which costs a few vectorised passes.
template <std::same_as<double> Real>
std::vector<std::uint32_t> largest_keys(const Eigen::ArrayX<Real>& keys, std::size_t count) {
  const auto size = static_cast<std::size_t>(keys.size());
  std::vector<std::uint32_t> chosen;
  if (count >= size) {
    chosen.resize(size);
    std::iota(chosen.begin(), chosen.end(), 0u);
    return chosen;
  }
  const auto wanted = static_cast<Eigen::Index>(count);
  double low = keys.minCoeff(), high = keys.maxCoeff();  // at least `wanted` keys are >= low
  for (;;) {
    const double middle = low + 0.5 * (high - low);
    if (!(low < middle && middle < high)) break;
    const Eigen::Index above = (keys >= middle).count();
    (above >= wanted ? low : high) = middle;
    if (above == wanted) break;
  }
  Eigen::Index equal = wanted - (keys > low).count();
  if (equal < 0) {  // no number lies between low and high
    low = high;
    equal = wanted - (keys > low).count();
  }
  chosen.reserve(count);
  for (std::uint32_t g = 0; g < size; ++g)
    if (keys[g] > low || (keys[g] == low && equal-- > 0)) chosen.push_back(g);
  return chosen;
}

/// Keeps of a stream of (approximate score, id) all that may be among the k best by true score,
/// which is within `slack` of the approximate one.
template <class Scalar>
class Candidates {
 public:
  using Hit = std::pair<Scalar, item_id>;

  Candidates(std::size_t k, double slack) : k_(k), limit_(2 * k), margin_(2.0 * slack) {
    kept_.reserve(limit_);
  }

  std::size_t k() const noexcept { return k_; }
  /// Only scores >= threshold() matter: test it before `push` in a hot loop.
  Scalar threshold() const noexcept { return threshold_; }

  void push(Scalar score, item_id id) {
    kept_.emplace_back(score, id);
    if (kept_.size() >= limit_) limit_ = (std::max)(2 * k_, 2 * shrink().size());
  }

  /// Drops what cannot be among the k best and returns the rest.
  const std::vector<Hit>& shrink() {
    if (kept_.size() <= k_) return kept_;
    const auto kth = kept_.begin() + static_cast<std::ptrdiff_t>(k_) - 1;
    std::nth_element(kept_.begin(), kth, kept_.end(),
                     [](const Hit& a, const Hit& b) { return a.first > b.first; });
    const double least = static_cast<double>(kth->first) - margin_;
    threshold_ = static_cast<Scalar>(least);
    if (static_cast<double>(threshold_) > least)
      threshold_ = std::nextafter(threshold_, -std::numeric_limits<Scalar>::infinity());
    kept_.erase(
        std::remove_if(kth, kept_.end(), [&](const Hit& hit) { return hit.first < threshold_; }),
        kept_.end());
    return kept_;
  }

 private:
  std::size_t k_, limit_;
  double margin_;
  Scalar threshold_ = -std::numeric_limits<Scalar>::infinity();
  std::vector<Hit> kept_;
};

/// The lists that a search scans: the most promising first, the others in any order.
struct ListPlan {
  std::vector<std::uint32_t> scanned;
  double left_out_bound = 0.0;  ///< on all scores in the other lists; -inf when there are none
};

/// Takes `probes` lists, more when they hold fewer than k rows, by <q, c_g> + 1.5 |q| s_g: about
/// where the upper rows of list g score, s_g its deviation in one direction.
template <class Scalar>
ListPlan plan_search(const InvertedLists<Scalar>& lists,
                     const typename InvertedLists<Scalar>::QueryScale& scale,
                     const VectorView<Scalar>& centroid_scores, std::size_t probes, std::size_t k) {
  using Real = Later<double, Scalar>;
  const Eigen::ArrayX<Real> keys =
      centroid_scores.template cast<Real>().array() + (1.5 * scale.norm) * lists.deviations();
  ListPlan plan;
  for (;; probes = 2 * probes) {
    plan.scanned = largest_keys(keys, probes);
    std::size_t rows = 0;
    for (const std::uint32_t g : plan.scanned) rows += lists.directory().items(g).size();
    if (rows >= (std::min)(k, lists.size())) break;
  }
  const auto best =
      std::max_element(plan.scanned.begin(), plan.scanned.end(),
                       [&](std::uint32_t a, std::uint32_t b) { return keys[a] < keys[b]; });
  std::swap(plan.scanned.front(), *best);

  Eigen::ArrayX<Real> bounds = lists.bounds(scale, centroid_scores);
  for (const std::uint32_t g : plan.scanned) bounds[g] = -std::numeric_limits<double>::infinity();
  plan.left_out_bound = bounds.maxCoeff();
  return plan;
}

/// Calls visit(score, id) for each row of the list, in order.
template <class Scalar, class Visit>
void for_each_row(const InvertedLists<Scalar>& lists, std::size_t list,
                  const VectorView<Scalar>& query, Visit&& visit) {
  const auto rows = lists.rows(list);
  const auto items = lists.directory().items(list);
  for (std::size_t i = 0; i < items.size(); ++i)
    visit(rows.row(static_cast<Eigen::Index>(i)).dot(query), items[i]);
}

/// for_each_row in one list after the other.
template <class Scalar, class Visit>
void for_each_row(const InvertedLists<Scalar>& lists, std::span<const std::uint32_t> scanned,
                  const VectorView<Scalar>& query, Visit&& visit) {
  for (std::size_t i = 0; i < scanned.size(); ++i) {
    if (i + 1 < scanned.size()) lists.prefetch(lists.directory().items(scanned[i + 1]).front());
    for_each_row(lists, scanned[i], query, visit);
  }
}

/// Pushes every row of the lists.
template <class Scalar>
void scan_lists(const InvertedLists<Scalar>& lists, std::span<const std::uint32_t> scanned,
                const VectorView<Scalar>& query, Candidates<Scalar>& best) {
  for_each_row(lists, scanned, query, [&](Scalar score, item_id id) {
    if (score >= best.threshold()) best.push(score, id);
  });
}

/// Pushes (scores[i], items[i]); looks at blocks in full only when their best may enter.
template <class Scalar>
void push_block(const VectorView<Scalar>& scores, std::span<const item_id> items,
                Candidates<Scalar>& best) {
  constexpr Eigen::Index block = 32;
  for (Eigen::Index first = 0; first < scores.size(); first += block) {
    const Eigen::Index count = (std::min)(block, scores.size() - first);
    if (scores.segment(first, count).maxCoeff() < best.threshold()) continue;
    for (Eigen::Index i = first; i < first + count; ++i)
      if (scores[i] >= best.threshold()) best.push(scores[i], items[static_cast<std::size_t>(i)]);
  }
}

}  // namespace lazygumbel::detail
