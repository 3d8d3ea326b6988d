#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/hnsw/detail/hnswlib.hpp"

namespace lazygumbel::detail {

/// Best-first search on level 0 of a graph that hnswlib built. Compared with hnswlib's own search
/// it starts from several places, which is what decides whether an isolated row is found, and keeps
/// its candidates in one sorted array with all rows of a neighbourhood prefetched; measured side by
/// side in bench/results/README.md. Stateless but for the starting places: const is
/// thread-safe.
template <class Scalar>
class BeamSearch {
 public:
  using Place = hnswlib::tableint;
  struct Hit {
    Scalar score;
    Place place;
    bool expanded;
  };

  /// Takes the nodes of the graph's upper levels, about `pivot_count` of them, as places to start,
  /// after places were added behind those of the last call, `count` in all. Amortised O(1) a place,
  /// and O(d) pivots where they change; they depend on the graph alone. Throws std::bad_alloc,
  /// changing nothing.
  template <class Graph>
  void update_pivots(const Graph& graph, std::size_t count) {
    const auto& levels = graph.engine().element_levels_;
    auto counts = counts_;
    std::vector<Place> nodes;
    for (std::size_t place = seen_; place < count; ++place) {
      const auto level = static_cast<std::size_t>((std::min)(levels[place], most_levels));
      if (levels[place] >= level_) nodes.push_back(static_cast<Place>(place));
      for (std::size_t l = 0; l <= level; ++l) ++counts[l];
    }
    // The highest level that has enough of them.
    int highest = most_levels;
    while (highest > level_ && counts[static_cast<std::size_t>(highest)] < pivot_count) --highest;
    if (highest > level_ || !nodes.empty()) {
      nodes.insert(nodes.begin(), nodes_.begin(), nodes_.end());
      std::erase_if(nodes, [&](Place place) { return levels[place] < highest; });
      const std::size_t step = (std::max)(std::size_t{1}, nodes.size() / pivot_count);
      std::vector<Place> pivots;
      for (std::size_t i = 0; i < nodes.size(); i += step) pivots.push_back(nodes[i]);
      RowMatrix<Scalar> rows(static_cast<Eigen::Index>(pivots.size()),
                             static_cast<Eigen::Index>(graph.width()));
      for (std::size_t i = 0; i < pivots.size(); ++i)
        rows.row(static_cast<Eigen::Index>(i)) = graph.stored(pivots[i]).transpose();
      nodes_.swap(nodes);
      pivots_.swap(pivots);
      rows_.swap(rows);
    }
    counts_ = counts;
    seen_ = count;
    level_ = highest;
  }

  /// Leaves the `ef` best nodes found in `beam`, best first. O(ef M d) and a scan of the pivots.
  template <class Graph>
  void run(const Graph& graph, const VectorView<Scalar>& query, std::size_t ef,
           std::vector<Hit>& beam) const {
    const auto& engine = graph.engine();
    const Visited visited(engine);
    beam.clear();
    beam.reserve(ef + 1);
    std::size_t next = 0;  // every hit before it is expanded
    const auto offer = [&](Scalar score, Place place) {
      if (beam.size() == ef) {
        if (!(score > beam.back().score)) return;
        beam.pop_back();
      }
      const auto at = std::upper_bound(beam.begin(), beam.end(), score,
                                       [](Scalar s, const Hit& hit) { return s > hit.score; });
      next = (std::min)(next, static_cast<std::size_t>(at - beam.begin()));
      beam.insert(at, {score, place, false});
    };

    Vector<Scalar> pivot_scores = rows_ * query;
    for (std::size_t i = 0; i < (std::min)(start_count, pivots_.size()); ++i) {
      Eigen::Index best = 0;
      const Scalar score = pivot_scores.maxCoeff(&best);
      pivot_scores[best] = -std::numeric_limits<Scalar>::infinity();
      visited.insert(pivots_[static_cast<std::size_t>(best)]);
      offer(score, pivots_[static_cast<std::size_t>(best)]);
    }

    std::vector<Place> fresh(engine.maxM0_);
    while (next < beam.size()) {
      Hit& hit = beam[next++];
      if (hit.expanded) continue;
      hit.expanded = true;
      auto* const links = engine.get_linklist0(hit.place);
      const std::size_t degree = engine.getListCount(links);
      std::size_t count = 0;
      for (std::size_t j = 1; j <= degree; ++j) visited.prefetch(links[j]);
      for (std::size_t j = 1; j <= degree; ++j)
        if (visited.insert(links[j])) {
          graph.prefetch(links[j]);
          fresh[count++] = links[j];
        }
      for (std::size_t j = 0; j < count; ++j) offer(graph.stored(fresh[j]).dot(query), fresh[j]);
    }
  }

 private:
  static constexpr std::size_t pivot_count = 256, start_count = 4;
  static constexpr int most_levels = 64;

  /// A set of places from the engine's pool of them, given back at the end.
  class Visited {
   public:
    template <class Engine>
    explicit Visited(const Engine& engine)
        : pool_(*engine.visited_list_pool_), list_(pool_.getFreeVisitedList()) {}
    Visited(const Visited&) = delete;
    Visited& operator=(const Visited&) = delete;
    ~Visited() { pool_.releaseVisitedList(list_); }

    /// False when it was in already.
    bool insert(Place place) const {
      if (list_->mass[place] == list_->curV) return false;
      list_->mass[place] = list_->curV;
      return true;
    }
    void prefetch(Place place) const { LAZYGUMBEL_PREFETCH(list_->mass + place); }

   private:
    hnswlib::VisitedListPool& pool_;
    hnswlib::VisitedList* list_;
  };

  std::size_t seen_ = 0;                               // places
  std::array<std::size_t, most_levels + 1> counts_{};  // places of each level or a higher one
  int level_ = 0;
  std::vector<Place> nodes_;  // of that level or a higher one
  std::vector<Place> pivots_;
  RowMatrix<Scalar> rows_;  // of the pivots
};

}  // namespace lazygumbel::detail
