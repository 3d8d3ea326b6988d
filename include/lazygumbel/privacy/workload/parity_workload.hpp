#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/cache_line.hpp"
#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/table/domain.hpp"
#include "lazygumbel/privacy/workload/detail/marginal_sums.hpp"
#include "lazygumbel/privacy/workload/workload.hpp"

namespace lazygumbel {

/// Parities of binary attributes: for each chosen set S of attributes of two values
///
///   q_S(x) = (-1)^(sum of x_a over a in S),
///
/// +1 or -1. The domain may have other attributes; parities do not depend on them. A Workload with
/// range [-1, 1] (so the sensitivity is 2 where a record is replaced, 1 where one is added or
/// removed), integral. Memory: 4 bytes a query. All functions are const and safe to call from many
/// threads.
class ParityWorkload {
 public:
  static constexpr bool integral = true;
  /// What a scattered `answer` costs, in units of its share of `answers`.
  static constexpr double answer_cost = 400.0;

  /// One parity a set, its attributes ascending. Throws std::invalid_argument without sets or with
  /// 2^32 and more, on an empty set, attributes that do not exist, do not ascend or are not binary.
  template <std::same_as<double> Real = double>
  ParityWorkload(Domain domain, const std::vector<std::vector<std::size_t>>& sets)
      : ParityWorkload(std::move(domain)) {
    if (sets.empty() || sets.size() > (std::numeric_limits<item_id>::max)())
      detail::throw_invalid("sets.size()", sets.size(), "must lie in 1 .. 2^32 - 1");
    for (std::size_t j = 0; j < sets.size(); ++j) {
      const std::string name = "sets[" + detail::text_of(j) + "]";
      if (sets[j].empty())
        detail::throw_invalid(name + ".size()", sets[j].size(), "must be at least 1");
      std::uint32_t mask = 0;
      for (std::size_t i = 0; i < sets[j].size(); ++i) {
        const std::size_t a = sets[j][i];
        if (a >= sizes_.size())
          detail::throw_invalid(name + " attribute", a,
                                "must be below " + detail::text_of(sizes_.size()));
        if (i > 0 && a <= sets[j][i - 1])
          detail::throw_invalid(name + " attribute", a, "must be above the one before");
        if (sizes_[a] != 2)
          detail::throw_invalid(name + " attribute \"" + domain_.attributes()[a].name() + "\" size",
                                sizes_[a], "must be 2");
        mask |= bits_[a];
      }
      masks_.push_back(mask);
    }
  }

  /// All sets of 1 .. `most` binary attributes, by size, then in lexicographic order. Throws
  /// std::invalid_argument unless 1 <= most <= the number of binary attributes.
  template <std::same_as<double> Real = double>
  static ParityWorkload up_to(const Domain& domain, std::size_t most) {
    ParityWorkload workload(domain);
    const std::size_t binary = workload.binary_.size();
    if (most == 0 || most > binary)
      detail::throw_invalid(
          "most", most,
          "must lie in 1 .. " + detail::text_of(binary) + ", the number of binary attributes");
    // At most 30 attributes are binary: fewer than 2^30 sets.
    for (std::size_t size = 1; size <= most; ++size) workload.append_sets(0, size, 0);
    return workload;
  }

  std::size_t size() const noexcept { return masks_.size(); }
  std::size_t cells() const noexcept { return domain_.size(); }
  QueryRange range() const noexcept { return {-1.0, 1.0}; }
  const Domain& domain() const noexcept { return domain_; }

  /// The attributes of a parity, ascending. Not checked: id < size().
  template <std::same_as<double> Real = double>
  std::vector<std::size_t> parity_attributes(item_id id) const {
    std::vector<std::size_t> attributes;
    for (const std::size_t a : binary_)
      if (is_in(id, a)) attributes.push_back(a);
    return attributes;
  }

  /// out[j] = <q_j, weights> for all j: the attributes that are not binary are summed out, and the
  /// fast Walsh-Hadamard transform gives all parities of the b others. Throws std::invalid_argument
  /// on other lengths. O(|X| + b 2^b + m).
  template <std::same_as<double> Real = double>
  void answers(std::span<const double> weights, std::span<double> out) const {
    detail::require_answer_spans(weights, cells(), out, size());
    const std::size_t count = std::size_t{1} << binary_.size();
    const auto table = detail::cache_line_array<double>(count);
    detail::MarginalTarget target{binary_, table.get()};
    detail::MarginalSums(sizes_).run(weights.data(), {&target, 1});
    for (std::size_t half = 1; half < count; half *= 2)
      for (std::size_t first = 0; first < count; first += 2 * half)
        for (std::size_t i = first; i < first + half; ++i) {
          const double low = table[i], high = table[i + half];
          table[i] = low + high;
          table[i + half] = low - high;
        }
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = table[masks_[j]];
  }

  /// <q_id, weights>. Throws std::invalid_argument on another length. O(|X|). Not checked:
  /// id < size().
  double answer(std::span<const double> weights, item_id id) const {
    if (weights.size() != cells())
      detail::throw_invalid("weights.size()", weights.size(),
                            "must equal cells() = " + detail::text_of(cells()));
    const std::size_t last = binary_[static_cast<std::size_t>(static_cast<int>(binary_.size()) - 1 -
                                                              std::countr_zero(masks_[id]))];
    return signed_sum(id, last, 0, cells(), weights.data());
  }

  /// out[x] = q_id(x). Throws std::invalid_argument unless out.size() == cells(). O(|X|). Not
  /// checked: id < size().
  void query(item_id id, std::span<double> out) const {
    if (out.size() != cells())
      detail::throw_invalid("out.size()", out.size(),
                            "must equal cells() = " + detail::text_of(cells()));
    std::size_t known = 1;  // attribute by attribute: each cell becomes one for each value
    out[0] = 1.0;
    for (std::size_t a = 0; a < sizes_.size(); known *= sizes_[a++])
      for (std::size_t i = known; i-- > 0;)
        for (std::size_t value = sizes_[a]; value-- > 0;)
          out[i * sizes_[a] + value] = value == 1 && is_in(id, a) ? -out[i] : out[i];
  }

  /// Rounding of at most |X| additions; nothing for integers with sum |w| < 2^53.
  double answers_error(double l1) const noexcept { return detail::summation_error(cells(), l1); }

 private:
  template <std::same_as<double> Real = double>
  explicit ParityWorkload(Domain domain) : domain_(std::move(domain)) {
    for (const auto& attribute : domain_.attributes()) {
      if (attribute.size() == 2) binary_.push_back(sizes_.size());
      sizes_.push_back(attribute.size());
    }
    bits_.resize(sizes_.size());
    for (std::size_t i = 0; i < binary_.size(); ++i)
      bits_[binary_[i]] = std::uint32_t{1} << (binary_.size() - 1 - i);
  }

  bool is_in(item_id id, std::size_t attribute) const noexcept {
    return (masks_[id] & bits_[attribute]) != 0;
  }

  void append_sets(std::size_t first, std::size_t more, std::uint32_t mask) {
    if (more == 0) return masks_.push_back(mask);
    for (std::size_t i = first; i + more <= binary_.size(); ++i)
      append_sets(i + 1, more - 1, mask | bits_[binary_[i]]);
  }

  /// The signed sum over the attributes from `attribute` on, `length` cells; `last`: of the set.
  double signed_sum(item_id id, std::size_t last, std::size_t attribute, std::size_t length,
                    const double* weights) const noexcept {
    if (attribute > last) return detail::sum_of(weights, length);
    const std::size_t stride = domain_.strides()[attribute];
    if (stride == 1 && attribute == last) return weights[0] - weights[1];
    if (is_in(id, attribute))
      return signed_sum(id, last, attribute + 1, stride, weights) -
             signed_sum(id, last, attribute + 1, stride, weights + stride);
    double total = 0.0;
    for (std::size_t value = 0; value < sizes_[attribute]; ++value)
      total += signed_sum(id, last, attribute + 1, stride, weights + value * stride);
    return total;
  }

  Domain domain_;
  std::vector<std::size_t> sizes_, binary_;  // of all attributes; which are binary
  std::vector<std::uint32_t> bits_;  // by attribute: its bit in masks and in the cells of the
                                     // table, 1 for the last binary one, 0 where it is not binary
  std::vector<std::uint32_t> masks_;
};

static_assert(Workload<ParityWorkload>);

}  // namespace lazygumbel
