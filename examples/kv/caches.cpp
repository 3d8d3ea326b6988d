#include "caches.hpp"

#include <algorithm>
#include <cmath>
#include <lazygumbel/attention/cache/exact_kv_cache.hpp>
#include <lazygumbel/attention/cache/space_lower_bound.hpp>
#include <lazygumbel/attention/subgen/sub_gen_cache.hpp>
#include <lazygumbel/attention/window/sliding_window_cache.hpp>
#include <lazygumbel/random/philox.hpp>
#include <limits>

#include "measure.hpp"
#include "radius.hpp"

namespace kv_tools {

using lazygumbel::SubGenEstimator;
using lazygumbel::SubGenOptions;

namespace {

constexpr double budgets[] = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2};
constexpr std::size_t fewest_slots = 8;  // that SubGenOptions allow
constexpr double fewest_samples = 4.0, samples_of_wide_clusters = 16.0;

std::size_t whole(double x, std::size_t least) {
  return (std::max)(least, static_cast<std::size_t>((std::max)(0.0, x)));
}

/// Errors of rounding do not count against a report.
constexpr double rounding = 1e-5;

class Comparison {
 public:
  Comparison(const Problem& problem, const Options& options)
      : problem_(problem),
        options_(options),
        truth_(dense_attention(problem, options.threads)),
        d_(static_cast<std::size_t>(problem.keys.cols())),
        dv_(static_cast<std::size_t>(problem.values.cols())) {}

  std::vector<Line>& lines() { return lines_; }

  void exact() {
    lazygumbel::KeyValueCache<float> cache(1, d_, dv_);
    cache.reserve(problem_.tokens());
    add(Kind::exact, 1.0, stream(cache, problem_, options_.threads));
  }

  void sub_gen(Kind kind, double budget, const SubGenOptions& options) {
    lazygumbel::PhiloxEngine engine(options_.seed);
    lazygumbel::SubGenCache<float> cache(1, d_, dv_, options, engine);
    add(kind, budget, stream(cache, problem_, options_.threads));
  }

  void window(Kind kind, double budget, std::size_t tokens, double score_before) {
    lazygumbel::SlidingWindowCache<float> cache(1, d_, dv_,
                                                {.window = tokens, .residual_logit = score_before});
    const Streamed streamed = stream(cache, problem_, options_.threads);
    add(kind, budget, streamed);
    Line& line = lines_.back();
    line.reported = line.within = std::nullopt;
    line.own_error = quantile(
        relative_errors(streamed.outputs,
                        dense_attention(problem_, options_.threads, Window{tokens, score_before})),
        1.0);
    line.bound_bytes = lazygumbel::space_lower_bound(problem_.tokens(), d_, tokens).bytes();
  }

 private:
  void add(Kind kind, double budget, const Streamed& streamed) {
    const std::vector<double> errors = relative_errors(streamed.outputs, truth_);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < errors.size(); ++i) {
      const auto row = static_cast<Eigen::Index>(i);
      const double error = (streamed.outputs.row(row) - truth_.row(row)).norm(),
                   allowed = streamed.reported[i] * streamed.outputs.row(row).norm();
      if (error <= allowed + rounding * truth_.row(row).norm() || error == 0.0) ++kept;
    }
    lines_.push_back({.kind = kind,
                      .budget = budget,
                      .bytes = streamed.bytes,
                      .bound_bytes = lazygumbel::space_lower_bound(problem_.tokens(), d_).bytes(),
                      .median = quantile(errors, 0.5),
                      .high = quantile(errors, 0.95),
                      .reported = quantile(streamed.reported, 0.5),
                      .within = static_cast<double>(kept) / static_cast<double>(errors.size()),
                      .own_error = {},
                      .append_seconds = streamed.append_seconds,
                      .attend_seconds = streamed.attend_seconds});
  }

  const Problem& problem_;
  const Options& options_;
  Eigen::MatrixXd truth_;
  std::size_t d_, dv_;
  std::vector<Line> lines_;
};

}  // namespace

const char* name_of(Kind kind) {
  constexpr const char* names[] = {
      "exact",   "sub_gen", "sub_gen_stratified", "sub_gen_plain", "sub_gen_self_normalised",
      "uniform", "window",  "window_unmasked"};
  return names[static_cast<int>(kind)];
}

const char* title_of(Kind kind) {
  constexpr const char* titles[] = {
      "exact",         "SubGen, centred",         "SubGen, stratified",
      "SubGen, plain", "SubGen, self-normalised", "uniform sample",
      "window",        "window, unmasked"};
  return titles[static_cast<int>(kind)];
}

SubGenOptions plan(SubGenEstimator estimator, double tokens, double key, double radius,
                   std::size_t clusters) {
  const bool slots = estimator < SubGenEstimator::stratified;
  const double sketch = tokens * 7.0 / 8.0, for_clusters = slots ? sketch / 2.0 : sketch,
               sample = slots ? key : 1.0,
               means = estimator == SubGenEstimator::centred ? 2.0 * (1.0 - key) : 0.0;
  const auto room = [&](double samples) {
    return whole(for_clusters / (key + means + samples * sample), 1);
  };
  SubGenOptions options;
  options.estimator = estimator;
  options.radius = radius;
  options.sinks = 0;
  options.window = whole(tokens / 8.0, 1);
  options.slots = whole(sketch / 2.0, fewest_slots);
  options.max_clusters =
      clusters <= room(fewest_samples) ? clusters : room(samples_of_wide_clusters);
  options.samples_per_cluster =
      whole((for_clusters / static_cast<double>(options.max_clusters) - key - means) / sample,
            static_cast<std::size_t>(fewest_samples));
  return options;
}

std::vector<Line> compare_caches(const Problem& problem, double radius, const Options& options) {
  const auto n = static_cast<double>(problem.tokens());
  const double key = static_cast<double>(problem.keys.cols()) /
                     static_cast<double>(problem.keys.cols() + problem.values.cols());
  const std::size_t clusters = count_clusters(problem.keys, radius, problem.tokens() / 10);
  Comparison comparison(problem, options);
  comparison.exact();
  for (const auto& [kind, estimator] :
       {std::pair(Kind::sub_gen, SubGenEstimator::centred),
        std::pair(Kind::sub_gen_stratified, SubGenEstimator::stratified),
        std::pair(Kind::sub_gen_plain, SubGenEstimator::plain),
        std::pair(Kind::sub_gen_self_normalised, SubGenEstimator::self_normalised)})
    for (const double budget : budgets)
      comparison.sub_gen(kind, budget, plan(estimator, budget * n, key, radius, clusters));
  for (const double budget : budgets) {
    SubGenOptions one;
    one.estimator = SubGenEstimator::stratified;
    one.radius = std::numeric_limits<double>::infinity();
    one.samples_per_cluster = whole(budget * n, static_cast<std::size_t>(fewest_samples));
    one.sinks = one.window = 0;
    comparison.sub_gen(Kind::uniform, budget, one);
  }
  for (const auto& [kind, score] :
       {std::pair(Kind::window, -std::numeric_limits<double>::infinity()),
        std::pair(Kind::window_unmasked, 0.0)})
    for (const double budget : budgets)
      comparison.window(kind, budget, whole(budget * n, 1), score);
  return std::move(comparison.lines());
}

}  // namespace kv_tools
