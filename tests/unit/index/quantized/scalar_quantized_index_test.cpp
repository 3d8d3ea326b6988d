#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <indexes.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <limits>
#include <message_of.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "non_finite.hpp"
#include "saved_files.hpp"
#include "scalars.hpp"
#include "simds.hpp"

// What a ScalarQuantizedIndex does; quantized_bound_test.cpp has its certificate,
// quantized_tail_test.cpp its tails, statistical/quantized_law_test.cpp the laws of draws.

namespace lazygumbel::testing {
namespace {

void expect_same_retrieval(const Retrieval& a, const Retrieval& b) {
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.scores, b.scores);
  EXPECT_EQ(a.residual_bound, b.residual_bound);
  EXPECT_EQ(a.guarantee, b.guarantee);
}

template <class Scalar>
class Quantized : public ::testing::Test {
 protected:
  using Index = ScalarQuantizedIndex<Scalar>;

  static Index index_over(const RowMatrix<Scalar>& rows,
                          const ScalarQuantizedParameters& parameters = {}) {
    return Index(RowMatrix<Scalar>(rows), parameters);
  }

  static Retrieval search(const Index& index, const Vector<Scalar>& query, std::size_t k) {
    Retrieval found;
    index.search(query, k, found);
    return found;
  }

  /// The answer to a query: bounds of all items and a few searches.
  static void expect_same_answers(const Index& a, const Index& b, std::uint64_t seed) {
    ASSERT_EQ(a.size(), b.size());
    ASSERT_EQ(a.dimension(), b.dimension());
    EXPECT_EQ(a.size_in_bytes(), b.size_in_bytes());
    for (std::uint64_t q = 0; q < 3; ++q) {
      const auto query = gaussian_query<Scalar>(a.dimension(), seed + q);
      std::vector<float> low_a(a.size()), high_a(a.size()), low_b(a.size()), high_b(a.size());
      a.score_bounds(query, low_a, high_a);
      b.score_bounds(query, low_b, high_b);
      EXPECT_EQ(low_a, low_b);
      EXPECT_EQ(high_a, high_b);
      for (const std::size_t k : {std::size_t{1}, std::size_t{7}, a.size()}) {
        expect_same_retrieval(search(a, query, k), search(b, query, k));
        for (const std::size_t draws : {1, 16}) {
          Retrieval found_a, found_b;
          QuantizedTail tail_a, tail_b;
          a.search_with_tail(query, k, found_a, tail_a, draws);
          b.search_with_tail(query, k, found_b, tail_b, draws);
          expect_same_retrieval(found_a, found_b);
          EXPECT_EQ(tail_a.log_rate(), tail_b.log_rate());
        }
      }
    }
  }
};
TYPED_TEST_SUITE(Quantized, Scalars);

static_assert(BatchTailIndex<ScalarQuantizedIndex<float>> &&
              ProposingIndex<ScalarQuantizedIndex<float>>);
static_assert(BatchTailIndex<ScalarQuantizedIndex<double>>);
static_assert(!std::is_copy_constructible_v<ScalarQuantizedIndex<float>>);
static_assert(std::is_nothrow_move_constructible_v<ScalarQuantizedIndex<float>>);
static_assert(!ScalarQuantizedIndex<float>::is_exact);

// Of every search: min(k, n) distinct items, best first, with their true scores; they have the
// largest upper bounds; the bound is certified, holds, and is no higher than it must be.
TYPED_TEST(Quantized, ReturnsTheItemsOfLargestBound) {
  for (const std::size_t n : {1, 2, 63, 64, 65, 127, 128, 129, 700})
    for (const std::size_t d : {1, 7, 8, 33})
      for (const int bits : {4, 8}) {
        const auto rows = gaussian_rows<TypeParam>(n, d, 10 * n + d);
        const auto index = this->index_over(rows, {.bits = bits});
        const FlatIndex<TypeParam> flat{RowMatrix<TypeParam>(rows)};
        const auto query = gaussian_query<TypeParam>(d, 7 * n + d);
        std::vector<float> lower(n), upper(n);
        index.score_bounds(query, lower, upper);
        for (const std::size_t k : {std::size_t{1}, std::size_t{2}, std::size_t{9}, std::size_t{64},
                                    n - 1, n, n + 1, 3 * n}) {
          if (k == 0) continue;
          Retrieval found;
          QuantizedTail tail;
          QuantizedProposals proposals;
          for (const int way : {0, 1, 2, 3}) {
            if (way == 0) index.search(query, k, found);
            if (way == 1) index.search_with_tail(query, k, found, tail, 1);
            if (way == 2) index.search_with_tail(query, k, found, tail, 16);
            if (way == 3) index.search_with_proposals(query, k, found, proposals);
            ASSERT_EQ(found.ids.size(), (std::min)(k, n));
            ASSERT_EQ(found.guarantee, Guarantee::certified());
            std::vector<bool> in_head(n, false);
            float least = std::numeric_limits<float>::infinity(), most_outside = -least;
            for (std::size_t i = 0; i < found.ids.size(); ++i) {
              ASSERT_FALSE(in_head[found.ids[i]]);
              in_head[found.ids[i]] = true;
              least = (std::min)(least, upper[found.ids[i]]);
              ASSERT_EQ(found.scores[i], index.score(query, found.ids[i]));
              ASSERT_EQ(found.scores[i], flat.score(query, found.ids[i]));
              if (i > 0) {
                ASSERT_LE(found.scores[i], found.scores[i - 1]);
              }
            }
            for (item_id id = 0; id < n; ++id) {
              if (in_head[id]) continue;
              most_outside = (std::max)(most_outside, upper[id]);
              ASSERT_LE(flat.score(query, id), found.residual_bound);
            }
            if (k >= n) {
              ASSERT_EQ(found.residual_bound, -infinity);
              continue;
            }
            ASSERT_GE(found.residual_bound, static_cast<double>(most_outside) - 1e-5);
            // Where a tile is known by its largest estimate and its largest error, others may be
            // taken, and the bound is higher.
            if (way < 2) {
              ASSERT_LE(most_outside, least + 1e-5F);
              ASSERT_LE(found.residual_bound, static_cast<double>(least) + 1e-5);
            }
          }
        }
      }
}

TYPED_TEST(Quantized, EveryInstructionSetGivesTheSameHeads) {
  const auto rows = gaussian_rows<TypeParam>(777, 29, 20);
  for (const int bits : {4, 8}) {
    const auto portable = this->index_over(rows, {.bits = bits, .simd = Simd::portable});
    for (const Simd simd : supported_simds()) {
      const auto index = this->index_over(rows, {.bits = bits, .simd = simd});
      EXPECT_EQ(index.parameters().simd, simd);
      for (std::uint64_t q = 0; q < 20; ++q) {
        const auto query = gaussian_query<TypeParam>(29, 30 + q);
        const Retrieval a = this->search(portable, query, 12), b = this->search(index, query, 12);
        EXPECT_EQ(a.ids, b.ids);
        EXPECT_NEAR(a.residual_bound, b.residual_bound, 1e-5);
      }
    }
  }
}

TYPED_TEST(Quantized, BatchEqualsSingle) {
  for (const int bits : {4, 8})
    for (const Simd simd : supported_simds()) {
      const auto index =
          this->index_over(gaussian_rows<TypeParam>(1100, 19, 40), {.bits = bits, .simd = simd});
      for (const std::size_t m : {0, 1, 2, 3, 4, 5, 7, 8, 9, 21}) {
        const auto queries = gaussian_rows<TypeParam>(m, 19, 41 + m);
        std::vector<Retrieval> batch(m), with_tail(m);
        std::vector<QuantizedTail> tails(m);
        index.search_batch(queries, 6, batch);
        index.search_batch_with_tail(queries, 6, with_tail, tails);
        for (std::size_t j = 0; j < m; ++j) {
          const Vector<TypeParam> query = queries.row(static_cast<Eigen::Index>(j)).transpose();
          Retrieval single;
          QuantizedTail tail;
          index.search_with_tail(query, 6, single, tail, 1);
          expect_same_retrieval(batch[j], single);
          expect_same_retrieval(with_tail[j], single);
          EXPECT_EQ(tails[j].log_rate(), tail.log_rate());
        }
      }
    }
}

// Draws, too, and what they cost, whatever the number of threads.
TYPED_TEST(Quantized, BatchDrawsEqualSingleDraws) {
  for (const int bits : {4, 8})
    for (const Simd simd : supported_simds()) {
      const auto index =
          this->index_over(gaussian_rows<TypeParam>(1500, 24, 50), {.bits = bits, .simd = simd});
      const LazySampler sampler(index, {.k = 5});
      for (const std::size_t m : {1, 5, 16, 17, 50}) {
        const auto thetas = gaussian_rows<TypeParam>(m, 24, 51 + m);
        PhiloxEngine engine(52), copy(52);
        const std::uint64_t seed = uniform_bits(copy);
        std::vector<Draw> single;
        for (std::size_t j = 0; j < m; ++j) {
          PhiloxEngine stream(seed, j);
          single.push_back(
              sampler.sample(thetas.row(static_cast<Eigen::Index>(j)).transpose(), stream));
        }
        for (const std::size_t threads : {1, 2, 3, 4}) {
          PhiloxEngine again = engine;
          const auto batch = sampler.sample_batch(thetas, again, threads);
          ASSERT_EQ(batch.size(), m);
          for (std::size_t j = 0; j < m; ++j) {
            ASSERT_EQ(batch[j].id, single[j].id);
            ASSERT_EQ(batch[j].perturbed, single[j].perturbed);
            ASSERT_EQ(batch[j].trace.proposals, single[j].trace.proposals);
            ASSERT_EQ(batch[j].trace.rows_scored, single[j].trace.rows_scored);
            ASSERT_EQ(batch[j].trace.head_size, single[j].trace.head_size);
            ASSERT_EQ(batch[j].trace.residual_bound, single[j].trace.residual_bound);
            ASSERT_EQ(batch[j].trace.guarantee, Guarantee::certified());
            ASSERT_EQ(batch[j].trace.violations, 0u);
          }
        }
      }
    }
}

TYPED_TEST(Quantized, CodingDoesNotDependOnThreads) {
  const auto rows = gaussian_rows<TypeParam>(1000, 21, 60);
  const auto one = this->index_over(rows, {.threads = 1});
  for (const std::size_t threads : {0, 2, 4})
    this->expect_same_answers(this->index_over(rows, {.threads = threads}), one, 61);
}

TYPED_TEST(Quantized, OverReadsTheCallersRowsInPlace) {
  const RowMatrix<TypeParam> wide = gaussian_rows<TypeParam>(300, 30, 70);
  const RowPointer<TypeParam> part(&wide(1, 3), 140, 11, Eigen::OuterStride<>(60));
  const auto view = ScalarQuantizedIndex<TypeParam>::over(part);
  EXPECT_EQ(view.rows().data(), &wide(1, 3));
  const auto owner = this->index_over(RowMatrix<TypeParam>(part));
  for (std::uint64_t q = 0; q < 5; ++q) {
    const auto query = gaussian_query<TypeParam>(11, 71 + q);
    std::vector<float> low_a(140), high_a(140), low_b(140), high_b(140);
    view.score_bounds(query, low_a, high_a);
    owner.score_bounds(query, low_b, high_b);
    EXPECT_EQ(low_a, low_b);
    EXPECT_EQ(high_a, high_b);
    const Retrieval a = this->search(view, query, 9), b = this->search(owner, query, 9);
    EXPECT_EQ(a.residual_bound, b.residual_bound);
    std::vector<item_id> ids_a = a.ids, ids_b = b.ids;
    std::sort(ids_a.begin(), ids_a.end());
    std::sort(ids_b.begin(), ids_b.end());
    EXPECT_EQ(ids_a, ids_b);
    for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(a.scores[i], b.scores[i], 1e-5);
  }
}

TYPED_TEST(Quantized, GrowsToTheSameIndexInAnyChunks) {
  for (const int bits : {4, 8})
    for (const std::size_t d : {1, 4, 5, 8, 13}) {
      const auto rows = gaussian_rows<TypeParam>(333, d, 80 + d);
      const auto whole = this->index_over(rows, {.bits = bits});
      for (const std::vector<int>& chunks : std::vector<std::vector<int>>{
               {1}, {63, 1, 1, 63, 2}, {64}, {65, 127}, {100, 3, 200}, {332, 1}}) {
        auto grown = this->index_over(rows.topRows(chunks[0]), {.bits = bits});
        for (std::size_t c = 1; grown.size() < whole.size(); ++c) {
          const auto at = static_cast<Eigen::Index>(grown.size());
          const Eigen::Index count =
              (std::min)(rows.rows() - at, Eigen::Index{chunks[c % chunks.size()]});
          grown.add(rows.middleRows(at, count));
        }
        this->expect_same_answers(grown, whole, 81);
        EXPECT_TRUE(grown.rows() == rows);
      }
    }
}

TYPED_TEST(Quantized, GrowsByItsOwnRows) {
  const auto rows = gaussian_rows<TypeParam>(100, 9, 85);
  auto doubled = this->index_over(rows);
  doubled.add(doubled.rows());
  RowMatrix<TypeParam> twice(200, 9);
  twice << rows, rows;
  EXPECT_TRUE(doubled.rows() == twice);
  this->expect_same_answers(doubled, this->index_over(twice), 86);
}

TYPED_TEST(Quantized, AddRefusesBadRowsAndChangesNothing) {
  const auto rows = gaussian_rows<TypeParam>(70, 4, 90);
  auto index = this->index_over(rows);
  const auto before = this->index_over(rows);
  const auto refusal = [&](const RowMatrix<TypeParam>& more) {
    return message_of<std::invalid_argument>([&] { index.add(more); });
  };
  RowMatrix<TypeParam> bad = RowMatrix<TypeParam>::Ones(3, 4);
  bad(2, 1) = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_EQ(refusal(bad), "lazygumbel: rows(2, 1) = nan: must be finite");
  bad(2, 1) = TypeParam(2e30);
  const std::string norm = refusal(bad);
  EXPECT_EQ(norm.find("lazygumbel: rows: largest norm = "), 0u) << norm;
  EXPECT_NE(norm.find(": must be at most 1e30"), std::string::npos) << norm;
  EXPECT_EQ(refusal(RowMatrix<TypeParam>::Ones(3, 5)),
            "lazygumbel: rows.cols() = 5: must equal the index's dimension 4");
  EXPECT_EQ(refusal(RowMatrix<TypeParam>(0, 4)), "lazygumbel: rows.rows() = 0: must be at least 1");
  this->expect_same_answers(index, before, 91);
  EXPECT_TRUE(index.rows() == rows);

  auto view = ScalarQuantizedIndex<TypeParam>::over(
      RowPointer<TypeParam>(rows.data(), 70, 4, Eigen::OuterStride<>(4)));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { view.add(rows); }),
            "lazygumbel: rows = views of the caller's: only an index that owns rows grows");
  this->expect_same_answers(view, before, 92);
}

TYPED_TEST(Quantized, MovesAndReusesRetrievals) {
  auto index = this->index_over(gaussian_rows<TypeParam>(200, 3, 103));
  const auto query = gaussian_query<TypeParam>(3, 104);
  const Retrieval before = this->search(index, query, 4);
  const auto moved = std::move(index);
  Retrieval found;
  moved.search(query, 200, found);
  moved.search(query, 4, found);
  expect_same_retrieval(found, before);
}

TYPED_TEST(Quantized, RefusesBadParametersByName) {
  const auto rows = gaussian_rows<TypeParam>(5, 3, 110);
  const auto refusal = [&](const RowMatrix<TypeParam>& of, ScalarQuantizedParameters parameters) {
    return message_of<std::invalid_argument>([&] { this->index_over(of, parameters); });
  };
  for (const int bits : {-4, 0, 3, 5, 16})
    EXPECT_EQ(refusal(rows, {.bits = bits}),
              "lazygumbel: bits = " + std::to_string(bits) + ": must be 4 or 8");
  EXPECT_EQ(refusal(RowMatrix<TypeParam>::Ones(1, 50'001), {}),
            "lazygumbel: dimension = 50001: must lie in 1 .. 50000");
  EXPECT_EQ(refusal(RowMatrix<TypeParam>(0, 3), {}),
            "lazygumbel: rows.rows() = 0: must be at least 1");
  EXPECT_EQ(refusal(RowMatrix<TypeParam>(3, 0), {}),
            "lazygumbel: rows.cols() = 0: must be at least 1");
  for (const Simd simd : {Simd::portable, Simd::neon, Simd::avx2, Simd::avx512_vnni})
    if (!is_supported(simd)) {
      EXPECT_EQ(refusal(rows, {.simd = simd}), "lazygumbel: simd = " + std::string(name_of(simd)) +
                                                   ": this machine does not support it");
    }
  const std::string norm = refusal(RowMatrix<TypeParam>::Constant(2, 3, TypeParam(1e30)), {});
  EXPECT_EQ(norm.find("lazygumbel: rows: largest norm = 1.73"), 0u) << norm;
  EXPECT_NE(norm.find("must be at most 1e30"), std::string::npos) << norm;
  EXPECT_NO_THROW(this->index_over(RowMatrix<TypeParam>::Constant(2, 1, TypeParam(9.9e29))));
  RowMatrix<TypeParam> bad = rows;
  bad(4, 2) = std::numeric_limits<TypeParam>::infinity();
  EXPECT_EQ(refusal(bad, {}), "lazygumbel: rows(4, 2) = inf: must be finite");
}

TYPED_TEST(Quantized, RefusesBadQueriesByName) {
  const auto index = this->index_over(gaussian_rows<TypeParam>(70, 3, 120));
  Retrieval found;
  QuantizedTail tail;
  QuantizedProposals proposals;
  std::vector<float> lower(70), upper(70);
  const auto refusals = [&](const Vector<TypeParam>& query, std::size_t k) {
    return std::vector{message_of<std::invalid_argument>([&] { index.search(query, k, found); }),
                       message_of<std::invalid_argument>(
                           [&] { index.search_with_tail(query, k, found, tail, 1); }),
                       message_of<std::invalid_argument>(
                           [&] { index.search_with_tail(query, k, found, tail, 16); }),
                       message_of<std::invalid_argument>(
                           [&] { index.search_with_proposals(query, k, found, proposals); })};
  };
  const Vector<TypeParam> ones = Vector<TypeParam>::Ones(3);
  for (const std::string& refusal : refusals(ones, 0))
    EXPECT_EQ(refusal, "lazygumbel: k = 0: must be at least 1");
  for (const std::string& refusal : refusals(Vector<TypeParam>::Ones(4), 2))
    EXPECT_EQ(refusal, "lazygumbel: query.size() = 4: must equal the index's dimension 3");
  Vector<TypeParam> bad = ones;
  bad[1] = std::numeric_limits<TypeParam>::quiet_NaN();
  for (const std::string& refusal : refusals(bad, 2))
    EXPECT_EQ(refusal, "lazygumbel: query(1) = nan: must be finite");
  bad[1] = TypeParam(3e37);
  for (const std::string& refusal : refusals(bad, 2))
    EXPECT_NE(refusal.find("would overflow"), std::string::npos) << refusal;
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { index.score_bounds(ones, std::span<float>(lower).first(69), upper); }),
            "lazygumbel: lower.size(), upper.size() = 69: must equal size()");

  RowMatrix<TypeParam> queries = RowMatrix<TypeParam>::Ones(20, 3);
  std::vector<Retrieval> batch(20);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { index.search_batch(queries, 0, batch); }),
            "lazygumbel: k = 0: must be at least 1");
  queries(18, 2) = std::numeric_limits<TypeParam>::infinity();
  EXPECT_EQ(message_of<std::invalid_argument>([&] { index.search_batch(queries, 2, batch); }),
            "lazygumbel: queries.row(18)(2) = inf: must be finite");
  batch.resize(19);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { index.search_batch(queries, 2, batch); }),
            "lazygumbel: retrievals.size(), tails.size() = 19: must equal queries.rows()");
}

// Saved files.

TYPED_TEST(Quantized, LoadsWhatItSaved) {
  const ScratchFolder folder;
  const auto path = folder / "index";
  for (const int bits : {4, 8})
    for (const std::size_t n : {1, 64, 130}) {
      const RowMatrix<TypeParam> rows = gaussian_rows<TypeParam>(n, 11, 130 + n);
      const auto index = this->index_over(rows, {.bits = bits});
      index.save(path);
      for (const std::size_t threads : {1, 2}) {
        auto loaded = ScalarQuantizedIndex<TypeParam>::load(path, threads);
        EXPECT_EQ(loaded.parameters().bits, bits);
        EXPECT_TRUE(loaded.rows() == rows);
        this->expect_same_answers(loaded, index, 131);
        loaded.add(rows.topRows(1));
        EXPECT_EQ(loaded.size(), n + 1);
      }
    }
  const RowMatrix<TypeParam> wide = gaussian_rows<TypeParam>(40, 9, 140);
  const auto view = ScalarQuantizedIndex<TypeParam>::over(
      RowPointer<TypeParam>(&wide(0, 2), 20, 5, Eigen::OuterStride<>(18)));
  view.save(path);
  this->expect_same_answers(ScalarQuantizedIndex<TypeParam>::load(path), view, 141);
  EXPECT_FALSE(std::filesystem::exists(folder / "index.part"));
}

TYPED_TEST(Quantized, RefusesDamagedFiles) {
  using Loaded = ScalarQuantizedIndex<TypeParam>;
  using Other = std::conditional_t<std::is_same_v<TypeParam, float>, double, float>;
  const ScratchFolder folder;
  const auto path = folder / "index", damaged = folder / "damaged";
  this->index_over(gaussian_rows<TypeParam>(9, 5, 150)).save(path);
  const Bytes bytes = bytes_of(path);
  const auto refused = [&](const Bytes& content) {
    write_bytes(damaged, content);
    const std::string message = message_of<file_error>([&] { Loaded::load(damaged); });
    return message.find("lazygumbel: " + damaged.string() + " ") == 0;
  };
  EXPECT_FALSE(refused(bytes));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_TRUE(refused(Bytes(bytes.data(), bytes.data() + size))) << "cut to " << size;
  for (std::size_t at = 0; at < bytes.size(); ++at)
    for (const int flip : {1, 0x80}) {
      if (flip == 0x80 && at % 97 != 0 && at > 40) continue;
      Bytes changed = bytes;
      changed[at] = static_cast<unsigned char>(changed[at] ^ flip);
      EXPECT_TRUE(refused(changed)) << "byte " << at << " xor " << flip;
    }
  Bytes longer = bytes, twice = bytes;
  longer.push_back(0);
  EXPECT_TRUE(refused(longer));
  twice.insert(twice.end(), bytes.begin(), bytes.end());
  EXPECT_TRUE(refused(twice));
  const std::string text = "something else altogether";
  EXPECT_TRUE(refused(Bytes(text.begin(), text.end())));
  EXPECT_EQ(message_of<file_error>([&] { ScalarQuantizedIndex<Other>::load(path); }),
            "lazygumbel: " + path.string() + " holds scalars of " +
                std::to_string(sizeof(TypeParam)) + " bytes, not " + std::to_string(sizeof(Other)));
  EXPECT_EQ(message_of<file_error>([&] { Loaded::load(folder / "missing"); }),
            "lazygumbel: " + (folder / "missing").string() + " cannot be read");
  EXPECT_THROW(this->index_over(RowMatrix<TypeParam>::Ones(1, 1)).save(folder / "no" / "folder"),
               file_error);
}

// A file whose checksum is right and whose content is not: numbers that no index holds.
TYPED_TEST(Quantized, RefusesWellFormedNonsense) {
  const ScratchFolder folder;
  const auto path = folder / "nonsense";
  const auto refusal = [&](std::uint32_t bits, std::uint64_t dimension, std::uint64_t count,
                           TypeParam value) {
    lazygumbel::detail::BinaryWriter out(path);
    out.put(std::array<char, 8>{'L', 'Z', 'G', 'S', 'Q', 'I', 'X', '1'});
    for (const std::uint32_t number :
         {std::uint32_t{1}, static_cast<std::uint32_t>(sizeof(TypeParam)), bits})
      out.put(number);
    out.put(dimension);
    out.put(count);
    for (int i = 0; i < 6; ++i) out.put(value);
    out.finish();
    return message_of<file_error>([&] { ScalarQuantizedIndex<TypeParam>::load(path); });
  };
  const auto corrupted = [&](const std::string& message) {
    return message.find("corrupted") != std::string::npos;
  };
  EXPECT_EQ(refusal(4, 2, 3, TypeParam(1)), "(nothing was thrown)");
  EXPECT_TRUE(corrupted(refusal(5, 2, 3, TypeParam(1))));
  EXPECT_TRUE(corrupted(refusal(4, 0, 3, TypeParam(1))));
  EXPECT_TRUE(corrupted(refusal(4, 2, 0, TypeParam(1))));
  EXPECT_TRUE(corrupted(refusal(4, 2, 1, TypeParam(1))));
  EXPECT_TRUE(corrupted(refusal(4, 50'001, 1, TypeParam(1))));
  EXPECT_TRUE(corrupted(refusal(4, 2, std::uint64_t{1} << 62, TypeParam(1))));
  EXPECT_TRUE(corrupted(refusal(4, std::uint64_t{1} << 63, 2, TypeParam(1))));
  EXPECT_TRUE(corrupted(refusal(4, 2, 3, std::numeric_limits<TypeParam>::quiet_NaN())));
  EXPECT_TRUE(corrupted(refusal(4, 2, 3, TypeParam(1e30))));
}

}  // namespace
}  // namespace lazygumbel::testing
