#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <functional>
#include <numeric>
#include <span>
#include <vector>

#include "lazygumbel/core/detail/cache_line.hpp"

namespace lazygumbel::detail {

/// The sum of contiguous numbers, eight sums in turn.
inline double sum_of(const double* values, std::size_t count) noexcept {
  double sums[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += values[i + lane];
  double rest = 0.0;
  for (; i < count; ++i) rest += values[i];
  return (((sums[0] + sums[1]) + (sums[2] + sums[3])) +
          ((sums[4] + sums[5]) + (sums[6] + sums[7]))) +
         rest;
}

/// out[o, i] = sum over v of in[o, v, i].
inline void sum_out_middle(const double* in, std::size_t outer, std::size_t values,
                           std::size_t inner, double* out) noexcept {
  for (std::size_t o = 0; o < outer; ++o, out += inner) {
    std::memcpy(out, in, inner * sizeof(double));
    in += inner;
    for (std::size_t v = 1; v < values; ++v, in += inner)
      for (std::size_t i = 0; i < inner; ++i) out[i] += in[i];
  }
}

/// One marginal of a tensor of these sizes (the last attribute fastest): the attributes that it
/// keeps, ascending, and where its numbers go.
struct MarginalTarget {
  std::span<const std::size_t> kept;
  double* out;
};

/// Marginals of one tensor, together. Attribute by attribute, the slowest first, the targets that
/// do not keep the attribute go on with the tensor summed over it, once for all of them, the others
/// with the tensor as it is; so what has common attributes shares the work, and most sums run over
/// long contiguous rows. Each result is a tree of additions of |X| / (its cells) numbers.
template <std::same_as<double> Real = double>
class MarginalSums {
 public:
  explicit MarginalSums(std::span<const std::size_t> sizes) : sizes_(sizes) {}

  void run(const double* tensor, std::span<MarginalTarget> targets) const {
    std::sort(targets.begin(), targets.end(), [](const auto& a, const auto& b) {
      return std::lexicographical_compare(a.kept.begin(), a.kept.end(), b.kept.begin(),
                                          b.kept.end());
    });
    const std::size_t cells =
        std::accumulate(sizes_.begin(), sizes_.end(), std::size_t{1}, std::multiplies<>());
    go_on(tensor, 0, 1, cells, 0, targets);
  }

 private:
  /// `tensor` is kept x (the attributes from `attribute` on, `rest` cells together); every target
  /// keeps the same `taken` attributes before this one.
  void go_on(const double* tensor, std::size_t attribute, std::size_t kept, std::size_t rest,
             std::size_t taken, std::span<MarginalTarget> targets) const {
    // In this order the targets that are complete come first, those that keep the attribute next.
    const auto after_complete = std::find_if(targets.begin(), targets.end(),
                                             [&](const auto& t) { return t.kept.size() > taken; });
    for (auto target = targets.begin(); target != after_complete; ++target) {
      if (target != targets.begin())
        std::memcpy(target->out, targets.front().out, kept * sizeof(double));
      else if (rest == 1)
        std::memcpy(target->out, tensor, kept * sizeof(double));
      else
        for (std::size_t i = 0; i < kept; ++i) target->out[i] = sum_of(tensor + i * rest, rest);
    }
    const auto after_keeping = std::find_if(
        after_complete, targets.end(), [&](const auto& t) { return t.kept[taken] != attribute; });
    const std::size_t size = attribute < sizes_.size() ? sizes_[attribute] : 1;
    if (after_keeping != after_complete)
      go_on(tensor, attribute + 1, kept * size, rest / size, taken + 1,
            {after_complete, after_keeping});
    if (after_keeping == targets.end()) return;
    if (size == 1)
      return go_on(tensor, attribute + 1, kept, rest, taken, {after_keeping, targets.end()});
    const std::size_t inner = rest / size;
    const auto summed = cache_line_array<Real>(kept * inner);
    sum_out_middle(tensor, kept, size, inner, summed.get());
    go_on(summed.get(), attribute + 1, kept, inner, taken, {after_keeping, targets.end()});
  }

  std::span<const std::size_t> sizes_;
};

}  // namespace lazygumbel::detail
