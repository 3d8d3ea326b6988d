#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "laws.hpp"
#include "statistics.hpp"

/// \file
/// Whether reports hold. Of many answers for one family of data: how many missed their target while
/// they said that it was met, and how many lie outside the error that they state. A claim that
/// something happens with probability at most delta is refused when as many misses, or more, have
/// probability below 1e-6 under a binomial law of mean delta.

namespace lazygumbel::testing {

/// Seconds that f() takes: printed beside counts, compared with nothing.
template <class F>
double seconds_of(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  std::forward<F>(f)();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What happened to the answers for one family of data.
struct HonestyCount {
  std::uint64_t answers = 0;
  std::uint64_t missed_while_met = 0;  ///< said "met", and missed
  std::uint64_t met = 0;
  std::uint64_t outside = 0;   ///< further from the truth than stated
  std::uint64_t exact = 0;     ///< looked at every item
  double seconds = 0.0;        ///< of all answers
  double exact_seconds = 0.0;  ///< of as many by the plain method, where that was run

  void add(bool said_met, bool missed, bool outside_report, bool was_exact) {
    ++answers;
    met += said_met;
    missed_while_met += said_met && missed;
    outside += outside_report;
    exact += was_exact;
  }
};

inline std::string text_of(const HonestyCount& count) {
  std::string time;
  if (count.exact_seconds > 0.0)
    time = ", time " + std::to_string(count.seconds / count.exact_seconds) + " of exact";
  return std::to_string(count.answers) + " answers, " + std::to_string(count.met) + " met, " +
         std::to_string(count.missed_while_met) + " missed while met, " +
         std::to_string(count.outside) + " outside their report, " + std::to_string(count.exact) +
         " exact" + time;
}

/// P(missed and met) <= delta.
inline bool keeps_its_word(const HonestyCount& count, double delta) {
  return binomial_at_least(count.missed_while_met, count.answers, delta) >= law_threshold;
}

/// P(outside the report) <= delta.
inline bool reports_hold(const HonestyCount& count, double delta) {
  return binomial_at_least(count.outside, count.answers, delta) >= law_threshold;
}

}  // namespace lazygumbel::testing
