#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "lazygumbel/attention/walks/attention_draws.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/random/philox.hpp"

namespace lazygumbel {

/// What walks step with, the rows of a stochastic matrix: `rows()` of them, positions below
/// `positions()`; draw(starts, ends, engine, threads) fills in ends[w] ~ P_starts[w].,
/// independently, for starts in increasing order (rows may repeat), and returns what that took.
template <class Steps>
concept WalkSteps = requires(const Steps& steps, std::span<const std::size_t> starts,
                             std::span<item_id> ends, PhiloxEngine& engine, std::size_t threads) {
  { steps.rows() } -> std::convertible_to<std::size_t>;
  { steps.positions() } -> std::convertible_to<std::size_t>;
  { steps.draw(starts, ends, engine, threads) } -> std::same_as<Trace>;
};

namespace detail {

/// The trace of no walk.
inline Trace no_walks() { return {.guarantee = Guarantee::certified()}; }

inline void add_trace(const Trace& more, Trace& total) {
  total.head_size += more.head_size;
  total.proposals += more.proposals;
  total.rows_scored += more.rows_scored;
  total.violations += more.violations;
  total.exhaustive_scans += more.exhaustive_scans;
  total.residual_bound = (std::max)(total.residual_bound, more.residual_bound);
  total.guarantee = weaker(total.guarantee, more.guarantee);
}

/// Calls use(first, count) for each run of equal rows.
template <class Use>
void for_each_run(std::span<const std::size_t> starts, Use&& use) {
  for (std::size_t first = 0, end; first < starts.size(); first = end) {
    end = first + 1;
    while (end < starts.size() && starts[end] == starts[first]) ++end;
    use(first, end - first);
  }
}

struct WalkRun {
  std::size_t first, count;
};

/// All walks of a run from one call draw(row, count, stream), run r with stream (seed, r).
template <class DrawRow, BitGenerator Engine>
Trace draw_runs(std::span<const WalkRun> runs, std::span<const std::size_t> starts,
                std::span<item_id> ends, const DrawRow& draw, std::size_t positions, Engine& engine,
                std::size_t threads) {
  const std::uint64_t seed = uniform_bits(engine);
  std::vector<Trace> traces(runs.size());
  parallel_for(runs.size(), threads, [&](std::size_t r) {
    PhiloxEngine stream(seed, r);
    const WalkRun run = runs[r];
    const Draws draws = draw(starts[run.first], run.count, stream);
    if (draws.ids.size() != run.count)
      throw_index_error(text_of(draws.ids.size()) + " positions drawn for row " +
                        text_of(starts[run.first]) + ", not " + text_of(run.count));
    for (const item_id id : draws.ids)
      if (id >= positions)
        throw_index_error("position " + text_of(id) + " drawn for row " +
                          text_of(starts[run.first]) + " of " + text_of(positions));
    std::copy(draws.ids.begin(), draws.ids.end(),
              ends.begin() + static_cast<std::ptrdiff_t>(run.first));
    traces[r] = draws.trace;
  });
  Trace total = no_walks();
  for (const Trace& trace : traces) add_trace(trace, total);
  return total;
}

}  // namespace detail

/// Steps over full attention: row i of P is the law of AttentionDraws for query i. Rows that many
/// walks start from are searched once, the others in batches. Refers to the draws and views the
/// queries (m x d, row-major); both must stay.
template <MipsIndex Index>
class AttentionSteps {
 public:
  using scalar_type = typename Index::scalar_type;

  /// Throws std::invalid_argument on queries of the wrong shape or that are not finite.
  template <class Derived>
  requires(bool(Derived::IsRowMajor) && (int(Derived::Flags) & int(Eigen::DirectAccessBit)) != 0 &&
           std::same_as<typename Derived::Scalar, scalar_type>)
      AttentionSteps(const AttentionDraws<Index>& draws, const Eigen::MatrixBase<Derived>& queries)
      : draws_(&draws),
        queries_(queries.derived().data(), queries.rows(), queries.cols(),
                 Eigen::OuterStride<>(queries.derived().outerStride())) {
    if (queries.derived().innerStride() != 1)
      detail::throw_invalid("queries.innerStride()", queries.derived().innerStride(), "must be 1");
    detail::require_rows<scalar_type>("queries", queries_);
    if (static_cast<std::size_t>(queries.cols()) != draws.index().dimension())
      detail::throw_invalid(
          "queries.cols()", queries.cols(),
          "must equal the index's dimension " + detail::text_of(draws.index().dimension()));
  }

  std::size_t rows() const noexcept { return static_cast<std::size_t>(queries_.rows()); }
  std::size_t positions() const noexcept { return draws_->index().size(); }

  template <BitGenerator Engine>
  Trace draw(std::span<const std::size_t> starts, std::span<item_id> ends, Engine& engine,
             std::size_t threads) const {
    constexpr std::size_t together = 4096;  // walks of a batch: bounds the copies of queries
    constexpr std::size_t often = 8;  // a batch search costs down to an eighth of a single one
    std::vector<detail::WalkRun> runs;
    std::vector<std::size_t> rest;
    detail::for_each_run(starts, [&](std::size_t first, std::size_t count) {
      if (count >= often)
        runs.push_back({first, count});
      else
        for (std::size_t w = first; w < first + count; ++w) rest.push_back(w);
    });
    Trace total = detail::draw_runs(
        runs, starts, ends,
        [&](std::size_t row, std::size_t count, PhiloxEngine& stream) {
          return draws_->sample(queries_.row(static_cast<Eigen::Index>(row)).transpose(), count,
                                stream);
        },
        positions(), engine, threads);
    RowMatrix<scalar_type> some;
    for (std::size_t begin = 0; begin < rest.size(); begin += together) {
      const std::size_t count = (std::min)(together, rest.size() - begin);
      some.resize(static_cast<Eigen::Index>(count), queries_.cols());
      for (std::size_t i = 0; i < count; ++i)
        some.row(static_cast<Eigen::Index>(i)) =
            queries_.row(static_cast<Eigen::Index>(starts[rest[begin + i]]));
      const std::vector<Draw> drawn = draws_->sample_batch(some, engine, threads);
      for (std::size_t i = 0; i < count; ++i) {
        ends[rest[begin + i]] = drawn[i].id;
        detail::add_trace(drawn[i].trace, total);
      }
    }
    return total;
  }

 private:
  const AttentionDraws<Index>* draws_;
  RowPointer<scalar_type> queries_;
};

/// Steps by a function draw(row, count, engine) -> Draws, called from many threads: for masks,
/// where each row has a sampler of its own, such as one over the keys of a prefix. Refers to
/// `draw`.
template <class DrawRow>
requires std::same_as<std::invoke_result_t<const DrawRow&, std::size_t, std::size_t, PhiloxEngine&>,
                      Draws>
class RowSteps {
 public:
  /// `rows` rows, positions 0 .. positions - 1; one drawn beyond is an index_error.
  RowSteps(std::size_t rows, std::size_t positions, DrawRow draw)
      : rows_(rows), positions_(positions), draw_(std::move(draw)) {}

  std::size_t rows() const noexcept { return rows_; }
  std::size_t positions() const noexcept { return positions_; }

  template <BitGenerator Engine>
  Trace draw(std::span<const std::size_t> starts, std::span<item_id> ends, Engine& engine,
             std::size_t threads) const {
    std::vector<detail::WalkRun> runs;
    detail::for_each_run(starts, [&](std::size_t first, std::size_t count) {
      runs.push_back({first, count});
    });
    return detail::draw_runs(runs, starts, ends, draw_, positions_, engine, threads);
  }

 private:
  std::size_t rows_, positions_;
  DrawRow draw_;
};

}  // namespace lazygumbel
