#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/detail/binary_file.hpp"
#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/random/uniform.hpp"
#include "lazygumbel/sampling/reservoirs/detail/failures.hpp"

namespace lazygumbel {

/// Which items of a stream to keep so that at any time each set of t = capacity of the items seen
/// is equally likely (without replacement; all of them while they are t or fewer). It holds no
/// items: it says in which of t places to put the next one, over what is there.
///
/// Law: every item has a clock, independent and uniform on (0, 1), and the t smallest are kept. Let
/// W be the largest kept clock. The next item that enters comes after a geometric number of items,
/// P(none of k enters) = (1 - W)^k; it replaces the holder of W, and then the t kept clocks are
/// independent and uniform on (0, W), so that the new W is W max(U_1, ..., U_t) and its holder is
/// any of the t, alike. So W and the number of the next item that enters are all the state there
/// is.
///
/// Exact to within rounding (relative error about 2^-53 a step of W), for fewer than 2^53 items.
/// No heap memory. Not thread-safe, but const members are.
/// Source: Li, "Reservoir-Sampling Algorithms of Time Complexity O(n(1 + log(N/n)))", ACM TOMS
/// 20(4), 1994 (algorithm L); merging draws the clocks of both again, given W.
class UniformReservoir {
 public:
  /// The answer of `offer` for an item that is not kept.
  static constexpr std::size_t none = (std::numeric_limits<std::size_t>::max)();

  /// `capacity` = t. Throws std::invalid_argument when it is 0.
  explicit UniformReservoir(std::size_t capacity) : capacity_(capacity) {
    if (capacity == 0) detail::throw_invalid("capacity", capacity, "must be at least 1");
  }

  /// The place in [0, capacity) for the next item of the stream, or `none`. The first t items get
  /// the places 0, 1, ... in order. O(1); draws random numbers only with the t-th item and with
  /// those that enter later, about t log(n / t) of n.
  template <BitGenerator Engine>
  std::size_t offer(Engine& engine) {
    const std::uint64_t number = seen_++;
    if (number < capacity_) {
      if (seen_ == capacity_) advance(engine);
      return static_cast<std::size_t>(number);
    }
    if (number != next_) return none;
    advance(engine);
    return static_cast<std::size_t>(uniform_below(capacity_, engine));
  }

  /// Makes this the reservoir of both streams, in law as if it had seen one after the other: calls
  /// take(place, place_of_other) for each item of `other` that is now kept, at a `place` of this
  /// one; no place comes twice, and empty places are filled before any is replaced. `other` must
  /// have sampled another stream, with independent random numbers; `take` must not throw.
  /// Throws std::invalid_argument when the capacities differ. O(capacity) time and memory.
  template <BitGenerator Engine, class Take>
  void merge(const UniformReservoir& other, Engine& engine, Take&& take) {
    if (other.capacity_ != capacity_)
      detail::throw_invalid("other.capacity()", other.capacity_,
                            "must be " + detail::text_of(capacity_));
    if (other.seen_ == 0) return;
    const std::size_t mine = size();
    if (seen_ + other.seen_ <= capacity_) {
      seen_ += other.seen_;
      if (seen_ == capacity_) advance(engine);
      for (std::size_t place = 0; place < other.size(); ++place) take(mine + place, place);
      return;
    }
    std::vector<double> clocks(mine + other.size());
    draw_clocks({clocks.data(), mine}, engine);
    other.draw_clocks({clocks.data() + mine, other.size()}, engine);
    std::vector<double> sorted = clocks;
    const auto last = sorted.begin() + static_cast<std::ptrdiff_t>(capacity_ - 1);
    std::nth_element(sorted.begin(), last, sorted.end());
    // Clocks equal to the largest kept one: as many as there is room for (ties have probability 0
    // but for rounding).
    std::size_t ties = capacity_;
    for (const double clock : clocks) ties -= clock < *last ? 1u : 0u;
    const auto kept = [&](double clock) {
      return clock < *last || (clock == *last && ties > 0 && ties-- > 0);
    };
    std::vector<std::size_t> freed;
    for (std::size_t place = 0; place < mine; ++place)
      if (!kept(clocks[place])) freed.push_back(place);
    seen_ += other.seen_;
    largest_ = *last;
    skip(engine);
    std::size_t empty = mine, replaced = 0;
    for (std::size_t place = 0; place < other.size(); ++place)
      if (kept(clocks[mine + place])) take(empty < capacity_ ? empty++ : freed[replaced++], place);
  }

  /// Items offered so far, those of merged reservoirs too.
  std::uint64_t seen() const noexcept { return seen_; }
  /// Places in use: min(seen, capacity).
  std::size_t size() const noexcept {
    return static_cast<std::size_t>((std::min)(seen_, std::uint64_t{capacity_}));
  }
  std::size_t capacity() const noexcept { return capacity_; }
  /// Heap memory: none.
  std::size_t size_in_bytes() const noexcept { return 0; }

  /// The state: u64 capacity, seen, number of the next item that enters; double W.
  void write(detail::BinaryWriter& out) const {
    for (const std::uint64_t number : {std::uint64_t{capacity_}, seen_, next_}) out.put(number);
    out.put(largest_);
  }

  /// What `write` wrote; throws file_error when that cannot be.
  static UniformReservoir read(detail::BinaryReader& in) {
    const auto capacity = in.get<std::uint64_t>();
    if (capacity == 0 || capacity > none) in.fail("is corrupted: a reservoir has no capacity");
    UniformReservoir reservoir(static_cast<std::size_t>(capacity));
    reservoir.seen_ = in.get<std::uint64_t>();
    reservoir.next_ = in.get<std::uint64_t>();
    reservoir.largest_ = in.get<double>();
    const bool full = reservoir.seen_ >= capacity;
    if (!(reservoir.largest_ > 0.0 && reservoir.largest_ <= 1.0) ||
        (!full && reservoir.largest_ != 1.0))
      in.fail("is corrupted: a reservoir's largest clock is " +
              detail::text_of(reservoir.largest_));
    if (full ? reservoir.next_ < reservoir.seen_ : reservoir.next_ != 0)
      in.fail("is corrupted: a reservoir that saw " + detail::text_of(reservoir.seen_) +
              " items waits for number " + detail::text_of(reservoir.next_));
    return reservoir;
  }

  friend bool operator==(const UniformReservoir&, const UniformReservoir&) = default;

 private:
  /// The largest of t clocks that are uniform below `largest_`, and the next item below it.
  template <BitGenerator Engine>
  void advance(Engine& engine) {
    largest_ *= std::exp(-standard_exponential(engine) / static_cast<double>(capacity_));
    skip(engine);
  }

  template <BitGenerator Engine>
  void skip(Engine& engine) {
    const double passed = detail::failures(largest_, engine);
    next_ = passed < 0x1p63 && seen_ < std::uint64_t{1} << 63
                ? seen_ + static_cast<std::uint64_t>(passed)
                : (std::numeric_limits<std::uint64_t>::max)();
  }

  /// Clocks of the items kept, given all that is known of them.
  template <BitGenerator Engine>
  void draw_clocks(std::span<double> clocks, Engine& engine) const {
    for (double& clock : clocks) clock = largest_ * open_uniform(engine);
    if (clocks.size() == capacity_)
      clocks[static_cast<std::size_t>(uniform_below(capacity_, engine))] = largest_;
  }

  std::size_t capacity_;
  std::uint64_t seen_ = 0;
  std::uint64_t next_ = 0;  // once full: the number, from 0, of the next item that enters
  double largest_ = 1.0;    // once full: W
};

}  // namespace lazygumbel
