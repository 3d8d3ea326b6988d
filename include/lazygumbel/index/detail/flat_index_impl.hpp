#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/index/detail/top_k.hpp"
#include "lazygumbel/index/flat_index.hpp"

/// \file
/// Definitions of FlatIndex: the scans.

namespace lazygumbel {

template <class Scalar>
template <class Visit>
void FlatIndex<Scalar>::scan(const VectorView<Scalar>& query, std::size_t k, Retrieval& found,
                             Visit&& visit) const {
  const double slack = rows_.require_query("query", query, k);
  TopK<Scalar> best((std::min)(k, size()));
  for (std::size_t i = 0; i < size(); ++i) {
    const Scalar value = rows_.row(static_cast<item_id>(i)).dot(query);
    visit(i, value);
    if (value >= best.threshold()) best.push(value, static_cast<item_id>(i));
  }
  report(query, best, slack, found);
}

template <class Scalar>
void FlatIndex<Scalar>::search(const VectorView<Scalar>& query, std::size_t k,
                               Retrieval& found) const {
  scan(query, k, found, [](std::size_t, Scalar) {});
}

template <class Scalar>
void FlatIndex<Scalar>::search_scored(const VectorView<Scalar>& query, std::size_t k,
                                      Retrieval& found, std::vector<double>& scores) const {
  scores.resize(size());
  scan(query, k, found,
       [&](std::size_t i, Scalar score) { scores[i] = static_cast<double>(score); });
}

template <class Scalar>
void FlatIndex<Scalar>::search_batch(const MatrixView<Scalar>& queries, std::size_t k,
                                     std::span<Retrieval> retrievals, std::size_t threads) const {
  constexpr std::size_t group = 64;
  const auto count = static_cast<std::size_t>(queries.rows());
  if (retrievals.size() != count)
    detail::throw_invalid("retrievals.size()", retrievals.size(), "must equal queries.rows()");
  parallel_for((count + group - 1) / group, threads, [&](std::size_t part) {
    const std::size_t begin = part * group, end = (std::min)(count, begin + group);
    search_group(queries.middleRows(static_cast<Eigen::Index>(begin),
                                    static_cast<Eigen::Index>(end - begin)),
                 begin, k, retrievals.subspan(begin, end - begin));
  });
}

template <class Scalar>
void FlatIndex<Scalar>::collect(const Eigen::Ref<const Vector<Scalar>>& scores, std::size_t first,
                                TopK<Scalar>& best) {
  for (Eigen::Index i = 0; i < scores.size(); ++i)
    if (scores[i] >= best.threshold())
      best.push(scores[i], static_cast<item_id>(first + static_cast<std::size_t>(i)));
}

template <class Scalar>
void FlatIndex<Scalar>::search_group(const MatrixView<Scalar>& queries, std::size_t begin,
                                     std::size_t k, std::span<Retrieval> retrievals) const {
  std::vector<double> slack;
  for (Eigen::Index j = 0; j < queries.rows(); ++j)
    slack.push_back(rows_.require_query(
        "queries.row(" + detail::text_of(begin + static_cast<std::size_t>(j)) + ")",
        queries.row(j).transpose(), k));
  std::vector<TopK<Scalar>> best(slack.size(), TopK<Scalar>((std::min)(k, size())));
  Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> scores;
  for (std::size_t first = 0; first < size(); first += block_rows) {
    scores.noalias() = rows_.block(first, block_rows) * queries.transpose();
    for (Eigen::Index j = 0; j < queries.rows(); ++j)
      collect(scores.col(j), first, best[static_cast<std::size_t>(j)]);
  }
  for (std::size_t j = 0; j < slack.size(); ++j)
    report(queries.row(static_cast<Eigen::Index>(j)).transpose(), best[j], slack[j], retrievals[j]);
}

template <class Scalar>
void FlatIndex<Scalar>::report(const VectorView<Scalar>& query, TopK<Scalar>& best, double slack,
                               Retrieval& found) const {
  found.clear();
  auto& kept = best.finish();
  const double kth = static_cast<double>(kept.back().first);
  for (const auto& hit : kept) found.ids.push_back(hit.second);
  rescore(*this, query, found);
  found.residual_bound =
      kept.size() < size() ? kth + slack : -std::numeric_limits<double>::infinity();
  found.guarantee = Guarantee::certified();
}

}  // namespace lazygumbel
