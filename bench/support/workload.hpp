#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "lazygumbel/index/flat_index.hpp"
#include "lazygumbel/index/hnsw_index.hpp"
#include "lazygumbel/sampling/tune.hpp"
#include "rival.hpp"

namespace bench {

/// Smaller data and fewer queries, to see that the programs work ($LAZYGUMBEL_BENCH_QUICK).
bool quick();

/// Unit rows to draw from, with an HNSW index over them and what building it cost.
struct Workload {
  std::string name;
  Rows rows;
  std::unique_ptr<lazygumbel::HnswIndex<float>> hnsw;
  double build_seconds = 0.0;  ///< on all cores
  std::size_t build_threads = 1;

  /// `count` random rows divided by `temperature`; different `stream`s give different rows.
  Queries thetas(std::size_t count, double temperature, std::uint64_t stream) const;

  /// Index settings tuned on rows that no benchmark queries, for a mean clipped mass <= 1e-4 and so
  /// many draws a theta. Sets the index's ef. Remembered.
  const lazygumbel::TuneResult& tuned(double temperature, std::size_t draws_per_theta = 1);

 private:
  std::map<std::pair<double, std::size_t>, lazygumbel::TuneResult> tuned_;
};

/// The names that `workload` knows: glove100k, fashion_mnist, clusters.
///
/// glove100k: 100,000 GloVe vectors of 100 dimensions, from $LAZYGUMBEL_DATA or the data folder
/// beside the project. fashion_mnist: 60,000 x 784, centred. clusters: the seeded generator,
/// 100,000 x 100. All unit-normalised. Loaded and indexed at the first call and kept; nullptr, with
/// the reason in `why`, when the data is not there.
Workload* workload(const std::string& name, std::string& why);

/// The first n rows of glove100k (or of clusters, where that is missing), freshly indexed.
std::unique_ptr<Workload> prefix(std::size_t n, std::string& why);

}  // namespace bench
