#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/random/philox.hpp>
#include <span>
#include <utility>
#include <vector>

#include "laws.hpp"

/// \file
/// Streams that are fed to reservoirs in parts, what is kept of them, and the exact laws of that.
/// Sets of items are masks: bit i for item i.

namespace lazygumbel::testing {

/// So many items, offered one by one or merged from a reservoir of their own.
struct StreamPart {
  std::size_t items;
  bool merged = false;
};
using Stream = std::vector<StreamPart>;

inline std::size_t items_of(std::span<const StreamPart> stream) {
  std::size_t items = 0;
  for (const StreamPart part : stream) items += part.items;
  return items;
}

/// A uniform reservoir with numbers for items.
template <class Reservoir>
class KeptItems {
 public:
  explicit KeptItems(std::size_t capacity) : capacity_(capacity), reservoir_(capacity) {}

  void offer(std::size_t items, PhiloxEngine& engine) {
    for (std::size_t i = 0; i < items; ++i) {
      const std::size_t place = reservoir_.offer(engine);
      if (place != Reservoir::none) put(place, next_);
      ++next_;
    }
  }

  void add(std::span<const StreamPart> stream, PhiloxEngine& engine) {
    for (const StreamPart part : stream) {
      if (!part.merged) {
        offer(part.items, engine);
        continue;
      }
      KeptItems other(capacity_);
      other.next_ = next_;
      other.offer(part.items, engine);
      reservoir_.merge(other.reservoir_, engine, [&](std::size_t place, std::size_t from) {
        put(place, other.items_.at(from));
      });
      next_ = other.next_;
    }
  }

  const std::vector<std::size_t>& items() const { return items_; }
  std::size_t mask() const {
    std::size_t bits = 0;
    for (const std::size_t item : items_) bits |= std::size_t{1} << item;
    return bits;
  }

 private:
  void put(std::size_t place, std::size_t item) {
    if (place >= items_.size()) items_.resize(place + 1);
    items_[place] = item;
  }

  std::size_t capacity_;
  Reservoir reservoir_;
  std::vector<std::size_t> items_;
  std::size_t next_ = 0;
};

/// Which set is kept, of 2^n.
template <class Reservoir>
Counter count_sets(std::size_t capacity, const Stream& stream, std::size_t runs,
                   std::uint64_t seed) {
  PhiloxEngine engine(seed);
  return count_draws(std::size_t{1} << items_of(stream), runs, [&] {
    KeptItems<Reservoir> kept(capacity);
    kept.add(stream, engine);
    return kept.mask();
  });
}

/// All sets of min(t, n) of n items alike.
inline std::vector<double> set_law(std::size_t capacity, std::size_t n) {
  std::vector<double> law(std::size_t{1} << n);
  double sets = 0.0;
  for (std::size_t mask = 0; mask < law.size(); ++mask)
    sets += law[mask] = static_cast<std::size_t>(std::popcount(mask)) == std::min(capacity, n);
  for (double& p : law) p /= sets;
  return law;
}

/// Which sets are kept before and after `later` items are offered: (before) 2^n + (after).
template <class Reservoir>
Counter count_histories(std::size_t capacity, const Stream& stream, std::size_t later,
                        std::size_t runs, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  const std::size_t n = items_of(stream) + later;
  return count_draws(std::size_t{1} << 2 * n, runs, [&] {
    KeptItems<Reservoir> kept(capacity);
    kept.add(stream, engine);
    const std::size_t before = kept.mask();
    kept.offer(later, engine);
    return (before << n) + kept.mask();
  });
}

/// Its law: item i replaces each one of t with probability 1 / i. At least t items must come
/// before.
inline std::vector<double> history_law(std::size_t capacity, std::size_t earlier,
                                       std::size_t later) {
  const std::size_t n = earlier + later, sets = std::size_t{1} << n;
  std::vector<double> law(sets * sets);
  const std::vector<double> before = set_law(capacity, earlier);
  for (std::size_t start = 0; start < before.size(); ++start) {
    if (before[start] == 0.0) continue;
    std::vector<double> p(sets);
    p[start] = before[start];
    for (std::size_t item = earlier; item < n; ++item) {
      std::vector<double> next(sets);
      const double enters = 1.0 / static_cast<double>(item + 1);
      for (std::size_t mask = 0; mask < sets; ++mask) {
        next[mask] += p[mask] * (1.0 - static_cast<double>(capacity) * enters);
        for (std::size_t out = 0; out < n; ++out)
          if (mask >> out & 1)
            next[(mask ^ std::size_t{1} << out) | std::size_t{1} << item] += p[mask] * enters;
      }
      p = std::move(next);
    }
    for (std::size_t mask = 0; mask < sets; ++mask) law[start * sets + mask] = p[mask];
  }
  return law;
}

/// A weighted reservoir with numbers for items.
template <class Reservoir>
class KeptSlots {
 public:
  KeptSlots(std::size_t slots, std::span<const double> weights)
      : weights_(weights), reservoir_(slots), items_(slots) {}

  void add(std::span<const StreamPart> stream, PhiloxEngine& engine) {
    for (const StreamPart part : stream) {
      if (!part.merged) {
        for (std::size_t i = 0; i < part.items; ++i, ++next_)
          reservoir_.offer(weights_[next_], engine,
                           [&](std::size_t slot) { items_.at(slot) = next_; });
        continue;
      }
      KeptSlots other(items_.size(), weights_);
      other.next_ = next_;
      other.add(std::vector<StreamPart>{{part.items}}, engine);
      reservoir_.merge(other.reservoir_, engine,
                       [&](std::size_t slot) { items_.at(slot) = other.items_[slot]; });
      next_ = other.next_;
    }
  }

  const std::vector<std::size_t>& items() const { return items_; }

 private:
  std::span<const double> weights_;
  Reservoir reservoir_;
  std::vector<std::size_t> items_;
  std::size_t next_ = 0;
};

/// What all slots hold together: n^slots cells.
template <class Reservoir>
Counter count_slots(std::size_t slots, std::span<const double> weights, const Stream& stream,
                    std::size_t runs, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  std::size_t cells = 1;
  for (std::size_t s = 0; s < slots; ++s) cells *= weights.size();
  return count_draws(cells, runs, [&] {
    KeptSlots<Reservoir> kept(slots, weights);
    kept.add(stream, engine);
    std::size_t cell = 0;
    for (const std::size_t item : kept.items()) cell = cell * weights.size() + item;
    return cell;
  });
}

inline std::vector<double> shares_of(std::span<const double> weights) {
  double total = 0.0;
  for (const double w : weights) total += w;
  std::vector<double> shares;
  for (const double w : weights) shares.push_back(w / total);
  return shares;
}

/// Independent slots, each holding item i with probability w_i / sum w.
inline std::vector<double> slot_law(std::size_t slots, std::span<const double> weights) {
  const std::vector<double> shares = shares_of(weights);
  std::vector<double> law{1.0};
  for (std::size_t s = 0; s < slots; ++s) {
    std::vector<double> longer;
    for (const double p : law)
      for (const double q : shares) longer.push_back(p * q);
    law = std::move(longer);
  }
  return law;
}

/// How many of the slots hold an item below `split`: slots + 1 cells.
template <class Reservoir>
Counter count_early(std::size_t slots, std::span<const double> weights, const Stream& stream,
                    std::size_t split, std::size_t runs, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  return count_draws(slots + 1, runs, [&] {
    KeptSlots<Reservoir> kept(slots, weights);
    kept.add(stream, engine);
    std::size_t early = 0;
    for (const std::size_t item : kept.items()) early += item < split;
    return early;
  });
}

inline std::vector<double> binomial_law(std::size_t trials, double p) {
  std::vector<double> law;
  const boost::math::binomial_distribution<double> binomial(static_cast<double>(trials), p);
  for (std::size_t k = 0; k <= trials; ++k)
    law.push_back(boost::math::pdf(binomial, static_cast<double>(k)));
  return law;
}

/// What the first slot of three holds before and after the last `later` items: (before) n +
/// (after).
template <class Reservoir>
Counter count_slot_histories(std::span<const double> weights, const Stream& stream,
                             std::size_t later, std::size_t runs, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  return count_draws(weights.size() * weights.size(), runs, [&] {
    KeptSlots<Reservoir> kept(3, weights);
    kept.add(stream, engine);
    const std::size_t before = kept.items()[0];
    kept.add(Stream{{later}}, engine);
    return before * weights.size() + kept.items()[0];
  });
}

inline std::vector<double> slot_history_law(std::span<const double> weights, std::size_t earlier) {
  const std::size_t n = weights.size();
  const std::vector<double> start = shares_of(weights.first(earlier)), end = shares_of(weights);
  double stays = 0.0;
  for (std::size_t i = 0; i < earlier; ++i) stays += end[i];
  std::vector<double> law(n * n);
  for (std::size_t i = 0; i < earlier; ++i) {
    law[i * n + i] = start[i] * stays;
    for (std::size_t j = earlier; j < n; ++j) law[i * n + j] = start[i] * end[j];
  }
  return law;
}

}  // namespace lazygumbel::testing
