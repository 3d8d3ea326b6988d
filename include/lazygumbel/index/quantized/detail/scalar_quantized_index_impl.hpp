#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/binary_file.hpp"
#include "lazygumbel/index/detail/top_k.hpp"
#include "lazygumbel/index/quantized/scalar_quantized_index.hpp"

/// \file
/// Definitions of ScalarQuantizedIndex: coding, searches, files.

namespace lazygumbel {

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::add(const MatrixView<Scalar>& rows) {
  require_norms(detail::require_rows_and_norms<Scalar>("rows", rows), "rows");
  const std::size_t first = size(), added = static_cast<std::size_t>(rows.rows());
  const double norm = rows_.max_norm();
  rows_.append(rows);
  try {
    codes_.append<Scalar>(rows_.block(first, added), parameters_.threads, parameters_.simd);
  } catch (...) {
    rows_.take_back(first, norm);
    throw;
  }
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::score_bounds(const VectorView<Scalar>& query,
                                                std::span<float> lower,
                                                std::span<float> upper) const {
  const RowPointer<Scalar> one(query.data(), 1, query.size(), Eigen::OuterStride<>(query.size()));
  score_bounds_of_sum(one, lower, upper);
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::score_bounds_of_sum(const MatrixView<Scalar>& queries,
                                                       std::span<float> lower,
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

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::search(const VectorView<Scalar>& query, std::size_t k,
                                          Retrieval& found) const {
  QuantizedTail tail;
  search_with_tail(query, k, found, tail, 1);
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::search_with_tail(const VectorView<Scalar>& query, std::size_t k,
                                                    Retrieval& found, QuantizedTail& tail,
                                                    std::size_t draws) const {
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

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::search_with_proposals(const VectorView<Scalar>& query,
                                                         std::size_t k, Retrieval& found,
                                                         QuantizedProposals& proposals) const {
  require_k(k);
  detail::CodedQuery coded = code(query, "query");
  proposals.weights_.scan(codes_, *kernels_, coded);
  weighted_head(query, k, found, proposals.weights_);
  proposals.weights_.prepare(sorted_ids(found), detail::WeightedCodes::Purpose::estimates);
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::search_batch_with_tail(const MatrixView<Scalar>& queries,
                                                          std::size_t k,
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
    bounded_head(queries.row(static_cast<Eigen::Index>(j)).transpose(), k, retrievals[j], tails[j]);
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::search_batch(const MatrixView<Scalar>& queries, std::size_t k,
                                                std::span<Retrieval> retrievals) const {
  std::vector<QuantizedTail> tails(retrievals.size());
  search_batch_with_tail(queries, k, retrievals, tails);
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::save(const std::filesystem::path& path) const {
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

template <class Scalar>
ScalarQuantizedIndex<Scalar>::ScalarQuantizedIndex(RowStore<Scalar> rows,
                                                   const ScalarQuantizedParameters& parameters)
    : rows_(std::move(rows)), parameters_(parameters), codes_(parameters.bits, dimension()) {
  if (!is_supported(parameters.simd))
    detail::throw_invalid("simd", name_of(parameters.simd), "this machine does not support it");
  require_norms(rows_.max_norm(), "rows");
  kernels_ = &detail::select<detail::CodeKernels>(parameters.simd);
  codes_.append<Scalar>(rows_.matrix(), parameters.threads, parameters.simd);
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::require_norms(double largest, const char* name) {
  if (!(largest <= 1e30))
    detail::throw_invalid(std::string(name) + ": largest norm", largest, "must be at most 1e30");
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::require_k(std::size_t k) {
  if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
}

template <class Scalar>
detail::CodedQuery ScalarQuantizedIndex<Scalar>::code(const VectorView<Scalar>& query,
                                                      std::string_view name) const {
  detail::CodedQuery coded;
  code(query, name, coded);
  return coded;
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::code(const VectorView<Scalar>& query, std::string_view name,
                                        detail::CodedQuery& coded) const {
  rows_.require_query(name, query, 1);
  coded.template assign<Scalar>(query, parameters_.bits, codes_.residual_unit(),
                                static_cast<double>(codes_.largest_scale()), rows_.max_norm());
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::start(const VectorView<Scalar>& query, std::string_view name,
                                         QuantizedTail& tail) const {
  code(query, name, tail.query_);
  tail.codes_ = &codes_;
  tail.kernels_ = kernels_;
  tail.lanes_.resize(codes_.tiles() * detail::tile_lanes);
  tail.largest_.resize(codes_.tiles());
}

template <class Scalar>
std::vector<item_id> ScalarQuantizedIndex<Scalar>::sorted_ids(const Retrieval& found) {
  std::vector<item_id> ids(found.ids);
  std::sort(ids.begin(), ids.end());
  return ids;
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::bounded_head(const VectorView<Scalar>& query, std::size_t k,
                                                Retrieval& found, QuantizedTail& tail) const {
  select(
      query, tail.query_, k, [&](std::size_t tile) { return tail.largest_[tile]; }, found);
  tail.sum_bounds(sorted_ids(found));
}

template <class Scalar>
void ScalarQuantizedIndex<Scalar>::weighted_head(const VectorView<Scalar>& query, std::size_t k,
                                                 Retrieval& found,
                                                 const detail::WeightedCodes& weights) const {
  const auto bound = [&](std::size_t tile) {
    return weights.tiles()[tile].largest + weights.tiles()[tile].error;
  };
  select(query, weights.query(), k, bound, found);
}

template <class Scalar>
template <class TileBound>
void ScalarQuantizedIndex<Scalar>::select(const VectorView<Scalar>& query,
                                          const detail::CodedQuery& coded, std::size_t k,
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

}  // namespace lazygumbel
