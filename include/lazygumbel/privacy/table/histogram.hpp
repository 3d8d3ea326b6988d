#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/table/domain.hpp"

namespace lazygumbel {

/// PRIVATE: how many records of a table lie in each cell of a domain, h_x >= 0, sum n = total().
///
/// The domain is public; the counts are what is to be protected, and the total too where the
/// neighbours are add_remove. Whatever leaves the program must have gone through a mechanism that a
/// budget has paid for: counts() and total() are for mechanisms and for tests, not for printing,
/// logging, or for choosing a parameter. What is public after a release is a SyntheticTable.
///
/// Immutable; safe to read from many threads. domain().size() * 8 bytes.
class Histogram {
 public:
  /// Counts of cells in the order of `domain`. All zero is legal: a table without records.
  /// Throws std::invalid_argument unless there is one count a cell, each >= 0, the total < 2^52
  /// (which doubles hold exactly). The messages name a cell and its count: they are private too.
  template <std::same_as<double> Real = double>
  Histogram(Domain domain, std::vector<std::int64_t> counts)
      : domain_(std::move(domain)), counts_(std::move(counts)) {
    if (counts_.size() != domain_.size())
      detail::throw_invalid("counts.size()", counts_.size(),
                            "must equal the domain's size " + detail::text_of(domain_.size()));
    for (std::size_t x = 0; x < counts_.size(); ++x) {
      if (counts_[x] < 0)
        detail::throw_invalid("counts[" + detail::text_of(x) + "]", counts_[x],
                              "must not be negative");
      if (counts_[x] >= limit - total_)
        detail::throw_invalid("counts[" + detail::text_of(x) + "]", counts_[x],
                              "brings the total to 2^52 or more");
      total_ += counts_[x];
    }
  }

  /// The histogram of `records`: row-major codes, record r at records[r k .. r k + k) for k
  /// attributes. None is legal. O(size() + records).
  /// Throws std::invalid_argument when the size is no multiple of k, and on a code out of range,
  /// naming its row and attribute.
  template <std::same_as<double> Real = double>
  static Histogram of_records(Domain domain, std::span<const std::uint32_t> records) {
    const auto& attributes = domain.attributes();
    const std::size_t width = attributes.size();
    if (records.size() % width != 0)
      detail::throw_invalid(
          "records.size()", records.size(),
          "must be a multiple of the number of attributes " + detail::text_of(width));
    std::vector<std::int64_t> counts(domain.size(), 0);
    for (std::size_t row = 0; row * width < records.size(); ++row) {
      std::size_t cell = 0;
      for (std::size_t a = 0; a < width; ++a) {
        const std::uint32_t code = records[row * width + a];
        if (code >= attributes[a].size())
          detail::throw_invalid(
              "records(" + detail::text_of(row) + ", \"" + attributes[a].name() + "\")", code,
              "must be below " + detail::text_of(attributes[a].size()));
        cell += code * domain.strides()[a];
      }
      ++counts[cell];
    }
    return Histogram(std::move(domain), std::move(counts));
  }

  const Domain& domain() const noexcept { return domain_; }

  /// PRIVATE. One count a cell.
  std::span<const std::int64_t> counts() const noexcept { return counts_; }

  /// The number of records n. Public under replace_one, PRIVATE under add_remove.
  std::int64_t total() const noexcept { return total_; }

 private:
  static constexpr std::int64_t limit = std::int64_t{1} << 52;

  Domain domain_;
  std::vector<std::int64_t> counts_;
  std::int64_t total_ = 0;
};

}  // namespace lazygumbel
