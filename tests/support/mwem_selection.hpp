#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/privacy/release/detail/mwem_selectors.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <span>
#include <vector>

#include "laws.hpp"
#include "workloads.hpp"

/// \file
/// A table, queries and weights whose errors are uneven and of both signs, for the law tests of
/// selection.

namespace lazygumbel::testing {

/// m queries over 12 cells, some of them twice, one zero.
struct SelectionCase {
  std::size_t m;
  RowMatrix<float> rows;
  DenseWorkload<float> workload;
  Histogram table;
  std::vector<double> weights;
  double epsilon, sensitivity;

  /// `spread`: of the scores in nats, about.
  static SelectionCase make(std::size_t m, double spread, std::uint64_t seed) {
    constexpr std::size_t cells = 12;
    RowMatrix<float> rows = random_queries<float>(m, cells, -1, 1, seed);
    rows.row(1).setZero();
    rows.row(3) = rows.row(2);
    Histogram table = line_table(random_counts(cells, 1e3, seed));
    auto weights = random_weights(cells, static_cast<double>(table.total()), 2.0, seed + 1);
    DenseWorkload<float> workload(rows);
    double largest = 0.0;
    for (const double score : brute_force_scores(workload, table, weights, 1.0))
      largest = std::max(largest, score);
    return {m,
            std::move(rows),
            std::move(workload),
            std::move(table),
            std::move(weights),
            2.0 * 2.0 * spread / largest,
            2.0};
  }

  /// epsilon / (2 D).
  double scale() const { return epsilon / (2.0 * sensitivity); }

  /// P(j) proportional to exp(epsilon |<q_j, h> - <q_j, A>| / (2 D)).
  std::vector<double> law() const {
    return softmax(brute_force_scores(workload, table, weights, scale()));
  }
};

/// A proposer that never returns the items that it hides.
class HidingIndex {
 public:
  using scalar_type = float;

  HidingIndex(RowMatrix<float> rows, std::vector<bool> hidden)
      : flat_(std::move(rows)), hidden_(std::move(hidden)) {}

  std::size_t size() const { return flat_.size(); }
  std::size_t dimension() const { return flat_.dimension(); }
  double score(const VectorView<float>& query, item_id id) const { return flat_.score(query, id); }

  void search(const VectorView<float>& query, std::size_t k, Retrieval& found) const {
    Retrieval all;
    flat_.search(query, size(), all);
    found.clear();
    for (std::size_t i = 0; i < all.ids.size() && found.ids.size() < k; ++i) {
      if (hidden_[all.ids[i]]) continue;
      found.ids.push_back(all.ids[i]);
      found.scores.push_back(all.scores[i]);
    }
  }

 private:
  FlatIndex<float> flat_;
  std::vector<bool> hidden_;
};

static_assert(MipsIndex<HidingIndex>);

/// The `count` largest of `values`.
inline std::vector<bool> largest_of(const std::vector<double>& values, std::size_t count) {
  std::vector<std::size_t> order(values.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  std::vector<bool> among(values.size(), false);
  for (std::size_t i = 0; i < count; ++i) among[order[i]] = true;
  return among;
}

/// By how much an item outside the head exceeds the bound of an index, in nats.
template <MipsIndex Index>
double miss_gap(const Index& index, const Vector<double>& theta, std::size_t k) {
  Retrieval found;
  std::vector<item_id> sorted;
  search_checked(index, theta, k, found, sorted);
  double gap = 0.0;
  for (item_id id = 0; id < index.size(); ++id)
    if (!std::binary_search(sorted.begin(), sorted.end(), id))
      gap = std::max(gap, index.score(theta, id) - found.residual_bound);
  return gap;
}

}  // namespace lazygumbel::testing
