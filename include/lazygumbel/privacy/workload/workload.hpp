#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/accounting/neighbours.hpp"

/// \file
/// What every workload of linear queries has in common. A query q gives a number to every cell of
/// the domain; its answer on weights w over the cells is <q, w> = sum_x q(x) w(x).

namespace lazygumbel {

/// Every value q(x) of every query lies in [lower, upper]: public, known without the data.
struct QueryRange {
  double lower = 0.0, upper = 1.0;
  friend constexpr bool operator==(const QueryRange&, const QueryRange&) = default;
};

/// m linear queries over |X| cells, fixed and public. Required, all const and thread-safe:
/// - `size()` = m, `cells()` = |X|, `range()`;
/// - `answers(weights, out)`: out[j] = <q_j, weights> for all m, as fast as the queries' structure
///   allows (spans of |X| and m doubles; throws std::invalid_argument on other lengths);
/// - `answer(weights, id)`: one of them. Precondition, not checked: id < m;
/// - `query(id, out)`: the query itself, its |X| values;
/// - `W::integral`: true when every value is an integer. Both kinds of answers are then exact for
///   integer weights with sum |w| < 2^30 (2^53 for `answer`): what makes scores of private counts
///   exact;
/// - optional `scan(weights, out)` and `scan_error(l1)`: `answers` less exact and faster, for
/// public
///   weights;
/// - optional `W::answer_cost`: what a scattered `answer` costs in units of its share of `answers`;
/// - optional `prefetch(id)`, for `answer`;
/// - `answers_error(l1)`: |answers(w)[j] - <q_j, w>| <= answers_error(sum |w|) in exact arithmetic,
///   whatever w (and the same for `answer`).
template <class W>
concept Workload = requires(const W& workload, std::span<const double> weights,
                            std::span<double> out, item_id id, double l1) {
  { workload.size() } -> std::convertible_to<std::size_t>;
  { workload.cells() } -> std::convertible_to<std::size_t>;
  { workload.range() } -> std::same_as<QueryRange>;
  workload.answers(weights, out);
  { workload.answer(weights, id) } -> std::same_as<double>;
  workload.query(id, out);
  { W::integral } -> std::convertible_to<bool>;
  { workload.answers_error(l1) } -> std::same_as<double>;
};

/// The largest change of <q, h> between neighbouring tables h, in counts: upper - lower when one
/// record is replaced (1 for 0/1 queries, 2 for parities), max(|lower|, |upper|) when one is added
/// or removed.
constexpr double sensitivity(const QueryRange& range, Neighbours neighbours) noexcept {
  if (neighbours == Neighbours::replace_one) return range.upper - range.lower;
  return (std::max)(range.upper < 0.0 ? -range.upper : range.upper,
                    range.lower < 0.0 ? -range.lower : range.lower);
}

/// All answers on public weights, as fast as the workload can: by `scan` where it has one.
template <Workload W>
void scan_answers(const W& workload, std::span<const double> weights, std::span<double> out) {
  if constexpr (requires { workload.scan(weights, out); })
    workload.scan(weights, out);
  else
    workload.answers(weights, out);
}

/// The error of scan_answers, as `answers_error` is that of `answers`.
template <Workload W>
double scan_error(const W& workload, double l1) {
  if constexpr (requires { workload.scan_error(l1); })
    return workload.scan_error(l1);
  else
    return workload.answers_error(l1);
}

namespace detail {

/// Throws std::invalid_argument unless `weights` and `out` have the lengths that `answers` needs.
inline void require_answer_spans(std::span<const double> weights, std::size_t cells,
                                 std::span<double> out, std::size_t queries) {
  if (weights.size() != cells)
    throw_invalid("weights.size()", weights.size(), "must equal cells() = " + text_of(cells));
  if (out.size() != queries)
    throw_invalid("out.size()", out.size(), "must equal size() = " + text_of(queries));
}

/// The error of an inner product of `terms` terms, summed in doubles in any order, when
/// sum |q| |w| <= magnitude: g magnitude, g = u terms / (1 - u terms) [Higham 2002, section 3.1],
/// enlarged by the rounding of this bound.
inline double summation_error(std::size_t terms, double magnitude) noexcept {
  const double roundings = (static_cast<double>(terms) + 2.0) * 0x1p-53;
  return roundings / (1.0 - roundings) * magnitude * (1.0 + 1e-12);
}

}  // namespace detail
}  // namespace lazygumbel
