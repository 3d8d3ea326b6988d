// What owns memory, on one list of types: values that are copied, moved and exchanged; memory that
// runs out, each allocation in turn, by malloc, so that those of Eigen and hnswlib do, too; and
// what loading takes of files that were made wrong: no more than of the right ones.

#include "memory_hooks.hpp"

// after the hooks
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <lazygumbel/attention/cache/exact_kv_cache.hpp>
#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <lazygumbel/attention/subgen/sub_gen_cache.hpp>
#include <lazygumbel/attention/window/sliding_window_cache.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/ivf/ivf_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/random/categorical.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "laws.hpp"
#include "saved_files.hpp"

namespace lazygumbel::testing {
namespace {

using Numbers = std::vector<double>;

/// How a change went whose allocation number `which` failed.
struct Outcome {
  bool failed;   ///< an allocation
  bool changed;  ///< nothing was thrown
};

template <class Change>
Outcome fail_at(long which, Change&& change) {
  const long before = memory::refused;
  bool changed = true;
  memory::allowed = which;
  try {
    change();
  } catch (const std::bad_alloc&) {
    changed = false;
  }
  memory::allowed = -1;
  return {memory::refused != before, changed};
}

/// What an index answers: its rows, and the scores that it finds.
template <class Index>
Numbers answers_of(const Index& index) {
  Numbers all{static_cast<double>(index.size())};
  for (std::size_t i = 0; i < index.size(); ++i)
    for (Eigen::Index j = 0; j < 8; ++j)
      all.push_back(index.score(Vector<float>::Unit(8, j), static_cast<item_id>(i)));
  Retrieval found;
  index.search(gaussian_query<float>(index.dimension(), 2), index.size(), found);
  all.insert(all.end(), found.scores.begin(), found.scores.end());
  return all;
}

/// What a cache answers to some queries.
template <class Cache>
Numbers attention_of(const Cache& cache, std::size_t heads, std::size_t d) {
  const RowMatrix<float> queries = gaussian_rows<float>(3, heads * d, 5);
  const AttentionOutput out = cache.attend(HeadsView<float>(queries, heads), {});
  Numbers all{static_cast<double>(cache.tokens_seen())};
  for (const float x : out.values.reshaped()) all.push_back(static_cast<double>(x));
  for (const AttentionRow& row : out.rows) all.push_back(static_cast<double>(row.error));
  return all;
}

RowMatrix<float> rows_of(std::size_t first, std::size_t count) {
  return gaussian_rows<float>(300, 8, 1).middleRows(static_cast<Eigen::Index>(first),
                                                    static_cast<Eigen::Index>(count));
}

template <int bits>
struct AddToCodes {
  static constexpr std::size_t least = 4;
  static auto make() { return ScalarQuantizedIndex<float>(rows_of(0, 100), {.bits = bits}); }
  static void change(ScalarQuantizedIndex<float>& index) { index.add(rows_of(100, 200)); }
  static Numbers state(const ScalarQuantizedIndex<float>& index) {
    Numbers all = answers_of(index);
    std::vector<float> lower(index.size()), upper(index.size());
    const Vector<float> query = gaussian_query<float>(8, 2);
    index.score_bounds(query, lower, upper);
    for (std::size_t i = 0; i < index.size(); ++i) {
      const double score = index.score(query, static_cast<item_id>(i));
      EXPECT_LE(static_cast<double>(lower[i]), score) << i;
      EXPECT_GE(static_cast<double>(upper[i]), score) << i;
      all.push_back(static_cast<double>(lower[i]));
      all.push_back(static_cast<double>(upper[i]));
    }
    return all;
  }
};

struct AddToLists {
  static constexpr std::size_t least = 4;
  static auto make() { return IvfIndex<float>(rows_of(0, 100)); }
  static void change(IvfIndex<float>& index) {
    index.add(rows_of(100, 200).array() + 20.0F);  // one list takes them, and is split
  }
  static Numbers state(const IvfIndex<float>& index) { return answers_of(index); }
};

struct AddToGraph {
  static constexpr std::size_t least = 100;
  static HnswParameters parameters() {
    HnswParameters p;
    p.M = 4;
    p.ef_construction = 10;
    p.geometry = HnswGeometry::inner_product;
    return p;
  }
  static auto make() { return HnswIndex<float>(rows_of(0, 30), parameters()); }
  static void change(HnswIndex<float>& index) { index.add(rows_of(30, 20)); }
  static Numbers state(const HnswIndex<float>& index) {
    Numbers all = answers_of(index);
    all.resize(1 + index.size() * 8);  // links may differ, and with them what is found
    return all;
  }
};

struct AppendToKeyValues {
  static constexpr std::size_t least = 2;
  using Cache = KeyValueCache<float>;
  static Cache make() {
    Cache cache(2, 4, 4);
    cache.append(HeadsView<float>(rows_of(0, 100), 2), HeadsView<float>(rows_of(50, 100), 2));
    return cache;
  }
  static void change(Cache& cache) {
    const RowMatrix<float> keys = rows_of(100, 200);
    cache.append(HeadsView<float>(keys, 2), HeadsView<float>(keys, 2));
  }
  static Numbers state(const Cache& cache) {
    Numbers all = attention_of(cache, 4, 4);
    all.push_back(cache.largest_key_norm(0));
    return all;
  }
};

struct MergeKeyValues : AppendToKeyValues {
  static void change(Cache& cache) {
    static const Cache later = [] {
      Cache full = make();
      AppendToKeyValues::change(full);
      return full;
    }();
    cache.merge(later);
  }
};

struct AppendToWindow {
  static constexpr std::size_t least = 2;
  using Cache = SlidingWindowCache<float>;
  static Cache make() {
    Cache cache(2, 4, 4, {.window = 64, .residual_logit = 0.0});
    const RowMatrix<float> keys = rows_of(0, 20);
    cache.append(HeadsView<float>(keys, 2), HeadsView<float>(keys, 2));
    return cache;
  }
  static void change(Cache& cache) {
    const RowMatrix<float> keys = rows_of(100, 100);
    cache.append(HeadsView<float>(keys, 2), HeadsView<float>(keys, 2));
  }
  static Numbers state(const Cache& cache) { return attention_of(cache, 4, 4); }
};

struct MergeWindows : AppendToWindow {
  static void change(Cache& cache) {
    static const Cache later = [] {
      Cache full = make();
      AppendToWindow::change(full);
      return full;
    }();
    cache.merge(later);
  }
};

template <SubGenEstimator estimator>
struct AppendToSubGen {
  static constexpr std::size_t least = 2;
  using Cache = SubGenCache<float>;
  static SubGenOptions options() {
    SubGenOptions o;
    o.radius = 1.5;
    o.samples_per_cluster = 4;
    o.slots = 16;
    o.sinks = 2;
    o.window = 8;
    o.estimator = estimator;
    return o;
  }
  static Cache make(std::uint64_t seed = 1) {
    PhiloxEngine engine(seed);
    Cache cache(2, 4, 4, options(), engine);
    const RowMatrix<float> keys = rows_of(0, 40);
    cache.append(HeadsView<float>(keys, 2), HeadsView<float>(keys, 2));
    return cache;
  }
  /// One token, to both heads or to none.
  static void change(Cache& cache) {
    const RowMatrix<float> key = rows_of(100, 1) * 10.0F;
    cache.append(HeadsView<float>(key, 2), HeadsView<float>(key, 2));
  }
  static Numbers state(const Cache& cache) {
    const ScratchFolder folder;
    cache.save(folder / "cache");
    Numbers all = attention_of(cache, 4, 4);
    for (const unsigned char byte : bytes_of(folder / "cache"))
      all.push_back(static_cast<double>(byte));
    return all;
  }
};

template <SubGenEstimator estimator>
struct MergeSubGen : AppendToSubGen<estimator> {
  static constexpr std::size_t least = 4;
  static void change(SubGenCache<float>& cache) {
    static const SubGenCache<float> later = AppendToSubGen<estimator>::make(2);
    cache.merge(later);
  }
};

template <class Case>
class FailingAllocations : public ::testing::Test {};

using Cases = ::testing::Types<
    AddToCodes<4>, AddToCodes<8>, AddToLists, AddToGraph, AppendToKeyValues, MergeKeyValues,
    AppendToWindow, MergeWindows, AppendToSubGen<SubGenEstimator::plain>,
    AppendToSubGen<SubGenEstimator::centred>, MergeSubGen<SubGenEstimator::mean_shifted>,
    MergeSubGen<SubGenEstimator::stratified>>;
TYPED_TEST_SUITE(FailingAllocations, Cases);

TYPED_TEST(FailingAllocations, LeaveThingsAsTheyWere) {
  const auto first = TypeParam::make();
  auto second = TypeParam::make();
  TypeParam::change(second);
  const Numbers before = TypeParam::state(first), after = TypeParam::state(second);
  ASSERT_NE(before, after);
  std::size_t thrown = 0;
  for (long which = 0;; ++which) {
    auto object = TypeParam::make();
    const Outcome outcome = fail_at(which, [&] { TypeParam::change(object); });
    if (outcome.changed)  // or what failed was not needed: lists stay long
      ASSERT_EQ(TypeParam::state(object)[0], after[0]) << which;
    else
      ASSERT_EQ(TypeParam::state(object), before) << which;
    thrown += outcome.changed ? 0 : 1;
    if (!outcome.failed) break;
  }
  EXPECT_GE(thrown, TypeParam::least);
}

// Of a chunk of tokens the first ones may be in, in all heads: a file of it loads.
TEST(FailingAllocations, TokensAreInAllHeadsOrInNone) {
  using Case = AppendToSubGen<SubGenEstimator::centred>;
  const ScratchFolder folder;
  const RowMatrix<float> keys = rows_of(100, 20) * 10.0F;
  std::size_t parts = 0;
  for (long which = 0;; ++which) {
    auto cache = Case::make();
    const Outcome outcome =
        fail_at(which, [&] { cache.append(HeadsView<float>(keys, 2), HeadsView<float>(keys, 2)); });
    cache.save(folder / "cache");
    ASSERT_EQ(SubGenCache<float>::load(folder / "cache").tokens_seen(), cache.tokens_seen());
    parts += cache.tokens_seen() > 40 && cache.tokens_seen() < 60 ? 1 : 0;
    if (!outcome.failed) break;
  }
  EXPECT_GE(parts, 4U);
}

/// A sampler keeps work memory that belongs to its index.
struct DrawFromCodes {
  using Sampler = LazySampler<ScalarQuantizedIndex<float>>;
  static const ScalarQuantizedIndex<float>& index(std::size_t first) {
    static const ScalarQuantizedIndex<float> indexes[] = {
        ScalarQuantizedIndex<float>(rows_of(0, 100)),
        ScalarQuantizedIndex<float>(rows_of(90, 200))};
    return indexes[first];
  }
  static Sampler make() {
    Sampler sampler(index(0));
    static_cast<void>(state(sampler));
    return sampler;
  }
  static void change(Sampler& sampler) { sampler = Sampler(index(1)); }
  static Numbers state(const Sampler& sampler) {
    PhiloxEngine engine(3);
    Numbers ids;
    for (int draw = 0; draw < 30; ++draw)
      ids.push_back(sampler.sample(gaussian_query<float>(8, 2), engine).id);
    return ids;
  }
};

template <class Case>
class OwnedValues : public ::testing::Test {};

using Values = ::testing::Types<AddToCodes<4>, AddToLists, AddToGraph, AppendToKeyValues,
                                AppendToWindow, AppendToSubGen<SubGenEstimator::plain>,
                                AppendToSubGen<SubGenEstimator::centred>, DrawFromCodes>;
TYPED_TEST_SUITE(OwnedValues, Values);

TYPED_TEST(OwnedValues, AreCopiedMovedAndExchanged) {
  auto a = TypeParam::make();
  using Value = decltype(a);
  auto b = TypeParam::make();
  TypeParam::change(b);
  const Numbers of_a = TypeParam::state(a), of_b = TypeParam::state(b);
  ASSERT_NE(of_a, of_b);

  Value moved(std::move(a));
  EXPECT_EQ(TypeParam::state(moved), of_a);
  a = std::move(moved);
  EXPECT_EQ(TypeParam::state(a), of_a);
  std::swap(a, b);
  EXPECT_EQ(TypeParam::state(a), of_b);
  EXPECT_EQ(TypeParam::state(b), of_a);
  std::vector<Value> many;
  many.push_back(std::move(a));
  many.push_back(std::move(b));
  many.erase(many.begin());
  EXPECT_EQ(TypeParam::state(many.front()), of_a);

  if constexpr (std::is_copy_constructible_v<Value>) {
    Value copy(many.front());
    TypeParam::change(copy);
    EXPECT_EQ(TypeParam::state(many.front()), of_a);
    Value other = TypeParam::make();
    other = copy;
    EXPECT_EQ(TypeParam::state(other), TypeParam::state(copy));
    const Value& itself = other;
    other = itself;
    EXPECT_EQ(TypeParam::state(other), TypeParam::state(copy));
  }
}

// Codes of one head may be behind those of the other; decoding makes them first.
TEST(FailingAllocations, TokensWithoutCodes) {
  KnnAttentionOptions options;
  options.minimum_keys = 64;
  options.window = 16;
  options.tail_samples = 64;
  const RowMatrix<float> keys = gaussian_rows<float>(600, 16, 11),
                         query = gaussian_rows<float>(1, 16, 12);
  const auto view = [](const RowMatrix<float>& rows) { return HeadsView<float>(rows, 2); };
  const auto decode = [&](KnnAttention<float>& attention) {
    PhiloxEngine engine(13);
    return attention.decode(view(query), engine).values.eval();
  };
  KnnAttention<float> whole(2, 2, 8, 8, options);
  whole.append(view(keys), view(keys));
  const RowMatrix<float> expected = decode(whole);
  int tried = 0;
  for (bool failed = true; failed; ++tried) {
    KnnAttention<float> attention(2, 2, 8, 8, options);
    const Outcome outcome = fail_at(tried, [&] { attention.append(view(keys), view(keys)); });
    failed = outcome.failed;
    ASSERT_EQ(attention.cache().tokens_seen(), outcome.changed ? 600U : 0U);
    if (outcome.changed) {
      ASSERT_EQ(decode(attention), expected) << tried;
    }
  }
  EXPECT_GE(tried, 8);
}

template <HnswGeometry geometry>
struct GraphFile : AddToGraph {
  static auto make() {
    HnswParameters p = parameters();
    p.geometry = geometry;
    return HnswIndex<float>(rows_of(0, 200), p);
  }
};

template <class Case>
class MadeWrong : public ::testing::Test {};

using Files = ::testing::Types<AddToCodes<4>, AddToLists, GraphFile<HnswGeometry::inner_product>,
                               GraphFile<HnswGeometry::l2_reduction>, AppendToKeyValues,
                               AppendToWindow, AppendToSubGen<SubGenEstimator::plain>,
                               AppendToSubGen<SubGenEstimator::stratified>>;
TYPED_TEST_SUITE(MadeWrong, Files);

// A thousand files with a right checksum, in which a byte or a number of eight is another: loading
// takes no more memory than of the right file and a megabyte, whatever they say.
TYPED_TEST(MadeWrong, FilesTakeNoMoreMemoryThanRightOnes) {
  const ScratchFolder folder;
  const auto path = folder / "file";
  auto saved = TypeParam::make();
  using Saved = decltype(saved);
  saved.save(path);
  const Bytes good = bytes_of(path);
  const auto load = [&] {
    try {
      Saved::load(path);
      return true;
    } catch (const file_error&) {
      return false;
    }
  };
  ASSERT_TRUE(load());  // what is made once is there now
  const std::size_t start = memory::in_use;
  memory::peak = start;
  ASSERT_TRUE(load());
  const std::size_t needed = memory::peak - start;

  PhiloxEngine engine(71);
  int taken = 0;
  for (int round = 0; round < 1000; ++round) {
    Bytes bytes = good;
    const auto within = static_cast<std::uint32_t>(round % 2 == 0 ? 120 : good.size() - 16);
    const std::size_t at = uniform_index(within, engine);
    const std::uint64_t bits = engine();
    if (round % 3 == 0) {
      const std::uint64_t number = std::uint64_t{1} << (bits % 64);
      std::memcpy(bytes.data() + at, &number, sizeof number);
    } else {
      bytes[at] = static_cast<unsigned char>(round % 3 == 1 ? bytes[at] ^ (1U << (bits % 8))
                                                            : static_cast<unsigned>(bits & 0xFF));
    }
    write_bytes(path, with_checksum(std::move(bytes)));
    const long refused = memory::refused;
    memory::limit = memory::in_use + needed + (std::size_t{1} << 20);
    bool ran_out = false;
    try {
      taken += load() ? 1 : 0;
    } catch (const std::bad_alloc&) {
      ran_out = true;
    }
    memory::limit = static_cast<std::size_t>(-1);
    ASSERT_FALSE(ran_out || memory::refused != refused) << "round " << round << ", byte " << at;
  }
  EXPECT_GT(taken, 0);  // changed rows are rows
  EXPECT_LT(taken, 900);
}

}  // namespace
}  // namespace lazygumbel::testing
