#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "lazygumbel/index/hnsw/detail/hnswlib.hpp"

/// \file
/// What hnswlib's graph does not do by itself: say std::bad_alloc when memory runs out, grow
/// without losing anything, give back nodes.

namespace lazygumbel::detail {

/// Calls `work` of hnswlib, which says by std::runtime_error that memory ran out.
template <class Work>
decltype(auto) with_bad_alloc(Work&& work) {
  try {
    return work();
  } catch (const std::runtime_error& error) {
    if (std::string_view(error.what()).substr(0, 17) == "Not enough memory") throw std::bad_alloc();
    throw;
  }
}

/// Makes `place`, the next one, a node without links, of which the row is still to be written. The
/// engine owns it from here on. Throws std::bad_alloc, changing nothing that counts.
template <class Engine>
void open_node(Engine& engine, hnswlib::tableint place, hnswlib::labeltype id, int level) {
  std::memset(engine.get_linklist0(place), 0, engine.size_data_per_element_);
  char* upper = nullptr;
  if (level > 0) {
    upper = static_cast<char*>(
        std::calloc(static_cast<std::size_t>(level), engine.size_links_per_element_));
    if (upper == nullptr) throw std::bad_alloc();
  }
  engine.linkLists_[place] = upper;
  engine.element_levels_[place] = level;
  engine.cur_element_count = place + 1U;
  engine.setExternalLabel(place, id);
}

/// The links of a place on a level.
template <class Engine>
hnswlib::linklistsizeint* links_of(Engine& engine, hnswlib::tableint place, int level) {
  return level == 0 ? engine.get_linklist0(place) : engine.get_linklist(place, level);
}

/// Moves all nodes to `to`, which has none, room for them, and room for their links. Throws
/// std::bad_alloc, leaving `from` as it was.
template <class Engine>
void move_nodes(Engine& from, Engine& to) {
  const std::size_t count = from.cur_element_count;
  if (from.maxM_ == to.maxM_) {  // the same layout: lists of upper levels change hands
    std::memcpy(to.data_level0_memory_, from.data_level0_memory_,
                count * from.size_data_per_element_);
    std::copy_n(from.linkLists_, count, to.linkLists_);
    std::copy_n(from.element_levels_.begin(), count, to.element_levels_.begin());
    to.cur_element_count = count;
    from.cur_element_count = 0;
  } else {
    for (hnswlib::tableint place = 0; place < count; ++place) {
      const int level = from.element_levels_[place];
      open_node(to, place, from.getExternalLabel(place), level);
      std::memcpy(to.getDataByInternalId(place), from.getDataByInternalId(place), to.data_size_);
      for (int l = 0; l <= level; ++l) {
        auto* const links = links_of(from, place, l);
        const auto degree = from.getListCount(links);
        auto* const copy = links_of(to, place, l);
        std::copy_n(links + 1, degree, copy + 1);
        to.setListCount(copy, degree);
      }
    }
  }
  to.label_lookup_.swap(from.label_lookup_);
  to.enterpoint_node_ = from.enterpoint_node_;
  to.maxlevel_ = from.maxlevel_;
  to.level_generator_ = from.level_generator_;
}

/// Where searches start.
struct EntryPoint {
  hnswlib::tableint place;
  int level;
};

/// Takes links to places from `count` on out of the list of `place`, and puts in their own links,
/// or those of what they link to in turn, as far as there is room: neighbours of neighbours.
template <class Engine>
void bridge_links(Engine& engine, hnswlib::tableint place, int level, std::size_t count) noexcept {
  auto* const list = links_of(engine, place, level);
  auto* const begin = list + 1;
  std::array<hnswlib::tableint, 64> gone;
  std::size_t left = 0;
  const auto note = [&](hnswlib::tableint to) {
    if (left < gone.size() &&
        std::find(gone.begin(), gone.begin() + left, to) == gone.begin() + left)
      gone[left++] = to;
  };
  auto* const links_end = begin + engine.getListCount(list);
  std::for_each(begin, links_end, [&](hnswlib::tableint to) {
    if (to >= count) note(to);
  });
  if (left == 0) return;
  auto* end = std::remove_if(begin, links_end, [&](hnswlib::tableint to) { return to >= count; });
  const std::size_t room = level == 0 ? engine.maxM0_ : engine.maxM_;
  for (std::size_t i = 0; i < left; ++i) {
    auto* const next = links_of(engine, gone[i], level);
    std::for_each(next + 1, next + 1 + engine.getListCount(next), [&](hnswlib::tableint to) {
      if (to >= count)
        note(to);
      else if (to != place && end < begin + room && std::find(begin, end, to) == end)
        *end++ = to;
    });
  }
  engine.setListCount(list, static_cast<unsigned short>(end - begin));
}

/// Takes out all places from `count` on, of which the ids are at least `count`, too.
template <class Engine>
void take_back(Engine& engine, std::size_t count, EntryPoint entry) noexcept {
  for (hnswlib::tableint place = 0; place < count; ++place)
    for (int l = 0; l <= engine.element_levels_[place]; ++l) bridge_links(engine, place, l, count);
  for (std::size_t place = count; place < engine.cur_element_count; ++place)
    if (int& level = engine.element_levels_[place]; level > 0) {
      std::free(engine.linkLists_[place]);
      level = 0;
    }
  std::erase_if(engine.label_lookup_, [&](const auto& item) { return item.first >= count; });
  engine.cur_element_count = count;
  engine.enterpoint_node_ = entry.place;
  engine.maxlevel_ = entry.level;
}

}  // namespace lazygumbel::detail
