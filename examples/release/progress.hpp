#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace private_release {

/// Times the rounds of a run and, when stderr is a terminal and the run is longer than a second,
/// shows there how far it is. How long a round takes depends on the private data: the numbers are
/// for whoever runs the program.
class Progress {
 public:
  explicit Progress(bool quiet) : shown_(!quiet && isatty(STDERR_FILENO) == 1) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void round(std::size_t done, std::size_t all) {
    const auto now = Clock::now();
    milliseconds_.push_back(between(last_, now));
    last_ = now;
    const double shown_for = between(drawn_, now), running = between(start_, now);
    if (!shown_ || running < 1000.0 || shown_for < 100.0) return;
    drawn_ = now;
    const std::size_t width = 40, filled = width * done / (std::max)(all, std::size_t{1});
    std::fprintf(stderr, "\r[%s%s] round %zu of %zu, %.0f s ", std::string(filled, '#').c_str(),
                 std::string(width - filled, '.').c_str(), done, all, running / 1000.0);
    std::fflush(stderr);
    dirty_ = true;
  }

  /// Takes the line away.
  void clear() {
    if (dirty_) std::fprintf(stderr, "\r%78s\r", "");
    dirty_ = false;
  }

  double total() const { return between(start_, Clock::now()); }
  const std::vector<double>& milliseconds() const { return milliseconds_; }

 private:
  using Clock = std::chrono::steady_clock;
  static double between(Clock::time_point a, Clock::time_point b) {
    return std::chrono::duration<double, std::milli>(b - a).count();
  }

  bool shown_, dirty_ = false;
  Clock::time_point start_ = Clock::now(), last_ = start_, drawn_ = start_;
  std::vector<double> milliseconds_;
};

}  // namespace private_release
