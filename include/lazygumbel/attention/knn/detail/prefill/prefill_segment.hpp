#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/detail/attention_plan.hpp"
#include "lazygumbel/attention/exact/detail/draw_error.hpp"
#include "lazygumbel/attention/exact/exact_attention.hpp"
#include "lazygumbel/attention/knn/detail/prefill/list_choice.hpp"
#include "lazygumbel/attention/knn/detail/prefill/prefill_problem.hpp"
#include "lazygumbel/attention/knn/detail/prefill/row_promises.hpp"
#include "lazygumbel/attention/knn/detail/prefill/row_states.hpp"
#include "lazygumbel/attention/knn/detail/prefill/tail_draws.hpp"
#include "lazygumbel/random/philox.hpp"

namespace lazygumbel::detail {

/// One segment of the queries of one kv head: plans which keys meet which queries, runs the plan,
/// judges the error and goes on where it is too large. Work memory, to be reused; one thread.
///
/// Row r is head r % group of query order[first + r / group]. A row meets the sinks and the window
/// of its block of queries with certainty, then whole lists (ListChoice); the tail of N keys is
/// drawn from uniformly. Draws are shared by a block; one that fell on a list which the row has met
/// counts as 0. What is shared is the same whatever later queries of the block want (each batch of
/// draws has a stream of its own), so that nothing that a query does not see changes its row.
template <StorageScalar T>
class PrefillSegment {
 public:
  explicit PrefillSegment(const PrefillProblem<T>& problem)
      : problem_(&problem),
        options_(problem.options),
        kernels_(&select<ProductKernels>(problem.options->attention.simd)),
        group_(problem.shape.group()),
        d_(problem.shape.dimension),
        dv_(problem.shape.value_dimension),
        runner_(*kernels_, d_, dv_, static_cast<float>(problem.options->attention.softcap)),
        choice_(*kernels_, options_->accuracy ? 0.5 * options_->accuracy->epsilon() : 0.01,
                options_->top_k, problem.options->attention.softcap),
        promises_(*options_) {}

  /// Attends to `count` queries from position `first` of the order, which see enough keys. Returns
  /// about what share of the work of exact attention that was. `stream` numbers the draws. The plan
  /// is left in plan().
  double run(std::size_t kv, std::size_t first, std::size_t count, const TimedLists<float>& lists,
             std::uint64_t stream, AttentionOutput& out) {
    start(kv, first, count);
    stream_ = stream;
    lists_ = &lists;
    add_windows();
    execute(0);
    choose_lists(lists);
    const std::size_t windows = plan_.blocks.size();
    add_lists(lists);
    execute(windows);
    if (options_->sample_tail) {
      add_tails(lists);
      judge();
      if (options_->accuracy) extend_tails(lists);
    } else {
      for (std::size_t r = 0; r < rows_; ++r)
        all_[r].promise_nothing(seen(r), options_->accuracy.has_value());
    }
    double work = 0.0, tried = 1e-9;
    make_exact();
    for (std::size_t r = 0; r < rows_; ++r) {
      write(r, out);
      if (!options_->accuracy || !(all_[r].exact || all_[r].draws > 0)) continue;
      work += all_[r].work(seen(r)), tried += 1.0;
    }
    return work / tried;
  }

  /// All keys that they see, for `count` queries.
  void run_exactly(std::size_t kv, std::size_t first, std::size_t count, AttentionOutput& out) {
    start(kv, first, count);
    for (Row& row : all_) row.exact = true;
    make_exact();
    for (std::size_t r = 0; r < rows_; ++r) write(r, out);
  }

  PlanSegment& plan() noexcept { return plan_; }

 private:
  static constexpr float infinity = std::numeric_limits<float>::infinity();
  using Block = PrefillBlock;
  using Row = PrefillRow;
  std::size_t seen(std::size_t r) const { return problem_->seen[plan_.first + r / group_]; }
  double tail_size(const Block& block) const {
    return static_cast<double>(block.window - options_->sinks);
  }

  void start(std::size_t kv, std::size_t first, std::size_t count) {
    plan_ = {};
    plan_.kv_head = kv;
    plan_.first = first;
    plan_.queries = count;
    rows_ = count * group_;
    all_.assign(rows_, {});
    queries_.resize(rows_ * d_);
    for (std::size_t r = 0; r < rows_; ++r) {
      const float* const from =
          problem_->queries.row(problem_->order[first + r / group_], kv * group_ + r % group_);
      for (std::size_t j = 0; j < d_; ++j)
        queries_[r * d_ + j] =
            static_cast<float>(problem_->shape.scale * static_cast<double>(from[j]));
    }
    states_.start(rows_, dv_, runner_.value_width(), runner_.moment_width());
  }

  void execute(std::size_t from) {
    for (std::size_t b = from; b < plan_.blocks.size(); ++b) {
      const PlanBlock& block = plan_.blocks[b];
      if (block.keys.empty()) continue;
      runner_.run(block, queries_.data(), problem_->keys.row(0, plan_.kv_head),
                  problem_->keys.token_stride(), problem_->values.row(0, plan_.kv_head),
                  problem_->values.token_stride(), block.sampled ? states_.tail : states_.certain,
                  block.sampled ? &states_.moments : nullptr);
    }
  }

  void add_windows() {
    const std::size_t together = (std::max)(std::size_t{1}, std::size_t{256} / group_) * group_;
    const std::size_t sinks = options_->sinks;
    blocks_.clear();
    for (std::size_t first = 0; first < rows_; first += together) {
      Block block{.first = first, .count = (std::min)(together, rows_ - first), .window = sinks};
      const std::size_t least = seen(first), most = seen(first + block.count - 1);
      const std::size_t behind = least - (std::min)(sinks, least);
      const std::size_t tail = behind - (std::min)(options_->window, behind);
      if (tail > 0 && (tail - 1) / 4 >= options_->tail_samples) {
        block.window = least - options_->window;
        block.has_tail = true;
      } else {
        block.window = (std::min)(sinks, least);
      }
      PlanBlock keys;
      const std::size_t begin = block.has_tail ? sinks : block.window;
      for (std::size_t j = 0; j < begin; ++j) keys.keys.push_back(static_cast<item_id>(j));
      for (std::size_t j = block.window; j < most; ++j)
        keys.keys.push_back(static_cast<item_id>(j));
      for (std::size_t r = first; r < first + block.count; ++r) {
        keys.rows.push_back(static_cast<std::uint32_t>(r));
        keys.limits.push_back(static_cast<std::uint32_t>(begin + seen(r) - block.window));
        all_[r].touched = keys.limits.back();
      }
      plan_.blocks.push_back(std::move(keys));
      blocks_.push_back(std::move(block));
    }
  }

  /// The lists that each row meets: see the class.
  void choose_lists(const TimedLists<float>& lists) {
    constexpr std::size_t tile = 32;
    const std::size_t padded = lists.padded();
    scores_.resize(tile * padded);
    spreads_.resize(static_cast<Eigen::Index>(lists.lists()));
    for (std::size_t g = 0; g < lists.lists(); ++g)
      spreads_[static_cast<Eigen::Index>(g)] = static_cast<float>(lists.spread(g));
    for (Block& block : blocks_) {
      if (!block.has_tail) continue;
      lists.count(options_->sinks, block.window, block.counts);
      lists.reaches(block.window, block.key_reaches, block.value_reaches);
      promises_.set_starts(tail_size(block), block);
      for (std::size_t r = block.first; r < block.first + block.count; r += tile) {
        const std::size_t some = (std::min)(tile, block.first + block.count - r);
        lists.score(queries_.data() + r * d_, static_cast<std::ptrdiff_t>(d_), some,
                    scores_.data());
        for (std::size_t i = 0; i < some; ++i) choose(block, r + i, scores_.data() + i * padded);
      }
    }
  }

  void choose(const Block& block, std::size_t r, float* scores) {
    const auto half = static_cast<float>(0.5 * square_sum(queries_.data() + r * d_, d_));
    // More draws are for a smaller error, not for fewer lists.
    const auto choice_draws =
        static_cast<double>((std::min)(options_->tail_samples, std::size_t{256}));
    finish(r);
    Row& row = all_[r];
    const auto start = promises_.start(block, states_, lists_->center());
    const std::size_t keys = choice_.choose(
        {block.counts, tail_size(block), choice_draws, all_[r].log_sum, block.key_reaches,
         block.value_reaches},
        scores, half, spreads_, start ? &*start : nullptr, row.lists, row.unseen, row.first_look);
    row.touched += static_cast<std::uint32_t>(keys);
    // Where that is most of them, exact attention is the shorter way.
    if (2 * (keys + (start ? promises_.total_of(row.first_look) : 0)) > block.window)
      row.exact = options_->accuracy.has_value();
  }

  void add_lists(const TimedLists<float>& lists) {
    visitors_.assign(lists.lists(), {});
    for (std::size_t r = 0; r < rows_; ++r)
      if (!all_[r].exact)
        for (const std::uint32_t g : all_[r].lists)
          visitors_[g].push_back(static_cast<std::uint32_t>(r));
    const std::size_t together = blocks_.front().count;
    for (std::uint32_t g = 0; g < lists.lists(); ++g) {
      if (visitors_[g].empty()) continue;
      const auto items = lists.items(g);
      const auto begin =
          items.begin() + static_cast<std::ptrdiff_t>(lists.before(g, options_->sinks));
      PlanBlock block;
      std::ptrdiff_t most = 0;
      std::size_t of = blocks_.size();
      for (const std::uint32_t r : visitors_[g]) {
        if (of != r / together) {
          of = r / together;
          const auto before = lists.before(g, blocks_[of].window);
          most = items.begin() + static_cast<std::ptrdiff_t>(before) - begin;
        }
        block.limits.push_back(static_cast<std::uint32_t>(most));
      }
      block.rows = std::move(visitors_[g]);
      block.keys.assign(begin, begin + most);
      plan_.blocks.push_back(std::move(block));
    }
  }

  /// Batch `batch` of the draws of block `b` of queries, for `rows`.
  void add_tail(const TimedLists<float>& lists, std::size_t b, std::size_t batch,
                std::vector<std::uint32_t> rows) {
    Block& block = blocks_[b];
    const std::size_t total = promises_.total_of(batch),
                      draws = batch == 0 ? total : total - promises_.total_of(batch - 1);
    const auto met = [&](std::uint32_t r) -> const auto& { return all_[r].lists; };
    PhiloxEngine engine(problem_->seed, stream_ << 32 | b << 8 | batch);
    for (const std::uint32_t r : rows) {
      states_.log_weights[r] =
          static_cast<float>(std::log(tail_size(block) / static_cast<double>(total)));
      all_[r].draws = static_cast<std::uint32_t>(total);
      all_[r].look = batch;
    }
    plan_.blocks.push_back(
        draw_tail(lists, options_->sinks, block.window, draws, std::move(rows), met, engine));
    block.note_reach(batch, lists.reach_of(plan_.blocks.back().keys));
  }

  void add_tails(const TimedLists<float>& lists) {
    const std::size_t from = plan_.blocks.size();
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      Block& block = blocks_[b];
      if (!block.has_tail) continue;
      std::vector<std::uint32_t> rows;
      for (std::size_t r = block.first; r < block.first + block.count; ++r)
        if (!all_[r].exact && all_[r].touched < seen(r))
          rows.push_back(static_cast<std::uint32_t>(r));
      block.has_tail = !rows.empty();
      block.tail = plan_.blocks.size();
      for (std::size_t batch = 0; !rows.empty(); ++batch) {
        add_tail(lists, b, batch, rows);
        std::erase_if(rows, [&](std::uint32_t r) { return all_[r].first_look <= batch; });
      }
    }
    execute(from);
  }

  /// log Z^ and, in states_.result(), o^.
  void finish(std::size_t r) {
    const auto& sinks = options_->attention.sink_logits;
    all_[r].log_sum = states_.finish(
        r, sinks.empty() ? -static_cast<double>(infinity)
                         : static_cast<double>(sinks[plan_.kv_head * group_ + r % group_]));
  }

  /// Judges every row that has draws. How many directions the errors have depends little on the
  /// row: the draws of a few rows are taken apart, for the rows behind them too.
  void judge() {
    constexpr std::size_t probes = 4;
    for (const Block& block : blocks_) {
      if (!block.has_tail) continue;
      const std::vector<std::uint32_t>& rows = plan_.blocks[block.tail].rows;
      const std::size_t step = (std::max)(std::size_t{1}, block.count / probes);
      auto degrees = static_cast<double>(dv_);
      for (std::size_t at = 0, next = 0; at < rows.size(); ++at) {
        if (const std::size_t place = rows[at] - block.first; place >= next) {
          degrees = (std::min)(degrees, degrees_of(block, at));
          next = (place / step + 1) * step;
        }
        all_[rows[at]].degrees = degrees;
        judge(block, rows[at]);
      }
    }
  }

  void judge(const Block& block, std::size_t r) {
    finish(r);
    promises_.judge(block, tail_size(block), *lists_, seen(r), states_, r, all_[r]);
  }

  /// Degrees of freedom of the errors of a row with draws, that at place `at` of the block's first.
  double degrees_of(const Block& block, std::size_t at) {
    const PlanBlock& tail = plan_.blocks[block.tail];
    const std::size_t r = tail.rows[at];
    finish(r);
    return degrees_of_row(tail, at, queries_.data() + r * d_, all_[r].log_sum, states_.result(),
                          problem_->keys.head(plan_.kv_head), problem_->values.head(plan_.kv_head),
                          options_->attention.softcap);
  }

  /// More draws for the rows that missed the target; rows that would want too many are given up, to
  /// be done exactly.
  void extend_tails(const TimedLists<float>& lists) {
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const Block& block = blocks_[b];
      if (!block.has_tail) continue;
      std::vector<std::uint32_t> rows;
      std::size_t last = 0;
      for (const std::uint32_t r : plan_.blocks[block.tail].rows) {
        Row& row = all_[r];
        if (row.met) continue;
        const std::size_t later = promises_.later_look(row, block.window);
        row.exact = later == 0;
        if (row.exact) continue;
        row.last_look = row.first_look + later;
        last = (std::max)(last, row.last_look);
        rows.push_back(r);
      }
      const std::size_t from = plan_.blocks.size();
      for (std::size_t batch = 1; batch <= last; ++batch) {
        std::vector<std::uint32_t> some;
        for (const std::uint32_t r : rows)
          if (all_[r].first_look < batch && batch <= all_[r].last_look) some.push_back(r);
        if (!some.empty()) add_tail(lists, b, batch, std::move(some));
      }
      execute(from);
      for (const std::uint32_t r : rows) {
        judge(block, r);
        all_[r].exact = !all_[r].met;
      }
    }
  }

  void make_exact() {
    PlanBlock block;
    for (std::size_t r = 0; r < rows_; ++r)
      if (all_[r].exact) block.rows.push_back(static_cast<std::uint32_t>(r));
    if (block.rows.empty()) return;
    for (PlanBlock& other : plan_.blocks)
      leave_out(other, [&](std::uint32_t r) { return all_[r].exact; });
    std::erase_if(plan_.blocks, [](const PlanBlock& other) { return other.rows.empty(); });
    std::size_t most = 0;
    for (const std::uint32_t r : block.rows) {
      block.limits.push_back(static_cast<std::uint32_t>(seen(r)));
      most = (std::max)(most, seen(r));
      states_.reset(r);
      all_[r].set_exact(seen(r));
    }
    block.keys.resize(most);
    for (std::size_t j = 0; j < most; ++j) block.keys[j] = static_cast<item_id>(j);
    plan_.blocks.push_back(std::move(block));
    execute(plan_.blocks.size() - 1);
  }

  void write(std::size_t r, AttentionOutput& out) {
    finish(r);
    const std::size_t query = problem_->order[plan_.first + r / group_];
    const std::size_t head = plan_.kv_head * group_ + r % group_;
    const Row& row = all_[r];
    float* const to = out.values.data() + (query * problem_->shape.heads + head) * dv_;
    bool finite = row.log_sum < static_cast<double>(infinity);
    for (std::size_t c = 0; c < dv_; ++c) {
      to[c] = static_cast<float>(states_.result()[c]);
      finite = finite && std::isfinite(to[c]);
    }
    if (!finite) throw_not_finite(problem_->queries, problem_->keys, problem_->values);
    out.log_sum_exp(static_cast<Eigen::Index>(query), static_cast<Eigen::Index>(head)) =
        row.log_sum;
    out.rows[query * problem_->shape.heads + head] = row.report(seen(r), options_->sample_tail);
    plan_.log_weights.push_back(states_.log_weights[r]);
    plan_.log_sums.push_back(row.log_sum);
    if (options_->accuracy) plan_.unseen.push_back(static_cast<float>(row.unseen_share));
  }

  const PrefillProblem<T>* problem_;
  const KnnAttentionOptions* options_;
  const ProductKernels* kernels_;
  std::size_t group_, d_, dv_, rows_ = 0;
  std::uint64_t stream_ = 0;
  PlanRunner<T> runner_;
  ListChoice<> choice_;
  RowPromises promises_;
  const TimedLists<float>* lists_ = nullptr;
  PlanSegment plan_;
  std::vector<Block> blocks_;
  std::vector<Row> all_;
  std::vector<float> queries_, scores_;
  Eigen::ArrayXf spreads_;
  std::vector<std::vector<std::uint32_t>> visitors_;
  RowStates states_;
};

}  // namespace lazygumbel::detail
