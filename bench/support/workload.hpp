#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "lazygumbel/index/flat_index.hpp"
#include "lazygumbel/index/hnsw/hnsw_index.hpp"
#include "lazygumbel/index/ivf/ivf_index.hpp"
#include "lazygumbel/index/quantized/scalar_quantized_index.hpp"
#include "lazygumbel/sampling/tune.hpp"
#include "rival.hpp"

namespace bench {

/// Smaller data and fewer queries, to see that the programs work ($LAZYGUMBEL_BENCH_QUICK).
bool quick();

/// An index and what building it cost.
template <class Index>
struct Built {
  std::unique_ptr<Index> index;
  double build_seconds = 0.0;
  std::size_t build_threads = 1;
};

/// Unit rows to draw from and indexes over them, each built when it is first asked for: HNSW on all
/// cores, the others on one.
class Workload {
 public:
  Workload(std::string name, Rows rows) : name_(std::move(name)), rows_(std::move(rows)) {}

  const std::string& name() const noexcept { return name_; }
  const Rows& rows() const noexcept { return rows_; }
  lazygumbel::RowPointer<float> view() const {
    return {rows_.data(), rows_.rows(), rows_.cols(), Eigen::OuterStride<>(rows_.cols())};
  }

  Built<lazygumbel::HnswIndex<float>>& hnsw();
  Built<lazygumbel::ScalarQuantizedIndex<float>>& quantized();
  Built<lazygumbel::IvfIndex<float>>& ivf();

  /// `count` random rows divided by `temperature`; different `stream`s give different rows.
  Queries thetas(std::size_t count, double temperature, std::uint64_t stream) const;

  /// Settings tuned on rows that no benchmark queries, for so many draws a theta and, where the
  /// index certifies nothing, a mean clipped mass <= 1e-4. Sets them on the index. Remembered by
  /// `method`.
  template <class Index>
  const lazygumbel::TuneResult& tuned(const std::string& method, Index& index, double temperature,
                                      std::size_t draws_per_theta = 1) {
    auto& result = tuned_[{method, temperature, draws_per_theta}];
    if (result.trials.empty()) {
      lazygumbel::TuneOptions options;
      options.max_clipped_mass = 5e-5;  // half the target: the queries to come are others
      options.draws_per_theta = draws_per_theta;
      options.k = lazygumbel::TailIndex<Index> ? few_heads() : many_heads();
      options.ef = {16, 24, 32, 48, 64, 96, 128, 256};
      options.probes = {16, 32, 64, 88, 128, 192, 256};
      result = lazygumbel::tune(index, thetas(quick() ? 100 : 500, temperature, 1), options);
    }
    if constexpr (lazygumbel::BeamIndex<Index>) index.set_ef(result.best.ef);
    if constexpr (lazygumbel::ProbingIndex<Index>) index.set_probes(result.best.probes);
    return result;
  }

 private:
  static std::vector<std::size_t> few_heads() { return {2, 4, 8, 16, 32}; }
  static std::vector<std::size_t> many_heads() { return {8, 16, 32, 64, 128}; }

  std::string name_;
  Rows rows_;
  Built<lazygumbel::HnswIndex<float>> hnsw_;
  Built<lazygumbel::ScalarQuantizedIndex<float>> quantized_;
  Built<lazygumbel::IvfIndex<float>> ivf_;
  std::map<std::tuple<std::string, double, std::size_t>, lazygumbel::TuneResult> tuned_;
};

/// The names that `workload` knows: glove100k, fashion_mnist, clusters, gaussian.
///
/// glove100k: 100,000 GloVe vectors of 100 dimensions, from $LAZYGUMBEL_DATA or the data folder
/// beside the project. fashion_mnist: 60,000 x 784, centred. clusters: the seeded generator,
/// 100,000 x 100. gaussian: 100,000 x 100 independent normals, the worst case, where no row is
/// like another. All unit-normalised. Loaded at the first call and kept; nullptr, with the reason
/// in `why`, when the data is not there.
Workload* workload(const std::string& name, std::string& why);

/// The first n rows of glove100k (or of clusters, where that is missing).
std::unique_ptr<Workload> prefix(std::size_t n, std::string& why);

}  // namespace bench
