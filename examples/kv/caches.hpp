#pragma once

#include <cstddef>
#include <functional>
#include <lazygumbel/attention/subgen/sub_gen_options.hpp>
#include <optional>
#include <string>
#include <vector>

#include "problem.hpp"

namespace kv_tools {

enum class Kind {
  exact,
  sub_gen,                  ///< centred: samples and mean values of each cluster
  sub_gen_stratified,       ///< samples of each cluster alone
  sub_gen_plain,            ///< normaliser from samples of each cluster, values from slots
  sub_gen_self_normalised,  ///< the same, divided by the slots' own sum
  uniform,                  ///< a uniform sample of the tokens: one cluster
  window,                   ///< the last tokens
  window_unmasked           ///< the last tokens, and all others with score 0
};

/// For the file of numbers, and for a person.
const char* name_of(Kind kind);
const char* title_of(Kind kind);

/// A cache at one size.
struct Line {
  Kind kind = Kind::exact;
  double budget = 1.0;              ///< share of the exact cache that was aimed at
  double bytes = 0.0;               ///< held
  double bound_bytes = 0.0;         ///< space_lower_bound, in bytes
  double median = 0.0, high = 0.0;  ///< error against full attention: median and 95th percentile
  /// Median of the errors that were reported, and the share of outputs that keep to theirs. None of
  /// windows, which report on their own model.
  std::optional<double> reported, within;
  std::optional<double> own_error;  ///< of windows: greatest error against their own model
  double append_seconds = 0.0, attend_seconds = 0.0;  ///< of a token, of a query
};

/// How a SubGenCache spends room for so many tokens, of which a key takes the share `key`. An
/// eighth is for the last tokens, kept exactly; first ones are not, since no stream here has sinks.
/// Of the rest, `centred` and `stratified` give all to clusters, the others half to clusters and
/// half to slots. A cluster takes a key (its representative), two values where their mean is kept
/// (in double), and t samples, of tokens or, beside slots, of keys. t is as large as `clusters` of
/// them, which the keys form, allow; where that would be below 4, t is 16 and there are fewer
/// clusters: keys join the nearest.
lazygumbel::SubGenOptions plan(lazygumbel::SubGenEstimator estimator, double tokens, double key,
                               double radius, std::size_t clusters);

/// Streams the problem through every cache at every size. `radius`: of clusters.
std::vector<Line> compare_caches(const Problem& problem, double radius, const Options& options);

}  // namespace kv_tools
