#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/table/domain.hpp"
#include "lazygumbel/privacy/workload/detail/marginal_sums.hpp"
#include "lazygumbel/privacy/workload/grouped_workload.hpp"
#include "lazygumbel/privacy/workload/workload.hpp"

namespace lazygumbel {

/// Marginals of a domain: for each chosen set of attributes S a table of counts over the values of
/// S, one query a cell of that table,
///
///   q_(S, s)(x) = 1 where x_S = s, else 0.
///
/// Groups are the tables, in the order given; the queries of a group are the cells of
/// domain().project(S), in its order (the last attribute of S fastest), behind those of the groups
/// before. A GroupedWorkload with range [0, 1], integral. Memory O(groups). All functions are const
/// and safe to call from many threads.
class MarginalWorkload {
 public:
  static constexpr bool integral = true;
  /// What a scattered `answer` costs, in units of its share of `answers`.
  static constexpr double answer_cost = 300.0;

  /// One group a set, its attributes ascending. Throws std::invalid_argument without sets, on an
  /// empty set, attributes that do not exist or do not ascend, and on 2^32 queries or more.
  template <std::same_as<double> Real = double>
  MarginalWorkload(Domain domain, std::vector<std::vector<std::size_t>> sets)
      : domain_(std::move(domain)), sets_(std::move(sets)) {
    for (const auto& attribute : domain_.attributes()) sizes_.push_back(attribute.size());
    if (sets_.empty()) detail::throw_invalid("sets.size()", sets_.size(), "must be at least 1");
    std::size_t queries = 0;
    for (std::size_t g = 0; g < sets_.size(); ++g) {
      const std::string name = "sets[" + detail::text_of(g) + "]";
      if (sets_[g].empty())
        detail::throw_invalid(name + ".size()", sets_[g].size(), "must be at least 1");
      std::size_t size = 1;
      for (std::size_t i = 0; i < sets_[g].size(); ++i) {
        const std::size_t a = sets_[g][i];
        if (a >= sizes_.size())
          detail::throw_invalid(name + " attribute", a,
                                "must be below " + detail::text_of(sizes_.size()));
        if (i > 0 && a <= sets_[g][i - 1])
          detail::throw_invalid(name + " attribute", a, "must be above the one before");
        size *= sizes_[a];
      }
      offsets_.push_back(queries);
      queries += size;
      if (queries > (std::numeric_limits<item_id>::max)())
        detail::throw_invalid("queries", queries, "must be below 2^32");
    }
    offsets_.push_back(queries);
  }

  /// All marginals of `ways` attributes, in lexicographic order. Throws std::invalid_argument
  /// unless 1 <= ways <= attributes, and on 2^32 queries or more.
  template <std::same_as<double> Real = double>
  static MarginalWorkload all(const Domain& domain, std::size_t ways) {
    const std::size_t attributes = domain.attributes().size();
    if (ways == 0 || ways > attributes)
      detail::throw_invalid("ways", ways, "must lie in 1 .. " + detail::text_of(attributes));
    double count = 1.0;  // of the sets: attributes choose ways
    for (std::size_t i = 0; i < ways; ++i)
      count *= static_cast<double>(attributes - i) / static_cast<double>(i + 1);
    if (count > static_cast<double>((std::numeric_limits<item_id>::max)()))
      detail::throw_invalid("marginals", count, "must be below 2^32");
    std::vector<std::vector<std::size_t>> sets;
    std::vector<std::size_t> set(ways);
    std::iota(set.begin(), set.end(), std::size_t{0});
    for (;;) {
      sets.push_back(set);
      std::size_t last = ways;  // the last that can still move up
      while (last > 0 && set[last - 1] == attributes - ways + last - 1) --last;
      if (last == 0) return MarginalWorkload(domain, std::move(sets));
      std::iota(set.begin() + static_cast<std::ptrdiff_t>(last - 1), set.end(), set[last - 1] + 1);
    }
  }

  std::size_t size() const noexcept { return offsets_.back(); }
  std::size_t cells() const noexcept { return domain_.size(); }
  QueryRange range() const noexcept { return {0.0, 1.0}; }
  const Domain& domain() const noexcept { return domain_; }

  // Not checked in what follows: group < groups(), id < size().

  std::size_t groups() const noexcept { return sets_.size(); }
  std::span<const std::size_t> group_attributes(std::size_t group) const noexcept {
    return sets_[group];
  }
  std::size_t group_offset(std::size_t group) const noexcept { return offsets_[group]; }
  std::size_t group_size(std::size_t group) const noexcept {
    return offsets_[group + 1] - offsets_[group];
  }
  /// O(log groups).
  std::size_t group_of(item_id id) const noexcept {
    const auto after = std::upper_bound(offsets_.begin(), offsets_.end(), std::size_t{id});
    return static_cast<std::size_t>(after - offsets_.begin()) - 1;
  }

  /// out[s] = sum of weights over the cells with x_S = s, S the attributes of the group. Throws
  /// std::invalid_argument on other lengths than cells() and group_size(group). O(|X|).
  template <std::same_as<double> Real = double>  // here and below: core/detail/later.hpp
  void group_answers(std::size_t group, std::span<const double> weights,
                     std::span<double> out) const {
    require_weights(weights);
    require_length("out.size()", out.size(), "group_size(group)", group_size(group));
    detail::MarginalTarget target{sets_[group], out.data()};
    detail::MarginalSums<Real>(sizes_).run(weights.data(), {&target, 1});
  }

  /// out[j] = <q_j, weights> for all j. Throws std::invalid_argument on other lengths. At most
  /// O(groups |X|), and far less where groups share sums: all marginals of 3 among 8 attributes
  /// cost about as much as 6 of the 56. O(|X|) memory while it runs.
  template <std::same_as<double> Real = double>
  void answers(std::span<const double> weights, std::span<double> out) const {
    detail::require_answer_spans(weights, cells(), out, size());
    std::vector<detail::MarginalTarget> targets;
    for (std::size_t g = 0; g < groups(); ++g)
      targets.push_back({sets_[g], out.data() + offsets_[g]});
    detail::MarginalSums<Real>(sizes_).run(weights.data(), targets);
  }

  /// <q_id, weights>. Throws std::invalid_argument on another length. O(|X| / group_size).
  double answer(std::span<const double> weights, item_id id) const {
    require_weights(weights);
    const Place at = place_of(id);
    return sum_from(at, 0, 0, weights.data());
  }

  /// out[x] = q_id(x). Throws std::invalid_argument unless out.size() == cells(). O(|X|).
  template <std::same_as<double> Real = double>
  void query(item_id id, std::span<double> out) const {
    require_length("out.size()", out.size(), "cells()", cells());
    std::fill(out.begin(), out.end(), 0.0);
    const Place at = place_of(id);
    std::vector<double> values(group_size(at.group), 0.0);
    values[id - offsets_[at.group]] = 1.0;
    add_to_cells(at.group, values, out);
  }

  /// out[x] += values[s] for every cell x with x_S = s: the transpose of group_answers. Throws
  /// std::invalid_argument on other lengths than group_size(group) and cells(). O(|X|).
  void add_to_cells(std::size_t group, std::span<const double> values,
                    std::span<double> out) const {
    require_length("values.size()", values.size(), "group_size(group)", group_size(group));
    require_length("out.size()", out.size(), "cells()", cells());
    add_from(sets_[group], 0, 0, group_size(group), values.data(), out.data());
  }

  /// Rounding of at most |X| additions; nothing for integers with sum |w| < 2^53.
  double answers_error(double l1) const noexcept { return detail::summation_error(cells(), l1); }

 private:
  /// The first cell of a query, and its group.
  struct Place {
    std::size_t group = 0, cell = 0;
  };

  static void require_length(const char* parameter, std::size_t length, const char* name,
                             std::size_t required) {
    if (length != required)
      detail::throw_invalid(parameter, length,
                            "must equal " + std::string(name) + " = " + detail::text_of(required));
  }
  void require_weights(std::span<const double> weights) const {
    require_length("weights.size()", weights.size(), "cells()", cells());
  }

  Place place_of(item_id id) const noexcept {
    Place at{group_of(id), 0};
    const auto& set = sets_[at.group];
    std::size_t rest = id - offsets_[at.group];
    for (std::size_t i = set.size(); i-- > 0; rest /= sizes_[set[i]])
      at.cell += rest % sizes_[set[i]] * domain_.strides()[set[i]];
    return at;
  }

  /// The sum over the attributes from `attribute` on that are not fixed; `fixed` of them are
  /// before.
  double sum_from(const Place& at, std::size_t attribute, std::size_t fixed,
                  const double* weights) const noexcept {
    const auto& set = sets_[at.group];
    while (fixed < set.size() && set[fixed] == attribute) ++fixed, ++attribute;
    if (fixed == set.size()) {  // the rest of the cells is one run
      const std::size_t run = attribute == 0 ? cells() : domain_.strides()[attribute - 1];
      return detail::sum_of(weights + at.cell, run);
    }
    const std::size_t stride = domain_.strides()[attribute];
    double total = 0.0;
    for (std::size_t value = 0; value < sizes_[attribute]; ++value)
      total += sum_from(at, attribute + 1, fixed, weights + value * stride);
    return total;
  }

  /// `values` are the numbers of the part of the table that is left, `length` of them.
  void add_from(std::span<const std::size_t> set, std::size_t attribute, std::size_t taken,
                std::size_t length, const double* values, double* out) const noexcept {
    if (taken == set.size()) {  // one number, one run
      const std::size_t run = attribute == 0 ? cells() : domain_.strides()[attribute - 1];
      for (std::size_t x = 0; x < run; ++x) out[x] += *values;
      return;
    }
    const std::size_t stride = domain_.strides()[attribute];
    const bool kept = set[taken] == attribute;
    if (kept && set.size() - taken == sizes_.size() - attribute) {  // all that follow are kept
      for (std::size_t x = 0; x < length; ++x) out[x] += values[x];
      return;
    }
    const std::size_t part = kept ? length / sizes_[attribute] : 0;
    for (std::size_t value = 0; value < sizes_[attribute]; ++value)
      add_from(set, attribute + 1, taken + (kept ? 1 : 0), kept ? part : length,
               values + value * part, out + value * stride);
  }

  Domain domain_;
  std::vector<std::vector<std::size_t>> sets_;
  std::vector<std::size_t> sizes_, offsets_;
};

static_assert(GroupedWorkload<MarginalWorkload>);

}  // namespace lazygumbel
