#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/index/gap.hpp"

namespace lazygumbel {

/// What `calibrate_gap` measured on its queries.
struct GapCalibration {
  Gap gap;                   ///< calibrated(alpha); for searches of this k
  std::size_t k = 0;         ///< items retrieved in each search
  std::size_t queries = 0;   ///< m, the number of calibration queries
  double alpha = 0.0;        ///< a new query breaks U + gap with at most this probability
  double broken = 0.0;       ///< share of the queries that broke U itself
  double largest_gap = 0.0;  ///< the gap that all m queries ask for
};

namespace detail {

/// The number of calibration queries that may lie above the gap: floor((m + 1) alpha), where a
/// product within 1e-12 of an integer counts as that integer.
inline std::size_t queries_above_gap(std::size_t m, double alpha) noexcept {
  return static_cast<std::size_t>(
      std::floor((static_cast<double>(m) + 1.0) * alpha * (1.0 + 1e-12)));
}

/// g = max(0, max over items outside the head of y_i - U), rounded so that U + g, as computed, is
/// not below any of them; +inf when U = -inf and an item is above it. Throws index_error on a
/// certified bound seen broken. `sorted`: the head's ids in increasing order. O(n d).
template <MipsIndex Index>
double smallest_valid_gap(const Index& index, const VectorView<typename Index::scalar_type>& query,
                          const Retrieval& found, std::span<const item_id> sorted) {
  double largest = found.residual_bound;
  item_id breaker = 0;
  for_each_score(index, query, [&](item_id first, std::span<const double> scores) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const item_id id = first + static_cast<item_id>(i);
      if (scores[i] <= largest || std::binary_search(sorted.begin(), sorted.end(), id)) continue;
      if (!(scores[i] < std::numeric_limits<double>::infinity()))  // NaN too
        throw_index_error("score(query, " + text_of(id) + ") is " + text_of(scores[i]));
      largest = scores[i];
      breaker = id;
    }
  });
  if (!(largest > found.residual_bound)) return 0.0;
  if (found.guarantee == Guarantee::certified())
    throw_index_error("item " + text_of(breaker) + " has score " + text_of(largest) +
                      ", above the certified bound " + text_of(found.residual_bound));
  const double gap = largest - found.residual_bound;
  return found.residual_bound + gap < largest
             ? std::nextafter(gap, std::numeric_limits<double>::infinity())
             : gap;
}

}  // namespace detail

/// The smallest gap c that a new query of the same source keeps with probability at least
/// 1 - alpha, by split conformal prediction. For each of the m rows of `queries` (m x d,
/// temperature included) an exhaustive scan gives g_j = max(0, max over items outside the head of
/// y_i - U), what a search for k items falls short by; c is the ceil((m + 1)(1 - alpha))-th
/// smallest g_j. When the m queries and the new one are exchangeable, as independent draws from one
/// source are, every rank of the new g among the m + 1 is equally likely, so P(g > c) <= alpha.
/// With ties impossible, P(g > c) > alpha - 1 / (m + 1) too.
///
/// The probability is over the calibration queries and the new one together. It says nothing of
/// queries of another source or temperature, of another k or beam width, nor of an index that was
/// built or tuned on these very queries: take fresh ones. The gap of an index that certifies its
/// bounds is 0, and still only calibrated: its retrievals are certified by themselves
/// (guarantee_of_sum).
///
/// The same answer for any number of `threads` (0: all). Throws std::invalid_argument when m <
/// ceil(1 / alpha) - 1, alpha is outside (0, 1), k is outside 1 .. n, or a query has NaN or
/// infinity; index_error on an index that breaks its contract, or that no finite gap can help (more
/// than alpha of its heads end in masked items while others are left out). m searches and O(m n d).
/// Source: Papadopoulos et al., "Inductive Confidence Machines for Regression", ECML 2002; Lei et
/// al., "Distribution-Free Predictive Inference for Regression", JASA 2018, Theorem 2.2.
template <MipsIndex Index>
GapCalibration calibrate_gap(const Index& index,
                             const MatrixView<typename Index::scalar_type>& queries, double alpha,
                             std::size_t k, std::size_t threads = 1) {
  const Guarantee guarantee = Guarantee::calibrated(alpha);
  detail::require_rows<typename Index::scalar_type>("queries", queries);
  if (k > index.size())
    detail::throw_invalid("k", k, "exceeds n = " + detail::text_of(index.size()));
  const auto m = static_cast<std::size_t>(queries.rows());
  const std::size_t above = detail::queries_above_gap(m, alpha);
  if (above == 0)
    detail::throw_invalid(
        "queries.rows()", m,
        "alpha = " + detail::text_of(alpha) + " needs at least " +
            detail::text_of(static_cast<std::size_t>(std::ceil((1.0 - 1e-12) / alpha)) - 1));

  std::vector<double> gaps(m);
  parallel_for(m, threads, [&](std::size_t j) {
    const auto query = queries.row(static_cast<Eigen::Index>(j)).transpose();
    Retrieval found;
    std::vector<item_id> sorted;
    search_checked(index, query, k, found, sorted);
    gaps[j] = detail::smallest_valid_gap(index, query, found, sorted);
  });
  std::sort(gaps.begin(), gaps.end(), std::greater<>());

  // The ceil((m + 1)(1 - alpha)) = m + 1 - above smallest is the above-th largest.
  const double value = gaps[above - 1];
  if (value == std::numeric_limits<double>::infinity())
    detail::throw_index_error("no finite gap covers " + detail::text_of(above) + " of " +
                              detail::text_of(m) +
                              " queries: their heads end in masked items, others are left out");
  const auto broken = std::lower_bound(gaps.begin(), gaps.end(), 0.0, std::greater<>());
  return {.gap = Gap(value, guarantee),
          .k = k,
          .queries = m,
          .alpha = alpha,
          .broken = static_cast<double>(broken - gaps.begin()) / static_cast<double>(m),
          .largest_gap = gaps.front()};
}

}  // namespace lazygumbel
