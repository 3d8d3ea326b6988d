#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <lazygumbel/index/mips_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <utility>
#include <vector>

#include "non_finite.hpp"

/// \file
/// Indexes for tests: the smallest legal one, one with masked items, and one that breaks the
/// contract of MipsIndex in a way of one's choice; and the rows to fill them with.

namespace lazygumbel::testing {

/// n x d independent standard normals (Box-Muller), the same on every machine for one seed.
template <class Scalar = double>
RowMatrix<Scalar> gaussian_rows(std::size_t n, std::size_t d, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  RowMatrix<Scalar> rows(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(d));
  for (Eigen::Index i = 0; i < rows.rows(); ++i)
    for (Eigen::Index j = 0; j < rows.cols(); ++j) {
      const double radius = std::sqrt(-2.0 * std::log(open_uniform(engine)));
      rows(i, j) =
          static_cast<Scalar>(radius * std::cos(2.0 * std::numbers::pi * open_uniform(engine)));
    }
  return rows;
}

/// One standard normal vector of d entries.
template <class Scalar = double>
Vector<Scalar> gaussian_query(std::size_t d, std::uint64_t seed) {
  return gaussian_rows<Scalar>(1, d, seed).row(0).transpose();
}

/// n x 1 rows that have exactly these scores for the query `unit_query()`.
template <class Scalar = double>
RowMatrix<Scalar> rows_with_scores(const std::vector<double>& scores) {
  RowMatrix<Scalar> rows(static_cast<Eigen::Index>(scores.size()), 1);
  for (std::size_t i = 0; i < scores.size(); ++i)
    rows(static_cast<Eigen::Index>(i), 0) = static_cast<Scalar>(scores[i]);
  return rows;
}

/// The query (1) for `rows_with_scores`.
template <class Scalar = double>
Vector<Scalar> unit_query() {
  return Vector<Scalar>::Ones(1);
}

namespace detail {

/// Fills `found` with the min(k, n) best items by index.score, ties by the smaller id; leaves the
/// bound unset. Returns the best score that was left out, -inf when there is none.
template <class Index, class Query>
double exact_search(const Index& index, const Query& query, std::size_t k, Retrieval& found) {
  std::vector<std::pair<double, item_id>> all;
  for (item_id id = 0; id < index.size(); ++id) all.emplace_back(-index.score(query, id), id);
  std::sort(all.begin(), all.end());
  found.clear();
  for (std::size_t i = 0; i < (std::min)(k, all.size()); ++i) {
    found.ids.push_back(all[i].second);
    found.scores.push_back(-all[i].first);
  }
  return k < all.size() ? -all[k].first : -std::numeric_limits<double>::infinity();
}

}  // namespace detail

/// The least that a MipsIndex can be: exact, sets no bound, has no optional member.
class MinimalIndex {
 public:
  using scalar_type = double;
  explicit MinimalIndex(RowMatrix<double> rows) : rows_(std::move(rows)) {}
  std::size_t size() const { return static_cast<std::size_t>(rows_.rows()); }
  std::size_t dimension() const { return static_cast<std::size_t>(rows_.cols()); }
  double score(const VectorView<double>& query, item_id id) const {
    return rows_.row(id).dot(query);
  }
  void search(const VectorView<double>& query, std::size_t k, Retrieval& found) const {
    detail::exact_search(*this, query, k, found);
  }

 private:
  RowMatrix<double> rows_;
};
static_assert(MipsIndex<MinimalIndex> && !BatchMipsIndex<MinimalIndex>);

/// An exact index with a certified bound, some of whose items are masked: their score is -inf, so
/// they must never be drawn. Masked items are returned like others, last, when k reaches them.
class MaskedIndex {
 public:
  using scalar_type = double;
  /// masked.size() == rows.rows().
  MaskedIndex(RowMatrix<double> rows, std::vector<bool> masked)
      : rows_(std::move(rows)), masked_(std::move(masked)) {}
  std::size_t size() const { return masked_.size(); }
  std::size_t dimension() const { return static_cast<std::size_t>(rows_.cols()); }
  bool is_masked(item_id id) const { return masked_[id]; }
  double score(const VectorView<double>& query, item_id id) const {
    return masked_[id] ? -std::numeric_limits<double>::infinity() : rows_.row(id).dot(query);
  }
  void search(const VectorView<double>& query, std::size_t k, Retrieval& found) const {
    found.residual_bound = detail::exact_search(*this, query, k, found);
    found.guarantee = Guarantee::certified();
  }

 private:
  RowMatrix<double> rows_;
  std::vector<bool> masked_;
};
static_assert(MipsIndex<MaskedIndex>);

/// How a HostileIndex departs from an exact, certified answer.
enum class Fault {
  none,                  ///< the exact answer with a certified bound
  no_bound,              ///< legal: the bound stays unset, all k items are there
  fewer_with_bound,      ///< legal: the best ceil(k/2) items with a certified bound on the rest
  empty_with_bound,      ///< legal: no items, with a certified bound on all
  fewer_without_bound,   ///< the best k - 1 items and no bound
  empty_without_bound,   ///< no items and no bound
  more_than_k,           ///< the best k + 1 items
  more_ids_than_scores,  ///< one score is missing
  more_scores_than_ids,  ///< one id is missing
  id_out_of_range,       ///< the last id is size()
  id_far_out_of_range,   ///< the first id is 2^32 - 1
  duplicate_id,          ///< the last id is the first again, its score stays
  duplicate_neighbour,   ///< the second entry repeats the first, id and score
  unsorted,              ///< worst first
  nan_score,             ///< the first score is NaN
  infinite_score,        ///< the first score is +inf
  wrong_first_score,     ///< the best score is 1 higher than score() says
  wrong_last_score,      ///< the last score is 1 lower than score() says
  masked_last_score,     ///< the last score is -inf, score() is finite
  wrong_inner_scores,    ///< all but the last repeat the best score; only LAZYGUMBEL_AUDIT sees it
  infinite_bound,        ///< the bound is +inf
  low_certified_bound,   ///< the bound is certified and 5 below the best item that is left out
  low_assumed_bound,     ///< the same bound, assumed: legal, draws come from the clipped scores
  throws                 ///< search throws std::runtime_error("search failed")
};

/// An exact index over `rows` whose answers have one fault. Wants 3 <= k < n for all of them to
/// show. `score` is always right.
class HostileIndex {
 public:
  using scalar_type = double;
  HostileIndex(RowMatrix<double> rows, Fault fault) : rows_(std::move(rows)), fault_(fault) {}
  std::size_t size() const { return static_cast<std::size_t>(rows_.rows()); }
  std::size_t dimension() const { return static_cast<std::size_t>(rows_.cols()); }
  double score(const VectorView<double>& query, item_id id) const {
    return rows_.row(id).dot(query);
  }

  void search(const VectorView<double>& query, std::size_t k, Retrieval& found) const {
    if (fault_ == Fault::throws) throw std::runtime_error("search failed");
    found.residual_bound = detail::exact_search(*this, query, returned(k), found);
    found.guarantee = Guarantee::certified();
    corrupt(found);
  }

 private:
  std::size_t returned(std::size_t k) const {
    switch (fault_) {
      case Fault::fewer_with_bound:
        return (k + 1) / 2;
      case Fault::fewer_without_bound:
        return k - 1;
      case Fault::empty_with_bound:
      case Fault::empty_without_bound:
        return 0;
      case Fault::more_than_k:
        return k + 1;
      default:
        return k;
    }
  }

  void corrupt(Retrieval& found) const {
    auto& [ids, scores, bound, guarantee] = found;
    switch (fault_) {
      case Fault::none:
      case Fault::fewer_with_bound:
      case Fault::empty_with_bound:
      case Fault::more_than_k:
      case Fault::throws:
        break;
      case Fault::no_bound:
      case Fault::fewer_without_bound:
      case Fault::empty_without_bound:
        bound = nan;
        guarantee = Guarantee::assumed();
        break;
      case Fault::more_ids_than_scores:
        scores.pop_back();
        break;
      case Fault::more_scores_than_ids:
        ids.pop_back();
        break;
      case Fault::id_out_of_range:
        ids.back() = static_cast<item_id>(size());
        break;
      case Fault::id_far_out_of_range:
        ids.front() = std::numeric_limits<item_id>::max();
        break;
      case Fault::duplicate_id:
        ids.back() = ids.front();
        break;
      case Fault::duplicate_neighbour:
        ids[1] = ids[0];
        scores[1] = scores[0];
        break;
      case Fault::unsorted:
        std::reverse(ids.begin(), ids.end());
        std::reverse(scores.begin(), scores.end());
        break;
      case Fault::nan_score:
        scores.front() = nan;
        break;
      case Fault::infinite_score:
        scores.front() = infinity;
        break;
      case Fault::wrong_first_score:
        scores.front() += 1.0;
        break;
      case Fault::wrong_last_score:
        scores.back() -= 1.0;
        break;
      case Fault::masked_last_score:
        scores.back() = -infinity;
        break;
      case Fault::wrong_inner_scores:
        for (std::size_t i = 1; i + 1 < scores.size(); ++i) scores[i] = scores.front();
        break;
      case Fault::infinite_bound:
        bound = infinity;
        break;
      case Fault::low_certified_bound:
        bound -= 5.0;
        break;
      case Fault::low_assumed_bound:
        bound -= 5.0;
        guarantee = Guarantee::assumed();
        break;
    }
  }

  RowMatrix<double> rows_;
  Fault fault_;
};
static_assert(MipsIndex<HostileIndex>);

/// The index's answer to one query.
template <class Index>
Retrieval search(const Index& index, const VectorView<typename Index::scalar_type>& query,
                 std::size_t k) {
  Retrieval found;
  index.search(query, k, found);
  return found;
}

/// n normal scores of mean zero and this standard deviation.
inline std::vector<double> normal_scores(std::size_t n, double sd) {
  const RowMatrix<double> column = gaussian_rows<double>(n, 1, 1);
  std::vector<double> scores;
  for (Eigen::Index i = 0; i < column.rows(); ++i) scores.push_back(sd * column(i, 0));
  return scores;
}

}  // namespace lazygumbel::testing
