#pragma once

// Of the headers of x86 intrinsics, Random123 by itself asks for <x86intrin.h>, which is all of them
// and takes as long to compile as half of Eigen. All of Random123 can do with these.
#if defined(__x86_64__) && !defined(R123_USE_X86INTRIN_H) && !defined(R123_USE_EMMINTRIN_H) && \
    !defined(R123_USE_SMMINTRIN_H) && !defined(R123_USE_WMMINTRIN_H)
#define R123_USE_X86INTRIN_H 0
#define R123_USE_EMMINTRIN_H 1
#define R123_USE_SMMINTRIN_H 1
#define R123_USE_WMMINTRIN_H 1
#endif
#include <Random123/philox.h>

#include <cstdint>
#include <limits>

#include "lazygumbel/random/engine.hpp"

namespace lazygumbel {

/// Counter-based engine with independent streams: Philox4x32-10 of Random123 with the seed as key,
/// the stream as the high and a running number as the low half of the 128-bit counter. Every
/// (seed, stream) gives 2^65 values of 64 bits and no two overlap, so work that is split over
/// threads stays reproducible: item j draws from PhiloxEngine(seed, j).
///
/// Not cryptographic. O(1) construction and `discard`; copies are independent; no thread-safety.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
class PhiloxEngine {
 public:
  using result_type = std::uint64_t;

  explicit PhiloxEngine(std::uint64_t seed, std::uint64_t stream = 0) noexcept
      : seed_(seed), stream_(stream) {}

  static constexpr result_type(min)() noexcept { return 0; }
  static constexpr result_type(max)() noexcept { return (std::numeric_limits<result_type>::max)(); }

  result_type operator()() noexcept {
    if (half_ == 0) {
      block_ = generate(block_number_);
      half_ = 1;
      return block_.first;
    }
    half_ = 0;
    ++block_number_;
    return block_.second;
  }

  /// As if operator() had been called `count` times.
  void discard(std::uint64_t count) noexcept {
    const bool odd = (count & 1) != 0;
    block_number_ += count / 2;
    if (half_ == 1) block_ = generate(block_number_);
    if (odd) (*this)();
  }

  std::uint64_t seed() const noexcept { return seed_; }
  std::uint64_t stream() const noexcept { return stream_; }
  /// Values drawn so far, modulo 2^64: PhiloxEngine(seed, stream) after discard(position()) equals
  /// this one, as long as fewer than 2^64 have been drawn.
  std::uint64_t position() const noexcept {
    return 2 * block_number_ + static_cast<std::uint64_t>(half_);
  }

  /// The same seed and stream at the same position.
  friend bool operator==(const PhiloxEngine& a, const PhiloxEngine& b) noexcept {
    return a.seed_ == b.seed_ && a.stream_ == b.stream_ && a.block_number_ == b.block_number_ &&
           a.half_ == b.half_;
  }

 private:
  struct Block {
    std::uint64_t first = 0, second = 0;
  };

  Block generate(std::uint64_t number) const noexcept {
    const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
    const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
    const r123::Philox4x32::ctr_type counter = {
        {low(number), high(number), low(stream_), high(stream_)}};
    const r123::Philox4x32::key_type key = {{low(seed_), high(seed_)}};
    const auto words = r123::Philox4x32()(counter, key);
    return {std::uint64_t{words[1]} << 32 | words[0], std::uint64_t{words[3]} << 32 | words[2]};
  }

  std::uint64_t seed_, stream_;
  std::uint64_t block_number_ = 0;
  int half_ = 0;  // 1: block_.second is still to be given out
  Block block_;
};

static_assert(BitGenerator<PhiloxEngine>);

}  // namespace lazygumbel
