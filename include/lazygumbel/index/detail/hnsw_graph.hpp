#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/detail/hnswlib.hpp"
#include "lazygumbel/index/hnsw_parameters.hpp"

namespace lazygumbel::detail {

/// hnswlib's graph over rows of `width` numbers with distance -<a, b>, and the little that its
/// users would have to know: where rows lie, how labels map to places, how it grows.
///
/// hnswlib stores a row 4 bytes after a multiple of 8; rows of double get 4 bytes of padding in
/// front, so that they are aligned. What is given to hnswlib (Point) has the same layout.
template <class Scalar>
class HnswGraph {
 public:
  static constexpr std::size_t padding = sizeof(Scalar) > 4 ? 4 : 0;
  using Engine = hnswlib::HierarchicalNSW<Scalar>;

  /// A vector outside the graph, laid out as inside it.
  class Point {
   public:
    explicit Point(std::size_t width) : storage_(width + 1) {}
    Scalar* values() noexcept { return storage_.data() + 1; }
    const void* data() const noexcept {
      return reinterpret_cast<const char*>(storage_.data() + 1) - padding;
    }

   private:
    std::vector<Scalar> storage_;
  };

  HnswGraph(std::size_t width, std::size_t capacity, const HnswParameters& parameters)
      : space_(std::make_unique<Space>(width)),
        engine_(std::make_unique<Engine>(space_.get(), capacity, parameters.M,
                                         parameters.ef_construction, parameters.seed)) {
    engine_->setEf(parameters.ef);
  }

  std::size_t width() const noexcept { return space_->width; }
  std::size_t size() const noexcept { return place_.size(); }
  Engine& engine() noexcept { return *engine_; }
  const Engine& engine() const noexcept { return *engine_; }

  /// The stored vector of item `id`.
  const Scalar* row(item_id id) const noexcept {
    return values(engine_->getDataByInternalId(place_[id]));
  }

  /// Inserts items size() .. size()+count-1; fill(i, out) writes the i-th new vector.
  template <class Fill>
  void append(std::size_t count, std::size_t threads, const Progress& progress, Fill&& fill) {
    const std::size_t before = size(), after = before + count;
    if (after > engine_->max_elements_)
      engine_->resizeIndex((std::max)(after, engine_->max_elements_ + engine_->max_elements_ / 2));
    std::mutex progress_guard;
    std::atomic<std::size_t> done{0};
    const std::size_t step = (std::max)(std::size_t{1}, count / 100);
    const auto insert = [&](std::size_t i) {
      Point point(width());
      fill(i, point.values());
      engine_->addPoint(point.data(), before + i);
      const std::size_t finished = done.fetch_add(1) + 1;
      if (progress && (finished % step == 0 || finished == count)) {
        const std::lock_guard lock(progress_guard);
        progress(finished, count);
      }
    };
    // The first row of an empty graph becomes its entry point: alone, before the others look for
    // it.
    const std::size_t alone = before == 0 && count > 0 ? 1 : 0;
    if (alone == 1) insert(0);
    parallel_for(count - alone, threads, [&](std::size_t i) { insert(i + alone); });
    index_labels();
  }

  /// Appends (distance, id) of the k nearest found, nearest last.
  void search(const Point& query, std::size_t k,
              std::vector<std::pair<Scalar, item_id>>& found) const {
    auto queue = engine_->searchKnn(query.data(), k);
    for (; !queue.empty(); queue.pop())
      found.emplace_back(queue.top().first, static_cast<item_id>(queue.top().second));
  }

  /// Rebuilds the map from labels to places after rows were inserted in any order.
  void index_labels() {
    const std::size_t count = engine_->cur_element_count;
    place_.resize(count);
    for (std::size_t i = 0; i < count; ++i)
      place_[engine_->getExternalLabel(static_cast<hnswlib::tableint>(i))] =
          static_cast<hnswlib::tableint>(i);
  }

  static Scalar* values(char* stored) noexcept {
    return reinterpret_cast<Scalar*>(stored + padding);
  }
  static const Scalar* values(const char* stored) noexcept {
    return reinterpret_cast<const Scalar*>(stored + padding);
  }

 private:
  struct Space final : hnswlib::SpaceInterface<Scalar> {
    explicit Space(std::size_t width_in) : width(width_in) {}
    std::size_t get_data_size() override { return padding + width * sizeof(Scalar); }
    hnswlib::DISTFUNC<Scalar> get_dist_func() override { return &distance; }
    void* get_dist_func_param() override { return &width; }

    static Scalar distance(const void* a, const void* b, const void* width) {
      const auto d = static_cast<Eigen::Index>(*static_cast<const std::size_t*>(width));
      using Row = Eigen::Map<const Vector<Scalar>>;
      return -Row(values(static_cast<const char*>(a)), d)
                  .dot(Row(values(static_cast<const char*>(b)), d));
    }

    std::size_t width;
  };

  std::unique_ptr<Space> space_;
  std::unique_ptr<Engine> engine_;
  std::vector<hnswlib::tableint> place_;  // of item id
};

}  // namespace lazygumbel::detail
