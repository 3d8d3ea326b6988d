#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/hnsw/detail/beam_search.hpp"
#include "lazygumbel/index/hnsw/detail/hnsw_engine.hpp"
#include "lazygumbel/index/hnsw/detail/hnswlib.hpp"
#include "lazygumbel/index/hnsw/hnsw_parameters.hpp"

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

  /// `links`: how many of them nodes have room for at first, for a graph that is read; M of the
  /// parameters from the first row on that is added.
  HnswGraph(std::size_t width, std::size_t capacity, const HnswParameters& parameters,
            std::size_t links = 0)
      : parameters_(parameters),
        space_(std::make_unique<Space>(width)),
        engine_(make_engine(capacity, links == 0 ? parameters.M : links)) {}

  std::size_t width() const noexcept { return space_->width; }
  std::size_t size() const noexcept { return place_.size(); }
  Engine& engine() noexcept { return *engine_; }
  const Engine& engine() const noexcept { return *engine_; }

  /// Where hnswlib keeps item `id`.
  hnswlib::tableint place(item_id id) const noexcept { return place_[id]; }

  /// The vector stored at a place, width() numbers.
  Eigen::Map<const Vector<Scalar>> stored(hnswlib::tableint place) const noexcept {
    return {values(engine_->getDataByInternalId(place)), static_cast<Eigen::Index>(width())};
  }

  /// Fetches (the beginning of) the vector at a place into the cache.
  void prefetch(hnswlib::tableint place) const noexcept {
    const char* const begin = engine_->getDataByInternalId(place);
    const std::size_t bytes = (std::min)(width() * sizeof(Scalar), std::size_t{512});
    for (std::size_t at = 0; at < bytes; at += 64) LAZYGUMBEL_PREFETCH(begin + at);
  }

  /// Inserts items size() .. size()+count-1; fill(i, out) writes the i-th new vector. When memory
  /// runs out, or what progress throws, takes them out again.
  template <class Fill>
  void append(std::size_t count, std::size_t threads, const Progress& progress, Fill&& fill) {
    const std::size_t before = size(), after = before + count;
    make_room(after);
    const EntryPoint entry{engine_->enterpoint_node_, engine_->maxlevel_};
    std::mutex progress_guard;
    std::size_t done = 0;
    const std::size_t step = (count + 99) / 100;
    const auto insert = [&](std::size_t i) {
      Point point(width());
      fill(i, point.values());
      with_bad_alloc([&] { engine_->addPoint(point.data(), before + i); });
      if (!progress) return;
      const std::lock_guard lock(progress_guard);
      if (++done % step == 0 || done == count) progress(done, count);
    };
    // The first row of an empty graph becomes its entry point: alone, before the others look for
    // it.
    const std::size_t alone = before == 0 && count > 0 ? 1 : 0;
    try {
      if (alone == 1) insert(0);
      parallel_for(count - alone, threads, [&](std::size_t i) { insert(i + alone); });
      refresh();
    } catch (...) {
      take_back(*engine_, before, entry);
      throw;
    }
  }

  /// 1, or a power of two that brings numbers as large as `size` near 1.
  static Scalar scale_of(double size) noexcept {
    if (size == 0.0 || (size > 0x1p-40 && size < 0x1p40)) return Scalar{1};
    constexpr int most = std::numeric_limits<Scalar>::max_exponent - 2;
    return std::ldexp(Scalar{1}, std::clamp(-std::ilogb(size), -most, most));
  }

  /// Says how long rows are, at most, before any is inserted: products of much longer or shorter
  /// ones are scaled by a power of two, lest all overflow or vanish.
  void expect_norm(double norm) noexcept {
    space_->scale = scale_of(norm);
    engine_->fstdistfunc_ = space_->get_dist_func();
  }

  /// Appends the ids of at most k items near the top, found with a beam of max(ef, k); `query` has
  /// width() numbers.
  void search(const VectorView<Scalar>& query, std::size_t ef, std::size_t k,
              std::vector<item_id>& found) const {
    std::vector<typename BeamSearch<Scalar>::Hit> beam;
    const std::size_t beam_width = (std::min)((std::max)(ef, k), size());
    const Scalar of_query = scale_of(static_cast<double>(query.cwiseAbs().maxCoeff()));
    if (of_query == Scalar{1} && space_->scale == Scalar{1})
      beam_search_.run(*this, query, beam_width, beam);
    else
      beam_search_.run(*this, (query * of_query * space_->scale).eval(), beam_width, beam);
    for (std::size_t i = 0; i < (std::min)(k, beam.size()); ++i)
      found.push_back(static_cast<item_id>(engine_->getExternalLabel(beam[i].place)));
  }

  /// What added rows ask for: the map from labels to places, and the places to start from. Throws
  /// std::bad_alloc, changing nothing.
  void refresh() {
    const std::size_t before = place_.size(), count = engine_->cur_element_count;
    if (place_.capacity() < count) place_.reserve((std::max)(count, before + before / 2));
    beam_search_.update_pivots(*this, count);
    place_.resize(count);
    for (std::size_t i = before; i < count; ++i)
      place_[engine_->getExternalLabel(static_cast<hnswlib::tableint>(i))] =
          static_cast<hnswlib::tableint>(i);
  }

  /// Whether `row` lies in the graph's own memory, which moves when it grows.
  bool owns(const Scalar* row) const noexcept {
    const auto* const at = reinterpret_cast<const char*>(row);
    const char* const begin = engine_->data_level0_memory_;
    const char* const end = begin + engine_->max_elements_ * engine_->size_data_per_element_;
    return !std::less<>()(at, begin) && std::less<>()(at, end);
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
    hnswlib::DISTFUNC<Scalar> get_dist_func() override {
      return scale == Scalar{1} ? &distance : &scaled_distance;
    }
    void* get_dist_func_param() override { return this; }

    using Row = Eigen::Map<const Vector<Scalar>>;
    Row row(const void* point) const {
      return Row(values(static_cast<const char*>(point)), static_cast<Eigen::Index>(width));
    }
    static Scalar distance(const void* a, const void* b, const void* of) {
      const Space& space = *static_cast<const Space*>(of);
      return -space.row(a).dot(space.row(b));
    }
    static Scalar scaled_distance(const void* a, const void* b, const void* of) {
      const Space& space = *static_cast<const Space*>(of);
      return -(space.row(a) * space.scale).dot(space.row(b) * space.scale);
    }

    std::size_t width;
    Scalar scale = 1;  // of rows
  };

  std::unique_ptr<Engine> make_engine(std::size_t capacity, std::size_t links) const {
    return with_bad_alloc([&] {
      return std::make_unique<Engine>(space_.get(), capacity, links, parameters_.ef_construction,
                                      parameters_.seed);
    });
  }

  /// Room for `count` nodes, each with M links. Throws std::bad_alloc, changing nothing.
  void make_room(std::size_t count) {
    const std::size_t capacity = engine_->max_elements_;
    if (count <= capacity && engine_->M_ == parameters_.M) return;
    auto roomy = make_engine(
        count <= capacity ? capacity : (std::max)(count, capacity + capacity / 2), parameters_.M);
    move_nodes(*engine_, *roomy);
    engine_ = std::move(roomy);
  }

  HnswParameters parameters_;
  std::unique_ptr<Space> space_;
  std::unique_ptr<Engine> engine_;
  std::vector<hnswlib::tableint> place_;  // of item id
  BeamSearch<Scalar> beam_search_;
};

}  // namespace lazygumbel::detail
