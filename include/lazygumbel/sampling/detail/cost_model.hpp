#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/index/flat_index.hpp"
#include "lazygumbel/index/hnsw/hnsw_index.hpp"
#include "lazygumbel/index/ivf/ivf_index.hpp"
#include "lazygumbel/index/quantized/scalar_quantized_index.hpp"
#include "lazygumbel/sampling/tune.hpp"

namespace lazygumbel::detail {

/// What an index over n rows will cost.
struct PredictedCost {
  double build_seconds = 0.0;
  double seconds_per_draw = 0.0;
  std::size_t k = 0;  ///< items retrieved for a draw
};

/// min(count, n) evenly spaced rows.
template <class Scalar>
RowMatrix<Scalar> spaced_rows(const MatrixView<Scalar>& rows, std::size_t count) {
  const auto n = static_cast<std::size_t>(rows.rows());
  RowMatrix<Scalar> some(static_cast<Eigen::Index>((std::min)(count, n)), rows.cols());
  for (Eigen::Index i = 0; i < some.rows(); ++i)
    some.row(i) = rows.row(i * rows.rows() / some.rows());
  return some;
}

template <class Scalar>
RowPointer<Scalar> pointer_to(const MatrixView<Scalar>& rows) {
  return {rows.data(), rows.rows(), rows.cols(), Eigen::OuterStride<>(rows.outerStride())};
}

/// An index and how long it took to make.
template <class Index>
struct TimedIndex {
  Index index;
  double seconds;
};

template <class Make>
auto timed(Make&& make) {
  const auto start = std::chrono::steady_clock::now();
  auto index = make();
  return TimedIndex<decltype(index)>{std::move(index), seconds_since(start)};
}

/// Row products of building an IvfIndex with default parameters: k-means on its sample and one
/// assignment of all rows, to 4 sqrt(n) centroids each. Grows as n^1.5.
inline double ivf_build_products(std::size_t n) {
  const IvfParameters defaults;
  const std::size_t lists = default_lists(n);
  const std::size_t trained = (std::min)(n, defaults.rows_per_list * lists);
  return static_cast<double>(defaults.iterations * trained + n) * static_cast<double>(lists);
}

/// Row products of its search: the centroids and the probed share of the rows. Grows as n.
inline double ivf_search_products(std::size_t n) {
  const auto lists = static_cast<double>(default_lists(n));
  const auto probes = static_cast<double>(default_probes(default_lists(n)));
  return lists + static_cast<double>(n) * probes / lists;
}

/// Rows that a search of a graph passes, up to a factor. Grows as log n.
inline double graph_steps(std::size_t n) { return std::log(static_cast<double>(n) + 1.0); }

/// The time at `n` on the line through (n1, t1) and (n2, t2), n1 <= n2 <= n; a line that falls,
/// which only noise can make, counts as level.
inline double extrapolate(double n1, double t1, double n2, double t2, double n) {
  return n1 < n2 ? t2 + (std::max)(0.0, t2 - t1) / (n2 - n1) * (n - n2) : t2;
}

/// Predicts build and draw times over n rows from runs on a sample of them, scaled by each index's
/// growth, on one thread. What can be had from a scan of all rows is: the time of a FlatIndex, of a
/// scattered row, and the number of proposals. Refers to rows and thetas. Times vary from run to
/// run, and the answers with them.
template <class Scalar>
class CostModel {
 public:
  /// Throws std::invalid_argument on rows or thetas that are empty, not finite or do not match.
  CostModel(const MatrixView<Scalar>& rows, const MatrixView<Scalar>& thetas)
      : rows_(rows),
        thetas_(thetas),
        flat_(timed([&] { return FlatIndex<Scalar>::over(pointer_to<Scalar>(rows)); })) {
    require_rows<Scalar>("example_thetas", thetas);
    if (thetas.cols() != rows.cols())
      throw_invalid("example_thetas.cols()", thetas.cols(),
                    "must equal rows.cols() = " + text_of(rows.cols()));
    seconds_per_scan_ = scan_seconds(flat_.index);
    seconds_per_proposal_ = scattered_row_seconds(flat_.index);
    count_proposals();
  }

  /// Measured over all rows, nothing is scaled.
  PredictedCost flat() const { return {flat_.seconds, seconds_per_scan_, default_k(flat_.index)}; }

  /// Coding grows as n. So does the scan of the codes, but for its start, so two sizes are
  /// measured. The rest of a draw, a few proposals, does not grow.
  PredictedCost quantized(std::size_t sample_rows) const {
    struct Run {
      double rows, build;
      TuneTrial trial;
    };
    const auto run = [&](std::size_t count) {
      const RowMatrix<Scalar> sample = spaced_rows<Scalar>(rows_, count);
      const auto built =
          timed([&] { return ScalarQuantizedIndex<Scalar>::over(pointer_to<Scalar>(sample)); });
      Run result{static_cast<double>(sample.rows()), built.seconds, {.k = default_k(built.index)}};
      measure_draws(built.index, thetas_, Gap{}, 1, result.trial);
      return result;
    };
    const Run small = run((sample_rows + 3) / 4), large = run(sample_rows);
    const auto n = static_cast<double>(size());
    const double search = extrapolate(small.rows, small.trial.seconds_search, large.rows,
                                      large.trial.seconds_search, n);
    const double rest = large.trial.seconds_per_draw - large.trial.seconds_search;
    return {large.build * n / large.rows, search + (std::max)(0.0, rest), large.trial.k};
  }

  /// Build and search grow as the products that they make, the search also as the time of a row in
  /// a scan. `tail` multiplies the proposals.
  PredictedCost ivf(std::size_t sample_rows, double tail) const {
    const RowMatrix<Scalar> sample = spaced_rows<Scalar>(rows_, sample_rows);
    const auto [index, seconds] = timed([&] { return IvfIndex<Scalar>(sample); });
    const double build = seconds * ivf_build_products(size()) / ivf_build_products(index.size());
    if (index.size() == size()) return with_best_head(index, build, 1.0, tail);
    const double per_row = seconds_per_scan_ / static_cast<double>(size());
    const double per_sampled_row =
        scan_seconds(FlatIndex<Scalar>::over(pointer_to<Scalar>(sample))) /
        static_cast<double>(index.size());
    const double growth = ivf_search_products(size()) / ivf_search_products(index.size()) *
                          (std::max)(1.0, per_row / per_sampled_row);
    return with_best_head(index, build, growth, tail);
  }

  /// A search passes about log n rows, scattered over memory: what one of those costs among n rows
  /// and among the sample's is measured. An insertion is a search. Uneven norms add the trial of
  /// two geometries on 4,000 rows that HnswGeometry::automatic makes.
  PredictedCost hnsw(std::size_t sample_rows, double tail) const {
    const RowMatrix<Scalar> sample = spaced_rows<Scalar>(rows_, sample_rows);
    const Vector<Scalar> squares = rows_.rowwise().squaredNorm();
    const bool uneven = squares.minCoeff() < Scalar(0.99) * squares.maxCoeff();
    HnswParameters parameters;
    parameters.geometry = uneven ? HnswGeometry::l2_reduction : HnswGeometry::inner_product;
    const auto [index, seconds] = timed([&] { return HnswIndex<Scalar>(sample, parameters); });
    const double seconds_per_row = seconds / static_cast<double>(index.size());

    const auto flat_sample = FlatIndex<Scalar>::over(pointer_to<Scalar>(sample));
    const double steps = graph_steps(size()) / graph_steps(index.size());
    const double distance = seconds_per_proposal_ / scattered_row_seconds(flat_sample);
    const double growth = index.size() == size() ? 1.0 : steps * (std::max)(1.0, distance);
    double build = seconds_per_row * growth * static_cast<double>(size());
    if (uneven)
      build += 2.0 * seconds_per_row * static_cast<double>((std::min)(size(), trial_rows));
    return with_best_head(index, build, growth, tail);
  }

 private:
  static constexpr std::size_t trial_rows = 4000;

  struct Head {
    std::size_t k;
    double proposals;  // of a draw, mean over the thetas
  };

  std::size_t size() const { return flat_.index.size(); }

  /// Fills in heads_: k = 64, the default beam of an HnswIndex, and ceil(sqrt(n)), each with the
  /// mean of (n - k) exp(k-th largest score) / Z over the thetas. O(m n d).
  void count_proposals() {
    const std::size_t n = size();
    heads_ = {{(std::min)(n, HnswParameters{}.ef), 0.0}, {default_k(flat_.index), 0.0}};
    std::vector<double> scores;
    for (Eigen::Index j = 0; j < thetas_.rows(); ++j) {
      scores.clear();
      for_each_score(flat_.index, thetas_.row(j).transpose(),
                     [&](item_id, std::span<const double> part) {
                       scores.insert(scores.end(), part.begin(), part.end());
                     });
      const double log_z = log_sum_exp(std::span<const double>(scores));
      for (Head& head : heads_) {
        const auto kth = scores.begin() + static_cast<std::ptrdiff_t>(head.k - 1);
        std::nth_element(scores.begin(), kth, scores.end(), std::greater<>());
        head.proposals += static_cast<double>(n - head.k) * std::exp(*kth - log_z) /
                          static_cast<double>(thetas_.rows());
      }
    }
  }

  /// Seconds of a draw by scanning all rows: so long that a few thetas tell.
  double scan_seconds(const FlatIndex<Scalar>& index) const {
    constexpr Eigen::Index enough = 4;
    TuneTrial trial{.k = default_k(index)};
    measure_draws(index, thetas_.topRows((std::min)(enough, thetas_.rows())), Gap{}, 1, trial);
    return trial.seconds_per_draw;
  }

  /// Seconds to propose and score one of the rows, the least of a few runs on different ones.
  double scattered_row_seconds(const FlatIndex<Scalar>& index) const {
    constexpr std::uint64_t runs = 4;
    double least = std::numeric_limits<double>::infinity();
    for (std::uint64_t stream = 0; stream < runs; ++stream)
      least = (std::min)(least, seconds_per_proposal(index, thetas_.row(0).transpose(), stream));
    return least;
  }

  /// The cheaper of the heads: a search on the sample times `growth`, plus proposals.
  template <class Index>
  PredictedCost with_best_head(const Index& index, double build, double growth, double tail) const {
    PredictedCost best{build, std::numeric_limits<double>::infinity(), 0};
    for (const Head& head : heads_) {
      const double search = search_seconds(index, (std::min)(head.k, index.size()));
      const double draw = search * growth + tail * head.proposals * seconds_per_proposal_;
      if (draw < best.seconds_per_draw) best = {build, draw, head.k};
    }
    return best;
  }

  /// Seconds of a search, mean over the thetas. Not checked: a graph over a sample may reach fewer
  /// than k rows.
  template <class Index>
  double search_seconds(const Index& index, std::size_t k) const {
    Retrieval found;
    double least = std::numeric_limits<double>::infinity();
    for (int repetition = 0; repetition < 2; ++repetition) {  // the first also warms the caches
      const auto start = std::chrono::steady_clock::now();
      for (Eigen::Index j = 0; j < thetas_.rows(); ++j)
        index.search(thetas_.row(j).transpose(), k, found);
      least = (std::min)(least, seconds_since(start) / static_cast<double>(thetas_.rows()));
    }
    return least;
  }

  MatrixView<Scalar> rows_, thetas_;
  TimedIndex<FlatIndex<Scalar>> flat_;
  double seconds_per_scan_ = 0.0, seconds_per_proposal_ = 0.0;
  std::vector<Head> heads_;
};

}  // namespace lazygumbel::detail
