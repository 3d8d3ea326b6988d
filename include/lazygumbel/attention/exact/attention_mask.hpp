#pragma once

#include <cstddef>
#include <span>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// Which keys a query sees: always the first few, and how many depends on the query. A view: the
/// lengths that `prefix` was given must stay.
class AttentionMask {
 public:
  /// Every query sees all keys.
  static AttentionMask full() noexcept { return {}; }

  /// Query i of m sees keys 0 .. n - m + i of n: the last query sees all of them. Needs m <= n.
  static AttentionMask causal() noexcept {
    AttentionMask mask;
    mask.causal_ = true;
    return mask;
  }

  /// Query i sees keys 0 .. lengths[i] - 1, for 0 none.
  static AttentionMask prefix(std::span<const std::size_t> lengths) noexcept {
    AttentionMask mask;
    mask.prefix_ = true;
    mask.lengths_ = lengths;
    return mask;
  }

  bool is_full() const noexcept { return !causal_ && !prefix_; }

  /// The number of keys that query i of m sees of n.
  std::size_t visible(std::size_t i, std::size_t m, std::size_t n) const noexcept {
    return prefix_ ? lengths_[i] : causal_ ? n - m + i + 1 : n;
  }

  /// Throws std::invalid_argument when the mask does not fit m queries and n keys.
  void require_fits(std::size_t m, std::size_t n) const {
    if (causal_ && m > n)
      detail::throw_invalid(
          "queries.tokens()", m,
          "exceeds keys.tokens() = " + detail::text_of(n) + " under a causal mask");
    if (!prefix_) return;
    if (lengths_.size() != m)
      detail::throw_invalid("mask: lengths.size()", lengths_.size(),
                            "must equal queries.tokens() = " + detail::text_of(m));
    for (std::size_t i = 0; i < m; ++i)
      if (lengths_[i] > n)
        detail::throw_invalid("mask: lengths[" + detail::text_of(i) + "]", lengths_[i],
                              "exceeds keys.tokens() = " + detail::text_of(n));
  }

 private:
  AttentionMask() = default;

  bool causal_ = false, prefix_ = false;
  std::span<const std::size_t> lengths_;
};

}  // namespace lazygumbel
