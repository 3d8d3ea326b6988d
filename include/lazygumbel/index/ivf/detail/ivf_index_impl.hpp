#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/index/ivf/detail/ivf_build.hpp"
#include "lazygumbel/index/ivf/detail/ivf_file.hpp"
#include "lazygumbel/index/ivf/detail/ivf_search.hpp"
#include "lazygumbel/index/ivf/ivf_index.hpp"

/// \file
/// Definitions of IvfIndex and CertifiedIvfView: building, searches, files.

namespace lazygumbel {

template <class Scalar>
IvfIndex<Scalar>::IvfIndex(const MatrixView<Scalar>& rows, const IvfParameters& parameters)
    : parameters_(parameters), lists_(detail::build_lists<Scalar>(rows, parameters)) {}

template <class Scalar>
void IvfIndex<Scalar>::add(const MatrixView<Scalar>& rows, std::size_t threads) {
  if (lists_.owns(rows.data()))
    detail::append_rows<Scalar>(lists_, RowMatrix<Scalar>(rows), parameters_.seed, threads);
  else
    detail::append_rows<Scalar>(lists_, rows, parameters_.seed, threads);
}

template <class Scalar>
void IvfIndex<Scalar>::search(const VectorView<Scalar>& query, std::size_t k,
                              Retrieval& found) const {
  const QueryScale scale = lists_.require_query("query", query, k);
  const Plan plan = make_plan(scale, centroid_scores(query), k);
  Candidates best((std::min)(k, size()), scale.slack);
  detail::scan_lists<Scalar>(lists_, plan.scanned, query, best);
  report(query, plan.left_out_bound, scale, best, found);
}

template <class Scalar>
void IvfIndex<Scalar>::search_batch(const MatrixView<Scalar>& queries, std::size_t k,
                                    std::span<Retrieval> retrievals, std::size_t threads) const {
  const auto count = static_cast<std::size_t>(queries.rows());
  if (retrievals.size() != count)
    detail::throw_invalid("retrievals.size()", retrievals.size(), "must equal queries.rows()");
  // Groups of whole blocks: a query's products with the centroids must not depend on `threads`.
  const std::size_t blocks =
      (std::max)(std::size_t{1}, (count + block_queries - 1) / block_queries);
  const std::size_t team = usable_threads(threads, blocks);
  const std::size_t group =
      (std::min)(queries_together, (blocks + team - 1) / team * block_queries);
  parallel_for((count + group - 1) / group, threads, [&](std::size_t part) {
    const std::size_t begin = part * group, size = (std::min)(count - begin, group);
    search_group(
        queries.middleRows(static_cast<Eigen::Index>(begin), static_cast<Eigen::Index>(size)),
        begin, k, retrievals.subspan(begin, size));
  });
}

template <class Scalar>
void IvfIndex<Scalar>::save(const std::filesystem::path& path) const {
  detail::save_ivf(path, lists_, parameters_);
}

template <class Scalar>
IvfIndex<Scalar> IvfIndex<Scalar>::load(const std::filesystem::path& path) {
  auto [parameters, lists] = detail::load_ivf<Scalar>(path);
  return IvfIndex(parameters, std::move(lists));
}

template <class Scalar>
Vector<Scalar> IvfIndex<Scalar>::centroid_scores(const VectorView<Scalar>& query) const {
  return lists_.centroids() * query;
}

template <class Scalar>
auto IvfIndex<Scalar>::make_plan(const QueryScale& scale, const VectorView<Scalar>& centroid_scores,
                                 std::size_t k) const -> Plan {
  return detail::plan_search<Scalar>(lists_, scale, centroid_scores, probes(), k);
}

template <class Scalar>
double IvfIndex<Scalar>::report(const VectorView<Scalar>& query, double left_out_bound,
                                const QueryScale& scale, Candidates& best, Retrieval& found) const {
  found.clear();
  for (const auto& hit : best.shrink()) found.ids.push_back(hit.second);
  rescore(*this, query, found);
  found.ids.resize((std::min)(best.k(), found.ids.size()));
  found.scores.resize(found.ids.size());
  const double bound = found.ids.size() == size() ? -std::numeric_limits<double>::infinity()
                                                  : found.scores.back() + scale.slack;
  if (left_out_bound <= bound) {
    found.residual_bound = bound;
    found.guarantee = Guarantee::certified();
  }
  return bound;
}

/// `begin`: the number of the group's first query in the batch.
template <class Scalar>
void IvfIndex<Scalar>::search_group(const MatrixView<Scalar>& queries, std::size_t begin,
                                    std::size_t k, std::span<Retrieval> retrievals) const {
  const auto query = [&](std::size_t j) {
    return queries.row(static_cast<Eigen::Index>(j)).transpose();
  };
  const std::size_t count = retrievals.size();
  Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> scores;
  std::vector<QueryScale> scales;
  std::vector<double> left_out_bounds;
  std::vector<Candidates> best;
  std::vector<std::vector<Eigen::Index>> visitors(lists());
  for (std::size_t j = 0; j < count; ++j) {
    const std::size_t in_block = j % block_queries;
    scales.push_back(
        lists_.require_query("queries.row(" + detail::text_of(begin + j) + ")", query(j), k));
    if (in_block == 0)
      scores.noalias() =
          lists_.centroids() *
          queries
              .middleRows(static_cast<Eigen::Index>(j),
                          static_cast<Eigen::Index>((std::min)(block_queries, count - j)))
              .transpose();
    const Plan plan = make_plan(scales[j], scores.col(static_cast<Eigen::Index>(in_block)), k);
    left_out_bounds.push_back(plan.left_out_bound);
    best.emplace_back((std::min)(k, size()), scales[j].slack);
    const std::span<const std::uint32_t> scanned(plan.scanned);
    detail::scan_lists<Scalar>(lists_, scanned.first(1), query(j), best[j]);  // a first threshold
    for (const std::uint32_t g : scanned.subspan(1))
      visitors[g].push_back(static_cast<Eigen::Index>(j));
  }

  RowMatrix<Scalar> gathered;
  for (std::size_t g = 0; g < lists(); ++g) {
    if (visitors[g].empty()) continue;
    gathered = queries(visitors[g], Eigen::all);
    scores.noalias() = lists_.rows(g) * gathered.transpose();
    for (std::size_t v = 0; v < visitors[g].size(); ++v)
      detail::push_block<Scalar>(scores.col(static_cast<Eigen::Index>(v)),
                                 lists_.directory().items(g),
                                 best[static_cast<std::size_t>(visitors[g][v])]);
  }
  for (std::size_t j = 0; j < count; ++j)
    report(query(j), left_out_bounds[j], scales[j], best[j], retrievals[j]);
}

template <class Scalar>
void IvfIndex<Scalar>::split_wide_lists(double widest) {
  detail::split_wide_lists(lists_, widest, parameters_.seed);
}

template <class Scalar>
void IvfIndex<Scalar>::search_with_proposals(const VectorView<Scalar>& query, std::size_t k,
                                             Retrieval& found, ListProposals& proposals) const {
  const QueryScale scale = lists_.require_query("query", query, k);
  const Vector<Scalar> to_centroids = centroid_scores(query);
  const Plan plan = make_plan(scale, to_centroids, k);
  Candidates best((std::min)(k, size()), scale.slack);
  std::vector<item_id> ids;
  std::vector<double> scores;
  detail::for_each_row<Scalar>(lists_, plan.scanned, query, [&](Scalar score, item_id id) {
    if (score >= best.threshold()) best.push(score, id);
    ids.push_back(id);
    scores.push_back(static_cast<double>(score) + scale.slack);  // no less than score()
  });
  report(query, plan.left_out_bound, scale, best, found);

  std::vector<item_id> head = found.ids;
  std::sort(head.begin(), head.end());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (scores[i] >= found.scores.back() && std::binary_search(head.begin(), head.end(), ids[i]))
      continue;
    ids[kept] = ids[i];
    scores[kept++] = scores[i];
  }
  ids.resize(kept);
  scores.resize(kept);

  const Eigen::ArrayXd spreads = (scale.norm * lists_.deviations()).square();
  Eigen::ArrayXd tilts = to_centroids.template cast<double>().array() + spreads;
  Eigen::ArrayXd bounds = lists_.bounds(scale, to_centroids);
  tilts = (tilts.min)(bounds);
  for (const std::uint32_t g : plan.scanned) tilts[g] = -std::numeric_limits<double>::infinity();
  proposals.assign(lists_.directory(), std::move(tilts), std::move(ids), std::move(scores),
                   std::move(bounds));
}

template <class Scalar>
void CertifiedIvfView<Scalar>::search_with_tail(const VectorView<Scalar>& query, std::size_t k,
                                                Retrieval& found, GroupedTail& tail,
                                                std::size_t draws) const {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (draws == 0) detail::throw_invalid("draws", draws, "must be at least 1");
  const auto& lists = index_->lists_;
  const auto scale = lists.require_query("query", query, k);
  const Vector<Scalar> to_centroids = index_->centroid_scores(query);
  Eigen::ArrayXd bounds = lists.bounds(scale, to_centroids);
  std::vector<std::uint32_t> scanned = index_->make_plan(scale, to_centroids, k).scanned;
  detail::Candidates<Scalar> best((std::min)(k, size()), scale.slack);
  detail::scan_lists<Scalar>(lists, scanned, query, best);

  LogSumExp head;  // up to rounding at most Z
  for (const auto& hit : best.shrink()) head.add(static_cast<double>(hit.first));
  const double worth = head.value() - std::log(rows_per_proposal * static_cast<double>(draws));
  std::vector<bool> done(lists.lists());
  for (const std::uint32_t g : scanned) done[g] = true;
  const std::size_t planned = scanned.size();
  for (std::uint32_t g = 0; g < lists.lists(); ++g)
    if (!done[g] && bounds[g] > worth) scanned.push_back(g);
  detail::scan_lists<Scalar>(lists, std::span(scanned).subspan(planned), query, best);

  const double scanned_bound = index_->report(query, infinity, scale, best, found);
  for (const std::uint32_t g : scanned) bounds[g] = (std::min)(bounds[g], scanned_bound);
  found.residual_bound = bounds.maxCoeff();
  found.guarantee = Guarantee::certified();
  tail.assign(lists.directory(), std::move(bounds));
}

}  // namespace lazygumbel
