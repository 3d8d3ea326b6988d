#pragma once

#include <cstddef>
#include <cstdint>
#include <lazygumbel/index/gap_calibration.hpp>
#include <utility>

#include "indexes.hpp"
#include "statistics.hpp"

/// \file
/// How often a gap made from m calibration queries is too small for one more query. What the
/// coverage tests and their negative controls share.

namespace lazygumbel::testing {

struct Coverage {
  std::uint64_t misses = 0, repetitions = 0;

  double miss_rate() const {
    return static_cast<double>(misses) / static_cast<double>(repetitions);
  }
  /// P(at least so many misses) where each repetition misses with probability at most p.
  double p_value_at_most(double p) const { return binomial_at_least(misses, repetitions, p); }
  /// P(at most so many misses) where each repetition misses with probability at least p.
  double p_value_at_least(double p) const { return binomial_at_most(misses, repetitions, p); }
};

/// Repeats: m + 1 fresh queries draw(count, repetition), a RowMatrix; gap = calibrate(the first m);
/// a miss when the last one, transformed by `shift`, needs more. Repetitions are independent.
template <MipsIndex Index, class Draw, class Calibrate, class Shift>
Coverage gap_coverage(const Index& index, std::size_t m, std::size_t k, std::uint64_t repetitions,
                      Draw&& draw, Calibrate&& calibrate, Shift&& shift) {
  Coverage coverage{.repetitions = repetitions};
  Retrieval found;
  std::vector<item_id> sorted;
  for (std::uint64_t r = 0; r < repetitions; ++r) {
    const auto queries = draw(m + 1, r);
    const double gap = calibrate(queries.topRows(static_cast<Eigen::Index>(m)));
    const auto fresh = shift(queries.row(static_cast<Eigen::Index>(m)).transpose().eval());
    search_checked(index, fresh, k, found, sorted);
    coverage.misses += lazygumbel::detail::smallest_valid_gap(index, fresh, found, sorted) > gap;
  }
  return coverage;
}

/// No shift: the new query comes from the source of the others.
inline constexpr auto same_source = [](auto query) { return query; };

}  // namespace lazygumbel::testing
