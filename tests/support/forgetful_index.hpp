#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <utility>
#include <vector>

#include "indexes.hpp"

namespace lazygumbel::testing {

/// An index that misses at random: each search is exact over the items that it does not hide, and
/// sets no bound. An item is hidden with probability `rate`, the same for equal queries and as good
/// as independent for others; the best item is always hidden where `hides_best` is set, so that the
/// gap that a query needs has a continuous law.
class ForgetfulIndex {
 public:
  using scalar_type = double;
  ForgetfulIndex(RowMatrix<double> rows, double rate, bool hides_best = false)
      : rows_(std::move(rows)), rate_(rate), hides_best_(hides_best) {}

  std::size_t size() const { return static_cast<std::size_t>(rows_.rows()); }
  std::size_t dimension() const { return static_cast<std::size_t>(rows_.cols()); }
  double score(const VectorView<double>& query, item_id id) const {
    return rows_.row(id).dot(query);
  }

  void search(const VectorView<double>& query, std::size_t k, Retrieval& found) const {
    detail::exact_search(*this, query, size(), found);
    PhiloxEngine engine(std::bit_cast<std::uint64_t>(query[0]));
    std::vector<item_id> ids;
    for (std::size_t i = 0; i < size() && ids.size() < k; ++i) {
      const bool hidden = open_uniform(engine) < rate_ || (i == 0 && hides_best_);
      if (!hidden) ids.push_back(found.ids[i]);
    }
    found.clear();
    for (const item_id id : ids) {
      found.ids.push_back(id);
      found.scores.push_back(score(query, id));
    }
  }

 private:
  RowMatrix<double> rows_;
  double rate_;
  bool hides_best_;
};
static_assert(MipsIndex<ForgetfulIndex>);

}  // namespace lazygumbel::testing
