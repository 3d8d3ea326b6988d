#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "lazygumbel/attention/exact/exact_attention.hpp"
#include "lazygumbel/attention/knn/attention_tape.hpp"
#include "lazygumbel/attention/knn/detail/prefill/prefill_segment.hpp"
#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/detail/pool.hpp"
#include "lazygumbel/core/parallel.hpp"

namespace lazygumbel::detail {

/// Lists that serve the queries at positions begin .. end - 1 of the order: made from the keys that
/// the first of them sees, a quarter (at least a sixth) of what the last one does.
template <std::same_as<float> Real>
struct PrefillEpoch {
  std::size_t begin = 0, end = 0, trained = 0;
  std::vector<std::unique_ptr<TimedLists<Real>>> lists;  // one a kv head
};

/// The epochs of queries that see `least` keys or more.
template <std::same_as<float> Real>
std::vector<PrefillEpoch<Real>> prefill_epochs(const std::vector<std::uint32_t>& seen,
                                               std::size_t least) {
  std::vector<PrefillEpoch<Real>> epochs;
  std::size_t p = 0;
  while (p < seen.size() && seen[p] < least) ++p;
  while (p < seen.size()) {
    PrefillEpoch<Real> epoch;
    epoch.begin = p;
    epoch.trained = seen[p];
    // A last epoch that would serve few is left to the one before.
    const std::size_t most = seen.back() <= 6 * epoch.trained ? 6 : 4;
    while (p < seen.size() && seen[p] <= most * epoch.trained) ++p;
    epoch.end = p;
    epochs.push_back(std::move(epoch));
  }
  return epochs;
}

/// About what makes looking through all centroids and through the keys of a few lists cost the
/// same.
inline std::size_t prefill_lists(std::size_t keys) {
  return (std::max)(std::size_t{1}, static_cast<std::size_t>(
                                        std::lround(4.0 * std::sqrt(static_cast<double>(keys)))));
}

/// Whether so many rows of queries pay for the lists of so many keys. Making them takes as many
/// multiplications as exact attention of 2 sqrt(keys) + 384 rows (keys to centroids, three rounds
/// of k-means on 16 keys a list); two to four times as many rows are asked for below 100,000 keys.
inline bool pays_for_lists(std::size_t rows, std::size_t keys) {
  return rows >= 4 * prefill_lists(keys);
}

/// Keys that a query must see for lists to be tried, where nobody asked for them. What no draw met
/// is bounded by about 1 / draws, so that a target of epsilon takes draws in proportion to 1 /
/// epsilon: on keys that cluster rows of fewer keys than this end exactly (bench/results/).
inline std::size_t least_keys_for_lists(const KnnAttentionOptions& options) {
  const std::size_t least = (std::max)(options.minimum_keys, std::size_t{64});
  if (options.index != KeyIndex::automatic || !options.accuracy) return least;
  const double wanted = (std::min)(800.0 / options.accuracy->epsilon(), 0x1p32);
  return (std::max)(least, static_cast<std::size_t>(wanted));
}

/// Whether a product of a query and a key could overflow float, from their lengths. O((m + n) d).
template <StorageScalar T>
bool may_overflow(const HeadsView<float>& queries, const HeadsView<T>& keys, double scale) {
  const auto longest = [](const auto& view) {
    double most = 0.0;
    for (std::size_t i = 0; i < view.tokens(); ++i)
      for (std::size_t h = 0; h < view.heads(); ++h) {
        const auto d = static_cast<Eigen::Index>(view.dimension());
        using Row = Vector<typename std::decay_t<decltype(view)>::scalar_type>;
        const auto row = Eigen::Map<const Row>(view.row(i, h), d).template cast<float>();
        most = (std::max)(most, static_cast<double>(row.cwiseAbs().maxCoeff()));
      }
    return most * std::sqrt(static_cast<double>(view.dimension()));
  };
  const double query = longest(queries) * std::abs(scale);
  return !((std::max)(query, query * longest(keys)) < 1e38);
}

/// The forward pass for queries of which some see many keys. Queries that see fewer than
/// least_keys_for_lists, or that are too few to pay for lists, are attended to exactly; the others
/// by lists and samples, in segments that depend on nothing but the keys that their queries see.
template <StorageScalar T>
void sampled_prefill(const HeadsView<float>& queries, const HeadsView<T>& keys,
                     const HeadsView<T>& values, const KnnAttentionOptions& options,
                     const AttentionShape& shape, std::uint64_t seed, AttentionOutput& out,
                     AttentionTape* tape) {
  using Real = Later<float, T>;
  constexpr std::size_t segment_rows = 4096;
  PrefillProblem<T> problem{queries, keys, values, &options, shape, {}, {}, seed};
  problem.seen.reserve(shape.queries);
  problem.order.resize(shape.queries);
  std::iota(problem.order.begin(), problem.order.end(), 0U);
  const auto visible = [&](std::uint32_t i) {
    return options.attention.mask.visible(i, shape.queries, shape.keys);
  };
  std::stable_sort(problem.order.begin(), problem.order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return visible(a) < visible(b); });
  for (const std::uint32_t i : problem.order)
    problem.seen.push_back(static_cast<std::uint32_t>(visible(i)));

  std::vector<PrefillEpoch<Real>> epochs =
      prefill_epochs<Real>(problem.seen, least_keys_for_lists(options));
  const std::size_t heads = shape.kv_heads, threads = options.attention.threads;
  if (options.index == KeyIndex::automatic)
    std::erase_if(epochs, [&](const PrefillEpoch<Real>& epoch) {
      return !pays_for_lists((epoch.end - epoch.begin) * shape.group(), epoch.trained);
    });
  for (PrefillEpoch<Real>& epoch : epochs) epoch.lists.resize(heads);
  const ProductKernels& kernels = select<ProductKernels>(options.attention.simd);
  parallel_for(epochs.empty() ? 0 : heads, threads, [&](std::size_t kv) {
    RowMatrix<Real> widened;  // of keys that are not floats
    MatrixView<Real> rows = [&]() -> MatrixView<Real> {
      if constexpr (std::same_as<T, float>) {
        return keys.head(kv);
      } else {
        widened = keys.head(kv).template cast<Real>();
        return widened;
      }
    }();
    for (auto epoch = epochs.rbegin(); epoch != epochs.rend(); ++epoch) {
      auto lists = std::make_unique<TimedLists<Real>>(rows, epoch->trained,
                                                      prefill_lists(epoch->trained), kernels);
      lists->extend(rows, problem.seen[epoch->end - 1]);
      lists->measure(rows, values.head(kv));
      epoch->lists[kv] = std::move(lists);
    }
  });

  struct Unit {
    std::size_t kv, first, count;
    const TimedLists<Real>* lists;  // nullptr: exact
  };
  std::vector<Unit> units;
  const std::size_t together = (std::max)(std::size_t{1}, segment_rows / shape.group());
  for (std::size_t kv = 0; kv < heads; ++kv) {
    const auto add = [&](std::size_t begin, std::size_t end, const TimedLists<Real>* lists) {
      for (std::size_t p = begin; p < end; p += together)
        units.push_back({kv, p, (std::min)(together, end - p), lists});
    };
    std::size_t done = 0;
    for (const PrefillEpoch<Real>& epoch : epochs) {
      add(done, epoch.begin, nullptr);
      add(epoch.begin, epoch.end, epoch.lists[kv].get());
      done = epoch.end;
    }
    add(done, shape.queries, nullptr);
  }
  std::vector<std::vector<PlanSegment>> plans(units.size());
  const Pool<PrefillSegment<T>> pool;
  parallel_for(units.size(), threads, [&](std::size_t u) {
    const Unit& unit = units[units.size() - 1 - u];  // the longest first
    pool.borrow(
        [&] { return PrefillSegment<T>(problem); },
        [&](PrefillSegment<T>& segment) {
          auto& plan = plans[units.size() - 1 - u];
          const auto keep = [&] {
            if (tape != nullptr) plan.push_back(std::move(segment.plan()));
          };
          if (unit.lists == nullptr) {
            segment.run_exactly(unit.kv, unit.first, unit.count, out);
            return keep();
          }
          // A few first, to see whether sampling pays.
          const std::size_t stream = 2 * (units.size() - 1 - u);
          const std::size_t few =
              (std::min)(unit.count, (std::max)(std::size_t{1}, 256 / shape.group()));
          const double work = segment.run(unit.kv, unit.first, few, *unit.lists, stream, out);
          keep();
          if (few == unit.count) return;
          if (work > 0.75)
            segment.run_exactly(unit.kv, unit.first + few, unit.count - few, out);
          else
            segment.run(unit.kv, unit.first + few, unit.count - few, *unit.lists, stream + 1, out);
          keep();
        });
  });
  if (tape == nullptr) return;
  tape->segments.clear();
  for (auto& plan : plans)
    for (PlanSegment& segment : plan) tape->segments.push_back(std::move(segment));
  tape->order = problem.order;
  tape->keys = shape.keys;
  tape->output = out;
}

}  // namespace lazygumbel::detail
