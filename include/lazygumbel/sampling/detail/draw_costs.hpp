#pragma once

#include <cmath>
#include <cstddef>

#include "lazygumbel/index/tail.hpp"

namespace lazygumbel::detail {

/// When many draws for one theta are better taken from the scores of all n items than from a race
/// for each. In nanoseconds of the processors of bench/results/README.md (draw_many), of which only
/// ratios count; nothing is measured at run time, so that the same seed gives the same draws.
template <MipsIndex Index>
class DrawCosts {
 public:
  explicit DrawCosts(const Index& index)
      : n_(static_cast<double>(index.size())),
        row_bytes_(static_cast<double>(index.dimension() * sizeof(typename Index::scalar_type))) {}

  /// Whether `draws` draws cost less from all scores than by races, though each race should look at
  /// nothing.
  bool scan_at_once(std::size_t draws) const noexcept { return scan_pays(draws, 0.0, false); }

  /// Whether they do when races look at `rows` rows each, and scores have to be computed or are
  /// there.
  bool scan_pays(std::size_t draws, double rows, bool has_scores) const noexcept {
    const double a_row = sum + (has_scores ? 0.0 : byte * row_bytes_);
    const double saved = race + rows * (row + random_byte * row_bytes_) - step * std::log2(n_);
    return static_cast<double>(draws) * saved > n_ * a_row;
  }

 private:
  static constexpr double byte = 0.15;   // streamed
  static constexpr double sum = 8.0;     // exp and sum of one score
  static constexpr double step = 9.0;    // of a binary search in the sums
  static constexpr double race = 250.0;  // that looks at no row
  // Of a row looked at; a tail of the index's own reads codes for it, too.
  static constexpr double row = TailIndex<Index> ? 340.0 : 100.0;
  static constexpr double random_byte = TailIndex<Index> ? 0.66 : 0.2;

  double n_, row_bytes_;
};

}  // namespace lazygumbel::detail
