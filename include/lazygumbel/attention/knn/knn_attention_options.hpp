#pragma once

#include <cstddef>
#include <optional>

#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/core/parameters.hpp"
#include "lazygumbel/estimation/estimate.hpp"

namespace lazygumbel {

/// What finds the large scores of a query among many keys.
enum class KeyIndex {
  automatic,  ///< codes for decoding; lists for many queries, if these are enough to pay for them
  codes,      ///< 4- or 8-bit codes of all keys: no build, appended in O(d^2), flat or peaked alike
  lists       ///< k-means lists in order of time: for keys that cluster
};

/// How sampled attention works. The keys that count for a query are the first few (sinks), the last
/// few (window), those that the index finds, and a weighted sample of the rest, the tail.
struct KnnAttentionOptions {
  AttentionOptions attention{};
  /// |o^ - o| <= epsilon |o^| (or epsilon, absolute) with probability about 1 - delta for each
  /// query and head; exact attention where sampling does not reach it. None: the fixed budget
  /// below.
  std::optional<Accuracy> accuracy = Accuracy(0.02, 0.1);
  std::size_t tail_samples = 256;   ///< the fixed budget; with an accuracy, the first sample. >= 16
  std::size_t top_k = 0;            ///< keys that the index gives with certainty; 0: automatic
  std::size_t sinks = 4;            ///< the first keys, always attended to
  std::size_t window = 64;          ///< the last keys, always attended to
  std::size_t minimum_keys = 4096;  ///< a query that sees fewer is attended to exactly
  KeyIndex index = KeyIndex::automatic;
  int bits = 4;                          ///< of codes: 4 or 8
  Interval interval = Interval::normal;  ///< empirical_bernstein: strict, needs codes
  bool sample_tail = true;  ///< false: the certain keys alone, which is biased: for comparison
};

namespace detail {

/// Throws std::invalid_argument on an option out of range.
inline void require_options(const KnnAttentionOptions& options) {
  if (options.tail_samples < 16)
    throw_invalid("tail_samples", options.tail_samples, "must be at least 16");
  if (options.bits != 4 && options.bits != 8) throw_invalid("bits", options.bits, "must be 4 or 8");
  if (options.interval == Interval::empirical_bernstein && options.index == KeyIndex::lists)
    throw_invalid("interval", "empirical_bernstein",
                  "needs KeyIndex::codes, whose range is proved");
}

}  // namespace detail
}  // namespace lazygumbel
