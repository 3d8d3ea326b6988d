#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/workload/workload.hpp"

namespace lazygumbel {

/// A workload whose queries come in groups, each a partition of the cells: the queries of group g
/// are group_offset(g) .. group_offset(g) + group_size(g) - 1, and every cell has the value 1 in
/// exactly one of them and 0 in the others. So one record changes one (add or remove) or two
/// (replace) of a group's answers by 1, and the whole group is measured for the price of one query.
/// Beside what Workload asks for, const and thread-safe:
/// - `groups()`, `group_offset(g)`, `group_size(g)`, `group_of(id)`: the group of a query;
/// - `group_answers(g, weights, out)`: the answers of group g (spans of cells() and group_size(g));
/// - `add_to_cells(g, values, out)`: out[x] += values[i] where cell x is in query i of the group
///   (spans of group_size(g) and cells()): the transpose of group_answers.
template <class W>
concept GroupedWorkload = Workload<W> &&
    requires(const W& workload, std::size_t group, item_id id, std::span<const double> values,
             std::span<double> out) {
  { workload.groups() } -> std::convertible_to<std::size_t>;
  { workload.group_offset(group) } -> std::convertible_to<std::size_t>;
  { workload.group_size(group) } -> std::convertible_to<std::size_t>;
  { workload.group_of(id) } -> std::convertible_to<std::size_t>;
  workload.group_answers(group, values, out);
  workload.add_to_cells(group, values, out);
};

}  // namespace lazygumbel
