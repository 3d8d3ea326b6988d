#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/core/simd.hpp>
#include <lazygumbel/privacy/table/domain.hpp>
#include <lazygumbel/privacy/workload/workload.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <message_of.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "simds.hpp"

/// \file
/// What every workload must satisfy, checked against its own `query` in brute force.

namespace lazygumbel::testing {

/// Attributes "a0", "a1", .. with these numbers of values.
inline Domain domain_of_sizes(const std::vector<std::size_t>& sizes) {
  std::vector<Attribute> attributes;
  for (std::size_t a = 0; a < sizes.size(); ++a)
    attributes.push_back(
        Attribute::integers("a" + std::to_string(a), 0, static_cast<std::int64_t>(sizes[a]) - 1));
  return Domain(std::move(attributes));
}

/// Integers of -bound .. bound.
inline std::vector<double> integer_weights(std::size_t cells, std::uint32_t bound,
                                           std::uint64_t seed) {
  PhiloxEngine engine(seed);
  std::vector<double> weights(cells);
  for (double& w : weights)
    w = static_cast<double>(uniform_index(2 * bound + 1, engine)) - static_cast<double>(bound);
  return weights;
}

/// Numbers of (-1, 1), most of them small: exponents differ.
inline std::vector<double> real_weights(std::size_t cells, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  std::vector<double> weights(cells);
  for (double& w : weights)
    w = std::pow(2.0 * open_uniform(engine) - 1.0, 3) *
        std::exp2(-static_cast<double>(uniform_index(8, engine)));
  return weights;
}

inline double l1_of(const std::vector<double>& weights) {
  double sum = 0.0;
  for (const double w : weights) sum += std::abs(w);
  return sum * (1.0 + 1e-12);
}

/// The query's values lie in range(), are integers if W::integral, and give `answers` and `answer`:
/// exactly for integer weights (and for those of one cell: what makes them adjoint), within
/// answers_error for others (compared with sums in long double). Looks at every `step`-th query.
template <Workload W>
void check_answers(const W& workload, std::uint64_t seed, std::size_t step = 1) {
  const std::size_t m = workload.size(), cells = workload.cells();
  const std::vector<double> integers = integer_weights(cells, 1000, seed);
  const std::vector<double> reals = real_weights(cells, seed + 1);
  std::vector<double> one_cell(cells, 0.0);
  const std::size_t chosen = seed % cells;
  one_cell[chosen] = 1.0;
  std::vector<double> integer_answers(m, -7.0), real_answers(m, -7.0), one_answers(m, -7.0);
  workload.answers(integers, integer_answers);
  workload.answers(reals, real_answers);
  workload.answers(one_cell, one_answers);
  const double allowed = workload.answers_error(l1_of(reals));
  std::vector<double> query(cells);
  for (std::size_t j = 0; j < m; j += step) {
    const auto id = static_cast<item_id>(j);
    query.assign(cells, -7.0);
    workload.query(id, query);
    long double integer_sum = 0.0L, real_sum = 0.0L;
    for (std::size_t x = 0; x < cells; ++x) {
      ASSERT_TRUE(query[x] >= workload.range().lower && query[x] <= workload.range().upper)
          << "query " << j << " cell " << x;
      if (W::integral) {
        ASSERT_EQ(query[x], std::round(query[x]));
      }
      integer_sum += static_cast<long double>(query[x]) * static_cast<long double>(integers[x]);
      real_sum += static_cast<long double>(query[x]) * static_cast<long double>(reals[x]);
    }
    if (W::integral) {
      ASSERT_EQ(integer_answers[j], static_cast<double>(integer_sum)) << "query " << j;
      ASSERT_EQ(workload.answer(integers, id), static_cast<double>(integer_sum)) << "query " << j;
      ASSERT_EQ(one_answers[j], query[chosen]) << "query " << j;
      ASSERT_EQ(workload.answer(one_cell, id), query[chosen]) << "query " << j;
    }
    ASSERT_NEAR(real_answers[j], static_cast<double>(real_sum), allowed) << "query " << j;
    ASSERT_NEAR(workload.answer(reals, id), static_cast<double>(real_sum), allowed)
        << "query " << j;
  }
}

/// Integer weights with sum |w| just below 2^30 (or `l1`), in few cells and in all of them.
template <Workload W>
void check_large_integers(const W& workload, double l1 = 0x1p30 - 1.0) {
  const std::size_t cells = workload.cells();
  for (const std::size_t used : {std::size_t{1}, (cells + 1) / 2, cells}) {
    std::vector<double> weights(cells, 0.0);
    double left = l1;
    for (std::size_t i = 0; i < used; ++i) {
      const double size = i + 1 == used ? left : std::floor(l1 / static_cast<double>(used));
      weights[(i * 7) % used] += i % 3 == 1 ? -size : size;
      left -= size;
    }
    std::vector<double> answers(workload.size()), query(cells);
    workload.answers(weights, answers);
    for (std::size_t j = 0; j < workload.size(); ++j) {
      const auto id = static_cast<item_id>(j);
      workload.query(id, query);
      double expected = 0.0;
      for (std::size_t x = 0; x < cells; ++x) expected += query[x] * weights[x];
      ASSERT_EQ(answers[j], expected);
      ASSERT_EQ(workload.answer(weights, id), expected);
    }
  }
}

/// Spans of other lengths are refused, by name and value.
template <Workload W>
void check_lengths(const W& workload) {
  const std::size_t m = workload.size(), cells = workload.cells();
  std::vector<double> weights(cells + 1), out(m + 1), query(cells + 1);
  const auto refused = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  const std::string one_more = "lazygumbel: weights.size() = " + std::to_string(cells + 1) +
                               ": must equal cells() = " + std::to_string(cells);
  EXPECT_EQ(refused([&] { workload.answers(weights, std::span(out).first(m)); }), one_more);
  EXPECT_EQ(refused([&] { workload.answer(weights, 0); }), one_more);
  EXPECT_EQ(refused([&] { workload.answers(std::span(weights).first(cells), out); }),
            "lazygumbel: out.size() = " + std::to_string(m + 1) +
                ": must equal size() = " + std::to_string(m));
  EXPECT_EQ(refused([&] { workload.query(0, query); }),
            "lazygumbel: out.size() = " + std::to_string(cells + 1) +
                ": must equal cells() = " + std::to_string(cells));
}

}  // namespace lazygumbel::testing
