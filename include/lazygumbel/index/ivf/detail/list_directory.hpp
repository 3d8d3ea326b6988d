#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/make_room.hpp"
#include "lazygumbel/core/types.hpp"

namespace lazygumbel::detail {

/// Which items each inverted list holds, and where each item stands.
template <std::same_as<item_id> Id>  // a template: core/detail/later.hpp
class BasicListDirectory {
 public:
  struct Place {
    std::uint32_t list = 0, slot = 0;
  };

  std::size_t size() const noexcept { return places_.size(); }
  std::size_t lists() const noexcept { return items_.size(); }
  std::span<const Id> items(std::size_t list) const noexcept { return items_[list]; }
  double log_count(std::size_t list) const noexcept { return log_counts_[list]; }
  Place place(item_id id) const noexcept { return places_[id]; }

  /// Adds an empty list. When memory runs out, nothing has changed.
  void open() {
    make_room(log_counts_, 1);
    make_room(items_, 1);
    items_.emplace_back();
    log_counts_.push_back(-std::numeric_limits<double>::infinity());
  }

  /// Makes items size() .. size() + added - 1 known, in no list yet.
  void grow(std::size_t added) {
    make_room(places_, added);
    places_.resize(places_.size() + added);
  }

  void make_room_in(std::size_t list, std::size_t added) { make_room(items_[list], added); }

  /// Moves item `id` to the end of `list`.
  void append(std::size_t list, item_id id) {
    items_[list].push_back(id);
    places_[id] = {static_cast<std::uint32_t>(list),
                   static_cast<std::uint32_t>(items_[list].size() - 1)};
    log_counts_[list] = std::log(static_cast<double>(items_[list].size()));
  }

  /// Gives the list other, empty memory and returns what it held; its items have no place until
  /// they are appended.
  std::vector<Id> release(std::size_t list, std::vector<Id> room) noexcept {
    log_counts_[list] = -std::numeric_limits<double>::infinity();
    return std::exchange(items_[list], std::move(room));
  }

  std::size_t size_in_bytes() const noexcept {
    std::size_t bytes =
        places_.capacity() * sizeof(Place) + log_counts_.capacity() * sizeof(double);
    for (const auto& list : items_) bytes += sizeof list + list.capacity() * sizeof(item_id);
    return bytes;
  }

 private:
  std::vector<std::vector<Id>> items_;
  std::vector<double> log_counts_;
  std::vector<Place> places_;
};

using ListDirectory = BasicListDirectory<item_id>;

}  // namespace lazygumbel::detail
