#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bench {

inline double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

inline double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double v : values) sum += v;
  return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

/// Notes a time for m and, when there are two, their exponent of growth.
inline void note_growth(benchmark::State& state, const std::string& counter,
                        const std::string& name, std::size_t m, double time) {
  static std::map<std::string, std::map<double, double>> all;
  std::map<double, double>& times = all[counter + name];
  times[static_cast<double>(m)] = time;
  if (times.size() < 2) return;
  const auto& [m0, t0] = *times.begin();
  const auto& [m1, t1] = *times.rbegin();
  state.counters[counter] = std::log(t1 / t0) / std::log(m1 / m0);
}

/// Seconds that `work` takes.
template <class Work>
double seconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A method and its rival timed in turn, so that a change of the machine's speed meets both: rounds
/// of `ours_per_round` runs of one and `rivals_per_round` of the other; the speed-up is the median
/// over rounds of (mean rival time) / (mean own time). Means within a round keep rare slow draws.
class Interleaved {
 public:
  Interleaved(std::size_t ours_per_round, std::size_t rivals_per_round,
              std::string counter = "speedup_vs_exhaustive")
      : ours_per_round_(ours_per_round),
        rivals_per_round_(rivals_per_round),
        counter_(std::move(counter)) {}

  /// Runs ours(i) for the benchmark's iterations, i counting up, and rival(i) between.
  template <class Ours, class Rival>
  void run(benchmark::State& state, Ours&& ours, Rival&& rival) {
    std::size_t i = 0, in_round = 0;
    double own_time = 0.0;
    const auto end_round = [&] {
      double rival_time = 0.0;
      for (std::size_t r = 0; r < rivals_per_round_; ++r)
        rival_time += seconds([&] { rival(rival_count_++); });
      rival_times_.push_back(rival_time / static_cast<double>(rivals_per_round_));
      own_times_.push_back(own_time / static_cast<double>(in_round));
      own_time = 0.0;
      in_round = 0;
    };
    for (auto _ : state) {
      own_time += seconds([&] { ours(i++); });
      if (++in_round < ours_per_round_) continue;
      state.PauseTiming();
      end_round();
      state.ResumeTiming();
    }
    if (own_times_.empty()) end_round();  // a trial run shorter than a round
    std::vector<double> ratios;
    for (std::size_t r = 0; r < own_times_.size(); ++r)
      ratios.push_back(rival_times_[r] / own_times_[r]);
    speedup_ = median(ratios);
    state.counters[counter_] = speedup_;
  }

  double speedup() const { return speedup_; }
  /// Median over rounds of the mean time in a round, seconds.
  double own_seconds() const { return median(own_times_); }
  double rival_seconds() const { return median(rival_times_); }

 private:
  std::size_t ours_per_round_, rivals_per_round_, rival_count_ = 0;
  std::string counter_;
  double speedup_ = 0.0;
  std::vector<double> own_times_, rival_times_;
};

}  // namespace bench
