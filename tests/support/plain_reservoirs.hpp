#pragma once

#include <cstddef>
#include <cstdint>
#include <lazygumbel/random/uniform.hpp>
#include <vector>

/// \file
/// The textbook algorithms without skip-ahead, with the interfaces of UniformReservoir and
/// WeightedReservoir: random numbers for every item and, where there are slots, every slot.

namespace lazygumbel::testing {

/// Algorithm R: item n + 1 goes to a uniform one of n + 1 places, of which only t exist.
/// Source: Vitter, "Random Sampling with a Reservoir", ACM TOMS 11(1), 1985.
class PlainUniformReservoir {
 public:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  explicit PlainUniformReservoir(std::size_t capacity) : capacity_(capacity) {}

  template <BitGenerator Engine>
  std::size_t offer(Engine& engine) {
    if (++seen_ <= capacity_) return seen_ - 1;
    const auto place = static_cast<std::size_t>(uniform_below(seen_, engine));
    return place < capacity_ ? place : none;
  }

  /// One item of either stream after the other, without replacement: first of which stream (by how
  /// many are left there), then which of those kept.
  template <BitGenerator Engine, class Take>
  void merge(const PlainUniformReservoir& other, Engine& engine, Take&& take) {
    std::vector<std::size_t> mine(size()), others(other.size());
    for (std::size_t i = 0; i < mine.size(); ++i) mine[i] = i;
    for (std::size_t i = 0; i < others.size(); ++i) others[i] = i;
    std::uint64_t left = seen_, left_other = other.seen_;
    std::vector<bool> stays(capacity_, false);
    std::vector<std::size_t> taken;
    for (std::size_t k = 0; k < capacity_ && left + left_other > 0; ++k) {
      const bool from_other = uniform_below(left + left_other, engine) < left_other;
      auto& places = from_other ? others : mine;
      const auto i = static_cast<std::size_t>(uniform_below(places.size(), engine));
      if (from_other)
        taken.push_back(places[i]);
      else
        stays[places[i]] = true;
      places[i] = places.back();
      places.pop_back();
      --(from_other ? left_other : left);
    }
    std::size_t place = 0;
    for (const std::size_t from : taken) {
      while (stays[place]) ++place;
      take(place++, from);
    }
    seen_ += other.seen_;
  }

  std::uint64_t seen() const { return seen_; }
  std::size_t size() const { return seen_ < capacity_ ? seen_ : capacity_; }

 private:
  std::size_t capacity_;
  std::size_t seen_ = 0;
};

/// Each slot takes the item with probability weight / total.
class PlainWeightedReservoir {
 public:
  explicit PlainWeightedReservoir(std::size_t slots) : slots_(slots) {}

  template <BitGenerator Engine, class Take>
  void offer(double weight, Engine& engine, Take&& take) {
    add(weight, engine, take);
  }

  template <BitGenerator Engine, class Take>
  void merge(const PlainWeightedReservoir& other, Engine& engine, Take&& take) {
    add(other.total_, engine, take);
  }

  double total() const { return total_; }

 private:
  template <BitGenerator Engine, class Take>
  void add(double weight, Engine& engine, Take& take) {
    total_ += weight;
    for (std::size_t slot = 0; slot < slots_; ++slot)
      if (open_uniform(engine) * total_ < weight) take(slot);
  }

  std::size_t slots_;
  double total_ = 0.0;
};

}  // namespace lazygumbel::testing
