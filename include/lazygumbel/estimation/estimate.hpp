#pragma once

#include <cstddef>
#include <limits>

#include "lazygumbel/core/parameters.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/retrieval.hpp"

namespace lazygumbel {

/// What an estimate rests on.
struct EstimateTrace {
  std::size_t head_size = 0;  ///< items summed exactly
  std::size_t samples = 0;    ///< tail items, or draws, that were sampled
  bool exhaustive = false;    ///< all n items were summed: the value is exact up to rounding
  bool target_met = true;     ///< false: a target was not reached; true also without one
  /// Whether the error allows for items that no draw met, as far as the guarantee below holds.
  /// false: it is the central limit theorem's for what the draws met; a few heavy items or large
  /// values among the others may be missing in it.
  bool covers_unseen = false;
  /// The guarantee of the retrieval's bound. Head + tail estimates are unbiased sums whatever it is
  /// worth; it bounds what a weight can be, in errors that cover the unseen.
  Guarantee guarantee{};
};

/// A number with its uncertainty.
struct Estimate {
  double value = 0.0;
  double standard_error = 0.0;      ///< estimated; 0 when exhaustive
  double lower = 0.0, upper = 0.0;  ///< two-sided interval
  double confidence = 0.0;          ///< nominal coverage of the interval
  /// What the index proves, whatever was sampled (LogPartition over coded rows); the interval above
  /// never leaves it.
  double certified_lower = -std::numeric_limits<double>::infinity();
  double certified_upper = std::numeric_limits<double>::infinity();
  EstimateTrace trace;
};

/// A vector with its uncertainty, coordinate by coordinate and in norm.
struct VectorEstimate {
  Vector<double> value;
  Vector<double> standard_error;  ///< of each coordinate
  /// |value - truth|_2 is at most this with about the stated confidence.
  double error_norm = 0.0;
  double confidence = 0.0;
  EstimateTrace trace;
};

/// How a confidence interval for log Z is made.
enum class Interval {
  normal,              ///< central limit theorem: tight, right for large samples
  empirical_bernstein  ///< for any sample size, given a true residual bound; several times wider
};

struct EstimatorOptions {
  std::size_t k = 0;                     ///< items to retrieve; 0: see default_k
  double confidence = 0.95;              ///< of intervals in fixed-budget mode
  Interval interval = Interval::normal;  ///< LogPartition only
};

}  // namespace lazygumbel
