#pragma once

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace lazygumbel::testing {

/// Two releases on neighbouring tables, run many times each, and what their outcomes prove. A
/// quarter of the runs is used to choose an event E, the rest to bound P(E) from below and P'(E)
/// from above [Clopper, Pearson 1934]; both ways round. Each bound is wrong with probability below
/// 1e-6. They see the event that was chosen and no other: a small bound proves nothing.
class PrivacyAudit {
 public:
  template <class Release, class OtherRelease>
  PrivacyAudit(std::size_t runs, Release&& release, OtherRelease&& other) {
    for (std::size_t run = 0; run < runs; ++run) {
      auto& [a, b] = run < runs / 4 ? pilot_ : check_;
      ++a[release()];
      ++b[other()];
    }
  }

  /// At least this is the privacy loss: the largest e for which P(E) - delta >= exp(e) P'(E) is
  /// proved.
  double epsilon(double delta = 0.0) const {
    return both_ways([&](double low, double high) {
      return low > delta ? std::log((low - delta) / high) : -HUGE_VAL;
    });
  }

  /// At least this is the delta at `epsilon`: the largest proved P(E) - exp(epsilon) P'(E).
  double delta(double epsilon) const {
    return both_ways([&](double low, double high) { return low - std::exp(epsilon) * high; });
  }

 private:
  using Counts = std::map<std::uint64_t, std::uint64_t>;
  struct Pair {
    Counts a, b;
  };
  struct Tally {
    std::uint64_t inside = 0, all = 0;
  };

  static constexpr double alarm = 2.5e-7;  // a side and a bound

  static std::uint64_t count_of(const Counts& counts, std::uint64_t outcome) {
    const auto at = counts.find(outcome);
    return at == counts.end() ? 0 : at->second;
  }

  static Tally tally(const Counts& counts, const std::vector<std::uint64_t>& event) {
    Tally tally;
    for (const auto& [outcome, count] : counts) {
      tally.all += count;
      if (std::find(event.begin(), event.end(), outcome) != event.end()) tally.inside += count;
    }
    return tally;
  }

  template <class Score>
  static double score_of(const Tally& a, const Tally& b, Score&& score) {
    using Law = boost::math::binomial_distribution<double>;
    const auto d = [](std::uint64_t x) { return static_cast<double>(x); };
    const double low =
        a.inside == 0 ? 0.0 : Law::find_lower_bound_on_p(d(a.all), d(a.inside), alarm);
    const double high =
        b.inside == b.all ? 1.0 : Law::find_upper_bound_on_p(d(b.all), d(b.inside), alarm);
    return score(low, high);
  }

  template <class Score>
  static double one_way(const Counts& a, const Counts& b, const Counts& later_a,
                        const Counts& later_b, Score&& score) {
    std::vector<std::uint64_t> order;
    for (const auto& entry : a) order.push_back(entry.first);
    const auto ratio = [&](std::uint64_t outcome) {
      return static_cast<double>(count_of(a, outcome)) /
             (static_cast<double>(count_of(b, outcome)) + 0.5);
    };
    std::sort(order.begin(), order.end(),
              [&](std::uint64_t x, std::uint64_t y) { return ratio(x) > ratio(y); });
    std::vector<std::uint64_t> event, best;
    double most = -HUGE_VAL;
    for (const std::uint64_t outcome : order) {
      event.push_back(outcome);
      const double value = score_of(tally(a, event), tally(b, event), score);
      if (value > most) most = value, best = event;
    }
    return score_of(tally(later_a, best), tally(later_b, best), score);
  }

  template <class Score>
  double both_ways(Score&& score) const {
    return std::max(one_way(pilot_.a, pilot_.b, check_.a, check_.b, score),
                    one_way(pilot_.b, pilot_.a, check_.b, check_.a, score));
  }

  Pair pilot_, check_;
};

}  // namespace lazygumbel::testing
