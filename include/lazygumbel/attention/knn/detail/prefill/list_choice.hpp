#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/attention/exact/detail/product_kernels.hpp"
#include "lazygumbel/attention/knn/detail/prefill/unseen_bound.hpp"

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
    const Eigen::ArrayX<Real>&key_reaches, &value_reaches;
  };

  /// How many draws a row starts with, and how heavy what none of them met may be.
  struct Start {
    double share;                    ///< of Z, after values' distances from o over |o|
    double center;                   ///< |c - o|
    double size;                     ///< |o|; 1 for an absolute target
    std::span<const double> missed;  ///< keys that draws may all miss, at each possible start
    std::span<const double> draws;   ///< at each
  };

  ListChoice(const ProductKernels& kernels, double share, std::size_t least_keys, double softcap)
      : kernels_(&kernels),
        share_(share),
        least_keys_(least_keys),
        softcap_(static_cast<float>(softcap)) {}

  /// Appends the lists to `chosen`; returns their keys. `scores`: <q, c_g> of each list, and room
  /// to whole lanes; overwritten. `half_square`: |q|^2 / 2. `spreads`: s_g^2. With least_keys:
  /// lists until they have so many keys, whatever is left. `unseen` bounds what is left; with
  /// `start`, lists are added, and draws chosen, so that it is small.
  std::size_t choose(const Tail& tail, float* scores, float half_square,
                     const Eigen::ArrayX<Real>& spreads, const Start* start,
                     std::vector<std::uint32_t>& chosen, UnseenBound& unseen,
                     std::size_t& first_look) {
    const Eigen::Index lists = tail.counts.size();
    Eigen::Map<Eigen::ArrayX<Real>> means(scores, lists);
    const Real length = std::sqrt(Real{2} * half_square) * (Real{1} + Real{0x1p-20F});
    bounds_ = means + length * tail.key_reaches;
    if (softcap_ > Real{0}) bounds_ = softcap_ * (bounds_ / softcap_).tanh();
    left_ = tail.counts;
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
      left_[candidates_[i].second] = Real{0};
    }
    Real base = -(std::numeric_limits<Real>::max)();
    for (Eigen::Index g = 0; g < lists; ++g)
      if (left_[g] > Real{0} && bounds_[g] > base) base = bounds_[g];
    bounds_ = (bounds_ - base).min(Real{0}).exp();
    if (start != nullptr) {
      const double log_z = static_cast<double>(largest) + std::log(wanted / share_);
      keys += add_heavy(tail, *start, log_z - static_cast<double>(base), chosen, first_look);
    }
    unseen.set(static_cast<double>(base), bounds_, tail.value_reaches, left_);
    return keys;
  }

 private:
  /// The start that looks at the fewest keys, and the lists that it wants.
  std::size_t add_heavy(const Tail& tail, const Start& start, double log_z,
                        std::vector<std::uint32_t>& chosen, std::size_t& first_look) {
    const auto center = static_cast<Real>(start.center / start.size),
               size = static_cast<Real>(1.0 / start.size);
    worth_ = bounds_ * (tail.value_reaches * size + center);
    const auto level = [&](std::size_t t) {
      return static_cast<Real>(std::exp((std::min)(log_z, 80.0)) * start.share / start.missed[t]);
    };
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t t = 0; t < start.draws.size(); ++t) {
      // 1 above the level and 0 below, in a form that Eigen vectorises.
      const Real keys =
          (((worth_ - level(t)) * Real{1e30F}).max(Real{0}).min(Real{1}) * left_).sum();
      const double cost = 1.3 * start.draws[t] + static_cast<double>(keys);
      if (cost < least) {
        least = cost;
        first_look = t;
      }
    }
    const Real threshold = level(first_look);
    std::size_t keys = 0;
    for (Eigen::Index g = 0; g < worth_.size(); ++g)
      if (worth_[g] > threshold && left_[g] > Real{0}) {
        chosen.push_back(static_cast<std::uint32_t>(g));
        keys += static_cast<std::size_t>(left_[g]);
        left_[g] = Real{0};
      }
    return keys;
  }
  const ProductKernels* kernels_;
  double share_;
  std::size_t least_keys_;
  float softcap_;
  std::vector<std::pair<Real, std::uint32_t>> candidates_;
  Eigen::ArrayX<Real> bounds_, left_, worth_;
};

}  // namespace lazygumbel::detail
