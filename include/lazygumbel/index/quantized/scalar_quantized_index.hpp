#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/binary_file.hpp"
#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/fwd.hpp"
#include "lazygumbel/index/detail/row_store.hpp"
#include "lazygumbel/index/detail/top_k.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/quantized/detail/code_scan.hpp"
#include "lazygumbel/index/quantized/detail/row_codes.hpp"
#include "lazygumbel/index/quantized/quantized_tail.hpp"

namespace lazygumbel {

struct ScalarQuantizedParameters {
  int bits = 4;             ///< of a code, 4 or 8: 8 reads twice as much and errs a sixteenth
  std::size_t threads = 1;  ///< that code rows; 0: all
  Simd simd = best_simd();  ///< instruction set of the scans; all give the same integers
};

/// Exact draws with proof from a scan of coded rows: no graph, no recall, no assumption. Each row
/// is stored as codes of 4 (or 8) bits beside the row itself, with its own step and the norm r_i of
/// what the codes leave out. For a query q, coded as qhat with residual norm r_q, Cauchy-Schwarz
/// gives for every item
///   |<q, x_i> - est_i| <= |q| r_i + r_q |xhat_i|,   est_i = <qhat, xhat_i>,
/// and a scan of the codes, integer dot products, gives all n bounds at an eighth (a quarter) of
/// the rows' memory traffic. The bound is enlarged by every rounding, that of `score` included
/// (docs/algorithms.md, section 5), so it is certified for the numbers computed.
///
/// A search returns the k items of largest upper bound, rescored: not always the k best. The bound
/// of every other item reaches the sampler through `search_with_tail` and estimators through
/// `search_with_proposals`.
///
/// Coding: O(n d), about 0.4 microseconds a row of 100. Search: O(n d / 64) multiply instructions
/// plus O(k d). Memory beside the rows: n (d / 2 + 5) bytes with 4 bits. const members are
/// thread-safe; `add` and moves are not, against anything. A moved index must not be used by tails
/// made before.
template <class Scalar>
class ScalarQuantizedIndex {
 public:
  using scalar_type = Scalar;
  using tail_type = QuantizedTail;
  using proposals_type = QuantizedProposals;
  static constexpr bool is_exact = false;
  /// The tail is so well bounded that a large head does not pay.
  static constexpr std::size_t preferred_k = 4;
  /// Of a batch: so few that what a scan leaves of each stays in cache.
  static constexpr std::size_t queries_together = 8;

  /// Owns `rows` (n x d; move it in to avoid the copy). Throws std::invalid_argument on an empty
  /// matrix, NaN, infinity, norms above 1e30, more than 50,000 columns, bits other than 4 and 8, or
  /// an instruction set that this machine lacks.
  explicit ScalarQuantizedIndex(RowMatrix<Scalar> rows,
                                const ScalarQuantizedParameters& parameters = {})
      : ScalarQuantizedIndex(RowStore<Scalar>(std::move(rows)), parameters) {}

  /// Reads the caller's rows where they are: no copy, they must stay alive and unchanged.
  static ScalarQuantizedIndex over(const RowPointer<Scalar>& rows,
                                   const ScalarQuantizedParameters& parameters = {}) {
    return ScalarQuantizedIndex(RowStore<Scalar>(rows), parameters);
  }

  std::size_t size() const noexcept { return rows_.size(); }
  std::size_t dimension() const noexcept { return rows_.dimension(); }
  auto rows() const noexcept { return rows_.matrix(); }
  const ScalarQuantizedParameters& parameters() const noexcept { return parameters_; }
  /// Bytes of the codes; the rows are not counted.
  std::size_t size_in_bytes() const noexcept { return codes_.size_in_bytes(); }

  /// Appends rows (copied) as items size() .. size() + rows.rows() - 1. Amortised O(d) a row.
  /// Throws std::invalid_argument on bad rows, leaving the index as it was, and when the index
  /// views rows of the caller's.
  void add(const MatrixView<Scalar>& rows) {
    require_norms(detail::require_rows_and_norms<Scalar>("rows", rows), "rows");
    const std::size_t first = size(), added = static_cast<std::size_t>(rows.rows());
    rows_.append(rows);
    codes_.append<Scalar>(rows_.block(first, added), parameters_.threads, parameters_.simd);
  }

  /// <query, x_id>, computed in Scalar. Precondition, not checked: id < size(). O(d).
  double score(const VectorView<Scalar>& query, item_id id) const noexcept {
    return static_cast<double>(rows_.row(id).dot(query));
  }

  /// score() of each id, prefetching rows ahead.
  void score_many(const VectorView<Scalar>& query, std::span<const item_id> ids,
                  std::span<double> scores) const noexcept {
    rows_.score_many(query, ids, scores);
  }

  /// A certified upper bound on score(query, id) for each id of a tile of 64 rows is what a search
  /// is made of; this gives both bounds of all items, for tests and for users who want them:
  /// lower[i] <= score(query, i) <= upper[i].
  void score_bounds(const VectorView<Scalar>& query, std::span<float> lower,
                    std::span<float> upper) const {
    const RowPointer<Scalar> one(query.data(), 1, query.size(), Eigen::OuterStride<>(query.size()));
    score_bounds_of_sum(one, lower, upper);
  }

  /// The same for the sum of several queries' scores, given as the rows of `queries`, each coded by
  /// itself: lower[i] <= sum_p score(queries_p, i) <= upper[i] but for the roundings of that sum. A
  /// query with a few large entries is bounded far better as the sum of its coarse part and the
  /// rest, and a further part costs little, since each tile of codes is then in cache. Throws
  /// std::invalid_argument as `search` does, on spans of other lengths and on no query.
  void score_bounds_of_sum(const MatrixView<Scalar>& queries, std::span<float> lower,
                           std::span<float> upper) const {
    if (lower.size() != size() || upper.size() != size())
      detail::throw_invalid("lower.size(), upper.size()",
                            lower.size() != size() ? lower.size() : upper.size(),
                            "must equal size()");
    if (queries.rows() == 0) detail::throw_invalid("queries.rows()", 0, "must be at least 1");
    std::vector<detail::CodedQuery> coded;
    for (Eigen::Index p = 0; p < queries.rows(); ++p)
      coded.push_back(code(queries.row(p).transpose(), "query"));
    for (std::size_t tile = 0; tile < codes_.tiles(); ++tile) {
      std::array<float, detail::tile_rows> sums{}, sum_errors{};
      for (const detail::CodedQuery& part : coded) {
        std::array<float, detail::tile_rows> estimates, errors;
        kernels_->tile(codes_, tile, part, estimates.data(), errors.data(), 0.0F, nullptr);
        for (std::size_t r = 0; r < detail::tile_rows; ++r) {
          sums[r] += estimates[r];
          sum_errors[r] += errors[r];
        }
      }
      for (std::size_t r = 0; r < codes_.rows_in(tile); ++r) {
        lower[tile * detail::tile_rows + r] = sums[r] - sum_errors[r];
        upper[tile * detail::tile_rows + r] = sums[r] + sum_errors[r];
      }
    }
  }

  /// The k items with the largest upper bounds, rescored, and a certified bound on the rest. Throws
  /// std::invalid_argument on a query of the wrong dimension, with NaN or infinity, or so long that
  /// scores overflow (or beyond about 1e35 / sqrt(d), whatever the rows), and on k == 0.
  void search(const VectorView<Scalar>& query, std::size_t k, Retrieval& found) const {
    QuantizedTail tail;
    search_with_tail(query, k, found, tail, 1);
  }

  /// The same, and what the scan tells of the rest: see QuantizedTail. For many `draws` the head is
  /// made of the tiles with the largest sums of estimate and error: k items of large bounds, not
  /// always the k largest.
  void search_with_tail(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                        QuantizedTail& tail, std::size_t draws) const {
    require_k(k);
    start(query, "query", tail);
    tail.summed_ = draws >= draws_that_pay_for_sums;
    if (tail.summed_) {
      tail.sums_.scan(codes_, *kernels_, tail.query_);
      weighted_head(query, k, found, tail.sums_);
      tail.sums_.prepare(sorted_ids(found), detail::WeightedCodes::Purpose::bounds);
    } else {
      const detail::CodedQuery* const coded = &tail.query_;
      const detail::BoundSink sink{tail.lanes_.data(), tail.largest_.data()};
      kernels_->bounds(codes_, 0, codes_.tiles(), &coded, &sink);
      bounded_head(query, k, found, tail);
    }
  }

  /// The head for many draws, and proposals for estimators: see QuantizedProposals.
  void search_with_proposals(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                             QuantizedProposals& proposals) const {
    require_k(k);
    detail::CodedQuery coded = code(query, "query");
    proposals.weights_.scan(codes_, *kernels_, coded);
    weighted_head(query, k, found, proposals.weights_);
    proposals.weights_.prepare(sorted_ids(found), detail::WeightedCodes::Purpose::estimates);
  }

  /// search_with_tail for each row of `queries`, for one draw each: a few tiles at a time stay in
  /// cache for all queries.
  void search_batch_with_tail(const MatrixView<Scalar>& queries, std::size_t k,
                              std::span<Retrieval> retrievals,
                              std::span<QuantizedTail> tails) const {
    require_k(k);
    const auto count = static_cast<std::size_t>(queries.rows());
    if (retrievals.size() != count || tails.size() != count)
      detail::throw_invalid("retrievals.size(), tails.size()", retrievals.size(),
                            "must equal queries.rows()");
    std::vector<const detail::CodedQuery*> coded;
    std::vector<detail::BoundSink> sinks;
    for (std::size_t j = 0; j < count; ++j) {
      start(queries.row(static_cast<Eigen::Index>(j)).transpose(),
            "queries.row(" + detail::text_of(j) + ")", tails[j]);
      tails[j].summed_ = false;
      coded.push_back(&tails[j].query_);
      sinks.push_back({tails[j].lanes_.data(), tails[j].largest_.data()});
    }
    constexpr std::size_t tiles_in_cache = 16, together = detail::CodeKernels::together;
    for (std::size_t first = 0; first < codes_.tiles(); first += tiles_in_cache) {
      const std::size_t last = (std::min)(codes_.tiles(), first + tiles_in_cache);
      std::size_t j = 0;
      for (; j + together <= count; j += together)
        kernels_->bounds_together(codes_, first, last, &coded[j], &sinks[j]);
      for (; j < count; ++j) kernels_->bounds(codes_, first, last, &coded[j], &sinks[j]);
    }
    for (std::size_t j = 0; j < count; ++j)
      bounded_head(queries.row(static_cast<Eigen::Index>(j)).transpose(), k, retrievals[j],
                   tails[j]);
  }

  /// One search per row of `queries` (m x d) into retrievals[0 .. m-1].
  void search_batch(const MatrixView<Scalar>& queries, std::size_t k,
                    std::span<Retrieval> retrievals) const {
    std::vector<QuantizedTail> tails(retrievals.size());
    search_batch_with_tail(queries, k, retrievals, tails);
  }

  /// Writes the rows and the parameters to `path`; the codes are made again by `load`, which costs
  /// less than to check them. The file appears whole or not at all. Throws file_error.
  void save(const std::filesystem::path& path) const {
    detail::BinaryWriter out(path);
    out.put(magic);
    out.put(file_version);
    out.put(static_cast<std::uint32_t>(sizeof(Scalar)));
    out.put(static_cast<std::uint32_t>(parameters_.bits));
    out.put(static_cast<std::uint64_t>(dimension()));
    out.put(static_cast<std::uint64_t>(size()));
    for (item_id id = 0; id < size(); ++id)
      out.put(std::span<const Scalar>(rows_.row(id).data(), dimension()));
    out.finish();
  }

  /// Reads what `save` wrote. Throws file_error on a missing, truncated, corrupted or foreign file,
  /// or one of another Scalar or format version.
  static ScalarQuantizedIndex load(const std::filesystem::path& path, std::size_t threads = 1);

 private:
  static constexpr std::array<char, 8> magic = {'L', 'Z', 'G', 'S', 'Q', 'I', 'X', '1'};
  static constexpr std::uint32_t file_version = 1;
  /// The sums of exp(bound) cost about a third of a scan; a draw saves about a microsecond by them.
  static constexpr std::size_t draws_that_pay_for_sums = 16;

  ScalarQuantizedIndex(RowStore<Scalar> rows, const ScalarQuantizedParameters& parameters)
      : rows_(std::move(rows)), parameters_(parameters), codes_(parameters.bits, dimension()) {
    if (!is_supported(parameters.simd))
      detail::throw_invalid("simd", name_of(parameters.simd), "this machine does not support it");
    require_norms(rows_.max_norm(), "rows");
    kernels_ = &detail::code_kernels(parameters.simd, parameters.bits);
    codes_.append<Scalar>(rows_.matrix(), parameters.threads, parameters.simd);
  }

  static void require_norms(double largest, const char* name) {
    if (!(largest <= 1e30))
      detail::throw_invalid(std::string(name) + ": largest norm", largest, "must be at most 1e30");
  }

  static void require_k(std::size_t k) {
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
  }

  detail::CodedQuery code(const VectorView<Scalar>& query, std::string_view name) const {
    detail::CodedQuery coded;
    code(query, name, coded);
    return coded;
  }

  void code(const VectorView<Scalar>& query, std::string_view name,
            detail::CodedQuery& coded) const {
    rows_.require_query(name, query, 1);
    coded.template assign<Scalar>(query, parameters_.bits, codes_.residual_unit(),
                                  static_cast<double>(codes_.largest_scale()), rows_.max_norm());
  }

  void start(const VectorView<Scalar>& query, std::string_view name, QuantizedTail& tail) const {
    code(query, name, tail.query_);
    tail.codes_ = &codes_;
    tail.kernels_ = kernels_;
    tail.lanes_.resize(codes_.tiles() * detail::tile_lanes);
    tail.largest_.resize(codes_.tiles());
  }

  static std::vector<item_id> sorted_ids(const Retrieval& found) {
    std::vector<item_id> ids(found.ids);
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  void bounded_head(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                    QuantizedTail& tail) const {
    select(
        query, tail.query_, k, [&](std::size_t tile) { return tail.largest_[tile]; }, found);
    tail.sum_bounds(sorted_ids(found));
  }

  void weighted_head(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                     const detail::WeightedCodes& weights) const {
    const auto bound = [&](std::size_t tile) {
      return weights.tiles()[tile].largest + weights.tiles()[tile].error;
    };
    select(query, weights.query(), k, bound, found);
  }

  /// The k rows of largest bound, given a bound for each tile: they lie in the k tiles of largest
  /// bound, up to ties.
  template <class TileBound>
  void select(const VectorView<Scalar>& query, const detail::CodedQuery& coded, std::size_t k,
              TileBound&& tile_bound, Retrieval& found) const {
    k = (std::min)(k, size());
    TopK<float> tiles((std::min)(k + 1, codes_.tiles()));
    for (std::size_t t = 0; t < codes_.tiles(); ++t)
      if (const float bound = tile_bound(t); bound >= tiles.threshold())
        tiles.push(bound, static_cast<item_id>(t));
    auto& kept = tiles.finish();
    float bound = -std::numeric_limits<float>::infinity();
    if (kept.size() > k) {
      bound = kept.back().first;
      kept.pop_back();
    }
    TopK<float> rows((std::min)(k + 1, size()));
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (i + 1 < kept.size()) codes_.prefetch(kept[i + 1].second);
      const std::size_t tile = kept[i].second;
      std::array<float, detail::tile_rows> estimates, errors;
      kernels_->tile(codes_, tile, coded, estimates.data(), errors.data(), 0.0F, nullptr);
      for (std::size_t r = 0; r < codes_.rows_in(tile); ++r)
        if (const float b = estimates[r] + errors[r]; b >= rows.threshold())
          rows.push(b, static_cast<item_id>(tile * detail::tile_rows + r));
    }
    auto& head = rows.finish();
    if (head.size() > k) {
      bound = (std::max)(bound, head.back().first);
      head.pop_back();
    }
    found.clear();
    for (const auto& row : head) found.ids.push_back(row.second);
    rescore(*this, query, found);
    found.residual_bound = static_cast<double>(bound);
    found.guarantee = Guarantee::certified();
  }

  RowStore<Scalar> rows_;
  ScalarQuantizedParameters parameters_;
  detail::RowCodes codes_;
  const detail::CodeKernels* kernels_ = nullptr;
};

template <class Scalar>
ScalarQuantizedIndex<Scalar> ScalarQuantizedIndex<Scalar>::load(const std::filesystem::path& path,
                                                                std::size_t threads) {
  detail::BinaryReader in(path);
  if (in.template get<std::array<char, 8>>() != magic)
    in.fail("is not a saved ScalarQuantizedIndex");
  if (const auto format = in.template get<std::uint32_t>(); format != file_version)
    in.fail("has format version " + detail::text_of(format) + ", this library reads " +
            detail::text_of(file_version));
  if (const auto bytes = in.template get<std::uint32_t>(); bytes != sizeof(Scalar))
    in.fail("holds scalars of " + detail::text_of(bytes) + " bytes, not " +
            detail::text_of(sizeof(Scalar)));
  const auto bits = in.template get<std::uint32_t>();
  const auto dimension = in.template get<std::uint64_t>(), count = in.template get<std::uint64_t>();
  if ((bits != 4 && bits != 8) || dimension < 1 || dimension > detail::max_code_dimension ||
      count < 1 || count > (std::numeric_limits<item_id>::max)() ||
      in.left() / (dimension * sizeof(Scalar)) < count)
    in.fail("is truncated or corrupted: " + detail::text_of(count) + " rows of " +
            detail::text_of(dimension) + " with " + detail::text_of(bits) + " bits");
  RowMatrix<Scalar> rows(static_cast<Eigen::Index>(count), static_cast<Eigen::Index>(dimension));
  in.get(std::span<Scalar>(rows.data(), count * dimension));
  in.finish();
  try {
    return ScalarQuantizedIndex(std::move(rows),
                                {.bits = static_cast<int>(bits), .threads = threads});
  } catch (const std::invalid_argument& error) {
    in.fail(std::string("is corrupted: ") + error.what());
  }
}

static_assert(BatchMipsIndex<ScalarQuantizedIndex<float>> &&
              TailIndex<ScalarQuantizedIndex<float>> &&
              ProposingIndex<ScalarQuantizedIndex<double>>);

}  // namespace lazygumbel
