#include <filesystem>
#include <lazygumbel/attention/cache/exact_kv_cache.hpp>
#include <lazygumbel/attention/cache/kv_cache.hpp>
#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <lazygumbel/attention/subgen/sub_gen_cache.hpp>
#include <lazygumbel/attention/window/sliding_window_cache.hpp>
#include <memory>
#include <type_traits>
#include <utility>

// Which types are a KvCache and which are not. One line for every cache of the library.

namespace {

using namespace lazygumbel;

static_assert(MergeableKvCache<KeyValueCache<float>>);
static_assert(MergeableKvCache<KeyValueCache<Eigen::half>>);
static_assert(MergeableKvCache<KeyValueCache<Eigen::bfloat16>>);
static_assert(MergeableKvCache<SlidingWindowCache<float>>);
static_assert(MergeableKvCache<SlidingWindowCache<Eigen::half>>);
static_assert(MergeableKvCache<SlidingWindowCache<Eigen::bfloat16>>);
static_assert(MergeableKvCache<SubGenCache<float>>);
static_assert(MergeableKvCache<SubGenCache<Eigen::half>>);
static_assert(MergeableKvCache<SubGenCache<Eigen::bfloat16>>);

// Moving one copies nothing: a vector of them, one a layer, grows by moves.
static_assert(std::is_nothrow_move_constructible_v<KeyValueCache<float>>);
static_assert(std::is_nothrow_move_constructible_v<SlidingWindowCache<float>>);
static_assert(std::is_nothrow_move_constructible_v<SubGenCache<float>>);

/// The least: no default constructor, no copy, an append that returns something, options by value,
/// an attend that takes more, no merge.
struct Least {
  using scalar_type = float;
  explicit Least(std::unique_ptr<std::size_t> count) : seen(std::move(count)) {}
  static std::size_t kv_heads() { return 1; }
  static std::size_t key_dimension() { return 1; }
  static std::size_t value_dimension() { return 1; }
  std::size_t tokens_seen() const { return *seen; }
  static std::size_t size_in_bytes() { return sizeof(std::size_t); }
  bool append(HeadsView<float> keys, HeadsView<float>) {
    *seen += keys.tokens();
    return true;
  }
  AttentionOutput attend(HeadsView<float>, AttentionOptions = {}, int = 0) const { return {}; }
  static void save(const std::filesystem::path&) {}
  static Least load(const std::filesystem::path&) {
    return Least(std::make_unique<std::size_t>(0));
  }
  std::unique_ptr<std::size_t> seen;
};
static_assert(KvCache<Least> && !MergeableKvCache<Least>);

/// A stream in parts through any cache: what generic code may do with one.
template <KvCache Cache>
AttentionOutput stream(Cache cache, const HeadsView<typename Cache::scalar_type>& keys,
                       const HeadsView<typename Cache::scalar_type>& values,
                       const HeadsView<float>& queries, const std::filesystem::path& path) {
  for (std::size_t i = 0; i < keys.tokens(); ++i)
    cache.append(keys.tokens(i, 1), values.tokens(i, 1));
  cache.save(path);
  Cache moved = std::move(cache);
  moved = Cache::load(path);
  if constexpr (MergeableKvCache<Cache>) moved.merge(Cache::load(path));
  return moved.attend(queries, AttentionOptions{});
}

/// They compile.
[[maybe_unused]] void instantiate(const HeadsView<float>& rows, const HeadsView<Eigen::half>& half,
                                  const std::filesystem::path& path) {
  stream(Least::load(path), rows, rows, rows, path);
  stream(KeyValueCache<float>(1, 1, 1), rows, rows, rows, path);
  stream(KeyValueCache<Eigen::half>::load(path), half, half, rows, path);
  stream(SlidingWindowCache<float>::load(path), rows, rows, rows, path);
  stream(SubGenCache<float>::load(path), rows, rows, rows, path);
  stream(SubGenCache<Eigen::half>::load(path), half, half, rows, path);
}

// What lacks one thing is none. Each says all again but for that: inherited names can be hidden by
// data, but not taken away.
template <class Own>
struct Whole {
  using scalar_type = float;
  std::size_t kv_heads() const;
  std::size_t key_dimension() const;
  std::size_t value_dimension() const;
  std::size_t tokens_seen() const;
  std::size_t size_in_bytes() const;
  void append(const HeadsView<float>&, const HeadsView<float>&);
  AttentionOutput attend(const HeadsView<float>&, const AttentionOptions&) const;
  void save(const std::filesystem::path&) const;
  static Own load(const std::filesystem::path&);
  void merge(const Own&);
};
struct Complete : Whole<Complete> {};
static_assert(MergeableKvCache<Complete>);

struct OfDoubles : Whole<OfDoubles> {
  using scalar_type = double;  // no StorageScalar
};
struct NoKvHeads : Whole<NoKvHeads> {
  int kv_heads;
};
struct NoKeyDimension : Whole<NoKeyDimension> {
  int key_dimension;
};
struct NoValueDimension : Whole<NoValueDimension> {
  int value_dimension;
};
struct NoTokensSeen : Whole<NoTokensSeen> {
  int tokens_seen;
};
struct IntTokensSeen : Whole<IntTokensSeen> {
  int tokens_seen() const;
};
struct MutableSize : Whole<MutableSize> {
  std::size_t size_in_bytes();
};
struct NoAppend : Whole<NoAppend> {
  int append;
};
struct AppendOfHalves : Whole<AppendOfHalves> {  // says float, takes half
  void append(const HeadsView<Eigen::half>&, const HeadsView<Eigen::half>&);
};
struct NoAttend : Whole<NoAttend> {
  int attend;
};
struct MutableAttend : Whole<MutableAttend> {
  AttentionOutput attend(const HeadsView<float>&, const AttentionOptions&);
};
struct AttendInto : Whole<AttendInto> {
  void attend(const HeadsView<float>&, const AttentionOptions&, AttentionOutput&) const;
};
struct AttendRandomly : Whole<AttendRandomly> {  // wants an engine for each query
  AttentionOutput attend(const HeadsView<float>&, const AttentionOptions&, int& engine) const;
};
struct NoSave : Whole<NoSave> {
  int save;
};
struct NoLoad : Whole<NoLoad> {
  int load;
};
struct LoadsAnother : Whole<LoadsAnother> {
  static Complete load(const std::filesystem::path&);
};
struct Immovable : Whole<Immovable> {
  Immovable(Immovable&&) = delete;
  Immovable& operator=(Immovable&&) = delete;
};
struct NotAssignable : Whole<NotAssignable> {
  NotAssignable(NotAssignable&&) = default;
  const int fixed = 0;
};
static_assert(!KvCache<OfDoubles> && !KvCache<NoKvHeads> && !KvCache<NoKeyDimension>);
static_assert(!KvCache<NoValueDimension> && !KvCache<NoTokensSeen> && !KvCache<IntTokensSeen>);
static_assert(!KvCache<MutableSize> && !KvCache<MutableAttend>, "const means thread-safe");
static_assert(!KvCache<NoAppend> && !KvCache<AppendOfHalves>);
static_assert(!KvCache<NoAttend> && !KvCache<AttendInto> && !KvCache<AttendRandomly>);
static_assert(!KvCache<NoSave> && !KvCache<NoLoad> && !KvCache<LoadsAnother>);
static_assert(!KvCache<Immovable> && !KvCache<NotAssignable>);
static_assert(!KvCache<int> && !KvCache<KeyValueCache<float>*> && !KvCache<KnnAttention<float>>);

struct NoMerge : Whole<NoMerge> {
  int merge;
};
struct MergeTakesOver : Whole<MergeTakesOver> {  // `later` must stay as it is
  void merge(MergeTakesOver&);
};
struct MergesAnother : Whole<MergesAnother> {
  void merge(const Complete&);
};
static_assert(KvCache<NoMerge> && !MergeableKvCache<NoMerge>);
static_assert(KvCache<MergeTakesOver> && !MergeableKvCache<MergeTakesOver>);
static_assert(KvCache<MergesAnother> && !MergeableKvCache<MergesAnother>);

}  // namespace
