#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/uniform.hpp"
#include "lazygumbel/sampling/lazy_sampler.hpp"

namespace lazygumbel {

/// An index whose searches have a beam width that trades time for recall.
template <class Index>
concept BeamIndex = MipsIndex<Index> && requires(Index& index, std::size_t ef) {
  { index.ef() } -> std::convertible_to<std::size_t>;
  index.set_ef(ef);
};

/// An index of inverted lists, of which a search scans as many as its probes say.
template <class Index>
concept ProbingIndex = MipsIndex<Index> && requires(Index& index, std::size_t probes) {
  { index.probes() } -> std::convertible_to<std::size_t>;
  index.set_probes(probes);
};

struct TuneOptions {
  /// Values of k to try; those above n are left out. Empty: 8, 16, ..., 1024 and ceil(sqrt(n)).
  std::vector<std::size_t> k{};
  /// Beam widths to try with a BeamIndex, each with the k up to it. Empty: 16, 24, 32, ..., 512.
  std::vector<std::size_t> ef{};
  /// Numbers of probes to try with a ProbingIndex. Empty: 4, 8, 16, 24, 32, 48, ..., 256.
  std::vector<std::size_t> probes{};
  Gap gap{};                        ///< LazySamplerOptions::gap to tune for
  double max_clipped_mass = 1e-5;   ///< mean over the queries, see TuneTrial
  std::size_t draws_per_theta = 1;  ///< draws that share one retrieval
};

/// What one setting measured, means over the queries.
struct TuneTrial {
  std::size_t k = 0;
  std::size_t ef = 0;      ///< 0: the index has no beam width
  std::size_t probes = 0;  ///< 0: the index does not probe
  double seconds_search = 0.0;
  double proposals = 0.0;  ///< expected tail proposals of a draw, N exp(U) / Z
  /// sum over missed items above U of (exp(y_i) - exp(U)) / Z: bounds the total variation distance
  /// between the law drawn and the softmax (docs/guarantees.md).
  double clipped_mass = 0.0;
  /// search / draws_per_theta + proposals x time per proposal; as measured for a TailIndex, whose
  /// proposals are not alike.
  double seconds_per_draw = 0.0;
};

struct TuneResult {
  LazySamplerOptions options;  ///< of the fastest trial that met max_clipped_mass
  TuneTrial best;
  bool target_met = false;  ///< false: none met it; `best` then has the smallest clipped mass
  double seconds_per_proposal = 0.0;
  std::vector<TuneTrial> trials;  ///< all, in the order tried
};

namespace detail {

/// The scores of one query over all n items, sorted, so that any bound can be judged quickly.
class ExactTail {
 public:
  template <MipsIndex Index>
  ExactTail(const Index& index, const VectorView<typename Index::scalar_type>& query) {
    for_each_score(index, query, [&](item_id, std::span<const double> scores) {
      for (const double y : scores) sorted_.push_back(y);
    });
    std::sort(sorted_.begin(), sorted_.end(), std::greater<>());
    log_z_ = log_sum_exp(std::span<const double>(sorted_));
    double sum = 0.0;
    for (const double y : sorted_) masses_.push_back(sum += std::exp(y - log_z_));
  }

  /// sum over items outside the head with y > U of (exp(y) - exp(U)) / Z. Scores within rounding
  /// (1e-6 relative) of U count as equal to it.
  double clipped_mass(const Retrieval& head, double bound) const {
    const double cut = bound + 1e-6 * (std::max)(1.0, std::abs(bound));
    const auto above = static_cast<std::size_t>(
        std::lower_bound(sorted_.begin(), sorted_.end(), cut, std::greater<>()) - sorted_.begin());
    if (above == 0) return 0.0;
    const double unit = std::exp(bound - log_z_);
    double mass = masses_[above - 1] - static_cast<double>(above) * unit;
    for (const double y : head.scores)
      if (y > cut) mass -= std::exp(y - log_z_) - unit;
    return mass > 1e-12 ? mass : 0.0;
  }

  /// N exp(U) / Z for a tail of N items.
  double proposals(std::size_t tail, double bound) const {
    return static_cast<double>(tail) * std::exp(bound - log_z_);
  }

 private:
  std::vector<double> sorted_, masses_;
  double log_z_ = 0.0;
};

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Seconds to propose and score one tail item, from 4,096 uniform items and the given query. Each
/// `stream` has items of its own, which no earlier run has brought into the caches.
template <MipsIndex Index>
double seconds_per_proposal(const Index& index,
                            const VectorView<typename Index::scalar_type>& query,
                            std::uint64_t stream = 0) {
  PhiloxEngine engine(0, stream);
  constexpr std::size_t block = 32, blocks = 128;
  std::vector<item_id> ids(block);
  std::vector<double> scores(block);
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t b = 0; b < blocks; ++b) {
    for (auto& id : ids) id = uniform_index(static_cast<item_id>(index.size()), engine);
    score_many(index, query, std::span<const item_id>(ids), std::span<double>(scores));
  }
  return seconds_since(start) / static_cast<double>(block * blocks);
}

/// Fills in the search time, proposals and clipped mass of one setting.
template <MipsIndex Index>
void measure(const Index& index, const MatrixView<typename Index::scalar_type>& queries,
             const std::vector<ExactTail>& exact, double gap, TuneTrial& trial) {
  Retrieval found;
  std::vector<item_id> sorted;
  const auto m = static_cast<double>(queries.rows());
  trial.seconds_search = std::numeric_limits<double>::infinity();
  for (int repetition = 0; repetition < 2; ++repetition) {  // the first also warms the caches
    const auto start = std::chrono::steady_clock::now();
    for (Eigen::Index j = 0; j < queries.rows(); ++j)
      search_checked(index, queries.row(j).transpose(), trial.k, found, sorted);
    trial.seconds_search = (std::min)(trial.seconds_search, seconds_since(start) / m);
  }
  for (Eigen::Index j = 0; j < queries.rows(); ++j) {
    search_checked(index, queries.row(j).transpose(), trial.k, found, sorted);
    const double bound = found.residual_bound + gap;
    const ExactTail& truth = exact[static_cast<std::size_t>(j)];
    if (index.size() == found.ids.size()) continue;
    trial.proposals += truth.proposals(index.size() - found.ids.size(), bound) / m;
    trial.clipped_mass += truth.clipped_mass(found, bound) / m;
  }
}

/// Seconds of a draw, `draws` for each query, by drawing; proposals and search time too.
template <MipsIndex Index>
void measure_draws(const Index& index, const MatrixView<typename Index::scalar_type>& queries,
                   Gap gap, std::size_t draws, TuneTrial& trial) {
  Envelope<Index> envelope(index);
  const auto m = static_cast<double>(queries.rows());
  trial.seconds_per_draw = trial.seconds_search = std::numeric_limits<double>::infinity();
  for (int repetition = 0; repetition < 2; ++repetition) {
    PhiloxEngine engine(0);
    Trace trace;
    double search = 0.0, all = 0.0;
    for (Eigen::Index j = 0; j < queries.rows(); ++j) {
      const auto start = std::chrono::steady_clock::now();
      envelope.assign(queries.row(j).transpose(), trial.k, gap, draws);
      search += seconds_since(start);
      for (std::size_t i = 0; i < draws; ++i) envelope.sample(engine, trace);
      all += seconds_since(start);
    }
    trial.seconds_search = (std::min)(trial.seconds_search, search / m);
    trial.seconds_per_draw =
        (std::min)(trial.seconds_per_draw, all / m / static_cast<double>(draws));
    trial.proposals = static_cast<double>(trace.proposals) / m / static_cast<double>(draws);
  }
}

}  // namespace detail

/// Picks k (and the beam width of a BeamIndex or the probes of a ProbingIndex, which it sets on
/// `index`) by measuring on `queries` (m x d, drawn as later thetas will be, temperature included):
/// the fastest draw whose mean clipped mass is at most max_clipped_mass. Scans all n items once per
/// query, unless the index certifies, so the clipped masses and proposals are exact for these
/// queries; a mean below 1e-4 wants more than 1e4 / m of luck to hold elsewhere, so take hundreds.
/// Times vary from run to run, and the answer with them. Memory O(m n) doubles. Throws
/// std::invalid_argument on no queries, NaN, infinity or bad options.
template <MipsIndex Index>
TuneResult tune(Index& index, const MatrixView<typename Index::scalar_type>& queries,
                TuneOptions options = {}) {
  const std::size_t n = index.size();
  detail::require_rows<typename Index::scalar_type>("queries", queries);
  if (!(options.max_clipped_mass >= 0.0))
    detail::throw_invalid("max_clipped_mass", options.max_clipped_mass, "must not be negative");
  if (options.draws_per_theta == 0)
    detail::throw_invalid("draws_per_theta", options.draws_per_theta, "must be at least 1");
  if (options.k.empty()) {
    options.k = {8, 16, 32, 64, 128, 256, 512, 1024};
    options.k.push_back(static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(n)))));
  }
  if (options.ef.empty()) options.ef = {16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512};
  if (options.probes.empty()) options.probes = {4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256};
  std::sort(options.k.begin(), options.k.end());
  std::erase_if(options.k, [&](std::size_t k) { return k > n; });
  if (options.k.empty()) options.k = {n};
  for (const std::size_t k : options.k)
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");

  TuneResult result;
  std::vector<detail::ExactTail> exact;  // a TailIndex certifies: nothing can be clipped
  if constexpr (!TailIndex<Index>)
    for (Eigen::Index j = 0; j < queries.rows(); ++j)
      exact.emplace_back(index, queries.row(j).transpose());
  result.seconds_per_proposal = detail::seconds_per_proposal(index, queries.row(0).transpose());

  const auto try_setting = [&](TuneTrial trial) {
    if constexpr (TailIndex<Index>) {
      detail::measure_draws(index, queries, options.gap, options.draws_per_theta, trial);
    } else {
      detail::measure(index, queries, exact, options.gap.value, trial);
      trial.seconds_per_draw = trial.seconds_search / static_cast<double>(options.draws_per_theta) +
                               trial.proposals * result.seconds_per_proposal;
    }
    result.trials.push_back(trial);
  };
  if constexpr (BeamIndex<Index>) {
    for (const std::size_t ef : options.ef) {
      index.set_ef(ef);
      for (const std::size_t k : options.k)
        if (k <= ef) try_setting({.k = k, .ef = ef});
    }
    if (result.trials.empty()) {  // every k was above every ef
      index.set_ef(options.k.front());
      try_setting({.k = options.k.front(), .ef = options.k.front()});
    }
  } else if constexpr (ProbingIndex<Index>) {
    for (const std::size_t probes : options.probes) {
      index.set_probes(probes);
      for (const std::size_t k : options.k) try_setting({.k = k, .probes = probes});
    }
  } else {
    for (const std::size_t k : options.k) try_setting({.k = k});
  }

  const auto better = [&](const TuneTrial& a, const TuneTrial& b) {
    const bool a_met = a.clipped_mass <= options.max_clipped_mass;
    const bool b_met = b.clipped_mass <= options.max_clipped_mass;
    if (a_met != b_met) return a_met;
    return a_met ? a.seconds_per_draw < b.seconds_per_draw : a.clipped_mass < b.clipped_mass;
  };
  result.best = *std::min_element(result.trials.begin(), result.trials.end(), better);
  result.target_met = result.best.clipped_mass <= options.max_clipped_mass;
  result.options = {.k = result.best.k, .gap = options.gap};
  if constexpr (BeamIndex<Index>) index.set_ef(result.best.ef);
  if constexpr (ProbingIndex<Index>) index.set_probes(result.best.probes);
  return result;
}

}  // namespace lazygumbel
