#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <thread>

#include "laws.hpp"
#include "non_finite.hpp"
#include "score_index.hpp"

namespace lazygumbel::testing {
namespace {

const FlatIndex<float>& flat() {
  static const FlatIndex<float> index(gaussian_rows<float>(500, 6, 1));
  return index;
}

TEST(LazySampler, DefaultHeadIsTheSquareRootRoundedUp) {
  EXPECT_EQ(LazySampler(flat()).options().k, 23U);
  EXPECT_EQ(LazySampler(flat()).options().gap, 0.0);
  const FlatIndex<float> one(gaussian_rows<float>(1, 2, 1));
  EXPECT_EQ(LazySampler(one).options().k, 1U);
}

TEST(LazySampler, RefusesBadOptions) {
  expect_throws<std::invalid_argument>([] { LazySampler(flat(), {.k = 501}); },
                                       {"k = 501", "n = 500"});
  expect_throws<std::invalid_argument>([] { LazySampler(flat(), {.gap = -0.5}); }, {"gap = -0.5"});
  expect_throws<std::invalid_argument>([] { LazySampler(flat(), {.gap = nan}); }, {"gap = nan"});
  expect_throws<std::invalid_argument>([] { LazySampler(flat(), {.gap = infinity}); },
                                       {"gap = inf"});
  EXPECT_EQ(LazySampler(flat(), {.k = 500}).options().k, 500U);
}

TEST(LazySampler, RefusesBadThetasEverywhere) {
  const LazySampler sampler(flat());
  PhiloxEngine engine(1);
  for (const float bad : {static_cast<float>(nan), static_cast<float>(infinity)}) {
    Vector<float> theta = Vector<float>::Ones(6);
    theta[3] = bad;
    const std::string value = std::isnan(bad) ? "nan" : "inf";
    expect_throws<std::invalid_argument>([&] { sampler.sample(theta, engine); },
                                         {"theta(3) = ", value.c_str()});
    expect_throws<std::invalid_argument>([&] { sampler.sample(theta, 5, engine); },
                                         {"theta(3) = "});
    expect_throws<std::invalid_argument>(
        [&] { sampler.sample_without_replacement(theta, 2, engine); }, {"theta(3) = "});
    RowMatrix<float> thetas = RowMatrix<float>::Ones(3, 6);
    thetas(1, 3) = bad;
    expect_throws<std::invalid_argument>([&] { sampler.sample_batch(thetas, engine); },
                                         {"thetas.row(1)(3) = ", value.c_str()});
  }
  const Vector<float> wide = Vector<float>::Ones(7);
  expect_throws<std::invalid_argument>([&] { sampler.sample(wide, engine); },
                                       {".size() = 7", "dimension 6"});
  const Vector<float> huge = Vector<float>::Constant(6, 1e38F);
  expect_throws<std::invalid_argument>([&] { sampler.sample(huge, engine); }, {"overflow"});
}

TEST(LazySampler, RefusesBadRankingCounts) {
  const LazySampler sampler(flat());
  const Vector<float> theta = gaussian_query<float>(6, 2);
  PhiloxEngine engine(1);
  expect_throws<std::invalid_argument>(
      [&] { sampler.sample_without_replacement(theta, 0, engine); }, {"K = 0", "n = 500"});
  expect_throws<std::invalid_argument>(
      [&] { sampler.sample_without_replacement(theta, 501, engine); }, {"K = 501", "n = 500"});
}

TEST(LazySampler, NoDrawsAreAnEmptyAnswer) {
  PhiloxEngine engine(1);
  const Draws none = LazySampler(flat()).sample(gaussian_query<float>(6, 2), 0, engine);
  EXPECT_TRUE(none.ids.empty());
  EXPECT_TRUE(none.perturbed.empty());
  EXPECT_EQ(none.trace.head_size, 23U);
  EXPECT_TRUE(LazySampler(flat()).sample_batch(RowMatrix<float>(0, 6), engine).empty());
}

TEST(LazySampler, RankingIsDistinctAndSorted) {
  const LazySampler sampler(flat(), {.k = 4});
  PhiloxEngine engine(1);
  for (const std::size_t K : {1U, 3U, 100U, 500U}) {
    RankedDraws answer = sampler.sample_without_replacement(gaussian_query<float>(6, 3), K, engine);
    EXPECT_EQ(answer.ids.size(), K);
    EXPECT_EQ(answer.perturbed.size(), K);
    EXPECT_TRUE(std::is_sorted(answer.perturbed.rbegin(), answer.perturbed.rend()));
    std::sort(answer.ids.begin(), answer.ids.end());
    EXPECT_EQ(std::adjacent_find(answer.ids.begin(), answer.ids.end()), answer.ids.end());
    EXPECT_EQ(answer.trace.head_size, (std::max)(K, std::size_t{4}));
  }
}

TEST(LazySampler, ZeroThetaIsUniform) {
  // 500 items, 200,000 draws, chi-square at 1e-6: an rms relative error of 3.6% is detected.
  EXPECT_LT(smallest_defect(500, 200'000), 0.037);
  const Vector<float> zero = Vector<float>::Zero(6);
  PhiloxEngine engine(4);
  Counter counter(500);
  counter.add_all(LazySampler(flat()).sample(zero, 200'000, engine).ids);
  expect_law(counter, std::vector<double>(500, 1.0 / 500.0), "theta = 0");
}

TEST(LazySampler, OneItem) {
  const FlatIndex<double> one(gaussian_rows<double>(1, 2, 1));
  PhiloxEngine engine(1);
  const LazySampler sampler(one);
  EXPECT_EQ(sampler.sample(gaussian_query(2, 1), engine).id, 0U);
  EXPECT_EQ(sampler.sample_without_replacement(gaussian_query(2, 1), 1, engine).ids,
            (std::vector<item_id>{0}));
}

TEST(LazySampler, ScoresFarApartAlwaysGiveTheBest) {
  std::vector<double> scores;
  for (int i = 0; i < 40; ++i) scores.push_back(1e4 * ((i * 7) % 40));
  const FlatIndex<double> index(rows_with_scores(scores));
  PhiloxEngine engine(1);
  for (const std::size_t k : {std::size_t{1}, std::size_t{7}, std::size_t{40}})
    for (const item_id id : LazySampler(index, {.k = k}).sample(unit_query(), 200, engine).ids)
      EXPECT_EQ(scores[id], 39e4);
}

// The same batch for any number of threads: ids, values and counts.
template <class Index>
void check_threads(const Index& index) {
  using Scalar = typename Index::scalar_type;
  const RowMatrix<Scalar> thetas = gaussian_rows<Scalar>(300, index.dimension(), 5);
  const LazySampler sampler(index, {.k = 6, .gap = 0.1});
  std::vector<Draw> first;
  for (const std::size_t threads : {1U, 2U, 4U, 8U, 0U}) {
    PhiloxEngine engine(6);
    const std::vector<Draw> draws = sampler.sample_batch(thetas, engine, threads);
    ASSERT_EQ(draws.size(), 300U);
    if (first.empty()) first = draws;
    for (std::size_t j = 0; j < 300; ++j) {
      EXPECT_EQ(draws[j].id, first[j].id) << threads << " threads, row " << j;
      EXPECT_EQ(draws[j].perturbed, first[j].perturbed);
      EXPECT_EQ(draws[j].trace.proposals, first[j].trace.proposals);
      EXPECT_EQ(draws[j].trace.head_size, first[j].trace.head_size);
    }
  }
}

// 5,000 rows that a temperature of .003 spreads so far that codes prove nothing: each race went
// past n proposals, and scanned.
TEST(LazySampler, ManyDrawsScanOnce) {
  const ScalarQuantizedIndex<float> index(gaussian_rows<float>(5000, 16, 1));
  const LazySampler sampler(index);
  const Vector<float> theta = gaussian_query(16, 2).cast<float>() / 0.003F;
  PhiloxEngine engine(3);
  const Draws few = sampler.sample(theta, 50, engine);
  EXPECT_LE(few.trace.exhaustive_scans, 1U);
  EXPECT_LT(few.trace.rows_scored, 3U * 5000U);
  const auto envelope = sampler.prepare(theta);
  Trace trace = envelope.trace();
  for (int i = 0; i < 50; ++i) envelope.sample(engine, trace);
  EXPECT_LE(trace.exhaustive_scans, 1U);
  EXPECT_LT(trace.rows_scored, 3U * 5000U);
}

TEST(LazySampler, VeryManyDrawsNeedNoSearch) {
  const FlatIndex<float> index(gaussian_rows<float>(1000, 4, 1));
  const LazySampler sampler(index);
  PhiloxEngine engine(3);
  const Draws draws = sampler.sample(gaussian_query(4, 2).cast<float>(), 100'000, engine);
  EXPECT_EQ(draws.trace.rows_scored, 1000U);
  EXPECT_EQ(draws.trace.exhaustive_scans, 1U);
  EXPECT_EQ(draws.trace.proposals, 0U);
  EXPECT_EQ(draws.trace.guarantee, Guarantee::certified());
}

// Work memory refers to the index that it was made for.
TEST(LazySampler, DrawsFromTheIndexThatWasAssigned) {
  const FlatIndex<float> first(RowMatrix<float>(RowMatrix<float>::Identity(4, 4) * 100.0F));
  const FlatIndex<float> second(RowMatrix<float>(-first.rows()));
  const Vector<float> theta = Vector<float>::Unit(4, 2);
  PhiloxEngine engine(1);
  LazySampler sampler(first);
  EXPECT_EQ(sampler.sample(theta, engine).id, 2U);
  sampler = LazySampler(second);
  for (int i = 0; i < 20; ++i) EXPECT_NE(sampler.sample(theta, engine).id, 2U);
}

TEST(LazySampler, BatchDoesNotDependOnThreads) {
  check_threads(flat());
  HnswParameters parameters;
  parameters.ef = 32;
  check_threads(HnswIndex<float>(gaussian_rows<float>(500, 6, 1), parameters));
  check_threads(MinimalIndex(gaussian_rows<double>(100, 6, 1)));
}

TEST(LazySampler, BatchRowsAreStreamsOfTheSeed) {
  const RowMatrix<double> thetas = gaussian_rows<double>(70, 6, 5);
  const MinimalIndex index(gaussian_rows<double>(100, 6, 1));
  const LazySampler sampler(index, {.k = 6});
  PhiloxEngine engine(6), same(6);
  const std::vector<Draw> draws = sampler.sample_batch(thetas, engine);
  const std::uint64_t seed = same();
  EXPECT_TRUE(engine == same) << "one 64-bit number is taken";
  for (std::size_t j = 0; j < 70; ++j) {
    PhiloxEngine stream(seed, j);
    EXPECT_EQ(draws[j].id,
              sampler.sample(thetas.row(static_cast<Eigen::Index>(j)).transpose(), stream).id);
  }
}

TEST(LazySampler, OneConstSamplerServesManyThreads) {
  const LazySampler sampler(flat(), {.k = 6});
  const Vector<float> theta = gaussian_query<float>(6, 7);
  const auto run = [&](std::uint64_t stream) {
    PhiloxEngine engine(8, stream);
    auto ids = sampler.sample(theta, 2000, engine).ids;
    for (int i = 0; i < 200; ++i) ids.push_back(sampler.sample(theta, engine).id);
    for (const item_id id : sampler.sample_without_replacement(theta, 20, engine).ids)
      ids.push_back(id);
    return ids;
  };
  std::vector<std::vector<item_id>> together(8);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t) threads.emplace_back([&, t] { together[t] = run(t); });
  for (auto& thread : threads) thread.join();
  for (std::size_t t = 0; t < 8; ++t) EXPECT_EQ(together[t], run(t)) << "thread " << t;
}

TEST(LazySampler, OneConstEnvelopeServesManyThreads) {
  const auto envelope = LazySampler(flat(), {.k = 6}).prepare(gaussian_query<float>(6, 7));
  const auto run = [&](std::uint64_t stream) {
    PhiloxEngine engine(9, stream);
    Trace trace = envelope.trace();
    std::vector<item_id> ids;
    for (int i = 0; i < 5000; ++i) ids.push_back(envelope.sample(engine, trace).id);
    return ids;
  };
  std::vector<std::vector<item_id>> together(8);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t) threads.emplace_back([&, t] { together[t] = run(t); });
  for (auto& thread : threads) thread.join();
  for (std::size_t t = 0; t < 8; ++t) EXPECT_EQ(together[t], run(t));
}

TEST(LazySampler, HostileIndexesAreFoundOut) {
  const Vector<double> theta = gaussian_query(4, 2);
  const RowMatrix<double> thetas = theta.transpose();
  for (const Fault fault :
       {Fault::fewer_without_bound, Fault::empty_without_bound, Fault::more_than_k,
        Fault::more_ids_than_scores, Fault::more_scores_than_ids, Fault::id_out_of_range,
        Fault::id_far_out_of_range, Fault::duplicate_id, Fault::duplicate_neighbour,
        Fault::unsorted, Fault::nan_score, Fault::infinite_score, Fault::wrong_first_score,
        Fault::wrong_last_score, Fault::masked_last_score, Fault::infinite_bound,
        Fault::low_certified_bound}) {
    const HostileIndex index(gaussian_rows<double>(50, 4, 3), fault);
    const LazySampler sampler(index, {.k = 6});
    PhiloxEngine engine(1);
    const int number = static_cast<int>(fault);
    EXPECT_THROW(for (int i = 0; i < 2000; ++i) sampler.sample(theta, engine), index_error)
        << number;
    EXPECT_THROW(
        for (int i = 0; i < 1000; ++i) sampler.sample_without_replacement(theta, 6, engine),
        index_error)
        << number;
    if (fault != Fault::low_certified_bound) {  // which one draw need not meet
      EXPECT_THROW(sampler.sample(theta, engine), index_error) << number;
      EXPECT_THROW(sampler.sample_batch(thetas, engine), index_error) << number;
    }
  }
}

TEST(LazySampler, OddButLegalIndexesAreServed) {
  const Vector<double> theta = gaussian_query(4, 2);
  for (const Fault fault : {Fault::none, Fault::no_bound, Fault::fewer_with_bound,
                            Fault::empty_with_bound, Fault::low_assumed_bound}) {
    const HostileIndex index(gaussian_rows<double>(50, 4, 3), fault);
    PhiloxEngine engine(1);
    const LazySampler sampler(index, {.k = 6});
    std::size_t violations = 0;
    for (int i = 0; i < 2000; ++i) violations += sampler.sample(theta, engine).trace.violations;
    EXPECT_EQ(violations > 0, fault == Fault::low_assumed_bound);
    EXPECT_EQ(sampler.sample(theta, 2000, engine).ids.size(), 2000U);
  }
  const HostileIndex throwing(gaussian_rows<double>(50, 4, 3), Fault::throws);
  PhiloxEngine engine(1);
  EXPECT_THROW(LazySampler(throwing).sample(theta, engine), std::runtime_error);
  const RowMatrix<double> thetas = gaussian_rows<double>(200, 4, 4);
  EXPECT_THROW(LazySampler(throwing).sample_batch(thetas, engine, 4), std::runtime_error);
}

}  // namespace
}  // namespace lazygumbel::testing
