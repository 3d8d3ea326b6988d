#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lazygumbel/core/detail/pool.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/sampling/detail/draw_costs.hpp"
#include "lazygumbel/sampling/envelope.hpp"

namespace lazygumbel {

struct LazySamplerOptions {
  /// Items to retrieve, at most n (more is an error); 0 means the index's preferred_k, or
  /// ceil(sqrt(n)). `tune` finds the best.
  std::size_t k = 0;
  /// Added to the index's bounds, natural-log units: how far the index may have missed the true
  /// one. Costs exp(gap) as many proposals. A number is an assumed gap; calibrate_gap measures one.
  Gap gap{};
};

/// Draws from the softmax p_i = exp(<theta, x_i>) / Z over the n items of a kNN index, looking at
/// about k + n/k of them: the k largest scores by search, Gumbel noise for the rest only where it
/// could matter. A temperature t is folded into theta: pass theta / t. Exact when the index's bound
/// (plus gap) holds; see Trace::guarantee, Trace::violations and docs/guarantees.md.
///
/// Holds a reference to the index, which must outlive it. const and thread-safe: one sampler serves
/// many threads, each with its own engine. Everywhere: throws std::invalid_argument on a theta of
/// the wrong dimension or with NaN or infinity and on bad counts, index_error on an index that
/// breaks its contract. Source: Mussmann, Levy, Ermon, UAI 2017, Algorithm 1, in the form of a
/// race.
template <MipsIndex Index>
class LazySampler {
 public:
  using scalar_type = typename Index::scalar_type;

  /// Throws std::invalid_argument when k > n.
  explicit LazySampler(const Index& index, LazySamplerOptions options = {});
  explicit LazySampler(const Index&&, LazySamplerOptions = {}) = delete;

  const Index& index() const noexcept { return *index_; }
  /// The options in force; k is the number chosen when it was 0.
  const LazySamplerOptions& options() const noexcept { return options_; }

  /// One retrieval, ready to draw from, best from about `draws` times.
  Envelope<Index> prepare(const VectorView<scalar_type>& theta, std::size_t draws = 1) const;

  /// One item ~ p, with its perturbed value. Search, then O(d) for each of about n/k proposals.
  template <BitGenerator Engine>
  Draw sample(const VectorView<scalar_type>& theta, Engine& engine) const;

  /// `count` independent items ~ p after one retrieval. Scores all n items where that costs less
  /// than so many races: from the start, or when the first races looked at many rows.
  template <BitGenerator Engine>
  Draws sample(const VectorView<scalar_type>& theta, std::size_t count, Engine& engine) const;

  /// K distinct items in order, as if drawn one by one without replacement, with their perturbed
  /// values: the K largest of y_i + G_i over all n. Retrieves max(k, K) items.
  template <BitGenerator Engine>
  RankedDraws sample_without_replacement(const VectorView<scalar_type>& theta, std::size_t K,
                                         Engine& engine) const;

  /// One draw for each row of `thetas` (m x d) on up to `threads` threads (0: all). Takes one
  /// 64-bit seed from `engine`; row j draws from PhiloxEngine(seed, j), so the answer does not
  /// depend on the number of threads. Uses the index's batch search where it has one.
  template <BitGenerator Engine>
  std::vector<Draw> sample_batch(const MatrixView<scalar_type>& thetas, Engine& engine,
                                 std::size_t threads = 1) const;

 private:
  template <BitGenerator Engine>
  static Draw draw_from(const Envelope<Index>& envelope, Engine& engine);

  /// Work memory of one thread.
  struct Work {
    Envelope<Index> envelope;
    std::vector<Retrieval> found;
    std::vector<typename Envelope<Index>::own_tail_type> tails;
  };

  template <class Use>
  auto with_work(Use&& use) const {
    return pool_.borrow(
        [&] {
          return Work{Envelope<Index>(*index_), {}, {}};
        },
        std::forward<Use>(use));
  }

  /// How many queries of a batch the index wants to see at once: Index::queries_together, or few
  /// enough for their retrievals to stay in cache.
  static constexpr std::size_t queries_together() {
    if constexpr (requires { Index::queries_together; })
      return Index::queries_together;
    else
      return 64;
  }

  /// True when the index spreads a batch over threads itself.
  static constexpr bool spreads_searches() { return queries_together() > 64 && !TailIndex<Index>; }

  Draw draw_from_stream(const Envelope<Index>& envelope, std::uint64_t seed, std::size_t j) const;

  void sample_group(const MatrixView<scalar_type>& thetas, std::size_t begin, std::size_t end,
                    std::uint64_t seed, std::vector<Draw>& draws) const;

  void sample_large_group(const MatrixView<scalar_type>& thetas, std::size_t begin, std::size_t end,
                          std::uint64_t seed, std::vector<Draw>& draws, std::size_t threads) const;

  const Index* index_;
  LazySamplerOptions options_;
  detail::Pool<Work> pool_;
};

template <MipsIndex Index>
LazySampler<Index>::LazySampler(const Index& index, LazySamplerOptions options)
    : index_(&index), options_(options) {
  const std::size_t n = index.size();
  if (n == 0) detail::throw_invalid("index.size()", n, "must be at least 1");
  if (options.k > n) detail::throw_invalid("k", options.k, "exceeds n = " + detail::text_of(n));
  if (options.k == 0) options_.k = default_k(index);
}

template <MipsIndex Index>
Envelope<Index> LazySampler<Index>::prepare(const VectorView<scalar_type>& theta,
                                            std::size_t draws) const {
  Envelope<Index> envelope(*index_);
  envelope.assign(theta, options_.k, options_.gap, draws);
  return envelope;
}

template <MipsIndex Index>
template <BitGenerator Engine>
Draw LazySampler<Index>::sample(const VectorView<scalar_type>& theta, Engine& engine) const {
  return with_work([&](Work& work) {
    work.envelope.assign(theta, options_.k, options_.gap);
    return draw_from(work.envelope, engine);
  });
}

template <MipsIndex Index>
template <BitGenerator Engine>
Draws LazySampler<Index>::sample(const VectorView<scalar_type>& theta, std::size_t count,
                                 Engine& engine) const {
  return with_work([&](Work& work) {
    Envelope<Index>& envelope = work.envelope;
    const detail::DrawCosts<Index> costs(*index_);
    if (costs.scan_at_once(count))
      envelope.assign_exhaustively(theta);
    else
      envelope.assign(theta, options_.k, options_.gap, count);
    Draws draws;
    draws.trace = envelope.trace();
    draws.ids.reserve(count);
    draws.perturbed.reserve(count);
    const std::size_t head = draws.trace.rows_scored;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0 && !envelope.knows_all()) {
        const double rows =
            static_cast<double>(draws.trace.rows_scored - head) / static_cast<double>(i);
        if (costs.scan_pays(count - i, rows, envelope.has_scores()))
          envelope.score_all(draws.trace);
      }
      const Draw draw = envelope.sample(engine, draws.trace);
      draws.ids.push_back(draw.id);
      draws.perturbed.push_back(draw.perturbed);
    }
    return draws;
  });
}

template <MipsIndex Index>
template <BitGenerator Engine>
RankedDraws LazySampler<Index>::sample_without_replacement(const VectorView<scalar_type>& theta,
                                                           std::size_t K, Engine& engine) const {
  if (K == 0 || K > index_->size())
    detail::throw_invalid("K", K, "must lie in 1 .. n = " + detail::text_of(index_->size()));
  return with_work([&](Work& work) {
    work.envelope.assign(theta, (std::max)(options_.k, K), options_.gap, K);
    return work.envelope.sample_without_replacement(K, engine);
  });
}

template <MipsIndex Index>
template <BitGenerator Engine>
std::vector<Draw> LazySampler<Index>::sample_batch(const MatrixView<scalar_type>& thetas,
                                                   Engine& engine, std::size_t threads) const {
  const auto count = static_cast<std::size_t>(thetas.rows());
  for (std::size_t j = 0; j < count; ++j)
    detail::require_query<scalar_type>("thetas.row(" + detail::text_of(j) + ")",
                                       thetas.row(static_cast<Eigen::Index>(j)).transpose(),
                                       index_->dimension());
  const std::uint64_t seed = uniform_bits(engine);
  std::vector<Draw> draws(count);
  constexpr std::size_t group = queries_together();
  if constexpr (spreads_searches()) {
    for (std::size_t begin = 0; begin < count; begin += group)
      sample_large_group(thetas, begin, (std::min)(count, begin + group), seed, draws, threads);
  } else {
    parallel_for((count + group - 1) / group, threads, [&](std::size_t part) {
      const std::size_t begin = part * group;
      sample_group(thetas, begin, (std::min)(count, begin + group), seed, draws);
    });
  }
  return draws;
}

template <MipsIndex Index>
template <BitGenerator Engine>
Draw LazySampler<Index>::draw_from(const Envelope<Index>& envelope, Engine& engine) {
  Trace trace = envelope.trace();
  Draw draw = envelope.sample(engine, trace);
  draw.trace = trace;
  return draw;
}

template <MipsIndex Index>
Draw LazySampler<Index>::draw_from_stream(const Envelope<Index>& envelope, std::uint64_t seed,
                                          std::size_t j) const {
  PhiloxEngine stream(seed, j);
  return draw_from(envelope, stream);
}

template <MipsIndex Index>
void LazySampler<Index>::sample_group(const MatrixView<scalar_type>& thetas, std::size_t begin,
                                      std::size_t end, std::uint64_t seed,
                                      std::vector<Draw>& draws) const {
  with_work([&](Work& work) {
    const auto part =
        thetas.middleRows(static_cast<Eigen::Index>(begin), static_cast<Eigen::Index>(end - begin));
    work.found.resize(end - begin);
    if constexpr (BatchTailIndex<Index>) {
      work.tails.resize(end - begin);
      index_->search_batch_with_tail(part, options_.k, work.found, work.tails);
    } else if constexpr (BatchMipsIndex<Index> && !TailIndex<Index>) {
      index_->search_batch(part, options_.k, work.found);
    }
    for (std::size_t j = begin; j < end; ++j) {
      const auto theta = thetas.row(static_cast<Eigen::Index>(j)).transpose();
      if constexpr (BatchTailIndex<Index>)
        work.envelope.assign(theta, options_.k, options_.gap, work.found[j - begin],
                             work.tails[j - begin]);
      else if constexpr (BatchMipsIndex<Index> && !TailIndex<Index>)
        work.envelope.assign(theta, options_.k, options_.gap, work.found[j - begin]);
      else
        work.envelope.assign(theta, options_.k, options_.gap);
      draws[j] = draw_from_stream(work.envelope, seed, j);
    }
  });
}

template <MipsIndex Index>
void LazySampler<Index>::sample_large_group(const MatrixView<scalar_type>& thetas,
                                            std::size_t begin, std::size_t end, std::uint64_t seed,
                                            std::vector<Draw>& draws, std::size_t threads) const {
  if constexpr (spreads_searches()) {  // else never called
    std::vector<Retrieval> found(end - begin);
    index_->search_batch(
        thetas.middleRows(static_cast<Eigen::Index>(begin), static_cast<Eigen::Index>(end - begin)),
        options_.k, found, threads);
    parallel_for(end - begin, threads, [&](std::size_t i) {
      with_work([&](Work& work) {
        work.envelope.assign(thetas.row(static_cast<Eigen::Index>(begin + i)).transpose(),
                             options_.k, options_.gap, found[i]);
        draws[begin + i] = draw_from_stream(work.envelope, seed, begin + i);
      });
    });
  }
}

}  // namespace lazygumbel

#ifdef LAZYGUMBEL_COMPILED
#include "lazygumbel/sampling/detail/compiled_samplers.hpp"
#endif
