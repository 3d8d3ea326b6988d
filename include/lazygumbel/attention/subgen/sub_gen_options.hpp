#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// How the sketch of a SubGenCache estimates an output o = N / Z, with Z^ from uniform samples of
/// the keys of each cluster in all of them.
enum class SubGenEstimator : std::uint8_t {
  plain,            ///< N^ = sum_b a_b v_b over slots drawn by |v|^2: unbiased; the paper's
  self_normalised,  ///< N^ = Z^ sum_b a_b v_b / sum_b a_b: equal values come out as they are
  mean_shifted,     ///< N^ = c Z^ + sum_b a_b (v_b - c), c the mean of all values
  stratified,       ///< N^ from values kept beside the uniform samples of each cluster; no slots
  centred  ///< as stratified, with the mean value of each cluster kept exactly, so that only the
           ///< covariance of weights and values is sampled
};

/// "plain", "self_normalised", "mean_shifted", "stratified" or "centred".
constexpr const char* name_of(SubGenEstimator estimator) noexcept {
  switch (estimator) {
    case SubGenEstimator::plain:
      return "plain";
    case SubGenEstimator::self_normalised:
      return "self_normalised";
    case SubGenEstimator::mean_shifted:
      return "mean_shifted";
    case SubGenEstimator::stratified:
      return "stratified";
    case SubGenEstimator::centred:
      break;
  }
  return "centred";
}

namespace detail {

/// Whether values lie beside the samples of clusters, and there are no slots.
constexpr bool is_stratified(SubGenEstimator estimator) noexcept {
  return estimator >= SubGenEstimator::stratified;
}

}  // namespace detail

/// What a SubGenCache keeps of each kv head.
struct SubGenOptions {
  /// Keys farther than this from every representative open a cluster of their own; at least 0, and
  /// to be chosen: there is no default. 0: each distinct key is one. Infinity: all keys are one
  /// cluster, which with `stratified` is a uniform sample of the tokens.
  double radius = std::numeric_limits<double>::quiet_NaN();
  std::size_t samples_per_cluster = 32;  ///< t: keys kept of a cluster, at least 4
  std::size_t slots = 4096;  ///< s: (key, value) pairs, at least 8; not of stratified, centred
  std::size_t sinks = 4;     ///< first tokens, kept exactly
  std::size_t window = 256;  ///< last tokens, kept exactly
  /// When there are so many, keys join the nearest one, however far: memory then stays bounded, and
  /// the error and its report grow instead, as of all wide clusters.
  std::size_t max_clusters = (std::numeric_limits<std::uint32_t>::max)();
  SubGenEstimator estimator = SubGenEstimator::centred;
  double error_probability = 0.05;  ///< of a row's error exceeding its report; in (0, 1)

  friend bool operator==(const SubGenOptions&, const SubGenOptions&) = default;
};

namespace detail {

/// Whether what is kept under the one may be merged with what is kept under the other: all but
/// `error_probability`, and `slots` where there are none.
inline bool agree(SubGenOptions a, const SubGenOptions& b) {
  a.error_probability = b.error_probability;
  if (is_stratified(a.estimator)) a.slots = b.slots;
  return a == b;
}

/// Throws std::invalid_argument on options out of range.
inline void require_sub_gen(const SubGenOptions& options) {
  if (!(options.radius >= 0.0)) throw_invalid("radius", options.radius, "must be at least 0");
  if (options.samples_per_cluster < 4)
    throw_invalid("samples_per_cluster", options.samples_per_cluster, "must be at least 4");
  if (!is_stratified(options.estimator) && options.slots < 8)
    throw_invalid("slots", options.slots, "must be at least 8");
  if (options.max_clusters == 0 ||
      options.max_clusters > (std::numeric_limits<std::uint32_t>::max)())
    throw_invalid("max_clusters", options.max_clusters, "must be from 1 to 2^32 - 1");
  if (options.estimator > SubGenEstimator::centred)
    throw_invalid("estimator", static_cast<int>(options.estimator), "is none of the five");
  if (!(options.error_probability > 0.0 && options.error_probability < 1.0))
    throw_invalid("error_probability", options.error_probability, "must lie in (0, 1)");
}

}  // namespace detail
}  // namespace lazygumbel
