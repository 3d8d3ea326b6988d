#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "lazygumbel/core/detail/binary_file.hpp"
#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/random/gumbel.hpp"
#include "lazygumbel/sampling/reservoirs/detail/failures.hpp"

namespace lazygumbel {

/// Which items of a stream to keep so that at any time each of s slots, independently of the
/// others, holds item j with probability w_j / (w_1 + ... + w_n) (with replacement). It holds no
/// items: it says which slots take the next one, over what is there.
///
/// Law: in each slot every item has a clock ~ Exp(w_j) and the smallest wins, so that the n-th item
/// is taken with probability w_n / T_n, T_n = w_1 + ... + w_n, whatever went before. A total that
/// grows from T to T' therefore leaves all s slots alone with probability (T / T')^s: the next item
/// that any slot takes is the one that carries the total past T exp(E / s), E ~ Exp(1). The slots
/// that take it are independent trials of w / T', given that there is one. So T and the total that
/// is waited for are all the state there is.
///
/// Weights may lie anywhere in the normal range of double. An item is told apart from the rest of
/// the stream while its weight is above 2^-52 of the total. No heap memory. Not thread-safe, but
/// const members are. Source: Efraimidis, Spirakis, "Weighted random sampling with a reservoir",
/// Inf. Process. Lett. 97(5), 2006 (exponential jumps), for s reservoirs of one item at once.
class WeightedReservoir {
 public:
  /// `slots` = s; with 0 nothing is ever taken.
  explicit WeightedReservoir(std::size_t slots) noexcept : slots_(slots) {}

  /// The next item of the stream: calls take(slot) for each slot that takes it, in rising order.
  /// The first item of positive weight fills all slots; weight 0 is never taken. `take` must not
  /// throw. Throws std::invalid_argument, changing nothing, when the weight or the new total is not
  /// finite or the weight is negative. O(1 + slots that take it); draws random numbers only when
  /// one does.
  template <BitGenerator Engine, class Take>
  void offer(double weight, Engine& engine, Take&& take) {
    const double total = total_ + weight;
    if (!(weight >= 0.0 && weight <= (std::numeric_limits<double>::max)()))
      detail::throw_invalid("weight", weight, "must be finite and at least 0");
    if (!(total <= (std::numeric_limits<double>::max)()))
      detail::throw_invalid("weight", weight, "must leave the total finite");
    if (weight == 0.0) return;
    total_ = total;
    if (slots_ == 0 || !(next_ < total)) return;
    wait(engine);
    const double p = weight / total;
    take_each(detail::failures_below(static_cast<double>(slots_), p, engine), p, engine, take);
  }

  /// Makes this the reservoir of both streams, in law as if it had seen one after the other: calls
  /// take(slot) for each slot that now holds what the same slot of `other` holds, in rising order.
  /// `other` must have used independent random numbers; `take` must not throw. Throws
  /// std::invalid_argument, changing nothing, when the numbers of slots differ or the new total is
  /// not finite. O(1 + slots that are taken).
  template <BitGenerator Engine, class Take>
  void merge(const WeightedReservoir& other, Engine& engine, Take&& take) {
    if (other.slots_ != slots_)
      detail::throw_invalid("other.slots()", other.slots_, "must be " + detail::text_of(slots_));
    const double added = other.total_;
    const double total = total_ + added;
    if (!(total <= (std::numeric_limits<double>::max)()))
      detail::throw_invalid("other.total()", added, "must leave the total finite");
    if (added == 0.0) return;
    const double p = added / total;
    total_ = total;
    if (slots_ == 0) return;
    wait(engine);
    take_each(detail::failures(p, engine), p, engine, take);
  }

  /// The sum of all weights, those of merged reservoirs too.
  double total() const noexcept { return total_; }
  std::size_t slots() const noexcept { return slots_; }
  /// Heap memory: none.
  std::size_t size_in_bytes() const noexcept { return 0; }

  /// The state: u64 slots; double total, total that is waited for.
  void write(detail::BinaryWriter& out) const {
    out.put(std::uint64_t{slots_});
    out.put(total_);
    out.put(next_);
  }

  /// What `write` wrote; throws file_error when that cannot be.
  static WeightedReservoir read(detail::BinaryReader& in) {
    const auto slots = in.get<std::uint64_t>();
    if (slots > (std::numeric_limits<std::size_t>::max)())
      in.fail("is corrupted: a reservoir has " + detail::text_of(slots) + " slots");
    WeightedReservoir reservoir(static_cast<std::size_t>(slots));
    reservoir.total_ = in.get<double>();
    reservoir.next_ = in.get<double>();
    if (!(reservoir.total_ >= 0.0 && reservoir.total_ <= (std::numeric_limits<double>::max)()))
      in.fail("is corrupted: a reservoir's total is " + detail::text_of(reservoir.total_));
    const bool waits = slots > 0 && reservoir.total_ > 0.0;
    if (!(waits ? reservoir.next_ >= reservoir.total_ : reservoir.next_ == 0.0))
      in.fail("is corrupted: a reservoir of total " + detail::text_of(reservoir.total_) +
              " waits for " + detail::text_of(reservoir.next_));
    return reservoir;
  }

  friend bool operator==(const WeightedReservoir&, const WeightedReservoir&) = default;

 private:
  template <BitGenerator Engine>
  void wait(Engine& engine) {
    next_ = total_ * std::exp(standard_exponential(engine) / static_cast<double>(slots_));
  }

  /// take(slot) for `slot` and then for each later one with probability p.
  template <BitGenerator Engine, class Take>
  void take_each(double slot, double p, Engine& engine, Take& take) const {
    for (; slot < static_cast<double>(slots_); slot += 1.0 + detail::failures(p, engine))
      take(static_cast<std::size_t>(slot));
  }

  std::size_t slots_;
  double total_ = 0.0;
  double next_ = 0.0;  // the next item that a slot takes carries the total past this
};

}  // namespace lazygumbel
