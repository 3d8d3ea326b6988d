#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/sampling/exhaustive.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <random>

#include "laws.hpp"
#include "race_draws.hpp"
#include "score_index.hpp"

// Every sampler with every index against the exact softmax. Unless a test says otherwise:
//   draws      1,000,000 a law over n = 200 items (201 for one)
//   test       chi-square, refused at p < 1e-6
//   false alarm 1e-6 a law (about 100 laws here: 1e-4 for the file), seeds fixed
//   power      >= 0.9 against a root mean square relative error of the probabilities of 1.3%, that
//              is against a total variation distance of 0.0064 spread over all items, or one item
//              of probability 0.01 that is off by 13% (asserted in SmallestDefect).

namespace lazygumbel::testing {
namespace {

constexpr std::size_t sampler_items = 200, sampler_dimension = 6, sampler_draws = 1'000'000;

TEST(SamplerLaw, SmallestDefect) {
  EXPECT_LT(smallest_defect(sampler_items, sampler_draws), 0.013);
  std::vector<double> null(sampler_items, 0.99 / (sampler_items - 1)),
      truth(sampler_items, (1.0 - 0.0113) / (sampler_items - 1));
  null[0] = 0.01, truth[0] = 0.0113;
  EXPECT_GT(chi_square_power(sampler_draws, null, truth), 0.9);
}

// Scores of standard deviation 0.1 (all items about equal), 1.5, and 6 (one to three items have
// nearly all the mass); rows of uneven norm, so that the two graph geometries differ.
struct Temperature {
  const char* name;
  double spread;
};
constexpr Temperature temperatures[] = {{"flat", 0.1}, {"warm", 1.5}, {"peaked", 6.0}};

template <class Scalar>
RowMatrix<Scalar> uneven_rows() {
  RowMatrix<Scalar> rows = gaussian_rows<Scalar>(sampler_items, sampler_dimension, 1);
  for (Eigen::Index i = 0; i < rows.rows(); ++i)
    rows.row(i) *= static_cast<Scalar>(0.5 + 0.005 * static_cast<double>(i));
  return rows;
}

template <class Index>
Vector<typename Index::scalar_type> query_of_spread(const Index& index, double spread,
                                                    std::uint64_t seed = 2) {
  using Scalar = typename Index::scalar_type;
  const Vector<Scalar> theta = gaussian_query<Scalar>(index.dimension(), seed);
  const double sd = std::sqrt(mean_and_variance(scores_of<Index>(index, theta)).second);
  return theta * static_cast<Scalar>(spread / sd);
}

// Exhaustive.

template <class Scalar>
void check_gumbel_max(const Temperature& temperature, std::size_t count) {
  const FlatIndex<Scalar> index(uneven_rows<Scalar>());
  const Vector<Scalar> theta = query_of_spread(index, temperature.spread);
  std::vector<Scalar> scores;
  for (const double y : scores_of(index, theta)) scores.push_back(static_cast<Scalar>(y));
  PhiloxEngine engine(3);
  const auto counter = count_draws(
      sampler_items, count, [&] { return gumbel_max(std::span<const Scalar>(scores), engine).id; });
  expect_law(counter, softmax_of(index, theta), temperature.name);
}

TEST(SamplerLaw, GumbelMaxOfFloats) { check_gumbel_max<float>(temperatures[1], sampler_draws); }

// 250,000 draws a law, as each draw costs 200 Gumbels: an rms relative error of 2.6% is detected.
TEST(SamplerLaw, GumbelMaxAtOtherTemperatures) {
  EXPECT_LT(smallest_defect(sampler_items, 250'000), 0.026);
  check_gumbel_max<float>(temperatures[0], 250'000);
  check_gumbel_max<float>(temperatures[2], 250'000);
  check_gumbel_max<double>(temperatures[1], 250'000);
}

TEST(SamplerLaw, GumbelTopOne) {
  const FlatIndex<double> index(uneven_rows<double>());
  const Vector<double> theta = query_of_spread(index, 1.5);
  const std::vector<double> scores = scores_of(index, theta);
  PhiloxEngine engine(4);
  const auto counter = count_draws(sampler_items, 250'000, [&] {
    return gumbel_top_k(std::span<const double>(scores), 1, engine).ids.front();
  });
  expect_law(counter, softmax(scores), "K = 1");
}

// Many draws after one retrieval.

template <class Index>
void check_many(const Index& index, std::size_t k, double gap, std::uint64_t seed,
                std::size_t count = sampler_draws) {
  const LazySampler sampler(index, {.k = k, .gap = gap});
  for (const auto& [name, spread] : temperatures) {
    const auto theta = query_of_spread(index, spread);
    PhiloxEngine engine(seed);
    const Draws answer = draws_by_race(sampler, theta, count, engine);
    ASSERT_EQ(answer.ids.size(), count);
    EXPECT_EQ(answer.trace.violations, 0U);
    Counter counter(sampler_items);
    counter.add_all(answer.ids);
    expect_law(counter, softmax_of<Index>(index, theta),
               std::string(name) + ", k = " + std::to_string(k) + ", gap = " + std::to_string(gap));
  }
}

TEST(SamplerLaw, FlatOfFloatsForAllHeadSizes) {
  const FlatIndex<float> index(uneven_rows<float>());
  for (const std::size_t k : {std::size_t{4}, std::size_t{15}, sampler_items})
    check_many(index, k, 0.0, 100 + k);
}

// The peaked law makes about n proposals a draw when k = 1 (and often goes past n, where the rest
// is scored whole): 200,000 draws, an rms relative error of 2.9% is detected.
TEST(SamplerLaw, FlatOfFloatsForAHeadOfOne) {
  EXPECT_LT(smallest_defect(sampler_items, 200'000), 0.029);
  check_many(FlatIndex<float>(uneven_rows<float>()), 1, 0.0, 101, 200'000);
}

TEST(SamplerLaw, FlatOfFloatsWithAGap) {
  const FlatIndex<float> index(uneven_rows<float>());
  for (const std::size_t k : {std::size_t{4}, std::size_t{15}, sampler_items})
    check_many(index, k, 0.7, 200 + k);
}

TEST(SamplerLaw, FlatOfDoubles) {
  const FlatIndex<double> index(uneven_rows<double>());
  check_many(index, 4, 0.0, 301);
  check_many(index, 15, 0.7, 302);
}

TEST(SamplerLaw, MinimalIndex) {
  const MinimalIndex index(uneven_rows<double>());
  check_many(index, 4, 0.0, 401);
  check_many(index, 15, 0.7, 402);
}

// A beam of n finds the true top k here (asserted through violations == 0); the law of a graph that
// misses is tested in hnsw_law_test.cpp.
template <class Scalar>
void check_hnsw(HnswGeometry geometry, std::uint64_t seed) {
  HnswParameters parameters;
  parameters.geometry = geometry;
  parameters.ef = sampler_items;
  const HnswIndex<Scalar> index(uneven_rows<Scalar>(), parameters);
  ASSERT_EQ(index.parameters().geometry, geometry);
  check_many(index, 4, 0.0, seed);
  check_many(index, 15, 0.7, seed + 1);
}

TEST(SamplerLaw, HnswOfInnerProducts) { check_hnsw<float>(HnswGeometry::inner_product, 501); }
TEST(SamplerLaw, HnswOfReducedRows) { check_hnsw<float>(HnswGeometry::l2_reduction, 503); }
TEST(SamplerLaw, HnswOfDoubles) { check_hnsw<double>(HnswGeometry::l2_reduction, 505); }

TEST(SamplerLaw, FewerThanKItemsWithABound) {
  // A head of 3 where 15 were asked for, and no head at all: the tail does everything.
  const std::vector<double> scores =
      scores_of(FlatIndex<double>(uneven_rows<double>()),
                query_of_spread(FlatIndex<double>(uneven_rows<double>()), 1.5));
  for (const std::size_t returned : {std::size_t{3}, std::size_t{0}}) {
    ScoreIndex index(scores);
    index.limit(returned).state_bound(0.0, Guarantee::certified());
    PhiloxEngine engine(600 + returned);
    const Draws answer =
        draws_by_race(LazySampler(index, {.k = 15}), unit_query(), sampler_draws / 2, engine);
    Counter counter(sampler_items);
    counter.add_all(answer.ids);
    expect_law(counter, softmax(scores), std::to_string(returned) + " returned");
  }
}

TEST(SamplerLaw, MaskedItemsAreNeverDrawn) {
  // A third of the items masked, some in the head when k = n.
  std::vector<bool> masked(sampler_items);
  for (std::size_t i = 0; i < sampler_items; ++i) masked[i] = i % 3 == 0;
  const MaskedIndex index(uneven_rows<double>(), masked);
  const Vector<double> theta = gaussian_query(sampler_dimension, 2);
  for (const std::size_t k : {std::size_t{4}, sampler_items}) {
    PhiloxEngine engine(700 + k);
    Counter counter(sampler_items);
    counter.add_all(draws_by_race(LazySampler(index, {.k = k}), theta, sampler_draws, engine).ids);
    expect_law(counter, softmax_of(index, theta), "k = " + std::to_string(k));
    for (std::size_t i = 0; i < sampler_items; i += 3) EXPECT_EQ(counter.counts()[i], 0U);
  }
}

TEST(SamplerLaw, DuplicatedRowsShareTheirMass) {
  // Every row four times: ties everywhere, also across the head's border.
  RowMatrix<float> rows = uneven_rows<float>();
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) = rows.row(i / 4 * 4).eval();
  const FlatIndex<float> index(rows);
  check_many(index, 6, 0.0, 801);
}

// One retrieval a draw.

template <class Index>
void check_single(const Index& index, std::size_t k, std::size_t count, std::uint64_t seed) {
  const LazySampler sampler(index, {.k = k});
  const auto theta = query_of_spread(index, 1.5);
  PhiloxEngine engine(seed);
  const auto counter =
      count_draws(sampler_items, count, [&] { return sampler.sample(theta, engine).id; });
  expect_law(counter, softmax_of<Index>(index, theta), "one draw a retrieval");
}

TEST(SamplerLaw, SingleDrawsOfFlat) {
  check_single(FlatIndex<float>(uneven_rows<float>()), 8, sampler_draws, 901);
}

// 100,000 draws: a root mean square relative error of 4.1% is detected.
TEST(SamplerLaw, SingleDrawsOfHnsw) {
  EXPECT_LT(smallest_defect(sampler_items, 100'000), 0.041);
  HnswParameters parameters;
  parameters.geometry = HnswGeometry::l2_reduction;
  parameters.ef = 100;
  check_single(HnswIndex<float>(uneven_rows<float>(), parameters), 8, 100'000, 902);
}

TEST(SamplerLaw, SingleDrawsFromABiasFreeEngineOf32Bits) {
  const FlatIndex<float> index(uneven_rows<float>());
  const Vector<float> theta = query_of_spread(index, 1.5);
  std::mt19937 engine(903);
  Counter counter(sampler_items);
  counter.add_all(draws_by_race(LazySampler(index, {.k = 8}), theta, sampler_draws, engine).ids);
  expect_law(counter, softmax_of(index, theta), "std::mt19937");
}

// A batch: two thetas in turn, each draw from a stream of its own. 500,000 draws a law: a root mean
// square relative error of 1.9% is detected.

template <class Index>
void check_batch(const Index& index, std::size_t count, std::uint64_t seed) {
  using Scalar = typename Index::scalar_type;
  const Vector<Scalar> warm = query_of_spread(index, 1.5), peaked = query_of_spread(index, 4.0, 5);
  RowMatrix<Scalar> thetas(static_cast<Eigen::Index>(count), sampler_dimension);
  for (Eigen::Index j = 0; j < thetas.rows(); ++j)
    thetas.row(j) = (j % 2 == 0 ? warm : peaked).transpose();
  PhiloxEngine engine(seed);
  const std::vector<Draw> batch = LazySampler(index, {.k = 8}).sample_batch(thetas, engine);
  Counter of_warm(sampler_items), of_peaked(sampler_items);
  for (std::size_t j = 0; j < batch.size(); ++j)
    (j % 2 == 0 ? of_warm : of_peaked).add(batch[j].id);
  expect_law(of_warm, softmax_of<Index>(index, warm), "even rows");
  expect_law(of_peaked, softmax_of<Index>(index, peaked), "odd rows");
}

TEST(SamplerLaw, BatchOfFlat) {
  EXPECT_LT(smallest_defect(sampler_items, sampler_draws / 2), 0.019);
  check_batch(FlatIndex<float>(uneven_rows<float>()), sampler_draws, 1001);
}

// 50,000 draws a law: 5.8%.
TEST(SamplerLaw, BatchOfHnsw) {
  EXPECT_LT(smallest_defect(sampler_items, 50'000), 0.058);
  HnswParameters parameters;
  parameters.geometry = HnswGeometry::inner_product;
  parameters.ef = 100;
  check_batch(HnswIndex<float>(uneven_rows<float>(), parameters), 100'000, 1002);
}

TEST(SamplerLaw, EnvelopeReusedForOtherThetas) {
  // The memory of one theta must not leak into the next: warm, peaked, warm again.
  const FlatIndex<double> index(uneven_rows<double>());
  const Vector<double> warm = query_of_spread(index, 1.5), peaked = query_of_spread(index, 6.0, 5);
  Envelope envelope(index);
  PhiloxEngine engine(1101);
  for (const Vector<double>& theta : {warm, peaked, warm}) {
    envelope.assign(theta, 8, 0.2);
    Trace trace = envelope.trace();
    expect_law(count_draws(sampler_items, sampler_draws,
                           [&] { return envelope.sample(engine, trace).id; }),
               softmax_of(index, theta), "reused envelope");
  }
}

TEST(SamplerLaw, NeighbouringStreamsAreIndependent) {
  // (draw of stream j, draw of stream j + 1) over 12 x 12 cells, 250,000 pairs: an rms relative
  // error of 2.4% of the joint law is detected.
  EXPECT_LT(smallest_defect(144, 250'000), 0.024);
  std::vector<double> scores;
  for (int i = 0; i < 12; ++i) scores.push_back(0.2 * i);
  const ScoreIndex index(scores);
  const RowMatrix<double> thetas = RowMatrix<double>::Ones(500'000, 1);
  PhiloxEngine engine(1201);
  const auto batch = LazySampler(index, {.k = 3}).sample_batch(thetas, engine);
  Counter counter(144);
  for (std::size_t j = 0; j < batch.size(); j += 2)
    counter.add(batch[j].id * 12U + batch[j + 1].id);
  const auto p = softmax(scores);
  std::vector<double> law;
  for (const double a : p)
    for (const double b : p) law.push_back(a * b);
  expect_law(counter, law, "pairs of streams");
}

}  // namespace
}  // namespace lazygumbel::testing
