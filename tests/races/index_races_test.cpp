// What const promises and what builds on several threads, for ThreadSanitizer: indexes, samplers,
// estimators and the private front-end. Answers are those of one thread.

#include <gtest/gtest.h>

#include <cstddef>
#include <lazygumbel/core/parallel.hpp>
#include <lazygumbel/estimation/log_partition.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/ivf/ivf_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <vector>

#include "laws.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::size_t race_rows = 600, race_width = 12, race_threads = 4;

const RowMatrix<float>& rows_in_common() {
  static const RowMatrix<float> rows = gaussian_rows<float>(race_rows, race_width, 1);
  return rows;
}

const RowMatrix<float>& thetas_in_common() {
  static const RowMatrix<float> thetas = gaussian_rows<float>(40, race_width, 2);
  return thetas;
}

/// One sampler and one estimator, used by all threads at once.
template <class Index>
void use_from_all_threads(const Index& index) {
  const LazySampler sampler(index);
  const LogPartition partition(index);
  PhiloxEngine engine(3);
  const std::vector<Draw> expected = sampler.sample_batch(thetas_in_common(), engine);
  engine = PhiloxEngine(3);
  const std::vector<Draw> draws = sampler.sample_batch(thetas_in_common(), engine, race_threads);
  for (std::size_t j = 0; j < draws.size(); ++j) EXPECT_EQ(draws[j].id, expected[j].id);
  std::vector<double> sums(40);
  parallel_for(sums.size(), race_threads, [&](std::size_t j) {
    PhiloxEngine own(4, j);
    const Vector<float> theta = thetas_in_common().row(static_cast<Eigen::Index>(j)).transpose();
    sums[j] = partition.estimate(theta, 20, own).value;
    static_cast<void>(sampler.sample(theta, own));
    static_cast<void>(sampler.sample_without_replacement(theta, 3, own));
  });
  for (const double sum : sums) EXPECT_GT(sum, 0.0);
}

TEST(IndexRaces, Flat) {
  use_from_all_threads(FlatIndex<float>(RowMatrix<float>(rows_in_common())));
}

TEST(IndexRaces, Codes) {
  ScalarQuantizedIndex<float> index(rows_in_common(), {.threads = race_threads});
  index.add(rows_in_common());
  use_from_all_threads(index);
}

/// Built on several threads, and added to.
template <class Index, class Parameters>
Index made_on_threads() {
  Parameters parameters;
  parameters.threads = race_threads;
  Index index(rows_in_common(), parameters);
  index.add(rows_in_common(), race_threads);
  return index;
}

TEST(IndexRaces, Lists) {
  const auto index = made_on_threads<IvfIndex<float>, IvfParameters>();
  use_from_all_threads(index);
  use_from_all_threads(index.certified());
}

TEST(IndexRaces, Graph) {
  use_from_all_threads(made_on_threads<HnswIndex<float>, HnswParameters>());
}

}  // namespace
}  // namespace lazygumbel::testing
