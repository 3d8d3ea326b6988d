#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <lazygumbel/core/log_sum_exp.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <numeric>
#include <seconds.hpp>
#include <vector>

#include "exhaustive_scan.hpp"

namespace demo {

/// Where timed draws go, so that the compiler cannot leave out the work behind them.
inline volatile lazygumbel::item_id drawn = 0;

using lazygumbel_tools::seconds_of;

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

inline double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// One draw for each theta, by both methods.
struct Race {
  std::vector<double> exhaustive, lazy;  ///< seconds of each draw
  bool by_inversion = true;              ///< which exhaustive draw was the faster, and taken
  double head = 0.0, proposals = 0.0, rows_scored = 0.0;  ///< of the lazy draws, means
  std::size_t violations = 0;                             ///< of all lazy draws
  lazygumbel::Guarantee guarantee;
};

/// True when inverting the cumulative sum is faster than Gumbel-max, on a few thetas.
inline bool inversion_is_faster(ExhaustiveScan& scan, const Matrix& thetas,
                                lazygumbel::PhiloxEngine& engine) {
  std::vector<double> inversion, gumbel_max;
  for (Eigen::Index j = 0; j < (std::min)(thetas.rows(), Eigen::Index{5}); ++j) {
    const auto theta = thetas.row(j).transpose();
    inversion.push_back(seconds_of([&] { drawn = scan.draw_by_inversion(theta, engine); }));
    gumbel_max.push_back(seconds_of([&] { drawn = scan.draw_by_gumbel_max(theta, engine); }));
  }
  return median(inversion) <= median(gumbel_max);
}

/// Times both methods on one thread, taking turns of ten thetas, so that whatever else the machine
/// does falls on both.
template <class Index>
Race race(ExhaustiveScan& scan, const lazygumbel::LazySampler<Index>& sampler, const Matrix& thetas,
          lazygumbel::PhiloxEngine& engine) {
  Race race;
  race.by_inversion = inversion_is_faster(scan, thetas, engine);
  const auto count = static_cast<double>(thetas.rows());
  constexpr Eigen::Index turn = 10;
  for (Eigen::Index first = 0; first < thetas.rows(); first += turn) {
    const Eigen::Index last = (std::min)(first + turn, thetas.rows());
    for (Eigen::Index j = first; j < last; ++j) {
      const auto theta = thetas.row(j).transpose();
      race.exhaustive.push_back(seconds_of([&] {
        drawn = race.by_inversion ? scan.draw_by_inversion(theta, engine)
                                  : scan.draw_by_gumbel_max(theta, engine);
      }));
    }
    for (Eigen::Index j = first; j < last; ++j) {
      lazygumbel::Draw draw;
      race.lazy.push_back(
          seconds_of([&] { draw = sampler.sample(thetas.row(j).transpose(), engine); }));
      race.head += static_cast<double>(draw.trace.head_size) / count;
      race.proposals += static_cast<double>(draw.trace.proposals) / count;
      race.rows_scored += static_cast<double>(draw.trace.rows_scored) / count;
      race.violations += draw.trace.violations;
      race.guarantee = draw.trace.guarantee;
    }
  }
  return race;
}

/// Seconds of a further draw for a theta that was already drawn for, medians over thetas.
struct FurtherDraws {
  double exhaustive = 0.0, lazy = 0.0;
};

template <class Index>
FurtherDraws further_draws(ExhaustiveScan& scan, const lazygumbel::LazySampler<Index>& sampler,
                           const Matrix& thetas, lazygumbel::PhiloxEngine& engine) {
  constexpr int draws = 200;
  std::vector<double> exhaustive, lazy;
  for (Eigen::Index j = 0; j < thetas.rows(); ++j) {
    scan.weigh(thetas.row(j).transpose());
    exhaustive.push_back(seconds_of([&] {
                           for (int i = 0; i < draws; ++i) drawn = scan.draw_again(engine);
                         }) /
                         draws);
    const auto envelope = sampler.prepare(thetas.row(j).transpose(), draws);
    lazygumbel::Trace trace;
    lazy.push_back(seconds_of([&] {
                     for (int i = 0; i < draws; ++i) drawn = envelope.sample(engine, trace).id;
                   }) /
                   draws);
  }
  return {median(exhaustive), median(lazy)};
}

/// For each theta the mass that the sampler cuts off because the index missed items above its bound
/// U: the sum over them of (exp(y) - exp(U)) / Z. It bounds the total variation distance between
/// the law drawn and the softmax. Scores within rounding of U count as equal to it.
template <class Index>
std::vector<double> clipped_masses(ExhaustiveScan& scan,
                                   const lazygumbel::LazySampler<Index>& sampler,
                                   const Matrix& thetas) {
  std::vector<double> masses;
  for (Eigen::Index j = 0; j < thetas.rows(); ++j) {
    const auto& scores = scan.score(thetas.row(j).transpose());
    const double log_z =
        lazygumbel::log_sum_exp(std::span(scores.data(), static_cast<std::size_t>(scores.size())));
    const auto envelope = sampler.prepare(thetas.row(j).transpose());
    const double bound = envelope.residual_bound();
    const auto tail = envelope.tail();
    double mass = 0.0;
    for (Eigen::Index i = 0; i < scores.size(); ++i) {
      const auto y = static_cast<double>(scores[i]);
      if (y > bound + 1e-6 * (std::max)(1.0, std::abs(bound)) &&
          tail.contains(static_cast<lazygumbel::item_id>(i)))
        mass += std::exp(y - log_z) - std::exp(bound - log_z);
    }
    masses.push_back(mass);
  }
  return masses;
}

/// The e with seconds ~ n^e, and the factor, by least squares on logarithms.
struct PowerLaw {
  double factor = 0.0, exponent = 0.0;
};

inline PowerLaw fit_power_law(const std::vector<double>& n, const std::vector<double>& seconds) {
  const auto count = static_cast<double>(n.size());
  double x = 0.0, y = 0.0, xx = 0.0, xy = 0.0;
  for (std::size_t i = 0; i < n.size(); ++i) {
    const double log_n = std::log(n[i]), log_s = std::log(seconds[i]);
    x += log_n / count, y += log_s / count;
    xx += log_n * log_n / count, xy += log_n * log_s / count;
  }
  const double exponent = (xy - x * y) / (xx - x * x);
  return {std::exp(y - exponent * x), exponent};
}

}  // namespace demo
