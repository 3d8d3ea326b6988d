#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "lazygumbel/privacy/workload.hpp"

namespace lazygumbel {

/// A Workload whose queries come in groups, each of them a partition of the cells: the queries of a
/// group are 0/1 and every cell lies in exactly one. What a whole group is measured with costs no
/// more than what one of its queries is. Required beside Workload, all const and thread-safe:
/// - `groups()`, `group_size(g)`: how many, and the number of queries of each;
/// - `group_answers(g, weights, out)`: out[c] = <q_c, weights> for the queries of a group;
/// - `add_to_cells(g, values, out)`: out[x] += values[c] for the query c of group g that cell x
///   lies in: the transpose.
template <class W>
concept GroupedWorkload = Workload<W> &&
    requires(const W& workload, std::size_t g, std::span<const double> in, std::span<double> out) {
  { workload.groups() } -> std::convertible_to<std::size_t>;
  { workload.group_size(g) } -> std::convertible_to<std::size_t>;
  workload.group_answers(g, in, out);
  workload.add_to_cells(g, in, out);
};

}  // namespace lazygumbel
