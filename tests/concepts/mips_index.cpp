#include <indexes.hpp>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/projected_index.hpp>
#include <memory>
#include <string>

// Which types are a MipsIndex and which are not. One line for every index of the library.

namespace {

using namespace lazygumbel;

static_assert(MipsIndex<FlatIndex<float>> && BatchMipsIndex<FlatIndex<float>>);
static_assert(MipsIndex<FlatIndex<double>> && BatchMipsIndex<FlatIndex<double>>);
static_assert(MipsIndex<HnswIndex<float>> && !BatchMipsIndex<HnswIndex<float>>);
static_assert(MipsIndex<HnswIndex<double>> && !BatchMipsIndex<HnswIndex<double>>);
static_assert(BatchMipsIndex<ProjectedIndex<FlatIndex<double>>>);
static_assert(BatchMipsIndex<ProjectedIndex<HnswIndex<float>>>);
static_assert(FlatIndex<float>::is_exact && !HnswIndex<float>::is_exact);

static_assert(MipsIndex<testing::MinimalIndex> && !BatchMipsIndex<testing::MinimalIndex>);
static_assert(MipsIndex<testing::MaskedIndex>);
static_assert(MipsIndex<testing::HostileIndex>);

/// The least: no default constructor, no copy, no move, other integer and floating types than the
/// library's, a search that returns something, members that are static.
struct Least {
  using scalar_type = float;
  explicit Least(std::unique_ptr<int> handle) : handle_(std::move(handle)) {}
  Least(const Least&) = delete;
  Least& operator=(const Least&) = delete;
  static short size() { return 1; }
  unsigned char dimension() const { return 1; }
  float score(const VectorView<float>& query, item_id) const { return query[0]; }
  std::string search(const VectorView<float>& query, std::size_t, Retrieval& found) const {
    found.ids.push_back(0);
    found.scores.push_back(static_cast<double>(query[0]));
    return "done";
  }
  std::unique_ptr<int> handle_;
};
static_assert(MipsIndex<Least>);

/// Its functions are templates: they take any query.
struct Generic {
  using scalar_type = double;
  std::size_t size() const { return 1; }
  std::size_t dimension() const { return 1; }
  double score(const auto& query, auto) const { return query[0]; }
  void search(const auto& query, auto, auto& found) const {
    found.ids.push_back(0);
    found.scores.push_back(query[0]);
  }
};
static_assert(MipsIndex<Generic>);

/// They compile with the library's own algorithms too.
[[maybe_unused]] void instantiate(const Least& least, const Generic& generic) {
  Retrieval found;
  std::vector<item_id> sorted;
  search_checked(least, Vector<float>::Ones(1), 1, found, sorted);
  search_checked(generic, Vector<double>::Ones(1), 1, found, sorted);
  for_each_score(least, Vector<float>::Ones(1), [](item_id, std::span<const double>) {});
}

// What lacks one thing is none.
struct NoScalarType : Generic {
  using scalar_type = void;
};
struct IntegerScores : Generic {
  using scalar_type = int;
};
struct NoSize {
  using scalar_type = double;
  std::size_t dimension() const;
  double score(const VectorView<double>&, item_id) const;
  void search(const VectorView<double>&, std::size_t, Retrieval&) const;
};
struct NoDimension {
  using scalar_type = double;
  std::size_t size() const;
  double score(const VectorView<double>&, item_id) const;
  void search(const VectorView<double>&, std::size_t, Retrieval&) const;
};
struct NoScore {
  using scalar_type = double;
  std::size_t size() const;
  std::size_t dimension() const;
  void search(const VectorView<double>&, std::size_t, Retrieval&) const;
};
struct NoSearch {
  using scalar_type = double;
  std::size_t size() const;
  std::size_t dimension() const;
  double score(const VectorView<double>&, item_id) const;
};
struct MutableSearch : NoSearch {
  void search(const VectorView<double>&, std::size_t, Retrieval&);
};
struct SearchByReturn : NoSearch {
  Retrieval search(const VectorView<double>&, std::size_t) const;
};
struct ScoreOfText : NoScore {
  std::string score(const VectorView<double>&, item_id) const;
};
struct OtherScalar : NoSearch {  // says double, takes float
  void search(Eigen::Ref<Vector<float>>, std::size_t, Retrieval&) const;
};
static_assert(!MipsIndex<NoScalarType> && !MipsIndex<IntegerScores>);
static_assert(!MipsIndex<NoSize> && !MipsIndex<NoDimension>);
static_assert(!MipsIndex<NoScore> && !MipsIndex<NoSearch>);
static_assert(!MipsIndex<MutableSearch>, "const means thread-safe");
static_assert(!MipsIndex<SearchByReturn> && !MipsIndex<ScoreOfText> && !MipsIndex<OtherScalar>);
static_assert(!MipsIndex<int> && !MipsIndex<FlatIndex<float>*>);

// The optional batch search is found by its signature, nothing declares it.
struct WithBatch : Generic {
  void search_batch(const MatrixView<double>&, std::size_t, std::span<Retrieval>) const;
};
struct WithOtherBatch : Generic {
  void search_batch(const MatrixView<double>&, std::size_t) const;
};
static_assert(BatchMipsIndex<WithBatch> && !BatchMipsIndex<WithOtherBatch>);

}  // namespace
