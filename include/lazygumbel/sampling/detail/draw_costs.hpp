#pragma once

#include <cmath>
#include <cstddef>

namespace lazygumbel::detail {

/// When many draws for one theta are better taken from the scores of all n items than from a race
/// for each. Rough times, of which only ratios count, in the time that a scan takes for one row of
/// 100 floats (bench/results/README.md, draw_many); nothing is measured at run time, so that the
/// same seed gives the same draws.
class DrawCosts {
 public:
  /// Rows of `row_bytes` bytes.
  DrawCosts(std::size_t n, std::size_t row_bytes) noexcept
      : n_(static_cast<double>(n)), row_(static_cast<double>(row_bytes) / 400.0) {}

  /// All scores, and the sums to draw from.
  double scan() const noexcept { return n_ * (row_ + sum_an_item); }
  double known_draw() const noexcept { return 1.0 + 0.15 * std::log2(n_); }
  /// A race in which `proposals` rows are looked at.
  double race(double proposals) const noexcept {
    return race_start + proposals * (proposal + random_row * row_);
  }

  /// Whether `count` draws cost less by a scan, though each race should look at one row.
  bool scan_at_once(std::size_t count) const noexcept { return scan_pays(count, 1.0); }

  /// The same for draws that look at `proposals` rows.
  bool scan_pays(std::size_t count, double proposals) const noexcept {
    return static_cast<double>(count) * (race(proposals) - known_draw()) > scan();
  }

 private:
  static constexpr double sum_an_item = 0.3, race_start = 3.0, proposal = 3.0, random_row = 3.0;

  double n_, row_;
};

}  // namespace lazygumbel::detail
