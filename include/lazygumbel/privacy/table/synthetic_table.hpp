#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/table/domain.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

/// PUBLIC: what a mechanism released, as weights w_x >= 0 over the cells of a domain, in records.
/// Everything computed from it is post-processing and costs no budget, so any engine will do here;
/// records drawn from it are made up and belong to nobody.
///
/// Immutable; const members are thread-safe (an engine for each thread). 16 bytes a cell.
class SyntheticTable {
 public:
  /// Throws std::invalid_argument unless there is one weight a cell, each finite and >= 0, with a
  /// finite sum. All zero is legal: a table without records.
  template <std::same_as<double> Real = double>
  SyntheticTable(Domain domain, std::vector<double> weights)
      : domain_(std::move(domain)), weights_(std::move(weights)) {
    if (weights_.size() != domain_.size())
      detail::throw_invalid("weights.size()", weights_.size(),
                            "must equal the domain's size " + detail::text_of(domain_.size()));
    cumulative_.reserve(weights_.size());
    double sum = 0.0, lost = 0.0;  // Neumaier's compensated sum: the error does not grow with x
    double before = 0.0;
    for (std::size_t x = 0; x < weights_.size(); ++x) {
      const double w = weights_[x];
      if (!(w >= 0.0 && w <= (std::numeric_limits<double>::max)()))
        detail::throw_invalid("weights[" + detail::text_of(x) + "]", w,
                              "must be finite and not negative");
      const double next = sum + w;
      lost += sum >= w ? (sum - next) + w : (w - next) + sum;
      sum = next;
      // A cell without weight repeats the sum before it exactly: no draw can meet it.
      if (w > 0.0) before = (std::max)(before, sum + lost);
      cumulative_.push_back(before);
    }
    if (!(sum <= (std::numeric_limits<double>::max)()))
      detail::throw_invalid("the sum of weights", sum, "must be finite");
  }

  const Domain& domain() const noexcept { return domain_; }
  std::span<const double> weights() const noexcept { return weights_; }

  /// sum_x w_x, the number of records that the table stands for.
  double total() const noexcept { return cumulative_.back(); }

  /// w_x / total(). Throws std::invalid_argument when total() is 0.
  std::vector<double> probabilities() const {
    require_weight();
    std::vector<double> p(weights_);
    for (double& value : p) value /= total();
    return p;
  }

  /// The table of some of the attributes, in the order given: weights summed over the others.
  /// Throws as Domain::project does. O(cells) time and memory.
  template <std::same_as<double> Real = double>
  SyntheticTable marginal(std::span<const std::size_t> attributes) const {
    Domain projection = domain_.project(attributes);
    const std::vector<std::uint32_t> cells = domain_.projected_cells(attributes);
    std::vector<double> sums(projection.size(), 0.0);
    for (std::size_t x = 0; x < weights_.size(); ++x) sums[cells[x]] += weights_[x];
    return SyntheticTable(std::move(projection), std::move(sums));
  }

  /// `count` independent records from the law w / total(), row-major codes, by inverting the
  /// cumulative sum. Throws std::invalid_argument when total() is 0 but count is not, and when so
  /// many codes do not fit a vector. O(count (log cells + attributes)).
  template <BitGenerator Engine>
  std::vector<std::uint32_t> sample_records(std::size_t count, Engine& engine) const {
    std::vector<std::uint32_t> records = room_for(count);
    for (std::size_t row = 0; row < count; ++row)
      write_record(cell_at(open_uniform(engine) * total()), row, records);
    return records;
  }

  /// Exactly `count` records, in the order of their cells, with as few accidents as may be:
  /// systematic sampling. One uniform u sets a comb of teeth one apart on the line on which cell x
  /// has length count p_x; every tooth is a record. A cell gets floor(count p_x) or
  /// ceil(count p_x) of them, so its number is less than 1 away from count p_x (up to the rounding
  /// of doubles), and exactly count p_x on average. Numbers of different cells are dependent: to
  /// imitate a random sample use sample_records.
  /// Throws as sample_records does, and unless count < 2^52. O(cells + count attributes).
  /// Source: W. G. Madow and L. H. Madow, "On the Theory of Systematic Sampling, I", Annals of
  /// Mathematical Statistics 15 (1944).
  template <BitGenerator Engine>
  std::vector<std::uint32_t> systematic_records(std::size_t count, Engine& engine) const {
    if (count >= std::size_t{1} << 52) detail::throw_invalid("count", count, "must be below 2^52");
    std::vector<std::uint32_t> records = room_for(count);
    if (count == 0) return records;
    const double n = static_cast<double>(count);
    const double shift = open_uniform(engine);
    std::size_t row = 0;
    for (std::size_t x = 0; x < weights_.size() && row < count; ++x) {
      // Teeth up to the end of cell x. The last cell with weight ends at n, whatever the rounding.
      const double share = cumulative_[x] / total();
      const auto end =
          share < 1.0 ? static_cast<std::size_t>(std::floor(n * share + shift)) : count;
      for (; row < (std::min)(end, count); ++row) write_record(x, row, records);
    }
    return records;
  }

 private:
  void require_weight() const {
    if (!(total() > 0.0))
      detail::throw_invalid("total()", total(), "must be positive to have a law");
  }

  std::vector<std::uint32_t> room_for(std::size_t count) const {
    if (count > 0) require_weight();
    std::vector<std::uint32_t> records;
    const std::size_t width = domain_.attributes().size();
    if (count > records.max_size() / width)
      detail::throw_invalid("count", count, "times the number of attributes is too large");
    records.resize(count * width);
    return records;
  }

  std::size_t cell_at(double target) const {
    // The first sum above the target; where rounding puts the target at the end, the last cell with
    // weight, which is the first whose sum is the total.
    auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), target);
    if (found == cumulative_.end())
      found = std::lower_bound(cumulative_.begin(), cumulative_.end(), total());
    return static_cast<std::size_t>(found - cumulative_.begin());
  }

  void write_record(std::size_t cell, std::size_t row, std::vector<std::uint32_t>& records) const {
    const std::size_t width = domain_.attributes().size();
    domain_.codes_of(cell, std::span<std::uint32_t>(records).subspan(row * width, width));
  }

  Domain domain_;
  std::vector<double> weights_;
  std::vector<double> cumulative_;  // w_0 + ... + w_x, rising
};

}  // namespace lazygumbel
