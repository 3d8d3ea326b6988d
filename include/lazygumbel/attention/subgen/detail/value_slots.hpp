#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/attention/subgen/detail/row_block.hpp"
#include "lazygumbel/sampling/reservoirs/weighted_reservoir.hpp"

namespace lazygumbel::detail {

/// Pairs (key, value) of a stream of n, drawn with replacement: the first `uniform` slots
/// uniformly, the others with probability |v|^2 / mu, mu = sum |v|^2. For an estimate each counts
/// as drawn from the mixture of the two: slot b stands for
///   a_b = 1 / (uniform / n + others |v_b|^2 / mu)
/// tokens, and sum_b a_b f(k_b, v_b) has the expectation sum_j f(k_j, v_j) over the tokens that can
/// be drawn: with uniform > 0 all of them, else those of v != 0.
/// Source: Zandieh et al., "SubGen", 2024, algorithm 1 (uniform = 0); Veach, Guibas, "Optimally
/// Combining Sampling Techniques for Monte Carlo Rendering", SIGGRAPH 1995 (balance heuristic).
template <StorageScalar T>
class ValueSlots {
 public:
  ValueSlots(std::size_t d, std::size_t dv, std::size_t uniform, std::size_t others)
      : uniform_(uniform), others_(others), keys_(d), values_(dv) {}

  std::size_t uniform_slots() const noexcept { return uniform_.slots(); }
  std::size_t slots() const noexcept { return uniform_.slots() + others_.slots(); }
  /// Slots 0 .. filled() - 1 hold something: those by |v|^2, which lie last, once a value other
  /// than 0 has come.
  std::size_t filled() const noexcept { return keys_.rows(); }
  const RowBlock<T>& keys() const noexcept { return keys_; }
  const RowBlock<T>& values() const noexcept { return values_; }
  const WeightedReservoir& uniform() const noexcept { return uniform_; }
  const WeightedReservoir& others() const noexcept { return others_; }

  /// Tokens that slot b stands for. Precondition: b < filled().
  double tokens_of(std::size_t b) const noexcept {
    double chance = 0.0;
    if (uniform_.slots() > 0) chance += static_cast<double>(uniform_.slots()) / uniform_.total();
    if (others_.total() > 0.0)
      chance += static_cast<double>(others_.slots()) * squares_[b] / others_.total();
    return 1.0 / chance;
  }

  /// The next `add` cannot throw.
  void make_room() {
    if (filled() == slots()) return;
    keys_.reserve(slots());
    values_.reserve(slots());
    squares_.reserve(slots());
  }

  template <BitGenerator Engine>
  void add(const T* key, const T* value, Engine& engine) {
    const double square = square_of(value);
    uniform_.offer(1.0, engine, [&](std::size_t b) { put(b, key, value, square); });
    others_.offer(square, engine,
                  [&](std::size_t b) { put(uniform_.slots() + b, key, value, square); });
  }

  template <BitGenerator Engine>
  void merge(const ValueSlots& later, Engine& engine) {
    const auto take = [&](std::size_t b) {
      put(b, later.keys_.row(b), later.values_.row(b), later.squares_[b]);
    };
    uniform_.merge(later.uniform_, engine, take);
    others_.merge(later.others_, engine, [&](std::size_t b) { take(uniform_.slots() + b); });
  }

  /// Restores what was written: the reservoirs, then the rows of the filled slots by `restore_row`.
  void restore(WeightedReservoir uniform, WeightedReservoir others) {
    uniform_ = std::move(uniform);
    others_ = std::move(others);
  }
  void restore_row(const T* key, const T* value) {
    put(keys_.rows(), key, value, square_of(value));
  }

  std::size_t size_in_bytes() const noexcept {
    return keys_.size_in_bytes() + values_.size_in_bytes() + uniform_.size_in_bytes() +
           others_.size_in_bytes() + squares_.capacity() * sizeof(double);
  }

 private:
  double square_of(const T* value) const noexcept {
    double square = 0.0;
    for (std::size_t j = 0; j < values_.width(); ++j) {
      const auto x = static_cast<double>(value[j]);
      square += x * x;
    }
    return square;
  }

  /// A reservoir's first token takes all of its slots, in any order.
  void put(std::size_t b, const T* key, const T* value, double square) {
    if (b < keys_.rows()) {
      keys_.set(b, key);
      values_.set(b, value);
      squares_[b] = square;
    }
    while (keys_.rows() <= b) {
      keys_.push(key, keys_.width());
      values_.push(value, values_.width());
      squares_.push_back(square);
    }
  }

  WeightedReservoir uniform_, others_;
  RowBlock<T> keys_, values_;
  std::vector<double> squares_;  // |v|^2
};

}  // namespace lazygumbel::detail
