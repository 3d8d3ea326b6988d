#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "lazygumbel/attention/exact/detail/product_kernels.hpp"

namespace lazygumbel::detail {

/// Which lists a query meets with certainty, so that l uniform draws from the others err little.
/// e_g = exp(<q, c_g> + |q|^2 s_g^2 / 2) is the mean weight in list g of n_g keys if its scores are
/// normal; with what is known of Z
/// plus sum n_g e_g for Z, the draws' relative variance is (N / l) sum_g n_g e_g^2 / Z^2
/// over the lists left out. Lists are met in the order of e_g, most variance saved for a key, until
/// that is at most `share`^2.
template <std::same_as<float> Real = float>
class ListChoice {
 public:
  struct Tail {
    const Eigen::ArrayX<Real>& counts;  ///< n_g of every list, of the keys that count
    double size, draws;                 ///< N and l
    double log_known;                   ///< log of what is known of Z already
  };

  ListChoice(const ProductKernels& kernels, double share, std::size_t least_keys, double softcap)
      : kernels_(&kernels),
        share_(share),
        least_keys_(least_keys),
        softcap_(static_cast<float>(softcap)) {}

  /// Appends the lists to `chosen`; returns their keys. `scores`: <q, c_g> of each list, and room
  /// to whole lanes; overwritten. `half_square`: |q|^2 / 2. `spreads`: s_g^2. With least_keys:
  /// lists until they have so many keys, whatever is left.
  std::size_t choose(const Tail& tail, float* scores, float half_square,
                     const Eigen::ArrayX<Real>& spreads, std::vector<std::uint32_t>& chosen) {
    const Eigen::Index lists = tail.counts.size();
    Eigen::Map<Eigen::ArrayX<Real>> means(scores, lists);
    means = (tail.counts > 0.0F)
                .select(means + half_square * spreads, -std::numeric_limits<float>::infinity());
    float largest = -std::numeric_limits<float>::infinity();
    double sum = 0.0;
    kernels_->softmax({.rows = 1,
                       .keys = static_cast<std::size_t>(lists),
                       .scores = scores,
                       .score_row = 0,
                       .limits = nullptr,
                       .bias = 0.0F,
                       .softcap = softcap_,
                       .largest = &largest,
                       .sums = &sum,
                       .out = nullptr,
                       .out_row = 0,
                       .dimension = 0});
    const double known = std::exp((std::min)(tail.log_known - static_cast<double>(largest), 80.0));
    const double wanted = share_ * (known + static_cast<double>((tail.counts * means).sum()));
    const double allowed = wanted * wanted * tail.draws / tail.size;
    // What lies below this mean weight makes up half of what is allowed at most.
    const auto threshold = static_cast<float>(std::sqrt(0.5 * allowed / tail.size));
    candidates_.clear();
    constexpr Eigen::Index some = 32;  // looked through only where one of them is large enough
    for (Eigen::Index first = 0; first < lists; first += some) {
      const Eigen::Index end = (std::min)(lists, first + some);
      if (least_keys_ == 0 && !(means.segment(first, end - first).maxCoeff() > threshold)) continue;
      for (Eigen::Index g = first; g < end; ++g)
        if (least_keys_ > 0 ? tail.counts[g] > 0.0F : means[g] > threshold)
          candidates_.push_back({means[g], static_cast<std::uint32_t>(g)});
    }
    std::sort(candidates_.begin(), candidates_.end(), [](const auto& a, const auto& b) {
      return a.first > b.first || (a.first == b.first && a.second < b.second);
    });
    const auto keys_of = [&](std::uint32_t g) { return static_cast<std::size_t>(tail.counts[g]); };
    std::size_t keep = candidates_.size(), keys = 0;
    if (least_keys_ > 0) {
      keep = 0;
      for (std::size_t so_far = 0; keep < candidates_.size() && so_far < least_keys_; ++keep)
        so_far += keys_of(candidates_[keep].second);
    } else {
      for (double left = 0.5 * allowed; keep > 0; --keep) {
        const auto [mean, g] = candidates_[keep - 1];
        left -= static_cast<double>(tail.counts[g]) * static_cast<double>(mean) *
                static_cast<double>(mean);
        if (left < 0.0) break;
      }
    }
    for (std::size_t i = 0; i < keep; ++i) {
      chosen.push_back(candidates_[i].second);
      keys += keys_of(candidates_[i].second);
    }
    return keys;
  }

 private:
  const ProductKernels* kernels_;
  double share_;
  std::size_t least_keys_;
  float softcap_;
  std::vector<std::pair<Real, std::uint32_t>> candidates_;
};

}  // namespace lazygumbel::detail
