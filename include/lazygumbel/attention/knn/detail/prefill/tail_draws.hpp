#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/attention/exact/detail/attention_plan.hpp"
#include "lazygumbel/attention/exact/detail/draw_error.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/attention/knn/detail/prefill/timed_lists.hpp"
#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/random/engine.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel::detail {

/// A sampled block: keys drawn uniformly from begin .. end - 1, one from each of `draws` equal
/// stretches, for `rows`, of which r leaves out what fell on the lists met(r).
template <class Met, BitGenerator Engine>
PlanBlock draw_tail(const TimedLists<float>& lists, std::size_t begin, std::size_t end,
                    std::size_t draws, std::vector<std::uint32_t> rows, Met&& met, Engine& engine) {
  PlanBlock tail;
  tail.sampled = true;
  const std::size_t size = end - begin;
  for (std::size_t i = 0; i < draws; ++i) {
    const double at = (static_cast<double>(i) + open_uniform(engine)) / static_cast<double>(draws);
    const auto key = static_cast<std::size_t>(at * static_cast<double>(size));
    tail.keys.push_back(static_cast<item_id>(begin + (std::min)(key, size - 1)));
  }
  // By list, so that what a row leaves out are ranges.
  const auto list_of = [&](item_id key) { return lists.list_of(key); };
  std::stable_sort(tail.keys.begin(), tail.keys.end(),
                   [&](item_id a, item_id b) { return list_of(a) < list_of(b); });
  std::vector<std::uint32_t> starts(lists.lists() + 1, 0);
  for (const item_id key : tail.keys) ++starts[list_of(key) + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  for (std::uint32_t r = 0; r < rows.size(); ++r)
    for (const std::uint32_t g : met(rows[r]))
      if (starts[g] < starts[g + 1]) tail.excluded.push_back({r, starts[g], starts[g + 1]});
  tail.rows = std::move(rows);
  return tail;
}

/// `error_degrees` of the row at place `at` of a sampled block, whose scaled query, log
/// Z^ and o^ are given: its draws are dealt to batches in turn.
template <StorageScalar T>
double degrees_of_row(const PlanBlock& tail, std::size_t at, const float* query, double log_z,
                      const std::vector<double>& result, const RowPointer<T>& keys,
                      const RowPointer<T>& values, double softcap) {
  using Real = Later<double, T>;
  constexpr std::size_t batches = 16;
  const std::size_t dv = result.size();
  const Eigen::Map<const Vector<Later<float, T>>> q(query, keys.cols());
  std::vector<bool> out(tail.keys.size());
  for (const PlanBlock::Range& range : tail.excluded)
    if (range.row == at) std::fill(out.begin() + range.begin, out.begin() + range.end, true);
  std::vector<double> sums(batches * dv, 0.0);
  for (std::size_t i = 0; i < tail.keys.size(); ++i) {
    if (out[i]) continue;
    const auto key = static_cast<Eigen::Index>(tail.keys[i]);
    auto score = static_cast<double>(keys.row(key).template cast<float>().dot(q));
    if (softcap > 0.0) score = softcap * std::tanh(score / softcap);
    const double weight = std::exp(score - log_z);
    double* const sum = sums.data() + i % batches * dv;
    for (std::size_t c = 0; c < dv; ++c)
      sum[c] +=
          weight *
          (static_cast<double>(static_cast<float>(values(key, static_cast<Eigen::Index>(c)))) -
           result[c]);
  }
  for (std::size_t c = 0; c < dv; ++c) {
    double mean = 0.0;
    for (std::size_t b = 0; b < batches; ++b) mean += sums[b * dv + c] / batches;
    for (std::size_t b = 0; b < batches; ++b) sums[b * dv + c] -= mean;
  }
  const Eigen::Map<const RowMatrix<Real>> rows(sums.data(), batches, static_cast<Eigen::Index>(dv));
  const RowMatrix<Real> products = rows * rows.transpose();
  return error_degrees(std::span<const double>(products.data(), batches * batches), batches,
                       static_cast<double>(dv));
}

}  // namespace lazygumbel::detail
